"""Empty figures in the house's type and greys, and their files: no date, no window, equal bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..files.atomic import atomic_file

WIDE_IN = 7.2
NARROW_IN = 3.5
INK = "#22262b"
SOFT = "#6b727b"
FAINT = "#d4d8dd"
REST = "#a3a9b1"
_PNG_DPI = 200
_RASTER_DPI = 160
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.facecolor": "none",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "temflux",
    "agg.path.chunksize": 20000,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house's type, greys and line widths inside the block.

    Examples
    --------
    >>> with house_style():
    ...     figure, axes = new_figure(NARROW_IN, 2.0, 1)
    """
    with mpl.rc_context():
        # From the defaults: a user's own style file must not change the bytes.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(
    width_in: float, height_in: float, rows: int = 1, columns: int = 1, **grid: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Make a figure that belongs to no window.

    Parameters
    ----------
    width_in, height_in : float
        Size [inch].
    rows, columns : int
        Panels.
    **grid
        Handed to `Figure.subplots`.

    Returns
    -------
    matplotlib Figure, list of lists of Axes
        The figure, its panels by row and column.

    Examples
    --------
    >>> figure, panels = new_figure(3.5, 2.0, rows=2)
    >>> len(panels), len(panels[0])
    (2, 1)
    """
    figure = Figure(figsize=(width_in, height_in), facecolor="none")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **grid).tolist()


def margins(figure: Figure, *, left: float, right: float, top: float, bottom: float, **gaps: float) -> None:
    """Set a figure's margins in inch, so that they do not grow with it.

    Parameters
    ----------
    figure : matplotlib Figure
        What to set.
    left, right, top, bottom : float
        Margins [inch].
    **gaps
        `hspace`, `wspace` as in `Figure.subplots_adjust`.

    Examples
    --------
    >>> figure, _ = new_figure(4.0, 2.0)
    >>> margins(figure, left=1.0, right=0.0, top=0.0, bottom=0.0)
    >>> float(figure.subplotpars.left)
    0.25
    """
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width, right=1 - right / width, top=1 - top / height, bottom=bottom / height, **gaps
    )


def save_figure(figure: Figure, folder: Path, name: str) -> bytes:
    """Save a figure as PNG (200 dpi) and SVG on white, the same bytes each time.

    Parameters
    ----------
    figure : matplotlib Figure
        What to save.
    folder : Path
        Where to.
    name : str
        File name without its ending.

    Returns
    -------
    bytes
        The PNG file.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = save_figure(new_figure(2.0, 1.0)[0], folder, "empty")
    >>> sorted(path.name for path in folder.iterdir())
    ['empty.png', 'empty.svg']
    """
    png = png_of(figure)
    with atomic_file(folder / f"{name}.png") as temporary:
        temporary.write_bytes(png)
    with atomic_file(folder / f"{name}.svg") as temporary:
        temporary.write_bytes(svg_of(figure, background="white"))
    return png


def png_of(figure: Figure, *, dpi: int = _PNG_DPI) -> bytes:
    """Render a figure on white as the bytes of a PNG file.

    Parameters
    ----------
    figure : matplotlib Figure
        What to render.
    dpi : int
        Pixels per inch.

    Returns
    -------
    bytes
        Without date or software.

    Examples
    --------
    >>> png_of(new_figure(2.0, 1.0)[0], dpi=50)[1:4]
    b'PNG'
    """
    out = io.BytesIO()
    with house_style():
        figure.savefig(out, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def svg_of(figure: Figure, *, background: str = "none") -> bytes:
    """Render a figure as the bytes of an SVG file; parts marked so are pixels within it.

    Parameters
    ----------
    figure : matplotlib Figure
        What to render.
    background : str
        Colour behind it; `none` lets a page shine through.

    Returns
    -------
    bytes
        Without date or creator.

    Examples
    --------
    >>> svg_of(new_figure(2.0, 1.0)[0])[:5]
    b'<?xml'
    """
    out = io.BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with house_style():
        figure.savefig(out, format="svg", dpi=_RASTER_DPI, facecolor=background, metadata=nothing)
    return out.getvalue()
