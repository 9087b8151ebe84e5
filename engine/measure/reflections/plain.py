"""Plain passes over one particle's pixels and spectrum: those of `kernels`, without numba."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import numpy as np

from ...base.compiled import use_compiled


def reflection_kernels(compiled: bool | None) -> ModuleType:
    """Choose the compiled passes, or these: their functions bear the same names and agree to rounding.

    Parameters
    ----------
    compiled : bool or None
        True asks for numba, False for plain NumPy, None takes numba where it is installed.

    Returns
    -------
    module
        With soften, moments, flatten, power_over, ring_bins, outside, maxima, transform_moments and climb.

    Examples
    --------
    >>> reflection_kernels(False).__name__.split(".")[-1]
    'plain'
    """
    if use_compiled(compiled):
        from . import kernels

        return kernels
    return sys.modules[__name__]


def soften(inside: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Blur a mask; sums of shifted copies in a fixed order give the same bytes on every machine."""
    soft = inside.astype(np.float32)
    for axis in (1, 0):
        length = soft.shape[axis]
        blurred = soft * kernel[0]
        for shift in range(1, min(kernel.size, length)):
            ahead = (slice(shift, None),) if axis == 0 else (slice(None), slice(shift, None))
            behind = (slice(None, -shift),) if axis == 0 else (slice(None), slice(None, -shift))
            step = soft * kernel[shift]
            blurred[ahead] += step[behind]
            blurred[behind] += step[ahead]
        soft = blurred
    return soft


def moments(
    weights: np.ndarray, inside: np.ndarray, pixels: np.ndarray, cy: float, cx: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Sum as the compiled pass of this name does."""
    down = (np.arange(weights.shape[0]) - cy)[:, None] ** np.arange(5)
    across = (np.arange(weights.shape[1]) - cx)[:, None] ** np.arange(5)
    wide = weights.astype(np.float64)

    def sums(values: np.ndarray, order: int) -> np.ndarray:
        # Not a matrix product, whose order of summation depends on the number of threads.
        lines = np.einsum("yx,xb->yb", values, across[:, :order])
        return np.einsum("yb,ya->ab", lines, down[:, :order])

    of_weight, counts = np.zeros((3, 5, 5)), wide * pixels
    of_weight[0] = sums(wide, 5)
    of_weight[1, :3, :3], of_weight[2, :3, :3] = sums(wide * wide, 3), sums(wide * inside, 3)
    return of_weight, sums(counts, 3), float(counts[inside].sum())


def flatten(weights: np.ndarray, pixels: np.ndarray, cy: float, cx: float, surface: np.ndarray) -> np.ndarray:
    """Weight what is left of the counts above a surface of second order."""
    down, across = np.arange(weights.shape[0])[:, None] - cy, np.arange(weights.shape[1]) - cx
    constant = surface[0] + surface[1] * down + surface[3] * down * down
    level = constant + ((surface[2] + surface[4] * down) + surface[5] * across) * across
    return (weights * (pixels - level)).astype(np.float32)


def power_over(half: np.ndarray, radius: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Square the modulus of a half plane and multiply it by a table over the radius."""
    return (half.real**2 + half.imag**2) * inverse[radius]


def ring_bins(bits: np.ndarray, points: np.ndarray, ends: np.ndarray, lowest: int, bins: int) -> np.ndarray:
    """Find the bin, and the share of it, that the median of each ring of flat points lies at."""
    ring = np.repeat(np.arange(ends.size), np.diff(ends, prepend=0))
    place = np.clip((bits[points] >> 20) - lowest, 0, bins - 1)
    counts = np.bincount(ring * bins + place, minlength=ends.size * bins).reshape(ends.size, bins)
    upto = np.cumsum(counts, axis=1)
    half, rings = 0.5 * upto[:, -1], np.arange(ends.size)
    number = (upto < half[:, np.newaxis]).sum(axis=1)
    inside = counts[rings, number]
    return number + (half - (upto[rings, number] - inside)) / np.maximum(inside, 1)


def outside(points: np.ndarray, size: int, strong: np.ndarray, reach: float) -> np.ndarray:
    """Tell which flat points are farther than this from strong maxima and their partners."""
    rows, columns = np.divmod(points, size // 2 + 1)
    rows = np.where(rows > size // 2, rows - size, rows)
    apart = np.ones(points.size, bool)
    for row, column in strong.tolist():
        for sign in (1, -1):
            apart &= (rows - sign * row) ** 2 + (columns - sign * column) ** 2 > reach**2
    return apart


def maxima(power: np.ndarray, radius: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Find points as the compiled pass of this name does."""
    size, width = power.shape
    rows, columns = np.divmod(np.flatnonzero(power > limit[radius]), width)
    inside = columns < width - 1
    rows, columns = rows[inside], columns[inside]
    down = (rows[:, None] + np.repeat((-1, 0, 1), 3)) % size
    across = columns[:, None] + np.tile((-1, 0, 1), 3)
    # Left of the half plane stand the partners of the points right of it.
    down, across = np.where(across < 0, -down % size, down), np.abs(across)
    top = power[rows, columns] >= power[down, across].max(axis=1)
    return np.stack([rows[top], columns[top]], axis=1)


def climb(
    flat: np.ndarray,
    start: np.ndarray,
    centre: tuple[float, float],
    spread: np.ndarray,
    cell: float,
    steps: int,
) -> tuple[float, float, float]:
    """Climb as the compiled pass of this name does."""
    (ky, kx), height = start.tolist(), 0.0
    for _ in range(steps):
        sums = transform_moments(flat, ky, kx, *centre)
        zeroth, height = sums[0].conjugate(), abs(sums[0]) ** 2
        slope_y, slope_x = (zeroth * sums[1]).imag, (zeroth * sums[2]).imag
        a = (sums[1] * sums[1].conjugate() - zeroth * sums[3]).real
        b = (sums[1] * sums[2].conjugate() - zeroth * sums[4]).real
        c = (sums[2] * sums[2].conjugate() - zeroth * sums[5]).real
        if not (a < 0 and a * c - b * b > 0):
            a, b, c = -height * spread[0, 0], -height * spread[0, 1], -height * spread[1, 1]
        determinant = a * c - b * b
        if determinant == 0:
            break
        step_y, step_x = (b * slope_x - c * slope_y) / determinant, (b * slope_y - a * slope_x) / determinant
        long = math.hypot(step_y, step_x)
        short = min(1.0, 0.5 * cell / max(long, 1e-300))
        ky, kx = ky + short * step_y, kx + short * step_x
        # The last step is too short to change the height.
        if long < 1e-2 * cell:
            break
    return ky, kx, height


def transform_moments(flat: np.ndarray, ky: float, kx: float, cy: float, cx: float) -> np.ndarray:
    """Sum as the compiled pass of this name does."""
    down, across = np.arange(flat.shape[0]) - cy, np.arange(flat.shape[1]) - cx
    turn = across ** np.arange(3)[:, None] * np.exp(-1j * kx * across)
    # Not a matrix product, whose order of summation depends on the number of threads.
    parts = np.concatenate([turn.real, turn.imag])
    lines = np.einsum("yx,bx->by", flat, parts)
    lines = (lines[:3] + 1j * lines[3:]) * np.exp(-1j * ky * down)
    zeroth, first, second = lines
    return np.array(
        [
            zeroth.sum(),
            (down * zeroth).sum(),
            first.sum(),
            (down * down * zeroth).sum(),
            (down * first).sum(),
            second.sum(),
        ]
    )
