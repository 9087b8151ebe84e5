"""Spectra of particles: layout, normalisation, crops, bad pixels, and links of peaks over time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from temflux.engine.base.errors import CalibrationError, DataError, SettingsError
from temflux.engine.measure.fourier import (
    crop_size,
    link_peaks,
    pair_ratio,
    particle_spectrum,
    reciprocal_pixel,
)


def particle(size=128, radius=40, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size // 2
    image = 100 + 10 * np.cos(2 * np.pi * (0.2 * x + 0.05 * y)) + rng.normal(0, 1, (size, size))
    return image, y**2 + x**2 < radius**2


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0, 20))
def test_crop_holds_the_box_and_its_softening_and_is_even(height, width, soften_px):
    size = crop_size(height, width, soften_px=soften_px)
    assert size % 2 == 0
    assert size >= 64
    needed = max(height, width) + 6 * soften_px
    assert needed <= size <= max(64, 1.2 * needed + 8)


def test_one_crop_means_one_reciprocal_pixel():
    assert reciprocal_pixel(200, pixel=0.05) == pytest.approx(0.1)
    with pytest.raises(CalibrationError, match="pixel size above 0"):
        reciprocal_pixel(200, pixel=-1)


def test_spectrum_is_the_plain_composition():
    image, mask = particle()
    soft = gaussian_filter(mask.astype(float), 4, truncate=3, mode="constant")
    weighted = soft * (image - (soft * image).sum() / soft.sum())
    plain = np.abs(np.fft.fftshift(np.fft.fft2(weighted)))
    y, x = np.mgrid[:128, :128] - 64
    radius = 3 * 128 / (2 * math.sqrt(soft.sum() / math.pi))
    plain /= plain[y**2 + x**2 > radius**2].max()
    spectrum = particle_spectrum(image, mask, centre=(64, 64), size=128)
    assert spectrum.dtype == np.float32
    np.testing.assert_allclose(spectrum, plain, atol=2e-5)


def test_power_in_the_spectrum_is_that_in_the_crop():
    image, mask = particle()
    spectrum = particle_spectrum(image, mask, centre=(64, 64), size=128).astype(float)
    # Friedel's law, and no mean: all points but the first row and column have their partner.
    np.testing.assert_allclose(spectrum[1:, 1:], spectrum[:0:-1, :0:-1], atol=1e-5)
    assert spectrum[64, 64] < 1e-4
    larger = particle_spectrum(image, mask, centre=(64, 64), size=256).astype(float)
    # Parseval: zero padding to twice the side gives four times the points of the same power.
    ratio = (larger**2).sum() / larger[::2, ::2].__pow__(2).sum()
    assert ratio == pytest.approx(4, rel=0.01)


def test_particle_far_from_zero_counts_keeps_its_fringes():
    image, mask = particle()
    near = particle_spectrum(image, mask, centre=(64, 64), size=128)
    far = particle_spectrum(image + 1e7, mask, centre=(64, 64), size=128)
    np.testing.assert_allclose(far, near, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_label_of_a_whole_frame_is_the_same_as_its_mask(dtype):
    image, mask = particle()
    frame, labels = np.zeros((300, 400), dtype), np.zeros((300, 400), np.int32)
    frame[100:228, 150:278] = image
    labels[100:228, 150:278] = mask * 7
    labels[0:90, 0:90] = 3
    by_label = particle_spectrum(frame, labels, label=7, centre=(164, 214), size=128)
    by_mask = particle_spectrum(image.astype(dtype), mask, centre=(64, 64), size=128)
    np.testing.assert_array_equal(by_label, by_mask)


def test_position_in_the_frame_changes_nothing_when_the_crop_leaves_it():
    image, mask = particle(size=96, radius=30)
    here = particle_spectrum(image, mask, centre=(48, 48), size=192)
    wide, wide_mask = np.full((400, 400), 50.0), np.zeros((400, 400), bool)
    wide[152:248, 152:248], wide_mask[152:248, 152:248] = image, mask
    there = particle_spectrum(wide, wide_mask, centre=(200, 200), size=192)
    np.testing.assert_allclose(there, here, atol=1e-5)


@pytest.mark.parametrize("centre", [(0, 0), (127, 64), (64, 127.4)])
def test_particle_at_the_edge_has_a_finite_spectrum(centre):
    image, mask = particle()
    spectrum = particle_spectrum(image, np.roll(mask, (centre[0] - 64, 0), (0, 1)), centre=centre, size=128)
    assert spectrum.shape == (128, 128)
    assert np.isfinite(spectrum).all()


def test_empty_mask_constant_image_and_far_centre_give_zeros():
    image, mask = particle()
    for part, inside, centre in (
        (image, np.zeros_like(mask), (64, 64)),
        (np.full_like(image, 5.0), mask, (64, 64)),
        (np.full_like(image, np.nan), mask, (64, 64)),
        (image, mask, (1000, 64)),
    ):
        spectrum = particle_spectrum(part, inside, centre=centre, size=128)
        assert not spectrum.any()


def test_pixels_that_are_not_finite_count_as_outside():
    image, mask = particle()
    holed = image.copy()
    holed[60:63, 70], holed[20, 64] = np.nan, np.inf
    spectrum = particle_spectrum(holed, mask, centre=(64, 64), size=128)
    full = particle_spectrum(image, mask, centre=(64, 64), size=128)
    assert np.isfinite(spectrum).all()
    assert np.corrcoef(spectrum.ravel(), full.ravel())[0, 1] > 0.95


def test_refuses_what_it_cannot_use():
    image, mask = particle()
    with pytest.raises(DataError, match="same shape"):
        particle_spectrum(image, mask[1:], centre=(64, 64), size=128)
    with pytest.raises(DataError, match="complex"):
        particle_spectrum(image * 1j, mask, centre=(64, 64), size=128)
    with pytest.raises(DataError, match="finite centre"):
        particle_spectrum(image, mask, centre=(np.nan, 64), size=128)
    with pytest.raises(SettingsError, match="even crop"):
        particle_spectrum(image, mask, centre=(64, 64), size=127)
    with pytest.raises(SettingsError, match="softening"):
        particle_spectrum(image, mask, centre=(64, 64), size=128, soften_px=-1)
    with pytest.raises(SettingsError, match="box"):
        crop_size(0, 5)


def test_pair_ratio_needs_two_pairs():
    assert math.isnan(pair_ratio(np.array([1.0, 1.0]), np.array([1, 1])))
    assert math.isnan(pair_ratio(np.empty(0), np.empty(0, int)))
    assert pair_ratio(np.array([1.0, 1.0, 4.0, 4.0, 2.0, 2.0]), np.array([5, 5, 1, 1, 2, 2])) == 4


def table_of(frames):
    """Peaks columns from {frame: [(q, angle, intensity), …]}, both members of every pair."""
    rows = []
    for frame, pairs in frames.items():
        for number, (q, angle, intensity) in enumerate(sorted(pairs, key=lambda p: -p[2]), 1):
            rows += [
                (frame, number, q, a, intensity) for a in (angle, angle - 180 if angle > 0 else angle + 180)
            ]
    columns = np.array(rows, float).T
    return dict(zip(("frame", "pair", "q", "angle_deg", "intensity"), columns, strict=True))


def test_links_survive_absences_and_changes_of_brightness():
    frames = {t: [(4.0, 20 + t, 1 + (-1) ** t / 2), (4.9, 75 + t, 1.0)] for t in range(10)}
    frames[4] = frames[4][1:]
    frames[6] = frames[6] + [(3.0, -40, 0.2)]
    table = table_of(frames)
    peak, pair = link_peaks(table, max_step=0.4)
    for number, q in ((1, 4.0), (2, 4.9), (3, 3.0)):
        assert set(table["q"][pair == number]) == {q}
    for number in (1, 2, 3, 4):
        assert np.ptp(np.unwrap(table["angle_deg"][peak == number], period=360)) <= 9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(-180, 180))
def test_links_do_not_depend_on_the_order_of_rows(seed, start):
    rng = np.random.default_rng(seed)
    wrap = lambda a: (a + 180) % 360 - 180  # noqa: E731
    frames = {
        t: [(4.0 + 0.01 * k, wrap(start + 5 * t + 60 * k), rng.uniform(1, 2)) for k in range(3)]
        for t in range(8)
    }
    table = table_of(frames)
    peak, pair = link_peaks(table, max_step=1.0)
    assert set(pair.tolist()) == {1, 2, 3}
    for number in range(1, 7):
        steps = np.diff(np.unwrap(table["angle_deg"][peak == number], period=360))
        np.testing.assert_allclose(steps, 5, atol=1e-6)
    order = rng.permutation(len(peak))
    shuffled, _ = link_peaks({k: v[order] for k, v in table.items()}, max_step=1.0)
    np.testing.assert_array_equal(shuffled, peak[order])


def test_links_of_nothing_and_of_a_bad_step():
    empty = {name: np.empty(0) for name in ("frame", "pair", "q", "angle_deg", "intensity")}
    assert link_peaks(empty, max_step=1.0)[0].size == 0
    with pytest.raises(SettingsError, match="finite step"):
        link_peaks(empty, max_step=math.inf)
