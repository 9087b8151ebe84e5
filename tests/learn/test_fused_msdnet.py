"""The fused MSD-net against Keras, and against sums written out."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.fused_msdnet import FusedMSDNet
from temflux.models.networks import build_network


def shaken_network(**arguments):
    """A network with normalisation, slopes and biases as after training."""
    rng = np.random.default_rng(3)
    network = build_network("msdnet", **arguments)
    for weight in network.weights:
        value = np.asarray(weight)
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2, value.shape))
        elif "kernel" not in weight.path:
            weight.assign(value + rng.normal(size=value.shape) * 0.2)
    return network, {weight.path: np.array(weight) for weight in network.weights}


def reference(weights, image, layers):
    """Sums over taps of mirrored features, as Publication II's Appendix A.1 has the network."""
    features = image.astype(np.float64)
    for number in range(layers):
        get = {key.split("/", 1)[1]: value for key, value in weights.items() if f"layer{number}_" in key}
        kernel, dilation = get["kernel"], number % 10 + 1
        reach = kernel.shape[0] // 2 * dilation
        padded = np.pad(features, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
        total = np.zeros((*image.shape[:2], kernel.shape[3])) + get["bias"]
        for y, x in np.ndindex(kernel.shape[:2]):
            part = padded[y * dilation :, x * dilation :][: image.shape[0], : image.shape[1]]
            total += part @ kernel[y, x].astype(np.float64)
        total = (total - get["moving_mean"]) / np.sqrt(get["moving_variance"] + 1e-3)
        total = total * get["gamma"] + get["beta"]
        total = np.where(total > 0, total, total * get["alpha"].reshape(-1))
        features = total if number == 0 else np.concatenate([features, total], axis=2)
    return features @ weights["logits/kernel"][0, 0] + weights["logits/bias"]


@pytest.mark.parametrize(
    ("sizes", "activation"),
    [
        ({"layers": 12, "channels": 3, "kernel": 3}, "sigmoid"),
        ({"layers": 4, "channels": 4, "kernel": 5}, "softmax"),
        ({"layers": 2, "channels": 1, "kernel": 9}, "linear"),
        ({"layers": 1, "channels": 2, "kernel": 1}, "linear"),
    ],
)
def test_equals_keras(sizes, activation):
    network, weights = shaken_network(in_channels=2, out_channels=3, activation=activation, **sizes)
    images = np.random.default_rng(1).normal(size=(2, 37, 29, 2)).astype(np.float32)
    expected = np.asarray(network(images, training=False))
    maps = FusedMSDNet(weights, activation=activation)(images)
    assert maps.shape == expected.shape
    assert maps.dtype == np.float32
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(maps, expected, atol=2e-5)


def test_equals_sums_written_out():
    _, weights = shaken_network(in_channels=1, out_channels=2, activation="linear", layers=11, kernel=3)
    image = np.random.default_rng(2).normal(size=(24, 40, 1)).astype(np.float32)
    maps = FusedMSDNet(weights, activation="linear")(image[np.newaxis])[0]
    np.testing.assert_allclose(maps, reference(weights, image, 11), atol=2e-5)


@pytest.mark.parametrize("columns", [12, 16, 17, 31, 32, 33])
def test_widths_about_a_vector(columns):
    _, weights = shaken_network(in_channels=1, out_channels=1, activation="linear", layers=11, kernel=3)
    image = np.random.default_rng(2).normal(size=(29, columns, 1)).astype(np.float32)
    maps = FusedMSDNet(weights, activation="linear", threads=2)(image[np.newaxis])[0]
    np.testing.assert_allclose(maps, reference(weights, image, 11), atol=2e-5)


def test_threads_and_earlier_frames_change_no_byte():
    _, weights = shaken_network(in_channels=1, out_channels=1, activation="sigmoid", layers=11, kernel=3)
    rng = np.random.default_rng(2)
    images = rng.normal(size=(3, 45, 33, 1)).astype(np.float32)
    one = FusedMSDNet(weights, activation="sigmoid", threads=1)
    several = FusedMSDNet(weights, activation="sigmoid", threads=5)
    several(rng.normal(size=(1, 60, 20, 1)).astype(np.float32))
    assert np.array_equal(one(images), several(images))
    assert np.array_equal(several(images[2:]), several(images)[2:])


def test_the_smallest_image():
    network, weights = shaken_network(in_channels=1, out_channels=1, layers=10, kernel=3)
    images = np.random.default_rng(1).normal(size=(1, 11, 11, 1)).astype(np.float32)
    fused = FusedMSDNet(weights, activation="sigmoid")
    np.testing.assert_allclose(fused(images), np.asarray(network(images, training=False)), atol=2e-5)
    with pytest.raises(DataError, match="11 px"):
        fused(images[:, :10])
    with pytest.raises(DataError, match="Y, X, 1"):
        fused(np.zeros((1, 20, 20, 3), np.float32))


def test_refusals():
    _, weights = shaken_network(in_channels=1, out_channels=1, layers=2, kernel=3)
    with pytest.raises(SettingsError, match="activation"):
        FusedMSDNet(weights, activation="relu")
    with pytest.raises(SettingsError, match="threads"):
        FusedMSDNet(weights, activation="sigmoid", threads=0)
    for name in ("layer1_prelu/alpha", "logits/bias", "layer0_norm/gamma"):
        broken = {key: value for key, value in weights.items() if key != name}
        with pytest.raises(SettingsError, match="MSD-net"):
            FusedMSDNet(broken, activation="sigmoid")
    swapped = weights | {"layer1_conv/kernel": weights["layer0_conv/kernel"]}
    with pytest.raises(SettingsError, match="MSD-net"):
        FusedMSDNet(swapped, activation="sigmoid")
