"""How well found columns agree with the true ones: one-to-one matches within a distance, class by class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..base.errors import DataError, SettingsError
from .scores import Counts

_Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class ColumnCounts:
    """Counts of columns; those of more images are added with `+`.

    Parameters
    ----------
    counts : Counts
        Columns of each class.
    detected : Counts
        Columns whatever their class, arrays (1,).
    squared_A2 : array (C,), float64
        Sum of squared distances of the matched columns of each class [Å²].

    Examples
    --------
    >>> one = np.array([[1.0, 1.0]])
    >>> counts = count_columns(one + 0.3, np.zeros(1, int), one, np.zeros(1, int), n_classes=1)
    >>> (counts + counts).scores()["position_rms_A"].round(3)
    np.float64(0.424)
    """

    counts: Counts
    detected: Counts
    squared_A2: np.ndarray

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        return ColumnCounts(
            self.counts + other.counts, self.detected + other.detected, self.squared_A2 + other.squared_A2
        )

    def scores(self) -> dict[str, np.ndarray]:
        """Give counts, precision, recall and F1 of each class and of all, and position errors [Å]."""
        joined = self.counts.joined
        parts = ("true_positive", "false_positive", "false_negative", "precision", "recall", "f1")
        table = {f"class_{name}": getattr(self.counts, name) for name in parts}
        table |= {name: getattr(joined, name)[0] for name in parts}
        table["detection_f1"] = self.detected.f1[0]
        for name, squared, matched in (
            ("class_position_rms_A", self.squared_A2, self.counts.true_positive),
            ("position_rms_A", self.squared_A2.sum(), joined.true_positive[0]),
        ):
            table[name] = np.sqrt(np.where(matched > 0, squared / np.maximum(matched, 1), np.nan))[()]
        return table


def match_columns(
    found_xy_A: np.ndarray,
    found_class: np.ndarray,
    true_xy_A: np.ndarray,
    true_class: np.ndarray,
    *,
    within_A: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Match found to true columns of the same class, one to one.

    Parameters
    ----------
    found_xy_A, true_xy_A : arrays (n, 2) and (m, 2), float
        Positions [Å].
    found_class, true_class : arrays (n,) and (m,), integer
        Classes.
    within_A : float
        Largest distance of a match, itself included [Å].

    Returns
    -------
    pairs : array (k, 2), int64
        Rows of the found and of the true column of each match, by found column.
    distance_A : array (k,), float64
        Their distances [Å].

    Raises
    ------
    DataError
        If positions are not finite or classes not as many.
    SettingsError
        If the distance is not above 0.

    Notes
    -----
    As many as possible are matched; of these matches those with the least sum of squared distances are
    taken (Hungarian method, in each group of columns that are within reach of each other).

    References
    ----------
    Thesis, 4.3; Publication III matches peaks within 10 px of 0.1 Å.

    Examples
    --------
    >>> found, true = np.array([[0.0, 0.0], [0.9, 0.0]]), np.array([[0.8, 0.0], [1.8, 0.0]])
    >>> match_columns(found, np.zeros(2, int), true, np.zeros(2, int))[0].tolist()
    [[0, 0], [1, 1]]
    """
    if not 0 < within_A < math.inf:
        raise SettingsError(f"within_A: expected a distance above 0 Å, got {within_A}")
    found, found_kind = _check("found", found_xy_A, found_class)
    true, true_kind = _check("true", true_xy_A, true_class)
    if len(found) == 0 or len(true) == 0:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    # Rounding must not lose a pair that is just within reach.
    near = cKDTree(found).sparse_distance_matrix(cKDTree(true), within_A * (1 + 1e-9), output_type="ndarray")
    near = near[found_kind[near["i"]] == true_kind[near["j"]]]
    if len(near) == 0:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    i, j, distance = near["i"], near["j"], near["v"]
    count = len(found) + len(true)
    links = coo_array((np.ones(len(i), np.int8), (i, j + len(found))), shape=(count, count))
    group = connected_components(links, directed=False)[1][i]
    order = np.argsort(group, kind="stable")
    chosen = [
        _match_group(i[rows], j[rows], distance[rows], rows)
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    ]
    rows = np.concatenate(chosen)
    rows = rows[np.argsort(i[rows], kind="stable")]
    return np.stack([i[rows], j[rows]], axis=1).astype(np.int64), distance[rows]


