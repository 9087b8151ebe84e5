"""Baselines: they know what they may, find what they are made for, and are tuned without the test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.baselines import (
    mask_f1,
    predict_mean,
    predict_vacuum,
    scramble,
    segment_by_background,
    segment_by_lattice,
    segment_by_variance,
    tune,
)
from temflux.engine.learn.column_baselines import find_columns_by_blobs, score_columns, split_in_clusters


def disc(size=96, radius=24):
    y, x = np.mgrid[:size, :size] - size / 2
    return x**2 + y**2 <= radius**2


def fringes(size=96, period_px=5.0, noise=0.3, seed=0):
    truth = disc(size)
    wave = np.cos(2 * np.pi * np.arange(size) / period_px)[:, np.newaxis]
    return 1 + truth * wave + np.random.default_rng(seed).normal(0, noise, truth.shape), truth


def spots(*, weights, polarity=1.0, noise=0.0, seed=0):
    """Gaussian spots on a grid of 2 Å, of three heights: image, positions [Å], classes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[1:8, 1:8] * 2.0
    xy = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-0.1, 0.1, (49, 2))
    classes = rng.integers(0, len(weights), 49)
    rows, columns = np.mgrid[:160, :160] * 0.1
    image = np.zeros((160, 160))
    for (px, py), kind in zip(xy, classes, strict=True):
        image += weights[kind] * np.exp(-((columns - px) ** 2 + (rows - py) ** 2) / (2 * 0.4**2))
    return polarity * image + 5 + rng.normal(0, noise, image.shape), xy, classes


def test_nulls_know_nothing_of_the_image():
    label = np.zeros((3, 4, 2))
    assert predict_vacuum(label, kind="Mask").sum() == 0
    assert predict_vacuum(label, kind="Disk", has_background=True).sum(axis=(0, 1)).tolist() == [0, 12]
    wave = predict_vacuum(label, kind="Exitwave")
    assert (wave[..., 0] == 1).all()
    assert (wave[..., 1] == 0).all()
    labels = np.random.default_rng(0).random((5, 6, 7, 3))
    np.testing.assert_allclose(predict_mean(labels)[2, 3], labels.mean(axis=(0, 1, 2)), rtol=1e-6)
    # No constant has a smaller squared error than the mean.
    error = ((labels - predict_mean(labels)) ** 2).mean()
    assert error < ((labels - predict_mean(labels) - 0.01) ** 2).mean()
    with pytest.raises(DataError, match="one shape"):
        predict_mean([])
    with pytest.raises(DataError, match="2 shapes"):
        predict_mean([label, label[1:]])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(0, 999))
def test_scrambled_labels_are_of_other_structures(groups, seed):
    names = np.array(groups)
    if 2 * np.bincount(names).max() > len(names):
        with pytest.raises(DataError, match="half"):
            scramble(names, rng=np.random.default_rng(seed))
        return
    order = scramble(names, rng=np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(names)))
    assert (names[order] != names).all()
    assert order.tolist() == scramble(names, rng=np.random.default_rng(seed)).tolist()


def test_variance_and_lattice_mark_fringes():
    image, truth = fringes()
    assert mask_f1(truth, segment_by_variance(image, window_px=4, smooth_px=1)) > 0.93
    assert mask_f1(truth, segment_by_lattice(image, periods_px=(4, 6), smooth_px=4)) > 0.93
    assert mask_f1(truth, segment_by_lattice(image, periods_px=(10, 20), smooth_px=4)) < 0.7


@pytest.mark.parametrize("polarity", ["dark", "bright"])
def test_a_background_is_subtracted(polarity):
    truth = disc(radius=12)
    sign = 2 if polarity == "bright" else -2
    slope = np.linspace(0, 3, 96) + np.random.default_rng(0).normal(0, 0.5, truth.shape)
    mask = segment_by_background(sign * truth + slope, background_px=24, smooth_px=2, polarity=polarity)
    assert mask_f1(truth, mask) > 0.9


def methods():
    yield 0.0, lambda image, least: segment_by_variance(image, window_px=4, smooth_px=1, separation=least)
    yield (
        2.0,
        lambda image, least: segment_by_background(
            image, background_px=60, smooth_px=3, polarity="bright", separation=least
        ),
    )
    yield (
        0.0,
        lambda image, least: segment_by_lattice(image, periods_px=(4, 6), smooth_px=4, separation=least),
    )


@pytest.mark.parametrize(("lift", "method"), methods())
def test_a_wanted_separation_leaves_empty_frames_empty(lift, method):
    empty = np.random.default_rng(1).normal(0, 1, (96, 96))
    assert method(empty, 0.0).mean() > 0.2
    assert not method(empty, 0.75).any()
    image, truth = fringes(noise=0.1)
    assert mask_f1(truth, method(image + lift * truth, 0.75)) > 0.85


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 100), st.floats(-1000, 1000))
def test_gain_offset_and_turns_do_not_matter(seed, gain, offset):
    image, _ = fringes(size=48, seed=seed)
    for method in (
        lambda frame: segment_by_variance(frame, window_px=3, smooth_px=1),
        lambda frame: segment_by_background(frame, background_px=20, smooth_px=1),
        lambda frame: segment_by_lattice(frame, periods_px=(4, 6), smooth_px=4),
    ):
        mask = method(image)
        assert (mask != method(gain * image + offset)).mean() < 0.02
        assert (method(image.T) != mask.T).mean() < 0.01


