import keras
import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.learn.losses import (
    PixelF1,
    bce_dice,
    cce_dice,
    dice,
    find_loss,
    list_losses,
    make_metrics,
)


def pair(channels=1, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random((3, 8, 6, channels)) > 0.6).astype(np.float32)
    return truth, rng.random((3, 8, 6, channels)).astype(np.float32)


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_dice_is_its_formula():
    truth, guess = pair(2)
    common = (truth * guess).sum((1, 2))
    both = truth.sum((1, 2)) + guess.sum((1, 2))
    expected = 1 - ((2 * common + 1) / (both + 1)).mean(-1)
    np.testing.assert_allclose(numbers(dice(truth, guess)), expected, rtol=1e-5)


def test_dice_of_empty_frames_falls_with_what_is_falsely_seen():
    truth = np.zeros((1, 8, 8, 1), np.float32)
    losses = [float(numbers(dice(truth, truth + level))[0]) for level in (0, 0.01, 0.1, 1)]
    assert losses[0] == 0
    assert losses == sorted(losses)
    assert losses[1] < 0.5


def test_the_sums_are_sums():
    truth, guess = pair()
    entropy = -(truth * np.log(guess) + (1 - truth) * np.log(1 - guess)).mean((1, 2, 3))
    expected = entropy + numbers(dice(truth, guess))
    np.testing.assert_allclose(numbers(bce_dice(truth, guess)), expected, rtol=1e-4)
    whole = np.eye(4, dtype=np.float32)[np.random.default_rng(1).integers(4, size=(2, 5, 5))]
    guess = whole * 0.8 + 0.05
    expected = -np.log(0.85) + numbers(dice(whole, guess))
    np.testing.assert_allclose(numbers(cce_dice(whole, guess)), expected, rtol=1e-4)


@pytest.mark.parametrize("name", [*list_losses(), "huber"])
def test_every_loss_is_least_where_the_prediction_is_right(name):
    truth = np.eye(3, dtype=np.float32)[np.random.default_rng(1).integers(3, size=(2, 6, 6))]
    loss = find_loss(name)
    levels = [
        float(numbers(loss(truth, truth * (1 - 1.5 * wrong) + wrong / 2)).mean())
        for wrong in (0.02, 0.2, 0.5)
    ]
    assert levels == sorted(levels)
    assert levels[0] < 0.3 * levels[-1]


@pytest.mark.parametrize("loss", [dice, bce_dice, cce_dice])
def test_losses_are_serialised_by_name(loss):
    written = keras.losses.serialize(loss)
    assert keras.losses.deserialize(written) is loss


def f1_of(truth, guess):
    hits = (truth & guess).sum()
    return 2 * hits / (truth.sum() + guess.sum())


def test_f1_is_counted_over_batches():
    metric = PixelF1(2)
    truths, guesses = zip(*(pair(3, seed) for seed in range(4)), strict=True)
    for truth, guess in zip(truths, guesses, strict=True):
        metric.update_state(truth, guess)
    truth, guess = np.concatenate(truths) > 0.5, np.concatenate(guesses) > 0.5
    # The third channel is a background and does not count.
    expected = np.mean([f1_of(truth[..., c], guess[..., c]) for c in range(2)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    metric.update_state(np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4, 3)))
    assert float(metric.result()) == 1


def test_f1_of_nothing_found_is_0():
    metric = PixelF1(1)
    metric.update_state(np.ones((1, 4, 4, 1)), np.zeros((1, 4, 4, 1)))
    assert float(metric.result()) == 0


def test_f1_counts_more_than_float32_steps_by_one():
    metric = PixelF1(1)
    metric.hits.assign([2.0**24])
    metric.update_state(np.ones((1, 8, 8, 1)), np.ones((1, 8, 8, 1)))
    assert float(metric.hits[0]) == 2.0**24 + 64


def test_f1_is_made_again_from_its_configuration():
    metric = keras.metrics.deserialize(keras.metrics.serialize(PixelF1(3, threshold=0.3)))
    assert (metric.n_classes, metric.threshold, metric.name) == (3, 0.3, "f1")


def test_metrics_by_name():
    metrics = make_metrics(["f1", "mae", "mse"], n_classes=2)
    assert [metric.name for metric in metrics] == ["f1", "mae", "mse"]
    truth, guess = pair()
    metrics[1].update_state(truth, guess)
    assert float(metrics[1].result()) == pytest.approx(np.abs(truth - guess).mean(), rel=1e-5)


def test_unknown_names_are_one_line():
    with pytest.raises(SettingsError, match=r"loss: expected one of dice, bce_dice.* got 'dicee'"):
        find_loss("dicee")
    with pytest.raises(SettingsError, match="metrics: expected f1, mae, mse or a metric of Keras"):
        make_metrics(["f2"])
