"""Zone-axis scores, what can be read, in-plane rotation, pairs that come and go."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError
from temflux.engine.measure.reflections.rotation import appearances, orientation, rotation_rate
from temflux.engine.measure.reflections.zone_axis import (
    ZoneAxisScore,
    judge_readable,
    score_zone_axis,
    zone_axis_map,
)

LIMITS = {"most_ratio": 10.0, "least_contrast": 0.06, "contrast_limit": 0.02}


def score(power, angle, error=0.3):
    power, angle = np.asarray(power, float), np.asarray(angle, float)
    return score_zone_axis(power, power - 2, angle, np.full(angle.shape, error))


def test_two_directions_are_a_zone_axis_and_one_is_not():
    assert score([101, 51], [0, 60]) == pytest.approx((math.sqrt(99 / 49), 2, 2.0))
    alone = score([101], [10])
    assert alone.independent_reflections == 1
    assert alone.noise_floored_ratio == 100
    assert math.isnan(alone.pair_ratio)


def test_harmonics_and_the_same_row_count_once():
    found = score([101, 40, 30], [10, 190 - 180, -170])
    assert found.independent_reflections == 1
    assert found.noise_floored_ratio == 100
    assert math.sqrt(99 / 28) == pytest.approx(found.pair_ratio)


def test_directions_that_are_uncertain_are_not_two():
    assert score([101, 20], [0, 8], error=0.5).independent_reflections == 2
    assert score([101, 20], [0, 8], error=3.0).independent_reflections == 1
    assert score([101, 20], [89.5, -89.5], error=0.1).independent_reflections == 1


def test_a_dim_third_pair_moves_the_published_ratio_alone():
    two, three = score([200, 180], [0, 70]), score([200, 180, 18], [0, 70, 35])
    assert three.pair_ratio > 3 * two.pair_ratio
    assert three.noise_floored_ratio == two.noise_floored_ratio


def test_why_a_particle_cannot_be_read():
    zone = ZoneAxisScore(1.5, 3, 2.0)
    assert judge_readable(zone, **LIMITS) == (True, "")
    assert judge_readable(zone, **LIMITS, cut_by_edge=True) == (False, "cut by the edge")
    fringes = ZoneAxisScore(math.nan, 1, 80.0)
    assert judge_readable(fringes, **LIMITS)[1] == "one direction of fringes only"
    assert judge_readable(zone._replace(noise_floored_ratio=40.0), **LIMITS)[1].endswith("(40 : 1)")
    nothing = score([], [])
    assert judge_readable(nothing, **LIMITS)[1] == "no reflection above noise"
    faint = LIMITS | {"contrast_limit": 0.2, "doses": "5 e⁻/Å², would take 50"}
    assert judge_readable(nothing, **faint)[1] == "too few counts: 5 e⁻/Å², would take 50"
    assert judge_readable(zone, **faint)[0]


@settings(max_examples=30, deadline=None)
@given(st.floats(-15, 15), st.integers(0, 50))
def test_a_rate_is_found_within_its_error(rate, seed):
    rng = np.random.default_rng(seed)
    time = np.repeat(np.sort(rng.uniform(0, 10, 12)), 2)
    time[-2:] = time[-4]
    reflection = np.tile([4, 9], 12)
    error = np.where(reflection == 4, 0.2, 0.6)
    angle = np.where(reflection == 4, 80.0, -31.0) + rate * time + rng.normal(0, error)
    fit = rotation_rate(time, (angle + 90) % 180 - 90, error, reflection)
    assert abs(fit["rate_deg"] - rate) < 5 * fit["rate_error_deg"]
    assert fit["measurements"] == 24
    assert fit["reflections"] == 2


def test_a_wobble_widens_the_error():
    time = np.arange(20.0)
    steady = rotation_rate(time, 0.5 * time, np.full(20, 0.1), np.ones(20, int))
    wobble = rotation_rate(time, 0.5 * time + 3 * (-1.0) ** time, np.full(20, 0.1), np.ones(20, int))
    assert steady["rate_deg"] == pytest.approx(0.5)
    assert wobble["rate_error_deg"] > 20 * steady["rate_error_deg"]
    assert wobble["chi2_per_freedom"] > 400


def test_no_two_times_give_no_rate():
    once = rotation_rate(np.zeros(2), np.zeros(2), np.ones(2), np.array([1, 2]))
    assert math.isnan(once["rate_deg"])
    assert once["measurements"] == 0
    unknown = rotation_rate(np.full(3, np.nan), np.zeros(3), np.ones(3), np.ones(3, int))
    assert math.isnan(unknown["rate_deg"])
    with pytest.raises(DataError):
        rotation_rate(np.zeros(2), np.zeros(3), np.zeros(3), np.zeros(3))


def test_turns_are_told_though_reflections_come_and_go():
    frame = np.concatenate([np.arange(10), np.arange(5, 10)])
    reflection = np.repeat([1, 2], [10, 5])
    angle = np.where(reflection == 1, 20.0, -75.0) + 2.0 * frame
    turns, directions = orientation(frame, angle, np.ones(15), reflection)
    np.testing.assert_allclose(np.diff(turns["turn_deg"]), 2.0, atol=0.01)
    assert np.diff(directions["angle_deg"]) == pytest.approx(-95.0, abs=0.02)
    assert turns["turn_error_deg"][0] > turns["turn_error_deg"][-1]


def test_pairs_that_come_and_go_are_counted_where_they_are_sure():
    frame = np.array([0, 0, 1, 2, 2, 2])
    reflection = np.array([1, 2, 1, 1, 3, 4])
    power = np.array([90, 80, 90, 90, 90, 20.0])
    found = appearances(frame, reflection, power, np.array([0, 1, 2]), sure_power=50.0)
    assert found["frame"].tolist() == [1, 2]
    assert found["vanished"].tolist() == [1, 0]
    assert found["appeared"].tolist() == [0, 1]


def test_masks_are_scaled_by_the_score():
    labels = np.array([[0, 2, 2], [5, 0, 9]])
    scaled = zone_axis_map(labels, np.array([2, 5, 7]), np.array([4.0, np.nan, 1.0]))
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, [[0, 0.25, 0.25], [0, 0, 0]])
    assert zone_axis_map(np.zeros((2, 2), int), np.zeros(0, int), np.zeros(0)).max() == 0
