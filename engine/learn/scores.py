"""Scores of predictions, pixel by pixel: counts that add up over images, F1, IoU, confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.errors import DataError, SettingsError


@dataclass(frozen=True)
class Counts:
    """True and false positives and false negatives of classes; counts of more images are added with `+`.

    Parameters
    ----------
    true_positive, false_positive, false_negative : arrays (C,), int64
        What was found and is there, what was found and is not there, and what was missed, of each class:
        pixels, instances or columns.

    Notes
    -----
    Where a class neither is there nor was found, precision, recall, F1 and IoU are 1; where one of both
    is zero, they are 0. Means are over classes that are there or were found, and 1 where there are none.

    References
    ----------
    Thesis, Eqs. 3.5 to 3.7.

    Examples
    --------
    >>> frame = Counts(np.array([3]), np.array([1]), np.array([1]))
    >>> (frame + frame).f1.tolist()
    [0.75]
    """

    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        _check_same_classes(self.true_positive, other.true_positive)
        return Counts(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
        )

    @property
    def there(self) -> np.ndarray:
        """Whether each class is there or was found."""
        return self.true_positive + self.false_positive + self.false_negative > 0

    @property
    def precision(self) -> np.ndarray:
        """Share of what was found that is there (Eq. 3.6)."""
        return self._share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> np.ndarray:
        """Share of what is there that was found (Eq. 3.7)."""
        return self._share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall (Eq. 3.5)."""
        twice = 2 * self.true_positive
        return self._share(twice, twice + self.false_positive + self.false_negative)

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union."""
        return self._share(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def joined(self) -> Counts:
        """All classes as one: its F1 is the micro-averaged F1."""
        parts = (self.true_positive, self.false_positive, self.false_negative)
        return Counts(*(np.sum(part, keepdims=True) for part in parts))

    def without(self, class_index: int) -> Counts:
        """Leave one class out, as the background, -1."""
        parts = (self.true_positive, self.false_positive, self.false_negative)
        return Counts(*(np.delete(part, class_index) for part in parts))

    def scores(self) -> dict[str, np.ndarray]:
        """Precision, recall, f1 and iou of each class, arrays (C,), and their means: `mean_f1` and so on."""
        table = {name: getattr(self, name) for name in ("precision", "recall", "f1", "iou")}
        means = {
            f"mean_{name}": np.asarray(np.mean(values[self.there]) if self.there.any() else 1.0)
            for name, values in table.items()
        }
        return {**table, **means}

    def _share(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(self.there, part / np.maximum(whole, 1), 1.0)


@dataclass(frozen=True)
class PixelCounts:
    """Counts of pixels, with what was found on empty frames; those of more frames are added with `+`.

    Parameters
    ----------
    counts : Counts
        Pixels of each class.
    empty_px : array (C,), int64
        Pixels of the frames without the class.
    false_px : array (C,), int64
        Pixels of these frames that were found as the class.

    Examples
    --------
    >>> empty = count_pixels(np.zeros((4, 4)), np.eye(4))
    >>> empty.false_area.tolist()
    [0.25]
    """

    counts: Counts
    empty_px: np.ndarray
    false_px: np.ndarray

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.counts + other.counts, self.empty_px + other.empty_px, self.false_px + other.false_px
        )

    @property
    def false_area(self) -> np.ndarray:
        """Share of empty frames that was found as the class; NaN where no frame is empty."""
        empty = np.where(self.empty_px > 0, self.empty_px, np.nan)
        return self.false_px / empty


def count_pixels(truth: np.ndarray, prediction: np.ndarray, *, threshold: float | None = 0.5) -> PixelCounts:
    """Count the pixels of one frame that were found rightly and wrongly.

    Parameters
    ----------
    truth : array (Y, X) or (Y, X, C), bool, integer or float
        Label of the frame; where it is above 1/2, the class is there.
    prediction : array of the same shape, bool, integer or float
        Mask, or probabilities.
    threshold : float or None
        Probabilities above this are found; None takes the most probable class of each pixel, and needs two
        channels or more.

    Returns
    -------
    PixelCounts
        Counts of each class; they add up over frames.

    Raises
    ------
    DataError
        If the shapes differ, or the prediction is not finite.
    SettingsError
        If the threshold is outside 0 to 1, or None for a single class.

    Examples
    --------
    >>> count_pixels(np.array([[1, 1, 0, 0]]), np.array([[0.9, 0.2, 0.8, 0.1]])).counts.f1.tolist()
    [0.5]
    """
    there = _binary(_with_classes("truth", truth), 0.5)
    probability = _with_classes("prediction", prediction)
    if there.shape != probability.shape:
        raise DataError(
            f"expected a prediction of the truth's shape {np.shape(truth)}, got {np.shape(prediction)}"
        )
    found = _found(probability, threshold)
    hits = np.count_nonzero(there & found, axis=(0, 1))
    n_there, n_found = np.count_nonzero(there, axis=(0, 1)), np.count_nonzero(found, axis=(0, 1))
    empty = n_there == 0
    area = there.shape[0] * there.shape[1]
    return PixelCounts(
        Counts(hits, n_found - hits, n_there - hits), np.where(empty, area, 0), np.where(empty, n_found, 0)
    )


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Parameters
    ----------
    value, low, high : float
        Estimate and bounds; the bounds are NaN where there is only one group to draw from.
    level : float
        Confidence that the bounds are meant to hold with.
    n_groups : int
        Structures that they rest on.

    Examples
    --------
    >>> str(Interval(0.97, 0.95, 0.98, 0.95, 40))
    '0.97 (0.95 to 0.98)'
    """

    value: float
    low: float
    high: float
    level: float
    n_groups: int

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def bootstrap(
    values: np.ndarray,
    *,
    groups: np.ndarray,
    rng: np.random.Generator,
    n: int = 1000,
    level: float = 0.95,
    statistic: Callable[[np.ndarray], float] | None = None,
) -> Interval:
    """Estimate a statistic's confidence interval by drawing structures anew, not images or pixels.

    Parameters
    ----------
    values : array (m,) or (m, k), float
        A score of each image, or k counts that the statistic makes a score of.
    groups : array (m,), integer or str
        Structure that each image is of; images of one structure are drawn together.
    rng : numpy.random.Generator
        Draws the structures.
    n : int
        How many times they are drawn.
    level : float
        Confidence, above 0 and below 1.
    statistic : callable or None
        From some rows of `values` to a number; None takes the mean.

    Returns
    -------
    Interval
        The statistic of all values, and the quantiles of those of the draws.

    Raises
    ------
    DataError
        If there are no values, values and groups are not as many, or a value is not finite.
    SettingsError
        If `n` or `level` is outside its range.

    Examples
    --------
    >>> scores, structures = np.array([0.9, 0.9, 1.0, 1.0]), np.array([0, 0, 1, 1])
    >>> interval = bootstrap(scores, groups=structures, rng=np.random.default_rng(0))
    >>> round(interval.value, 3), round(interval.low, 3), round(interval.high, 3)
    (0.95, 0.9, 1.0)
    """
    rows, names = np.asarray(values, np.float64), np.asarray(groups)
    if rows.ndim not in (1, 2) or len(rows) == 0 or names.shape != rows.shape[:1]:
        raise DataError(
            f"expected one group for each of 1 or more values, got {names.shape} groups of {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise DataError("values: expected finite numbers; leave out images without a score first")
    if n < 1 or not 0 < level < 1:
        raise SettingsError(f"expected n of 1 or more and a level between 0 and 1, got {n} and {level}")
    measure = statistic or (lambda drawn: float(np.mean(drawn)))
    order = np.argsort(names, kind="stable")
    first = np.unique(names[order], return_index=True)[1]
    members = np.split(order, first[1:])
    value = float(measure(rows))
    if len(members) == 1:
        return Interval(value, float("nan"), float("nan"), level, 1)
    if statistic is None and rows.ndim == 1:
        sums = np.array([rows[index].sum() for index in members])
        sizes = np.array([len(index) for index in members])
        times = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n)
        draws = (times @ sums) / (times @ sizes)
    else:
        chosen = rng.integers(len(members), size=(n, len(members)))
        draws = np.array([measure(rows[np.concatenate([members[i] for i in row])]) for row in chosen])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level, len(members))


