"""Average run lengths: theory against published values and against simulation, and the delays they leave."""

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.measure.onsets.charts import Cusum, EwmaLevel, EwmaSlope, PoissonGlr
from temflux.engine.measure.onsets.run_length import (
    cusum_limit,
    cusum_run_length,
    ewma_limit,
    ewma_run_length,
    glr_limit,
    slope_limit,
)

RUNS = 1500


def simulate(chart, draw, *, most=3000, skip=0, runs=RUNS):
    """Mean frames to the first alarm of many series, and its standard error."""
    running, frames, alarms = np.ones(runs, bool), 0, 0
    for frame in range(most):
        over = np.abs(chart.step(draw(runs))) >= chart.limit
        if frame < skip:
            continue
        frames += int(running.sum())
        alarms += int((over & running).sum())
        running &= ~over
        if not running.any():
            break
    return frames / alarms, frames / alarms / np.sqrt(alarms)


def normal(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return lambda count: rng.standard_normal(count) + shift


def test_published_run_lengths():
    # D. M. Hawkins and D. H. Olwell (1998): two-sided CUSUM, k = 0.5, h = 4 and 5.
    assert cusum_run_length(4.0) == pytest.approx(168, abs=0.5)
    assert cusum_run_length(5.0) == pytest.approx(465, abs=1)
    assert cusum_run_length(4.0, shift=1.0) == pytest.approx(8.38, abs=0.01)
    # J. M. Lucas and M. S. Saccucci, Technometrics 32, 1 (1990): EWMA charts of run length 500.
    assert ewma_run_length(2.814, weight=0.1) == pytest.approx(500, rel=0.005)
    assert ewma_run_length(2.962, weight=0.2) == pytest.approx(500, rel=0.005)


@pytest.mark.parametrize("asked", [100.0, 1000.0])
@pytest.mark.parametrize(
    "make",
    [
        lambda length: Cusum(cusum_limit(length)),
        lambda length: EwmaLevel(ewma_limit(length)),
        lambda length: EwmaSlope(slope_limit(length)),
    ],
    ids=["cusum", "ewma", "slope"],
)
def test_a_quiet_series_runs_as_long_as_asked(make, asked):
    measured, error = simulate(make(asked), normal(7))
    assert abs(measured - asked) < 0.1 * asked
    # The limits of the derivative are themselves from a simulation, to 2 %.
    assert abs(measured - asked) < 4 * np.hypot(error, 0.02 * asked)


@pytest.mark.parametrize("rate", [0.5, 8.0])
def test_quiet_counts_run_as_long_as_asked(rate):
    rng = np.random.default_rng(8)
    limit = glr_limit(300.0, rate=rate)
    measured, error = simulate(
        PoissonGlr(limit=limit), lambda count: rng.poisson(rate, count), skip=30, most=600
    )
    assert abs(measured - 300) < max(30, 4 * error)


def test_the_simulated_limits_reach_beyond_what_was_simulated():
    # A chart of lag so long and weight 1 that its values are independent: the normal distribution tells.
    limit = slope_limit(1e6, weight=1.0, lag=1)
    measured, error = simulate(EwmaSlope(slope_limit(1e4, weight=1.0, lag=1), weight=1.0, lag=1), normal(3))
    assert measured == pytest.approx(1e4, rel=0.1, abs=4 * error)
    assert limit == pytest.approx(4.89, abs=0.08)


def delay(chart, shift, *, quiet=60):
    """Mean frames from the first changed one to the alarm, both counted, after a time of quiet."""
    rng, running, frames, found = np.random.default_rng(9), np.ones(RUNS, bool), 0, 0
    for _ in range(quiet):
        running &= np.abs(chart.step(rng.standard_normal(RUNS))) < chart.limit
    started = int(running.sum())
    while running.any() and frames < 60 * started:
        frames += int(running.sum())
        over = np.abs(chart.step(rng.standard_normal(RUNS) + shift)) >= chart.limit
        found += int((over & running).sum())
        running &= ~over
    return frames / found


def test_a_step_is_found_as_soon_as_asked():
    assert delay(Cusum(cusum_limit(1000.0)), 1.0) < 12
    assert delay(Cusum(cusum_limit(1000.0, reference=1.0), reference=1.0), 2.0) < 4
    assert delay(EwmaLevel(ewma_limit(1000.0, weight=0.1), weight=0.1), 1.0) < 12


def test_run_lengths_of_a_step_from_theory_and_simulation_agree():
    limit = cusum_limit(1000.0)
    measured, error = simulate(Cusum(limit), normal(1, 1.0))
    assert measured == pytest.approx(cusum_run_length(limit, shift=1.0), abs=4 * error)
    limit = ewma_limit(1000.0)
    measured, error = simulate(EwmaLevel(limit), normal(3, 1.0))
    assert measured == pytest.approx(ewma_run_length(limit, shift=1.0), abs=4 * error)


def test_limits_grow_with_the_run_length():
    for limit_of in (cusum_limit, ewma_limit, slope_limit):
        limits = [limit_of(length) for length in (50.0, 1e5)]
        assert limits == sorted(limits)


def test_the_same_limit_in_every_run():
    assert slope_limit(700.0) == slope_limit(700.0)


def test_refuses_what_it_cannot_use():
    for bad in (
        lambda: cusum_limit(1.0),
        lambda: cusum_limit(float("nan")),
        lambda: cusum_limit(100.0, reference=0.0),
        lambda: ewma_limit(1e9),
        lambda: glr_limit(100.0, rate=-1.0),
    ):
        with pytest.raises(SettingsError):
            bad()
