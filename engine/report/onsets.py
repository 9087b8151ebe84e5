"""Series watched for onsets of instability: values, moving average and quiet course, the chart beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import FAINT, INK, REST, SOFT, WIDE_IN, house_style, margins, new_figure
from .curves import draw_curve, mark_times
from .shown import Shown, label_of

_ALARM = "#D55E00"
_LOG_PANELS = 1


@dataclass(frozen=True)
class WatchedSeries:
    """One series as it is drawn, over all frames of the movie.

    Parameters
    ----------
    title : str
        Whose and what it is.
    label : str
        Title of its axis, with the unit.
    particle : int
        Whose colour it has; 0 where it is of whole frames.
    values, average : array (T,), float64
        The series and its moving average; NaN where there is none.
    expected, noise : array (T,), float64
        The quiet course and the standard deviation about it; NaN where none is known.
    statistic : array (T,), float64
        The chart's statistic over its limit; NaN where it is not watched.
    onsets : pandas.DataFrame
        frame, onset_frame, onset_low, onset_high and sure of each onset.
    """

    title: str
    label: str
    particle: int
    values: np.ndarray
    average: np.ndarray
    expected: np.ndarray
    noise: np.ndarray
    statistic: np.ndarray
    onsets: pd.DataFrame


def onset_charts(series: Sequence[WatchedSeries], shown: Shown, *, width_in: float = WIDE_IN) -> Figure:
    """Draw series with their onsets, and under each the chart that tells them; the log beneath all.

    Parameters
    ----------
    series : sequence of WatchedSeries
        Those to draw, from the top.
    shown : Shown
        The movie's axes and colours.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        Two panels a series with one time axis. A line marks each most likely onset, a shade its 95 %
        interval; a dot on the chart marks the alarm.

    Examples
    --------
    >>> from .shown import show
    >>> figure = onset_charts([], show({"movie": "a", "frames": 3}, pd.DataFrame()))
    >>> figure.axes[0].get_xlabel()
    'frame'
    """
    log = [(name, values) for name, values in shown.log.items() if np.isfinite(values).any()][:_LOG_PANELS]
    main_in, chart_in, log_in = 1.45, 0.75, 0.75
    heights = [main_in, chart_in] * len(series) + [log_in] * len(log) or [log_in]
    with house_style():
        figure, grid = new_figure(
            width_in, sum(heights) * 1.16 + 0.6, rows=len(heights), sharex=True, height_ratios=heights
        )
        margins(figure, left=0.85, right=0.3, top=0.22, bottom=0.42, hspace=0.2)
        panels = [row[0] for row in grid]
        figure.align_ylabels(panels)
        mark_times(panels, shown, name_gaps=True)
        for number, one in enumerate(series):
            _draw_series(panels[2 * number], one, shown)
            _draw_chart(panels[2 * number + 1], one, shown)
        for (name, values), panel in zip(log, panels[2 * len(series) :], strict=False):
            draw_curve(panel, shown.times, values, shown, color=SOFT, linewidth=1)
            panel.set_ylabel(label_of(name).replace(" [", "\n["), linespacing=1.1)
            panel.margins(y=0.15)
            panel.locator_params(axis="y", nbins=3)
        if not series and not log:
            panels[0].text(
                0.5, 0.5, "nothing could be watched", transform=panels[0].transAxes, ha="center", color=SOFT
            )
            panels[0].set_yticks([])
    return figure


def _draw_series(axes: Axes, one: WatchedSeries, shown: Shown) -> None:
    times, colour = shown.times, shown.colours.get(one.particle, INK)
    _mark_onsets(axes, one, shown)
    axes.plot(times, one.values, ".", color=colour, alpha=0.55, markersize=3, markeredgewidth=0)
    # After each alarm a new course is learnt; no line leads from one to the next.
    starts = [0, *(one.onsets["frame"].to_numpy(np.int64) + 1).tolist(), len(times)]
    for start, stop in pairwise(starts):
        x, course, noise = times[start:stop], one.expected[start:stop], one.noise[start:stop]
        axes.fill_between(x, course - noise, course + noise, color=REST, alpha=0.3, linewidth=0)
        axes.plot(x, course, color=SOFT, linewidth=0.8)
    draw_curve(axes, times, one.average, shown, color=colour)
    axes.set_ylabel(one.label.replace(" [", "\n["), linespacing=1.1)
    axes.set_title(one.title, loc="left", color=INK, pad=3)
    axes.margins(y=0.08)
    axes.locator_params(axis="y", nbins=5)


def _draw_chart(axes: Axes, one: WatchedSeries, shown: Shown) -> None:
    axes.axhline(0, color=FAINT, linewidth=0.6)
    for limit in (-1, 1):
        axes.axhline(limit, color=SOFT, linewidth=0.7, linestyle=(0, (4, 3)))
    draw_curve(axes, shown.times, one.statistic, shown, color=INK, linewidth=0.9)
    at = one.onsets["frame"].to_numpy(np.int64)
    axes.plot(shown.times[at], one.statistic[at], "o", color=_ALARM, markersize=3.5, clip_on=False)
    reach = max(1.25, 1.1 * float(np.nanmax(np.abs(one.statistic), initial=0)))
    axes.set_ylim(-reach, reach)
    axes.set_yticks([-1, 0, 1])
    axes.set_ylabel("chart\n[limit]", linespacing=1.1)


def _mark_onsets(axes: Axes, one: WatchedSeries, shown: Shown) -> None:
    for onset in one.onsets.itertuples():
        low, at, high = (
            shown.times[int(str(f))] for f in (onset.onset_low, onset.onset_frame, onset.onset_high)
        )
        axes.axvspan(low, high, color=_ALARM, alpha=0.15, linewidth=0)
        axes.axvline(at, color=_ALARM, linewidth=1.1, linestyle="-" if onset.sure else ":")
