"""Compiled passes over a frame's pixels; imported only inside functions, where numba is installed.

Loops run along rows in float32 without reordering sums, so that every call gives the same bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def reduce_rows(image: np.ndarray, offset: np.float32, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average rows into blocks of rows.

    Parameters
    ----------
    image : array (Y, X), real
        Pixels.
    offset : float32
        Subtracted from each pixel, to keep digits.
    first : array (B,), int64
        First row of each block.
    weights : array (B, R), float32
        Weight of the block's R rows; zeros at the end where it has fewer.

    Returns
    -------
    array (B, X), float32
        Weighted sums of rows.
    """
    n_blocks, depth = weights.shape
    columns = image.shape[1]
    sums = np.zeros((n_blocks, columns), np.float32)
    for block in range(n_blocks):
        for step in range(depth):
            weight = weights[block, step]
            if weight > 0:
                row = first[block] + step
                for x in range(columns):
                    sums[block, x] += weight * (np.float32(image[row, x]) - offset)
    return sums


@njit(cache=True, nogil=True)
def reduce_squares(
    image: np.ndarray,
    offset: np.float32,
    first: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    lower: np.ndarray,
    part: np.ndarray,
) -> np.ndarray:
    """Average squared deviations from the local mean into blocks of rows.

    Parameters
    ----------
    image, offset, first, weights
        As in `reduce_rows`.
    mean : array (B, X), float32
        Local mean at the blocks' centres, less the offset.
    lower : array (Y,), int64
        Row of `mean` above each image row; the row below it is the next.
    part : array (Y,), float32
        Weight of that next row, 0 to 1.

    Returns
    -------
    array (B, X), float32
        Weighted sums of squared deviations.
    """
    n_blocks, depth = weights.shape
    columns = image.shape[1]
    sums = np.zeros((n_blocks, columns), np.float32)
    for block in range(n_blocks):
        for step in range(depth):
            weight = weights[block, step]
            if weight > 0:
                row = first[block] + step
                above = mean[lower[row]]
                below = mean[min(lower[row] + 1, n_blocks - 1)]
                share = part[row]
                for x in range(columns):
                    local = above[x] + share * (below[x] - above[x])
                    deviation = np.float32(image[row, x]) - offset - local
                    sums[block, x] += weight * (deviation * deviation)
    return sums


@njit(cache=True, nogil=True)
def divide_deviation(
    image: np.ndarray,
    offset: np.float32,
    mean: np.ndarray,
    spread: np.ndarray,
    lower: np.ndarray,
    part: np.ndarray,
    limits: np.ndarray,
    result: np.ndarray,
) -> None:
    """Subtract the local mean and divide by the local standard deviation.

    Parameters
    ----------
    image, offset, mean, lower, part
        As in `reduce_squares`.
    spread : array (B, X), float32
        Local standard deviation at the blocks' centres.
    limits : array (2,), float32
        Least standard deviation to divide by, and the deviation that counts as none.
    result : array (Y, X), float32
        Takes the standardised image.
    """
    rows, columns = image.shape
    last = mean.shape[0] - 1
    least, none = limits[0], limits[1]
    for row in range(rows):
        above, below = mean[lower[row]], mean[min(lower[row] + 1, last)]
        upper_spread, lower_spread = spread[lower[row]], spread[min(lower[row] + 1, last)]
        share = part[row]
        for x in range(columns):
            local = above[x] + share * (below[x] - above[x])
            deviation = np.float32(image[row, x]) - offset - local
            width = upper_spread[x] + share * (lower_spread[x] - upper_spread[x])
            quotient = deviation / max(width, least)
            result[row, x] = quotient if abs(deviation) > none else np.float32(0)
