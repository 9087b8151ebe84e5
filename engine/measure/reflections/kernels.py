"""Compiled passes over one particle's pixels and spectrum. Imported only where numba is used."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Sums may be split over the lanes of a vector unit.
_ANY_ORDER = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True)
def soften(inside: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Blur a mask (h, w) of bool by one half of a symmetric kernel: the ends of its runs, then columns."""
    height, width = inside.shape
    reach = kernel.size - 1
    below = np.zeros(2 * reach + 2, np.float32)
    for place in range(2 * reach + 1):
        below[place + 1] = below[place] + kernel[abs(place - reach)]
    across = np.zeros((height + 2 * reach, width), np.float32)
    for y in range(height):
        row = across[reach + y]
        x = 0
        while x < width:
            if not inside[y, x]:
                x += 1
                continue
            start = x
            while x < width and inside[y, x]:
                x += 1
            for place in range(max(0, start - reach), min(width, x + reach)):
                low = min(max(start - place + reach, 0), 2 * reach + 1)
                high = min(max(x - place + reach, 0), 2 * reach + 1)
                row[place] += below[high] - below[low]
    soft = np.empty((height, width), np.float32)
    for y in range(height):
        row, middle = soft[y], across[reach + y]
        for x in range(width):
            row[x] = kernel[0] * middle[x]
        for shift in range(1, reach + 1):
            part, before, behind = kernel[shift], across[reach + y - shift], across[reach + y + shift]
            for x in range(width):
                row[x] += part * (before[x] + behind[x])
    return soft


