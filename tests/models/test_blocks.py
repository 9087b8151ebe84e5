"""Pads mirror as NumPy does; a block is five convolutions with its first joined to its fifth."""

import keras
import numpy as np
import pytest

from temflux.models.blocks import (
    ReflectPadding,
    conv_unit,
    double_size,
    fusion_block,
    layer_seeds,
    output_map,
)


@pytest.mark.parametrize("width", [1, 3, 10])
def test_a_reflecting_pad_is_that_of_numpy(width):
    images = np.random.default_rng(0).normal(size=(2, 11, 14, 3)).astype("float32")
    expected = np.pad(images, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")
    pad = ReflectPadding(width)
    np.testing.assert_array_equal(np.asarray(pad(images)), expected)
    assert pad.compute_output_shape((None, 11, None, 3)) == (None, 11 + 2 * width, None, 3)


def test_a_reflecting_pad_is_made_again_from_its_config():
    pad = ReflectPadding(4, name="edge")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(pad), safe_mode=True)
    assert (again.width, again.name) == (4, "edge")


def test_a_reflecting_pad_of_half_precision_stays_so():
    images = np.zeros((1, 8, 8, 1), "float16")
    pad = ReflectPadding(2, dtype="mixed_float16")
    assert keras.backend.standardize_dtype(pad(images).dtype) == "float16"


def test_doubling_interpolates_linearly():
    ramp = np.arange(6, dtype="float32").reshape(1, 1, 6, 1).repeat(4, axis=1)
    inputs = keras.Input((None, None, 1))
    double = keras.Model(inputs, double_size(inputs, name="x"))
    found = np.asarray(double(ramp))[0, :, :, 0]
    assert found.shape == (8, 12)
    np.testing.assert_allclose(found[:, 1:-1], np.tile(np.arange(10) / 2 + 0.25, (8, 1)), atol=1e-6)


def test_a_fusion_block_joins_its_first_output_to_its_fifth_input():
    inputs = keras.Input((None, None, 2))
    block = keras.Model(inputs, fusion_block(inputs, 3, 5, seeds=layer_seeds(0), name="b"))
    kernels = [layer.kernel.shape for layer in block.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels == [(5, 5, 2, 3), (5, 5, 3, 3), (5, 5, 3, 3), (5, 5, 3, 3), (5, 5, 6, 3)]
    joined = keras.Model(
        inputs, [block.get_layer(name).output for name in ("b_1_prelu", "b_4_prelu", "b_skip")]
    )
    first, fourth, skip = joined(np.random.default_rng(1).normal(size=(1, 9, 9, 2)).astype("float32"))
    np.testing.assert_array_equal(np.asarray(skip), np.concatenate([fourth, first], axis=-1))


def test_a_unit_has_four_numbers_a_channel_beside_its_kernel():
    inputs = keras.Input((None, None, 2))
    unit = keras.Model(inputs, conv_unit(inputs, 3, 5, seeds=layer_seeds(0), name="u"))
    sizes = [int(np.prod(weight.shape)) for weight in unit.trainable_weights]
    assert sorted(sizes) == [3, 3, 3, 3, 25 * 2 * 3]


def test_a_dilated_unit_sees_taps_that_far_apart():
    inputs = keras.Input((None, None, 1))
    unit = keras.Model(inputs, conv_unit(inputs, 1, 3, seeds=layer_seeds(0), name="u", dilation=4))
    unit.get_layer("u_prelu").set_weights([np.full((1, 1, 1), 0.5)])
    image = np.zeros((1, 21, 21, 1), "float32")
    still = np.asarray(unit(image))
    image[0, 10, 10, 0] = 1
    moved = np.nonzero(np.asarray(unit(image) - still)[0, :, :, 0])
    assert set(zip(*(axis.tolist() for axis in moved), strict=True)) == {
        (y, x) for y in (6, 10, 14) for x in (6, 10, 14)
    }


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "linear"])
def test_output_maps(activation):
    inputs = keras.Input((None, None, 5))
    model = keras.Model(inputs, output_map(inputs, 3, activation, seeds=layer_seeds(0)))
    values = 10 * np.random.default_rng(2).normal(size=(1, 6, 6, 5)).astype("float32")
    maps = np.asarray(model(values))
    logits = np.asarray(keras.Model(inputs, model.get_layer("logits").output)(values))
    expected = {
        "sigmoid": 1 / (1 + np.exp(-logits)),
        "softmax": np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True),
        "linear": logits,
    }[activation]
    np.testing.assert_allclose(maps, expected, atol=1e-5)
