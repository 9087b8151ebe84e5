"""Calibration against closed forms: probabilities that are right by making, and temperatures put in."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.calibration import (
    count_reliability,
    fit_temperature,
    logits_of,
    map_disagreement,
    scale_temperature,
)


def test_probabilities_that_come_true_as_often_as_they_say_are_calibrated():
    rng = np.random.default_rng(0)
    p = rng.random((400, 500))
    counted = count_reliability(rng.random(p.shape) < p, p)
    assert counted.calibration_error < 0.01
    assert counted.brier_score == pytest.approx(1 / 6, abs=0.002)
    table = counted.table()
    np.testing.assert_allclose(table["probability"], table["frequency"], atol=0.03)
    assert counted.count.sum() == p.size


@pytest.mark.parametrize(("said", "true"), [(0.9, 0.6), (0.2, 0.5), (1.0, 0.75), (0.0, 0.1)])
def test_the_error_of_one_probability_is_its_distance_from_the_frequency(said, true):
    truth = np.arange(100).reshape(10, 10) < 100 * true
    counted = count_reliability(truth, np.full((10, 10), said))
    assert counted.calibration_error == pytest.approx(abs(said - true))
    assert counted.brier_score == pytest.approx(true * (1 - said) ** 2 + (1 - true) * said**2)
    assert np.count_nonzero(counted.count) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 30))
def test_reliability_of_images_adds_up_and_is_symmetric(seed, n_bins):
    rng = np.random.default_rng(seed)
    p, truth = rng.random((2, 20, 7)), rng.random((2, 20, 7)) < 0.4
    halves = [count_reliability(t, q, n_bins=n_bins) for t, q in zip(truth, p, strict=True)]
    whole = count_reliability(truth, p, n_bins=n_bins)
    both = halves[0] + halves[1]
    for name, column in whole.table().items():
        np.testing.assert_allclose(both.table()[name], column)
    turned = count_reliability(~truth, 1 - p, n_bins=n_bins)
    assert turned.brier_score == pytest.approx(whole.brier_score)
    assert 0 <= whole.calibration_error <= 1


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 7.0])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_temperature_that_was_put_in_is_found(temperature, activation):
    rng = np.random.default_rng(1)
    fair = rng.normal(0, 2, (60_000, 3))
    if activation == "sigmoid":
        truth = rng.random(fair.shape) < expit(fair)
    else:
        chance = softmax(fair, axis=-1).cumsum(axis=-1)
        truth = np.eye(3)[(rng.random((len(fair), 1)) > chance).sum(axis=-1).clip(0, 2)]
    found = fit_temperature(truth, temperature * fair, activation=activation)
    assert found == pytest.approx(temperature, rel=0.03)
    scaled = scale_temperature(temperature * fair, temperature=found, activation=activation)
    raw = scale_temperature(temperature * fair, temperature=1.0, activation=activation)
    assert count_reliability(truth, scaled).calibration_error < 0.01
    if temperature != 1:
        assert count_reliability(truth, raw).calibration_error > 0.03


def test_the_temperature_of_one_logit_has_a_closed_form():
    truth = np.arange(10) < 8
    assert fit_temperature(truth, np.full(10, 3.0), activation="sigmoid") == pytest.approx(
        3 / logit(0.8), rel=1e-4
    )


def test_a_temperature_ends_at_its_limits():
    perfect = np.array([1, 0, 1, 0])
    assert fit_temperature(perfect, 2.0 * perfect - 1, activation="sigmoid") == pytest.approx(0.01, rel=0.01)
    assert fit_temperature(perfect, 1 - 2.0 * perfect, activation="sigmoid") == pytest.approx(100, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.floats(0.5, 20))
def test_scaling_keeps_the_order_of_classes_and_undoes_the_activation(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 3, (30, 4))
    for activation in ("sigmoid", "softmax"):
        p = scale_temperature(logits, temperature=temperature, activation=activation)
        np.testing.assert_array_equal(np.argmax(p, axis=-1), np.argmax(logits, axis=-1))
    once = scale_temperature(logits, temperature=1.0, activation="softmax")
    again = scale_temperature(logits_of(once, activation="softmax"), temperature=1.0, activation="softmax")
    np.testing.assert_allclose(again, once, atol=1e-6)
    assert once.sum(axis=-1) == pytest.approx(1)
    np.testing.assert_allclose(logits_of(expit(logits), activation="sigmoid"), logits, rtol=1e-6, atol=1e-6)


def test_probabilities_rounded_to_0_and_1_have_finite_logits():
    logits = logits_of(np.array([0.0, 1.0], np.float32), activation="sigmoid")
    assert np.isfinite(logits).all()
    assert logits[0] == pytest.approx(-logits[1], rel=1e-6)
    assert np.isfinite(logits_of(np.array([0.0, 1.0]), activation="softmax")).all()


def test_equal_predictions_do_not_disagree():
    p = np.random.default_rng(0).random((9, 9, 3))
    deviation, differing = map_disagreement([p, p, p])
    assert deviation.shape == (9, 9)
    assert deviation.max() == pytest.approx(0, abs=1e-12)
    assert differing == 0


def test_disagreement_is_the_standard_deviation_and_the_share_of_other_masks():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 40, 40))
    deviation, differing = map_disagreement(np.stack([a, b]))
    np.testing.assert_allclose(deviation, np.abs(a - b) / 2)
    assert differing == np.mean((a > 0.5) != (b > 0.5))
    assert map_disagreement([b, a])[1] == differing
    many, _ = map_disagreement(rng.normal(0.5, 0.1, (400, 20, 20)))
    assert many.mean() == pytest.approx(0.1, rel=0.02)


def test_without_a_threshold_classes_disagree():
    one, other = np.array([[[0.4, 0.35, 0.25]]]), np.array([[[0.35, 0.4, 0.25]]])
    assert map_disagreement([one, other], threshold=None)[1] == 1
    assert map_disagreement([one, other])[1] == 0


def test_what_does_not_fit_is_refused():
    p = np.full((4, 4), 0.5)
    with pytest.raises(DataError, match="shape"):
        count_reliability(p, p[:2])
    for bad in (p + 1, p * math.nan, -p):
        with pytest.raises(DataError, match="0 to 1"):
            count_reliability(p, bad)
    with pytest.raises(SettingsError, match="n_bins"):
        count_reliability(p, p, n_bins=0)
    with pytest.raises(DataError, match="bins"):
        _ = count_reliability(p, p, n_bins=3) + count_reliability(p, p, n_bins=4)
    with pytest.raises(DataError, match="logits"):
        fit_temperature(p, p[:2], activation="sigmoid")
    with pytest.raises(DataError, match="finite"):
        fit_temperature(p, p * math.inf, activation="sigmoid")
    with pytest.raises(SettingsError, match="activation"):
        fit_temperature(p, p, activation="linear")
    with pytest.raises(SettingsError, match="temperature"):
        scale_temperature(p, temperature=0, activation="sigmoid")
    for bad in ([p], [], [p, p[:2]], [p * math.nan, p], [p[0], p[0]]):
        with pytest.raises(DataError, match="expected"):
            map_disagreement(bad)
