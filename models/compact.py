"""The project's own default: half resolution at once, a wide field of view, the edges put back at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers

from .blocks import MOMENTUM, double_size, layer_seeds, output_map

# Widths of the levels in units of the first: narrow where pixels are many, never beyond six.
_WIDTHS = (1, 2, 3, 4, 6)
_DETAIL_CHANNELS = 8


def build_compact(
    *,
    in_channels: int,
    out_channels: int,
    activation: str = "sigmoid",
    channels: int = 16,
    levels: int = 5,
    seed: int = 0,
) -> keras.Model:
    """Build a network of a fourteenth of the operations of the U-Net with 8 channels.

    Works from half resolution down to 2^-levels, so that a pixel sees far around it; skips are added, not
    concatenated, which spares memory traffic; the last step, at full resolution, adds what a 3×3 convolution
    sees in the images themselves, so that boundaries stay sharp. Normalised over the batch in training only:
    trained, it maps the windows of a large frame as it maps the frame.

    Parameters
    ----------
    in_channels, out_channels : int
        Images of the series; maps to predict.
    activation : {"sigmoid", "softmax", "linear"}
        Activation of the output.
    channels : int
        Channels at half resolution; 2, 3, 4 and 6 times as many further down.
    levels : int
        Resolutions below the image's own; sides must be multiples of 2^levels.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Images (B, Y, X, in_channels), float32, to maps (B, Y, X, out_channels), float32.

    Examples
    --------
    >>> build_compact(in_channels=1, out_channels=1, levels=3).output_shape
    (None, None, None, 1)
    """
    seeds = layer_seeds(seed)
    widths = [channels * _WIDTHS[min(level, len(_WIDTHS) - 1)] for level in range(levels)]
    image = keras.Input((None, None, in_channels), name="images")
    features = _prelu(_conv(image, widths[0], 4, seeds=seeds, name="down1", strides=2), name="down1")
    skips = [features]
    for level, width in enumerate(widths[1:], start=2):
        name = f"down{level}"
        features = _prelu(_conv(features, width, 2, seeds=seeds, name=name, strides=2), name=name)
        features = _residual(features, width, seeds=seeds, name=f"{name}_a")
        skips.append(features)
    features = _residual(features, widths[-1], seeds=seeds, name="bottom")
    for level in range(levels - 1, 0, -1):
        name, width = f"up{level}", widths[level - 1]
        coarse = double_size(_conv(features, width, 1, seeds=seeds, name=f"{name}_narrow"), name=name)
        features = layers.Add(name=f"{name}_add")([skips[level - 1], coarse])
        features = _prelu(_conv(features, width, 3, seeds=seeds, name=name), name=name)
    coarse = double_size(_conv(features, _DETAIL_CHANNELS, 1, seeds=seeds, name="up0_narrow"), name="up0")
    detail = _conv(image, _DETAIL_CHANNELS, 3, seeds=seeds, name="detail")
    features = _prelu(layers.Add(name="up0_add")([detail, coarse]), name="up0")
    maps = output_map(features, out_channels, activation, seeds=seeds, kernel=3, gain=0.1)
    return keras.Model(image, maps, name="compact")


def _conv(
    features: Any, channels: int, kernel: int, *, seeds: Iterator[int], name: str, strides: int = 1
) -> Any:
    """Convolve and normalise; even kernels come with their stride, so that padding is symmetric.

    The normalisation follows the convolution at once, so that a runtime folds it into the kernel.
    """
    features = layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
        name=f"{name}_conv",
    )(features)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(features)


def _prelu(features: Any, *, name: str) -> Any:
    """Let negative values pass at a tenth, at first, so that no weight starts without a gradient."""
    slope = keras.initializers.Constant(0.1)
    return layers.PReLU(slope, shared_axes=[1, 2], name=f"{name}_prelu")(features)


def _residual(features: Any, channels: int, *, seeds: Iterator[int], name: str) -> Any:
    """Add what two 3×3 convolutions find."""
    found = _prelu(_conv(features, channels, 3, seeds=seeds, name=f"{name}_1"), name=f"{name}_1")
    found = _conv(found, channels, 3, seeds=seeds, name=f"{name}_2")
    return _prelu(layers.Add(name=f"{name}_add")([features, found]), name=f"{name}_2")
