import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.images.coarsen import coarsen


def fringes(shape, period_px, angle_deg):
    """Fringes of a period on pixels whose number is `shape`, over the same field."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns] + 0.5
    angle = np.deg2rad(angle_deg)
    return np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period_px)


@pytest.mark.parametrize("side", [100, 128, 211])
def test_fringes_keep_period_position_and_contrast(side):
    fine = fringes((256, 256), 16.0, 30.0)
    coarse = coarsen(fine, (side, side))
    expected = fringes((side, side), 16.0 * side / 256, 30.0)
    inner = (slice(side // 8, -side // 8),) * 2
    assert np.abs(coarse - expected)[inner].max() < 0.02


def test_white_noise_keeps_its_spectrum():
    noise = np.random.default_rng(0).normal(size=(600, 600))
    coarse = coarsen(noise, (300, 300))
    assert coarse.var() == pytest.approx(0.25, rel=0.02)
    power = np.abs(np.fft.fft2(coarse)) ** 2 / coarse.size
    low, high = power[1:60, 1:60].mean(), power[90:149, 90:149].mean()
    assert high / low == pytest.approx(1, rel=0.06)


def test_the_mean_is_kept_and_the_type_is_small():
    image = np.random.default_rng(1).poisson(3.0, (97, 143)).astype(np.uint16)
    coarse = coarsen(image, (41, 60))
    assert coarse.dtype == np.float32
    assert coarse.mean() == pytest.approx(image.mean(), rel=1e-5)


def test_the_same_shape_is_the_same_image():
    image = np.random.default_rng(2).normal(size=(31, 44)).astype(np.float32)
    np.testing.assert_allclose(coarsen(image, (31, 44)), image, atol=1e-5)


def test_finer_pixels_are_refused():
    with pytest.raises(SettingsError, match="expected 1 to"):
        coarsen(np.zeros((8, 8)), (9, 8))
