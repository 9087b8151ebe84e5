"""Control charts: detectors that take a series frame by frame and say when it has changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.special import xlogy

from ...base.errors import DataError, SettingsError

# Stretches of these lengths are compared with all frames before them: a factor of 1.5 apart loses little.
_STRETCHES = (1, 2, 3, 4, 6, 9, 14, 20, 30, 45, 68, 100)


class Chart(Protocol):
    """A detector: `step` takes the next value (or one of each of n series) and gives a signed statistic."""

    limit: float

    def step(self, value: np.ndarray | float) -> np.ndarray:
        """Take the next value; the statistic's size is compared with `limit`, its sign is the direction."""

    def reset(self) -> None:
        """Forget all values."""


@dataclass
class Cusum:
    """Cumulative sums of what a series exceeds or falls short of a reference by: two-sided CUSUM.

    Parameters
    ----------
    limit : float
        The statistic [standard deviations] from which on it is an alarm; see `cusum_limit`.
    reference : float
        Half the step that is to be found soonest, d′/2 [standard deviations].
    up, down : array or float
        State: the sums, 0 or more.

    Notes
    -----
    S⁺ ← max(0, S⁺ + z − k), S⁻ ← max(0, S⁻ − z − k): E. S. Page, Biometrika 41, 100 (1954). The soonest of
    all charts for the step 2k at a given rate of false alarms (G. V. Moustakides, Ann. Stat. 14, 1379).
    A missing value (NaN) leaves the sums as they are: it tells neither for a change nor against one.

    Examples
    --------
    >>> chart = Cusum(limit=4.0)
    >>> [float(chart.step(z)) for z in (2.0, float("nan"), 3.0)]
    [1.5, 1.5, 4.0]
    """

    limit: float
    reference: float = 0.5
    up: np.ndarray | float = field(default=0.0, init=False)
    down: np.ndarray | float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        _check_positive(limit=self.limit, reference=self.reference)

    def step(self, value: np.ndarray | float) -> np.ndarray:
        """Take the next value [standard deviations]; give the larger sum, negative where it is `down`."""
        if isinstance(value, float) and isinstance(self.up, float) and isinstance(self.down, float):
            return self._step_one(value, self.up, self.down)
        z = np.asarray(value, np.float64)
        seen = ~np.isnan(z)
        self.up = np.where(seen, np.maximum(self.up + z - self.reference, 0.0), self.up)
        self.down = np.where(seen, np.maximum(self.down - z - self.reference, 0.0), self.down)
        return np.where(self.up >= self.down, self.up, -self.down)

    def _step_one(self, z: float, up: float, down: float) -> np.ndarray:
        """Do the same in plain numbers, which is faster for one series."""
        if not math.isnan(z):
            up, down = max(up + z - self.reference, 0.0), max(down - z - self.reference, 0.0)
            self.up, self.down = up, down
        return np.float64(up if up >= down else -down)  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget all values."""
        self.up = self.down = 0.0


@dataclass
class EwmaLevel:
    """The exponentially weighted moving average of a series as its own statistic: EWMA chart of the level.

    Parameters
    ----------
    limit : float
        The statistic [standard deviations of the average] from which on it is an alarm; see `ewma_limit`.
    weight : float
        Share of the newest value, λ in 0..1: the average reaches back about 2/λ frames.
    level : array or float
        State: the average.

    Notes
    -----
    E ← (1 − λ)·E + λ·z from E = 0, its standard deviation √(λ/(2 − λ)) in the long run: S. W. Roberts,
    Technometrics 1, 239 (1959). A missing value (NaN) leaves the average as it is.

    Examples
    --------
    >>> chart = EwmaLevel(limit=3.0, weight=0.2)
    >>> float(chart.step(1.0)).__round__(6)
    0.6
    """

    limit: float
    weight: float = 0.2
    level: np.ndarray | float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        _check_positive(limit=self.limit)
        _check_weight(self.weight)

    def step(self, value: np.ndarray | float) -> np.ndarray:
        """Take the next value [standard deviations]; give the average in its own standard deviations."""
        z = np.asarray(value, np.float64)
        self.level = np.where(np.isnan(z), self.level, (1 - self.weight) * self.level + self.weight * z)
        return np.asarray(self.level / np.sqrt(self.weight / (2 - self.weight)))

    def reset(self) -> None:
        """Forget all values."""
        self.level = 0.0


@dataclass
class EwmaSlope:
    """The time derivative of the moving average as the statistic: the published chart of instability.

    Parameters
    ----------
    limit : float
        The statistic [its own standard deviations] from which on it is an alarm; see `slope_limit`.
    weight : float
        Share of the newest value, λ in 0..1.
    lag : int
        Observed frames that the difference is taken over.
    averages : array (lag + 1, ...)
        State: the newest averages, the newest first; 0, the quiet level, before the first value.

    Notes
    -----
    (Eₜ − Eₜ₋ₗ)/l over its standard deviation √(2λ/(2 − λ)·(1 − (1 − λ)ˡ))/l. It sees how fast a level moves,
    and forgets where it was: within a few frames of a small step it has fallen back (P. A. Crozier et al.,
    "exponential weighted averaging combined with time derivatives"). A missing value (NaN) leaves it as
    it is; after a gap, frames on both of its sides are compared.

    Examples
    --------
    >>> chart = EwmaSlope(limit=3.0, weight=0.5, lag=1)
    >>> [float(chart.step(z)) for z in (0.0, 0.0, 2.0)][2] > 1.5
    True
    """

    limit: float
    weight: float = 0.2
    lag: int = 5
    averages: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_positive(limit=self.limit)
        _check_weight(self.weight)
        if self.lag < 1:
            raise SettingsError(f"expected a lag of 1 or more frames, got {self.lag}")
        self.reset()

    @property
    def spread(self) -> float:
        """Standard deviation of the difference of averages for values of standard deviation 1."""
        decayed = (1 - self.weight) ** self.lag
        return float(np.sqrt(2 * self.weight / (2 - self.weight) * (1 - decayed)))

    def step(self, value: np.ndarray | float) -> np.ndarray:
        """Take the next value [standard deviations]; give the derivative in its own standard deviations."""
        z = np.asarray(value, np.float64)
        newest = (1 - self.weight) * self.averages[0] + self.weight * z
        self.averages = _pushed(self.averages, newest, ~np.isnan(z))
        return np.asarray((self.averages[0] - self.averages[self.lag]) / self.spread)

    def reset(self) -> None:
        """Forget all values."""
        self.averages = np.zeros(self.lag + 1)


@dataclass
class PoissonGlr:
    """The generalised likelihood ratio of the newest counts against the counts before them.

    Parameters
    ----------
    limit : float
        The statistic, √(2·log likelihood ratio), from which on it is an alarm; see `glr_limit`.
    rate : float or None
        Mean count of quiet frames where it is known; None: the frames before the newest ones tell it.
    quiet_frames : int
        Least number of frames to compare with, where the rate is not known.
    longest : int
        Newest frames that are compared, at most.
    totals : array (longest + 1, ...)
        State: counts so far, now and 1, 2, ... observed frames ago.
    seen : array or int
        State: observed frames so far.

    Notes
    -----
    max over m of S·log(S/m) + N·log(N/n) − (S + N)·log((S + N)/(m + n)), for S counts in the newest m frames
    and N in the n before: a step of any size and sign is looked for (G. Lorden, Ann. Math. Stat. 42, 1897).
    That N is known only to √N is in the ratio. m takes 12 lengths up to 100. A missing value (NaN)
    leaves the state as it is.

    Examples
    --------
    >>> chart = PoissonGlr(limit=3.0, rate=4.0)
    >>> [round(float(chart.step(count)), 2) for count in (4, 12)]
    [0.0, 3.22]
    """

    limit: float
    rate: float | None = None
    quiet_frames: int = 30
    longest: int = 30
    totals: np.ndarray = field(init=False, repr=False)
    seen: np.ndarray | int = field(default=0, init=False)

    def __post_init__(self) -> None:
        _check_positive(limit=self.limit)
        if self.rate is not None:
            _check_positive(rate=self.rate)
        if self.quiet_frames < 1 or not 1 <= self.longest <= _STRETCHES[-1]:
            raise SettingsError(
                f"expected 1 or more quiet frames and a longest stretch of 1 to {_STRETCHES[-1]}, "
                f"got {self.quiet_frames} and {self.longest}"
            )
        self.reset()

    def step(self, value: np.ndarray | float) -> np.ndarray:
        """Take the next count; give the square root of twice the ratio, negative where counts fell."""
        count = np.asarray(value, np.float64)
        if (count < 0).any():
            raise DataError(f"expected counts of 0 or more, got {float(np.nanmin(count)):g}")
        there = ~np.isnan(count)
        self.totals = _pushed(self.totals, self.totals[0] + count, there)
        self.seen = np.asarray(self.seen + there)
        lengths = np.array([length for length in _STRETCHES if length <= self.longest])
        before = self.totals[lengths]
        lengths = lengths.reshape(-1, *[1] * count.ndim)
        new, quiet = self.totals[0] - before, (self.seen - lengths).astype(np.float64)
        signed = self._compare(new, before, lengths, quiet)
        strongest = np.expand_dims(np.abs(signed).argmax(axis=0), 0)
        return np.take_along_axis(signed, strongest, axis=0)[0]

    def _compare(
        self, new: np.ndarray, before: np.ndarray, lengths: np.ndarray, quiet: np.ndarray
    ) -> np.ndarray:
        if self.rate is not None:
            rise = new - lengths * self.rate
            ratio = xlogy(new, new / (lengths * self.rate)) - rise
            enough = quiet >= 0
        else:
            enough = quiet >= self.quiet_frames
            quiet = np.where(enough, quiet, 1.0)
            rise = new / lengths - before / quiet
            together = (new + before) / (lengths + quiet)
            ratio = xlogy(new, new / lengths) + xlogy(before, before / quiet)
            ratio = ratio - xlogy(new + before, together)
        root = np.sqrt(2 * np.maximum(ratio, 0.0))
        return np.where(enough, np.copysign(root, rise), 0.0)

    def reset(self) -> None:
        """Forget all values."""
        self.totals = np.zeros(self.longest + 1)
        self.seen = 0


def ewma(values: np.ndarray, *, weight: float = 0.2) -> np.ndarray:
    """Take the exponentially weighted moving average of a series.

    Parameters
    ----------
    values : array (T,), float
        The series; NaN where missing.
    weight : float
        Share of the newest value, above 0 and at most 1.

    Returns
    -------
    array (T,), float64
        It starts at the first value there is, and stays as it is over missing ones; NaN before.

    Raises
    ------
    SettingsError
        If the weight is outside its range.

    Examples
    --------
    >>> ewma(np.array([np.nan, 1.0, np.nan, 2.0]), weight=0.5).tolist()
    [nan, 1.0, 1.0, 1.5]
    """
    _check_weight(weight)
    average, averages = np.nan, np.empty(len(values))
    for frame, value in enumerate(np.asarray(values, np.float64).tolist()):
        if value == value:
            average = value if average != average else (1 - weight) * average + weight * value
        averages[frame] = average
    return averages


def run_chart(chart: Chart, values: np.ndarray) -> np.ndarray:
    """Take a whole series through a chart, as it would have gone frame by frame.

    Parameters
    ----------
    chart : Cusum, EwmaLevel, EwmaSlope or PoissonGlr
        The detector; it is left in the state after the last value.
    values : array (T,) or (T, n), float
        Values [standard deviations from the quiet level], or counts for `PoissonGlr`; NaN where missing. n
        series go through beside each other, each as if alone.

    Returns
    -------
    array (T,) or (T, n), float64
        The statistic after each frame; it goes on beyond an alarm.

    Raises
    ------
    DataError
        If there is no axis of time.

    Examples
    --------
    >>> run_chart(Cusum(limit=4.0), np.array([2.0, 3.0, -9.0])).tolist()
    [1.5, 4.0, -8.5]
    """
    values = np.asarray(values, np.float64)
    if values.ndim not in (1, 2):
        raise DataError(f"expected values (T,) or (T, n), got shape {values.shape}")
    statistic = np.empty(values.shape)
    for frame, value in enumerate(values):
        statistic[frame] = chart.step(value)
    return statistic


def first_alarm(statistic: np.ndarray, limit: float) -> np.ndarray:
    """Find the first frame at which a statistic reaches its limit.

    Parameters
    ----------
    statistic : array (T,) or (T, n), float
        From `run_chart`.
    limit : float
        The chart's limit.

    Returns
    -------
    array () or (n,), int64
        The frame from 0; −1 where there is none.

    Examples
    --------
    >>> int(first_alarm(np.array([0.0, -5.0, 6.0]), 4.0))
    1
    """
    over = np.abs(statistic) >= limit
    return np.where(over.any(axis=0), over.argmax(axis=0), -1)


def _pushed(ring: np.ndarray, newest: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Put a value before all others and drop the oldest, in those series where one was seen."""
    if ring.ndim == 1 and newest.ndim:
        ring = np.repeat(ring[:, np.newaxis], newest.size, axis=1)
    return np.where(seen, np.concatenate([newest[np.newaxis], ring[:-1]]), ring)


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (np.isfinite(number) and number > 0):
            raise SettingsError(f"{name}: expected a number above 0, got {number}")


def _check_weight(weight: float) -> None:
    if not 0 < weight <= 1:
        raise SettingsError(f"weight: expected above 0 and at most 1, got {weight}; 0.2 is usual")
