"""Figures of one image: with its prediction and label, or its Fourier transform; they show themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..files.atomic import atomic_file
from .canvas import NARROW_IN, WIDE_IN, house_style, margins, new_figure, png_of
from .overlay import TITLE_IN, choose_smoothing, draw_scale_bar, nice_length
from .predictions import (
    BAR_IN,
    BOTTOM_IN,
    GAP_IN,
    LEFT_IN,
    draw_colour_bar,
    main_map,
    show_frame,
    show_map,
)
from .shown import number

_DPI = 150
_SPECTRUM_PERCENTILE = 99.8
_BAR_SHARE = 0.25


@dataclass(frozen=True)
class Drawing:
    """A figure that shows itself in Jupyter, without a window or a back end.

    Parameters
    ----------
    figure : matplotlib Figure
        What is shown; to be changed as one likes before.

    Examples
    --------
    >>> drawing = draw_image(np.eye(32), title="an image")
    >>> drawing.png[1:4]
    b'PNG'
    """

    figure: Figure

    @cached_property
    def png(self) -> bytes:
        """The bytes of a PNG file."""
        return png_of(self.figure, dpi=_DPI)

    def save(self, path: str | Path) -> Path:
        """Write a PNG file; WriteError if the system refuses."""
        with atomic_file(Path(path)) as temporary:
            temporary.write_bytes(self.png)
        return Path(path)

    def _repr_png_(self) -> bytes:
        return self.png


def draw_image(
    image: np.ndarray,
    *,
    title: str,
    prediction: np.ndarray | None = None,
    label: np.ndarray | None = None,
    classes: Sequence[str] = (),
    pixel_nm: float | None = None,
    is_probability: bool = True,
) -> Drawing:
    """Draw an image, its prediction and its label side by side, with a scale bar.

    Parameters
    ----------
    image : array (Y, X), real
        The image.
    title : str
        What it is.
    prediction, label : array (Y, X, C), real, or None
        Maps; left out where None.
    classes : sequence of str
        Names of the maps that are no background.
    pixel_nm : float or None
        Side of a pixel [nm]; the scale bar is in pixels without it.
    is_probability : bool
        Whether maps are probabilities, shown from 0 to 1 as that of any class; else the first map is shown,
        prediction and label in the same colours.

    Returns
    -------
    Drawing
        To be shown or saved.

    Examples
    --------
    >>> label = np.ones((32, 32, 1))
    >>> len(draw_image(np.eye(32), title="a", label=label, classes=("inside",)).figure.axes)
    3
    """
    maps = {"prediction": prediction, "label": label}
    shown = {
        what: main_map(values, classes, is_probability) for what, values in maps.items() if values is not None
    }
    limits = (0.0, 1.0) if is_probability else _limits(list(shown.values()))
    count, (rows, columns) = 1 + len(shown), image.shape
    bar_in = BAR_IN if shown else LEFT_IN
    width_in = WIDE_IN if count == 3 else NARROW_IN * (1.4 if count == 2 else 1)
    side_in = (width_in - bar_in - LEFT_IN - (count - 1) * GAP_IN) / count
    height_in = side_in * rows / columns + TITLE_IN + BOTTOM_IN
    with house_style():
        figure, [panels] = new_figure(width_in, height_in, 1, count)
        margins(figure, left=LEFT_IN, right=bar_in, top=TITLE_IN, bottom=BOTTOM_IN, wspace=GAP_IN / side_in)
        show_frame(panels[0], image, choose_smoothing([image]))
        panels[0].set_title(title, loc="left")
        draw_scale_bar(panels[0], (rows, columns), pixel_nm)
        for axes, (what, values) in zip(panels[1:], shown.items(), strict=True):
            drawn = show_map(axes, values, limits, image.shape)
            axes.set_title(f"{what}: {_named(classes, is_probability)}", loc="left")
        if shown:
            draw_colour_bar(figure, drawn, panels[-1])
    return Drawing(figure)


def draw_spectrum(values: np.ndarray, *, reciprocal_pixel_per_nm: float | None) -> Drawing:
    """Draw a Fourier transform with a scale bar.

    Parameters
    ----------
    values : array (N, N), real
        |FFT|, zero frequency in the middle.
    reciprocal_pixel_per_nm : float or None
        Side of its pixel [1/nm]; the bar is in 1/px without it.

    Returns
    -------
    Drawing
        To be shown or saved.

    Examples
    --------
    >>> draw_spectrum(np.ones((64, 64)), reciprocal_pixel_per_nm=0.2).png[1:4]
    b'PNG'
    """
    side = len(values)
    step, unit = (1 / side, "px⁻¹") if reciprocal_pixel_per_nm is None else (reciprocal_pixel_per_nm, "nm⁻¹")
    length = nice_length(side * step * _BAR_SHARE)
    with house_style():
        figure, [[axes]] = new_figure(NARROW_IN, NARROW_IN)
        margins(figure, left=0, right=0, top=0, bottom=0)
        most = float(np.percentile(values, _SPECTRUM_PERCENTILE))
        axes.imshow(values, cmap="gray", vmin=0, vmax=most or 1.0, interpolation="antialiased")
        axes.set_axis_off()
        left, bottom = 0.05 * side, 0.95 * side
        axes.plot([left, left + length / step], [bottom, bottom], color="white", linewidth=2.5)
        axes.text(
            left + length / step / 2,
            bottom - 0.02 * side,
            f"{number(length)} {unit}",
            color="white",
            ha="center",
        )
    return Drawing(figure)


def _limits(values: Sequence[np.ndarray]) -> tuple[float, float]:
    low = min((float(np.min(one)) for one in values), default=0.0)
    high = max((float(np.max(one)) for one in values), default=1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _named(classes: Sequence[str], is_probability: bool) -> str:
    if len(classes) <= 1 or not is_probability:
        return "".join(classes[:1]) or "values"
    return "any of " + ", ".join(classes)