@njit(cache=True, nogil=True, fastmath=_ANY_ORDER)
def moments(
    weights: np.ndarray, inside: np.ndarray, pixels: np.ndarray, cy: float, cx: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Sum w·y^a·x^b about a place for a, b up to 4.

    Behind it the same of w² and of w inside the mask, up to 2; then w·k up to 2, and w·k inside the mask.
    """
    of_weight = np.zeros((3, 5, 5))
    of_counts = np.zeros((3, 3))
    counts_inside = 0.0
    height, width = weights.shape
    line = np.empty((3, 5))
    for y in range(height):
        w0 = w1 = w2 = w3 = w4 = s0 = s1 = s2 = i0 = i1 = i2 = k0 = k1 = k2 = ki = 0.0
        for x in range(width):
            across = x - cx
            square = across * across
            w = np.float64(weights[y, x])
            within = w if inside[y, x] else 0.0
            k = pixels[y, x]
            ww = w * w
            wk = w * k
            w0 += w
            w1 += w * across
            w2 += w * square
            w3 += w * square * across
            w4 += w * square * square
            s0 += ww
            s1 += ww * across
            s2 += ww * square
            i0 += within
            i1 += within * across
            i2 += within * square
            k0 += wk
            k1 += wk * across
            k2 += wk * square
            ki += within * k
        if w0 == 0.0:
            continue
        counts_inside += ki
        line[0, 0], line[0, 1], line[0, 2], line[0, 3], line[0, 4] = w0, w1, w2, w3, w4
        line[1, 0], line[1, 1], line[1, 2] = s0, s1, s2
        line[2, 0], line[2, 1], line[2, 2] = i0, i1, i2
        power = 1.0
        for a in range(5):
            for b in range(5):
                of_weight[0, a, b] += power * line[0, b]
            if a < 3:
                for b in range(3):
                    of_weight[1, a, b] += power * line[1, b]
                    of_weight[2, a, b] += power * line[2, b]
                of_counts[a, 0] += power * k0
                of_counts[a, 1] += power * k1
                of_counts[a, 2] += power * k2
            power *= y - cy
    return of_weight, of_counts, counts_inside


@njit(cache=True, nogil=True)
def flatten(weights: np.ndarray, pixels: np.ndarray, cy: float, cx: float, surface: np.ndarray) -> np.ndarray:
    """Weight what is left of the counts above a surface of second order."""
    height, width = weights.shape
    flat = np.empty((height, width), np.float32)
    for y in range(height):
        down = y - cy
        constant = surface[0] + surface[1] * down + surface[3] * down * down
        linear = surface[2] + surface[4] * down
        for x in range(width):
            across = x - cx
            level = constant + (linear + surface[5] * across) * across
            flat[y, x] = weights[y, x] * (pixels[y, x] - level)
    return flat


@njit(cache=True, nogil=True)
def power_over(half: np.ndarray, radius: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Square the modulus of a half plane and multiply it by a table over the radius."""
    rows, columns = half.shape
    power = np.empty((rows, columns), np.float32)
    for y in range(rows):
        for x in range(columns):
            value = half[y, x]
            power[y, x] = (value.real * value.real + value.imag * value.imag) * inverse[radius[y, x]]
    return power


@njit(cache=True, nogil=True, fastmath=_ANY_ORDER)
def _line_moments(line: np.ndarray, cosine: np.ndarray, sine: np.ndarray, cx: float) -> tuple:
    r0 = i0 = r1 = i1 = r2 = i2 = 0.0
    for x in range(line.size):
        across = x - cx
        real = line[x] * cosine[x]
        imaginary = line[x] * sine[x]
        r0 += real
        i0 += imaginary
        r1 += real * across
        i1 += imaginary * across
        r2 += real * across * across
        i2 += imaginary * across * across
    return r0, i0, r1, i1, r2, i2


@njit(cache=True, nogil=True)
def transform_moments(flat: np.ndarray, ky: float, kx: float, cy: float, cx: float) -> np.ndarray:
    """Sum g·e^(-ik·x) times 1, y, x, y², yx, x² about a place, at one wave vector [rad/px]."""
    height, width = flat.shape
    cosine, sine = np.empty(width), np.empty(width)
    for x in range(width):
        cosine[x] = math.cos(kx * (x - cx))
        sine[x] = -math.sin(kx * (x - cx))
    sums = np.zeros(6, np.complex128)
    for y in range(height):
        r0, i0, r1, i1, r2, i2 = _line_moments(flat[y], cosine, sine, cx)
        down = y - cy
        turn = complex(math.cos(ky * down), -math.sin(ky * down))
        zeroth, first, second = turn * complex(r0, i0), turn * complex(r1, i1), turn * complex(r2, i2)
        sums[0] += zeroth
        sums[1] += down * zeroth
        sums[2] += first
        sums[3] += down * down * zeroth
        sums[4] += down * first
        sums[5] += second
    return sums


@njit(cache=True, nogil=True)
def climb(
    flat: np.ndarray,
    start: np.ndarray,
    centre: tuple[float, float],
    spread: np.ndarray,
    cell: float,
    steps: int,
) -> tuple[float, float, float]:
    """Climb |F|² by Newton's method from a point [rad/px]; place of the top, and its height."""
    ky, kx, height = start[0], start[1], 0.0
    for _ in range(steps):
        sums = transform_moments(flat, ky, kx, centre[0], centre[1])
        zeroth, height = sums[0].conjugate(), sums[0].real ** 2 + sums[0].imag ** 2
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
        if long > 0.5 * cell:
            step_y, step_x = step_y * 0.5 * cell / long, step_x * 0.5 * cell / long
        ky, kx = ky + step_y, kx + step_x
        # The last step is too short to change the height.
        if long < 1e-2 * cell:
            break
    return ky, kx, height


@njit(cache=True, nogil=True)
def ring_bins(bits: np.ndarray, points: np.ndarray, ends: np.ndarray, lowest: int, bins: int) -> np.ndarray:
    """Find the bin, and the share of it, that the median of each ring of flat points lies at.

    Bins go by exponent and first three binary digits of a power.
    """
    medians = np.zeros(ends.size)
    counts = np.empty(bins, np.int64)
    start = 0
    for ring in range(ends.size):
        counts[:] = 0
        for place in range(start, ends[ring]):
            counts[min(max((bits[points[place]] >> 20) - lowest, 0), bins - 1)] += 1
        half, below, number = 0.5 * (ends[ring] - start), 0, 0
        while below + counts[number] < half:
            below += counts[number]
            number += 1
        medians[ring] = number + (half - below) / max(counts[number], 1)
        start = ends[ring]
    return medians


@njit(cache=True, nogil=True)
def maxima(power: np.ndarray, radius: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Find points above a limit over the radius that none of their eight neighbours exceeds."""
    size, width = power.shape
    found = np.empty((64, 2), np.int64)
    count = 0
    for y in range(size):
        above, below = (y - 1) % size, (y + 1) % size
        for x in range(width - 1):
            value = power[y, x]
            if value <= limit[radius[y, x]]:
                continue
            if x == 0:
                # Left of the half plane stand the partners of the points right of it.
                left = max(power[-y % size, 1], power[-above % size, 1], power[-below % size, 1])
            else:
                left = max(power[y, x - 1], power[above, x - 1], power[below, x - 1])
            right = max(power[y, x + 1], power[above, x + 1], power[below, x + 1])
            if value < max(left, right, power[above, x], power[below, x]):
                continue
            if count == found.shape[0]:
                larger = np.empty((2 * count, 2), np.int64)
                larger[:count] = found
                found = larger
            found[count, 0] = y
            found[count, 1] = x
            count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def outside(points: np.ndarray, size: int, strong: np.ndarray, reach: float) -> np.ndarray:
    """Tell which flat points are farther than this from strong maxima and their partners."""
    apart = np.ones(points.size, np.bool_)
    width = size // 2 + 1
    for place in range(points.size):
        y, x = points[place] // width, points[place] % width
        if y > size // 2:
            y -= size
        for one in range(strong.shape[0]):
            down, across = strong[one, 0], strong[one, 1]
            near = (y - down) ** 2 + (x - across) ** 2 <= reach * reach
            if near or (y + down) ** 2 + (x + across) ** 2 <= reach * reach:
                apart[place] = False
                break
    return apart
