"""Reflections of one particle: where its power stands out of the noise, to a fraction of a frequency cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import fft

from ...base.errors import SettingsError
from ...base.tables import Columns
from ..peaks import skirt
from .noise_spectrum import noise_power
from .particle_patch import ParticlePatch
from .plain import reflection_kernels
from .spectrum_search import (
    CANDIDATE_SHARE,
    SearchPlan,
    candidates,
    plan_search,
    raise_levels,
    strong_of,
    threshold,
)

_OVERSAMPLING = 1.25
_SMALLEST_SIZE = 64
_NEWTON_STEPS = 6
_CANDIDATES_A_PAIR = 4
# The mean of noise, and what the top of |F|² gains by two coordinates that were chosen to its liking.
_NOISE_IN_TOP = 2.0
# A climb that goes farther than this from its candidate has come to another maximum [reciprocal px].
_FARTHEST_CELLS = 2.0


@dataclass(frozen=True, eq=False)
class Reflections:
    """The reflections of one particle in one frame, and what the search could have seen.

    Parameters
    ----------
    rows : dict of arrays (n,)
        A pair a row, the strongest first: q_y_per_px and q_x_per_px (of the member with growing columns),
        q_per_px, q_error_per_px, angle_deg (-90..90, counter-clockwise on the screen), angle_error_deg, power
        (over noise, whose mean is 1), intensity (squared contrast of the fringe) and intensity_error.
    frequencies : float
        M, independent frequencies searched.
    threshold : float
        Power over noise that a pair must exceed, where the noise is known best.
    electrons : float
        Counts of the particle, squared, over their variance: electrons for a perfect camera; NaN where the
        mean is not above 0.
    mean_counts : float
        Mean counts of the particle.
    area_px2 : float
        Area of the particle's window [px²].
    own_noise : bool
        Whether the noise is that of the particle's own spectrum, as none was given.
    at : dict of arrays (n,)
        power, intensity and intensity_error at places that were asked for, found or not; empty without.
    """

    rows: Columns
    frequencies: float
    threshold: float
    electrons: float
    mean_counts: float
    area_px2: float
    own_noise: bool
    at: Columns


def find_reflections(
    patch: ParticlePatch,
    *,
    noise: Columns | None = None,
    false_alarm: float = 1e-3,
    most_pairs: int = 12,
    size: int | None = None,
    at: np.ndarray | None = None,
    compiled: bool | None = None,
) -> Reflections:
    """Find the reflections of a particle that noise would not give, and where they are.

    Parameters
    ----------
    patch : ParticlePatch
        The particle, from `cut_patch`.
    noise : dict of arrays (R,) or None
        Noise power of the movie's background, from `pool_noise`; None or without rows takes it from rings
        of the particle's own spectrum, which needs higher peaks.
    false_alarm : float
        Probability that noise alone gives a pair anywhere in the spectrum.
    most_pairs : int
        At most this many, the strongest first.
    size : int or None
        Side of the transform [px], even; a fast one of at least 1.25 times the patch's where None.
    at : array (n, 2), float, or None
        Frequencies [1/px], rows before columns, whose intensity is wanted though nothing be found there. It
        is m² = 4(P - 1)·n·Σw²/(k̄·Σw)², without bias, since the place is not chosen by the noise.
    compiled : bool or None
        True asks for numba, False for plain NumPy, None takes numba where it is installed; the result is the
        same to rounding.

    Returns
    -------
    Reflections
        The pairs, and what could have been seen.

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Notes
    -----
    P(q) = |Σ w(k - s)·exp(-2πi q·x)|² / (n(q)·Σw²) is Exp(1) where there is only noise of power n. The
    threshold leaves `false_alarm` maxima of noise within the circle of the Nyquist frequency
    (`peaks.exceedances`). Where the median of a ring of the particle's spectrum lies surely above the
    background (an amorphous shell, a rough surface), the ring's own level counts. What noise and the skirts
    of brighter reflections (`peaks.skirt`) explain together is left out.

    Each candidate is climbed by Newton's method on the transform at real q: for one fringe in white noise
    its top is the maximum-likelihood position. Errors are those of Fisher's information: with A² = P - 2 and
    S = Σw·x·xᵀ, cov(q) = (Σw)²/(2A²·Σw²)·S⁻¹(Σw²·x·xᵀ)S⁻¹/4π², where w alone is summed within the mask; for a
    sharp disc of radius R that is σ_q = 1/(2π·√(N_e·m²/2·R²/4)). Intensity is m² = 4(P - 2)·n·Σw²/(k̄·Σw)²: of
    P, 1 is noise, and 1 the gain by two coordinates chosen to be the top's. Its error is that of a Rician
    power, √(2A² + 1).

    Examples
    --------
    >>> from .particle_patch import cut_patch
    >>> y, x = np.mgrid[:96, :96] - 48
    >>> image = np.random.default_rng(0).poisson(50 * (1 + 0.2 * np.cos(2 * np.pi * 0.2 * x)))
    >>> found = find_reflections(cut_patch(image, x * x + y * y < 900))
    >>> found.rows["q_per_px"].round(3).tolist()
    [0.2]
    """
    if not 0 < false_alarm < 1 or most_pairs < 1:
        raise SettingsError(
            f"expected a family error between 0 and 1 and at least 1 pair, got {false_alarm} and {most_pairs}"
        )
    size = _transform_size(patch, size)
    area = min(patch.area_px2, float(size**2))
    plan = plan_search(size, area)
    known = None if noise is None or not noise["q_per_px"].size else noise
    level = patch.energy * _expected_noise(known, patch, plan)
    half = fft.fft(fft.rfft(patch.flat, n=size, axis=1, workers=1), n=size, axis=0, workers=1)
    power = _power_over(half, level, plan, compiled)
    cells = plan.frequencies(area)
    levels = partial(raise_levels, power, plan, area_px2=area, compiled=compiled)
    if known is None:
        values = None
        raised, samples = levels(np.empty((0, 2), np.int64), known=None)
    else:
        values = np.interp(plan.ring_centres / size, known["q_per_px"], known["values"])
        raised, samples = np.ones(values.size), values
    needed = threshold(cells, samples, false_alarm)
    limit = plan.on_radii(raised * needed)
    starts = candidates(power, limit, plan, most=_CANDIDATES_A_PAIR * most_pairs, compiled=compiled)
    strong = strong_of(power, starts, limit, plan)
    if known is not None or len(strong):
        raised, samples = levels(strong, known=values)
    if samples is not values:
        needed = threshold(cells, samples, false_alarm)
    power_unit, level = level, level * plan.on_radii(raised)
    centre = math.sqrt(float(power[0, : int(plan.inner) + 1].max()) * float(power_unit[0]))
    tops = _Tops(patch, plan, level, level * plan.on_radii(needed), centre)
    heights = power[starts[:, 0], starts[:, 1]] * power_unit[plan.radius_index[starts[:, 0], starts[:, 1]]]
    rows = tops.described(*tops.climbed(power, starts, heights, most_pairs, compiled))
    middle = math.sqrt((plan.inner**2 + plan.outer**2) / 2)
    at_middle = float(np.interp(middle, plan.radii, level))
    counts = patch.mean_counts * patch.weight
    return Reflections(
        rows=rows,
        frequencies=cells,
        threshold=float(needed.min()),
        electrons=counts**2 / at_middle if counts > 0 and at_middle > 0 else math.nan,
        mean_counts=patch.mean_counts,
        area_px2=area,
        own_noise=known is None,
        at={} if at is None else tops.measured(np.asarray(at, np.float64), compiled),
    )


def normalised_power(patch: ParticlePatch, noise: Columns, *, size: int | None = None) -> np.ndarray:
    """Transform a particle and divide its power by that of the noise.

    Parameters
    ----------
    patch : ParticlePatch
        The particle, from `cut_patch`.
    noise : dict of arrays (R,)
        Noise power of the movie's background, from `pool_noise`.
    size : int or None
        As in `find_reflections`.

    Returns
    -------
    array (size, size // 2 + 1), float32
        P at the points that `scipy.fft.rfft2` returns; Exp(1) where there is only noise.

    Examples
    --------
    >>> from .noise_spectrum import background_noise
    >>> from .particle_patch import cut_patch
    >>> image = np.random.default_rng(0).poisson(50, (128, 128))
    >>> noise = background_noise(image, np.zeros(image.shape, bool))
    >>> patch = cut_patch(image, np.hypot(*np.mgrid[-64:64, -64:64]) < 50)
    >>> round(float(np.median(normalised_power(patch, noise))), 1)
    0.7
    """
    size = _transform_size(patch, size)
    plan = plan_search(size, min(patch.area_px2, float(size**2)))
    level = patch.energy * _expected_noise(noise, patch, plan)
    half = fft.fft(fft.rfft(patch.flat, n=size, axis=1, workers=1), n=size, axis=0, workers=1)
    return _power_over(half, level, plan, None)


def contrast_limit(frequencies: float, electrons: float, *, false_alarm: float = 1e-3) -> float:
    """Give the contrast of a fringe that would be found half of the time.

    Parameters
    ----------
    frequencies : float
        Independent frequencies searched, M.
    electrons : float
        Electrons of the particle, N.
    false_alarm : float
        Family error α.

    Returns
    -------
    float
        m = √(4·ln(M/α)/N); NaN where the number of electrons is not known.

    Examples
    --------
    >>> round(contrast_limit(1000.0, 22e3), 3)
    0.05
    """
    if not electrons > 0:
        return math.nan
    return math.sqrt(4 * math.log(max(frequencies, 1.0) / false_alarm) / electrons)


def _transform_size(patch: ParticlePatch, size: int | None) -> int:
    longest = max(patch.flat.shape)
    if size is None:
        needed = math.ceil(_OVERSAMPLING * longest / 2)
        return max(_SMALLEST_SIZE, 2 * fft.next_fast_len(needed, real=True))
    if size % 2 or size < longest:
        raise SettingsError(f"expected an even transform of at least {longest} px, got {size}")
    return size


def _expected_noise(noise: Columns | None, patch: ParticlePatch, plan: SearchPlan) -> np.ndarray:
    """Noise power a pixel over the plan's radii; white, of the pixels' own variance, where none is known."""
    if noise is not None:
        return noise_power(noise, plan.radii / plan.size, mean_counts=patch.mean_counts)
    variance = float((patch.flat.astype(np.float64) ** 2).sum()) / patch.energy
    return np.full(plan.radii.size, max(variance, np.finfo(np.float32).tiny))


def _power_over(half: np.ndarray, level: np.ndarray, plan: SearchPlan, compiled: bool | None) -> np.ndarray:
    inverse = (1 / level).astype(np.float32)
    return reflection_kernels(compiled).power_over(half, plan.radius_index, inverse)


def _vertex(power: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Step from a point to the top of parabolas through the logarithms there and beside it [points]."""
    size = power.shape[0]

    def logarithm(y: int, x: int) -> float:
        # Left of the half plane stand the partners of the points right of it.
        return math.log(max(float(power[(-y if x < 0 else y) % size, abs(x)]), 1e-30))

    middle = 2 * logarithm(row, column)
    steps = []
    for before, behind in (((row - 1, column), (row + 1, column)), ((row, column - 1), (row, column + 1))):
        low, high = logarithm(*before), logarithm(*behind)
        steps.append(0.5 * (low - high) / min(low + high - middle, -1e-3))
    return max(-0.5, min(0.5, steps[0])), max(-0.5, min(0.5, steps[1]))


@dataclass(frozen=True, eq=False)
class _Tops:
    """The tops of |F|² of one particle: climbed to, chosen, described.

    Over the plan's radii, `level` is the noise's |F|² and `needed` what a top must exceed; `centre` is the
    amplitude of the central spot.
    """

    patch: ParticlePatch
    plan: SearchPlan
    level: np.ndarray
    needed: np.ndarray
    centre: float

    @property
    def width(self) -> float:
        """Width of the central spot [reciprocal px]: one over the particle's diameter."""
        return self.plan.size / (2 * math.sqrt(self.patch.area_px2 / math.pi))

    def climbed(
        self, power: np.ndarray, starts: np.ndarray, heights: np.ndarray, most: int, compiled: bool | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Climb from points of a half plane to the tops between them: their places (n, 2), and |F|².

        From the highest |F|² down; what noise and the skirts of tops before explain together is left out.
        """
        climb = reflection_kernels(compiled).climb
        cell, spread = 2 * math.pi / self.plan.size, self.patch.spread / self.patch.weight
        radius = np.hypot(*starts.T)
        bound = np.sqrt(np.interp(radius, self.plan.radii, self.needed))
        bound += self.centre * skirt(radius / self.width) ** 1.5
        reach = np.sqrt(heights / CANDIDATE_SHARE)
        tops, found = [], []
        for number in np.argsort(-heights, kind="stable").tolist():
            if reach[number] <= bound[number]:
                continue
            start = starts[number] + np.array(_vertex(power, *starts[number].tolist()))
            ky, kx, height = climb(
                self.patch.flat, start * cell, self.patch.centre, spread, cell, _NEWTON_STEPS
            )
            top = np.array([ky, kx]) / cell
            radius = math.hypot(*top)
            near = math.hypot(*(top - start)) < _FARTHEST_CELLS and self.plan.inner < radius < self.plan.outer
            # Another start that came to the same top lies beneath that top's own skirt.
            if near and math.sqrt(height) > bound[number]:
                tops.append(top)
                found.append(height)
                apart = np.stack([starts - top, starts + top])
                bound += math.sqrt(height) * skirt(np.hypot(apart[..., 0], apart[..., 1]) / self.width).sum(
                    axis=0
                )
        strongest = np.argsort(-np.array(found), kind="stable")[:most]
        return np.array(tops).reshape(-1, 2)[strongest], np.array(found)[strongest]

    def measured(self, places: np.ndarray, compiled: bool | None) -> Columns:
        """Measure the power at given frequencies [1/px]."""
        transform_moments = reflection_kernels(compiled).transform_moments
        turns = 2 * math.pi * places
        height = [
            abs(transform_moments(self.patch.flat, ky, kx, *self.patch.centre)[0]) ** 2 for ky, kx in turns
        ]
        level = np.interp(np.hypot(*places.T) * self.plan.size, self.plan.radii, self.level)
        power, unit = np.array(height).reshape(-1) / level, self._contrast_squared(level)
        return {
            "power": power,
            "intensity": unit * (power - 1),
            "intensity_error": unit * np.sqrt(2 * np.maximum(power - 1, 0) + 1),
        }

    def _contrast_squared(self, level: np.ndarray) -> np.ndarray:
        """Squared contrast of a fringe whose power is that of the noise; NaN without counts above 0."""
        counts = self.patch.mean_counts * self.patch.weight
        return 4 * level / counts**2 if counts > 0 else np.full(level.shape, math.nan)

    def described(self, places: np.ndarray, heights: np.ndarray) -> Columns:
        """Tabulate the chosen ones with their errors."""
        patch = self.patch
        places = places / self.plan.size
        places = np.where(_turned(places)[:, None], -places, places)
        q = np.hypot(*places.T)
        level = np.interp(q * self.plan.size, self.plan.radii, self.level)
        power = heights / level
        signal = np.maximum(power - _NOISE_IN_TOP, 1.0)
        (a, b), (_, c) = patch.spread.tolist()
        inverse = np.array([[c, -b], [-b, a]]) / (a * c - b * b)
        shape = inverse @ patch.spread_of_squares @ inverse
        shape *= patch.weight**2 / patch.energy / (8 * math.pi**2)
        along = places / q[:, None]
        across = along[:, ::-1] * np.array([1.0, -1.0])
        error, turn = (np.sqrt((side @ shape * side).sum(axis=1) / signal) for side in (along, across))
        unit = self._contrast_squared(level)
        return {
            "q_y_per_px": places[:, 0],
            "q_x_per_px": places[:, 1],
            "q_per_px": q,
            "q_error_per_px": error,
            "angle_deg": np.degrees(np.arctan2(-places[:, 0], places[:, 1])),
            "angle_error_deg": np.degrees(turn / q),
            "power": power,
            "intensity": unit * (power - _NOISE_IN_TOP),
            "intensity_error": unit * np.sqrt(2 * signal + 1),
        }


def _turned(places: np.ndarray) -> np.ndarray:
    """Tell which members have falling columns, or none and falling rows."""
    return (places[:, 1] < 0) | ((places[:, 1] == 0) & (places[:, 0] > 0))
