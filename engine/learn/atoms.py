"""Atomic columns out of a network's probability maps."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..base.errors import DataError, SettingsError

# A Gaussian this wide sees a disc in noise about best; it must not fall through the grid of pixels.
_SIGMA_PER_RADIUS = 0.6
_LEAST_SIGMA_PX = 0.7
_RECENTRINGS = 3


def find_columns_in_maps(
    probabilities: np.ndarray,
    *,
    sampling_A: float,
    threshold: float = 0.5,
    min_distance_A: float = 0.8,
    spotsize_A: float = 0.4,
    has_background: bool = True,
    origin_A: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find atomic columns, their classes and how sure they are in a network's maps.

    Parameters
    ----------
    probabilities : array (Y, X) or (Y, X, C), real
        Probability of each class in each pixel, as learnt from labels of discs or spots.
    sampling_A : float
        Side of a pixel [Å].
    threshold : float
        Confidence from which on a column counts, above 0, at most 1.
    min_distance_A : float
        Two columns are no nearer to each other than this [Å]; of nearer ones the surer one is kept.
    spotsize_A : float
        Diameter of the labels' discs [Å].
    has_background : bool
        Whether the last of several channels is the background; it is then not looked at.
    origin_A : (float, float)
        Where pixel (0, 0) lies, x and y [Å].

    Returns
    -------
    xy_A : array (n, 2), float64
        Positions, sorted by y, then x [Å].
    classes : array (n,), int64
        Channel that has most of each column's probability.
    confidence : array (n,), float64
        Probability averaged over the spot: 1 for a whole disc, 0.6 for one whose probability is 0.6, 0.7
        for one that two classes share; at most 1.

    Raises
    ------
    DataError
        If the maps are not finite real numbers (Y, X) or (Y, X, C).
    SettingsError
        If a setting is outside its range.

    Notes
    -----
    Each class is smoothed by a Gaussian of 0.3 of the spot's size and divided by what a disc of that
    size would give; confidence is the root of the sum of their squares, which noise in several classes does
    not lift as it does their sum. Its maxima are then moved to the centre of mass of the squared
    probabilities of the pixels that are within a pixel of their spot and nearer to them than to any other
    maximum, so that discs which touch are cut apart.

    Examples
    --------
    >>> maps = np.zeros((20, 30, 3))
    >>> maps[9:12, 4:7, 1] = 0.9
    >>> xy_A, classes, confidence = find_columns_in_maps(maps, sampling_A=0.13)
    >>> xy_A.round(2).tolist(), classes.tolist()
    ([[0.65, 1.3]], [1])
    """
    _check_settings(sampling_A, threshold, min_distance_A, spotsize_A)
    maps = _as_maps(probabilities)
    classes = maps[..., :-1] if has_background and maps.shape[2] > 1 else maps
    radius_px = max(spotsize_A / sampling_A / 2, math.sqrt(0.5))
    sigma_px = max(_SIGMA_PER_RADIUS * radius_px, _LEAST_SIGMA_PX)
    planes = np.ascontiguousarray(np.moveaxis(classes, 2, 0))
    smooth = [ndimage.gaussian_filter(plane, sigma_px, mode="mirror", truncate=3.0) for plane in planes]
    likeness = np.sqrt(sum(plane * plane for plane in smooth))
    likeness /= -math.expm1(-(radius_px**2) / (2 * sigma_px**2))
    yx, heights = find_maxima(likeness, threshold=threshold, min_distance_px=min_distance_A / sampling_A)
    power = np.einsum("cyx,cyx->yx", planes, planes)
    yx = _recentre(power, yx, radius_px + 1)
    # Maxima that were far enough apart may have moved together.
    kept = _keep_apart(yx, min_distance_A / sampling_A)
    yx, heights = yx[kept], heights[kept]
    index = np.argmax(_masses(classes, yx, radius_px), axis=1)
    xy_A = yx[:, ::-1] * sampling_A + np.asarray(origin_A, np.float64)
    order = np.lexsort((xy_A[:, 0], xy_A[:, 1]))
    return xy_A[order], index[order].astype(np.int64), np.minimum(heights[order], 1)


