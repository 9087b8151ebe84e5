"""Peaks of a particle's spectrum against its own noise."""

from __future__ import annotations

import math

import numpy as np

from ..base.errors import DataError, SettingsError
from ..base.tables import Columns

# Ripples of a particle's outline reach to about three widths of its transform's central spot.
_CENTRAL_WIDTHS = 3.0
# Publication figures were read from a square of 30 px in a spectrum of 1,024 px.
_WINDOW_OF_SIZE = 30 / 1024
_SMALLEST_WINDOW = 3.0
# Rings are as narrow as this many independent values allow: rings of the lens (Thon rings) are narrow too.
_VALUES_PER_RING = 128
# A median of n exponential values is as certain as a mean of n·ln²2 of them; drawing a line between the
# medians of two rings averages them, which is worth half as many again.
_RING_EFFICIENCY = 1.5 * math.log(2) ** 2


def central_radius(area_px2: float, *, size: int) -> float:
    """Find the disc about zero frequency that holds a particle's shape rather than its lattice.

    Parameters
    ----------
    area_px2 : float
        Area of the particle [px²].
    size : int
        Side of the spectrum [px].

    Returns
    -------
    float
        Radius [reciprocal px]: three times size over the diameter of a circle of that area, at most a
        quarter of the size.

    Notes
    -----
    A disc of diameter D has its transform's first zero at 1.22/D; at 3/D the ripples of its outline have
    fallen to 3 %, and so have those of its thickness.

    Examples
    --------
    >>> round(central_radius(np.pi * 50**2, size=256), 2)
    7.68
    """
    diameter = 2 * math.sqrt(max(area_px2, 1.0) / math.pi)
    return min(_CENTRAL_WIDTHS * size / diameter, size / 4)


