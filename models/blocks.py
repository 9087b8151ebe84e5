"""What the networks are made of: seeded convolutions, FusionNet blocks, reflecting pads, output maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers

# Running means must follow short trainings: at Keras's 0.99 they lag by hundreds of steps a layer.
MOMENTUM = 0.9


def layer_seeds(seed: int) -> Iterator[int]:
    """Draw one seed a layer, so that a network's weights follow from one number.

    Parameters
    ----------
    seed : int
        Seed of the network, 0 or more.

    Yields
    ------
    int
        Seed of the next layer's initial weights.

    Examples
    --------
    >>> next(layer_seeds(3)) == next(layer_seeds(3)), next(layer_seeds(3)) == next(layer_seeds(4))
    (True, False)
    """
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31 - 1))


@keras.saving.register_keras_serializable(package="temflux")
class ReflectPadding(keras.Layer):
    """Pad an image by its own mirror image, the edge's pixels not repeated.

    Parameters
    ----------
    width : int
        Pixels added on each side; the image must be larger than that.

    Examples
    --------
    >>> line = np.arange(3, dtype="float32").reshape(1, 1, 3, 1).repeat(3, axis=1)
    >>> np.asarray(ReflectPadding(2)(line))[0, 0, :, 0].tolist()
    [2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0]
    """

    def __init__(self, width: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.width = width

    def call(self, images: Any) -> Any:
        """Return the images (B, Y, X, F), `width` pixels larger on each side."""
        pad = (self.width, self.width)
        return keras.ops.pad(images, ((0, 0), pad, pad, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the padded images."""
        batch, height, width, channels = input_shape
        grow = 2 * self.width
        return (batch, height and height + grow, width and width + grow, channels)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made from."""
        return {**super().get_config(), "width": self.width}


def conv_unit(
    features: Any, channels: int, kernel: int, *, seeds: Iterator[int], name: str, dilation: int = 0
) -> Any:
    """Convolve, normalise over the batch, and apply a PReLU with one slope a channel.

    Each channel of output costs four numbers beside its kernel: bias, scale, offset and slope. That, and
    nothing less, meets the parameter counts of Publication III's Tables 2 and 3.

    Parameters
    ----------
    features : tensor (B, Y, X, F)
        Input.
    channels, kernel : int
        Channels of output; side of the kernel in pixels, odd.
    seeds : iterator of int
        Where the layer's seed is drawn.
    name : str
        Name of the unit, a stem of its layers' names.
    dilation : int
        0 pads with zeros; 1 or more spreads the kernel by that much and pads by reflection.

    Returns
    -------
    tensor (B, Y, X, channels)
        Features of the same height and width.
    """
    if dilation:
        features = ReflectPadding(dilation * (kernel // 2), name=f"{name}_pad")(features)
    features = layers.Conv2D(
        channels,
        kernel,
        padding="valid" if dilation else "same",
        dilation_rate=dilation or 1,
        kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
        name=f"{name}_conv",
    )(features)
    features = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(features)
    return layers.PReLU(shared_axes=[1, 2], name=f"{name}_prelu")(features)


def fusion_block(features: Any, channels: int, kernel: int, *, seeds: Iterator[int], name: str) -> Any:
    """Apply five convolutions, the first's output joined to the fifth's input.

    Publication II, Appendix A.1, after FusionNet (Quan et al., arXiv:1612.05360). The short skip is a
    concatenation, as the long ones are: only so are the published numbers of parameters met.

    Parameters
    ----------
    features : tensor (B, Y, X, F)
        Input.
    channels, kernel : int
        Channels of each convolution; side of the kernel in pixels, odd.
    seeds : iterator of int
        Where the layers' seeds are drawn.
    name : str
        Stem of the layers' names.

    Returns
    -------
    tensor (B, Y, X, channels)
        Features of the same height and width.
    """
    first = features = conv_unit(features, channels, kernel, seeds=seeds, name=f"{name}_1")
    for number in (2, 3, 4):
        features = conv_unit(features, channels, kernel, seeds=seeds, name=f"{name}_{number}")
    features = layers.Concatenate(name=f"{name}_skip")([features, first])
    return conv_unit(features, channels, kernel, seeds=seeds, name=f"{name}_5")


def double_size(features: Any, *, name: str) -> Any:
    """Double height and width by bilinear interpolation.

    Parameters
    ----------
    features : tensor (B, Y, X, F)
        Input.
    name : str
        Stem of the layer's name.

    Returns
    -------
    tensor (B, 2Y, 2X, F)
        Features between which values run linearly.
    """
    return layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(features)


def output_map(
    features: Any,
    out_channels: int,
    activation: str,
    *,
    seeds: Iterator[int],
    kernel: int = 1,
    gain: float = 1.0,
) -> Any:
    """Turn features into a map per class: a convolution named "logits", then the activation in float32.

    Parameters
    ----------
    features : tensor (B, Y, X, F)
        Input.
    out_channels : int
        Number of maps.
    activation : {"sigmoid", "softmax", "linear"}
        Independent probabilities, probabilities that sum to 1 over the channels, or plain values.
    seeds : iterator of int
        Where the layer's seed is drawn.
    kernel : int
        Side of the kernel in pixels; 1 in the published networks.
    gain : float
        Variance of the initial weights in units of Glorot's; little of it begins undecided.

    Returns
    -------
    tensor (B, Y, X, out_channels), float32
        The maps, in float32 even where the network computes in half precision.
    """
    logits = layers.Conv2D(
        out_channels,
        kernel,
        padding="same",
        kernel_initializer=keras.initializers.VarianceScaling(gain, "fan_avg", "uniform", seed=next(seeds)),
        name="logits",
    )(features)
    return layers.Activation(activation, dtype="float32", name="maps")(logits)