def find_maxima(
    values: np.ndarray, *, threshold: float, min_distance_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find the maxima of a map, the highest first, none too near to a higher one.

    Parameters
    ----------
    values : array (Y, X), float
        The map.
    threshold : float
        Least height of a maximum.
    min_distance_px : float
        Least distance to a higher maximum that is kept [px].

    Returns
    -------
    yx : array (n, 2), float64
        Rows and columns [px]; the middle of a plateau.
    heights : array (n,), float64
        Values there.

    Examples
    --------
    >>> find_maxima(np.array([[0, 3, 3, 0, 2, 0, 1]]), threshold=1, min_distance_px=3)[0].tolist()
    [[0.0, 1.5], [0.0, 6.0]]
    """
    tops = (values >= threshold) & (values == ndimage.maximum_filter(values, size=3, mode="nearest"))
    labels, count = ndimage.label(tops, np.ones((3, 3)))
    rows, columns = np.nonzero(tops)
    plateau = labels[rows, columns]
    size = np.bincount(plateau, minlength=count + 1)[1:]
    yx = np.stack([np.bincount(plateau, part, count + 1)[1:] / size for part in (rows, columns)], axis=1)
    # Neighbouring tops are equal: each is the largest of its surroundings.
    heights = np.zeros(count)
    heights[plateau - 1] = values[rows, columns]
    order = np.lexsort((yx[:, 1], yx[:, 0], -heights))
    yx, heights = yx[order], heights[order]
    kept = _keep_apart(yx, min_distance_px)
    return yx[kept], heights[kept]


def _keep_apart(yx: np.ndarray, min_distance_px: float) -> np.ndarray:
    """Choose points, the first ones first, of which none is too near to one before: array (n,), bool."""
    kept = np.ones(len(yx), bool)
    pairs = cKDTree(yx).query_pairs(min_distance_px * (1 - 1e-9), output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    for earlier, later in pairs.tolist():
        if kept[earlier]:
            kept[later] = False
    return kept


def _check_settings(sampling_A: float, threshold: float, min_distance_A: float, spotsize_A: float) -> None:
    lengths = {"sampling_A": sampling_A, "min_distance_A": min_distance_A, "spotsize_A": spotsize_A}
    for name, value in lengths.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"{name}: expected above 0 Å, got {value}")
    if not 0 < threshold <= 1:
        raise SettingsError(f"threshold: expected above 0, at most 1, got {threshold}")


def _as_maps(probabilities: np.ndarray) -> np.ndarray:
    """Give an array (Y, X, C), float32."""
    maps = np.asarray(probabilities)
    if maps.ndim not in (2, 3) or maps.size == 0 or maps.dtype.kind not in "buif":
        raise DataError(f"expected probabilities (Y, X) or (Y, X, C), got {maps.dtype} of shape {maps.shape}")
    maps = np.atleast_3d(maps).astype(np.float32, copy=False)
    if not np.isfinite(maps).all():
        raise DataError("expected finite probabilities, got NaN or infinity; check the network")
    return maps


def _windows(
    shape: tuple[int, ...], yx: np.ndarray, reach_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of square windows around points, their distances to them, and whether in the frame."""
    steps = np.arange(-reach_px, reach_px + 1)
    nodes = np.rint(yx).astype(np.int64)
    rows = nodes[:, 0, np.newaxis, np.newaxis] + steps[:, np.newaxis]
    columns = nodes[:, 1, np.newaxis, np.newaxis] + steps
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    down, across = rows - yx[:, 0, np.newaxis, np.newaxis], columns - yx[:, 1, np.newaxis, np.newaxis]
    clipped = np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1)
    return *clipped, down**2 + across**2, inside


def _recentre(weights: np.ndarray, yx: np.ndarray, reach_px: float) -> np.ndarray:
    """Move points to the centre of mass of the pixels within reach that are nearest to them."""
    pairs = cKDTree(yx).query_pairs(2 * reach_px + 2, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    for _ in range(_RECENTRINGS):
        rows, columns, distance2, inside = _windows(weights.shape, yx, math.ceil(reach_px + 0.5))
        mine = inside & (distance2 <= reach_px**2)
        own, other = pairs.T
        to_other = (rows[own] - yx[other, 0, None, None]) ** 2 + (
            columns[own] - yx[other, 1, None, None]
        ) ** 2
        np.logical_and.at(mine, own, to_other >= distance2[own])
        mass = np.where(mine, weights[rows, columns], 0.0)
        whole = np.maximum(mass.sum(axis=(1, 2)), 1e-12)
        moved = np.stack([(mass * part).sum(axis=(1, 2)) / whole for part in (rows, columns)], axis=1)
        yx = np.where((whole > 1e-9)[:, np.newaxis], moved, yx)
    return yx


def _masses(maps: np.ndarray, yx: np.ndarray, reach_px: float) -> np.ndarray:
    """Sum each channel over the pixels around points: array (n, C)."""
    rows, columns, distance2, inside = _windows(maps.shape, yx, math.ceil(reach_px + 0.5))
    near = inside & (distance2 <= max(reach_px, 0.75) ** 2)
    return np.einsum("nyx,nyxc->nc", near.astype(np.float32), maps[rows, columns])
