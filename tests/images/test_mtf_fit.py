"""Fits of a camera's modulation transfer and readout noise: closed forms, invariances, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.base.mtf import mtf_on_grid
from temflux.engine.images.mtf_fit import fit_mtf, fit_readout, readout_floor


def vacuum(rng, shape, electrons, *, c0, c3, n0):
    """Electrons of an empty image: Poisson, spread by the scintillator, read out with Poisson noise."""
    arriving = rng.poisson(electrons, shape)
    spread = np.fft.irfft2(np.fft.rfft2(arriving) * mtf_on_grid(shape, c0=c0, c3=c3), s=shape)
    return spread + rng.poisson(n0, shape)


@pytest.fixture(scope="module")
def image():
    return vacuum(np.random.default_rng(5), (256, 256), 5.0, c0=0.3, c3=2.5, n0=0.05)


@pytest.fixture(scope="module")
def fit(image):
    return fit_mtf(image)


def test_it_finds_what_was_put_in(fit):
    assert fit.c0 == pytest.approx(0.3, rel=0.05)
    assert fit.c3 == pytest.approx(2.5, rel=0.05)
    assert fit.floor == pytest.approx(np.sqrt(0.05 / 5.05), rel=0.1)
    assert fit.scale == pytest.approx(5.05, rel=0.1)
    assert fit.readout_variance == pytest.approx(0.05, rel=0.1)
    assert fit.r_squared > 0.97


def test_the_errors_are_those_that_repetition_shows():
    fits = [
        fit_mtf(vacuum(np.random.default_rng(seed), (96, 96), 5.0, c0=0.3, c3=2.5, n0=0.05))
        for seed in range(24)
    ]
    for name in ("c0", "c3"):
        values = [getattr(fit, name) for fit in fits]
        stated = np.mean([getattr(fit, name + "_error") for fit in fits])
        assert 0.6 < stated / np.std(values) < 1.6


def test_unit_offset_and_slope_of_the_image_do_not_matter(image, fit):
    y, x = np.mgrid[:256, :256]
    for other in (1000 * image + 50, image + 0.02 * y - 0.01 * x, image.astype(np.float32)):
        again = fit_mtf(other)
        assert again.c0 == pytest.approx(fit.c0, rel=1e-3)
        assert again.c3 == pytest.approx(fit.c3, rel=1e-3)
        assert again.floor == pytest.approx(fit.floor, rel=1e-2)
    assert fit_mtf(1000 * image).scale == pytest.approx(1e6 * fit.scale, rel=1e-6)


@pytest.mark.parametrize("turn", [np.transpose, np.flipud, np.fliplr])
def test_turned_images_have_the_same_fit(image, fit, turn):
    assert fit_mtf(turn(image)).c0 == pytest.approx(fit.c0, rel=0.02)


def test_it_is_the_same_twice(image, fit):
    assert fit_mtf(image).c0 == fit.c0


def test_a_box_is_cut_from_an_image_with_a_specimen(image):
    crowded = np.vstack([1000 * np.sin(np.arange(64 * 256)).reshape(64, 256), image])
    assert fit_mtf(crowded, (64, 0, 320, 256)).c0 == fit_mtf(image).c0
    oblong = fit_mtf(image, (10, 20, 110, 250))
    assert oblong.c0 == pytest.approx(0.3, rel=0.1)
    assert oblong.q.max() <= 1


def test_a_crop_of_a_strong_image_keeps_its_low_floor():
    """Without a window the low frequencies leak over the floor of 0.5 %."""
    whole = vacuum(np.random.default_rng(8), (640, 640), 400.0, c0=0.15, c3=4.0, n0=0.01)
    fit = fit_mtf(whole, (100, 100, 356, 356))
    assert fit.floor == pytest.approx(readout_floor(400.0, n0=0.01), rel=0.1)


def test_the_curve_and_its_fit_are_there_to_plot(fit):
    assert fit.q.shape == fit.measured.shape == fit.fitted.shape
    assert (np.diff(fit.q) > 0).all()
    assert fit.fitted[0] == pytest.approx(np.sqrt(fit.scale), rel=0.02)
    residual = ((fit.measured - fit.fitted) ** 2).sum()
    total = ((fit.measured - fit.measured.mean()) ** 2).sum()
    assert fit.r_squared == pytest.approx(1 - residual / total)


def test_noise_alike_at_all_frequencies_is_not_explained():
    fit = fit_mtf(np.random.default_rng(0).poisson(3.0, (128, 128)))
    assert fit.r_squared < 0.2
    assert fit.scale == pytest.approx(3.0, rel=0.2)


def test_the_published_model_fits_the_sum_of_amplitudes(image):
    """Its curve is Eq. A.1: half way between c1 and c2 at c0."""
    fit = fit_mtf(image, model="published")
    assert fit.r_squared > 0.97
    c1 = fit.fitted[0]
    at_c0 = np.interp(fit.c0, fit.q, fit.fitted)
    assert at_c0 == pytest.approx((c1 + fit.floor * c1) / 2, rel=0.02)
    assert fit.scale == pytest.approx(5.05, rel=0.15)


@pytest.mark.parametrize("model", ["noise", "published"])
def test_small_boxes_give_finite_numbers(image, model):
    fit = fit_mtf(image, (0, 0, 32, 32), model=model)
    assert np.isfinite([fit.c0, fit.c3, fit.floor, fit.scale, fit.r_squared]).all()
    assert 0 <= fit.floor <= 1


@pytest.mark.parametrize(
    ("pixels", "line"),
    [
        (np.zeros((64, 64)), "counts in the vacuum, got only zeros"),
        (np.full((64, 64), 7), "noise in the vacuum, got the constant 7"),
        (np.zeros((4, 64, 64)), r"an image \(Y, X\)"),
        (np.zeros(64), r"an image \(Y, X\)"),
        (np.zeros((64, 64), complex), "real numbers"),
        (np.full((64, 64), np.nan), "finite pixels"),
        (np.where(np.eye(64) > 0, np.inf, 1.0), "finite pixels"),
    ],
)
def test_images_without_noise_are_refused(pixels, line):
    with pytest.raises(DataError, match=line):
        fit_mtf(pixels)


@pytest.mark.parametrize(
    ("box", "line"),
    [
        ((-1, 0, 64, 64), "inside the image of 256 × 256 px, got -1, 0, 64, 64"),
        ((0, 0, 257, 64), "inside the image"),
        ((0, 200, 64, 100), "inside the image"),
        ((10, 10, 10, 90), "inside the image"),
        ((0, 0, 31, 200), "at least 32 px a side, got 31 × 200 px"),
    ],
)
def test_boxes_that_do_not_fit_are_refused(image, box, line):
    with pytest.raises(SettingsError, match=line):
        fit_mtf(image, box)


def test_images_smaller_than_a_box_and_unknown_models_are_refused(image):
    with pytest.raises(SettingsError, match="at least 32 px a side, got 16 × 256 px"):
        fit_mtf(image[:16])
    with pytest.raises(SettingsError, match="noise, published, got 'lorentz'"):
        fit_mtf(image, model="lorentz")


@given(st.floats(1e-4, 10), st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=20, unique=True))
@settings(max_examples=30, deadline=None)
def test_readout_noise_is_found_from_exact_floors(n0, electrons):
    fit = fit_readout(readout_floor(np.array(electrons), n0=n0), np.array(electrons))
    assert fit.n0 == pytest.approx(n0, rel=1e-2)


def test_readout_noise_is_found_from_rough_floors():
    rng = np.random.default_rng(3)
    electrons = np.geomspace(0.05, 10, 60)
    floors = np.clip(readout_floor(electrons, n0=0.01) + rng.normal(0, 0.02, 60), 0, 1)
    fit = fit_readout(floors, electrons)
    assert fit.n0 == pytest.approx(0.01, rel=0.1)
    assert 0.9 < fit.r_squared < 1


def test_floors_that_no_readout_noise_explains_have_no_r_squared():
    assert fit_readout(np.full(5, 0.3), np.geomspace(0.1, 10, 5)).r_squared == 0
    assert fit_readout(np.zeros(5), np.geomspace(0.1, 10, 5)).n0 < 1e-6


def test_the_floor_falls_from_one_to_nothing():
    floors = readout_floor(np.array([0.0, 0.01, 1.0, 1e6]), n0=0.01)
    assert floors[0] == 1
    assert floors[1] == pytest.approx(np.sqrt(0.5))
    assert (np.diff(floors) < 0).all()
    with pytest.raises(SettingsError, match="n0 must be above 0 electrons per pixel, got 0"):
        readout_floor(1.0, n0=0.0)


@pytest.mark.parametrize(
    ("floors", "electrons", "line"),
    [
        ([0.1, 0.2], [1, 2], "3 or more floors"),
        ([0.1, 0.2, 0.3], [1, 2], "3 or more floors, one a dose"),
        ([0.1, 0.2, 1.3], [1, 2, 3], "floors from 0 to 1, got 0.1 to 1.3"),
        ([0.1, 0.2, np.nan], [1, 2, 3], "floors from 0 to 1"),
        ([0.1, 0.2, 0.3], [0, 2, 3], "electrons_per_px above 0, got 0.0 to 3.0"),
    ],
)
def test_series_that_cannot_be_fitted_are_refused(floors, electrons, line):
    with pytest.raises(DataError, match=line):
        fit_readout(np.array(floors), np.array(electrons))
