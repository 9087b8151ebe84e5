"""Columns by classical means: blobs in a difference of Gaussians, their classes by intensity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from ..base.errors import DataError, SettingsError
from .atom_scores import count_columns
from .atoms import find_maxima

POLARITIES = ("bright", "dark", "either")
# A difference of Gaussians at this ratio is close to the Laplacian that a blob fits best.
_RATIO = 1.6
_ROUNDS = 50


def find_columns_by_blobs(
    image: np.ndarray,
    *,
    sampling_A: float,
    sigma_A: float,
    min_distance_A: float,
    polarity: str = "either",
    threshold: float = 1.0,
    order: Sequence[int] = (0,),
) -> tuple[np.ndarray, np.ndarray]:
    """Find columns as blobs of one image, or of the mean of a focal series, and class them by intensity.

    Parameters
    ----------
    image : array (Y, X) or (F, Y, X), real
        The image or series.
    sampling_A : float
        Side of a pixel [Å].
    sigma_A : float
        Standard deviation of the narrower Gaussian [Å]; the other is 1.6 times as wide.
    min_distance_A : float
        Two columns are no nearer than this [Å].
    polarity : {"bright", "dark", "either"}
        Whether columns are bright or dark; "either" takes what stands out further in this image.
    threshold : float
        Least height of a blob, in standard deviations of the filtered image.
    order : sequence of int
        Class of the weakest blobs, of the next, and so on, as k-means splits their heights; a single class
        where there is one.

    Returns
    -------
    xy_A : array (n, 2), float64
        Positions, by y, then x, pixel (0, 0) at the origin [Å].
    classes : array (n,), int64
        Their classes.

    Raises
    ------
    DataError
        If the image is no finite real (Y, X) or (F, Y, X).
    SettingsError
        If a setting is outside its range.

    Examples
    --------
    >>> image = np.zeros((40, 40))
    >>> image[10, 10], image[30, 20] = 1.0, 2.0
    >>> xy_A, classes = find_columns_by_blobs(
    ...     image, sampling_A=0.1, sigma_A=0.2, min_distance_A=0.5, order=(1, 0)
    ... )
    >>> xy_A.round(2).tolist(), classes.tolist()
    ([[1.0, 1.0], [2.0, 3.0]], [1, 0])
    """
    _check_settings(sampling_A, sigma_A, min_distance_A, polarity)
    if len(order) == 0 or min(order) < 0:
        raise SettingsError(f"order: expected one or more classes from 0, got {tuple(order)}")
    sigma_px = sigma_A / sampling_A
    pixels = _check_image(image)
    blobs = ndimage.gaussian_filter(pixels, sigma_px) - ndimage.gaussian_filter(pixels, _RATIO * sigma_px)
    spread = float(blobs.std())
    if spread <= 1e-12 * max(float(np.abs(pixels).max()), 1e-30):
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    blobs /= spread
    if polarity == "dark" or (polarity == "either" and _skewness(blobs) < 0):
        blobs = -blobs
    yx, heights = find_maxima(blobs, threshold=threshold, min_distance_px=min_distance_A / sampling_A)
    yx = _refine(blobs, yx)
    rank = split_in_clusters(heights, len(order))
    sort = np.lexsort((yx[:, 1], yx[:, 0]))
    return yx[sort, ::-1] * sampling_A, np.asarray(order, np.int64)[rank[sort]]


def score_columns(
    *, n_classes: int, within_A: float = 1.0, edge_A: float = 0.0
) -> Callable[[Any, Any], float]:
    """Make the score that `baselines.tune` tunes columns by.

    Parameters
    ----------
    n_classes : int
        Classes, without the background.
    within_A : float
        Largest distance of a match [Å].
    edge_A : float
        Columns outside the image, or within this of its edge [Å], are not counted.

    Returns
    -------
    callable
        From true (xy_A, classes, bounds_A) and found (xy_A, classes) to the atomic F1 of all classes as one;
        without bounds, which are those of `atom_scores.image_bounds`, all columns are counted.

    Examples
    --------
    >>> one = np.zeros((1, 2)), np.zeros(1, int)
    >>> score_columns(n_classes=1)(one, one)
    1.0
    """

    def score(true: Any, found: Any) -> float:
        (xy_A, classes, *bounds), (found_xy_A, found_classes) = true, found
        counts = count_columns(
            found_xy_A,
            found_classes,
            xy_A,
            classes,
            n_classes=n_classes,
            within_A=within_A,
            bounds_A=bounds[0] if bounds else None,
            edge_A=edge_A if bounds else 0.0,
        )
        return float(counts.counts.joined.f1[0])

    return score


def split_in_clusters(values: np.ndarray, n_clusters: int) -> np.ndarray:
    """Split numbers in clusters by k-means, started at their quantiles, so that the same come out always.

    Parameters
    ----------
    values : array (n,), float
        The numbers.
    n_clusters : int
        Clusters; fewer where there are fewer different numbers.

    Returns
    -------
    array (n,), int64
        Cluster of each, 0 for the smallest numbers.

    Examples
    --------
    >>> split_in_clusters(np.array([1.0, 5.0, 1.1, 5.2]), 2).tolist()
    [0, 1, 0, 1]
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) == 0:
        return np.zeros(0, np.int64)
    centres = np.unique(np.quantile(numbers, (np.arange(n_clusters) + 0.5) / n_clusters))
    cluster = np.zeros(len(numbers), np.int64)
    for _ in range(_ROUNDS):
        cluster = np.searchsorted((centres[1:] + centres[:-1]) / 2, numbers)
        count = np.bincount(cluster, minlength=len(centres))
        sums = np.bincount(cluster, numbers, len(centres))
        moved = np.where(count > 0, sums / np.maximum(count, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return cluster.astype(np.int64)


def _check_settings(sampling_A: float, sigma_A: float, min_distance_A: float, polarity: str) -> None:
    lengths = {"sampling_A": sampling_A, "sigma_A": sigma_A, "min_distance_A": min_distance_A}
    for name, value in lengths.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"{name}: expected above 0 Å, got {value}")
    if polarity not in POLARITIES:
        raise SettingsError(f"polarity: expected one of {', '.join(POLARITIES)}, got {polarity!r}")


def _check_image(image: np.ndarray) -> np.ndarray:
    """Give an image (Y, X), float64."""
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.size == 0 or pixels.dtype.kind not in "buif":
        raise DataError(
            f"expected a real image (Y, X) or series (F, Y, X), got {pixels.dtype} of shape {pixels.shape}"
        )
    plane = pixels.astype(np.float64) if pixels.ndim == 2 else pixels.mean(axis=0, dtype=np.float64)
    if not np.isfinite(plane).all():
        raise DataError("expected finite pixels, got NaN or infinity; clean the image first")
    return plane


def _skewness(values: np.ndarray) -> float:
    return float(np.mean((values - values.mean()) ** 3))


def _refine(values: np.ndarray, yx: np.ndarray) -> np.ndarray:
    """Move maxima to the top of parabolas through their neighbours, half a pixel at most."""
    padded = np.pad(values, 1, mode="edge")
    rows, columns = np.rint(yx).astype(np.int64).T + 1
    middle = padded[rows, columns]
    shifts = []
    for before, after in (
        (padded[rows - 1, columns], padded[rows + 1, columns]),
        (padded[rows, columns - 1], padded[rows, columns + 1]),
    ):
        curvature = np.minimum(before + after - 2 * middle, -1e-12)
        shifts.append(np.clip((before - after) / (2 * curvature), -0.5, 0.5))
    return np.stack([rows - 1 + shifts[0], columns - 1 + shifts[1]], axis=1)
