"""A classifier of spectra: it learns, does not mind turns, and is judged by the area under its ROC."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.spectrum_classes import (
    ClassifierTraining,
    class_probabilities,
    roc_area,
    train_classifier,
)
from temflux.models.networks import build_network

SIZE = 16


def made(count, seed=0):
    """Noise with none, one or two spots."""
    rng = np.random.default_rng(seed)
    maps = rng.exponential(0.3, (count, SIZE, SIZE)).astype(np.float32)
    classes = rng.integers(0, 3, count)
    for one, number in zip(maps, classes, strict=True):
        for place in range(number):
            one[int(rng.integers(4, 12)), (place * 6 + int(rng.integers(4))) % SIZE] = 5.0
    return maps, classes


def classifier(seed=0):
    return build_network(
        "polar", in_channels=1, out_channels=3, activation="softmax", channels=6, levels=2, seed=seed
    )


@pytest.fixture(scope="module")
def trained():
    network, told = classifier(), []
    history = train_classifier(
        network,
        *made(400),
        validation=made(100, seed=1),
        how=ClassifierTraining(epochs=10, batch_size=20, learning_rate=5e-3),
        on_epoch=lambda so_far: told.append(len(so_far)),
    )
    assert told == list(range(1, 11))
    return network, history


def test_it_learns_and_keeps_its_best_epoch(trained):
    network, history = trained
    maps, classes = made(100, seed=1)
    found = class_probabilities(network, maps)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    own = -np.log(np.maximum(found[np.arange(100), classes], 1e-7)).mean()
    assert own == pytest.approx(min(epoch["val_loss"] for epoch in history), rel=1e-5)
    assert (found.argmax(axis=1) == classes).mean() > 0.8


def test_it_does_not_mind_how_a_particle_is_turned(trained):
    maps, _ = made(10, seed=2)
    turned = np.roll(maps, 4, axis=2)
    np.testing.assert_allclose(
        class_probabilities(trained[0], turned), class_probabilities(trained[0], maps), atol=1e-5
    )


def test_what_does_not_fit_is_said():
    maps, classes = made(4)
    with pytest.raises(DataError, match="N classes"):
        train_classifier(classifier(), maps, classes[:3], validation=(maps, classes))
    with pytest.raises(SettingsError, match="above 0"):
        ClassifierTraining(epochs=0)
    assert class_probabilities(classifier(), maps[:0]).shape == (0, 3)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_counts_pairs(rows):
    score, member = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    pairs = [(a, b) for a in score[member] for b in score[~member]]
    area = roc_area(score, member)
    if pairs:
        assert area == pytest.approx(np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]))
    else:
        assert np.isnan(area)


def test_what_has_no_score_comes_last():
    assert roc_area(np.array([np.nan, -5.0]), np.array([False, True])) == 1.0
