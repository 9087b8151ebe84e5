"""Label frames as runs of pixels: a row, a first column, an end column and a label, four numbers a run.

A run is a longest stretch of equal labels above 0 in one row. Particles fill a small part of a frame and
hold together, so runs are hundreds of times fewer than pixels; what can be said of runs is said of them.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..base.compiled import use_compiled
from ..base.errors import DataError

_LARGEST = np.iinfo(np.int32).max


def runs_of_labels(labels: np.ndarray, *, compiled: bool | None = None) -> np.ndarray:
    """List the runs of equal labels of a frame.

    Parameters
    ----------
    labels : array (Y, X), integer or bool
        0 is background; labels need not be connected or complete.
    compiled : bool or None
        True asks for numba, False for NumPy alone, None takes numba where it is installed.

    Returns
    -------
    array (n, 4), int32
        Row, first column, end column (excluded) and label of each run, by row, then column.

    Raises
    ------
    DataError
        If the labels are not a 2-D array of integers from 0 to 2³¹ − 1.

    Examples
    --------
    >>> runs_of_labels(np.array([[0, 2, 2], [1, 1, 0]])).tolist()
    [[0, 1, 3, 2], [1, 0, 2, 1]]
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise DataError(
            f"expected labels (Y, X) of integers, got {labels.dtype} of shape {labels.shape}; "
            "give one frame of whole numbers"
        )
    if labels.dtype.itemsize > 2 and labels.dtype != np.int32 and labels.size:
        _check_range(int(labels.min()), int(labels.max()))
    labels = labels.astype(np.int32, copy=False)
    if use_compiled(compiled):
        from .kernels_runs import label_image_runs

        runs = label_image_runs(labels)
    else:
        runs = _plain_runs(labels)
    # Asked of the runs, where it costs nothing, and not of every pixel.
    _check_range(int(runs[:, 3].min(initial=0)), 0)
    return runs


def _check_range(smallest: int, largest: int) -> None:
    if smallest < 0 or largest > _LARGEST:
        raise DataError(
            f"expected labels from 0 to {_LARGEST}, got {smallest} to {largest}; "
            "use 0 for background and number particles from 1"
        )


def _plain_runs(labels: np.ndarray) -> np.ndarray:
    there = labels != 0
    first, last = there.copy(), there
    change = labels[:, 1:] != labels[:, :-1]
    first[:, 1:] &= change
    last[:, :-1] &= change
    rows, starts = np.nonzero(first)
    ends = np.nonzero(last)[1] + 1
    return np.column_stack([rows, starts, ends, labels[rows, starts]]).astype(np.int32)


def labels_of_runs(runs: np.ndarray, shape: tuple[int, int], *, compiled: bool | None = None) -> np.ndarray:
    """Paint runs into a label frame.

    Parameters
    ----------
    runs : array (n, 4), integer
        Row, first column, end column (excluded) and label of each run.
    shape : (int, int)
        Rows and columns of the frame.
    compiled : bool or None
        True asks for numba, False for NumPy alone, None takes numba where it is installed.

    Returns
    -------
    array (Y, X), int32
        Labels; 0 where there is no run.

    Raises
    ------
    DataError
        If the runs are not of that form, or leave the frame.

    Examples
    --------
    >>> labels_of_runs(np.array([[0, 1, 3, 2]]), (1, 4)).tolist()
    [[0, 2, 2, 0]]
    """
    runs = check_runs(runs, shape)
    labels = np.zeros(shape, np.int32)
    if use_compiled(compiled):
        from .kernels_runs import paint

        paint(runs, labels)
        return labels
    for row, start, end, label in runs.tolist():
        labels[row, start:end] = label
    return labels


