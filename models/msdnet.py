"""The mixed-scale dense network of Publications II and III."""

from __future__ import annotations

import keras

from .blocks import conv_unit, layer_seeds, output_map
from .networks import layer_dilation


def build_msdnet(
    *,
    in_channels: int,
    out_channels: int,
    activation: str = "sigmoid",
    channels: int = 3,
    layers: int = 50,
    kernel: int = 5,
    seed: int = 0,
) -> keras.Model:
    """Build the MSD-net of Publication II, Appendix A.1, with the parameters of Publication III, Table 3.

    Every layer reads the outputs of all layers before it, spread by its dilation and padded by reflection;
    the first reads the images, which nothing else does. After Pelt and Sethian, PNAS 115 (2018) 254.

    Parameters
    ----------
    in_channels, out_channels : int
        Images of the series; maps to predict.
    activation : {"sigmoid", "softmax", "linear"}
        Activation of the output.
    channels : int
        Channels that a layer adds.
    layers : int
        Number of layers.
    kernel : int
        Side of the kernels in pixels, odd.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Images (B, Y, X, in_channels), float32, to maps (B, Y, X, out_channels), float32; any size above
        10·(kernel - 1)/2 pixels.

    Examples
    --------
    >>> network = build_msdnet(in_channels=3, out_channels=4, layers=25)
    >>> sum(int(weight.value.numpy().size) for weight in network.trainable_weights)
    68329
    """
    seeds = layer_seeds(seed)
    image = keras.Input((None, None, in_channels), name="images")
    found = image
    for layer in range(layers):
        added = conv_unit(
            found, channels, kernel, seeds=seeds, name=f"layer{layer}", dilation=layer_dilation(layer)
        )
        found = keras.layers.Concatenate(name=f"layer{layer}_join")([found, added]) if layer else added
    return keras.Model(image, output_map(found, out_channels, activation, seeds=seeds), name="msdnet")
