"""In-plane rotation of a particle from the directions of its reflections over time."""

from __future__ import annotations

import math

import numpy as np

from ...base.errors import DataError
from ...base.tables import Columns

_ALTERNATIONS = 40


def rotation_rate(
    time: np.ndarray, angle_deg: np.ndarray, error_deg: np.ndarray, reflection: np.ndarray
) -> dict[str, float]:
    """Fit one rate of rotation to all reflections of a particle.

    Parameters
    ----------
    time : array (n,), float
        Time of each measurement [s, or frames].
    angle_deg, error_deg : arrays (n,), float
        Direction of the reflection, known up to half a turn, and its standard error [°].
    reflection : array (n,), int
        Number of the reflection, the same in all frames.

    Returns
    -------
    dict
        rate_deg (per unit of time), rate_error_deg, chi2_per_freedom, measurements and reflections (counts of
        those used, which are the reflections seen at least twice). NaN where no two times are known.

    Raises
    ------
    DataError
        If the arrays differ in length.

    Notes
    -----
    Weighted least squares of angle = a_r + rate·t with a constant a_r of its own for each reflection.
    Angles are followed through half turns in the order of time. The rate's error is that of the angles'
    errors, times the root of χ² per degree of freedom where that is above 1: a particle that wobbles does not
    turn evenly.

    Examples
    --------
    >>> t = np.arange(5.0)
    >>> fit = rotation_rate(t, 88 + 2 * t, np.ones(5), np.ones(5, int))
    >>> round(fit["rate_deg"], 6)
    2.0
    """
    if not len(time) == len(angle_deg) == len(error_deg) == len(reflection):
        raise DataError("expected a time, an angle, its error and a reflection for each measurement")
    above = slope = squares = 0.0
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for number in np.unique(reflection):
        rows = np.flatnonzero((reflection == number) & np.isfinite(time) & (np.asarray(error_deg) > 0))
        rows = rows[np.argsort(time[rows], kind="stable")]
        if np.unique(time[rows]).size < 2:
            continue
        weight = 1.0 / np.square(np.asarray(error_deg, np.float64)[rows])
        angle = np.unwrap(np.asarray(angle_deg, np.float64)[rows], period=180.0)
        at = time[rows] - np.average(time[rows], weights=weight)
        angle = angle - np.average(angle, weights=weight)
        parts.append((at, angle, weight))
        above += float((weight * at * angle).sum())
        slope += float((weight * at * at).sum())
    used = sum(at.size for at, _, _ in parts)
    nothing = {"rate_deg": math.nan, "rate_error_deg": math.nan, "chi2_per_freedom": math.nan}
    if slope <= 0:
        return {**nothing, "measurements": 0, "reflections": 0}
    rate = above / slope
    for at, angle, weight in parts:
        squares += float((weight * (angle - rate * at) ** 2).sum())
    freedom = used - len(parts) - 1
    spread = squares / freedom if freedom > 0 else math.nan
    error = math.sqrt((max(1.0, spread) if freedom > 0 else 1.0) / slope)
    return {
        "rate_deg": rate,
        "rate_error_deg": error,
        "chi2_per_freedom": spread,
        "measurements": used,
        "reflections": len(parts),
    }


def orientation(
    frame: np.ndarray, angle_deg: np.ndarray, error_deg: np.ndarray, reflection: np.ndarray
) -> tuple[Columns, Columns]:
    """Tell a particle's turns from the directions of its reflections.

    Parameters
    ----------
    frame : array (n,), int
        Frame of each measurement.
    angle_deg, error_deg : arrays (n,), float
        Direction of the reflection, known up to half a turn, and its standard error [°].
    reflection : array (n,), int
        Number of the reflection, the same in all frames.

    Returns
    -------
    turns : dict of arrays (T,)
        frame, turn_deg (about 0, the weighted mean) and turn_error_deg, for each frame with a reflection.
    directions : dict of arrays (R,)
        reflection, angle_deg (at turn 0).

    Notes
    -----
    Weighted least squares of angle = direction of the reflection + turn of the frame, by alternating means: a
    reflection that is seen for a part of the time only does not draw the others along.

    Examples
    --------
    >>> turns, directions = orientation(np.array([0, 1]), np.array([10.0, 12.0]), np.ones(2), np.ones(2, int))
    >>> turns["turn_deg"].tolist(), directions["angle_deg"].tolist()
    ([-1.0, 1.0], [11.0])
    """
    weight = 1.0 / np.square(np.maximum(np.asarray(error_deg, np.float64), 1e-9))
    frames, of_frame = np.unique(frame, return_inverse=True)
    numbers, of_reflection = np.unique(reflection, return_inverse=True)
    angle = np.empty(len(frame))
    for number in range(numbers.size):
        rows = np.flatnonzero(of_reflection == number)
        rows = rows[np.argsort(frame[rows], kind="stable")]
        angle[rows] = np.unwrap(np.asarray(angle_deg, np.float64)[rows], period=180.0)
    in_frame = np.bincount(of_frame, weights=weight, minlength=frames.size)
    in_reflection = np.bincount(of_reflection, weights=weight, minlength=numbers.size)
    turn = np.zeros(frames.size)
    direction = np.zeros(numbers.size)
    for _ in range(_ALTERNATIONS):
        left = weight * (angle - turn[of_frame])
        direction = np.bincount(of_reflection, weights=left, minlength=numbers.size) / in_reflection
        left = weight * (angle - direction[of_reflection])
        turn = np.bincount(of_frame, weights=left, minlength=frames.size) / in_frame
    middle = float(np.average(turn, weights=in_frame)) if frames.size else 0.0
    return (
        {"frame": frames, "turn_deg": turn - middle, "turn_error_deg": 1 / np.sqrt(in_frame)},
        {"reflection": numbers, "angle_deg": direction + middle},
    )


def appearances(
    frame: np.ndarray, reflection: np.ndarray, power: np.ndarray, seen_in: np.ndarray, *, sure_power: float
) -> Columns:
    """Count the reflections that come and go between one frame and the next.

    Parameters
    ----------
    frame, reflection : arrays (n,), int
        Frame and number of each reflection found.
    power : array (n,), float
        Its power over noise.
    seen_in : array (T,), int
        Frames in which the particle was looked at, ascending.
    sure_power : float
        Only a reflection of at least this power is counted: a weaker one comes and goes with the noise.

    Returns
    -------
    dict of arrays (T - 1,)
        frame (the later one), appeared, vanished.

    Examples
    --------
    >>> counts = appearances(np.array([0, 1, 1]), np.array([1, 1, 2]), np.full(3, 90.0), np.arange(3),
    ...                      sure_power=50.0)
    >>> counts["appeared"].tolist(), counts["vanished"].tolist()
    ([1, 0], [0, 2])
    """
    found = {int(at): set(reflection[frame == at].tolist()) for at in seen_in}
    sure = {int(at): set(reflection[(frame == at) & (power >= sure_power)].tolist()) for at in seen_in}
    steps = list(zip(seen_in[:-1].tolist(), seen_in[1:].tolist(), strict=True))
    return {
        "frame": np.array([later for _, later in steps], np.int64),
        "appeared": np.array([len(sure[later] - found[before]) for before, later in steps], np.int64),
        "vanished": np.array([len(sure[before] - found[later]) for before, later in steps], np.int64),
    }
