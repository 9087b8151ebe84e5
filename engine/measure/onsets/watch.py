"""A watch over a series: its quiet course is learnt, and a chart tells frame by frame when it is left."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from ...base.errors import SettingsError
from .charts import Chart, Cusum, EwmaLevel, EwmaSlope, PoissonGlr
from .quiet import QuietCourse
from .run_length import cusum_limit, ewma_limit, glr_limit, slope_limit

Method = Literal["cusum", "ewma", "slope", "glr"]
Change = Literal["level", "spread"]
METHODS: tuple[Method, ...] = ("cusum", "ewma", "slope", "glr")
CHANGES: tuple[Change, ...] = ("level", "spread")
LEAST_BASELINE_FRAMES = 10
# Rates this factor apart have limits that differ by less than a simulation can tell.
_RATE_STEP = 1.5
_MOST_RATE = 30.0
# Mean and standard deviation of the square root of a standard normal's size, itself nearly normal.
_ROOT_MEAN, _ROOT_NOISE = 0.82218, 0.34914


@dataclass(frozen=True)
class OnsetChart:
    """How a series is watched.

    Parameters
    ----------
    method : {"cusum", "ewma", "slope", "glr"}
        Chart: `Cusum`, `EwmaLevel`, `EwmaSlope`, or `PoissonGlr`, which is for counts alone.
    run_length : float
        Frames per false alarm, on average.
    change : {"level", "spread"}
        What changes: the course itself, or how far the series fluctuates about it.
    shift : float
        Step that CUSUM finds soonest, d′ [standard deviations of the noise].
    weight : float
        Share of the newest value in moving averages.
    lag : int
        Frames that the derivative is taken over.
    baseline_frames : int
        Frames at the start, and after each onset, that the quiet course is learnt from; no alarm there.
    trend : bool
        True: a quiet series may have a slope; False: it is level. Counts of `glr` are level.
    resolution : float
        Smallest step of the values, as 1 of counts: rounding to it is the least noise there is.

    Examples
    --------
    >>> round(OnsetChart(run_length=1000.0).limit(), 2)
    5.76
    """

    method: Method = "cusum"
    run_length: float = 1000.0
    change: Change = "level"
    shift: float = 1.0
    weight: float = 0.2
    lag: int = 5
    baseline_frames: int = 40
    trend: bool = True
    resolution: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"method: expected one of {', '.join(METHODS)}, got {self.method!r}")
        if self.change not in CHANGES or (self.change == "spread" and self.method == "glr"):
            raise SettingsError(
                f"change: expected level, or spread with another method than glr, got {self.change!r} with "
                f"{self.method}"
            )
        if self.baseline_frames < LEAST_BASELINE_FRAMES:
            raise SettingsError(
                f"baseline_frames: expected {LEAST_BASELINE_FRAMES} or more, got {self.baseline_frames}; "
                "40 is usual"
            )

    def limit(self, rate: float = 1.0) -> float:
        """Give the chart's limit; `rate` is the mean count of quiet frames, which `glr` needs."""
        if self.method == "cusum":
            return _cached_limit("cusum", self.run_length, self.shift / 2)
        if self.method == "ewma":
            return _cached_limit("ewma", self.run_length, self.weight)
        if self.method == "slope":
            return _cached_limit("slope", self.run_length, self.weight, self.lag)
        rung = round(math.log(min(max(rate, 1 / self.baseline_frames), _MOST_RATE), _RATE_STEP))
        return _cached_limit("glr", self.run_length, _RATE_STEP**rung, self.baseline_frames)

    def make(self) -> Chart:
        """Make a chart in its first state; the limit of `glr` follows when its quiet frames are known."""
        if self.method == "cusum":
            return Cusum(limit=self.limit(), reference=self.shift / 2)
        if self.method == "ewma":
            return EwmaLevel(limit=self.limit(), weight=self.weight)
        if self.method == "slope":
            return EwmaSlope(limit=self.limit(), weight=self.weight, lag=self.lag)
        return PoissonGlr(limit=1.0, quiet_frames=self.baseline_frames)


class Reading(NamedTuple):
    """What a watch says after a frame.

    Parameters
    ----------
    score : float
        The frame's deviation from the quiet course [standard deviations]; NaN while that is learnt, where
        the value is missing, and of `glr`.
    statistic : float
        The chart's statistic over its limit: an alarm at ±1, upward or downward; NaN as above.
    alarm : bool
        Whether this frame raised an alarm; the next one starts a new quiet course.
    """

    score: float
    statistic: float
    alarm: bool


@dataclass
class OnsetWatch:
    """Watches one series online: each frame is a step, and the state is all that is kept.

    A change of spread is watched by √|score|, nearly normal and larger where scores are (D. M. Hawkins, J.
    Qual. Technol. 13, 228).

    Parameters
    ----------
    how : OnsetChart
        How the series is watched.
    course : QuietCourse
        State: the quiet course since the last alarm.
    chart : Chart
        State: the chart since the last alarm.

    Examples
    --------
    >>> watch = OnsetWatch(OnsetChart(baseline_frames=20, trend=False))
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal(60) + 5.0 * (np.arange(60) >= 50)
    >>> [t for t, value in enumerate(noise) if watch.step(float(t), value).alarm]
    [50]
    """

    how: OnsetChart
    course: QuietCourse = field(init=False)
    chart: Chart = field(init=False)
    _alarmed: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self._restart()

    def step(self, time: float, value: float) -> Reading:
        """Take the next frame [time in steps of a frame]; a value that is missing is NaN."""
        if self._alarmed:
            self._restart()
        score = self.course.step(time, value)
        is_count = self.how.method == "glr"
        if math.isnan(value) or (math.isnan(score) and not is_count):
            return Reading(score, math.nan, False)
        statistic = float(self.chart.step(value if is_count else self._charted(score)))
        if isinstance(self.chart, PoissonGlr):
            seen = int(self.chart.seen)
            if seen == self.how.baseline_frames:
                self.chart.limit = self.how.limit(float(self.chart.totals[0]) / seen)
            if seen <= self.how.baseline_frames:
                return Reading(score, math.nan, False)
        self._alarmed = abs(statistic) >= self.chart.limit
        return Reading(score, statistic / self.chart.limit, self._alarmed)

    def _charted(self, score: float) -> float:
        """Turn a score into what the chart takes: itself, or a nearly normal measure of its size."""
        if self.how.change == "level":
            return score
        return (math.sqrt(abs(score)) - _ROOT_MEAN) / _ROOT_NOISE

    def _restart(self) -> None:
        self.course = QuietCourse(
            self.how.baseline_frames,
            trend=self.how.trend and self.how.method != "glr",
            resolution=self.how.resolution,
        )
        self.chart = self.how.make()
        self._alarmed = False


@lru_cache(maxsize=256)
def _cached_limit(method: str, run_length: float, *numbers: float) -> float:
    """Solve for a limit once; one of a simulation takes a tenth of a second."""
    if method == "cusum":
        return cusum_limit(run_length, reference=numbers[0])
    if method == "ewma":
        return ewma_limit(run_length, weight=numbers[0])
    if method == "slope":
        return slope_limit(run_length, weight=numbers[0], lag=int(numbers[1]))
    return glr_limit(run_length, rate=numbers[0], quiet_frames=int(numbers[1]))
