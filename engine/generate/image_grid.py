"""Where the samples of a micrograph lie in the cell: sampling, crop and padding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..base.errors import SettingsError

# The sampling may differ by this share from the one asked for, where that makes the transforms quicker.
_TOLERANCE = 3e-3
# Where that can be, pixels are square to this share: 0.01 px at the far end of 512.
_SQUARENESS = 2e-5
# Time that goes with the padded area whatever its factors, in the unit of a transform's.
_AREA_COST = 60.0
# Padding that nobody asked for breaks the cell's periodicity at its edges: only where pixels need it.
_UNASKED_PADDING_COST = 4.0


@dataclass(frozen=True)
class ImageGrid:
    """Samples of an image over a cell that is continued by vacuum.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns (Y, X) of the image.
    padded : (int, int)
        Rows and columns of the wave once vacuum is added.
    points : (int, int)
        Samples of the image along y and x over the padded cell; the image is a part of them.
    extent_A : (float, float)
        Sides of the padded cell along x and y [Å].
    sampling_A : float
        Distance of the image's samples [Å].
    origin_A : (float, float)
        x and y in the cell of the image's sample (0, 0) [Å].

    Examples
    --------
    >>> plan_grid((90, 90), (9.0, 9.0), shape=(64, 64), sampling_A=0.125).sampling_A
    0.125
    """

    shape: tuple[int, int]
    padded: tuple[int, int]
    points: tuple[int, int]
    extent_A: tuple[float, float]
    sampling_A: float
    origin_A: tuple[float, float]


def plan_grid(
    wave_shape: tuple[int, int],
    extent_A: tuple[float, float],
    *,
    shape: tuple[int, int],
    sampling_A: float,
) -> ImageGrid:
    """Choose the grid of a micrograph: its middle is the cell's, its sampling as near as can be to the asked.

    Parameters
    ----------
    wave_shape : (int, int)
        Rows and columns of the wave.
    extent_A : (float, float)
        Sides of the cell along x and y [Å].
    shape : (int, int)
        Rows and columns of the image.
    sampling_A : float
        Sampling asked for [Å/pixel].

    Returns
    -------
    ImageGrid
        With a sampling within 0.4 % of the asked one, unless the image is of fewer than some 100 pixels.

    Raises
    ------
    SettingsError
        If the shape, the extent or the sampling is not above 0.

    Notes
    -----
    Vacuum is added as whole samples of the wave, up to a quarter more than the image asks for. It is added to
    a cell larger than the image only where the sides are unequal and pixels would not be square without.

    Examples
    --------
    >>> grid = plan_grid((540, 540), (60.0, 60.0), shape=(512, 512), sampling_A=0.15)
    >>> grid.extent_A[0] >= 512 * grid.sampling_A, grid.origin_A[0] < 0
    (True, True)
    """
    if len(shape) != 2 or min(shape) < 1:
        raise SettingsError(f"shape: expected rows and columns of 1 px or more, got {shape}")
    if not 0 < sampling_A < math.inf:
        raise SettingsError(f"sampling_A: expected above 0 Å/pixel, got {sampling_A}")
    if len(extent_A) != 2 or not all(0 < side < math.inf for side in extent_A):
        raise SettingsError(f"extent_A: expected two sides above 0 Å, x and y, got {extent_A}")
    axes = list(zip(wave_shape, extent_A[::-1], shape, strict=True))
    options = [_options(*axis, sampling_A) for axis in dict.fromkeys(axes)]
    if len(options) == 1 and (unpadded := options[0][:, 0] == wave_shape[0]).any():
        options[0] = options[0][unpadded]
    chosen = _cheapest(options[0], options[-1], sampling_A, one=len(options) == 1)
    (padded_y, points_y, sampling_y), (padded_x, points_x, sampling_x) = chosen
    sampling = math.sqrt(sampling_y * sampling_x)
    origin = [(side - n * sampling) / 2 for _, side, n in axes]
    return ImageGrid(
        shape=(int(shape[0]), int(shape[1])),
        padded=(padded_y, padded_x),
        points=(points_y, points_x),
        extent_A=(points_x * sampling_x, points_y * sampling_y),
        sampling_A=sampling,
        origin_A=(origin[1], origin[0]),
    )


def _options(samples: int, side_A: float, n: int, sampling_A: float) -> np.ndarray:
    """Ways (padded samples, image points, sampling, cost) to cover one axis, an array (k, 4)."""
    step = side_A / samples
    needed = math.ceil(n * sampling_A * (1 - _TOLERANCE) / step - 1e-9)
    least = max(samples, needed)
    padded = {fft.next_fast_len(least + extra) for extra in range(max(32, least // 4))}
    if needed <= samples:
        padded.add(samples)
    found = []
    for length in sorted(padded):
        ideal = length * step / sampling_A
        reach = math.ceil(ideal * _TOLERANCE)
        for points in range(max(n, round(ideal) - reach), max(n, round(ideal) + reach) + 1):
            cost = _cost(points) + _AREA_COST * length**2
            if length != samples:
                cost += _cost(length) * (1 if needed > samples else _UNASKED_PADDING_COST)
            found.append((length, points, length * step / points, cost))
    return np.array(found)


def _cost(length: int) -> float:
    """Relative time of a transform of length² points."""
    factors, rest, prime = 0, length, 2
    while rest > 1:
        if prime * prime > rest:
            prime = rest
        while rest % prime == 0:
            # Above 11 the library has no code of its own for a factor.
            factors += prime if prime <= 11 else 2 * prime
            rest //= prime
        prime += 1
    return float(length) ** 2 * min(factors, 100)


def _cheapest(
    rows: np.ndarray, columns: np.ndarray, sampling_A: float, *, one: bool
) -> tuple[tuple[int, int, float], tuple[int, int, float]]:
    """Choose for both axes: within the tolerances if possible, then the cheapest, then the nearest."""
    if one:
        first = second = np.arange(len(rows))
    else:
        first, second = (index.ravel() for index in np.indices((len(rows), len(columns))))
    error = np.abs(np.log(rows[first, 2] / sampling_A)) + np.abs(np.log(columns[second, 2] / sampling_A))
    skew = np.abs(np.log(rows[first, 2] / columns[second, 2]))
    cost = rows[first, 3] + columns[second, 3]
    near = error <= max(2 * _TOLERANCE, error.min())
    fit = near & (skew <= max(_SQUARENESS, skew[near].min()))
    best = np.flatnonzero(fit)[np.lexsort((error[fit], cost[fit]))[0]]
    row, column = rows[first[best]], columns[second[best]]
    return (int(row[0]), int(row[1]), float(row[2])), (int(column[0]), int(column[1]), float(column[2]))
