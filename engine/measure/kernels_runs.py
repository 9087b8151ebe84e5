"""Compiled passes over runs: extract, connect, paint, intersect, sum. Imported only where numba is used."""

from __future__ import annotations

import numpy as np
from numba import njit

ALL_SET = np.uint64(0x0101010101010101)


@njit(cache=True, nogil=True)
def _grown(runs: np.ndarray) -> np.ndarray:
    larger = np.empty((2 * runs.shape[0], 4), np.int32)
    larger[: runs.shape[0]] = runs
    return larger


@njit(cache=True, nogil=True)
def _skip(pixels: np.ndarray, words: np.ndarray, start: int, stop: int, whole: int) -> int:
    """Find the first pixel from `start` on that ends a stretch of equal words (0 or all set)."""
    value = np.uint8(0) if whole == 0 else np.uint8(1)
    word = np.uint64(0) if whole == 0 else ALL_SET
    position = start
    while position < stop:
        if position & 7 == 0:
            # Eight pixels at a time: most of a frame is background, most of a particle is not.
            while position + 8 <= stop and words[position >> 3] == word:
                position += 8
            if position >= stop:
                break
        if pixels[position] != value:
            break
        position += 1
    return position


@njit(cache=True, nogil=True)
def mask_runs(pixels: np.ndarray, words: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    """Extract runs of a flat mask of 0 and 1 (uint8, also seen as uint64 words); their label is 0."""
    runs = np.empty((4096, 4), np.int32)
    count = 0
    for row in range(n_rows):
        base = row * n_columns
        stop = base + n_columns
        position = _skip(pixels, words, base, stop, 0)
        while position < stop:
            end = _skip(pixels, words, position, stop, 1)
            if count == runs.shape[0]:
                runs = _grown(runs)
            runs[count, 0] = row
            runs[count, 1] = position - base
            runs[count, 2] = end - base
            runs[count, 3] = 0
            count += 1
            position = _skip(pixels, words, end, stop, 0)
    return runs[:count].copy()


@njit(cache=True, nogil=True)
def label_image_runs(labels: np.ndarray) -> np.ndarray:
    """Extract runs of equal labels (int32) other than 0."""
    runs = np.empty((4096, 4), np.int32)
    count = 0
    n_columns = labels.shape[1]
    for row in range(labels.shape[0]):
        before = np.int32(0)
        for column in range(n_columns):
            label = labels[row, column]
            if label == before:
                continue
            if before != 0:
                runs[count - 1, 2] = column
            if label != 0:
                if count == runs.shape[0]:
                    runs = _grown(runs)
                runs[count, 0] = row
                runs[count, 1] = column
                runs[count, 3] = label
                count += 1
            before = label
        if before != 0:
            runs[count - 1, 2] = n_columns
    return runs[:count].copy()


@njit(cache=True, nogil=True)
def paint(runs: np.ndarray, labels: np.ndarray) -> None:
    """Write every run's label into a frame."""
    for index in range(runs.shape[0]):
        row, start, end, label = runs[index]
        for column in range(start, end):
            labels[row, column] = label


@njit(cache=True, nogil=True)
def _root(parents: np.ndarray, index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


@njit(cache=True, nogil=True)
def connect(runs: np.ndarray) -> int:
    """Label 8-connected components in place, 1..n in raster order of first pixel; return n."""
    n_runs = runs.shape[0]
    parents = np.arange(n_runs)
    above = 0
    for index in range(n_runs):
        row, start, end, _ = runs[index]
        while above < index and (
            runs[above, 0] < row - 1 or (runs[above, 0] == row - 1 and runs[above, 2] < start)
        ):
            above += 1
        other = above
        while other < index and runs[other, 0] == row - 1 and runs[other, 1] <= end:
            a = _root(parents, index)
            b = _root(parents, other)
            # The earliest run of a component is its root, so that roots come in raster order.
            if a < b:
                parents[b] = a
            else:
                parents[a] = b
            other += 1
    count = 0
    for index in range(n_runs):
        root = _root(parents, index)
        if root == index:
            count += 1
            runs[index, 3] = count
        else:
            runs[index, 3] = runs[root, 3]
    return count


@njit(cache=True, nogil=True)
def intersect(a: np.ndarray, b: np.ndarray, down: int, right: int) -> np.ndarray:
    """List stretches common to runs `a` and runs `b` moved by (down, right): label, label, pixels."""
    found = np.empty((a.shape[0] + b.shape[0], 3), np.int64)
    count = 0
    i = 0
    j = 0
    while i < a.shape[0] and j < b.shape[0]:
        row_a = a[i, 0]
        row_b = b[j, 0] + down
        if row_a != row_b:
            if row_a < row_b:
                i += 1
            else:
                j += 1
            continue
        end_a = a[i, 2]
        end_b = b[j, 2] + right
        common = min(end_a, end_b) - max(a[i, 1], b[j, 1] + right)
        if common > 0:
            found[count, 0] = a[i, 3]
            found[count, 1] = b[j, 3]
            found[count, 2] = common
            count += 1
        if end_a < end_b:
            i += 1
        else:
            j += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def sum_pixels(runs: np.ndarray, ranks: np.ndarray, image: np.ndarray, n_labels: int) -> np.ndarray:
    """Sum an image over each label, in float64 and raster order."""
    sums = np.zeros(n_labels)
    for index in range(runs.shape[0]):
        row, start, end, _ = runs[index]
        total = sums[ranks[index]]
        for column in range(start, end):
            total += np.float64(image[row, column])
        sums[ranks[index]] = total
    return sums


@njit(cache=True, nogil=True)
def _chain_area(points: np.ndarray, side: int) -> int:
    """Twice the area between the column axis and a convex chain; side 1 bulges right, -1 left."""
    kept = np.empty(points.shape[0], np.int64)
    size = 0
    for index in range(points.shape[0]):
        while size >= 2:
            y0, x0 = points[kept[size - 2]]
            y1, x1 = points[kept[size - 1]]
            y2, x2 = points[index]
            if side * ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) > 0:
                break
            size -= 1
        kept[size] = index
        size += 1
    area = 0
    for index in range(1, size):
        y0, x0 = points[kept[index - 1]]
        y1, x1 = points[kept[index]]
        area += (x0 + x1) * (y1 - y0)
    return area


@njit(cache=True, nogil=True)
def hull_areas(extents: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Convex hull area of each label's pixel corners; extents are (row, first column, end) in row order."""
    areas = np.empty(starts.shape[0] - 1)
    for label in range(starts.shape[0] - 1):
        rows = extents[starts[label] : starts[label + 1]]
        left = np.empty((2 * rows.shape[0], 2), np.int64)
        right = np.empty((2 * rows.shape[0], 2), np.int64)
        for index in range(rows.shape[0]):
            for corner in range(2):
                left[2 * index + corner, 0] = rows[index, 0] + corner
                left[2 * index + corner, 1] = rows[index, 1]
                right[2 * index + corner, 0] = rows[index, 0] + corner
                right[2 * index + corner, 1] = rows[index, 2]
        areas[label] = (_chain_area(right, 1) - _chain_area(left, -1)) / 2
    return areas
