"""Outlines of a movie's particles: convex hulls in projection, their overlaps, and the label image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull
from skimage.draw import polygon

from ..base.errors import DataError

_BISECTIONS = 40


def outline(xy_A: np.ndarray) -> np.ndarray:
    """Find the convex hull of atoms seen along the beam.

    Parameters
    ----------
    xy_A : array (n, 2), float
        Atoms, x and y [Å]; three of them at least, not in a line.

    Returns
    -------
    array (m, 2), float64
        Corners in order around the hull.

    Raises
    ------
    DataError
        If there are fewer than three atoms.

    Examples
    --------
    >>> len(outline(np.array([[0.0, 0], [2, 0], [1, 0.5], [0, 2]])))
    3
    """
    xy = np.asarray(xy_A, np.float64)
    if len(xy) < 3:
        raise DataError(f"expected three atoms or more for an outline, got {len(xy)}")
    return xy[ConvexHull(xy).vertices]


def area_and_middle(corners_A: np.ndarray) -> tuple[float, np.ndarray]:
    """Measure a polygon.

    Parameters
    ----------
    corners_A : array (m, 2), float
        Corners in order, either way round [Å].

    Returns
    -------
    area_A2 : float
        Its area [Å²]; 0 where there are fewer than three corners.
    middle_A : array (2,), float64
        Its centre of area [Å].

    Examples
    --------
    >>> area, middle = area_and_middle(np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]]))
    >>> area, middle.tolist()
    (2.0, [1.0, 0.5])
    """
    if len(corners_A) < 3:
        return 0.0, np.zeros(2)
    first = corners_A[0]
    one, two = corners_A[1:-1] - first, corners_A[2:] - first
    twice = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    if twice.sum() == 0:
        return 0.0, first
    middle = first + (twice[:, np.newaxis] * (one + two)).sum(axis=0) / (3 * twice.sum())
    return float(abs(twice.sum()) / 2), middle


def common_part(one_A: np.ndarray, other_A: np.ndarray) -> np.ndarray:
    """Cut two convex polygons with each other.

    Parameters
    ----------
    one_A, other_A : arrays (m, 2) and (k, 2), float
        Corners in order, either way round [Å].

    Returns
    -------
    array (j, 2), float64
        Corners of what they share; none where they do not meet.

    Examples
    --------
    >>> square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    >>> area_and_middle(common_part(square, square + 1))[0]
    1.0
    """
    left = np.asarray(one_A, np.float64)
    corners = np.asarray(other_A, np.float64)
    if _signed_area(corners) < 0:
        corners = corners[::-1]
    for start, stop in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if len(left) == 0:
            break
        edge = stop - start
        side = edge[0] * (left[:, 1] - start[1]) - edge[1] * (left[:, 0] - start[0])
        kept: list[np.ndarray] = []
        for index in range(len(left)):
            here, there = side[index - 1], side[index]
            if (here < 0) != (there < 0):
                kept.append(left[index - 1] + (left[index] - left[index - 1]) * here / (here - there))
            if there >= 0:
                kept.append(left[index])
        left = np.array(kept).reshape(-1, 2)
    return left


def contact_distance(one_A: np.ndarray, other_A: np.ndarray, direction: np.ndarray) -> float:
    """Find how far one convex polygon must be shifted along a line to just touch another.

    Parameters
    ----------
    one_A, other_A : arrays (m, 2) and (k, 2), float
        Corners; the origin lies in both [Å].
    direction : array (2,), float
        Unit vector along which the other is shifted.

    Returns
    -------
    float
        Shift at which they part [Å].

    Examples
    --------
    >>> square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    >>> round(contact_distance(square, square, np.array([1.0, 0.0])), 6)
    2.0
    """
    low, high = 0.0, float(np.abs(one_A @ direction).max() + np.abs(other_A @ direction).max())
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if len(common_part(one_A, other_A + middle * direction)):
            low = middle
        else:
            high = middle
    return high


def union_measures(outlines_A: Sequence[np.ndarray]) -> tuple[float, np.ndarray]:
    """Measure what one or two convex polygons cover together.

    Parameters
    ----------
    outlines_A : sequence of arrays (m, 2), float
        One polygon or two [Å].

    Returns
    -------
    area_A2 : float
        Area [Å²]; what both cover counts once.
    middle_A : array (2,), float64
        Centre of area [Å].

    Raises
    ------
    DataError
        If there are none, or more than two.

    Examples
    --------
    >>> square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    >>> union_measures([square, square + 1])[0]
    7.0
    """
    if not 1 <= len(outlines_A) <= 2:
        raise DataError(f"expected one or two outlines, got {len(outlines_A)}")
    measured = [(*area_and_middle(one), 1.0) for one in outlines_A]
    if len(outlines_A) == 2:
        measured.append((*area_and_middle(common_part(*outlines_A)), -1.0))
    area = sum(sign * part for part, _, sign in measured)
    middle = np.sum([sign * part * at for part, at, sign in measured], axis=0) / area
    return area, middle


def paint_labels(
    outlines_A: Sequence[np.ndarray],
    identities: Sequence[int],
    *,
    shape: tuple[int, int],
    sampling_A: float,
) -> np.ndarray:
    """Paint convex outlines with identities; a sample in two of them gets the nearer.

    Nearer is the one whose centre is fewer of its own radii away, the radius being that of a disc as large.

    Parameters
    ----------
    outlines_A : sequence of arrays (m, 2), float
        Corners, x and y from sample (0, 0) [Å]; parts may lie outside of the image.
    identities : sequence of int
        Identity of each, above 0; several outlines may share one.
    shape : (int, int)
        Rows and columns.
    sampling_A : float
        Distance of samples; (i, j) lies at y = i·sampling, x = j·sampling [Å].

    Returns
    -------
    array (Y, X), int32
        Identities; 0 is background.

    Examples
    --------
    >>> square = np.array([[0.9, 0.9], [2.1, 0.9], [2.1, 2.1], [0.9, 2.1]])
    >>> paint_labels([square], [7], shape=(3, 4), sampling_A=1.0).tolist()
    [[0, 0, 0, 0], [0, 7, 7, 0], [0, 7, 7, 0]]
    """
    labels = np.zeros(shape, np.int32)
    nearest = np.full(shape, np.inf, np.float32)
    for corners_A, identity in zip(outlines_A, identities, strict=True):
        area_A2, middle_A = area_and_middle(corners_A)
        rows, columns = polygon(corners_A[:, 1] / sampling_A, corners_A[:, 0] / sampling_A, shape)
        away_A2 = (rows * sampling_A - middle_A[1]) ** 2 + (columns * sampling_A - middle_A[0]) ** 2
        distance = (away_A2 * math.pi / area_A2).astype(np.float32)
        nearer = distance < nearest[rows, columns]
        rows, columns = rows[nearer], columns[nearer]
        labels[rows, columns] = identity
        nearest[rows, columns] = distance[nearer]
    return labels


def _signed_area(corners: np.ndarray) -> float:
    following = np.roll(corners, -1, axis=0)
    return float((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum() / 2)