def count_columns(
    found_xy_A: np.ndarray,
    found_class: np.ndarray,
    true_xy_A: np.ndarray,
    true_class: np.ndarray,
    *,
    n_classes: int,
    within_A: float = 1.0,
    bounds_A: _Bounds | None = None,
    edge_A: float = 0.0,
) -> ColumnCounts:
    """Count the columns of one image that were found rightly and wrongly.

    Parameters
    ----------
    found_xy_A, found_class, true_xy_A, true_class, within_A
        As `match_columns` takes them.
    n_classes : int
        Classes, without the background.
    bounds_A : (x0, y0, x1, y1) or None
        First and last pixel of the image [Å], as `image_bounds` gives them; None counts all columns.
    edge_A : float
        Columns outside the image, or within this of its edge [Å], are not counted on either side; a match
        counts by where the true column lies.

    Returns
    -------
    ColumnCounts
        They add up over images.

    Raises
    ------
    DataError
        If positions are not finite, classes are not as many, or a class is outside 0 to n_classes - 1.
    SettingsError
        If the distance is not above 0, or there is an edge without bounds.

    References
    ----------
    Thesis, Eqs. 4.1 and 4.2, where FP and FN are what was found and what is there, less TP.

    Examples
    --------
    >>> xy = np.array([[1.0, 1.0], [3.0, 1.0]])
    >>> counts = count_columns(xy, np.array([0, 0]), xy, np.array([0, 1]), n_classes=2)
    >>> counts.counts.f1.round(3).tolist(), counts.detected.f1.tolist()
    ([0.667, 0.0], [1.0])
    """
    found, found_kind = _check("found", found_xy_A, found_class, n_classes)
    true, true_kind = _check("true", true_xy_A, true_class, n_classes)
    found_in, true_in = (_inside(xy, bounds_A, edge_A) for xy in (found, true))
    pairs, distance = match_columns(found, found_kind, true, true_kind, within_A=within_A)
    counts = _count(pairs, (found_kind, true_kind), (found_in, true_in), n_classes)
    right = true_in[pairs[:, 1]]
    squared = np.bincount(true_kind[pairs[right, 1]], distance[right] ** 2, n_classes)
    anywhere, _ = match_columns(found, 0 * found_kind, true, 0 * true_kind, within_A=within_A)
    detected = _count(anywhere, (0 * found_kind, 0 * true_kind), (found_in, true_in), 1)
    return ColumnCounts(counts, detected, squared)


def image_bounds(
    shape: tuple[int, int], *, sampling_A: float, origin_A: tuple[float, float] = (0.0, 0.0)
) -> _Bounds:
    """Find where an image's first and last pixels lie.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    sampling_A : float
        Side of a pixel [Å].
    origin_A : (float, float)
        Where pixel (0, 0) lies, x and y [Å].

    Returns
    -------
    (x0, y0, x1, y1)
        Centres of the first and of the last pixel [Å].

    Examples
    --------
    >>> image_bounds((3, 5), sampling_A=0.5)
    (0.0, 0.0, 2.0, 1.0)
    """
    x, y = origin_A
    return x, y, x + (shape[1] - 1) * sampling_A, y + (shape[0] - 1) * sampling_A


def _check(
    name: str, xy_A: np.ndarray, classes: np.ndarray, n_classes: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    xy, kinds = np.asarray(xy_A, np.float64), np.asarray(classes)
    xy = xy.reshape(-1, 2) if xy.size == 0 else xy
    if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all():
        raise DataError(f"{name} columns: expected finite positions (n, 2), got shape {xy.shape}")
    if kinds.shape != xy.shape[:1]:
        raise DataError(f"{name} columns: expected a class for each of {len(xy)}, got {kinds.shape}")
    kinds = kinds.astype(np.int64)
    if n_classes is not None and len(kinds) and not 0 <= kinds.min() <= kinds.max() < n_classes:
        raise DataError(
            f"{name} columns: expected classes 0 to {n_classes - 1}, got {kinds.min()} to {kinds.max()}"
        )
    return xy, kinds


def _match_group(i: np.ndarray, j: np.ndarray, distance: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Choose the matches of a group of pairs; `rows` is what the pairs are called."""
    if len(rows) == 1:
        return rows
    (found, at_i), (true, at_j) = np.unique(i, return_inverse=True), np.unique(j, return_inverse=True)
    pair = np.full((len(found), len(true)), -1)
    pair[at_i, at_j] = rows
    # A pair out of reach costs more than all that are within it.
    cost = np.full(pair.shape, (len(rows) + 1) * (float(distance.max()) ** 2 + 1e-9))
    cost[at_i, at_j] = distance**2
    chosen = pair[linear_sum_assignment(cost)]
    return chosen[chosen >= 0]


def _inside(xy: np.ndarray, bounds_A: _Bounds | None, edge_A: float) -> np.ndarray:
    if bounds_A is None:
        if edge_A != 0:
            raise SettingsError("edge_A: expected the image's bounds_A beside it, got none")
        return np.ones(len(xy), bool)
    if not edge_A >= 0:
        raise SettingsError(f"edge_A: expected 0 Å or more, got {edge_A}")
    low, high = np.asarray(bounds_A[:2]) + edge_A, np.asarray(bounds_A[2:]) - edge_A
    return np.all((xy >= low) & (xy <= high), axis=1)


def _count(
    pairs: np.ndarray,
    kinds: tuple[np.ndarray, np.ndarray],
    inside: tuple[np.ndarray, np.ndarray],
    n_classes: int,
) -> Counts:
    """Count matches whose true column is inside, and what is inside without a match."""
    (found_kind, true_kind), (found_in, true_in) = kinds, inside
    lone_found, lone_true = found_in.copy(), true_in.copy()
    lone_found[pairs[:, 0]] = False
    lone_true[pairs[:, 1]] = False
    matched = true_kind[pairs[true_in[pairs[:, 1]], 1]]
    parts = (matched, found_kind[lone_found], true_kind[lone_true])
    return Counts(*(np.bincount(part, minlength=n_classes) for part in parts))
