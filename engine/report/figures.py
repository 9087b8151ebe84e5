"""Curves of a movie: areas over time with the log beneath, and the events."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from .canvas import INK, REST, SOFT, WIDE_IN, house_style, margins, new_figure
from .curves import draw_curve, in_runs, mark_times, with_gaps
from .shown import Shown, frames_by_particles, label_of
from .tables import EVENTS

_LOG_PANELS = 2
# Sizes that differ by more would press all but the largest onto the axis.
_LOG_SCALE_FROM = 60.0
_RASTER_LINES_FROM = 30
_RASTER_EVENTS_FROM = 300


def area_over_time(tracks: pd.DataFrame, shown: Shown, *, width_in: float = WIDE_IN) -> Figure:
    """Draw every particle's area against time; the log's columns stand beneath.

    Parameters
    ----------
    tracks : pandas.DataFrame
        As in `TRACK_COLUMNS`.
    shown : Shown
        The movie's axes and colours; particles without a colour are grey.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        Curves stop where the particle or the frames are missing; spans without frames are shaded.

    Examples
    --------
    >>> from .shown import show
    >>> empty = pd.DataFrame()
    >>> figure = area_over_time(empty, show({"movie": "a", "frames": 3}, empty))
    >>> figure.axes[0].get_xlabel()
    'frame'
    """
    log = [(name, values) for name, values in shown.log.items() if np.isfinite(values).any()][:_LOG_PANELS]
    narrow = width_in < WIDE_IN
    main_in, log_in = (2.5, 0.75) if narrow else (2.9, 0.8)
    with house_style():
        figure, panels = new_figure(
            width_in,
            main_in + log_in * len(log) + 0.5,
            rows=1 + len(log),
            sharex=True,
            height_ratios=[main_in, *[log_in] * len(log)],
        )
        margins(figure, left=0.7, right=0.34, top=0.12, bottom=0.42, hspace=0.16)
        figure.align_ylabels([row[0] for row in panels])
        axes = panels[0][0]
        # First, because names at the ends of curves stand by the time axis's limits.
        mark_times([row[0] for row in panels], shown, name_gaps=True)
        _areas(axes, tracks, shown)
        axes.set_ylabel(f"area [{shown.area_unit}]" + (", log scale" if axes.get_yscale() == "log" else ""))
        for (name, values), [panel] in zip(log, panels[1:], strict=True):
            draw_curve(panel, shown.times, values, shown, color=SOFT, linewidth=1)
            panel.set_ylabel(label_of(name).replace(" [", "\n["), linespacing=1.1)
            panel.margins(y=0.15)
            panel.locator_params(axis="y", nbins=3)
    return figure


def event_timeline(
    tracks: pd.DataFrame, events: pd.DataFrame, shown: Shown, *, width_in: float = WIDE_IN
) -> Figure:
    """Draw the number of particles over time, and when each kind of event happened.

    Parameters
    ----------
    tracks, events : pandas.DataFrame
        As in `TRACK_COLUMNS` and `EVENT_COLUMNS`.
    shown : Shown
        The movie's axes.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        Two panels with one time axis.

    Examples
    --------
    >>> from .shown import show
    >>> empty = pd.DataFrame()
    >>> len(event_timeline(empty, empty, show({"movie": "a", "frames": 3}, empty)).axes)
    2
    """
    with house_style():
        figure, panels = new_figure(width_in, 2.5, rows=2, sharex=True, height_ratios=[1, 1.1])
        margins(figure, left=0.62, right=0.5, top=0.12, bottom=0.42, hspace=0.16)
        count, kinds = panels[0][0], panels[1][0]
        present = np.zeros(shown.n_frames)
        if not tracks.empty:
            present = np.bincount(tracks["frame"], minlength=shown.n_frames).astype(np.float64)
        draw_curve(count, shown.times, present, shown, color=INK, linewidth=1)
        count.set_ylim(0, max(1.0, present.max(initial=0) * 1.15))
        count.set_ylabel("particles")
        count.locator_params(axis="y", nbins=4, integer=True)
        for row, kind in enumerate(EVENTS):
            own = events[events["event"] == kind] if len(events) else events
            at = shown.times[own["frame"].to_numpy(np.int64)] if len(own) else np.empty(0)
            crowded = len(at) > _RASTER_EVENTS_FROM
            kinds.vlines(
                at,
                row - 0.32,
                row + 0.32,
                color=INK,
                linewidth=0.9,
                alpha=0.35 if crowded else 0.85,
                rasterized=crowded,
            )
            kinds.text(
                1.015, row, f"{len(at):,}", transform=kinds.get_yaxis_transform(), va="center", color=SOFT
            )
        kinds.set_yticks(range(len(EVENTS)), EVENTS)
        kinds.set_ylim(len(EVENTS) - 0.4, -0.6)
        kinds.tick_params(axis="y", length=0)
        kinds.spines["left"].set_visible(False)
        mark_times([count, kinds], shown)
    return figure


def _areas(axes: Axes, tracks: pd.DataFrame, shown: Shown) -> None:
    if tracks.empty:
        axes.text(0.5, 0.5, "no particle found", transform=axes.transAxes, ha="center", color=SOFT)
        axes.set_yticks([])
        return
    column = shown.area_column
    everyone = sorted(tracks["particle"].unique().tolist())
    rest = [particle for particle in everyone if particle not in shown.colours]
    low, high = np.nanpercentile(tracks[column], [5, 100])
    if low > 0 and high / low > _LOG_SCALE_FROM:
        axes.set_yscale("log")
    if rest:
        runs = in_runs(shown.times, frames_by_particles(tracks, column, rest, shown.n_frames).T)
        many = len(rest) > _RASTER_LINES_FROM
        grey = LineCollection(
            [np.column_stack(with_gaps(runs.x, curve, shown)) for curve in runs.mean],
            colors=REST,
            linewidths=0.5,
            alpha=0.3 if many else 0.6,
            rasterized=many,
        )
        axes.add_collection(grey)
    coloured = sorted(shown.colours)
    curves = frames_by_particles(tracks, column, coloured, shown.n_frames).T
    for particle, curve in zip(coloured, curves, strict=True):
        draw_curve(axes, shown.times, curve, shown, color=shown.colours[particle])
    if axes.get_yscale() == "linear":
        axes.set_ylim(0, high * 1.06)
    _name_ends(axes, dict(zip(coloured, curves, strict=True)), shown)


def _name_ends(axes: Axes, curves: dict[int, np.ndarray], shown: Shown) -> None:
    """Write each curve's particle where it ends; beside the right edge moved apart where they would touch."""
    to_share = axes.transScale + axes.transLimits
    ends, last = {}, {}
    for particle, curve in curves.items():
        seen = np.flatnonzero(np.isfinite(curve))
        if seen.size:
            ends[particle] = float(to_share.transform((0, curve[seen[-1]]))[1])
            last[particle] = float(shown.times[seen[-1]])
    late = shown.times[-1] - 0.03 * np.ptp(shown.times)
    height_in = axes.get_window_extent().height / axes.figure.dpi
    staying = sorted((name for name in ends if last[name] >= late), key=lambda name: ends[name])
    heights = spread([ends[name] for name in staying], apart=0.125 / height_in)
    places = {name: (1.012, height) for name, height in zip(staying, heights, strict=True)}
    for name, height in ends.items():
        x, y = places.get(name, (float(to_share.transform((last[name], 1.0))[0]) + 0.008, height))
        axes.text(
            x,
            y,
            str(name),
            color=shown.colours[name],
            transform=axes.transAxes,
            va="center",
            fontsize=7.5,
            fontweight="bold",
        )


def spread(heights: list[float], *, apart: float) -> list[float]:
    """Move ascending heights apart as little as needed.

    Parameters
    ----------
    heights : list of float
        In ascending order.
    apart : float
        Least distance between neighbours.

    Returns
    -------
    list of float
        In the same order; crowded ones lie around the middle of their crowd.

    Examples
    --------
    >>> spread([0.0, 0.5, 0.5], apart=0.25)
    [0.0, 0.375, 0.625]
    """
    crowds: list[list[float]] = []
    for height in heights:
        crowds.append([height])
        while len(crowds) > 1 and _bottom(crowds[-1], apart) - _top(crowds[-2], apart) < apart:
            crowds[-2:] = [crowds[-2] + crowds[-1]]
    return [_bottom(crowd, apart) + place * apart for crowd in crowds for place in range(len(crowd))]


def _bottom(crowd: list[float], apart: float) -> float:
    return sum(crowd) / len(crowd) - apart * (len(crowd) - 1) / 2


def _top(crowd: list[float], apart: float) -> float:
    return sum(crowd) / len(crowd) + apart * (len(crowd) - 1) / 2