def _with_classes(name: str, array: np.ndarray) -> np.ndarray:
    """Give an array (Y, X, C)."""
    pixels = np.asarray(array)
    if pixels.ndim not in (2, 3) or pixels.size == 0 or pixels.dtype.kind not in "buif":
        raise DataError(
            f"{name}: expected real pixels (Y, X) or (Y, X, C), got {pixels.dtype} of shape {pixels.shape}"
        )
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def _binary(values: np.ndarray, threshold: float) -> np.ndarray:
    return values if values.dtype == bool else values > threshold


def _found(probability: np.ndarray, threshold: float | None) -> np.ndarray:
    """Where each class was found, an array (Y, X, C) of bool."""
    if probability.dtype.kind == "f" and not np.isfinite(probability).all():
        raise DataError("prediction: expected finite probabilities, got NaN or infinity; check the network")
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise SettingsError(f"threshold: expected a probability from 0 to 1, got {threshold}")
        return _binary(probability, threshold)
    n_classes = probability.shape[-1]
    if n_classes < 2:
        raise SettingsError("threshold: expected a probability for a single class, got None")
    return np.argmax(probability, axis=-1)[..., np.newaxis] == np.arange(n_classes)


def _check_same_classes(one: np.ndarray, other: np.ndarray) -> None:
    if np.shape(one) != np.shape(other):
        raise DataError(f"expected counts of the same classes, got {np.size(one)} and {np.size(other)}")
