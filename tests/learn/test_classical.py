"""Classical methods that are tuned: the one that fits is chosen, and empty frames keep it honest."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.baselines import mask_f1
from temflux.engine.learn.classical import ClassicalMasks, segment_by_fringes, tune_columns, tune_masks

SHAPE = (96, 96)
MASK = np.zeros(SHAPE, bool)
MASK[24:72, 30:80] = True


def fringes(seed, *, period_px=8):
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    return np.where(MASK, 0.8 * np.cos(2 * np.pi * np.arange(SHAPE[1]) / period_px), 0) + noise


def test_fringes_are_found_by_their_lattice():
    images = [fringes(seed) for seed in range(3)]
    empty = [np.random.default_rng(seed).normal(size=SHAPE) for seed in (10, 11)]
    truths = [MASK] * 3 + [np.zeros(SHAPE, bool)] * 2
    # 8 px of 0.29 Å are a period of 2.3 Å.
    tuned = tune_masks([*images, *empty], truths, [0.29] * 5)
    assert tuned.method in ("lattice", "fringes")
    assert mask_f1(MASK, tuned(fringes(99), sampling_A=0.29)) > 0.8
    assert tuned(np.random.default_rng(98).normal(size=SHAPE), sampling_A=0.29).mean() < 0.05
    assert tuned.score > 0.8


def test_a_small_crystal_is_found_though_most_is_vacuum():
    small = np.zeros(SHAPE, bool)
    small[10:30, 10:30] = True
    wave = 2 * np.cos(2 * np.pi * np.arange(SHAPE[1]) / 8)
    image = np.where(small, wave, 0) + np.random.default_rng(0).normal(size=SHAPE)
    mask = segment_by_fringes(image, periods_px=(6, 10), smooth_px=4, level=4)
    assert mask_f1(small, mask) > 0.7
    assert not segment_by_fringes(image[40:, 40:], periods_px=(6, 10), smooth_px=4, level=4).any()
    with pytest.raises(SettingsError, match="level: expected above 0"):
        segment_by_fringes(image, periods_px=(6, 10), smooth_px=4, level=0)
    with pytest.raises(SettingsError, match="periods_px"):
        segment_by_fringes(image, periods_px=(10, 6), smooth_px=4, level=4)
    image[3, 3] = np.nan
    with pytest.raises(DataError, match="clean the frame"):
        segment_by_fringes(image, periods_px=(6, 10), smooth_px=4, level=4)


def test_dark_particles_are_found_by_their_background():
    noise = np.random.default_rng(0).normal(0, 0.2, (2, *SHAPE))
    tuned = tune_masks(list(noise - 1.0 * MASK), [MASK, MASK], [5.0, 5.0])
    assert tuned.method == "background"
    assert tuned.settings["polarity"] == "dark"
    assert tuned.score > 0.9


def test_fine_pixels_are_binned_and_the_mask_has_the_images_shape():
    fine = np.kron(fringes(5), np.ones((4, 4)))[:-3, :-1]
    tuned = ClassicalMasks("lattice", {"periods_A": (1.9, 2.5), "smooth_px": 8.0, "separation": 0.0})
    mask = tuned(fine, sampling_A=0.29 / 4)
    assert mask.shape == fine.shape
    assert mask_f1(np.kron(MASK, np.ones((4, 4)))[:-3, :-1] > 0, mask) > 0.75
    series = np.stack([fine, fine])
    assert np.array_equal(tuned(series, sampling_A=0.29 / 4), mask)


def test_columns_are_found_and_classed_by_height():
    y, x = np.mgrid[:80, :80] * 0.1
    places = np.array([[a, b] for a in (1.5, 3.5, 5.5) for b in (1.5, 3.5, 5.5)])
    classes = np.arange(9) % 2
    image = sum(
        (1 + kind) * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 0.3**2))
        for (a, b), kind in zip(places, classes, strict=True)
    )
    told = []
    tuned = tune_columns(
        [image], [(places, classes)], [0.1], n_classes=2, told=lambda done, total: told.append((done, total))
    )
    assert tuned.score == 1
    assert tuned.settings["order"] == (0, 1)
    assert told == [(1, 2), (2, 2)]
    found, _ = tuned(image, sampling_A=0.1)
    assert len(found) == 9


def test_columns_are_tuned_on_what_a_judge_counts():
    """Columns in the truth that the image does not show, or near its edge, are not held against a method."""
    y, x = np.mgrid[:80, :60] * 0.1
    shown = np.array([[1.5, 1.5], [3.5, 1.5], [1.5, 4.5], [3.5, 6.5]])
    image = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 0.3**2)) for a, b in shown)
    truth = np.concatenate([shown, [[-3.0, 2.0], [9.0, 2.0], [2.0, 12.0], [5.7, 4.0]]])
    tuned = tune_columns([image], [(truth, np.zeros(8, int))], [0.1], n_classes=1, edge_A=0.4)
    assert tuned.score == 1
    # The one that lies within 0.4 Å of the edge counts where edges do.
    assert tune_columns([image], [(truth, np.zeros(8, int))], [0.1], n_classes=1).score == pytest.approx(
        8 / 9
    )


def test_nothing_to_tune_on_is_said():
    with pytest.raises(DataError, match="a truth and a sampling for each of 1 or more images"):
        tune_masks([], [], [])
    with pytest.raises(DataError, match="a truth and a sampling"):
        tune_columns([MASK], [], [0.1], n_classes=1)
