"""The default network: a tenth of the published one's operations at most, and a wide view."""

import numpy as np
import pytest

from temflux.models.networks import build_network, count_operations


@pytest.fixture(scope="module")
def model():
    return build_network("compact", in_channels=1, out_channels=1)


@pytest.mark.parametrize("shape", [(512, 512), (4096, 4096)])
def test_it_needs_a_tenth_of_the_operations(model, shape):
    unet = build_network("unet", in_channels=1, out_channels=1, channels=8)
    assert 10 * count_operations(model, shape) <= count_operations(unet, shape)


def test_a_pixel_sees_hundreds_of_others_to_each_side(model):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 32, 1024, 1)).astype("float32")
    changed = image.copy()
    changed[:, :, :192] = rng.normal(size=(1, 32, 192, 1))
    difference = np.abs(np.asarray(model(image)) - np.asarray(model(changed)))[0].max(axis=(0, 2))
    assert difference[192 + 250] > 0
    assert difference[192 + 450 :].max() == 0


def test_full_resolution_reaches_the_output(model):
    """A pattern that half resolution cannot hold: a shift by one pixel must be seen."""
    image = np.random.default_rng(1).normal(size=(1, 64, 64, 1)).astype("float32")
    maps = np.asarray(model(image))[0, :, :, 0]
    fine = maps[::2, ::2] - maps[1::2, ::2] - maps[::2, 1::2] + maps[1::2, 1::2]
    assert fine.std() > 0.1 * maps.std()


def test_values_stay_of_order_one_at_the_start(model):
    image = np.random.default_rng(2).normal(size=(2, 128, 128, 1)).astype("float32")
    maps = np.asarray(model(image, training=True))
    assert 0.01 < maps.std() < 0.2
    assert 0.3 < maps.mean() < 0.7
