"""Where in a stretch of a series its course changed, by how much, and how surely."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import fdtr, fdtrc, stdtr

from ...base.errors import DataError
from .quiet import fit_quiet, whitened

# (1 − exp(−x/2))² = 0.95: twice the log likelihood by which 95 % of change points lie below the maximum.
_REACH_95 = 7.352
# A change lies at most this far back from its alarm; quiet frames beyond the last of these tell nothing new.
_MOST_PLACES, _MOST_FRAMES = 400, 1200


class ChangePoint(NamedTuple):
    """One change of a course.

    Parameters
    ----------
    first : int
        Place of the first changed frame among those given.
    low, high : int
        Its 95 % interval.
    kind : str
        step: to another level; ramp: to another slope; spread: to larger or smaller fluctuations.
    size, size_error : float
        Change of the series: of the level, or reached by the last frame given, or of the standard deviation
        of its noise; and its standard error.
    slope_change : float
        Of a ramp: per unit of time; NaN of a step.
    p : float
        Chance that frames after the alarm lie so far off in its direction if nothing changed; 1 where
        there are none.
    """

    first: int
    low: int
    high: int
    kind: str
    size: float
    size_error: float
    slope_change: float
    p: float


def locate_change(
    times: np.ndarray,
    values: np.ndarray,
    *,
    alarm: int,
    rising: bool,
    trend: bool = True,
    correlation: float = 0.0,
    earliest: int = 8,
) -> ChangePoint:
    """Find the most likely frame of the change that raised an alarm.

    Parameters
    ----------
    times : array (n,), float
        Times of the frames in steps of a frame, ascending.
    values : array (n,), float
        The series, all finite: quiet frames, then those to the alarm, then those that followed it.
    alarm : int
        Place of the frame of the alarm.
    rising : bool
        Whether the alarm was of a rise.
    trend : bool
        Whether the quiet course may have a slope.
    correlation : float
        Of the noise from frame to frame.
    earliest : int
        First place where the change may be.

    Returns
    -------
    ChangePoint
        Place, interval, size.

    Raises
    ------
    DataError
        If the alarm is not within the frames, or leaves no quiet ones.

    Notes
    -----
    Least squares of the course plus a step or a ramp at each place in turn, whitened as in `fit_quiet`; the
    interval holds the places whose likelihood is within a factor e^-3.68 of the greatest, 95 % for a
    step in long series (Y.-C. Yao, Ann. Stat. 15, 1321; B. E. Hansen, Econometrica 68, 575). `p` is of
    Student's t of frames after the alarm alone against those up to it: what raised the alarm has no part in
    it, or speaks against it.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.2, 60)
    >>> values = noise + (np.arange(60) >= 40)
    >>> found = locate_change(np.arange(60.0), values, alarm=43, rising=True, trend=False)
    >>> found.first, found.kind, round(found.size)
    (40, 'step', 1)
    """
    times, values, alarm, places, skipped = _check(times, values, alarm, max(earliest, 3 + trend))
    all_times, all_values = times, values
    found = _fit_shapes(times, values, places, rising, trend, correlation)
    if found.likelihood.max() == 0 and alarm + 1 < times.size:
        # What raised the alarm was over at once: the frames that followed would hide it.
        times, values = times[: alarm + 1], values[: alarm + 1]
        found = _fit_shapes(times, values, places, rising, trend, correlation)
    best = int(found.likelihood.argmax())
    is_ramp = best >= places.size
    same_kind = found.likelihood[places.size :] if is_ramp else found.likelihood[: places.size]
    near = places[2 * (found.likelihood[best] - same_kind) <= _REACH_95]
    place = int(places[best % places.size])
    p = _confirm(all_times, all_values, place, alarm, rising, trend, correlation)
    reach = float(times[-1] - times[place - 1]) if is_ramp else 1.0
    return ChangePoint(
        first=place + skipped,
        low=int(near[0]) + skipped,
        high=int(near[-1]) + skipped,
        kind="ramp" if is_ramp else "step",
        size=float(found.size[best]) * reach,
        size_error=float(found.error[best]) * reach,
        slope_change=float(found.size[best]) if is_ramp else math.nan,
        p=p,
    )


class _Shapes(NamedTuple):
    """A step, then a ramp, at each place: log likelihood over no change, size and its error."""

    likelihood: np.ndarray
    size: np.ndarray
    error: np.ndarray


def _fit_shapes(
    times: np.ndarray, values: np.ndarray, places: np.ndarray, rising: bool, trend: bool, correlation: float
) -> _Shapes:
    """Fit the course with a step or a ramp at each place; those of the wrong sign have no likelihood."""
    course = np.stack([np.ones_like(times), times - times[0]][: 1 + trend], axis=1)
    since = times[:, None] - times[places - 1]
    changed = np.arange(times.size)[:, None] >= places
    shapes = np.concatenate([np.where(changed, 1.0, 0.0), np.where(changed, since, 0.0)], axis=1)
    course, shapes, series = (whitened(part, times, correlation) for part in (course, shapes, values))
    basis, _ = np.linalg.qr(course)
    series = series - basis @ (basis.T @ series)
    shapes = shapes - basis @ (basis.T @ shapes)
    power = np.maximum((shapes**2).sum(axis=0), 1e-12)
    size = shapes.T @ series / power
    total = max(float((series**2).sum()), 1e-300)
    gain = np.where((size > 0) == rising, np.minimum(size**2 * power, total * (1 - 1e-12)), 0.0)
    freedom = max(times.size - course.shape[1] - 2, 1)
    return _Shapes(-times.size / 2 * np.log1p(-gain / total), size, np.sqrt((total - gain) / freedom / power))


def locate_spread(
    times: np.ndarray,
    values: np.ndarray,
    *,
    alarm: int,
    rising: bool,
    trend: bool = True,
    correlation: float = 0.0,
    earliest: int = 8,
) -> ChangePoint:
    """Find the most likely frame from which on a series fluctuates more, or less.

    Parameters
    ----------
    times, values, alarm, rising, trend, correlation, earliest
        As for `locate_change`; `rising` where fluctuations grew.

    Returns
    -------
    ChangePoint
        Place, interval, size: the change of the noise's standard deviation.

    Raises
    ------
    DataError
        If the alarm is not within the frames, or leaves no quiet ones.

    Notes
    -----
    Likelihood of normal noise about one course, of one variance before each place in turn and another from
    there on. `p` is of Fisher's F of frames after the alarm alone against those up to it.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 1, 90) * np.where(np.arange(90) >= 60, 5, 1)
    >>> found = locate_spread(np.arange(90.0), noise, alarm=64, rising=True)
    >>> found.first, found.size > 3
    (60, True)
    """
    times, values, alarm, places, skipped = _check(times, values, alarm, max(earliest, 3 + trend))
    course = np.stack([np.ones_like(times), times - times[0]][: 1 + trend], axis=1)
    course, series = whitened(course, times, correlation), whitened(values, times, correlation)
    beta = np.linalg.lstsq(course, series, rcond=None)[0]
    squares = np.cumsum((series - course @ beta) ** 2)
    p, left = 1.0, times.size - alarm - 1
    if left:
        freedom = alarm + 1 - course.shape[1]
        ratio = (squares[-1] - squares[alarm]) / left / max(squares[alarm] / freedom, 1e-300)
        p = float((fdtrc if rising else fdtr)(left, freedom, ratio))
    found = _fit_spreads(squares, places, rising)
    if found.likelihood.max() == 0 and left:
        found = _fit_spreads(squares[: alarm + 1], places, rising)
    best = int(found.likelihood.argmax())
    near = places[2 * (found.likelihood[best] - found.likelihood) <= _REACH_95]
    return ChangePoint(
        first=int(places[best]) + skipped,
        low=int(near[0]) + skipped,
        high=int(near[-1]) + skipped,
        kind="spread",
        size=float(found.size[best]),
        size_error=float(found.error[best]),
        slope_change=math.nan,
        p=p,
    )


def _fit_spreads(squares: np.ndarray, places: np.ndarray, rising: bool) -> _Shapes:
    """Fit two variances, of frames before each place and from there on, to running sums of squares."""
    before, after = places.astype(np.float64), (squares.size - places).astype(np.float64)
    total = max(float(squares[-1]), 1e-300)
    quiet = np.maximum(squares[places - 1], 1e-12 * total) / before
    wild = np.maximum(squares[-1] - squares[places - 1], 1e-12 * total) / after
    whole = total / squares.size
    gain = -before / 2 * np.log(quiet / whole) - after / 2 * np.log(wild / whole)
    error = np.sqrt(quiet / (2 * before) + wild / (2 * after))
    return _Shapes(np.where((wild > quiet) == rising, gain, 0.0), np.sqrt(wild) - np.sqrt(quiet), error)


def _check(
    times: np.ndarray, values: np.ndarray, alarm: int, first: int
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray, int]:
    """Check what was given; give the frames to look at, the alarm and places in them, and those left out."""
    times, values = np.asarray(times, np.float64), np.asarray(values, np.float64)
    if not first <= alarm < times.size:
        raise DataError(f"expected an alarm from frame {first} to {times.size - 1}, got {alarm}")
    places = np.arange(max(first, alarm - _MOST_PLACES), alarm + 1)
    skipped = max(alarm - _MOST_FRAMES, 0)
    return times[skipped:], values[skipped:], alarm - skipped, places - skipped, skipped


def _confirm(
    times: np.ndarray,
    values: np.ndarray,
    first: int,
    alarm: int,
    rising: bool,
    trend: bool,
    correlation: float,
) -> float:
    """Test frames after the alarm, which had no part in raising it, against the course of all to the alarm.

    To leave out those from the change on would make the course fit the alarm, by which their place was
    chosen; only the noise is that of the frames before.
    """
    after = np.arange(times.size) > alarm
    if not after.any():
        return 1.0
    # Its own uncertainty, which the test does not know of, makes small chances too small.
    correlation = min(correlation + math.sqrt((1 - correlation**2) / (alarm + 1)), 0.99)
    quiet = fit_quiet(times[:first], values[:first], trend=trend, correlation=correlation)
    if quiet.squares <= 0:
        return 0.0
    elapsed = times - times[0]
    columns = np.stack([*[np.ones_like(elapsed), elapsed][: 1 + trend], after.astype(np.float64)], axis=1)
    design = whitened(columns, times, correlation)
    inverse = np.linalg.inv(design.T @ design)
    step = float((inverse @ (design.T @ whitened(values, times, correlation)))[-1])
    ratio = step / (quiet.noise * math.sqrt(inverse[-1, -1]))
    return float(stdtr(quiet.freedom, -ratio if rising else ratio))
