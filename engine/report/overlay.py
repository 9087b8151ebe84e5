"""A frame with the outlines and identities found in it, in greys that a person can read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage
from skimage.measure import find_contours

from .canvas import NARROW_IN, house_style, margins, new_figure
from .shown import Shown, number

_LARGEST_PX = 1024
_NUMBERED_AT_MOST = 25
TITLE_IN = 0.24
_OUTLINE_REST = "#f2f2f2"
_BAR_SHARE = 0.22
# Noise above this share of the contrast hides a particle from the eye; a Gaussian of at most 3 px is put on.
_NOISE_SHARE = 0.35
_SMOOTHING_PX = (0.0, 1.0, 1.5, 2.0, 3.0)
_PERCENTILES = (0.5, 99.5)


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    *,
    frame: int,
    shown: Shown,
    smoothing_px: float = 0.0,
    width_in: float = NARROW_IN,
) -> tuple[Figure, str]:
    """Draw a frame with particles outlined and numbered, and a scale bar.

    Parameters
    ----------
    image : array (Y, X), any real type
        The frame.
    labels : array (Y, X), int32
        Particle identities; 0 is background.
    frame : int
        The frame's number.
    shown : Shown
        The movie's axes and colours.
    smoothing_px : float
        As from `choose_smoothing`: one for all frames of a movie.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure, str
        The figure, and a sentence that says how the grey values were changed for display.

    Examples
    --------
    >>> from .shown import show
    >>> import pandas as pd
    >>> plain = show({"movie": "a", "frames": 1}, pd.DataFrame())
    >>> overlay(np.indices((32, 32))[0], np.zeros((32, 32), np.int32), frame=0, shown=plain)[1]
    'Grey values from the 0.5th to the 99.5th percentile.'
    """
    step = _step(image)
    grey, said = displayed(image, smoothing_px=smoothing_px)
    small = labels[step // 2 :: step, step // 2 :: step][: grey.shape[0], : grey.shape[1]]
    rows, columns = grey.shape
    with house_style():
        figure, [[axes]] = new_figure(width_in, width_in * rows / columns + TITLE_IN)
        margins(figure, left=0, right=0, top=TITLE_IN, bottom=0)
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        axes.set_axis_off()
        figure.text(0.003, 1 - 0.16 / figure.get_figheight(), shown.at(frame))
        _outline(axes, small, shown)
        draw_scale_bar(axes, (rows, columns), None if shown.pixel_nm is None else shown.pixel_nm * step, step)
    return figure, said


def choose_smoothing(images: Sequence[np.ndarray]) -> float:
    """Choose how much frames are smoothed for display, so that noise does not hide the particles.

    Parameters
    ----------
    images : sequence of array (Y, X)
        Some frames of the movie.

    Returns
    -------
    float
        Standard deviation of a Gaussian [pixels shown], at most 3; 0 where the frames are clear as they are.

    Examples
    --------
    >>> choose_smoothing([np.indices((32, 32))[0]])
    0.0
    """
    return max((_smoothing(_binned(_whole(image), _step(image))) for image in images), default=0.0)


def displayed(image: np.ndarray, *, smoothing_px: float = 0.0) -> tuple[np.ndarray, str]:
    """Scale a frame to greys that a person can read.

    Parameters
    ----------
    image : array (Y, X), any real type
        The frame; NaN is shown as the median. Large ones are averaged down to about 1,000 pixels.
    smoothing_px : float
        Standard deviation of a Gaussian [pixels shown].

    Returns
    -------
    array (y, x), float32, and str
        Greys from 0 to 1, and a sentence that says what was done.

    Examples
    --------
    >>> greys, said = displayed(np.arange(64.0).reshape(8, 8))
    >>> greys.min().item(), greys.max().item()
    (0.0, 1.0)
    """
    step = _step(image)
    grey = _binned(_whole(image), step)
    if smoothing_px:
        grey = ndimage.gaussian_filter(grey, smoothing_px)
    low, high = np.percentile(grey, _PERCENTILES)
    scaled = np.clip((grey - low) / (high - low), 0, 1) if high > low else np.full_like(grey, 0.5)
    said = f"Grey values from the {_PERCENTILES[0]}th to the {_PERCENTILES[1]}th percentile"
    said += f", averaged over {step} × {step} pixels" if step > 1 else ""
    said += (
        f", smoothed for display only (Gaussian, σ = {number(smoothing_px * step)} px)"
        if smoothing_px
        else ""
    )
    return scaled.astype(np.float32), said + "."


def _step(image: np.ndarray) -> int:
    return max(1, math.ceil(max(image.shape) / _LARGEST_PX))


def _smoothing(grey: np.ndarray) -> float:
    noise = _noise(grey)
    low, high = np.percentile(ndimage.gaussian_filter(grey, _SMOOTHING_PX[-1]), _PERCENTILES)
    for sigma in _SMOOTHING_PX:
        # White noise falls with a Gaussian of sigma s to 1 / (2 sqrt(pi) s).
        if noise / max(1.0, 2 * math.sqrt(math.pi) * sigma) <= _NOISE_SHARE * (high - low):
            return sigma
    return _SMOOTHING_PX[-1]


def _whole(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    finite = image[np.isfinite(image)]
    middle = float(np.median(finite)) if finite.size else 0.0
    return np.nan_to_num(image.astype(np.float32), nan=middle, posinf=middle, neginf=middle)


def _binned(image: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return image
    rows, columns = image.shape[0] // step, image.shape[1] // step
    blocks = image[: rows * step, : columns * step].reshape(rows, step, columns, step)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _noise(image: np.ndarray) -> float:
    """Estimate the deviation of white noise by a kernel blind to slopes and edges (Immerkær 1996)."""
    if image.size == 0:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = ndimage.convolve(image, kernel, mode="reflect")
    return float(math.sqrt(math.pi / 2) / 6 * np.abs(response).mean())


def _outline(axes: Axes, labels: np.ndarray, shown: Shown) -> None:
    places = ndimage.find_objects(labels)
    particles = [index + 1 for index, place in enumerate(places) if place is not None]
    numbered_too = len(particles) <= _NUMBERED_AT_MOST
    rest: list[np.ndarray] = []
    for particle in particles:
        lines = _contours(labels, places[particle - 1], particle)
        colour = shown.colours.get(particle)
        if colour is None:
            rest += lines
        else:
            axes.add_collection(_lines(lines, colour, 1.2), autolim=False)
        if colour is not None or numbered_too:
            rows, columns = places[particle - 1]
            above = rows.start > 0.06 * labels.shape[0]
            axes.text(
                float(np.clip((columns.start + columns.stop) / 2, *_inner(labels.shape[1]))),
                rows.start - 0.008 * labels.shape[0] if above else rows.start + 0.012 * labels.shape[0],
                str(particle),
                color=colour or _OUTLINE_REST,
                fontsize=7.5 if colour else 6,
                fontweight="bold" if colour else "normal",
                ha="center",
                va="bottom" if above else "top",
                path_effects=[
                    patheffects.withStroke(linewidth=2, foreground="white" if colour else "#202020")
                ],
                clip_on=True,
                zorder=4,
            )
    axes.add_collection(_lines(rest, _OUTLINE_REST, 0.7, zorder=1.5), autolim=False)


def _contours(labels: np.ndarray, place: tuple[slice, slice], particle: int) -> list[np.ndarray]:
    rows, columns = place
    mask = np.pad(labels[rows, columns] == particle, 1).astype(np.float32)
    corner = (columns.start - 1, rows.start - 1)
    return [contour[:, ::-1] + corner for contour in find_contours(mask, 0.5)]


def _lines(lines: list[np.ndarray], colour: str, width: float, *, zorder: float = 3) -> LineCollection:
    outline = LineCollection(lines, colors=colour, linewidths=width, zorder=zorder)
    outline.set_path_effects([patheffects.withStroke(linewidth=width + 0.8, foreground="#000000a0")])
    return outline


def _inner(side: int) -> tuple[float, float]:
    return 0.02 * side, 0.98 * side


def draw_scale_bar(axes: Axes, shape: tuple[int, int], pixel_nm: float | None, step: int = 1) -> None:
    """Draw a scale bar of a round length on a dark plate, at the bottom left of a frame.

    Parameters
    ----------
    axes : matplotlib Axes
        Where the frame is shown.
    shape : (int, int)
        Rows and columns that are shown [px].
    pixel_nm : float or None
        Side of a shown pixel [nm]; the bar is in pixels without it.
    step : int
        Pixels of the frame along a shown pixel.

    Examples
    --------
    >>> figure, [[axes]] = new_figure(2.0, 2.0)
    >>> draw_scale_bar(axes, (64, 64), 0.1)
    """
    rows, columns = shape
    pixel, unit = (float(step), "px") if pixel_nm is None else (pixel_nm, "nm")
    if unit == "nm" and columns * pixel * _BAR_SHARE >= 1000:
        pixel, unit = pixel / 1000, "µm"
    length = nice_length(columns * pixel * _BAR_SHARE)
    bar, left, thick = length / pixel, 0.04 * columns, 0.008 * max(shape)
    bottom = rows - 0.04 * columns
    text = axes.text(
        left + bar / 2,
        bottom - 1.6 * thick,
        f"{number(length)} {unit}",
        color="white",
        ha="center",
        va="bottom",
        zorder=6,
    )
    written = text.get_window_extent().transformed(axes.transData.inverted())
    pad = 0.015 * columns
    from_x, to_x = min(left, written.x0) - pad, max(left + bar, written.x1) + pad
    top = min(written.y0, written.y1) - pad / 2
    plate = Rectangle((from_x, top), to_x - from_x, bottom + pad - top, facecolor="#000000a0", zorder=5)
    axes.add_patch(plate)
    axes.add_patch(Rectangle((left, bottom - thick), bar, thick, facecolor="white", zorder=6))


def nice_length(largest: float) -> float:
    """Find the largest of 1, 2 and 5 times a power of ten that is no longer than asked.

    Parameters
    ----------
    largest : float
        Upper limit, above 0.

    Returns
    -------
    float
        The length, in the same unit.

    Examples
    --------
    >>> nice_length(34.0), nice_length(0.7)
    (20.0, 0.5)
    """
    power = 10.0 ** math.floor(math.log10(largest))
    return next(factor * power for factor in (5.0, 2.0, 1.0) if factor * power <= largest * 1.0000001)
