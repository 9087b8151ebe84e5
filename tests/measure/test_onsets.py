"""Onsets of planted changes: alarm, place, size, chance; quiet series, gaps, faults."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.onsets.change_point import locate_change
from temflux.engine.measure.onsets.false_discovery import adjust_for_false_discovery
from temflux.engine.measure.onsets.find import find_onsets
from temflux.engine.measure.onsets.watch import OnsetChart, OnsetWatch

LEVEL = OnsetChart(trend=False)


def noise(seed, count=200, correlation=0.0):
    new = np.random.default_rng(seed).standard_normal(count + 60) * np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], new)[60:]


def step(at, size, count=200):
    return np.where(np.arange(count) >= at, float(size), 0.0)


@pytest.mark.parametrize(
    ("method", "change"),
    [("cusum", "level"), ("ewma", "level"), ("slope", "level"), ("glr", "level"), ("cusum", "spread")],
)
def test_online_gives_the_bytes_of_offline(method, change):
    values = np.random.default_rng(0).poisson(20 + 25 * (np.arange(160) >= 90)).astype(float)
    values[[50, 51, 110]] = np.nan
    how = OnsetChart(method=method, change=change, run_length=500.0)
    offline = find_onsets(values, how=how)
    watch = OnsetWatch(how)
    readings = [watch.step(float(time), float(value)) for time, value in enumerate(values)]
    assert np.array([one.score for one in readings]).tobytes() == offline.score.tobytes()
    assert np.array([one.statistic for one in readings]).tobytes() == offline.statistic.tobytes()
    assert [t for t, one in enumerate(readings) if one.alarm] == offline.onsets["frame"].tolist()
    assert len(offline.onsets["frame"]) == 1


@pytest.mark.parametrize(("trend", "within"), [(False, 2.0), (True, 2.0)])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_false_alarms_stay_within_the_stated_factor(trend, within, correlation):
    # Baseline, noise and correlation all estimated from 40 frames: the stated factor is 2.
    frames = alarms = 0
    for seed in range(60):
        found = find_onsets(noise(seed, 400, correlation), how=OnsetChart(run_length=200.0, trend=trend))
        frames += int(found.stretches["watched"].sum())
        alarms += len(found.onsets["frame"])
    assert 200 / within < frames / alarms < 200 * within


def test_the_chance_of_an_alarm_and_of_what_follows_is_no_understatement():
    p = []
    for seed in range(150):
        found = find_onsets(noise(seed, 300), how=OnsetChart(run_length=100.0, trend=False))
        p += (found.onsets["p"] / found.stretches["chance"][found.stretches["alarm"]]).tolist()
    p = np.array(p)
    for level in (0.5, 0.1):
        assert (p < level).mean() < level + 4 * np.sqrt(level * (1 - level) / p.size)


@pytest.mark.parametrize("how", [LEVEL, OnsetChart()], ids=["level", "trend"])
def test_a_planted_step_is_told(how):
    delays, inside, sizes, errors = [], [], [], []
    for seed in range(25):
        found = find_onsets(5 + noise(seed) + step(120, 3.0), how=how).onsets
        if not (found["frame"] >= 120).any():
            continue  # A false alarm shortly before: the step falls into frames that are learnt.
        at = np.flatnonzero(found["frame"] >= 120)[0]
        assert found["direction"][at] == "up"
        delays.append(found["frame"][at] - 120)
        inside.append(found["onset_low"][at] <= 120 <= found["onset_high"][at])
        sizes.append(found["size"][at])
        errors.append(found["size_error"][at])
    assert len(delays) >= 23
    assert np.mean(delays) < 4
    assert np.mean(inside) >= 0.85
    assert np.mean(sizes) == pytest.approx(3, abs=4 * np.std(sizes) / np.sqrt(len(sizes)))
    assert np.std(sizes) == pytest.approx(np.mean(errors), rel=0.4)


@pytest.mark.parametrize("trend", [False, True])
def test_larger_fluctuations_about_the_same_course_are_told(trend):
    how, found = OnsetChart(change="spread", trend=trend), []
    for seed in range(15):
        values = noise(seed) * np.where(np.arange(200) >= 120, 4.0, 1.0) + 0.1 * trend * np.arange(200)
        onsets = find_onsets(values, how=how).onsets
        found += [
            (
                onsets["frame"][at] - 120,
                onsets["onset_low"][at] <= 120 <= onsets["onset_high"][at],
                onsets["size"][at],
            )
            for at in np.flatnonzero((onsets["frame"] >= 120) & (onsets["direction"] == "up"))[:1]
        ]
        assert set(onsets["kind"]) <= {"spread"}
    delays, inside, sizes = np.array(found, float).T
    assert delays.size >= 14
    assert delays.mean() < 8
    assert inside.mean() >= 0.8
    assert sizes.mean() == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("change", ["level", "spread"])
def test_the_size_has_the_sign_of_the_alarm_whatever_follows(change):
    how, signs = OnsetChart(change=change, run_length=60.0, trend=False), []
    for seed in range(40):
        values = noise(seed, 160)
        # Three frames high, then low and calm for ever.
        values[100:103] += 6
        values[103:] = values[103:] * 0.4 - 1.5
        onsets = find_onsets(values, how=how).onsets
        signs += ((onsets["size"] > 0) == (onsets["direction"] == "up")).tolist()
    assert all(signs)


def test_calm_fluctuations_raise_no_more_alarms_than_asked():
    frames = alarms = 0
    for seed in range(40):
        found = find_onsets(noise(seed, 300, 0.5), how=OnsetChart(change="spread", run_length=200.0))
        frames += int(found.stretches["watched"].sum())
        alarms += len(found.onsets["frame"])
    assert 100 < frames / alarms < 400


def test_a_late_change_of_a_long_series_costs_no_more_than_an_early_one():
    values = noise(8, 6000) + step(5500, 3, 6000)
    found = find_onsets(values, how=OnsetChart(run_length=1e6)).onsets
    assert found["onset_frame"].tolist() == [5500]
    assert found["onset_low"][0] <= 5500 <= found["onset_high"][0]


def test_a_steady_slope_is_quiet_and_its_change_an_onset():
    time = np.arange(240.0)
    steady = 100 - 0.3 * time + noise(3, 240)
    assert not find_onsets(steady).onsets["frame"].size
    begun = find_onsets(noise(3, 240) - 0.3 * np.maximum(time - 80, 0), how=LEVEL).onsets
    assert begun["onset_low"][0] <= 80 <= begun["frame"][0] < 110
    found = find_onsets(steady - 0.5 * np.maximum(time - 150, 0)).onsets
    assert found["kind"][0] == "ramp"
    assert found["direction"][0] == "down"
    assert found["onset_low"][0] <= 150 <= found["onset_high"][0]
    assert found["slope_change"][0] == pytest.approx(-0.5, abs=0.1)


def test_several_onsets_of_one_series():
    values = noise(4, 400) + step(100, 4, 400) - step(250, 6, 400)
    found = find_onsets(values, how=LEVEL).onsets
    assert found["direction"].tolist() == ["up", "down"]
    assert np.abs(found["onset_frame"] - [100, 250]).max() <= 1
    np.testing.assert_allclose(found["size_sigmas"], [4, -6], atol=1.2)


@pytest.mark.parametrize("method", ["cusum", "ewma", "slope"])
@settings(max_examples=12)
@given(st.floats(1e-6, 1e6), st.floats(-100, 100), st.integers(0, 50))
def test_scale_and_shift_of_a_series_do_not_matter(method, scale, shift, seed):
    values = noise(seed, 140) + step(90, 4, 140)
    how = OnsetChart(method=method)
    plain, scaled = find_onsets(values, how=how), find_onsets(scale * (values + shift), how=how)
    assert plain.onsets["frame"].tolist() == scaled.onsets["frame"].tolist()
    assert plain.onsets["onset_frame"].tolist() == scaled.onsets["onset_frame"].tolist()
    np.testing.assert_allclose(scaled.onsets["size"], scale * plain.onsets["size"], rtol=1e-3)
    np.testing.assert_allclose(scaled.onsets["size_sigmas"], plain.onsets["size_sigmas"], rtol=1e-3)


def test_a_gap_is_neither_change_nor_calm():
    values = noise(5, 300)
    values[120:220] = np.nan
    gap = find_onsets(values)
    assert not gap.onsets["frame"].size
    assert gap.stretches["watched"][0] == 160
    # A change within the gap: nobody can say when.
    found = find_onsets(values + step(170, 5, 300), how=LEVEL).onsets
    assert found["onset_low"][0] == 120
    assert found["onset_high"][0] >= 220 - 1
    assert found["frame"][0] >= 220


def test_a_gap_in_time_is_longer_than_its_frames():
    times = np.arange(200.0)
    times[100:] += 500
    steady = 0.2 * times + noise(6)
    assert not find_onsets(steady, times=times).onsets["frame"].size
    assert find_onsets(steady).onsets["frame"].size


def test_counts_by_their_likelihood():
    rng = np.random.default_rng(7)
    counts = rng.poisson(np.where(np.arange(200) >= 120, 8.0, 3.0)).astype(float)
    found = find_onsets(counts, how=OnsetChart(method="glr")).onsets
    assert abs(found["onset_frame"][0] - 120) <= 3
    assert found["size"][0] == pytest.approx(5, abs=1.5)
    quiet = find_onsets(rng.poisson(3.0, 160), how=OnsetChart(method="glr"))
    assert not quiet.onsets["frame"].size
    assert quiet.stretches["watched"].tolist() == [120]


def test_columns_that_never_change_and_then_do():
    counts = np.where(np.arange(120) >= 80, 18.0, 20.0)
    found = find_onsets(counts, how=OnsetChart(resolution=1.0, trend=False)).onsets
    assert found["onset_frame"].tolist() == [80]
    assert found["size"][0] == pytest.approx(-2)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(0), "no frame has a value"),
        (np.full(100, np.nan), "no frame has a value"),
        (np.arange(30.0), "30 frames with a value, 41 or more are needed"),
        (np.full(100, 7.0), "the same value in all frames"),
    ],
)
def test_what_cannot_be_watched_has_a_reason(values, reason):
    found = find_onsets(values)
    assert found.reason.startswith(reason)
    assert not found.onsets["frame"].size
    assert np.isnan(found.statistic).all()


def test_refuses_what_it_cannot_use():
    for bad in (np.zeros((5, 5)), np.array([1.0, np.inf] * 40)):
        with pytest.raises(DataError):
            find_onsets(bad)
    with pytest.raises(DataError, match="ascend"):
        find_onsets(np.zeros(3), times=np.array([0.0, 2.0, 1.0]))
    with pytest.raises(DataError, match="choose cusum"):
        find_onsets(noise(0), how=OnsetChart(method="glr"))
    for bad in (
        {"method": "pelt"},
        {"baseline_frames": 5},
        {"change": "colour"},
        {"change": "spread", "method": "glr"},
    ):
        with pytest.raises(SettingsError):
            OnsetChart(**bad)
    with pytest.raises(DataError, match="alarm"):
        locate_change(np.arange(20.0), np.zeros(20), alarm=20, rising=True)


def test_false_discovery_against_a_worked_example():
    # Benjamini and Hochberg (1995), 3.1: 15 p-values of which 4 are believed at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    shuffled = np.random.default_rng(0).permutation(15)
    q = adjust_for_false_discovery(np.array(p)[shuffled])
    back = np.empty(15)
    back[shuffled] = q
    assert (back <= 0.05).sum() == 4
    np.testing.assert_allclose(back[:4], [0.0015, 0.003, 0.0095, 0.035625])
    assert (np.diff(back) >= 0).all()
    assert back[-1] == 1
    assert adjust_for_false_discovery(np.zeros(0)).shape == (0,)
    for bad in ([0.5, np.nan], [1.5], [[0.1]]):
        with pytest.raises(DataError):
            adjust_for_false_discovery(np.array(bad))
