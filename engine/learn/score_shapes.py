"""Scores of masks by their shapes: boundaries within a tolerance, instances matched one to one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from ..base.errors import DataError, SettingsError
from .scores import Counts


@dataclass(frozen=True)
class BoundaryCounts:
    """Pixels on boundaries, and those of them near the other boundary; added over frames with `+`.

    Parameters
    ----------
    true_px, found_px : int
        Pixels on the boundaries of truth and prediction.
    true_hit_px, found_hit_px : int
        Those of them within the tolerance of the other boundary.

    Examples
    --------
    >>> counts = BoundaryCounts(10, 10, 5, 10)
    >>> round((counts + counts).f1, 3)
    0.667
    """

    true_px: int
    found_px: int
    true_hit_px: int
    found_hit_px: int

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(
            self.true_px + other.true_px,
            self.found_px + other.found_px,
            self.true_hit_px + other.true_hit_px,
            self.found_hit_px + other.found_hit_px,
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of both shares; 1 where there is no boundary at all, 0 where one is missing."""
        if self.true_px == 0 or self.found_px == 0:
            return float(self.true_px == self.found_px)
        precision, recall = self.found_hit_px / self.found_px, self.true_hit_px / self.true_px
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def count_boundary(
    truth: np.ndarray,
    found: np.ndarray,
    *,
    tolerance_px: float | None = None,
    tolerance_nm: float | None = None,
    pixel_nm: float | None = None,
) -> BoundaryCounts:
    """Count the pixels of two masks' boundaries that lie near each other.

    Parameters
    ----------
    truth, found : arrays (Y, X), bool or integer
        Masks of one frame; a boundary is the pixels of the mask beside a pixel without it.
    tolerance_px : float or None
        Distance that counts as near [px].
    tolerance_nm, pixel_nm : float or None
        The same distance [nm] and the side of a pixel [nm], instead of `tolerance_px`.

    Returns
    -------
    BoundaryCounts
        They add up over frames.

    Raises
    ------
    DataError
        If the masks are not (Y, X) of one shape.
    SettingsError
        If there is no tolerance of 0 or more, or two of them.

    Notes
    -----
    The frame's edge makes no boundary: a mask that covers the frame has none.

    Examples
    --------
    >>> mask = np.pad(np.ones((4, 4), bool), 3)
    >>> count_boundary(mask, np.roll(mask, 1, axis=0), tolerance_px=1).f1
    1.0
    """
    tolerance = _tolerance(tolerance_px, tolerance_nm, pixel_nm)
    true_edge, found_edge = (_boundary(mask) for mask in _masks(truth, found))
    return BoundaryCounts(
        int(np.count_nonzero(true_edge)),
        int(np.count_nonzero(found_edge)),
        _count_near(true_edge, found_edge, tolerance),
        _count_near(found_edge, true_edge, tolerance),
    )


