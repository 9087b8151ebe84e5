"""Pixels that no step can use, made harmless before anything is measured."""

from __future__ import annotations

import numpy as np

from ..base.errors import DataError


def finite_frame(frame: np.ndarray) -> tuple[np.ndarray, int]:
    """Replace pixels that are not finite by the frame's median.

    Parameters
    ----------
    frame : array (Y, X)
        Real pixels of any type.

    Returns
    -------
    frame : array (Y, X)
        The same array where every pixel is finite, else a float32 copy; zeros where no pixel is finite.
    n_replaced : int
        How many pixels were not finite.

    Raises
    ------
    DataError
        If the pixels are complex or no numbers.

    Examples
    --------
    >>> finite_frame(np.array([[1.0, np.nan], [1.0, 3.0]]))[1]
    1
    """
    if frame.dtype.kind in "biu":
        return frame, 0
    if frame.dtype.kind != "f":
        raise DataError(
            f"expected real pixels, got {frame.dtype}; take the modulus or the phase of complex images first"
        )
    finite = np.isfinite(frame)
    n_replaced = int(frame.size - np.count_nonzero(finite))
    if n_replaced == 0:
        return frame, 0
    middle = np.median(frame[finite]) if n_replaced < frame.size else 0.0
    return np.where(finite, frame, middle).astype(np.float32), n_replaced
