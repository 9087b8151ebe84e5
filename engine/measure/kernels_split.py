"""Compiled split of touching particles: distance map, maxima, watershed and necks, component by component.

Every component lies in a box of its own with one pixel of background around it. The functions follow the
plain path of instances.py step by step, so that both give the same labels.
"""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
from numba import njit

FAR = 1 << 30


@njit(cache=True, nogil=True)
def _squared_distances(
    runs: np.ndarray, corner: tuple[int, int], frame: tuple[int, int], box: np.ndarray
) -> None:
    """Fill a zeroed box with squared distances to the nearest background pixel inside the frame.

    First along columns, then, run by run, the lower envelope of the parabolas of the run's columns and of the
    two background pixels beside it: no pixel further away in the row can be nearer.
    """
    n_runs = runs.shape[0]
    for index in range(n_runs):
        row = runs[index, 0] - corner[0]
        for column in range(runs[index, 1] - corner[1], runs[index, 2] - corner[1]):
            box[row, column] = FAR if runs[index, 0] == 0 else min(box[row - 1, column] + 1, FAR)
    for index in range(n_runs - 1, -1, -1):
        row = runs[index, 0] - corner[0]
        if runs[index, 0] < frame[0] - 1:
            for column in range(runs[index, 1] - corner[1], runs[index, 2] - corner[1]):
                box[row, column] = min(box[row, column], box[row + 1, column] + 1)
    width = box.shape[1] + 1
    columns = np.empty(width, np.int64)
    heights = np.empty(width, np.int64)
    borders = np.empty(width + 1)
    halves = 0.5 / np.maximum(np.arange(width + 1), 1)
    for index in range(n_runs):
        line = box[runs[index, 0] - corner[0]]
        start = runs[index, 1] - corner[1]
        end = runs[index, 2] - corner[1]
        first = start - 1 if runs[index, 1] > 0 else start
        last = end if runs[index, 2] < frame[1] else end - 1
        size = 0
        for column in range(first, last + 1):
            distance = np.int64(line[column])
            if distance >= FAR:
                continue
            height = distance * distance + column * column
            border = -1.0
            while size > 0:
                border = (height - heights[size - 1]) * halves[column - columns[size - 1]]
                if border > borders[size - 1]:
                    break
                size -= 1
            columns[size] = column
            heights[size] = height
            borders[size] = border if size > 0 else -1.0
            size += 1
        borders[size] = width + 1.0
        part = 0
        for column in range(start, end):
            while borders[part + 1] < column:
                part += 1
            offset = column - columns[part]
            line[column] = heights[part] - columns[part] * columns[part] + offset * offset


@njit(cache=True, nogil=True)
def _is_top(box: np.ndarray, marks: np.ndarray, row: int, column: int, stack: np.ndarray) -> bool:
    """Say whether the plateau of a pixel, its first one, is a maximum, and mark it as seen."""
    n_columns = box.shape[1]
    height = box[row, column]
    marks[row, column] = 2
    stack[0] = row * n_columns + column
    size = 1
    top = True
    while size > 0:
        size -= 1
        here_row = stack[size] // n_columns
        here_column = stack[size] - here_row * n_columns
        for r in range(here_row - 1, here_row + 2):
            for c in range(here_column - 1, here_column + 2):
                if box[r, c] == height and marks[r, c] != 2:
                    if marks[r, c] == 0:
                        top = False
                    else:
                        marks[r, c] = 2
                        stack[size] = r * n_columns + c
                        size += 1
    return top


@njit(cache=True, nogil=True)
def _maxima(runs: np.ndarray, corner: tuple[int, int], box: np.ndarray) -> np.ndarray:
    """List the first pixel of each plateau that no 8-neighbour tops, as flat indices in raster order."""
    marks = np.zeros(box.shape, np.uint8)
    count = 0
    for index in range(runs.shape[0]):
        row = runs[index, 0] - corner[0]
        above, line, below, mark = box[row - 1], box[row], box[row + 1], marks[row]
        # No branches: this loop over all foreground pixels is to become vector instructions.
        for c in range(runs[index, 1] - corner[1], runs[index, 2] - corner[1]):
            height = line[c]
            beside = (height >= line[c - 1]) & (height >= line[c + 1])
            over = (height >= above[c - 1]) & (height >= above[c]) & (height >= above[c + 1])
            under = (height >= below[c - 1]) & (height >= below[c]) & (height >= below[c + 1])
            mark[c] = beside & over & under
        for c in range(runs[index, 1] - corner[1], runs[index, 2] - corner[1]):
            count += mark[c]
    found = np.empty(count, np.int64)
    stack = np.empty(count, np.int64)
    size = 0
    for index in range(runs.shape[0]):
        row = runs[index, 0] - corner[0]
        for c in range(runs[index, 1] - corner[1], runs[index, 2] - corner[1]):
            if marks[row, c] == 1 and _is_top(box, marks, row, c, stack):
                found[size] = row * box.shape[1] + c
                size += 1
    return found[:size]


