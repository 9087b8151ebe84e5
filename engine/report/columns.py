"""Figures of atomic columns: where they are, how many over time and how often they hop, their strain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import INK, REST, SOFT, WIDE_IN, house_style, margins, new_figure
from .curves import draw_curve, mark_times
from .overlay import TITLE_IN, choose_smoothing, draw_scale_bar
from .predictions import GAP_IN, LEFT_IN, show_frame
from .shown import IDENTITY_COLOURS, Shown

_HOP = "#D55E00"
_STRAIN = (("exx", "strain along x [%]", 100.0), ("eyy", "strain along y [%]", 100.0))
_ROTATION = ("rotation_deg", "rotation [°]", 1.0)
_BAR_IN = 0.5
_STRAIN_PERCENTILE = 98
_MARK_AREA, _LEAST_MARK = 9.0, 2.0


@dataclass(frozen=True)
class ColumnsFrame:
    """A frame and the columns found in it.

    Parameters
    ----------
    frame : int
        Its number.
    image : array (Y, X), real
        Its pixels.
    columns : pandas.DataFrame
        y_px, x_px, class.
    hops : pandas.DataFrame
        All hops of the movie: frame, from_y_…, to_y_… [px or nm].
    """

    frame: int
    image: np.ndarray
    columns: pd.DataFrame
    hops: pd.DataFrame


def frames_with_columns(frames: Sequence[ColumnsFrame], shown: Shown, *, width_in: float = WIDE_IN) -> Figure:
    """Draw frames with a mark at each column, and the hops up to then as arrows.

    Parameters
    ----------
    frames : sequence of ColumnsFrame
        A few frames of one movie.
    shown : Shown
        The movie's axes.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        Frames beside each other, below each other on a narrow figure; classes told apart by colour.

    Examples
    --------
    >>> from .shown import show
    >>> table = pd.DataFrame({"y_px": [4.0], "x_px": [5.0], "class": ["column"]})
    >>> one = ColumnsFrame(0, np.eye(16), table, pd.DataFrame())
    >>> len(frames_with_columns([one], show({"movie": "a", "frames": 1}, pd.DataFrame())).axes)
    1
    """
    across = len(frames) if width_in >= WIDE_IN else 1
    down = -(-len(frames) // across)
    rows, columns = frames[0].image.shape
    side_in = (width_in - 2 * LEFT_IN - (max(across, 2) - 1) * GAP_IN) / max(across, 2 if across > 1 else 1)
    panel_in = side_in * rows / columns
    smoothing = choose_smoothing([one.image for one in frames])
    classes = sorted({name for one in frames for name in one.columns["class"]})
    with house_style():
        figure, panels = new_figure(
            across * side_in + (across - 1) * GAP_IN + 2 * LEFT_IN,
            down * (panel_in + TITLE_IN) + LEFT_IN,
            down,
            across,
        )
        gaps = {"wspace": GAP_IN / side_in, "hspace": TITLE_IN / panel_in}
        margins(figure, left=LEFT_IN, right=LEFT_IN, top=TITLE_IN, bottom=LEFT_IN, **gaps)
        for one, axes in zip(frames, [axes for row in panels for axes in row], strict=False):
            show_frame(axes, one.image, smoothing)
            axes.set_title(f"{shown.at(one.frame)} · {len(one.columns)} columns", loc="left", fontsize=7)
            _mark(axes, one, classes, side_in)
            _arrows(axes, one, shown)
            axes.set_xlim(-0.5, columns - 0.5)
            axes.set_ylim(rows - 0.5, -0.5)
        draw_scale_bar(panels[0][0], (rows, columns), shown.pixel_nm)
    return figure


def columns_over_time(counts: pd.DataFrame, shown: Shown, *, width_in: float = WIDE_IN) -> Figure:
    """Draw how many columns of each class there are, and hops added up, against time.

    Parameters
    ----------
    counts : pandas.DataFrame
        frame, class, columns, hops, usable; readable where a filter of frames was made.
    shown : Shown
        The movie's axes.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        Frames that are not readable are grey behind the curve of those that are.

    Examples
    --------
    >>> from .shown import show
    >>> table = {"frame": [0, 1], "class": "column", "columns": [3, 3], "hops": [0, 1], "usable": True}
    >>> figure = columns_over_time(pd.DataFrame(table), show({"movie": "a", "frames": 2}, pd.DataFrame()))
    >>> len(figure.axes)
    2
    """
    with house_style():
        figure, panels = new_figure(width_in, 3.2, 2, 1, sharex=True, height_ratios=[1.7, 1.0])
        margins(figure, left=0.7, right=0.2, top=0.22, bottom=0.42, hspace=0.18)
        upper, lower = panels[0][0], panels[1][0]
        for place, (name, own) in enumerate(counts.groupby("class", sort=True)):
            colour = _colour(place)
            curve = np.full(shown.n_frames, np.nan)
            usable = own[own["usable"].astype(bool)]
            curve[usable["frame"]] = usable["columns"]
            if "readable" in own:
                draw_curve(upper, shown.times, curve, shown, color=REST, linewidth=0.7)
                unreadable = usable.loc[~usable["readable"].astype(bool), "frame"]
                curve[unreadable] = np.nan
            draw_curve(upper, shown.times, curve, shown, color=colour, label=str(name))
        upper.set_ylabel("columns")
        upper.set_ylim(bottom=0)
        upper.yaxis.set_major_locator(MaxNLocator(integer=True))
        if counts["class"].nunique() > 1:
            upper.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.1)
        hops = counts.groupby("frame")["hops"].sum()
        lower.step(shown.times[hops.index], hops.cumsum(), where="post", color=_HOP)
        lower.set_ylabel("hops so far")
        lower.set_ylim(bottom=0)
        lower.yaxis.set_major_locator(MaxNLocator(integer=True))
        figure.align_ylabels([upper, lower])
        mark_times([upper, lower], shown)
    return figure


def strain_map(columns: pd.DataFrame, *, width_in: float = WIDE_IN) -> Figure:
    """Draw strain and rotation of columns, each column a dot at its place.

    Parameters
    ----------
    columns : pandas.DataFrame
        y_px, x_px, exx, eyy, rotation_deg; a row a column, as of one frame or the mean of many.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        One scale for both strains, white where there is none; columns without neighbours are left out.

    Examples
    --------
    >>> names = ("y_px", "x_px", "exx", "eyy", "rotation_deg")
    >>> table = pd.DataFrame({name: [0.0, 1.0] for name in names})
    >>> len(strain_map(table).axes)
    6
    """
    known = columns.dropna(subset=["exx"])
    y, x = known["y_px"].to_numpy(), known["x_px"].to_numpy()
    span = max(float(np.ptp(y)), float(np.ptp(x)), 1.0)
    pad = 0.06 * span
    height = (np.ptp(y) + 2 * pad) / (np.ptp(x) + 2 * pad)
    across = 3 if width_in >= WIDE_IN else 1
    panel_in = (width_in - across * (_BAR_IN + 0.1)) / across
    rows_in = min(panel_in * height, 4.0) + TITLE_IN + 0.08
    strain = 100 * known[["exx", "eyy"]].abs().to_numpy()
    most = max(float(np.percentile(strain, _STRAIN_PERCENTILE)), 1e-6)
    turned = max(float(np.percentile(known["rotation_deg"].abs(), _STRAIN_PERCENTILE)), 1e-6)
    panels = [(*one, most) for one in _STRAIN] + [(*_ROTATION, turned)]
    with house_style():
        figure = new_figure(width_in, rows_in * (3 // across) + 0.05)[0]
        figure.clear()
        total_in = figure.get_figheight()
        for place, (name, title, factor, limit) in enumerate(panels):
            row, column = divmod(place, across)
            left_in = column * (panel_in + _BAR_IN + 0.1) + 0.05
            low_in = total_in - (row + 1) * rows_in + 0.03
            side_in = rows_in - TITLE_IN - 0.08
            axes = figure.add_axes(
                (left_in / width_in, low_in / total_in, panel_in / width_in, side_in / total_in)
            )
            points = axes.scatter(
                x,
                y,
                c=factor * known[name],
                cmap="RdBu_r",
                norm=Normalize(-limit, limit),
                s=_dot_area(y, x, panel_in / (np.ptp(x) + 2 * pad)),
                linewidths=0.3,
                edgecolors=SOFT,
            )
            axes.set_xlim(x.min() - pad, x.max() + pad)
            axes.set_ylim(y.max() + pad, y.min() - pad)
            axes.set_aspect("equal")
            axes.set_axis_off()
            axes.set_title(title, loc="left", color=INK)
            bar = figure.add_axes(
                ((left_in + panel_in) / width_in, low_in / total_in, 0.08 / width_in, side_in / total_in)
            )
            figure.colorbar(points, cax=bar)
    return figure


def _mark(axes: Axes, one: ColumnsFrame, classes: Sequence[str], side_in: float) -> None:
    points = 72 * side_in / one.image.shape[1]
    for place, name in enumerate(classes):
        own = one.columns[one.columns["class"] == name]
        width = float(own["width_px"].median()) if "width_px" in own and len(own) else 2.0
        size = float(np.clip((2.4 * width * points) ** 2, _LEAST_MARK, 40 * _MARK_AREA))
        axes.scatter(
            own["x_px"],
            own["y_px"],
            s=size,
            facecolors="none",
            edgecolors=_colour(place),
            linewidths=0.7,
            label=str(name),
        )
    if len(classes) > 1:
        axes.legend(loc="lower right", fontsize=6, borderpad=0.2, handletextpad=0, labelcolor="white")


def _arrows(axes: Axes, one: ColumnsFrame, shown: Shown) -> None:
    """Draw the hops up to a frame from site to site."""
    unit, length = ("px", 1.0) if shown.pixel_nm is None else ("nm", shown.pixel_nm)
    if one.hops.empty:
        return
    past = one.hops[one.hops["frame"] <= one.frame]
    ends = past[[f"{name}_{unit}" for name in ("from_x", "from_y", "to_x", "to_y")]].to_numpy(float) / length
    axes.add_collection(LineCollection(list(ends.reshape(-1, 2, 2)), colors=_HOP, linewidths=1.2))
    axes.scatter(ends[:, 2], ends[:, 3], s=4, color=_HOP, linewidths=0, zorder=3)


def _dot_area(y: np.ndarray, x: np.ndarray, inch_per_px: float) -> float:
    """Area of dots [pt²] that nearly touch at the density of the columns."""
    box = max(float(np.ptp(y)) * float(np.ptp(x)), 1.0)
    apart = np.sqrt(box / max(len(y), 1)) * inch_per_px * 72
    return float(np.clip((0.62 * apart) ** 2, 3.0, 150.0))


def _colour(place: int) -> str:
    # Orange first: blue is lost on grey.
    return IDENTITY_COLOURS[(place + 1) % len(IDENTITY_COLOURS)]
