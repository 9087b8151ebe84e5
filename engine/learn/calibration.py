"""Whether probabilities mean what they say: reliability, temperature, and where networks disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax

from ..base.errors import DataError, SettingsError
from ..base.tables import Columns

ACTIVATIONS = ("sigmoid", "softmax")
# Logits of float32 probabilities end here: beyond, they have rounded to 0 and 1.
_LEAST_PROBABILITY = 1e-7
# A temperature outside these is no calibration: the network has learnt nothing, or the labels are its own.
_TEMPERATURES = (0.01, 100.0)


@dataclass(frozen=True)
class Reliability:
    """Probabilities against what came true, in bins; those of more images are added with `+`.

    Parameters
    ----------
    count : array (B,), int64
        Pixels and classes whose probability lies in each of B equal bins from 0 to 1.
    probability_sum, observed : arrays (B,), float64
        Sum of their probabilities, and how many of them are of the class.
    squared_sum : float
        Sum of (probability - truth)² over all.

    Examples
    --------
    >>> sure = count_reliability(np.array([[1, 1, 1, 0]]), np.full((1, 4), 0.75))
    >>> (sure + sure).calibration_error
    0.0
    """

    count: np.ndarray
    probability_sum: np.ndarray
    observed: np.ndarray
    squared_sum: float

    def __add__(self, other: Reliability) -> Reliability:
        if self.count.shape != other.count.shape:
            raise DataError(f"expected bins as many, got {len(self.count)} and {len(other.count)}")
        return Reliability(
            self.count + other.count,
            self.probability_sum + other.probability_sum,
            self.observed + other.observed,
            self.squared_sum + other.squared_sum,
        )

    def table(self) -> Columns:
        """List the bins: lower, upper, count, probability (mean) and frequency (observed), NaN if empty."""
        edges = np.linspace(0, 1, len(self.count) + 1)
        filled = np.where(self.count > 0, self.count, np.nan)
        return {
            "lower": edges[:-1],
            "upper": edges[1:],
            "count": self.count,
            "probability": self.probability_sum / filled,
            "frequency": self.observed / filled,
        }

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean of |frequency - probability| over bins, weighted by counts."""
        return float(np.abs(self.observed - self.probability_sum).sum() / max(self.count.sum(), 1))

    @property
    def brier_score(self) -> float:
        """Mean squared difference of probability and truth."""
        return float(self.squared_sum / max(self.count.sum(), 1))


def count_reliability(truth: np.ndarray, probability: np.ndarray, *, n_bins: int = 20) -> Reliability:
    """Count how often what was given a probability came true.

    Parameters
    ----------
    truth : array of any shape, bool, integer or float
        1 where the class is there; above 1/2 counts.
    probability : array of the same shape, float
        Probabilities, 0 to 1. A softmax of several channels counts each channel.
    n_bins : int
        Bins from 0 to 1.

    Returns
    -------
    Reliability
        Counts; they add up over images.

    Raises
    ------
    DataError
        If the shapes differ or a probability is outside 0 to 1.
    SettingsError
        If there is no bin.

    References
    ----------
    Guo et al., On calibration of modern neural networks (2017), Eqs. 2 and 3, pixel by pixel.

    Examples
    --------
    >>> table = count_reliability(np.array([[0, 1]]), np.array([[0.2, 0.9]]), n_bins=2).table()
    >>> table["probability"].tolist(), table["frequency"].tolist()
    ([0.2, 0.9], [0.0, 1.0])
    """
    if n_bins < 1:
        raise SettingsError(f"n_bins: expected 1 or more, got {n_bins}")
    p, there = np.asarray(probability, np.float64).ravel(), np.asarray(truth)
    if there.shape != np.shape(probability):
        raise DataError(f"expected probabilities of shape {there.shape}, got {np.shape(probability)}")
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError("expected probabilities from 0 to 1, got others; apply the output's activation first")
    hit = (there > 0.5).ravel().astype(np.float64)
    bins = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    return Reliability(
        np.bincount(bins, minlength=n_bins),
        np.bincount(bins, p, n_bins),
        np.bincount(bins, hit, n_bins),
        float(((p - hit) ** 2).sum()),
    )


