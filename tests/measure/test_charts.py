"""Control charts: what they are by hand, the same online and offline, and how missing values pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.onsets.charts import (
    Cusum,
    EwmaLevel,
    EwmaSlope,
    PoissonGlr,
    ewma,
    first_alarm,
    run_chart,
)

CHARTS = {
    "cusum": lambda: Cusum(limit=5.0),
    "ewma": lambda: EwmaLevel(limit=3.0),
    "slope": lambda: EwmaSlope(limit=3.0),
    "glr": lambda: PoissonGlr(limit=4.0),
    "glr of a known rate": lambda: PoissonGlr(limit=4.0, rate=5.0),
}


def series_for(name, shape, *, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.poisson(5, shape).astype(float) if name.startswith("glr") else rng.standard_normal(shape)
    values[rng.random(shape) < 0.1] = np.nan
    return values


@pytest.mark.parametrize("name", CHARTS)
def test_online_gives_the_bytes_of_offline(name):
    values = series_for(name, (150, 5))
    beside_each_other = run_chart(CHARTS[name](), values)
    for number in range(5):
        online = CHARTS[name]()
        steps = np.array([float(online.step(float(value))) for value in values[:, number]])
        assert steps.tobytes() == run_chart(CHARTS[name](), values[:, number]).tobytes()
        assert steps.tobytes() == beside_each_other[:, number].tobytes()


@pytest.mark.parametrize("name", CHARTS)
def test_missing_values_change_nothing(name):
    values = series_for(name, 120)
    seen = np.isfinite(values)
    with_gaps = run_chart(CHARTS[name](), values)
    np.testing.assert_array_equal(with_gaps[seen], run_chart(CHARTS[name](), values[seen]))
    first = int(seen.argmax())
    after = np.flatnonzero(~seen)
    after = after[after > first]
    np.testing.assert_array_equal(with_gaps[after], with_gaps[after - 1])


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_begins_anew_after_a_reset(name):
    values = series_for(name, 60)
    chart = CHARTS[name]()
    first = run_chart(chart, values)
    chart.reset()
    np.testing.assert_array_equal(run_chart(chart, values), first)


@pytest.mark.parametrize("name", ["cusum", "ewma", "slope"])
@given(st.integers(0, 1000))
def test_a_mirrored_series_gives_a_mirrored_statistic(name, seed):
    values = np.random.default_rng(seed).standard_normal(40)
    statistic, mirrored = run_chart(CHARTS[name](), values), run_chart(CHARTS[name](), -values)
    np.testing.assert_array_equal(np.abs(statistic), np.abs(mirrored))


def test_sums_and_averages_by_hand():
    assert run_chart(Cusum(limit=9.0, reference=1.0), np.array([2.0, 0.5, -4.0, 3.0])).tolist() == [
        1,
        0.5,
        -3,
        2,
    ]
    level = run_chart(EwmaLevel(limit=9.0, weight=0.5), np.array([2.0, 4.0]))
    np.testing.assert_allclose(level * np.sqrt(0.5 / 1.5), [1.0, 2.5])
    slope = EwmaSlope(limit=9.0, weight=0.5, lag=1)
    np.testing.assert_allclose(run_chart(slope, np.array([2.0, 4.0])) * slope.spread, [1.0, 1.5])
    np.testing.assert_array_equal(ewma(np.array([np.nan, 4.0, np.nan, 8.0]), weight=0.25), [np.nan, 4, 4, 5])


def test_likelihood_ratio_of_counts_by_hand():
    chart = PoissonGlr(limit=9.0, rate=4.0)
    assert chart.step(4) == 0
    # The best of: 12 in one frame where 4 are expected, 16 in two where 8 are.
    assert float(chart.step(12)) == pytest.approx(np.sqrt(2 * (12 * np.log(3) - 8)))
    unknown = PoissonGlr(limit=9.0, quiet_frames=2)
    assert [float(unknown.step(count)) for count in (3, 5)] == [0, 0]
    ratio = 12 * np.log(12) + 8 * np.log(4) - 20 * np.log(20 / 3)
    assert float(unknown.step(12)) == pytest.approx(np.sqrt(2 * ratio))
    assert float(unknown.step(0)) < float(unknown.limit)


def test_the_derivative_forgets_a_step_that_the_level_keeps():
    values = np.where(np.arange(120) >= 60, 3.0, 0.0)
    assert abs(run_chart(EwmaSlope(limit=3.0), values)[-1]) < 0.01
    assert run_chart(EwmaLevel(limit=3.0), values)[-1] > 8


def test_first_alarm_of_each_series():
    statistic = np.array([[0.0, 5.0], [-4.0, 5.0], [6.0, 0.0]])
    assert first_alarm(statistic, 4.0).tolist() == [1, 0]
    assert first_alarm(statistic[:, 0], 7.0) == -1


def test_refuses_what_it_cannot_use():
    for bad in (
        lambda: Cusum(limit=0.0),
        lambda: Cusum(limit=4.0, reference=float("nan")),
        lambda: EwmaLevel(limit=3.0, weight=0.0),
        lambda: EwmaSlope(limit=3.0, lag=0),
        lambda: PoissonGlr(limit=3.0, rate=0.0),
        lambda: PoissonGlr(limit=3.0, longest=101),
        lambda: ewma(np.zeros(3), weight=1.5),
    ):
        with pytest.raises(SettingsError):
            bad()
    with pytest.raises(DataError, match="counts of 0 or more"):
        PoissonGlr(limit=3.0).step(-1)
    with pytest.raises(DataError, match="shape"):
        run_chart(Cusum(limit=4.0), np.zeros((2, 2, 2)))
