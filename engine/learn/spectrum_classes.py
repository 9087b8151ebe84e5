"""Spectra to classes: training on maps of them, probabilities of new ones, how well a score separates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy import stats

from ..base.errors import DataError, SettingsError
from .checkpoints import gather_arrays, restore_arrays

_PREDICTED_AT_ONCE = 256

History = list[dict[str, float]]


@dataclass(frozen=True)
class ClassifierTraining:
    """How a classifier is trained.

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the maps, and maps a step.
    learning_rate : float
        Of Adam at first; it falls to nought along a cosine.
    seed : int
        Seed of order, turns and mirrorings.

    Raises
    ------
    SettingsError
        If a number is not above 0.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.learning_rate) <= 0:
            raise SettingsError(f"expected epochs, batch size and learning rate above 0, got {self}")


def train_classifier(
    network: Any,
    maps: np.ndarray,
    classes: np.ndarray,
    *,
    validation: tuple[np.ndarray, np.ndarray],
    how: ClassifierTraining | None = None,
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train a classifier of maps of spectra; it keeps the weights of its best epoch.

    Parameters
    ----------
    network : keras.Model
        From `build_network("polar", …)`, with softmax.
    maps : array (N, Q, A), float
        From `polar_spectrum`.
    classes : array (N,), int
        Number of each one's class, from 0.
    validation : (array (M, Q, A), array (M,))
        Maps and classes that choose the best epoch.
    how : ClassifierTraining or None
        Defaults where None.
    on_epoch : callable or None
        Called with the history after every epoch.

    Returns
    -------
    list of dict
        loss (mean since the begin, as Keras keeps it), val_loss and val_accuracy of each epoch.

    Raises
    ------
    DataError
        If there are no maps, or not a class for each.

    Notes
    -----
    Each time a map is shown it is turned by a random number of columns, and mirrored or not: a particle may
    lie in any direction.
    """
    how = how or ClassifierTraining()
    _check_maps(maps, classes)
    _check_maps(*validation)
    steps = -(-len(maps) // how.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(how.learning_rate, how.epochs * steps)
    loss = keras.losses.SparseCategoricalCrossentropy()
    network.compile(optimizer=keras.optimizers.Adam(schedule, amsgrad=True), loss=loss)
    rng, best = np.random.default_rng(how.seed), gather_arrays(network)
    history: History = []
    for _ in range(how.epochs):
        for rows in np.array_split(rng.permutation(len(maps)), steps):
            shown = np.stack([_turned(rng, maps[row]) for row in rows])
            running_loss = network.train_on_batch(shown[..., None], classes[rows])
        history.append({"loss": float(running_loss), **_judge(network, *validation)})
        if history[-1]["val_loss"] == min(epoch["val_loss"] for epoch in history):
            best = gather_arrays(network)
        if on_epoch is not None:
            on_epoch(history)
    restore_arrays(network, best, optimizer=False)
    return history


def class_probabilities(network: Any, maps: np.ndarray) -> np.ndarray:
    """Give the probabilities of the classes of maps of spectra.

    Parameters
    ----------
    network : keras.Model
        A trained classifier.
    maps : array (N, Q, A), float
        From `polar_spectrum`.

    Returns
    -------
    array (N, C), float32
        Each row sums to 1.
    """
    parts = [
        keras.ops.convert_to_numpy(
            network(maps[start : start + _PREDICTED_AT_ONCE, ..., None].astype(np.float32))
        )
        for start in range(0, len(maps), _PREDICTED_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, network.output_shape[-1]), np.float32)


def roc_area(score: np.ndarray, is_member: np.ndarray) -> float:
    """Find the area under the receiver operating characteristic of a score.

    Parameters
    ----------
    score : array (N,), float
        Higher for members; NaN, where there is none, counts as the lowest.
    is_member : array (N,), bool
        Truth.

    Returns
    -------
    float
        Probability that a member scores higher than one that is none, ties counted half; NaN where either is
        missing.

    Notes
    -----
    The Mann-Whitney statistic over the number of pairs.

    Examples
    --------
    >>> roc_area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    score = np.where(np.isnan(score), -np.inf, score)
    members = int(np.count_nonzero(is_member))
    others = len(score) - members
    if not members or not others:
        return float("nan")
    ranks = stats.rankdata(score)[np.asarray(is_member, bool)].sum()
    return float((ranks - members * (members + 1) / 2) / (members * others))


def _check_maps(maps: np.ndarray, classes: np.ndarray) -> None:
    if maps.ndim != 3 or not len(maps) or len(maps) != len(classes):
        raise DataError(f"expected maps (N, Q, A) and N classes, got {maps.shape} and {classes.shape}")


def _judge(network: Any, maps: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    found = class_probabilities(network, maps)
    own = found[np.arange(len(found)), classes]
    return {
        "val_loss": float(-np.log(np.maximum(own, 1e-7)).mean()),
        "val_accuracy": float((found.argmax(axis=1) == classes).mean()),
    }


def _turned(rng: np.random.Generator, one: np.ndarray) -> np.ndarray:
    turned = np.roll(one, int(rng.integers(one.shape[1])), axis=1)
    return np.asarray(turned[:, ::-1] if rng.random() < 0.5 else turned, np.float32)
