"""Figures as a page holds them: inside the page itself, in the page's type and its light or dark colours."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from .canvas import FAINT, INK, NARROW_IN, SOFT, WIDE_IN, save_figure, svg_of

_TYPE = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_DARK = {INK: "#dfe3e8", SOFT: "#9aa3ad", FAINT: "#4a525b"}
_PHOTOGRAPH_QUALITY = 84
_THUMBNAIL_PX = 240


@dataclass(frozen=True)
class Picture:
    """A figure within a page.

    Parameters
    ----------
    alt : str
        What it shows, for those who cannot see it.
    file : str
        Its file's path from the page, without ending (`.png` and `.svg` are there).
    wide : str
        The picture as a data URI.
    narrow : str
        The same drawn for a phone; empty where one serves both.
    """

    alt: str
    file: str
    wide: str
    narrow: str = ""


def drawn(draw: Callable[[float], Figure], folder: Path, name: str, *, alt: str) -> Picture:
    """Turn a figure of lines into files, and into a picture for wide and for narrow screens.

    Parameters
    ----------
    draw : callable
        Makes the figure for a width [inch].
    folder : Path
        The page's folder; the files go to `figures/` in it.
    name : str
        Name of the files, without ending.
    alt : str
        As in `Picture`.

    Returns
    -------
    Picture
        Two SVG images whose text and greys follow the reader's light or dark scheme.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> from .canvas import new_figure
    >>> folder = Path(tempfile.mkdtemp())
    >>> drawn(lambda width: new_figure(width, 1.0)[0], folder, "a", alt="nothing").file
    'figures/a'
    """
    wide = draw(WIDE_IN)
    save_figure(wide, folder / "figures", name)
    return Picture(alt, f"figures/{name}", themed_svg(wide), themed_svg(draw(NARROW_IN)))


def themed_svg(figure: Figure) -> str:
    """Turn a figure into an SVG data URI whose ink follows the reader's light or dark scheme.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn in the house's style.

    Returns
    -------
    str
        A data URI.

    Examples
    --------
    >>> from .canvas import new_figure
    >>> themed_svg(new_figure(2.0, 1.0)[0])[:18]
    'data:image/svg+xml'
    """
    text = svg_of(figure).decode().replace("'DejaVu Sans'", _TYPE)
    names = {colour: f"--c{colour[1:]}" for colour in _DARK}
    for colour, name in names.items():
        text = text.replace(f": {colour}", f": var({name})")
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{name}:{_DARK[colour]};" for colour, name in names.items())
    rules = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    text = text.replace("<defs>", f"<style>{rules}</style><defs>", 1)
    return _uri(text.encode(), "svg+xml")


def photograph(png: bytes) -> str:
    """Turn a rendered frame into a WebP data URI; its noise would fill a PNG.

    Parameters
    ----------
    png : bytes
        A PNG file.

    Returns
    -------
    str
        A data URI.

    Examples
    --------
    >>> from .canvas import new_figure, png_of
    >>> photograph(png_of(new_figure(1.0, 1.0)[0]))[:15]
    'data:image/webp'
    """
    return webp_uri(_webp(Image.open(io.BytesIO(png))))


def thumbnail(png: bytes, *, title_share: float = 0.0) -> bytes:
    """Make a rendered frame small, for a list of movies.

    Parameters
    ----------
    png : bytes
        A PNG file.
    title_share : float
        Part of its height that is cut off at the top.

    Returns
    -------
    bytes
        A WebP file of at most 240 pixels a side.

    Examples
    --------
    >>> from .canvas import new_figure, png_of
    >>> thumbnail(png_of(new_figure(2.0, 1.0)[0]))[8:12]
    b'WEBP'
    """
    whole = Image.open(io.BytesIO(png))
    image = whole.crop((0, round(title_share * whole.height), whole.width, whole.height))
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    return _webp(image)


def webp_uri(data: bytes) -> str:
    """Turn the bytes of a WebP file into a data URI.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    str
        A data URI.

    Examples
    --------
    >>> webp_uri(b"")
    'data:image/webp;base64,'
    """
    return _uri(data, "webp")


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "webp", quality=_PHOTOGRAPH_QUALITY, method=4)
    return out.getvalue()


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
