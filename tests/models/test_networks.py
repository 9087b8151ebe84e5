"""Networks by name: sizes, seeds, shifts, files, half precision."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from temflux.models.networks import (
    NETWORKS,
    build_network,
    count_operations,
    network_sizes,
    size_multiple,
    smallest_side,
)

# Small networks of each kind, whose pixels see fewer than 40 others to each side.
SMALL = {
    "unet": {"channels": 2, "levels": 2, "kernel": 3},
    "unetpp": {"channels": 2, "levels": 3, "kernel": 1},
    "msdnet": {"channels": 2, "layers": 6, "kernel": 3},
    "compact": {"channels": 4, "levels": 2},
}


def small(name, **arguments):
    chosen = {"in_channels": 2, "out_channels": 3, "activation": "softmax", **SMALL[name], **arguments}
    return build_network(name, **chosen)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("name", NETWORKS)
def test_probabilities_sum_to_one_at_any_size(name):
    model = small(name)
    step = size_multiple(name, **SMALL[name])
    assert step == size_multiple(model)
    for height, width in ((4, 6), (9, 5)):
        maps = np.asarray(model(noise(2, 4 * height, 4 * width, 2)))
        assert maps.shape == (2, 4 * height, 4 * width, 3)
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)
        assert maps.std() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_the_smallest_side_is_read_and_no_smaller(name):
    side, step = smallest_side(name, **SMALL[name]), size_multiple(name, **SMALL[name])
    model = small(name)
    assert model(noise(1, side, side, 2)).shape == (1, side, side, 3)
    smaller = side - max(step // 2, 1)
    with pytest.raises(Exception, match=r"."):
        model(noise(1, smaller, smaller, 2))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_gives_the_weights(name):
    first, again, other = (small(name, seed=seed).get_weights() for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kernels = [(a, b) for a, b in zip(first, other, strict=True) if a.ndim == 4 and a.size > 8]
    assert not any(np.array_equal(a, b) for a, b in kernels)
    assert len({a.tobytes() for a, _ in kernels}) == len(kernels)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_shifted_image_gives_the_shifted_map(name):
    model, step = small(name), size_multiple(name, **SMALL[name])
    images = noise(1, 96, 96, 2)
    maps = np.asarray(model(images))
    shifted = np.asarray(model(np.roll(images, (step, 2 * step), axis=(1, 2))))
    inner = slice(44, 52)
    expected = np.roll(maps, (step, 2 * step), axis=(1, 2))
    np.testing.assert_allclose(shifted[:, inner, inner], expected[:, inner, inner], atol=2e-6)
    assert np.abs(shifted[:, inner, inner] - maps[:, inner, inner]).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_does_not_change_its_images(name):
    model, images = small(name), noise(3, 16, 16, 2)
    together = np.asarray(model(images))
    alone = np.concatenate([np.asarray(model(images[[index]])) for index in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_loads_in_safe_mode(name, tmp_path):
    model, images = small(name), noise(1, 16, 16, 2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(again(images)), np.asarray(model(images)))
    model.save_weights(tmp_path / "model.weights.h5")
    other = small(name, seed=9)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(np.asarray(other(images)), np.asarray(model(images)))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_gives_nearly_the_same_maps(name, policy):
    images = noise(1, 16, 16, 2)
    expected = np.asarray(small(name)(images))
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = small(name)
        maps = np.asarray(model(images))
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert maps.dtype == np.float32
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in model.weights} == {"float32"}
    np.testing.assert_allclose(maps, expected, atol=0.05)


def test_operations_are_counted_as_by_hand():
    model = build_network("msdnet", in_channels=3, out_channels=4, channels=2, layers=3, kernel=3)
    per_pixel = 9 * (3 * 2 + 2 * 2 + 4 * 2) + 6 * 4
    assert count_operations(model, (20, 30)) == 600 * per_pixel
    two_levels = build_network("unet", in_channels=1, out_channels=1, channels=2, levels=2, kernel=3)
    fine = 9 * (2 + 3 * 4 + 8) + 4 * 2 + 9 * (8 + 3 * 4 + 8) + 2
    coarse = 9 * (8 + 3 * 16 + 32)
    assert count_operations(two_levels, (8, 8)) == 64 * fine + 16 * coarse
    assert len(two_levels.get_layer("logits")._inbound_nodes) == 1


def test_the_published_network_costs_36_gflop():
    model = build_network("unet", in_channels=1, out_channels=1, channels=8)
    assert 2e-9 * count_operations(model, (512, 512)) == pytest.approx(36, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet"}, "unknown network 'resnet'; take one of unet, unetpp, msdnet, compact"),
        ({"name": "unet", "layers": 4}, "unet takes channels, kernel, levels; it does not take layers"),
        ({"name": "msdnet", "kernel": 4}, "kernel must be odd"),
        ({"name": "compact", "channels": 0}, "channels must be a whole number of at least 1; got 0"),
        ({"name": "unet", "channels": 2.5}, "channels must be a whole number"),
        ({"name": "unet", "levels": 20}, "levels must be 10 or fewer"),
        ({"name": "unet", "in_channels": 0}, "in_channels must be"),
        ({"name": "unet", "out_channels": True}, "out_channels must be"),
        ({"name": "unet", "seed": -1}, "seed must be"),
        ({"name": "unet", "activation": "relu"}, "sigmoid, softmax, linear; got 'relu'"),
        ({"name": "unet", "activation": "softmax"}, "at least 2 out_channels"),
    ],
)
def test_impossible_networks_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        build_network(**{"in_channels": 1, "out_channels": 1, **arguments})
    assert "\n" not in str(caught.value)


def test_sizes_that_are_not_given_are_the_defaults():
    assert network_sizes("msdnet", layers=7, kernel=None) == {"channels": 3, "layers": 7, "kernel": 5}
    assert NETWORKS["unet"].sizes["levels"] == 4


def test_names_and_sizes_are_known_without_keras():
    script = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = sys.modules['numpy'] = None\n"
        "from temflux.models.networks import NETWORKS, size_multiple\n"
        "assert size_multiple('compact') == 32 and 'unet' in NETWORKS"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