def find_peaks(
    spectrum: np.ndarray,
    *,
    reciprocal_pixel: float | None = None,
    area_px2: float | None = None,
    min_q: float | None = None,
    max_peaks: int = 24,
    false_alarm: float = 1e-3,
) -> Columns:
    """Find the symmetric peaks of one spectrum that stand out of its own noise.

    Parameters
    ----------
    spectrum : array (N, N), float
        |FFT| of a real image with zero frequency at [N // 2, N // 2], N even; see `particle_spectrum`.
    reciprocal_pixel : float or None
        Step of frequency [1/nm, or any 1/length]; None: 1/N, so that q is in 1/px.
    area_px2 : float or None
        Area of the particle [px²]; sets how many frequencies are independent. None: the largest disc
        in the crop, which errs toward fewer peaks.
    min_q : float or None
        Peaks closer to zero than this are left out [unit of reciprocal_pixel]; None: `central_radius`.
    max_peaks : int
        At most this many are listed, the highest first; two make a pair.
    false_alarm : float
        Probability that a spectrum of noise alone gives a pair, at most: with levels estimated from the
        spectrum itself a quarter to a half of it comes true.

    Returns
    -------
    dict of arrays (n,)
        peak (int, 1..n), pair (int, 1..n/2, by descending intensity), q [unit of reciprocal_pixel],
        angle_deg (-180..180, counter-clockwise on the screen from the direction of growing columns),
        intensity (mean of the spectrum in a square of 30/1024 of its side, at least 3 px, about the
        peak), noise_ratio (power over the local noise power). Peaks 2k-1 and 2k are the pair k.

    Raises
    ------
    DataError
        If the spectrum is not square with an even side of at least 16.
    SettingsError
        If a number is outside its range.

    Notes
    -----
    Poisson noise makes |FFT|² exponentially distributed about a level that depends on |q| alone (transfer
    function, detector): the level is the median of a ring over ln 2, which the peaks in it hardly move.
    Of the field of noise, smooth over a frequency cell of 1/area, `exceedances` counts the maxima above a
    threshold; it is set so that the whole spectrum has `false_alarm` of them. Positions are the
    vertex of a parabola through the logarithm of the power. A maximum that noise and the skirts of
    brighter peaks of a sharply cut region (2/(π·distance·diameter) of each) explain together is not listed.
    Peaks are searched within the circle of the Nyquist frequency.

    Examples
    --------
    >>> x = np.arange(64)
    >>> wave = np.hanning(64) * np.hanning(64)[:, None] * np.cos(2 * np.pi * (x[:, None] + x) / 8)
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> peaks = find_peaks(np.abs(np.fft.fftshift(np.fft.fft2(wave + noise))), min_q=5 / 64)
    >>> peaks["angle_deg"].round().tolist()
    [-45.0, 135.0]
    """
    size = _check(spectrum, max_peaks, false_alarm, area_px2)
    step = 1.0 / size if reciprocal_pixel is None else float(reciprocal_pixel)
    if not (math.isfinite(step) and step > 0):
        raise SettingsError(f"expected a reciprocal pixel above 0, got {reciprocal_pixel}")
    area = math.pi / 4 * size**2 if area_px2 is None else min(float(area_px2), float(size**2))
    shape_radius = central_radius(area, size=size)
    least = shape_radius if min_q is None else max(min_q / step, 1.0)
    # Peaks below min_q are found too, or their skirts beyond it would be taken for peaks.
    inner = min(least, shape_radius)
    power = np.square(spectrum[size // 2 - 1 :].astype(np.float64))
    rows, columns, ratio, threshold = _candidates(power, inner, area, false_alarm)
    if rows.size == 0:
        return _table(np.empty((0, 2)), np.empty(0), np.empty(0), step)
    patches = power[
        rows[:, None, None] + np.arange(-1, 2)[:, None], columns[:, None, None] + np.arange(-1, 2)
    ]
    top = patches[:, 1, 1] >= patches.max(axis=(1, 2))
    shift, gain = _vertex(patches)
    found = top & (ratio * gain > threshold)
    # Rows count from the row above zero frequency, columns from the left edge.
    place = np.stack([rows - 1, columns - size // 2], axis=1) + shift
    diameter = 2 * math.sqrt(area / math.pi) / size
    centre = float(power[1:, size // 2 - int(inner) : size // 2 + int(inner) + 1][: int(inner) + 1].max())
    heights = np.sqrt(patches[:, 1, 1] * gain)[found]
    noise = heights * np.sqrt(threshold / (ratio * gain))[found]
    keep = _outside_skirts(place[found], heights, noise, math.sqrt(centre), diameter)
    keep = keep[np.hypot(*place[found][keep].T) >= least][: max_peaks // 2]
    place, ratio = place[found][keep], (ratio * gain)[found][keep]
    intensity = np.array([_window_mean(spectrum, y, x) for y, x in place])
    return _table(place, intensity, ratio, step)


def exceedances(threshold: np.ndarray, *, cells: float, samples: np.ndarray | float = math.inf) -> np.ndarray:
    """Count the maxima of pure noise that exceed a threshold, on average.

    Parameters
    ----------
    threshold : array, float
        Power over the estimated noise power, above 1.
    cells : float
        Independent frequencies searched: their area times the particle's area.
    samples : array or float
        Independent values that the noise power was estimated from; infinite where it is known.

    Returns
    -------
    array, float
        Expected number of maxima above the threshold.

    Notes
    -----
    The squared modulus of a smooth complex Gaussian field of unit mean has cells·(u - 1/2)·exp(-u) maxima
    above a high u (expected Euler characteristic of a chi-squared field: K. J. Worsley, Adv. Appl.
    Prob. 26, 13 (1994), for a disc-shaped particle). With an estimated level, exp(-u) becomes
    (1 + u/n)^-n, the tail of Fisher's F.

    Examples
    --------
    >>> round(float(exceedances(np.array(17.0), cells=1500.0)), 4)
    0.001
    """
    samples = np.asarray(samples, np.float64)
    with np.errstate(invalid="ignore"):
        tail = np.where(np.isinf(samples), -threshold, -samples * np.log1p(threshold / samples))
    return cells * (threshold - 0.5) * np.exp(tail)


def _check(spectrum: np.ndarray, max_peaks: int, false_alarm: float, area_px2: float | None) -> int:
    size = spectrum.shape[0] if spectrum.ndim else 0
    if spectrum.shape != (size, size) or size < 16 or size % 2:
        raise DataError(f"expected a square spectrum with an even side of 16 or more, got {spectrum.shape}")
    if max_peaks < 2 or not 0 < false_alarm < 1 or (area_px2 is not None and not area_px2 > 0):
        raise SettingsError(
            f"expected at least 2 peaks, a false-alarm rate between 0 and 1 and an area above 0, "
            f"got {max_peaks}, {false_alarm} and {area_px2}"
        )
    return size


def _candidates(
    power: np.ndarray, inner: float, area: float, false_alarm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find points of the lower half plane that may be peaks: rows, columns, power over noise, threshold."""
    size = power.shape[1]
    middle = size // 2
    row, column = np.arange(-1, middle)[:, None], np.arange(-middle, middle)
    squared = row**2 + column**2
    outer = middle - 1.5
    # One member of each pair: rows below zero frequency, and the right half of its own row.
    searched = (squared > inner**2) & (squared < outer**2) & ((row > 0) | ((row == 0) & (column > 0)))
    if not searched.any() or not power[searched].any():
        nothing = np.empty(0, np.int64)
        return nothing, nothing, np.empty(0), np.empty(0)
    density = min(area / size**2, 1.0)
    radius, level, count = _noise_rings(power[searched], squared[searched], inner, outer, density)
    samples = np.maximum(_RING_EFFICIENCY * count * density, 1.0)
    cells = 0.5 * math.pi * (outer**2 - inner**2) / size**2 * area
    limit = _threshold(cells, samples, false_alarm)
    along = np.sqrt(np.arange(int(outer**2) + 2))
    noise = np.exp(np.interp(along, radius, np.log(np.maximum(level, 1e-14 * power[searched].max()))))
    threshold = np.interp(along, radius, limit)
    capped = np.minimum(squared, along.size - 1)
    ratio = power / noise[capped]
    # Half the threshold: a maximum between points may be that much above the highest point.
    rows, columns = np.nonzero(searched & (ratio > 0.5 * threshold[capped]))
    return rows, columns, ratio[rows, columns], threshold[capped[rows, columns]]


def noise_ring_edges(inner: float, outer: float, density: float) -> list[float]:
    """Cut an annulus into rings that are as narrow as their number of independent values allows.

    Parameters
    ----------
    inner, outer : float
        Radii of the annulus [reciprocal px].
    density : float
        Independent values a point.

    Returns
    -------
    list of float
        Radii from `inner` to `outer`.

    Examples
    --------
    >>> noise_ring_edges(8.0, 15.0, 1.0)
    [8.0, 12.0, 15.0]
    """
    edges = [inner]
    while edges[-1] < outer:
        enough = _VALUES_PER_RING / (density * math.pi * edges[-1])
        edges.append(edges[-1] + min(max(enough, 2.0), max(4.0, edges[-1] / 4)))
    edges[-1] = outer
    return edges


def _noise_rings(
    power: np.ndarray, squared: np.ndarray, inner: float, outer: float, density: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate the noise in rings: their radius, mean noise power, and number of points.

    `density` is the number of independent values a point.
    """
    edges = noise_ring_edges(inner, outer, density)
    ring_of = np.searchsorted(edges, np.sqrt(np.arange(int(outer**2) + 1)), side="right") - 1
    ring = np.clip(ring_of, 0, len(edges) - 2).astype(np.uint16)[squared]
    count = np.bincount(ring, minlength=len(edges) - 1)
    parts = np.split(power[np.argsort(ring, kind="stable")], np.cumsum(count)[:-1])
    filled = count > 0
    level = np.array(
        [np.partition(part, part.size // 2)[part.size // 2] / math.log(2) for part in parts if part.size]
    )
    centres = (np.array(edges[:-1]) + np.array(edges[1:])) / 2
    return centres[filled], level, count[filled]


def _threshold(cells: float, samples: np.ndarray, false_alarm: float) -> np.ndarray:
    """Solve exceedances(u) = false_alarm for each ring, by bisection of a falling function."""
    low, high = np.full(samples.shape, 2.0), np.full(samples.shape, 1e6)
    for _ in range(25):
        middle = np.sqrt(low * high)
        above = exceedances(middle, cells=cells, samples=samples) > false_alarm
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


def _vertex(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a parabola to the logarithm of 3 by 3 patches: shift (n, 2) of the top, and its gain in power."""
    y, x = np.mgrid[-1:2, -1:2].reshape(2, 9).astype(np.float64)
    design = np.stack([np.ones(9), y, x, y * y, y * x, x * x], axis=1)
    values = patches.reshape(-1, 9)
    top = np.maximum(values[:, 4:5], np.finfo(np.float64).tiny)
    relative = np.maximum(values / top, 1e-12)
    # Weighted by power squared: the logarithm of a point near a zero of the peak's shape says nothing.
    weight = np.minimum(relative, 1.0) ** 2 + 1e-6
    normal = np.einsum("ni,ij,ik->njk", weight, design, design)
    right = np.einsum("ni,ij,ni->nj", weight, design, np.log(relative))
    fit = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    a, b, c = 2 * fit[:, 3], fit[:, 4], 2 * fit[:, 5]
    determinant = a * c - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.stack([b * fit[:, 2] - c * fit[:, 1], b * fit[:, 1] - a * fit[:, 2]], axis=1)
        shift /= determinant[:, None]
    sound = (a < 0) & (determinant > 0) & (np.abs(shift).max(axis=1) <= 1)
    shift = np.where(sound[:, None], shift, 0.0)
    rise = 0.5 * (fit[:, 1] * shift[:, 0] + fit[:, 2] * shift[:, 1])
    return shift, np.where(sound, np.exp(np.clip(rise, 0.0, math.log(2))), 1.0)


def _outside_skirts(
    place: np.ndarray, height: np.ndarray, noise: np.ndarray, centre: float, diameter: float
) -> np.ndarray:
    """Choose maxima, highest first, that the skirts of brighter ones and noise do not explain together.

    Heights, the noise's threshold and the centre are amplitudes: they may add in phase. Returns indices.
    """
    bound = noise + centre * skirt(np.hypot(place[:, 0], place[:, 1]) * diameter) ** 1.5
    chosen: list[int] = []
    while (above := height > bound).any():
        best = int(np.argmax(np.where(above, height, -1.0)))
        chosen.append(best)
        for sign in (1.0, -1.0):
            bound += height[best] * skirt(np.hypot(*(place - sign * place[best]).T) * diameter)
    return np.array(chosen, np.int64)


def skirt(distance: np.ndarray) -> np.ndarray:
    """Bound the amplitude of a cut region's transform beside a peak of height 1.

    Parameters
    ----------
    distance : array, float
        Distance from the peak in units of one over the region's width.

    Returns
    -------
    array, float64
        At most 1. A straight cut falls off as 2/(π·distance); the power 3/2 of that belongs to a round
        outline.

    Examples
    --------
    >>> skirt(np.array([0.0, 2 / np.pi, 4 / np.pi])).tolist()
    [1.0, 1.0, 0.5]
    """
    return 1.0 / np.maximum(1.0, math.pi / 2 * distance)


def _window_mean(spectrum: np.ndarray, y: float, x: float) -> float:
    """Average a square about a place between points; points on its edge count by the part inside."""
    size = spectrum.shape[0]
    half = max(_WINDOW_OF_SIZE * size, _SMALLEST_WINDOW) / 2
    weights, spans = [], []
    for at in (y + size // 2, x + size // 2):
        points = np.arange(max(0, math.floor(at - half + 0.5)), min(size, math.floor(at + half + 0.5) + 1))
        inside = np.minimum(points + 0.5, at + half) - np.maximum(points - 0.5, at - half)
        weights.append(np.maximum(inside, 0.0))
        spans.append(slice(int(points[0]), int(points[-1]) + 1))
    part = spectrum[spans[0], spans[1]].astype(np.float64)
    # Sums in a fixed order rather than a matrix product: the same bytes for any number of threads.
    total = (part * weights[0][:, None] * weights[1]).sum()
    return float(total / (weights[0].sum() * weights[1].sum()))


def _table(place: np.ndarray, intensity: np.ndarray, ratio: np.ndarray, step: float) -> Columns:
    """List both members of every pair, pairs by descending intensity."""
    order = np.argsort(-intensity, kind="stable")
    both = np.repeat(order, 2)
    sign = np.tile([1.0, -1.0], order.size)
    y, x = (place[both] * sign[:, None]).T
    return {
        "peak": np.arange(1, both.size + 1),
        "pair": np.repeat(np.arange(1, order.size + 1), 2),
        "q": np.hypot(y, x) * step,
        "angle_deg": np.rad2deg(np.arctan2(-y, x)),
        "intensity": intensity[both],
        "noise_ratio": ratio[both],
    }
