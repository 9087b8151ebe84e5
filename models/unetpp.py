"""The U-Net++ of Publication III: a U-Net whose skips are nested, with FusionNet blocks."""

from __future__ import annotations

import keras
from keras import layers

from .blocks import conv_unit, double_size, fusion_block, layer_seeds, output_map


def build_unetpp(
    *,
    in_channels: int,
    out_channels: int,
    activation: str = "sigmoid",
    channels: int = 8,
    kernel: int = 5,
    levels: int = 4,
    seed: int = 0,
) -> keras.Model:
    """Build the U-Net++ with the parameter counts of Publication III, Table 3.

    Nested skips after Zhou et al., LNCS 11045 (2018) 3. A node joins all nodes before it at its resolution
    with the interpolated one below. The last node of a level is a FusionNet block; those between are a 1×1
    convolution: only so are the published numbers of parameters met.

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
    >>> network = build_unetpp(in_channels=3, out_channels=4, channels=4)
    >>> sum(int(weight.value.numpy().size) for weight in network.trainable_weights)
    258848
    """
    seeds = layer_seeds(seed)
    image = features = keras.Input((None, None, in_channels), name="images")
    nodes = []
    for level in range(levels):
        if level:
            features = layers.MaxPooling2D(2, name=f"node{level}_0_pool")(features)
        features = fusion_block(features, channels * 2**level, kernel, seeds=seeds, name=f"node{level}_0")
        nodes.append([features])
    for column in range(1, levels):
        for level in range(levels - column):
            name, width = f"node{level}_{column}", channels * 2**level
            coarse = double_size(nodes[level + 1][column - 1], name=name)
            joined = layers.Concatenate(name=f"{name}_join")([*nodes[level], coarse])
            if level + column == levels - 1:
                nodes[level].append(fusion_block(joined, width, kernel, seeds=seeds, name=name))
            else:
                nodes[level].append(conv_unit(joined, width, 1, seeds=seeds, name=name))
    maps = output_map(nodes[0][-1], out_channels, activation, seeds=seeds)
    return keras.Model(image, maps, name="unetpp")
