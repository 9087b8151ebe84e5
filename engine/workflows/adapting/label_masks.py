"""Labels that people make, whatever their kind, made into the masks that a network learns from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...base.errors import DataError

# Of a picture: most of its greys lie on edges, and each of them in many places.
_LEAST_SHARE_ON_EDGES = 0.5
_LEAST_PLACES = 2.0
_LEAST_REGION_PX = 3.0
_MOST_LOST = 0.3


def masks_of_labels(labels: np.ndarray, *, name: str = "masks") -> tuple[np.ndarray, int]:
    """Make the masks that a network learns from labels of one kind.

    Parameters
    ----------
    labels : array (T, Y, X)
        Masks (bool, or black and white), pictures of them in grey, probabilities from 0 to 1, or numbers of
        particles, 0 outside. What they are is decided over all of them.
    name : str
        What to call them where they are refused.

    Returns
    -------
    masks : array (T, Y, X), uint8
        1 inside; 0 where particles of two numbers touch, so that the network learns to keep them apart.
    parted_px : int
        How many pixels those are.

    Raises
    ------
    DataError
        If labels are no labels, nothing or everything is marked, or most of it would be lost.

    Examples
    --------
    >>> masks, parted_px = masks_of_labels(np.array([[[0, 2, 2, 2, 2, 2, 5, 5, 5]]]))
    >>> masks.tolist(), parted_px
    ([[[0, 1, 1, 1, 1, 0, 0, 1, 1]]], 2)
    """
    labels = np.asarray(labels)
    inside = labels_are_inside(labels, name=name)
    if not inside.any():
        raise DataError(f"{name}: expected masks that mark something, got {len(inside)} empty ones")
    if inside.all():
        raise DataError(
            f"{name}: expected 0 outside of particles, got masks that mark every pixel; take 0 for the "
            "background (labels of ilastik begin at 1: subtract 1)"
        )
    if not _are_numbers(labels) or _is_picture(labels):
        return inside.astype(np.uint8), 0
    masks = inside & ~np.stack([_touches_others(label) for label in labels])
    marked, kept = int(np.count_nonzero(inside)), int(np.count_nonzero(masks))
    if marked - kept > _MOST_LOST * marked:
        raise DataError(
            f"{name}: expected numbers of particles, but {100 * (1 - kept / marked):.0f} % of what they mark "
            "touches another number; give masks of 0 and 1 where particles need not be told apart"
        )
    return masks.astype(np.uint8), marked - kept


def labels_are_inside(labels: np.ndarray, *, name: str = "masks") -> np.ndarray:
    """Tell what labels of one kind mark, whatever their kind.

    Parameters
    ----------
    labels : array (T, Y, X)
        As `masks_of_labels` takes them.
    name : str
        What to call them where they are refused.

    Returns
    -------
    array (T, Y, X), bool
        True inside.

    Raises
    ------
    DataError
        If numbers are negative, not finite, neither whole nor probabilities, or those of a picture that is
        no mask.

    Examples
    --------
    >>> labels_are_inside(np.array([[[0.2, 0.7], [0.0, 1.0]]])).tolist()
    [[[False, True], [False, True]]]
    """
    numbers = np.asarray(labels)
    if numbers.dtype.kind not in "buif" or not np.isfinite(numbers).all():
        raise DataError(f"{name}: expected finite real numbers, got {numbers.dtype}")
    if numbers.dtype.kind == "b":
        return numbers
    least, most = numbers.min(initial=0), numbers.max(initial=0)
    if least < 0:
        raise DataError(f"{name}: expected 0 outside and more inside, got {least:g}")
    if not _are_numbers(numbers):
        if most > 1:
            raise DataError(f"{name}: expected probabilities from 0 to 1 or whole numbers, got {most:g}")
        return numbers > 0.5
    return _cut_picture(numbers, name) if _is_picture(numbers) else numbers > 0


def _are_numbers(labels: np.ndarray) -> bool:
    kind = labels.dtype.kind
    return kind in "ui" or (kind == "f" and all((label == np.floor(label)).all() for label in labels))


def _cut_picture(picture: np.ndarray, name: str) -> np.ndarray:
    """Cut a picture at half of its greys; one that has most of them in between shows no mask."""
    low, high = float(picture.min()), float(picture.max())
    inside = picture > (low + high) / 2
    between = (picture > low + (high - low) / 4) & (picture < high - (high - low) / 4)
    if np.count_nonzero(between) > np.count_nonzero(inside):
        raise DataError(
            f"{name}: expected masks, got pictures with more grey than white; give masks of 0 and 1, or "
            "numbers of particles"
        )
    return np.asarray(inside)


def _is_picture(labels: np.ndarray) -> bool:
    """Tell masks with grey edges, as smoothing and JPEG make them, from numbers of particles.

    A grey lies on edges, in many places; a particle's number fills a region, whose edge is the lesser part
    where particles are not tiny, and then it is one region.
    """
    # The greatest is white in a picture, and fills regions, too.
    white = labels.max(initial=0)
    if not white or labels.dtype.kind == "b":
        return False
    on_edges = in_all = regions = numbers = whites = 0
    for label in labels:
        grey = (label > 0) & (label < white)
        whites += int(np.count_nonzero(label == white))
        if not grey.any():
            continue
        in_all += int(np.count_nonzero(grey))
        on_edges += int(np.count_nonzero(grey & _touches_others(label)))
        found = list(_regions(np.where(grey, label, 0)))
        regions, numbers = regions + len(found), numbers + len(set(found))
    edges = in_all > 0 and on_edges >= _LEAST_SHARE_ON_EDGES * in_all
    scattered = in_all > 0 and regions >= _LEAST_PLACES * numbers
    full = labels.dtype.kind == "u" and white == np.iinfo(labels.dtype).max
    if edges:
        return scattered or (full and whites > in_all)
    # A good JPEG has few greys, hardly darker than white or brighter than black, here and there.
    return scattered and in_all < _LEAST_REGION_PX * regions


def _regions(label: np.ndarray) -> Iterator[int]:
    """Give the number of each connected region that has one number."""
    from skimage.measure import label as find_regions

    found = find_regions(label.astype(np.int64), background=0, connectivity=2)
    _, first = np.unique(found, return_index=True)
    numbers = label.ravel()[first]
    yield from (int(number) for number in numbers if number)


def _touches_others(label: np.ndarray) -> np.ndarray:
    """Mark pixels of a number that have a pixel of another one, not 0, among their neighbours."""
    from scipy import ndimage

    # What lies outside of all must not count as the least.
    least = ndimage.minimum_filter(np.where(label > 0, label, label.max()), size=3, mode="nearest")
    most = ndimage.maximum_filter(label, size=3, mode="nearest")
    return np.asarray((label > 0) & (least != most))
