"""Masks into instances: connected components, cut where particles touch by a watershed of distances."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, isfinite, sqrt

import numpy as np
from scipy import ndimage

from ..base.compiled import use_compiled
from ..base.errors import SettingsError
from .runs import check_mask, label_runs, labels_of_runs, number_by_first_pixel, runs_of_labels

_EVERY_NEIGHBOUR = np.ones((3, 3), bool)


def label_instances(
    mask: np.ndarray,
    *,
    min_separation_px: float,
    neck: float | None = 0.8,
    compiled: bool | None = None,
) -> np.ndarray:
    """Label the particles of a mask, cut apart where they touch.

    Parameters
    ----------
    mask : array (Y, X), bool or integer
        Foreground is True, or not 0.
    min_separation_px : float
        Least distance of two particles' centres [px], above 0; particles of an area below its square are
        dropped.
    neck : float or None
        Two parts stay one particle where the neck between them is wider than this fraction of the narrower
        one, above 0; None (or 1) cuts at every neck, which is the published rule.
    compiled : bool or None
        True asks for numba, False for SciPy and scikit-image, None takes numba where it is installed.

    Returns
    -------
    array (Y, X), int32
        Labels 1..n in raster order of the particles' first pixels; 0 is background.

    Raises
    ------
    DataError
        If the mask is not a 2-D array of bool or integers.
    SettingsError
        If the separation or the neck is not above 0.

    Notes
    -----
    Each 8-connected component has markers at the maxima of its Euclidean distance map D, taken in falling
    order of D and then in raster order, that are at least the separation from those taken before. A watershed
    of −D from the markers cuts it [1]_. Pixels beyond the frame are neither particle nor background. Then
    regions are joined again, highest pass first, where the pass between them, the largest over their border
    of the smaller D across it, is above `neck` times the smaller of their two peaks of D, or less than 1 px
    below it: there the cut would follow the roughness of the outline, not two particles. Equal discs of
    radius R are cut where their centres are more than 2·R·√(1 − neck²) apart, 1.2·R by default.

    References
    ----------
    .. [1] Section 3.5 of the thesis that the README names.

    Examples
    --------
    >>> y, x = np.mgrid[:40, :60]
    >>> int(label_instances(np.hypot(y - 20, abs(x - 30) - 14) < 15, min_separation_px=8).max())
    2
    """
    mask = check_mask(mask)
    runs = instance_runs(mask, min_separation_px=min_separation_px, neck=neck, compiled=compiled)
    rows, columns = mask.shape
    return labels_of_runs(runs, (rows, columns), compiled=compiled)


def instance_runs(
    mask: np.ndarray,
    *,
    min_separation_px: float,
    neck: float | None = 0.8,
    compiled: bool | None = None,
) -> np.ndarray:
    """List the runs of a mask's particles, cut apart where they touch.

    Parameters
    ----------
    mask : array (Y, X), bool or integer
        Foreground is True, or not 0.
    min_separation_px : float
        Least distance of two particles' centres [px], as in `label_instances`.
    neck : float or None
        Width of a neck that is not cut, as in `label_instances`.
    compiled : bool or None
        True asks for numba, False for SciPy and scikit-image, None takes numba where it is installed.

    Returns
    -------
    array (n, 4), int32
        Row, first column, end column (excluded) and label of each run; what `label_instances` paints.

    Raises
    ------
    DataError
        If the mask is not a 2-D array of bool or integers.
    SettingsError
        If the separation or the neck is not above 0.

    Examples
    --------
    >>> instance_runs(np.ones((2, 3), bool), min_separation_px=1).tolist()
    [[0, 0, 3, 1], [1, 0, 3, 1]]
    """
    if not (isfinite(min_separation_px) and min_separation_px > 0):
        raise SettingsError(f"expected a least separation above 0 px, got {min_separation_px}; raise it")
    if neck is not None and not 0 < neck <= 1:
        raise SettingsError(
            f"expected a neck above 0 and up to 1, or None, got {neck}; 0.8 suits most movies"
        )
    mask = check_mask(mask)
    runs = label_runs(mask, compiled=compiled)
    separation = float(min_separation_px)
    runs = _drop_small(runs, separation)
    # Without any background there is no distance to it, and nothing to cut.
    if len(runs) == 0 or _areas(runs).max() == mask.size:
        return number_by_first_pixel(runs)
    runs = runs[np.argsort(runs[:, 3], kind="stable")]
    starts = np.append(np.flatnonzero(np.diff(runs[:, 3], prepend=-1)), len(runs))
    frame = (mask.shape[0], mask.shape[1])
    wanted_neck = 1.0 if neck is None else float(neck)
    if use_compiled(compiled):
        from .kernels_split import split

        parts = split(runs, starts, frame, separation, wanted_neck)
    else:
        parts = _split(runs, starts, frame, separation, wanted_neck)
    parts = _drop_small(parts, separation)
    order = np.argsort(parts[:, 0].astype(np.int64) * frame[1] + parts[:, 1])
    return number_by_first_pixel(parts[order])


def _areas(runs: np.ndarray) -> np.ndarray:
    return np.bincount(runs[:, 3], weights=runs[:, 2] - runs[:, 1])


def _drop_small(runs: np.ndarray, separation: float) -> np.ndarray:
    if len(runs) == 0:
        return runs
    return runs[(_areas(runs) >= separation * separation)[runs[:, 3]]]


def _split(
    runs: np.ndarray, starts: np.ndarray, frame: tuple[int, int], separation: float, neck: float
) -> np.ndarray:
    """Split components at their necks: the plain twin of kernels_split.split."""
    out = []
    base = 0
    for first, end in pairwise(starts.tolist()):
        own = runs[first:end]
        # One pixel of background around the component holds the nearest background of all its pixels.
        corner = np.maximum([own[0, 0] - 1, own[:, 1].min() - 1], 0)
        stop = np.minimum([own[-1, 0] + 2, own[:, 2].max() + 1], frame)
        inside = own - np.array([corner[0], corner[1], corner[1], own[0, 3] - 1], np.int32)
        mask = labels_of_runs(inside, (stop[0] - corner[0], stop[1] - corner[1]), compiled=False) > 0
        heights = np.rint(ndimage.distance_transform_edt(mask) ** 2).astype(np.int64)
        markers = _spread(_maxima(heights), heights, separation)
        regions = mask.astype(np.int32)
        if len(markers) > 1:
            regions = _flood(heights, markers, mask)
            if neck < 1.0:
                peaks = [0, *heights[tuple(markers.T)].tolist()]
                regions = _joined(_passes(heights, regions), peaks, neck)[regions]
        parts = runs_of_labels(regions, compiled=False)
        out.append(parts + np.array([corner[0], corner[1], corner[1], base], np.int32))
        base += len(markers) + 1
    return np.concatenate(out).astype(np.int32)


def _maxima(heights: np.ndarray) -> np.ndarray:
    """First pixel (row, column) of each plateau that no 8-neighbour tops, in raster order."""
    from skimage.morphology import local_maxima

    plateaus, _ = ndimage.label(local_maxima(heights, connectivity=2), structure=_EVERY_NEIGHBOUR)
    labels, first = np.unique(plateaus, return_index=True)
    return np.stack(np.unravel_index(np.sort(first[labels > 0]), heights.shape), axis=1)


def _spread(maxima: np.ndarray, heights: np.ndarray, separation: float) -> np.ndarray:
    """Maxima, highest first and then in raster order, that are at least `separation` from those kept."""
    order = np.argsort(-heights[tuple(maxima.T)], kind="stable")
    # Kept ones are listed by square cells of one separation: only the nine around a maximum can be near.
    side = max(1, ceil(separation))
    cells: dict[tuple[int, int], list[tuple[int, int]]] = {}
    kept = []
    for row, column in maxima[order].tolist():
        y, x = row // side, column // side
        around = ((y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1))
        others = (other for cell in around for other in cells.get(cell, ()))
        limit = separation * separation
        if all((row - r) ** 2 + (column - c) ** 2 >= limit for r, c in others):
            cells.setdefault((y, x), []).append((row, column))
            kept.append((row, column))
    return np.array(kept)


def _flood(heights: np.ndarray, markers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Watershed from the markers; region r grows from marker r − 1."""
    from skimage.segmentation import watershed

    places = tuple(markers.T)
    count = len(markers)
    seeds = np.zeros(heights.shape, np.int32)
    seeds[places] = np.arange(1, count + 1)
    depths = -heights.astype(np.float64)
    # Less than a step between heights: markers of equal height start in their order, not in the heap's.
    depths[places] -= np.arange(count, 0, -1) / (count + 1)
    return np.asarray(watershed(depths, seeds, connectivity=2, mask=mask))


