import csv
from dataclasses import replace

import keras
import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.checkpoints import Checkpoints, gather_arrays, restore_arrays
from temflux.engine.learn.optimizers import make_optimizer
from temflux.engine.learn.task import Task
from temflux.engine.learn.training import TrainingSettings, train

FAST = TrainingSettings(epochs=3, batch_size=2, jit_compile=False, seed=3)


def network(in_channels=1, out_channels=1, activation="sigmoid", dropout=0.1):
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, in_channels))
    hidden = keras.layers.Conv2D(4, 3, padding="same")(image)
    hidden = keras.layers.PReLU(shared_axes=[1, 2])(hidden)
    hidden = keras.layers.Dropout(dropout, seed=5)(hidden)
    return keras.Model(image, keras.layers.Conv2D(out_channels, 1, activation=activation)(hidden))


class Fixed:
    """The same batches in every epoch, from arrays."""

    def __init__(self, task, images, labels):
        self.task, self.images, self.labels = task, images, labels

    def count_batches(self, batch_size):
        return -(-len(self.images) // batch_size)

    def stream(self, epoch, *, batch_size, seed, backend):  # noqa: ARG002
        for start in range(0, len(self.images), batch_size):
            yield self.images[start : start + batch_size], self.labels[start : start + batch_size]


@pytest.fixture(scope="module")
def threshold():
    images = np.random.default_rng(0).normal(size=(64, 16, 16, 1)).astype(np.float32)
    return Fixed(Task("Mask", 1, ("inside",), 12.0), images, (images > 0.3).astype(np.float32))


@pytest.fixture(scope="module")
def finished(threshold, tmp_path_factory):
    settings = replace(FAST, batch_size=16)
    return train(threshold, threshold, network(), settings, tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_threshold_is_learnt(threshold, tmp_path, jit_compile):
    settings = TrainingSettings(epochs=12, batch_size=4, learning_rate=0.03, jit_compile=jit_compile)
    result = train(threshold, threshold, network(dropout=0), settings, tmp_path)
    losses = [row["val_loss"] for row in result.curves]
    assert losses[-1] < 0.3 * losses[0]
    assert result.monitor == "val_f1"
    assert max(row["val_f1"] for row in result.curves) > 0.95
    assert result.curves[result.best_epoch - 1]["val_f1"] == max(row["val_f1"] for row in result.curves)


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "rmsprop", "loss": "bce_dice"},
        {"optimizer": "sgd", "learning_rate": 0.3, "final_learning_rate": 0.1},
        {"mixed_precision": True, "loss": "focal"},
    ],
)
def test_other_settings_learn_it_too(threshold, tmp_path, values):
    settings = replace(FAST, **{"learning_rate": 0.02, "epochs": 6, "batch_size": 4, **values})
    made = network(dropout=0)
    result = train(threshold, None, made, settings, tmp_path)
    assert result.monitor == "f1"
    assert result.curves[-1]["loss"] < 0.8 * result.curves[0]["loss"]
    assert max(row["f1"] for row in result.curves) > 0.8
    assert {layer.compute_dtype for layer in made.layers} == {"float32"}


def test_mixed_precision_computes_in_bfloat16(threshold, tmp_path):
    made = network()
    settings = replace(FAST, mixed_precision=True, epochs=1)
    kept = []

    def look(_):
        kept.extend(layer.compute_dtype for layer in made.layers)

    train(threshold, None, made, settings, tmp_path, on_epoch=look)
    assert all(weight.dtype == "float32" for weight in made.weights)
    assert kept == ["bfloat16"] * (len(kept) - 1) + ["float32"]


