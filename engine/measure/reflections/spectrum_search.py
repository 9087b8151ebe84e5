"""Where a spectrum is searched for reflections: its rings of noise, thresholds and candidates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..peaks import central_radius, noise_ring_edges
from .plain import reflection_kernels

# Noise and thresholds are smooth: a table over the radius in steps of half a cell serves for all points.
_RADII_PER_CELL = 2
# Areas within 9 % share a plan: it sets only where the search begins and how wide the rings are.
_AREAS_AN_OCTAVE = 4
# Points of a padded spectrum repeat each other: a part of them gives the same median.
_MOST_POINTS_OF_NOISE = 4000
# The particle's own noise replaces the background's only where it is surely higher.
_SURELY_SIGMAS = 3.0
# A median of n exponential values is as certain as a mean of n·ln²2 of them.
_MEDIAN_EFFICIENCY = math.log(2) ** 2
# About maxima so many times above the threshold their skirts are seen, which are no noise; the highest of
# those skirts have a smaller share of the maximum itself. So far they reach, in widths of the central spot.
_STRONG_THRESHOLDS = 5.0
_STRONG_SHARE = 0.05
_SKIRT_WIDTHS = 5.0
_FEWEST_POINTS = 8
# Powers are sorted into bins from 2^-30 on by the first bits of their float32: exponent and three digits.
_LOWEST_BIN = (127 - 30) << 3
_BIN_EDGES = (
    (np.arange(_LOWEST_BIN, _LOWEST_BIN + 513, dtype=np.int32) << 20).view(np.float32).astype(np.float64)
)
# Levels of three rings together, 1 : 2 : 1, with lines drawn between them: 8/3 of a ring's values, nearly.
_SMOOTHING_GAIN = 2.5
# Of the height at its top a maximum keeps at least this between points of the padded transform.
CANDIDATE_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class SearchPlan:
    """The half plane of one transform: radii, rings, and where reflections are searched.

    Parameters
    ----------
    size : int
        Side of the transform [px].
    inner, outer : float
        Radii between which reflections are searched [reciprocal px].
    radius_index : array (size, size // 2 + 1), int32
        Index of each point's radius in `radii`.
    radii : array (n,), float64
        Radii [reciprocal px], the last one for all points beyond `outer`.
    ring_points : array (n,), int64
        Flat indices of the points that the noise of each ring is taken from, ring after ring.
    ring_ends : array (R,), int64
        Where each ring's points end.
    ring_centres, ring_values : arrays (R,), float64
        Radius of each ring, and its points in the half plane.
    """

    size: int
    inner: float
    outer: float
    radius_index: np.ndarray
    radii: np.ndarray
    ring_points: np.ndarray
    ring_ends: np.ndarray
    ring_centres: np.ndarray
    ring_values: np.ndarray

    def on_radii(self, of_rings: np.ndarray) -> np.ndarray:
        """Draw lines between the values of the rings, an array over `radii`."""
        return np.interp(self.radii, self.ring_centres, of_rings)

    def frequencies(self, area_px2: float) -> float:
        """Count the independent frequencies that are searched in the spectrum of such an area."""
        return 0.5 * math.pi * (self.outer**2 - self.inner**2) / self.size**2 * area_px2


def plan_search(size: int, area_px2: float) -> SearchPlan:
    """Lay out the half plane that a real transform returns, for particles of about one area.

    Parameters
    ----------
    size : int
        Side of the transform [px], even.
    area_px2 : float
        Area of the particle [px²].

    Returns
    -------
    SearchPlan
        The same object for the same size and an area within 9 %.

    Examples
    --------
    >>> plan_search(64, 1000.0).radius_index.shape
    (64, 33)
    """
    area = min(max(area_px2, 1.0), float(size**2))
    return _plan(size, round(_AREAS_AN_OCTAVE * math.log2(area)))


@lru_cache(maxsize=64)
def _plan(size: int, area_step: int) -> SearchPlan:
    area = min(2.0 ** (area_step / _AREAS_AN_OCTAVE), float(size**2))
    inner, outer = central_radius(area, size=size), size / 2 - 1.5
    down = np.fft.fftfreq(size, 1 / size)[:, None]
    radius = np.hypot(down, np.arange(size // 2 + 1))
    radii = np.arange(int(_RADII_PER_CELL * outer) + 2) / _RADII_PER_CELL
    index = np.minimum(np.rint(_RADII_PER_CELL * radius), radii.size - 1).astype(np.int32)
    edges = noise_ring_edges(inner, outer, area / size**2)
    ring = np.searchsorted(edges, radius.ravel(), side="right") - 1
    ring[(radius.ravel() <= inner) | (radius.ravel() >= outer)] = -1
    ring[np.tile(np.arange(size // 2 + 1) == 0, size)] = -1
    points = [np.flatnonzero(ring == number) for number in range(len(edges) - 1)]
    step = max(1, round(sum(map(len, points)) / _MOST_POINTS_OF_NOISE))
    filled = [number for number, part in enumerate(points) if part.size]
    middles = (np.array(edges[:-1]) + np.array(edges[1:])) / 2
    sampled = [points[number][::step] for number in filled]
    return SearchPlan(
        size=size,
        inner=inner,
        outer=outer,
        radius_index=index,
        radii=radii,
        ring_points=np.concatenate(sampled),
        ring_ends=np.cumsum([part.size for part in sampled]),
        ring_centres=middles[filled],
        ring_values=np.array([points[number].size for number in filled], np.float64),
    )


def raise_levels(
    power: np.ndarray,
    plan: SearchPlan,
    strong: np.ndarray,
    *,
    known: np.ndarray | None,
    area_px2: float,
    compiled: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hold a particle's own noise against the background's, ring by ring.

    Parameters
    ----------
    power : array (size, size // 2 + 1), float32
        Power over the level expected.
    plan : SearchPlan
        Its rings.
    strong : array (n, 2), int64
        Strong maxima, from `strong_of`: their skirts are no noise.
    known : array (R,) or None
        Independent values that the expected level of each ring rests on; None where nothing is known.
    area_px2 : float
        Area of the particle [px²].
    compiled : bool or None
        As in `reflections.find_reflections`.

    Returns
    -------
    levels : array (R,), float64
        By what the expected level is to be multiplied: 1 where the particle's own median is not surely
        higher; the median over ln 2 where nothing is known.
    samples : array (R,), float64
        Independent values that each level then rests on.

    Examples
    --------
    >>> plan = plan_search(64, 1000.0)
    >>> power = np.random.default_rng(0).exponential(3.0, (64, 33)).astype(np.float32)
    >>> values = np.full(plan.ring_centres.size, 1e4)
    >>> levels, _ = raise_levels(power, plan, np.empty((0, 2)), known=values, area_px2=1000.0)
    >>> bool((levels > 2).all())
    True
    """
    points, ends = plan.ring_points, plan.ring_ends
    if len(strong):
        reach = _SKIRT_WIDTHS * plan.size / (2 * math.sqrt(area_px2 / math.pi))
        apart = reflection_kernels(compiled).outside(points, plan.size, strong, reach)
        points, ends = points[apart], np.cumsum(apart)[ends - 1]
    own = _medians(power, plan, points, ends, compiled)
    density = min(area_px2 / plan.size**2, 1.0)
    samples = np.maximum(_MEDIAN_EFFICIENCY * plan.ring_values * density, 1.0)
    if known is None:
        return _smoothed(own), _SMOOTHING_GAIN * samples
    surely = own > 1 + _SURELY_SIGMAS / np.sqrt(samples)
    if not surely.any():
        return np.ones(own.size), known
    return np.where(surely, own, 1.0), np.where(surely, samples, known)


def _medians(
    power: np.ndarray, plan: SearchPlan, points: np.ndarray, ends: np.ndarray, compiled: bool | None
) -> np.ndarray:
    """Level of each ring; rings of which few points are left take their neighbours'."""
    bits = power.ravel().view(np.int32)
    at = reflection_kernels(compiled).ring_bins(bits, points, ends, _LOWEST_BIN, _BIN_EDGES.size - 1)
    # A line through the bin of the median: bins are an eighth of an octave wide.
    medians = np.interp(at, np.arange(_BIN_EDGES.size), _BIN_EDGES) / math.log(2)
    enough = np.diff(ends, prepend=0) >= _FEWEST_POINTS
    if not enough.all():
        there = enough if enough.any() else np.ones(enough.size, bool)
        medians = np.interp(plan.ring_centres, plan.ring_centres[there], medians[there])
    return np.maximum(medians, np.finfo(np.float32).tiny)


def _smoothed(levels: np.ndarray) -> np.ndarray:
    """Average the logarithm of each ring's level with its neighbours', 1 : 2 : 1."""
    padded = np.pad(np.log(levels), 1, mode="edge")
    return np.exp((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def threshold(cells: float, samples: np.ndarray, false_alarm: float) -> np.ndarray:
    """Find the power over noise that maxima of noise exceed with a given probability.

    Parameters
    ----------
    cells : float
        Independent frequencies searched.
    samples : array (R,), float
        Independent values that the level of the noise rests on.
    false_alarm : float
        Maxima of noise above the threshold, on average.

    Returns
    -------
    array (R,), float64
        The solution u of `peaks.exceedances`(u) = false_alarm.

    Examples
    --------
    >>> from ..peaks import exceedances
    >>> u = threshold(1000.0, np.array([1e9]), 1e-3)
    >>> round(float(exceedances(u, cells=1000.0)[0]), 6)
    0.001
    """
    ratio = math.log(max(cells, 1.0) / false_alarm)
    level = np.full(np.shape(samples), ratio + 3.0)
    # Each step leaves a fifteenth of the error, or one part in the number of samples.
    for _ in range(12 if np.min(samples) < 50 else 6):
        level = samples * np.expm1((ratio + np.log(level - 0.5)) / samples)
    return level


def candidates(
    power: np.ndarray, limit: np.ndarray, plan: SearchPlan, *, most: int, compiled: bool | None = None
) -> np.ndarray:
    """Find the maxima of a half plane whose tops may exceed a limit.

    Parameters
    ----------
    power : array (size, size // 2 + 1), float32
        Power over the level expected.
    limit : array (n,), float
        Limit over `plan.radii`, on the same scale.
    plan : SearchPlan
        Where to search.
    most : int
        At most this many, the highest over their limit first.
    compiled : bool or None
        As in `reflections.find_reflections`.

    Returns
    -------
    array (m, 2), int64
        Row (from -size/2) and column of each, in reciprocal px. A maximum at the edge of the half plane may
        come twice, as itself and as its partner.

    Examples
    --------
    >>> plan = plan_search(64, 1000.0)
    >>> power = np.zeros((64, 33), np.float32)
    >>> power[50, 12] = 30
    >>> candidates(power, np.full(plan.radii.size, 17.0), plan, most=5).tolist()
    [[-14, 12]]
    """
    least = (CANDIDATE_SHARE * limit).astype(np.float32)
    least[(plan.radii < plan.inner) | (plan.radii > plan.outer)] = np.inf
    found = reflection_kernels(compiled).maxima(power, plan.radius_index, least)
    over = power[found[:, 0], found[:, 1]] / limit[plan.radius_index[found[:, 0], found[:, 1]]]
    found = found[np.argsort(-over, kind="stable")[:most]]
    found[:, 0] -= np.where(found[:, 0] > plan.size // 2, plan.size, 0)
    return found


def strong_of(power: np.ndarray, found: np.ndarray, limit: np.ndarray, plan: SearchPlan) -> np.ndarray:
    """Choose the maxima whose skirts would be seen above the noise.

    Parameters
    ----------
    power : array (size, size // 2 + 1), float32
        Power over the level expected.
    found : array (n, 2), int64
        Maxima, from `candidates`.
    limit : array (n,), float
        Limit over `plan.radii` that they were found with.
    plan : SearchPlan
        Where was searched.

    Returns
    -------
    array (m, 2), int64
        The strong ones.

    Examples
    --------
    >>> plan = plan_search(64, 1000.0)
    >>> power = np.full((64, 33), 30, np.float32)
    >>> strong_of(power, np.array([[3, 20]]), np.full(plan.radii.size, 17.0), plan).shape
    (0, 2)
    """
    height = power[found[:, 0], found[:, 1]]
    over = height / limit[plan.radius_index[found[:, 0], found[:, 1]]]
    return found[(over > _STRONG_THRESHOLDS) & (height > _STRONG_SHARE * height.max(initial=0.0))]
