"""A classifier of spectra laid out by frequency and direction: it does not know how a particle is turned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

from .blocks import layer_seeds

_WIDTHS = (1, 2, 3, 4, 6)


def build_polar(
    *,
    in_channels: int,
    out_channels: int,
    activation: str = "softmax",
    channels: int = 16,
    levels: int = 4,
    seed: int = 0,
) -> keras.Model:
    """Build a classifier of maps whose columns are directions over half a turn.

    Convolutions run on across the last direction to the first, and features are gathered over all directions,
    so that a map and the same map turned give the same class, to the grain of the pooling. Frequencies are
    kept apart to the end.

    Parameters
    ----------
    in_channels, out_channels : int
        Maps of a particle; classes.
    activation : {"sigmoid", "softmax", "linear"}
        Activation of the output.
    channels : int
        Channels of the first level; 2, 3, 4 and 6 times as many in those behind.
    levels : int
        Levels, each of half the size; sides must be multiples of 2^levels.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Maps (B, Q, A, in_channels), float32, to probabilities (B, out_channels), float32.

    Examples
    --------
    >>> build_polar(in_channels=1, out_channels=3).output_shape
    (None, 3)
    """
    seeds = layer_seeds(seed)
    spectra = keras.Input((None, None, in_channels), name="spectra")
    features = spectra
    for level in range(levels):
        width = channels * _WIDTHS[min(level, len(_WIDTHS) - 1)]
        for number in (1, 2):
            features = _around(features, width, seeds=seeds, name=f"level{level}_{number}")
        features = layers.MaxPooling2D(2, name=f"level{level}_pool")(features)
    strongest, mean = ops.max(features, axis=(1, 2)), ops.mean(features, axis=(1, 2))
    gathered = layers.Concatenate(name="gathered")([strongest, mean])
    gathered = _dense(gathered, 2 * channels, "relu", seeds=seeds, name="hidden")
    classes = _dense(gathered, out_channels, activation, seeds=seeds, name="classes")
    return keras.Model(spectra, classes, name="polar")


def _around(features: Any, width: int, *, seeds: Iterator[int], name: str) -> Any:
    """Convolve: past the last direction comes the first one, past the last frequency there is nothing."""
    features = ops.concatenate([features[:, :, -1:], features, features[:, :, :1]], axis=2)
    features = layers.ZeroPadding2D((1, 0), name=f"{name}_edge")(features)
    return layers.Conv2D(
        width,
        3,
        activation="relu",
        kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
        name=f"{name}_conv",
    )(features)


def _dense(features: Any, width: int, activation: str, *, seeds: Iterator[int], name: str) -> Any:
    initial = keras.initializers.HeNormal(seed=next(seeds))
    return layers.Dense(width, activation=activation, kernel_initializer=initial, name=name)(features)
