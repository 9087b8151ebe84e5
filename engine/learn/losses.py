"""Losses and metrics by name, as functions of tensors that any of Keras' backends runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ..base.errors import SettingsError

_PACKAGE = "temflux"
# Pixels added to both sides of Dice's fraction: on empty frames it stays defined, and has a gradient.
_SMOOTH_PX = 1.0


@keras.saving.register_keras_serializable(_PACKAGE)
def dice(y_true: Any, y_pred: Any) -> Any:
    """Compute one minus the Dice coefficient of each image, averaged over channels.

    Parameters
    ----------
    y_true, y_pred : tensors (B, Y, X, C)
        Labels and probabilities in [0, 1].

    Returns
    -------
    tensor (B,), float32
        0 where both agree, nearly 1 where they have nothing in common; 0 for an empty image called empty.

    References
    ----------
    F. Milletari, N. Navab, S.-A. Ahmadi, V-Net, 3DV 2016, Eq. in Section 3 (here without the squares).

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.eye(8, dtype=np.float32)[None, ..., None]
    >>> float(dice(truth, truth)[0])
    0.0
    """
    y_true, y_pred = _as_float(y_true, y_pred)
    common = ops.sum(y_true * y_pred, axis=(1, 2))
    both = ops.sum(y_true, axis=(1, 2)) + ops.sum(y_pred, axis=(1, 2))
    return 1.0 - ops.mean((2.0 * common + _SMOOTH_PX) / (both + _SMOOTH_PX), axis=-1)


@keras.saving.register_keras_serializable(_PACKAGE)
def bce_dice(y_true: Any, y_pred: Any) -> Any:
    """Add binary cross-entropy and Dice's loss.

    Parameters
    ----------
    y_true, y_pred : tensors (B, Y, X, C)
        Labels and probabilities in [0, 1].

    Returns
    -------
    tensor (B,), float32
        Their sum for each image.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.zeros((1, 4, 4, 1), np.float32)
    >>> bool(bce_dice(truth, truth + 0.1)[0] < bce_dice(truth, truth + 0.9)[0])
    True
    """
    y_true, y_pred = _as_float(y_true, y_pred)
    entropy = ops.mean(keras.losses.binary_crossentropy(y_true, y_pred), axis=(1, 2))
    return entropy + dice(y_true, y_pred)


@keras.saving.register_keras_serializable(_PACKAGE)
def cce_dice(y_true: Any, y_pred: Any) -> Any:
    """Add categorical cross-entropy and Dice's loss, for channels that add up to 1.

    Parameters
    ----------
    y_true, y_pred : tensors (B, Y, X, C)
        Labels and probabilities in [0, 1].

    Returns
    -------
    tensor (B,), float32
        Their sum for each image.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.eye(4, dtype=np.float32)[None, None]
    >>> bool(cce_dice(truth, truth)[0] < 1e-5)
    True
    """
    y_true, y_pred = _as_float(y_true, y_pred)
    entropy = ops.mean(keras.losses.categorical_crossentropy(y_true, y_pred), axis=(1, 2))
    return entropy + dice(y_true, y_pred)


@keras.saving.register_keras_serializable(_PACKAGE)
class PixelF1(keras.metrics.Metric):
    """F1 of pixels above a threshold, counted over all batches (thesis, Eqs. 3.5 to 3.7).

    Parameters
    ----------
    n_classes : int
        Channels that count; a background behind them does not. The result is the mean over classes.
    threshold : float
        A pixel of label or prediction above it belongs to the class.
    name : str
        Name of the metric.

    Notes
    -----
    A class that neither occurs nor is predicted has an F1 of 1.

    Examples
    --------
    >>> import numpy as np
    >>> metric = PixelF1(1)
    >>> metric.update_state(np.ones((1, 2, 2, 1)), np.array([0.9, 0.1, 0.9, 0.9]).reshape(1, 2, 2, 1))
    >>> round(float(metric.result()), 3)
    0.857
    """

    def __init__(self, n_classes: int, threshold: float = 0.5, name: str = "f1", **keywords: Any) -> None:
        super().__init__(name=name, **{"dtype": "float32", **keywords})
        self.n_classes, self.threshold = int(n_classes), float(threshold)
        self.hits, self.predicted, self.true = (
            self.add_variable((self.n_classes,), "zeros", name=name) for name in ("hits", "predicted", "true")
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Count one batch, tensors (B, Y, X, C)."""
        true, predicted = (
            ops.cast(ops.convert_to_tensor(values)[..., : self.n_classes] > self.threshold, "float32")
            for values in (y_true, y_pred)
        )
        for total, counted in (
            (self.hits, true * predicted),
            (self.predicted, predicted),
            (self.true, true),
        ):
            total.assign_add(ops.sum(counted, axis=(0, 1, 2)))

    def result(self) -> Any:
        """Give the mean over classes of 2·hits/(predicted + true)."""
        both = ops.convert_to_tensor(self.predicted) + ops.convert_to_tensor(self.true)
        f1 = ops.where(both > 0, 2.0 * ops.convert_to_tensor(self.hits) / ops.maximum(both, 1.0), 1.0)
        return ops.mean(f1)

    def add_counts(self, before: np.ndarray | None) -> np.ndarray:
        """Add what was counted since the last reset to counts (3, C) before: hits, predicted, true."""
        counted = np.stack([ops.convert_to_numpy(total) for total in (self.hits, self.predicted, self.true)])
        return counted.astype(np.float64) + (0 if before is None else before)

    def score(self, counts: np.ndarray) -> float:
        """Give the F1 of counts (3, C), the mean over classes."""
        hits, both = counts[0], counts[1] + counts[2]
        return float(np.mean(np.where(both > 0, 2 * hits / np.maximum(both, 1), 1.0)))

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this metric again."""
        return {**super().get_config(), "n_classes": self.n_classes, "threshold": self.threshold}


_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "dice": dice,
    "bce_dice": bce_dice,
    "cce_dice": cce_dice,
    "focal": keras.losses.binary_focal_crossentropy,
    "categorical_focal": keras.losses.categorical_focal_crossentropy,
    "binary_crossentropy": keras.losses.binary_crossentropy,
    "categorical_crossentropy": keras.losses.categorical_crossentropy,
    "mse": keras.losses.mean_squared_error,
    "mae": keras.losses.mean_absolute_error,
}


def list_losses() -> tuple[str, ...]:
    """List the names of losses that are offered; Keras knows more."""
    return tuple(_LOSSES)


def find_loss(name: str) -> Callable[[Any, Any], Any]:
    """Find a loss by its name.

    Parameters
    ----------
    name : str
        One of `list_losses`, or any other of Keras'.

    Returns
    -------
    callable
        Of labels and predictions (B, Y, X, C); losses of images or pixels, for Keras to average.

    Raises
    ------
    SettingsError
        If nobody knows it.

    Examples
    --------
    >>> find_loss("dice").__name__
    'dice'
    """
    if name in _LOSSES:
        return _LOSSES[name]
    try:
        found = keras.losses.get(name)
    except ValueError:
        found = None
    if found is None:
        raise SettingsError(f"loss: expected one of {', '.join(_LOSSES)} or a loss of Keras, got {name!r}")
    return found


def make_metrics(names: Sequence[str], *, n_classes: int = 1) -> list[Any]:
    """Make metrics by their names, each called by its own.

    Parameters
    ----------
    names : sequence of str
        "f1", "mae", "mse", or any other of Keras'.
    n_classes : int
        Channels without the background, for "f1".

    Returns
    -------
    list of keras.metrics.Metric
        In the order of the names.

    Raises
    ------
    SettingsError
        If nobody knows one.

    Examples
    --------
    >>> [metric.name for metric in make_metrics(["f1", "mae"])]
    ['f1', 'mae']
    """
    made: list[Any] = []
    for name in names:
        if name == "f1":
            made.append(PixelF1(n_classes))
            continue
        try:
            found = keras.metrics.get(name)
        except ValueError:
            found = None
        if found is None:
            raise SettingsError(f"metrics: expected f1, mae, mse or a metric of Keras, got {name!r}")
        is_metric = isinstance(found, keras.metrics.Metric)
        made.append(
            type(found)(name=name) if is_metric else keras.metrics.MeanMetricWrapper(found, name=name)
        )
    return made


def _as_float(*tensors: Any) -> list[Any]:
    """Take labels of any type and predictions of mixed precision as float32."""
    return [ops.cast(tensor, "float32") for tensor in tensors]