def test_the_curves_are_a_table(finished):
    with (finished.run / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for name in ("loss", "f1", "val_loss", "val_f1", "learning_rate", "seconds", "images_per_s"):
        assert float(rows[-1][name]) == pytest.approx(finished.curves[-1][name])


def test_the_network_has_the_best_weights_afterwards(threshold, tmp_path):
    """From the third epoch on the wrong is held to be right."""
    judges = Fixed(threshold.task, threshold.images[:8], threshold.labels[:8])

    def turn_round(curves):
        if len(curves) == 2:
            judges.labels = 1 - judges.labels

    made = network(dropout=0)
    settings = replace(FAST, learning_rate=0.02, batch_size=4)
    result = train(threshold, judges, made, settings, tmp_path, on_epoch=turn_round)
    assert result.best_epoch == 2
    best = Checkpoints(tmp_path).load("best")
    assert best.epoch == result.best_epoch
    found = gather_arrays(made)
    assert all(found[name].tobytes() == best.arrays[name].tobytes() for name in found if "weights" in name)
    other = network(dropout=0)
    restore_arrays(other, best.arrays, optimizer=False)
    np.testing.assert_array_equal(other.get_weights()[0], made.get_weights()[0])


def test_patience_stops_and_a_restart_does_not_go_on(threshold, tmp_path):
    settings = replace(FAST, optimizer="sgd", learning_rate=1e-30, epochs=9, patience=2)
    result = train(threshold, None, network(dropout=0), settings, tmp_path)
    assert result.stopped_by == "patience"
    assert len(result.curves) == result.best_epoch + 2 < 9
    again = train(threshold, None, network(dropout=0), settings, tmp_path, restart=True)
    assert (again.stopped_by, len(again.curves)) == ("patience", len(result.curves))


def test_numbers_of_an_epoch_are_those_of_all_its_batches(threshold, tmp_path):
    """Not of the last one: nothing is found in it, and nothing is there."""
    labels = threshold.labels[:8].copy()
    labels[4:] = 0
    judges = Fixed(threshold.task, threshold.images[:8], labels)
    made = network(dropout=0)
    settings = replace(FAST, epochs=1, batch_size=4, learning_rate=1e-9)
    row = train(threshold, judges, made, settings, tmp_path).curves[0]
    maps = made.predict(threshold.images[:8], verbose=0)
    hits = ((maps > 0.5) & (labels > 0.5)).sum()
    assert row["val_f1"] == pytest.approx(2 * hits / ((maps > 0.5).sum() + (labels > 0.5).sum()), abs=1e-3)
    eps = 1e-7
    entropy = -np.mean(labels * np.log(maps + eps) + (1 - labels) * np.log(1 - maps + eps))
    assert row["val_loss"] == pytest.approx(entropy, rel=1e-3)


def test_a_loss_that_is_no_number_stops_at_its_batch(threshold, tmp_path):
    images = threshold.images.copy()
    broken = Fixed(threshold.task, images, threshold.labels)

    def spoil(curves):
        if len(curves) == 2:
            images[5] = np.nan

    with pytest.raises(DataError, match=r"^epoch 3 of 3: the loss is nan at batch 3 of 32; lower the learn"):
        train(broken, None, network(), FAST, tmp_path, on_epoch=spoil)
    last = Checkpoints(tmp_path).load()
    assert last.epoch == 2
    assert all(np.isfinite(array).all() for array in last.arrays.values())


def test_weights_that_are_no_numbers_are_not_kept(threshold, tmp_path):
    """The last batch of an epoch can spoil weights after its loss was computed."""
    settings = replace(FAST, optimizer="sgd", learning_rate=3e38, batch_size=8)
    short = Fixed(threshold.task, threshold.images[:8], 100 * threshold.labels[:8])
    with pytest.raises(DataError, match="epoch 1 of 3: weights are not finite after the last batch"):
        train(short, None, network(activation="linear"), replace(settings, loss="mse"), tmp_path)
    assert not Checkpoints(tmp_path).exist()


def test_validation_without_a_number_is_said(threshold, tmp_path):
    broken = Fixed(threshold.task, np.full((4, 8, 8, 1), np.nan, np.float32), np.zeros((4, 8, 8, 1)))
    with pytest.raises(DataError, match=r"epoch 1 of 3, validation: the loss is nan at batch 1 of 2"):
        train(threshold, broken, network(), FAST, tmp_path)


def test_progress_counts_batches(threshold, tmp_path):
    told = []
    settings = replace(FAST, epochs=1, batch_size=32)
    train(threshold, threshold, network(), settings, tmp_path, progress=lambda *said: told.append(said))
    assert told == [
        ("epoch 1 of 1", 1, 2),
        ("epoch 1 of 1", 2, 2),
        ("epoch 1 of 1, validation", 1, 2),
        ("epoch 1 of 1, validation", 2, 2),
    ]


def test_a_run_is_not_written_over(threshold, finished):
    with pytest.raises(SettingsError, match="holds a run of 3 epochs; restart it, or choose another folder"):
        train(threshold, None, network(), FAST, finished.run)


def test_labels_that_do_not_fit_the_network_are_said(threshold, tmp_path):
    said = r"expected a network of 1 images in and 1 channels out \(inside\) for the label Mask, got one of 3"
    with pytest.raises(DataError, match=said):
        train(threshold, None, network(in_channels=3), FAST, tmp_path)
    with pytest.raises(DataError, match="got one of 1 and 2"):
        train(threshold, None, network(out_channels=2), FAST, tmp_path)
    other = Fixed(replace(threshold.task, normalize_A=3.0), threshold.images, threshold.labels)
    with pytest.raises(DataError, match="expected validation of the same task"):
        train(threshold, other, network(), FAST, tmp_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 0}, "epochs: expected a whole number of 1 or more, got 0"),
        ({"learning_rate": -1.0}, "learning_rate: expected above 0"),
        ({"patience": 0}, "patience"),
    ],
)
def test_impossible_settings_are_one_line(values, said):
    with pytest.raises(SettingsError, match=said):
        TrainingSettings(**values)


def test_optimisers_by_name():
    adam = make_optimizer("adam")
    assert adam.amsgrad
    assert float(adam.learning_rate) == pytest.approx(1e-3)
    assert float(make_optimizer("rmsprop").learning_rate) == pytest.approx(5e-4)
    assert float(make_optimizer("lion", 2e-4).learning_rate) == pytest.approx(2e-4)
    with pytest.raises(SettingsError, match="optimizer: expected adam, rmsprop or an optimiser of Keras"):
        make_optimizer("adamm")
