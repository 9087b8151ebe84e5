"""Curves against a movie's time: broken where frames are missing, drawn in runs where there are many."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .canvas import FAINT, SOFT
from .shown import Shown

_RUNS_AT_MOST = 600


class Runs(NamedTuple):
    """Curves with short runs of frames drawn together.

    Parameters
    ----------
    x : array (t,)
        Time in the middle of each run.
    mean, low, high : array (n, t)
        Mean, least and largest value of each curve in each run; NaN where there is none.
    """

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def run_length(n_frames: int) -> int:
    """Say how many frames are drawn as one point, so that a curve has at most 600.

    Parameters
    ----------
    n_frames : int
        Frames of the movie.

    Returns
    -------
    int
        1 for a movie of up to 1,200 frames.

    Examples
    --------
    >>> run_length(1200), run_length(10_000)
    (1, 17)
    """
    return 1 if n_frames <= 2 * _RUNS_AT_MOST else -(-n_frames // _RUNS_AT_MOST)


def in_runs(times: np.ndarray, curves: np.ndarray) -> Runs:
    """Draw the frames of long curves together in runs.

    Parameters
    ----------
    times : array (T,)
        Times of the frames.
    curves : array (n, T), float64
        Values; NaN where there is none.

    Returns
    -------
    Runs
        The curves as they are where runs have one frame.

    Examples
    --------
    >>> runs = in_runs(np.arange(10_000.0), np.eye(1, 10_000, 5_000))
    >>> runs.x.size, runs.high.max().item()
    (589, 1.0)
    """
    n_frames = curves.shape[1]
    run = run_length(n_frames)
    if run == 1:
        return Runs(times, curves, curves, curves)
    starts = np.arange(0, n_frames, run)
    there = np.isfinite(curves)
    count = np.add.reduceat(there, starts, axis=1, dtype=np.int64)
    total = np.add.reduceat(np.where(there, curves, 0.0), starts, axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    middles = times[np.minimum(starts + run // 2, n_frames - 1)]
    low, high = (reach.reduceat(curves, starts, axis=1) for reach in (np.fmin, np.fmax))
    return Runs(middles, mean, low, high)


def draw_curve(axes: Axes, times: np.ndarray, curve: np.ndarray, shown: Shown, **style: Any) -> None:
    """Draw one curve against time, broken at gaps; in a long movie its range stands behind the mean.

    Parameters
    ----------
    axes : Axes
        Where to.
    times : array (T,)
        Times of the frames.
    curve : array (T,)
        Values; NaN where there is none. A single one is drawn as a dot.
    shown : Shown
        The movie's axes.
    **style
        Handed to `Axes.plot`.

    Examples
    --------
    >>> import pandas as pd
    >>> from .canvas import new_figure
    >>> from .shown import show
    >>> _, [[axes]] = new_figure(2.0, 1.0)
    >>> draw_curve(axes, np.arange(3.0), np.ones(3), show({"movie": "a", "frames": 3}, pd.DataFrame()))
    >>> len(axes.lines)
    1
    """
    runs = in_runs(times, np.asarray(curve, np.float64)[np.newaxis])
    alone = np.isfinite(runs.mean[0]).sum() < 2
    x, mean = with_gaps(runs.x, runs.mean[0], shown)
    axes.plot(x, mean, marker="o" if alone else None, markersize=3, **style)
    if runs.mean is not runs.low:
        _, low = with_gaps(runs.x, runs.low[0], shown)
        _, high = with_gaps(runs.x, runs.high[0], shown)
        axes.fill_between(x, low, high, color=style.get("color"), alpha=0.22, linewidth=0)


def with_gaps(x: np.ndarray, y: np.ndarray, shown: Shown) -> tuple[np.ndarray, np.ndarray]:
    """Put a missing value into each gap of the movie, so that no line crosses it.

    Parameters
    ----------
    x, y : array (t,)
        Times in the movie's shown unit, and values.
    shown : Shown
        The movie's axes.

    Returns
    -------
    array (t + gaps,), array (t + gaps,)
        The same with one NaN in each gap.

    Examples
    --------
    >>> import pandas as pd
    >>> from .shown import show
    >>> gap = show({"movie": "a", "frames": 4, "times_s": [0.0, 1.0, 2.0, 30.0]}, pd.DataFrame())
    >>> with_gaps(gap.times, np.ones(4), gap)[1].tolist()
    [1.0, 1.0, 1.0, nan, 1.0]
    """
    after = [int(np.searchsorted(x, end)) for _, end in shown.gaps]
    middles = [(start + end) / 2 for start, end in shown.gaps]
    return np.insert(x, after, middles), np.insert(y.astype(np.float64), after, np.nan)


def mark_times(panels: list[Axes], shown: Shown, *, name_gaps: bool = False) -> None:
    """Shade spans without frames, set the time axis's limits and name it under the last panel.

    Parameters
    ----------
    panels : list of Axes
        Panels below each other that share the time axis.
    shown : Shown
        The movie's axes.
    name_gaps : bool
        True writes into the wide ones what they are.

    Examples
    --------
    >>> import pandas as pd
    >>> from .canvas import new_figure
    >>> from .shown import show
    >>> _, [[axes]] = new_figure(2.0, 1.0)
    >>> mark_times([axes], show({"movie": "a", "frames": 4}, pd.DataFrame()))
    >>> axes.get_xlabel()
    'frame'
    """
    for axes in panels:
        for start, end in shown.gaps:
            axes.axvspan(start, end, facecolor=FAINT, alpha=0.35, linewidth=0)
    wide = [gap for gap in shown.gaps if gap[1] - gap[0] > 0.09 * max(np.ptp(shown.times), 1e-12)]
    for start, end in wide if name_gaps else ():
        panels[0].text(
            (start + end) / 2,
            0.985,
            "no frames",
            transform=panels[0].get_xaxis_transform(),
            ha="center",
            va="top",
            color=SOFT,
            fontsize=7,
        )
    last = panels[-1]
    last.set_xlabel(shown.time_label)
    last.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=shown.time_unit is None))
    first, final = float(shown.times[0]), float(shown.times[-1])
    pad = 0.01 * (final - first) or 0.5
    last.set_xlim(first - pad, final + pad)
