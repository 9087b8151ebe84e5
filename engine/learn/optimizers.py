"""Optimisers by name, and the precision that layers compute in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..base.errors import SettingsError

# The learning rates of the thesis' optimisers; those of others are Keras'.
_LEARNING_RATES = {"adam": 1e-3, "rmsprop": 5e-4}


def make_optimizer(name: str, learning_rate: float | None = None) -> Any:
    """Make an optimiser by its name.

    Parameters
    ----------
    name : str
        "adam" (with AMSGrad), "rmsprop", or any other of Keras'.
    learning_rate : float or None
        None for the usual one.

    Returns
    -------
    keras.optimizers.Optimizer
        The optimiser.

    Raises
    ------
    SettingsError
        If nobody knows it.

    Examples
    --------
    >>> make_optimizer("adam").amsgrad
    True
    """
    import keras

    rate = _LEARNING_RATES.get(name) if learning_rate is None else learning_rate
    config: dict[str, Any] = {} if rate is None else {"learning_rate": rate}
    if name == "adam":
        config["amsgrad"] = True
    try:
        return keras.optimizers.get({"class_name": name, "config": config})
    except (ValueError, TypeError):
        raise SettingsError(
            f"optimizer: expected adam, rmsprop or an optimiser of Keras, got {name!r}"
        ) from None


def fall_along_cosine(base: float, final: float | None, *, part: float, reached: float) -> float:
    """Find the learning rate of an epoch, along half a cosine that is never gone back on.

    Parameters
    ----------
    base, final : float, and float or None
        Rates of the first and of the last epoch; None keeps the base.
    part : float
        How much of training is over, from 0 to 1.
    reached : float
        Rate of the epoch before: where more epochs are asked for midway, the new cosine lies above it for a
        while.

    Returns
    -------
    float
        The rate.

    Examples
    --------
    >>> [fall_along_cosine(3e-3, 1e-3, part=0.5, reached=rate) for rate in (3e-3, 1.5e-3)]
    [0.002, 0.0015]
    """
    if final is None:
        return base
    rate = base + (final - base) * min((1 - math.cos(math.pi * part)) / 2, 1.0)
    return min(rate, reached) if final < base else max(rate, reached)


def has_accelerator() -> bool:
    """Say whether there is more than processors, for which XLA cannot compile steps in bfloat16."""
    import keras

    return any(not name.casefold().startswith("cpu") for name in keras.distribution.list_devices())


@contextmanager
def mixed_precision(network: Any, *, on: bool = True) -> Iterator[None]:
    """Let all layers but the output compute in bfloat16 inside a block; weights stay float32.

    Parameters
    ----------
    network : keras.Model
        Built in float32; compile it inside the block.
    on : bool
        False changes nothing.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    >>> with mixed_precision(network):
    ...     [layer.compute_dtype for layer in network.layers]
    ['bfloat16', 'float32']
    """
    layers = [layer for layer in network.layers if layer is not network.layers[-1]] if on else []
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = "mixed_bfloat16"
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
