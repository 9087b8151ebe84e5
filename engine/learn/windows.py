"""Frames larger than a network takes at once: windows of one size, and their maps blended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..base.errors import DataError, SettingsError


@dataclass(frozen=True)
class WindowPlan:
    """Where windows lie in a frame, and each one's share of every pixel.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the frame.
    padded : (int, int)
        Those of the frame with what is added below and to the right, so that windows fit.
    window : (int, int)
        Those of every window.
    starts : (tuple of int, tuple of int)
        First rows and first columns of windows; there is a window at each pair.
    shares : (array (n, window rows), array (m, window columns)), float32
        Share of a window in each of its rows and columns; they sum to 1 over windows, and are 0 in the halo.

    Examples
    --------
    >>> plan_windows((1000, 700), window=512, overlap=32, multiple=16).window
    (368, 368)
    """

    shape: tuple[int, int]
    padded: tuple[int, int]
    window: tuple[int, int]
    starts: tuple[tuple[int, ...], tuple[int, ...]]
    shares: tuple[np.ndarray, np.ndarray]

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.starts[0]) * len(self.starts[1])


def plan_windows(
    shape: tuple[int, int],
    *,
    window: int,
    overlap: int,
    multiple: int = 1,
    halo: int = 0,
    least: int = 1,
) -> WindowPlan:
    """Lay the fewest windows of one size over a frame, evenly.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the frame [px].
    window : int
        Largest side of a window [px].
    overlap : int
        Least width over which neighbours are blended [px].
    multiple : int
        Sides and starts of windows are multiples of this, so that windows sample as the frame would.
    halo : int
        Width at a window's inner sides whose maps are not used [px]. Where it covers the network's receptive
        field, the result is that of the whole frame.
    least : int
        Least side that the network takes [px].

    Returns
    -------
    WindowPlan
        Windows and shares.

    Raises
    ------
    SettingsError
        If windows have no room beside halo and overlap, or a number is negative.

    Examples
    --------
    >>> plan = plan_windows((100, 40), window=64, overlap=8, halo=8)
    >>> plan.window, plan.starts
    ((62, 40), ((0, 38), (0,)))
    """
    if min(overlap, halo) < 0 or min(window, multiple, least) < 1:
        raise SettingsError(
            f"expected window, multiple and least side of 1 px or more, overlap and halo of 0 or more, got "
            f"{window}, {multiple}, {least}, {overlap} and {halo}"
        )
    if min(shape) < 1:
        raise DataError(f"expected a frame with pixels, got shape {tuple(shape)}")
    rows, columns = (_plan_axis(side, window, overlap, multiple, halo, least) for side in shape)
    return WindowPlan(
        (shape[0], shape[1]),
        (rows[0], columns[0]),
        (rows[1], columns[1]),
        (rows[2], columns[2]),
        (rows[3], columns[3]),
    )


def _plan_axis(
    length: int, window: int, overlap: int, multiple: int, halo: int, least: int
) -> tuple[int, int, tuple[int, ...], np.ndarray]:
    """Find, along one axis, padded length, side of windows, their starts and their shares."""
    padded = _round_up(max(length, least), multiple)
    largest = max(window // multiple * multiple, _round_up(least, multiple))
    if padded <= largest:
        return padded, padded, (0,), np.ones((1, padded), np.float32)
    common = _round_up(2 * halo + overlap, multiple)
    if largest <= common:
        raise SettingsError(
            f"windows of {largest} px have no room beside a halo of {halo} px on both sides and an overlap "
            f"of {overlap} px; take windows of more than {common} px"
        )
    count = math.ceil((padded - common) / (largest - common))
    side = _round_up(max(math.ceil((padded + (count - 1) * common) / count), least), multiple)
    steps = [number * (padded - side) // ((count - 1) * multiple) for number in range(count)]
    starts = tuple(step * multiple for step in steps)
    shares = np.zeros((count, side))
    for number in range(count):
        inner = slice(halo if number else 0, side - halo if number < count - 1 else side)
        shares[number, inner] = np.hamming(inner.stop - inner.start + 2)[1:-1]
    total = np.zeros(padded)
    for start, share in zip(starts, shares, strict=True):
        total[start : start + side] += share
    for start, share in zip(starts, shares, strict=True):
        share /= total[start : start + side]
    return padded, side, starts, shares.astype(np.float32)


def _round_up(pixels: int, multiple: int) -> int:
    return math.ceil(pixels / multiple) * multiple


def blend_windows(
    frame: np.ndarray, plan: WindowPlan, infer: Callable[[np.ndarray], np.ndarray], *, batch: int = 1
) -> np.ndarray:
    """Run a network over a frame's windows and blend their maps.

    Parameters
    ----------
    frame : array (Y, X, F), float32
        Standardised images.
    plan : WindowPlan
        Windows of a frame of that size.
    infer : callable
        Takes windows (B, window rows, window columns, F), float32, always as many; gives maps (B, …, C).
    batch : int
        Windows that are handed over at once; the last time some are repeated.

    Returns
    -------
    array (Y, X, C), float32
        Maps. Beside them and the frame, memory holds only one batch.

    Raises
    ------
    DataError
        If frame or maps are not of the planned shape.
    SettingsError
        If `batch` is less than 1.

    Notes
    -----
    Shares follow a Hamming window over the part of each window that is used. A frame smaller than a window,
    or not a multiple of what the network needs, is mirrored at its lower and right edge.

    Examples
    --------
    >>> frame = np.arange(80.0, dtype=np.float32).reshape(10, 8, 1)
    >>> plan = plan_windows((10, 8), window=6, overlap=2)
    >>> bool(np.allclose(blend_windows(frame, plan, lambda windows: 2 * windows), 2 * frame))
    True
    """
    if frame.ndim != 3 or frame.shape[:2] != plan.shape:
        raise DataError(f"expected a frame ({plan.shape[0]}, {plan.shape[1]}, F), got shape {frame.shape}")
    if batch < 1:
        raise SettingsError(f"batch: expected 1 or more, got {batch}")
    padded = _pad(frame, plan.padded)
    rows, columns = plan.window
    blended: np.ndarray | None = None
    for places in _batches(plan, min(batch, len(plan))):
        windows = np.stack([padded[y : y + rows, x : x + columns] for _, _, y, x in places])
        maps = np.asarray(infer(np.ascontiguousarray(windows, np.float32)))
        if maps.ndim != 4 or maps.shape[:3] != windows.shape[:3]:
            raise DataError(f"expected maps ({len(windows)}, {rows}, {columns}, C), got shape {maps.shape}")
        if blended is None:
            if len(plan) == 1:
                blended = maps[0].astype(np.float32)
                break
            blended = np.zeros((*plan.padded, maps.shape[3]), np.float32)
        for (down, right, y, x), one in zip(dict.fromkeys(places), maps, strict=False):
            share = plan.shares[0][down][:, np.newaxis, np.newaxis] * plan.shares[1][right][:, np.newaxis]
            blended[y : y + rows, x : x + columns] += share * one
    assert blended is not None
    return blended[: plan.shape[0], : plan.shape[1]]


def _batches(plan: WindowPlan, batch: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """Numbers and starts of windows, `batch` at a time; the last list is filled with its last window."""
    places = [(down, right, y, x) for (down, y), (right, x) in product(*map(enumerate, plan.starts))]
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        yield some + some[-1:] * (batch - len(some))


def _pad(frame: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mirror a frame at its lower and right edge."""
    for axis, side in enumerate(shape):
        width = [(0, 0)] * 3
        width[axis] = (0, side - frame.shape[axis])
        if side > frame.shape[axis]:
            frame = np.pad(frame, width, mode="reflect" if frame.shape[axis] > 1 else "edge")
    return frame