def _passes(heights: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Where regions touch: height of the pass, smaller and larger region (n, 3)."""
    n_rows, n_columns = heights.shape
    found = []
    for down, right in ((0, 1), (1, -1), (1, 0), (1, 1)):
        here = np.s_[: n_rows - down, max(0, -right) : n_columns - max(0, right)]
        there = np.s_[down:, max(0, right) : n_columns + min(0, right)]
        a, b = regions[here], regions[there]
        touch = (a != b) & (a > 0) & (b > 0)
        a, b = a[touch], b[touch]
        height = np.minimum(heights[here][touch], heights[there][touch])
        found.append(np.stack([height, np.minimum(a, b), np.maximum(a, b)], axis=1))
    passes = np.unique(np.concatenate(found), axis=0)
    return passes[np.lexsort((passes[:, 2], passes[:, 1], -passes[:, 0]))]


def _joined(passes: np.ndarray, peaks: list[int], neck: float) -> np.ndarray:
    """Each region's joined one (index 0 unused): over wide necks, highest pass first."""
    parents = list(range(len(peaks)))
    for squared, a, b in passes.tolist():
        while parents[a] != a:
            a = parents[a]
        while parents[b] != b:
            b = parents[b]
        if a == b:
            continue
        height, lower = sqrt(squared), sqrt(min(peaks[a], peaks[b]))
        if height > neck * lower or lower - height < 1.0:
            parents[max(a, b)] = min(a, b)
            peaks[min(a, b)] = max(peaks[a], peaks[b])
    for region in range(len(parents)):
        parents[region] = parents[parents[region]]
    return np.array(parents, np.int32)
