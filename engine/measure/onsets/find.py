"""Onsets of instability: when a series leaves its own quiet course, by how much, and how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import DataError
from ...base.tables import Columns
from .change_point import ChangePoint, locate_change, locate_spread
from .quiet import ROUNDING, QuietCourse, QuietFit, fit_quiet
from .watch import OnsetChart, OnsetWatch

_ONSET_TYPES: dict[str, type] = {
    "frame": np.int64,
    "onset_frame": np.int64,
    "onset_low": np.int64,
    "onset_high": np.int64,
    "kind": np.str_,
    "direction": np.str_,
    "size": np.float64,
    "size_error": np.float64,
    "size_sigmas": np.float64,
    "size_sigmas_error": np.float64,
    "slope_change": np.float64,
    "p": np.float64,
}
_STRETCH_TYPES: dict[str, type] = {
    "start": np.int64,
    "stop": np.int64,
    "watched": np.int64,
    "alarm": np.bool_,
    "chance": np.float64,
    "noise": np.float64,
    "correlation": np.float64,
    "slope": np.float64,
}


@dataclass(frozen=True)
class Watched:
    """What watching a series gave.

    Parameters
    ----------
    score, statistic : array (T,), float64
        As in `Reading`, frame by frame.
    expected, noise : array (T,), float64
        The quiet course as it was known at the end of each stretch, and the standard deviation about it [unit
        of the series]; NaN where none is known.
    stretches : dict of arrays (k,)
        start, stop: frames from the first learnt to the alarm or the end, both included; watched: frames that
        were scored; alarm (bool); chance: that a quiet series raises an alarm from there to its end; noise,
        correlation of it from frame to frame, and slope of the course per frame, NaN where not known.
    onsets : dict of arrays (n,)
        frame of the alarm; onset_frame, the first changed one, and onset_low to onset_high, its 95 %
        interval; kind (step, ramp or spread); direction (up or down); size and size_error [unit of the
        series]; size_sigmas and size_sigmas_error [standard deviations of the noise]; slope_change of a ramp
        [unit per frame]; p, the chance of an alarm and of frames after it so far off, if nothing changes.
    reason : str
        Why the series could not be watched; empty where it was.
    """

    score: np.ndarray
    statistic: np.ndarray
    expected: np.ndarray
    noise: np.ndarray
    stretches: Columns
    onsets: Columns
    reason: str = ""


def find_onsets(
    values: np.ndarray, *, times: np.ndarray | None = None, how: OnsetChart | None = None
) -> Watched:
    """Find the frames from which on a series leaves its own quiet course.

    Parameters
    ----------
    values : array (T,), float
        The series, a value a frame; NaN where it is missing.
    times : array (T,), float, or None
        Times of the frames in steps of a frame, ascending; None: frames are evenly timed.
    how : OnsetChart or None
        How it is watched; defaults where None.

    Returns
    -------
    Watched
        Scores, statistic, stretches and onsets; a reason instead where there is too little to watch.

    Raises
    ------
    DataError
        If there is not one axis, a value is infinite, a count is below 0, or times do not ascend.

    Notes
    -----
    Alarms are those of `OnsetWatch`, to the byte: they use no frame after their own. What is told of an
    onset uses up to `baseline_frames` frames after its alarm (`locate_change`). Frames that are missing
    teach nothing and raise no alarm. The first `baseline_frames` frames of a series, and those after each
    alarm, are taken to be quiet: a change within them is not seen.

    Simulated with course, noise and correlation all estimated from 40 frames, false alarms are as frequent
    as asked to within a factor of 2 for normal noise of a correlation up to 0.8, and for white noise of
    Student's t (4), exponential or Poisson distribution with `cusum`; 3 at a correlation of 0.95; 4 in a
    random walk. A p of 0.01 comes true 1 to 3.5 times as often for a correlation up to 0.5.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(120)
    >>> found = find_onsets(noise + 3.0 * (np.arange(120) >= 70))
    >>> found.onsets["onset_frame"].tolist(), found.onsets["frame"].tolist()
    ([70], [72])
    """
    how = how or OnsetChart()
    values = np.asarray(values, np.float64)
    times = np.arange(values.size, dtype=np.float64) if times is None else np.asarray(times, np.float64)
    _check(values, times, how)
    statistic, score, expected, noise = np.full((4, values.size), np.nan)
    reason = _why_not(values, how)
    if reason:
        return Watched(
            score, statistic, expected, noise, _table([], _STRETCH_TYPES), _table([], _ONSET_TYPES), reason
        )
    stretches = _watch(times, values, how, score, statistic)
    stretch_rows, onset_rows = [], []
    for stretch in stretches:
        series = _Series(times, values, stretch, how)
        change = series.locate() if stretch.alarm else None
        fit = series.fit(change)
        span = slice(stretch.start, stretch.stop + 1)
        watched = int(np.isfinite(statistic[span]).sum())
        left = watched + int(np.isfinite(values[stretch.stop + 1 :]).sum())
        chance = -math.expm1(-left / how.run_length) if watched else 0.0
        slope = fit.beta[1] if fit is not None and fit.beta.size > 1 else 0.0
        known = (fit.noise, fit.correlation, slope) if fit is not None else (math.nan,) * 3
        stretch_rows.append((stretch.start, stretch.stop, watched, stretch.alarm, chance, *known))
        if fit is not None:
            expected[span] = fit.beta[0] + slope * (times[span] - series.times[0])
            noise[span] = series.noise(fit)
        if change is not None and fit is not None:
            onset_rows.append(series.describe(change, fit, chance))
    tables = _table(stretch_rows, _STRETCH_TYPES), _table(onset_rows, _ONSET_TYPES)
    return Watched(score, statistic, expected, noise, *tables)


class _Stretch(NamedTuple):
    """Frames from the first learnt to the alarm, or to the last."""

    start: int
    stop: int
    alarm: bool
    rising: bool
    course: QuietCourse


def _watch(
    times: np.ndarray, values: np.ndarray, how: OnsetChart, score: np.ndarray, statistic: np.ndarray
) -> list[_Stretch]:
    """Take a series through a watch; fill in scores and statistic, and give the stretches."""
    watch, stretches, start = OnsetWatch(how), [], 0
    for frame, (time, value) in enumerate(zip(times.tolist(), values.tolist(), strict=True)):
        reading = watch.step(time, value)
        score[frame], statistic[frame] = reading.score, reading.statistic
        if reading.alarm or frame == values.size - 1:
            stretches.append(_Stretch(start, frame, reading.alarm, reading.statistic > 0, watch.course))
            start = frame + 1
    return stretches


class _Series:
    """The frames that have a value: those of a stretch, and a few that follow its alarm."""

    def __init__(self, times: np.ndarray, values: np.ndarray, stretch: _Stretch, how: OnsetChart) -> None:
        seen = np.flatnonzero(np.isfinite(values))
        own = seen[(seen >= stretch.start) & (seen <= stretch.stop)]
        self.own, self.how, self.stretch = own, how, stretch
        self.frames = np.concatenate([own, seen[seen > stretch.stop][: how.baseline_frames]])
        self.times, self.values = times[self.frames], values[self.frames]
        self.trend = stretch.course.trend
        # As they were learnt: single wild frames drawn in.
        self.learnt = np.array(stretch.course.values)

    def locate(self) -> ChangePoint:
        """Find the change that raised the stretch's alarm."""
        wild = np.append(self.learnt != self.values[: self.own.size], False)
        alone = wild[:-1] & ~wild[1:] & ~np.append(False, wild[:-2])
        alone[-1] = False
        values = self.values.copy()
        values[: self.own.size][alone] = self.learnt[alone]
        locate = locate_change if self.how.change == "level" else locate_spread
        return locate(
            self.times,
            values,
            alarm=self.own.size - 1,
            rising=self.stretch.rising,
            trend=self.trend,
            correlation=self.correlation,
            earliest=self.how.baseline_frames // 2,
        )

    def fit(self, change: ChangePoint | None) -> QuietFit | None:
        """Fit the quiet course: all frames before the change."""
        count = self.own.size if change is None else change.first
        if count < 3 + self.trend:
            return None
        return fit_quiet(
            self.times[:count], self.learnt[:count], trend=self.trend, correlation=self.correlation
        )

    @property
    def correlation(self) -> float:
        """Correlation of the noise as the watch knew it."""
        fit = self.stretch.course.fit
        return 0.0 if fit is None or self.how.method == "glr" else fit.correlation

    def noise(self, fit: QuietFit) -> float:
        """Noise of the quiet course, of values that are rounded."""
        return max(fit.noise, self.how.resolution * ROUNDING)

    def describe(self, change: ChangePoint, fit: QuietFit, chance: float) -> tuple[Any, ...]:
        """Tell the row of an onset."""
        noise = self.noise(fit)
        sigmas, sigmas_error = (
            (
                change.size / noise,
                math.hypot(change.size_error, change.size / math.sqrt(2 * fit.freedom)) / noise,
            )
            if noise > 0
            else (math.nan, math.nan)
        )
        return (
            self.stretch.stop,
            self.frames[change.first],
            self.frames[change.low - 1] + 1,
            self.frames[change.high],
            change.kind,
            "up" if self.stretch.rising else "down",
            change.size,
            change.size_error,
            sigmas,
            sigmas_error,
            change.slope_change,
            chance * change.p,
        )