@njit(cache=True, nogil=True)
def _is_near(
    index: np.int64,
    n_columns: int,
    separation: float,
    kept: np.ndarray,
    lists: tuple[np.ndarray, ...],
    cells: tuple[int, int],
) -> bool:
    """Say whether a pixel is nearer than `separation` to one kept in the cells around its own."""
    heads, following = lists
    cell, across = cells
    for around in (-across, 0, across):
        for beside in range(cell + around - 1, cell + around + 2):
            other = heads[beside]
            while other >= 0:
                down = index // n_columns - kept[other] // n_columns
                right = index % n_columns - kept[other] % n_columns
                if down * down + right * right < separation * separation:
                    return True
                other = following[other]
    return False


@njit(cache=True, nogil=True)
def _spread(maxima: np.ndarray, box: np.ndarray, separation: float) -> np.ndarray:
    """Keep maxima, highest first and then in raster order, that are at least `separation` from those kept."""
    n_columns = box.shape[1]
    flat = box.reshape(-1)
    highest = 0
    for index in maxima:
        highest = max(highest, flat[index])
    keys = np.empty(maxima.shape[0], np.int64)
    for i in range(maxima.shape[0]):
        keys[i] = np.int64(highest - flat[maxima[i]]) * flat.shape[0] + maxima[i]
    keys.sort()
    kept = np.empty(maxima.shape[0], np.int64)
    # Kept ones are listed by square cells of one separation: only the nine around a maximum can be near.
    side = max(1, np.int64(ceil(separation)))
    across = n_columns // side + 3
    heads = np.full((box.shape[0] // side + 3) * across, -1, np.int64)
    following = np.empty(maxima.shape[0], np.int64)
    size = 0
    for key in keys:
        index = key % flat.shape[0]
        cell = (index // n_columns // side + 1) * across + index % n_columns // side + 1
        if _is_near(index, n_columns, separation, kept, (heads, following), (cell, across)):
            continue
        kept[size] = index
        following[size] = heads[cell]
        heads[cell] = size
        size += 1
    return kept[:size]


@njit(cache=True, nogil=True)
def _flood(box: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """Flood from the markers, highest pixels first and older ones first among equals: a watershed.

    A queue for every height serves instead of a heap.
    """
    n_columns = box.shape[1]
    flat = box.reshape(-1)
    regions = np.zeros(flat.shape[0], np.int32)
    level = flat[markers[0]]
    heads = np.full(level + 1, -1, np.int32)
    tails = np.full(level + 1, -1, np.int32)
    following = np.full(flat.shape[0], -1, np.int32)
    steps = (-n_columns, -1, 1, n_columns, -n_columns - 1, -n_columns + 1, n_columns - 1, n_columns + 1)
    for rank in range(markers.shape[0]):
        pixel = markers[rank]
        regions[pixel] = rank + 1
        height = flat[pixel]
        if heads[height] < 0:
            heads[height] = pixel
        else:
            following[tails[height]] = pixel
        tails[height] = pixel
    while level > 0:
        pixel = heads[level]
        if pixel < 0:
            level -= 1
            continue
        heads[level] = following[pixel]
        for step in steps:
            neighbour = pixel + step
            height = min(flat[neighbour], level)
            if height > 0 and regions[neighbour] == 0:
                regions[neighbour] = regions[pixel]
                if heads[height] < 0:
                    heads[height] = neighbour
                else:
                    following[tails[height]] = neighbour
                tails[height] = neighbour

    return regions.reshape(box.shape)


@njit(cache=True, nogil=True)
def _passes(runs: np.ndarray, corner: tuple[int, int], box: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """List where regions touch: height of the pass, smaller and larger region."""
    found = np.empty((64, 3), np.int64)
    count = 0
    for index in range(runs.shape[0]):
        row = runs[index, 0] - corner[0]
        line, below = regions[row], regions[row + 1]
        for column in range(runs[index, 1] - corner[1], runs[index, 2] - corner[1]):
            here = line[column]
            beside = (line[column + 1] == here) & (below[column - 1] == here)
            if beside & (below[column] == here) & (below[column + 1] == here):
                continue
            for down, right in ((0, 1), (1, -1), (1, 0), (1, 1)):
                there = regions[row + down, column + right]
                if there != 0 and there != here:
                    if count == found.shape[0]:
                        larger = np.empty((2 * count, 3), np.int64)
                        larger[:count] = found
                        found = larger
                    found[count, 0] = min(box[row, column], box[row + down, column + right])
                    found[count, 1] = min(here, there)
                    found[count, 2] = max(here, there)
                    count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _joined(passes: np.ndarray, peaks: np.ndarray, neck: float) -> np.ndarray:
    """Join regions over wide necks, highest pass first; return each region's joined one (index 0 unused)."""
    n_regions = peaks.shape[0]
    parents = np.arange(n_regions)
    order = np.argsort(passes[:, 1] * n_regions + passes[:, 2], kind="mergesort")
    order = order[np.argsort(-passes[order, 0], kind="mergesort")]
    for index in order:
        a = passes[index, 1]
        b = passes[index, 2]
        while parents[a] != a:
            parents[a] = parents[parents[a]]
            a = parents[a]
        while parents[b] != b:
            parents[b] = parents[parents[b]]
            b = parents[b]
        if a == b:
            continue
        height = sqrt(passes[index, 0])
        lower = sqrt(min(peaks[a], peaks[b]))
        if height > neck * lower or lower - height < 1.0:
            parents[max(a, b)] = min(a, b)
            peaks[min(a, b)] = max(peaks[a], peaks[b])
    for region in range(n_regions):
        parents[region] = parents[parents[region]]
    return parents


@njit(cache=True, nogil=True)
def _emit(
    runs: np.ndarray, corner: tuple[int, int], regions: np.ndarray, lookup: np.ndarray, base: int
) -> np.ndarray:
    """Cut runs where the region changes; labels are base + region."""
    cut = np.empty((2 * runs.shape[0] + 16, 4), np.int32)
    count = 0
    for index in range(runs.shape[0]):
        line = regions[runs[index, 0] - corner[0]]
        column = runs[index, 1]
        while column < runs[index, 2]:
            start = column
            region = lookup[line[column - corner[1]]]
            while column < runs[index, 2] and lookup[line[column - corner[1]]] == region:
                column += 1
            if count == cut.shape[0]:
                larger = np.empty((2 * count, 4), np.int32)
                larger[:count] = cut
                cut = larger
            cut[count, 0] = runs[index, 0]
            cut[count, 1] = start
            cut[count, 2] = column
            cut[count, 3] = base + region
            count += 1
    return cut[:count]


@njit(cache=True, nogil=True)
def split(
    runs: np.ndarray, starts: np.ndarray, frame: tuple[int, int], separation: float, neck: float
) -> np.ndarray:
    """Split components, given as runs sorted by component and offsets of each, at their necks.

    Returns runs with labels of their own for each part, component after component; neck 1 or more joins
    nothing.
    """
    out = np.empty((2 * runs.shape[0] + 16, 4), np.int32)
    count = 0
    base = 0
    for component in range(starts.shape[0] - 1):
        own = runs[starts[component] : starts[component + 1]]
        corner = (own[0, 0] - 1, own[:, 1].min() - 1)
        box = np.zeros((own[-1, 0] + 2 - corner[0], own[:, 2].max() + 1 - corner[1]), np.int32)
        _squared_distances(own, corner, frame, box)
        markers = _spread(_maxima(own, corner, box), box, separation)
        n_regions = markers.shape[0] + 1
        lookup = np.arange(n_regions)
        parts = own
        if n_regions > 2:
            regions = _flood(box, markers)
            if neck < 1.0:
                peaks = np.zeros(n_regions, np.int64)
                for rank in range(1, n_regions):
                    peaks[rank] = box.reshape(-1)[markers[rank - 1]]
                lookup = _joined(_passes(own, corner, box, regions), peaks, neck)
            parts = _emit(own, corner, regions, lookup, base)
        if count + parts.shape[0] > out.shape[0]:
            larger = np.empty((2 * (count + parts.shape[0]), 4), np.int32)
            larger[:count] = out[:count]
            out = larger
        out[count : count + parts.shape[0]] = parts
        if n_regions <= 2:
            out[count : count + parts.shape[0], 3] = base + 1
        count += parts.shape[0]
        base += n_regions
    return out[:count].copy()
