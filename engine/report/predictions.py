"""Figures of predictions: frames beside a network's maps and what was read from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy import ndimage
from skimage.measure import find_contours

from .canvas import WIDE_IN, house_style, margins, new_figure, png_of
from .overlay import choose_smoothing, displayed, draw_scale_bar
from .shown import IDENTITY_COLOURS

_TITLE_IN = 0.24
GAP_IN = 0.06
BAR_IN = 0.55
LEFT_IN = 0.04
BOTTOM_IN = 0.04
_BELOW_IN = 0.56
_DPI = 200
_LARGEST_DRAWN_PX = 1024
_COLOUR_MAP = "viridis"
# Another than that of probabilities: a bright pixel here is an unsure one.
_DEVIATION_COLOUR_MAP = "magma"
_LEAST_DEVIATION = 0.01
_REGIONS_AT_MOST = 300


@dataclass(frozen=True)
class PredictedFrame:
    """A frame, its maps, and the mask or columns read from them.

    Parameters
    ----------
    title : str
        What it is.
    image : array (Y, X), real
        The frame.
    maps : array (y, x, C), float
        Maps, the background, where there is one, last; of a large frame every so many pixels will do.
    mask : array (Y, X), int, or None
        0 outside, 1 and on the classes.
    columns_px : array (n, 2), float, or None
        x and y of atomic columns [px].
    kinds : array (n,), int, or None
        Their classes, from 0.
    disagreement : array (y, x), float, or None
        Standard deviation of two models' maps.
    differing_share : float or None
        Share of pixels where the two find another class.

    Examples
    --------
    >>> PredictedFrame("frame 0", np.zeros((8, 8)), np.zeros((8, 8, 1))).mask is None
    True
    """

    title: str
    image: np.ndarray
    maps: np.ndarray
    mask: np.ndarray | None = None
    columns_px: np.ndarray | None = None
    kinds: np.ndarray | None = None
    disagreement: np.ndarray | None = None
    differing_share: float | None = None

    def with_mask(self, mask: np.ndarray) -> PredictedFrame:
        """Add a mask."""
        return replace(self, mask=mask)

    def with_columns(self, columns_px: np.ndarray, kinds: np.ndarray) -> PredictedFrame:
        """Add atomic columns."""
        return replace(self, columns_px=columns_px, kinds=kinds)

    def with_disagreement(self, deviation: np.ndarray, differing_share: float | None) -> PredictedFrame:
        """Add where two models disagree."""
        return replace(self, disagreement=deviation, differing_share=differing_share)


def draw_predictions(
    frames: Sequence[PredictedFrame],
    *,
    classes: Sequence[str],
    pixel_nm: float | None,
    is_probability: bool = True,
) -> bytes:
    """Draw frames, one a row: the frame, the map, outline or columns on the frame, and any disagreement.

    Parameters
    ----------
    frames : sequence of PredictedFrame
        Some frames of one movie, all with disagreement or none.
    classes : sequence of str
        Names of the maps that are no background.
    pixel_nm : float or None
        Side of a pixel [nm]; the scale bar is in pixels without it.
    is_probability : bool
        Whether maps are probabilities, shown from 0 to 1 as that of any class; else the first map is shown.

    Returns
    -------
    bytes
        A PNG file.

    Examples
    --------
    >>> frame = PredictedFrame("frame 0", np.eye(32), np.eye(32)[..., np.newaxis])
    >>> draw_predictions([frame], classes=("inside",), pixel_nm=0.1)[1:4]
    b'PNG'
    """
    figure = figure_of_predictions(frames, classes=classes, pixel_nm=pixel_nm, is_probability=is_probability)
    return png_of(figure, dpi=_DPI)


def figure_of_predictions(
    frames: Sequence[PredictedFrame],
    *,
    classes: Sequence[str],
    pixel_nm: float | None,
    is_probability: bool = True,
) -> Figure:
    """Make the figure of `draw_predictions`.

    Parameters
    ----------
    frames, classes, pixel_nm, is_probability
        As for `draw_predictions`.

    Returns
    -------
    matplotlib Figure
        Three panels a row, or four with disagreement, and the maps' colours.
    """
    rows, columns = frames[0].image.shape
    compared = all(frame.disagreement is not None for frame in frames)
    count, right_in, bottom_in = (4, LEFT_IN, _BELOW_IN) if compared else (3, BAR_IN, BOTTOM_IN)
    side_in = (WIDE_IN - right_in - LEFT_IN - (count - 1) * GAP_IN) / count
    panel_in = side_in * rows / columns
    height_in = len(frames) * (panel_in + _TITLE_IN) + bottom_in
    smoothing = choose_smoothing([frame.image for frame in frames])
    shown = [main_map(frame.maps, classes, is_probability) for frame in frames]
    limits = (0.0, 1.0) if is_probability else (float(np.min(shown)), float(np.max(shown)))
    name = classes[0] if len(classes) == 1 or not is_probability else "any of " + ", ".join(classes)
    name = f"probability: {name}" if is_probability else name
    with house_style():
        figure, panels = new_figure(WIDE_IN, height_in, len(frames), count)
        gaps = {"wspace": GAP_IN / side_in, "hspace": _TITLE_IN / panel_in}
        margins(figure, left=LEFT_IN, right=right_in, top=_TITLE_IN, bottom=bottom_in, **gaps)
        for frame, values, (first, second, third, *_) in zip(frames, shown, panels, strict=True):
            for axes in (first, third):
                show_frame(axes, frame.image, smoothing)
            first.set_title(frame.title, loc="left")
            drawn = show_map(second, values, limits, (rows, columns))
            second.set_title(name, loc="left")
            _draw_found(third, frame, classes)
            draw_scale_bar(first, (rows, columns), pixel_nm)
        if compared:
            _draw_bar_below(figure, drawn, panels[-1][1], "probability" if is_probability else name)
            _draw_disagreement(figure, frames, [row[3] for row in panels])
        else:
            draw_colour_bar(figure, drawn, panels[0][2])
    return figure


def _draw_disagreement(figure: Figure, frames: Sequence[PredictedFrame], panels: Sequence[Axes]) -> None:
    """Draw where two models disagree, all frames in the same colours."""
    deviations = [np.asarray(frame.disagreement, np.float32) for frame in frames]
    limits = (0.0, max(_LEAST_DEVIATION, *(float(values.max()) for values in deviations)))
    for frame, values, axes in zip(frames, deviations, panels, strict=True):
        drawn = show_map(axes, values, limits, frame.image.shape, colours=_DEVIATION_COLOUR_MAP)
        share = frame.differing_share
        said = "disagreement" if share is None else f"disagreement, in {100 * share:.2g} % of pixels"
        axes.set_title(said, loc="left")
    _draw_bar_below(figure, drawn, panels[-1], "standard deviation")


def _draw_bar_below(figure: Figure, drawn: Any, above: Axes, label: str) -> None:
    """Draw what the colours of a map mean, with its name, in the lower margin under a panel."""
    box, height_in = above.get_position(), figure.get_figheight()
    bar = figure.add_axes((box.x0, (_BELOW_IN - 0.16) / height_in, box.width, 0.09 / height_in))
    figure.colorbar(drawn, cax=bar, orientation="horizontal", label=label)


def main_map(maps: np.ndarray, classes: Sequence[str], is_probability: bool) -> np.ndarray:
    """Give the probability of any class, or the first map of other values, (Y, X) float32."""
    if not is_probability:
        return np.asarray(maps[..., 0], np.float32)
    if maps.shape[-1] > len(classes):
        return np.asarray(1 - maps[..., -1], np.float32)
    return np.asarray(maps.max(axis=-1), np.float32)


def show_frame(axes: Axes, image: np.ndarray, smoothing_px: float) -> None:
    """Show a frame in greys on axes that count its pixels."""
    grey, _ = displayed(image, smoothing_px=smoothing_px)
    rows, columns = image.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="antialiased")
    axes.set_axis_off()


def show_map(
    axes: Axes,
    values: np.ndarray,
    limits: tuple[float, float],
    shape: tuple[int, ...],
    *,
    colours: str = _COLOUR_MAP,
) -> Any:
    """Show a map, whole or every so many pixels of it, on axes that count the frame's pixels."""
    rows, columns = shape
    step = max(1, -(-max(values.shape) // _LARGEST_DRAWN_PX))
    drawn = axes.imshow(
        values[::step, ::step],
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        interpolation="antialiased",
    )
    axes.set_axis_off()
    return drawn


def _draw_found(axes: Axes, frame: PredictedFrame, classes: Sequence[str]) -> None:
    """Draw outlines or columns, and name their classes in the title by colour."""
    if frame.mask is not None:
        step = max(1, -(-max(frame.mask.shape) // _LARGEST_DRAWN_PX))
        for number in range(1, len(classes) + 1):
            inside = np.pad(_largest_regions(frame.mask[::step, ::step] == number), 1)
            contours = find_contours(inside.astype(np.float32), 0.5)
            lines = [(contour[:, ::-1] - 1) * step for contour in contours]
            axes.add_collection(LineCollection(lines, colors=_colour(number - 1), linewidths=1.0))
        share = float((frame.mask > 0).mean())
        axes.set_title(f"outline, {100 * share:.3g} % of the frame", loc="left")
    elif frame.columns_px is not None and frame.kinds is not None:
        for number in range(len(classes)):
            x, y = frame.columns_px[frame.kinds == number].T
            axes.scatter(x, y, s=5, color=_colour(number), linewidths=0, label=classes[number])
        axes.set_title(f"{len(frame.kinds)} columns", loc="left")
        key = {"borderpad": 0, "handletextpad": 0, "columnspacing": 0.8, "markerscale": 1.6}
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(classes), borderaxespad=0.2, **key)
    rows, columns = frame.image.shape
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)


def _largest_regions(inside: np.ndarray) -> np.ndarray:
    # Thousands of specks would take minutes to outline, and hide the frame.
    regions, count = ndimage.label(inside)
    if count <= _REGIONS_AT_MOST:
        return inside
    areas = np.bincount(regions.ravel())
    areas[0] = 0
    kept = np.zeros(count + 1, bool)
    kept[np.argsort(areas, kind="stable")[-_REGIONS_AT_MOST:]] = True
    return kept[regions]


def _colour(number: int) -> str:
    # Orange first: blue is lost on grey.
    return IDENTITY_COLOURS[(number + 1) % len(IDENTITY_COLOURS)]


def draw_colour_bar(figure: Figure, drawn: Any, beside: Axes) -> None:
    """Draw what the colours of a map mean, in the right margin beside a panel."""
    box, width_in = beside.get_position(), figure.get_figwidth()
    bar = figure.add_axes((1 - (BAR_IN - 0.1) / width_in, box.y0, 0.1 / width_in, box.height))
    figure.colorbar(drawn, cax=bar)
