"""The U-Net with FusionNet blocks of the three publications."""

from __future__ import annotations

import keras
from keras import layers

from .blocks import conv_unit, double_size, fusion_block, layer_seeds, output_map


def build_unet(
    *,
    in_channels: int,
    out_channels: int,
    activation: str = "sigmoid",
    channels: int = 8,
    kernel: int = 5,
    levels: int = 4,
    seed: int = 0,
) -> keras.Model:
    """Build the U-Net of Publication II, Appendix A.1, with the parameters of Publication III, Table 3.

    Each level is a FusionNet block; maxima of 2×2 pixels lead down, where channels double; bilinear
    interpolation leads up, a 1×1 convolution halves the channels there, and the long skip is concatenated.

    Parameters
    ----------
    in_channels, out_channels : int
        Images of the series; maps to predict.
    activation : {"sigmoid", "softmax", "linear"}
        Activation of the output.
    channels : int
        Channels of the first level.
    kernel : int
        Side of the kernels in pixels, odd.
    levels : int
        Resolutions, the first being the image's own; sides must be multiples of 2^(levels - 1).
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Images (B, Y, X, in_channels), float32, to maps (B, Y, X, out_channels), float32.

    Examples
    --------
    >>> network = build_unet(in_channels=3, out_channels=4, channels=4)
    >>> sum(int(weight.value.numpy().size) for weight in network.trainable_weights)
    248464
    """
    seeds = layer_seeds(seed)
    image = features = keras.Input((None, None, in_channels), name="images")
    skips = []
    for level in range(levels):
        if level:
            skips.append(features)
            features = layers.MaxPooling2D(2, name=f"down{level}_pool")(features)
        features = fusion_block(features, channels * 2**level, kernel, seeds=seeds, name=f"down{level}")
    for level in reversed(range(levels - 1)):
        name = f"up{level}"
        coarse = double_size(features, name=name)
        coarse = conv_unit(coarse, channels * 2**level, 1, seeds=seeds, name=f"{name}_half")
        features = layers.Concatenate(name=f"{name}_join")([skips[level], coarse])
        features = fusion_block(features, channels * 2**level, kernel, seeds=seeds, name=name)
    return keras.Model(image, output_map(features, out_channels, activation, seeds=seeds), name="unet")