def label_runs(mask: np.ndarray, *, compiled: bool | None = None) -> np.ndarray:
    """List the runs of a mask, labelled by 8-connected component.

    Parameters
    ----------
    mask : array (Y, X), bool or integer
        Foreground is True, or not 0.
    compiled : bool or None
        True asks for numba, False for SciPy, None takes numba where it is installed.

    Returns
    -------
    array (n, 4), int32
        Row, first column, end column (excluded) and component of each run; components are numbered 1..n in
        raster order of their first pixel.

    Raises
    ------
    DataError
        If the mask is not a 2-D array of bool or integers.

    Examples
    --------
    >>> label_runs(np.array([[1, 0, 1], [0, 1, 0]], bool)).tolist()
    [[0, 0, 1, 1], [0, 2, 3, 1], [1, 1, 2, 1]]
    """
    mask = check_mask(mask)
    if use_compiled(compiled):
        from .kernels_runs import connect, mask_runs

        # A view of eight pixels a word needs pixels that lie together, from an address of whole words on.
        pixels = np.require(mask, requirements=["C", "A"]).reshape(-1).view(np.uint8)
        if pixels.ctypes.data % 8:
            pixels = pixels.copy()
        words = pixels[: pixels.size // 8 * 8].view(np.uint64)
        runs = mask_runs(pixels, words, *mask.shape)
        connect(runs)
        return runs
    components, _ = ndimage.label(mask, structure=np.ones((3, 3), bool))
    return number_by_first_pixel(runs_of_labels(components, compiled=False))


def relabel_runs(runs: np.ndarray, lookup: np.ndarray) -> np.ndarray:
    """Give runs other labels, for example the identities of a movie for the labels of a frame.

    Parameters
    ----------
    runs : array (n, 4), integer
        Row, first column, end column (excluded) and label of each run.
    lookup : array (m,), integer
        The new label of each old one, `lookup[label]`; runs whose new label is 0 are left out.

    Returns
    -------
    array (k, 4), int32
        The runs kept, in their order.

    Raises
    ------
    DataError
        If a label has no place in the lookup, or a new label is not from 0 to 2³¹ − 1.

    Examples
    --------
    >>> relabel_runs(np.array([[0, 1, 3, 2], [1, 0, 2, 1]]), np.array([0, 0, 7])).tolist()
    [[0, 1, 3, 7]]
    """
    runs = check_runs(runs, None)
    lookup = np.asarray(lookup)
    if len(runs) and runs[:, 3].max() >= len(lookup):
        raise DataError(
            f"expected a new label for each label up to {runs[:, 3].max()}, got {len(lookup)} values; "
            "give one for every label and for 0"
        )
    if lookup.size:
        _check_range(int(lookup.min()), int(lookup.max()))
    changed = runs.copy()
    changed[:, 3] = lookup[runs[:, 3]] if len(runs) else 0
    return changed[changed[:, 3] > 0]


def number_by_first_pixel(runs: np.ndarray) -> np.ndarray:
    """Renumber labels 1..n in raster order of their first pixel.

    Parameters
    ----------
    runs : array (n, 4), int32
        Runs by row, then column.

    Returns
    -------
    array (n, 4), int32
        The same runs with new labels.

    Examples
    --------
    >>> number_by_first_pixel(np.array([[0, 1, 3, 8], [1, 0, 2, 5]], np.int32))[:, 3].tolist()
    [1, 2]
    """
    _, first, inverse = np.unique(runs[:, 3], return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int32)
    order[np.argsort(first, kind="stable")] = np.arange(1, len(first) + 1, dtype=np.int32)
    numbered = runs.copy()
    numbered[:, 3] = order[inverse.reshape(-1)]
    return numbered


def check_mask(mask: np.ndarray) -> np.ndarray:
    """Make sure of a 2-D mask.

    Parameters
    ----------
    mask : array (Y, X), bool or integer
        Foreground is True, or not 0.

    Returns
    -------
    array (Y, X), bool
        The mask.

    Raises
    ------
    DataError
        If it is not 2-D, or of another kind.

    Examples
    --------
    >>> check_mask(np.array([[0, 3]])).tolist()
    [[False, True]]
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype.kind not in "bui":
        raise DataError(
            f"expected a mask (Y, X) of bool or integers, got {mask.dtype} of shape {mask.shape}; "
            "threshold probabilities first"
        )
    return mask if mask.dtype.kind == "b" else mask != 0


def check_runs(runs: np.ndarray, shape: tuple[int, int] | None) -> np.ndarray:
    """Make sure of runs in raster order that do not overlap.

    Parameters
    ----------
    runs : array (n, 4), integer
        Row, first column, end column (excluded) and label of each run.
    shape : (int, int) or None
        Rows and columns that they must lie in; None does not ask.

    Returns
    -------
    array (n, 4), int32
        The runs.

    Raises
    ------
    DataError
        If they are of another form, out of order, overlapping, or leave the frame.

    Examples
    --------
    >>> check_runs(np.array([[0, 1, 3, 2]]), (1, 4)).dtype
    dtype('int32')
    """
    runs = np.asarray(runs)
    if runs.ndim != 2 or runs.shape[1] != 4 or runs.dtype.kind not in "ui":
        raise DataError(
            f"expected runs (n, 4) of integers, got {runs.dtype} of shape {runs.shape}; "
            "make them with runs_of_labels"
        )
    runs = np.ascontiguousarray(runs, np.int32)
    rows, starts, ends, labels = runs.T
    limit = (_LARGEST, _LARGEST) if shape is None else shape
    if len(runs) and (rows.min() < 0 or starts.min() < 0 or rows.max() >= limit[0] or ends.max() > limit[1]):
        raise DataError(f"expected runs inside a frame of {limit[0]} × {limit[1]} pixels, got some outside")
    same_row = rows[1:] == rows[:-1]
    if (
        (starts >= ends).any()
        or (labels < 0).any()
        or (rows[1:] < rows[:-1]).any()
        or (same_row & (starts[1:] < ends[:-1])).any()
    ):
        raise DataError("expected runs by row, then column, that do not overlap; sort them first")
    return runs
