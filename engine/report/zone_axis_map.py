"""A frame beside its masks scaled by how near to a zone axis each particle is."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .canvas import WIDE_IN, house_style, margins, new_figure
from .overlay import TITLE_IN, choose_smoothing, draw_scale_bar
from .predictions import BAR_IN, BOTTOM_IN, GAP_IN, LEFT_IN, draw_colour_bar, show_frame, show_map


def draw_zone_axis_map(
    image: np.ndarray, scores: np.ndarray, *, title: str, pixel_nm: float | None = None
) -> Figure:
    """Draw a frame and its zone-axis map side by side.

    Parameters
    ----------
    image : array (Y, X), real
        The frame.
    scores : array (Y, X), float
        From `measure.zone_axis.zone_axis_map`.
    title : str
        Which frame it is.
    pixel_nm : float or None
        Side of a pixel [nm]; the scale bar is in pixels without it.

    Returns
    -------
    matplotlib Figure
        Particles on a zone axis are bright in the map.

    Notes
    -----
    The published map scales a network's inference by the ratio of the brightest to the dimmest pair of peaks;
    this one by the ratio that noise does not drive.

    Examples
    --------
    >>> len(draw_zone_axis_map(np.eye(32), np.eye(32), title="frame 0").axes)
    3
    """
    rows, columns = image.shape
    side_in = (WIDE_IN - BAR_IN - LEFT_IN - GAP_IN) / 2
    with house_style():
        figure, [panels] = new_figure(WIDE_IN, side_in * rows / columns + TITLE_IN + BOTTOM_IN, columns=2)
        margins(figure, left=LEFT_IN, right=BAR_IN, top=TITLE_IN, bottom=BOTTOM_IN, wspace=GAP_IN / side_in)
        show_frame(panels[0], image, choose_smoothing([image]))
        panels[0].set_title(title, loc="left")
        draw_scale_bar(panels[0], (rows, columns), pixel_nm)
        drawn = show_map(panels[1], scores, (0.0, 1.0), image.shape, colours="magma")
        panels[1].set_title("second direction of fringes over the first", loc="left")
        draw_colour_bar(figure, drawn, panels[1])
    return figure