def logits_of(probability: np.ndarray, *, activation: str) -> np.ndarray:
    """Undo a network's output activation.

    Parameters
    ----------
    probability : array (..., C), float
        What the network gives.
    activation : {"sigmoid", "softmax"}
        Its last activation.

    Returns
    -------
    array of the same shape, float64
        Logits; of a softmax up to a constant in each pixel. Probabilities within 1e-7 of 0 or 1 are moved
        there first.

    Raises
    ------
    SettingsError
        If the activation is neither.

    Examples
    --------
    >>> logits_of(np.array([0.5]), activation="sigmoid").tolist()
    [0.0]
    """
    _check_activation(activation)
    p = np.asarray(probability, np.float64)
    if activation == "sigmoid":
        return logit(np.clip(p, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    return np.log(np.maximum(p, _LEAST_PROBABILITY))


def scale_temperature(logits: np.ndarray, *, temperature: float, activation: str) -> np.ndarray:
    """Give the probabilities of logits divided by a temperature.

    Parameters
    ----------
    logits : array (..., C), float
        A network's output before its activation.
    temperature : float
        Above 1 makes probabilities less sure, below 1 more; the most probable class stays.
    activation : {"sigmoid", "softmax"}
        The network's last activation.

    Returns
    -------
    array of the same shape, float64
        Probabilities.

    Raises
    ------
    SettingsError
        If the temperature is not above 0, or the activation is neither.

    Examples
    --------
    >>> scale_temperature(np.array([2.0]), temperature=2.0, activation="sigmoid").round(3).tolist()
    [0.731]
    """
    _check_activation(activation)
    if not 0 < temperature < np.inf:
        raise SettingsError(f"temperature: expected above 0, got {temperature}")
    scaled = np.asarray(logits, np.float64) / temperature
    return expit(scaled) if activation == "sigmoid" else softmax(scaled, axis=-1)


def fit_temperature(truth: np.ndarray, logits: np.ndarray, *, activation: str) -> float:
    """Find the temperature at which a network's probabilities fit validation data best.

    Parameters
    ----------
    truth : array (..., C), bool, integer or float
        Labels; with softmax one channel of each pixel is 1.
    logits : array of the same shape, float
        A network's output before its activation; see `logits_of`. A sample of some 1e5 pixels will do.
    activation : {"sigmoid", "softmax"}
        The network's last activation.

    Returns
    -------
    float
        Temperature of the least negative log-likelihood, from 0.01 to 100.

    Raises
    ------
    DataError
        If the shapes differ, there is nothing, or a logit is not finite.
    SettingsError
        If the activation is neither.

    Notes
    -----
    The negative log-likelihood is convex in 1/temperature, so that the one minimum is found.

    References
    ----------
    Guo et al., On calibration of modern neural networks (2017), Eq. 9.

    Examples
    --------
    >>> logits = np.array([4.0, 4.0, 4.0, 4.0])
    >>> round(fit_temperature(np.array([1, 1, 1, 0]), logits, activation="sigmoid"), 2)
    3.64
    """
    _check_activation(activation)
    z, target = np.asarray(logits, np.float64), np.asarray(truth, np.float64)
    if z.shape != target.shape or z.size == 0:
        raise DataError(f"expected logits of the truth's shape {target.shape}, got {z.shape}")
    if not np.isfinite(z).all():
        raise DataError("expected finite logits, got NaN or infinity; check the network")

    def negative_log_likelihood(log_inverse: float) -> float:
        scaled = z * np.exp(log_inverse)
        if activation == "sigmoid":
            return float(np.mean(np.logaddexp(0, scaled) - target * scaled))
        return float(-np.mean((target * log_softmax(scaled, axis=-1)).sum(axis=-1)))

    bounds = (-np.log(_TEMPERATURES[1]), -np.log(_TEMPERATURES[0]))
    found = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(-found.x))


def equal_area_threshold(truth: np.ndarray, probability: np.ndarray) -> float:
    """Find the threshold at which as much area is found as there is.

    Parameters
    ----------
    truth : array (n,), bool or 0 and 1
        Whether pixels are inside, of images and of empty frames together.
    probability : array (n,), float
        What a model says of them.

    Returns
    -------
    float
        Threshold from 0.05 to 0.95.

    Raises
    ------
    DataError
        If the arrays differ in shape, or are empty.

    Notes
    -----
    Where doses are low, a threshold of 1/2 may find too much or too little, though every pixel is judged at
    its best; areas that are followed over time want no such bias.

    Examples
    --------
    >>> equal_area_threshold(np.array([1, 0, 0, 0]), np.array([0.9, 0.7, 0.6, 0.1]))
    0.8
    """
    inside, values = np.asarray(truth).ravel(), np.sort(np.asarray(probability, np.float64).ravel())[::-1]
    if inside.shape != values.shape or not inside.size:
        raise DataError(f"expected as many probabilities as pixels, got {values.size} and {inside.size}")
    count = int(np.count_nonzero(inside))
    between = values[max(count - 1, 0)], values[min(count, values.size - 1)]
    return float(np.clip(np.round(np.mean(between), 3), 0.05, 0.95))


def map_disagreement(
    predictions: Sequence[np.ndarray] | np.ndarray, *, threshold: float | None = 0.5
) -> tuple[np.ndarray, float]:
    """Map where two or more predictions of one frame disagree, as those of networks of different seeds.

    Parameters
    ----------
    predictions : sequence of arrays (Y, X) or (Y, X, C), float
        Probabilities, all of one shape.
    threshold : float or None
        Probabilities above this are of the class; None takes the most probable class of each pixel.

    Returns
    -------
    deviation : array (Y, X), float64
        Standard deviation of the probabilities over the predictions; the largest of the channels.
    differing : float
        Share of the pixels where not all masks are the same.

    Raises
    ------
    DataError
        If there are fewer than two predictions, their shapes differ, or they are not finite.

    Examples
    --------
    >>> deviation, differing = map_disagreement([np.array([[0.2, 0.9]]), np.array([[0.6, 0.9]])])
    >>> deviation.round(2).tolist(), differing
    ([[0.2, 0.0]], 0.5)
    """
    shapes = {np.shape(prediction) for prediction in predictions}
    if len(predictions) < 2 or len(shapes) > 1:
        raise DataError(
            f"expected two or more predictions of one shape, got {len(predictions)} of "
            f"{', '.join(map(str, sorted(shapes))) or 'none'}"
        )
    stack = np.stack([np.asarray(prediction, np.float64) for prediction in predictions])
    if stack.ndim not in (3, 4) or not np.isfinite(stack).all():
        raise DataError(f"expected finite probabilities (Y, X) or (Y, X, C), got shape {stack.shape[1:]}")
    stack = stack if stack.ndim == 4 else stack[..., np.newaxis]
    masks = np.argmax(stack, axis=-1, keepdims=True) if threshold is None else stack > threshold
    differ = (masks != masks[0]).any(axis=(0, 3))
    return stack.std(axis=0).max(axis=-1), float(differ.mean())


def _check_activation(activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise SettingsError(f"activation: expected {' or '.join(ACTIVATIONS)}, got {activation!r}")
