"""Zone-axis scores of a particle from its reflections, and whether its atomic columns can be read."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..fourier import pair_ratio

# Reflections of one lattice row differ in direction by errors of their angle and by strain alone.
_SAME_DIRECTION_DEG = 3.0
_SURELY_SIGMAS = 3.0


class ZoneAxisScore(NamedTuple):
    """How well a particle's lattice is seen in more than one direction.

    Parameters
    ----------
    pair_ratio : float
        Amplitude of the brightest symmetric pair over that of the dimmest, as published; NaN below two pairs.
    independent_reflections : int
        Directions in which there are reflections: harmonics and other reflections of one row count once.
    noise_floored_ratio : float
        (P₁ - 1)/max(P₂ - 1, 1) of the strongest reflection and the strongest of another direction, powers
        over noise; NaN without reflections.
    """

    pair_ratio: float
    independent_reflections: int
    noise_floored_ratio: float


def score_zone_axis(
    power: np.ndarray, intensity: np.ndarray, angle_deg: np.ndarray, angle_error_deg: np.ndarray
) -> ZoneAxisScore:
    """Score the reflections of one particle in one frame.

    Parameters
    ----------
    power : array (n,), float
        Power of each pair over noise.
    intensity : array (n,), float
        Squared amplitude of each pair, in any unit; 0 or less counts as not seen.
    angle_deg, angle_error_deg : arrays (n,), float
        Direction of each pair and its standard error [°].

    Returns
    -------
    ZoneAxisScore
        Near 1 on a zone axis, and large where fringes run in one direction only.

    Notes
    -----
    The published ratio divides by the dimmest pair that was found: it tells nothing of a particle with one
    pair, and grows with each weak reflection that a better exposure adds. The other two compare directions.

    Examples
    --------
    >>> two = np.array([101.0, 51.0])
    >>> score_zone_axis(two, two, np.array([0.0, 70.0]), np.array([0.2, 0.3])).noise_floored_ratio
    2.0
    """
    if not len(power):
        return ZoneAxisScore(math.nan, 0, math.nan)
    seen = np.asarray(intensity) > 0
    amplitude = np.sqrt(np.where(seen, intensity, 0.0))[seen]
    order = np.argsort(-np.asarray(power), kind="stable")
    directions: list[int] = []
    for row in order.tolist():
        if all(_differ(row, other, angle_deg, angle_error_deg) for other in directions):
            directions.append(row)
    second = float(power[directions[1]]) if len(directions) > 1 else 1.0
    return ZoneAxisScore(
        pair_ratio=pair_ratio(amplitude, np.arange(amplitude.size)),
        independent_reflections=len(directions),
        noise_floored_ratio=(float(power[order[0]]) - 1) / max(second - 1, 1.0),
    )


def judge_readable(
    score: ZoneAxisScore,
    *,
    most_ratio: float,
    least_contrast: float,
    contrast_limit: float,
    doses: str = "",
    cut_by_edge: bool = False,
) -> tuple[bool, str]:
    """Decide whether the atomic columns of a particle can be read, and why not.

    Parameters
    ----------
    score : ZoneAxisScore
        From `score_zone_axis`.
    most_ratio : float
        Largest noise-floored ratio at which columns are still resolved.
    least_contrast : float
        Contrast of a fringe that is worth seeing.
    contrast_limit : float
        Contrast that is found half of the time with the particle's counts; NaN where not known.
    doses : str
        What the frame has and what `least_contrast` would take, in words; put behind "too few counts".
    cut_by_edge : bool
        Whether the frame's edge cuts the particle.

    Returns
    -------
    readable : bool
        True where at least two directions of fringes stand out and the weaker is not lost beside the other.
    reason : str
        Why not; empty where it can be read.

    Examples
    --------
    >>> score = ZoneAxisScore(np.nan, 1, 90.0)
    >>> judge_readable(score, most_ratio=10, least_contrast=0.06, contrast_limit=0.02)
    (False, 'one direction of fringes only')
    """
    if cut_by_edge:
        return False, "cut by the edge"
    if score.independent_reflections >= 2:
        if score.noise_floored_ratio <= most_ratio:
            return True, ""
        return False, f"one direction of fringes far above the others ({score.noise_floored_ratio:.0f} : 1)"
    if contrast_limit > least_contrast:
        return False, f"too few counts: {doses}" if doses else "too few counts"
    if score.independent_reflections == 1:
        return False, "one direction of fringes only"
    return False, "no reflection above noise"


def zone_axis_map(labels: np.ndarray, particle: np.ndarray, noise_floored_ratio: np.ndarray) -> np.ndarray:
    """Scale a frame's masks by how near to a zone axis each particle is.

    Parameters
    ----------
    labels : array (Y, X), int
        The particle at every pixel, 0 outside.
    particle : array (n,), int
        Particles that were scored.
    noise_floored_ratio : array (n,), float
        Their scores, from `score_zone_axis`; NaN without reflections.

    Returns
    -------
    array (Y, X), float32
        One over the ratio: 1 where two directions of fringes are equally strong, near 0 where one stands
        alone, 0 outside and without reflections.

    Examples
    --------
    >>> zone_axis_map(np.array([[0, 4, 7]]), np.array([4, 7]), np.array([2.0, np.nan])).tolist()
    [[0.0, 0.5, 0.0]]
    """
    of_label = np.zeros(int(max(labels.max(initial=0), np.max(particle, initial=0))) + 1, np.float32)
    ratio = np.asarray(noise_floored_ratio, np.float64)
    known = np.isfinite(ratio) & (ratio > 0)
    of_label[np.asarray(particle)[known]] = np.minimum(1.0 / ratio[known], 1.0)
    return of_label[labels]


def _differ(row: int, other: int, angle_deg: np.ndarray, error_deg: np.ndarray) -> bool:
    apart = abs((float(angle_deg[row]) - float(angle_deg[other]) + 90.0) % 180.0 - 90.0)
    sure = _SURELY_SIGMAS * math.hypot(float(error_deg[row]), float(error_deg[other]))
    return apart > max(_SAME_DIRECTION_DEG, sure)
