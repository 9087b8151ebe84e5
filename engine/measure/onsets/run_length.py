"""Average run lengths of control charts: how many quiet frames pass, on average, before a false alarm."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.stats import norm

from ...base.errors import SettingsError
from ...base.seeds import generator
from .charts import EwmaSlope, PoissonGlr, run_chart

_NODES = 96
_SIMULATED_RUNS = 1024
_SIMULATED_FRAMES = 4096
_SIMULATED_COUNT_FRAMES = 1536
_SIMULATED_COUNT_RUNS = 768
# Limits with fewer simulated alarms than this are told from those with more.
_LEAST_ALARMS = 250
_SEED = 20260


def cusum_run_length(limit: float, *, reference: float = 0.5, shift: float = 0.0) -> float:
    """Find how many frames a two-sided CUSUM runs on average until its alarm.

    Parameters
    ----------
    limit : float
        Its limit [standard deviations].
    reference : float
        Its reference value [standard deviations].
    shift : float
        Step from the first frame on [standard deviations]; 0: frames per false alarm.

    Returns
    -------
    float
        Frames.

    Notes
    -----
    E. S. Page's integral equation, L(u) = 1 + L(0)·Φ(k − u) + ∫₀ʰ L(x)·φ(x + k − u) dx, solved at
    Gauss-Legendre nodes: what the Markov chain of D. Brook and D. A. Evans, Biometrika 59, 539 (1972),
    tends to with more states. Both sides together: 1/L = 1/L⁺ + 1/L⁻.

    Examples
    --------
    >>> round(cusum_run_length(4.0, reference=0.5)), round(cusum_run_length(4.0, reference=0.5, shift=1.0), 1)
    (168, 8.4)
    """
    rising = _one_sided_cusum(limit, reference - shift)
    falling = _one_sided_cusum(limit, reference + shift)
    return 1 / (1 / rising + 1 / falling)


def cusum_limit(run_length: float, *, reference: float = 0.5) -> float:
    """Find the limit of a two-sided CUSUM that gives a false alarm in so many frames.

    Parameters
    ----------
    run_length : float
        Frames per false alarm, on average; 2 or more.
    reference : float
        Its reference value [standard deviations].

    Returns
    -------
    float
        The limit [standard deviations].

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Notes
    -----
    The search starts at D. Siegmund's approximation, (e^(2kb) − 2kb − 1)/(2k²) with b = h + 1.166 for one
    side.

    Examples
    --------
    >>> round(cusum_limit(1000.0), 2)
    5.76
    """
    _check(run_length, reference=reference)
    start = brentq(
        lambda h: math.log(_siegmund(h, reference)) - math.log(2 * run_length), -1.0, 40.0 / reference
    )
    return _solve(lambda h: cusum_run_length(h, reference=reference), run_length, start)


def ewma_run_length(limit: float, *, weight: float = 0.2, shift: float = 0.0) -> float:
    """Find how many frames an EWMA chart of the level runs on average until its alarm.

    Parameters
    ----------
    limit : float
        Its limit [standard deviations of the average].
    weight : float
        Share of the newest value.
    shift : float
        Step from the first frame on [standard deviations of a value]; 0: frames per false alarm.

    Returns
    -------
    float
        Frames.

    Notes
    -----
    L(u) = 1 + 1/λ·∫ L(x)·φ((x − (1 − λ)u)/λ − shift) dx between the limits, at Gauss-Legendre nodes
    (S. V. Crowder, Technometrics 29, 401).

    Examples
    --------
    >>> round(ewma_run_length(2.86, weight=0.2) / 10) * 10
    370
    """
    edge = limit * math.sqrt(weight / (2 - weight))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = edge * nodes, edge * weights
    kernel = norm.pdf((nodes - (1 - weight) * nodes[:, np.newaxis]) / weight - shift) * weights / weight
    length = np.linalg.solve(np.eye(_NODES) - kernel, np.ones(_NODES))
    from_rest = norm.pdf(nodes / weight - shift) * weights / weight
    return float(1 + from_rest @ length)


def ewma_limit(run_length: float, *, weight: float = 0.2) -> float:
    """Find the limit of an EWMA chart of the level that gives a false alarm in so many frames.

    Parameters
    ----------
    run_length : float
        Frames per false alarm, on average; 2 or more.
    weight : float
        Share of the newest value.

    Returns
    -------
    float
        The limit [standard deviations of the average].

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Examples
    --------
    >>> round(ewma_limit(1000.0, weight=0.2), 2)
    3.19
    """
    _check(run_length, weight=weight)
    return _solve(lambda c: ewma_run_length(c, weight=weight), run_length, 3.0)


def slope_limit(run_length: float, *, weight: float = 0.2, lag: int = 5) -> float:
    """Find the limit of a chart of the derivative that gives a false alarm in so many frames.

    Parameters
    ----------
    run_length : float
        Frames per false alarm, on average; 2 or more.
    weight : float
        Share of the newest value.
    lag : int
        Frames that the derivative is taken over.

    Returns
    -------
    float
        The limit [standard deviations of the derivative].

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Notes
    -----
    From a simulation with a fixed seed, the same in every run: 1,024 quiet series of 4,096 frames. Rates of
    alarms too rare to be counted in it follow from those that are not, by exp(−c²/2) times a smooth
    function of c.

    Examples
    --------
    >>> round(slope_limit(1000.0, weight=0.2, lag=5), 1)
    3.2
    """
    _check(run_length, weight=weight)
    chart = EwmaSlope(limit=1.0, weight=weight, lag=lag)
    quiet = generator(_SEED, "slope").standard_normal((_SIMULATED_FRAMES, _SIMULATED_RUNS))
    averages = lfilter([weight], [1.0, weight - 1.0], quiet, axis=0)
    averages[lag:] -= averages[:-lag].copy()
    return limit_of_simulated(averages / chart.spread, run_length)


def glr_limit(run_length: float, *, rate: float, quiet_frames: int = 30, longest: int = 30) -> float:
    """Find the limit of a chart of counts that gives a false alarm in so many frames.

    Parameters
    ----------
    run_length : float
        Frames per false alarm after the quiet ones, on average; 2 or more.
    rate : float
        Mean count of quiet frames, at least roughly.
    quiet_frames : int
        Frames that tell the rate before there may be an alarm; 0 where it is known.
    longest : int
        Newest frames that are compared, at most.

    Returns
    -------
    float
        The limit.

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Notes
    -----
    As `slope_limit`, from 768 series of Poisson counts of 1,536 frames.

    Examples
    --------
    >>> 3.5 < glr_limit(1000.0, rate=10.0) < 4.5
    True
    """
    _check(run_length, rate=rate)
    counts = generator(_SEED, "glr").poisson(
        rate, (quiet_frames + _SIMULATED_COUNT_FRAMES, _SIMULATED_COUNT_RUNS)
    )
    known = quiet_frames == 0
    chart = PoissonGlr(
        limit=1.0, rate=rate if known else None, quiet_frames=max(quiet_frames, 1), longest=longest
    )
    return limit_of_simulated(run_chart(chart, counts)[quiet_frames:], run_length)


def limit_of_simulated(statistic: np.ndarray, run_length: float) -> float:
    """Find the limit that gives a false alarm in so many frames, from simulated quiet series.

    Parameters
    ----------
    statistic : array (T, n), float
        A chart's statistic in n quiet series, each from its start.
    run_length : float
        Frames per false alarm, on average.

    Returns
    -------
    float
        The limit.

    Notes
    -----
    For each limit c on a grid: alarms over frames watched up to each series' first alarm. Where alarms are
    too few to count, log(rate) + c²/2 is drawn on as a straight line in log c.

    Examples
    --------
    >>> quiet = np.random.default_rng(0).standard_normal((4000, 100))
    >>> abs(limit_of_simulated(quiet, 1000.0) - 3.29) < 0.1
    True
    """
    highest = np.maximum.accumulate(np.abs(statistic), axis=0)
    grid = np.linspace(1.0, 6.0, 201)
    below = np.searchsorted(np.sort(highest, axis=None), grid)
    alarms = statistic.shape[1] - np.searchsorted(np.sort(highest[-1]), grid)
    watched = below + alarms
    counted = alarms >= min(_LEAST_ALARMS, statistic.shape[1] // 2)
    rate = alarms[counted] / watched[counted]
    counted_at = grid[counted]
    if math.log(run_length) <= -math.log(rate[-1]):
        return float(np.interp(math.log(run_length), -np.log(rate), counted_at))
    use = counted_at >= counted_at[-1] - 0.75
    line = np.polyfit(np.log(counted_at[use]), np.log(rate[use]) + counted_at[use] ** 2 / 2, 1)
    return float(brentq(lambda c: np.polyval(line, math.log(c)) - c**2 / 2 + math.log(run_length), 1.0, 12.0))


def _one_sided_cusum(limit: float, reference: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = limit / 2 * (nodes + 1), limit / 2 * weights
    # The first unknown is the run length from 0, where the sum rests with a probability of its own.
    at = np.concatenate([[0.0], nodes])
    matrix = np.eye(_NODES + 1)
    matrix[:, 0] -= norm.cdf(reference - at)
    matrix[:, 1:] -= norm.pdf(nodes + reference - at[:, np.newaxis]) * weights
    return float(np.linalg.solve(matrix, np.ones(_NODES + 1))[0])


def _siegmund(limit: float, reference: float) -> float:
    reach = 2 * reference * (limit + 1.166)
    return max((math.exp(min(reach, 600.0)) - reach - 1) / (2 * reference**2), 1e-9)


def _solve(length_of: Callable[[float], float], run_length: float, start: float) -> float:
    low, high = max(start - 0.5, 0.01), start + 0.5
    while length_of(low) > run_length and low > 1e-6:
        low /= 2
    while length_of(high) < run_length:
        high += 0.5
    return float(brentq(lambda at: math.log(length_of(at)) - math.log(run_length), low, high, xtol=1e-9))


def _check(run_length: float, **numbers: float) -> None:
    if not 2 <= run_length <= 1e8:
        raise SettingsError(
            f"expected an average run length of 2 to 100,000,000 frames, got {run_length}; 1000 is usual"
        )
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise SettingsError(f"{name}: expected a number above 0, got {number}")