def count_instances(
    truth: np.ndarray, found: np.ndarray, *, least_iou: float = 0.5, min_area_px: int = 20
) -> Counts:
    """Match the instances of two frames one to one, and count them.

    Parameters
    ----------
    truth, found : arrays (Y, X), bool or integer
        Of bool, masks, whose pieces (joined along edges, not corners) are the instances; of integers, labels,
        0 for background.
    least_iou : float
        Least intersection over union of a match, above 0, at most 1.
    min_area_px : int
        Smaller instances are specks: they are not counted on either side.

    Returns
    -------
    Counts
        Of one class, arrays (1,); they add up over frames.

    Raises
    ------
    DataError
        If the frames are not (Y, X) of one shape, or labels are negative.
    SettingsError
        If the least IoU or area is outside its range.

    Notes
    -----
    As many pairs as possible are matched, of these those with most overlap (Hungarian method). An instance
    without a partner is forgiven where it and a speck of the other side overlap by `least_iou`: the two
    differ by the pixel that makes one of them a speck.

    Examples
    --------
    >>> truth = np.kron([[1, 0, 2]], np.ones((5, 5), int))
    >>> counts = count_instances(truth, truth == 1)
    >>> counts.f1.round(3).tolist(), counts.false_negative.tolist()
    ([0.667], [1])
    """
    if not 0 < least_iou <= 1:
        raise SettingsError(f"least_iou: expected above 0, at most 1, got {least_iou}")
    if min_area_px < 0:
        raise SettingsError(f"min_area_px: expected 0 or more, got {min_area_px}")
    _masks(truth, found)
    iou, true_area, found_area = _overlaps(_labels(truth), _labels(found))
    matches = iou >= least_iou - 1e-12
    large_true, large_found = true_area >= min_area_px, found_area >= min_area_px
    whole = np.ix_(large_true, large_found)
    # One match more outweighs any sum of overlaps.
    weight = np.where(matches[whole], matches.size + iou[whole], 0.0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    kept = matches[whole][rows, columns]
    lone_true = np.delete(np.flatnonzero(large_true), rows[kept])
    lone_found = np.delete(np.flatnonzero(large_found), columns[kept])
    missed = ~matches[np.ix_(lone_true, ~large_found)].any(axis=1)
    spurious = ~matches[np.ix_(~large_true, lone_found)].any(axis=0)
    parts = (kept, spurious, missed)
    return Counts(*(np.array([np.count_nonzero(part)], np.int64) for part in parts))


def _tolerance(tolerance_px: float | None, tolerance_nm: float | None, pixel_nm: float | None) -> float:
    """Find the tolerance [px]."""
    if (tolerance_px is None) == (tolerance_nm is None):
        raise SettingsError("expected either tolerance_px, or tolerance_nm with pixel_nm")
    if tolerance_nm is not None:
        if pixel_nm is None or not 0 < pixel_nm < math.inf:
            raise SettingsError(f"pixel_nm: expected above 0 nm with tolerance_nm, got {pixel_nm}")
        tolerance_px = tolerance_nm / pixel_nm
    if tolerance_px is None or not tolerance_px >= 0:
        raise SettingsError(f"tolerance: expected 0 or more, got {tolerance_px}")
    return float(tolerance_px)


def _masks(truth: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames = np.asarray(truth), np.asarray(found)
    for frame in frames:
        if frame.ndim != 2 or frame.size == 0 or frame.dtype.kind not in "bui":
            raise DataError(
                f"expected masks (Y, X) of bool or integers, got {frame.dtype} of shape {frame.shape}; "
                "apply a threshold to probabilities first"
            )
        if frame.dtype.kind == "i" and frame.min() < 0:
            raise DataError(f"expected labels of 0 or more, got {frame.min()}")
    if frames[0].shape != frames[1].shape:
        raise DataError(f"expected two masks of one shape, got {frames[0].shape} and {frames[1].shape}")
    return frames[0] > 0, frames[1] > 0


def _boundary(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask, border_value=1)


def _count_near(edge: np.ndarray, other: np.ndarray, tolerance_px: float) -> int:
    if not other.any():
        return 0
    distance = ndimage.distance_transform_edt(~other)
    return int(np.count_nonzero(distance[edge] <= tolerance_px + 1e-9))


def _labels(frame: np.ndarray) -> np.ndarray:
    """Give an instance a number each, from 1 without gaps."""
    array = np.asarray(frame)
    if array.dtype == bool:
        return ndimage.label(array)[0]
    _, numbers = np.unique(np.append(array.ravel(), 0), return_inverse=True)
    return numbers[:-1].reshape(array.shape)


def _overlaps(truth: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intersection over union of every two instances, an array (true, found), and their areas [px]."""
    n_true, n_found = int(truth.max()) + 1, int(found.max()) + 1
    pairs = truth.ravel().astype(np.int64) * n_found + found.ravel()
    shared = np.bincount(pairs, minlength=n_true * n_found).reshape(n_true, n_found)
    true_area, found_area = shared.sum(axis=1)[1:], shared.sum(axis=0)[1:]
    shared = shared[1:, 1:]
    return shared / (true_area[:, np.newaxis] + found_area - shared), true_area, found_area
