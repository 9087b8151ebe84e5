"""A step of training reaches every weight, compiled and not, and lowers the loss."""

import keras
import numpy as np
import pytest

from temflux.models.networks import build_network

SMALL = {
    "unet": {"channels": 2, "levels": 2, "kernel": 3},
    "unetpp": {"channels": 2, "levels": 2, "kernel": 3},
    "msdnet": {"channels": 2, "layers": 3, "kernel": 3},
    "compact": {"channels": 4, "levels": 2},
}


def discs():
    """Noisy images of one disc each, and its mask."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    centres = rng.uniform(8, 24, (4, 2))
    masks = np.stack([(y - a) ** 2 + (x - b) ** 2 < 36 for a, b in centres])[..., None].astype("float32")
    return (masks * 2 - 0.5 + 0.5 * rng.normal(size=masks.shape)).astype("float32"), masks


def compiled(name, **how):
    model = build_network(name, in_channels=1, out_channels=1, **SMALL[name])
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", **how)
    return model


def is_cancelled(weight):
    """A bias before a normalisation: the mean that is taken out takes it along."""
    return weight.path.endswith("_conv/bias") and "compact" not in weight.path


@pytest.mark.parametrize("name", SMALL)
def test_a_step_reaches_every_weight_and_steps_lower_the_loss(name):
    model, (images, masks) = compiled(name, run_eagerly=True), discs()
    before = [weight.numpy() for weight in model.trainable_weights]
    first = model.train_on_batch(images, masks)
    after = [weight.numpy() for weight in model.trainable_weights]
    has_norm = any("norm" in layer.name for layer in model.layers)
    for weight, old, new in zip(model.trainable_weights, before, after, strict=True):
        if not (has_norm and is_cancelled(weight)):
            assert np.all(np.any(old != new, axis=tuple(range(old.ndim - 1)))), weight.path
    for _ in range(15):
        last = model.train_on_batch(images, masks)
    assert last < 0.7 * first


@pytest.mark.parametrize("name", ["msdnet", pytest.param("compact", marks=pytest.mark.long)])
def test_compiled_steps_are_those_one_layer_at_a_time(name):
    images, masks = discs()
    losses = [
        [model.train_on_batch(images, masks) for _ in range(3)]
        for model in (compiled(name, run_eagerly=True), compiled(name, jit_compile=True))
    ]
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_half_precision_trains():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model, (images, masks) = compiled("compact", run_eagerly=True), discs()
        losses = [model.train_on_batch(images, masks) for _ in range(12)]
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert losses[-1] < 0.8 * losses[0]
