import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.images.standardise import standardise


def textured(shape=(220, 261), seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = 1000 + 0.4 * x + 0.1 * y + 60 * rng.standard_normal(shape) * (1 + x / shape[1])
    for _ in range(8):
        row, column, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(5, 30)
        image -= 150 * ((y - row) ** 2 + (x - column) ** 2 < radius**2)
    return image.astype(np.float32)


def filtered_at_every_pixel(image, sigma):
    image = image.astype(np.float64)
    deviation = image - gaussian_filter(image, sigma)
    return deviation / np.sqrt(gaussian_filter(deviation**2, sigma))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("shape", "sigma"), [((220, 261), 24.0), ((301, 150), 37.3), ((260, 260), 60), ((40, 50), 100)]
)
def test_blocks_agree_with_exact_filtering_within_1_percent_borders_included(shape, sigma, compiled):
    image = textured(shape)
    error = np.abs(
        standardise(image, sigma_px=sigma, compiled=compiled) - filtered_at_every_pixel(image, sigma)
    )
    assert error.max() < 0.01


@pytest.mark.parametrize("sigma", [1.5, 6.0, 23.0])
def test_narrow_gaussians_are_exact(sigma):
    image = textured()
    assert np.allclose(standardise(image, sigma_px=sigma), filtered_at_every_pixel(image, sigma), atol=2e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_compiled_and_plain_agree(dtype):
    image = (textured() / 8).astype(dtype)
    fast, plain = (standardise(image, sigma_px=40, compiled=choice) for choice in (True, False))
    assert fast.dtype == plain.dtype == np.float32
    assert np.abs(fast - plain).max() < 1e-5


def test_every_call_gives_the_same_bytes():
    image = textured()
    assert standardise(image, sigma_px=30).tobytes() == standardise(image, sigma_px=30).tobytes()


def test_a_window_with_halo_gives_what_the_whole_frame_gives():
    image = textured((400, 420))
    whole = standardise(image, sigma_px=24)
    window = standardise(image[30:370, 40:400], sigma_px=24)
    inner = slice(96, -96)
    assert np.abs(whole[30:370, 40:400] - window)[inner, inner].max() < 5e-3
    exact = [standardise(part, sigma_px=24, exact=True) for part in (image, image[30:370, 40:400])]
    assert np.abs(exact[0][30:370, 40:400] - exact[1])[inner, inner].max() < 1e-3


@pytest.mark.parametrize("sigma", [5, 40])
@pytest.mark.parametrize("value", [0.0, 7.0, 65535.0, -1e6, 1e300])
def test_constant_images_give_0(sigma, value):
    assert not standardise(np.full((90, 70), value), sigma_px=sigma).any()


@pytest.mark.parametrize("sigma", [6, 26])
def test_saturated_areas_give_0(sigma):
    image = textured((200, 600))
    image[:, 300:] = 4095
    result = standardise(image, sigma_px=sigma)
    assert np.isfinite(result).all()
    assert not result[:, -60:].any()


@pytest.mark.parametrize("sigma", [6, 40])
def test_pixels_that_are_not_finite_do_not_spread(sigma):
    image = textured()
    broken = image.copy()
    broken[50, 60], broken[51, 60], broken[120:124, 10] = np.nan, np.inf, -np.inf
    result = standardise(broken, sigma_px=sigma)
    gaps = ~np.isfinite(broken)
    assert not result[gaps].any()
    assert np.abs(result - standardise(image, sigma_px=sigma))[~gaps].max() < 0.15
    assert not standardise(np.full((60, 60), np.nan), sigma_px=sigma).any()


def test_a_focal_series_shares_mean_and_deviation():
    image = textured()
    series = np.stack([image, image, image])
    assert np.allclose(standardise(series, sigma_px=30)[1], standardise(image, sigma_px=30), atol=1e-5)
    pair = standardise(np.stack([image, image + 500]), sigma_px=30)
    alone = standardise(image, sigma_px=30)
    assert np.allclose(pair.mean(axis=0), alone, atol=1e-4)
    assert np.all(pair[1] - pair[0] > 1)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), sigma=st.sampled_from([4.0, 30.0]))
def test_gain_and_offset_do_not_matter(scale, offset, sigma):
    image = textured((80, 90)).astype(np.float64)
    changed = standardise(image * scale + offset, sigma_px=sigma)
    assert np.allclose(changed, standardise(image, sigma_px=sigma), atol=2e-3)


def test_a_slope_of_illumination_does_not_matter_inside():
    flat = textured((200, 200))
    slope = 0.05 * np.arange(200, dtype=np.float32)
    change = standardise(flat + slope, sigma_px=12) - standardise(flat, sigma_px=12)
    assert np.abs(change[48:-48, 48:-48]).max() < 0.02


def test_bad_input_is_refused_in_one_line():
    for image in (np.zeros(5), np.zeros((0, 5)), np.zeros((4, 4), complex), np.array([["a"]])):
        with pytest.raises(DataError):
            standardise(image, sigma_px=3)
    for bad in (0, -1, np.nan, np.inf):
        with pytest.raises(SettingsError):
            standardise(np.eye(4), sigma_px=bad)
        with pytest.raises(SettingsError):
            standardise(np.eye(4), sigma_px=2, floor=bad)