def _why_not(values: np.ndarray, how: OnsetChart) -> str:
    """Say why a series cannot be watched; nothing where it can."""
    seen = values[np.isfinite(values)]
    if seen.size == 0:
        return "no frame has a value"
    if seen.size <= how.baseline_frames:
        frames = "1 frame" if seen.size == 1 else f"{seen.size} frames"
        return (
            f"{frames} with a value, {how.baseline_frames + 1} or more are needed: "
            f"{how.baseline_frames} to learn the quiet course from, and those to watch"
        )
    if not how.resolution and how.method != "glr" and np.ptp(seen) <= 1e-9 * np.abs(seen).max():
        return "the same value in all frames: no noise to measure a change against"
    return ""


def _check(values: np.ndarray, times: np.ndarray, how: OnsetChart) -> None:
    if values.ndim != 1 or times.shape != values.shape:
        raise DataError(f"expected values and times (T,), got shapes {values.shape} and {times.shape}")
    if np.isinf(values).any():
        raise DataError(
            f"expected finite values or NaN, got infinity in frame {int(np.isinf(values).argmax())}"
        )
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise DataError("expected times that ascend from frame to frame, got others")
    if how.method == "glr" and (values < 0).any():
        raise DataError("expected counts of 0 or more for glr, got some below 0; choose cusum")


def _table(rows: list[tuple[Any, ...]], types: dict[str, type]) -> Columns:
    columns = zip(*rows, strict=True) if rows else [[] for _ in types]
    return {
        name: np.array(list(values), kind)
        for (name, kind), values in zip(types.items(), columns, strict=True)
    }