def test_constant_images_are_empty():
    for value in (0.0, 7.0):
        image = np.full((20, 20), value)
        assert not segment_by_variance(image, window_px=2, smooth_px=1).any()
        assert not segment_by_background(image, background_px=9, smooth_px=1).any()
        assert not segment_by_lattice(image, periods_px=(3, 6), smooth_px=2).any()
        assert len(find_columns_by_blobs(image, sampling_A=0.1, sigma_A=0.3, min_distance_A=1)[0]) == 0


def test_tuning_takes_the_best_of_the_grid_and_the_first_of_equals():
    pairs = [fringes(seed=seed) for seed in range(3)]
    images, labels = zip(*pairs, strict=True)
    grid = {"periods_px": [(10, 20), (4, 6), (2, 3)], "smooth_px": [4, 1]}
    tuned = tune(segment_by_lattice, images, labels, grid)
    assert tuned.settings["periods_px"] == (4, 6)
    expected = [mask_f1(y, segment_by_lattice(x, **tuned.settings)) for x, y in pairs]
    assert tuned.score == pytest.approx(np.mean(expected))
    assert tune(segment_by_lattice, images, labels, grid) == tuned
    flat = tune(lambda image, level: image > 9 + 0 * level, images, labels, {"level": [3, 1, 2]})
    assert flat.settings == {"level": 3}
    with pytest.raises(DataError, match="label for each"):
        tune(segment_by_lattice, images, labels[:2], grid)
    with pytest.raises(SettingsError, match="smooth_px"):
        tune(segment_by_lattice, images, labels, {"smooth_px": []})


@pytest.mark.parametrize("polarity", [1.0, -1.0])
def test_blobs_of_three_heights_are_three_classes(polarity):
    image, xy, classes = spots(weights=(3.0, 1.0, 2.0), polarity=polarity, noise=0.05)
    found = find_columns_by_blobs(image, sampling_A=0.1, sigma_A=0.35, min_distance_A=1.2, order=(1, 2, 0))
    assert score_columns(n_classes=3)((xy, classes), found) == 1
    assert score_columns(n_classes=3, within_A=0.1)((xy, classes), found) > 0.98
    series = np.stack([image, image + 1])
    again = find_columns_by_blobs(series, sampling_A=0.1, sigma_A=0.35, min_distance_A=1.2, order=(1, 2, 0))
    np.testing.assert_allclose(again[0], found[0])
    assert np.array_equal(again[1], found[1])


def test_columns_are_tuned_by_their_atomic_f1():
    sets = [spots(weights=(1.0, 2.0), noise=0.3, seed=seed) for seed in range(2)]
    truths = [(xy, classes) for _, xy, classes in sets]

    def method(image, *, sigma_A, order):
        return find_columns_by_blobs(
            image, sampling_A=0.1, sigma_A=sigma_A, min_distance_A=1.2, order=order, polarity="bright"
        )

    grid = {"sigma_A": [0.05, 0.35], "order": [(1, 0), (0, 1)]}
    tuned = tune(method, [image for image, _, _ in sets], truths, grid, score=score_columns(n_classes=2))
    assert tuned.settings == {"sigma_A": 0.35, "order": (0, 1)}
    assert tuned.score > 0.97


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 100), max_size=30), st.integers(1, 5))
def test_clusters_are_intervals_in_order(values, n_clusters):
    numbers = np.array(values)
    cluster = split_in_clusters(numbers, n_clusters)
    assert cluster.shape == numbers.shape
    assert (np.diff(cluster[np.argsort(numbers, kind="stable")]) >= 0).all()
    assert cluster.max(initial=0) < n_clusters


def test_what_does_not_fit_is_refused():
    image = np.ones((8, 8))
    for bad in (image[0], image + 0j, image * np.nan, np.zeros((0, 3))):
        with pytest.raises(DataError, match="expected"):
            segment_by_variance(bad, window_px=2, smooth_px=1)
        with pytest.raises(DataError, match="expected"):
            find_columns_by_blobs(bad, sampling_A=0.1, sigma_A=0.3, min_distance_A=1)
    for keywords in ({"window_px": 0}, {"smooth_px": -1}, {"separation": 2}):
        with pytest.raises(SettingsError, match="expected"):
            segment_by_variance(image, **{"window_px": 2, "smooth_px": 1, **keywords})
    with pytest.raises(SettingsError, match="polarity"):
        segment_by_background(image, background_px=2, smooth_px=1, polarity="auto")
    with pytest.raises(SettingsError, match="periods_px"):
        segment_by_lattice(image, periods_px=(6, 4), smooth_px=1)
    blob = {"sampling_A": 0.1, "sigma_A": 0.3, "min_distance_A": 1.0}
    for keywords in (
        {"sigma_A": 0},
        {"polarity": "auto"},
        {"order": ()},
        {"order": (0, -1)},
    ):
        with pytest.raises(SettingsError, match="expected"):
            find_columns_by_blobs(image, **{**blob, **keywords})
