"""Atomic columns over time: linked from frame to frame, and rates of what happens to them."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import chi2

from ...base.errors import DataError, SettingsError

# A column's place is the mean over its last few frames, which follows what drifts slowly.
_NEWEST = 0.35
_DRIFT_ROUNDS, _FEWEST_FOR_DRIFT = 2, 3


def column_spacing(frame: np.ndarray, y: np.ndarray, x: np.ndarray) -> float:
    """Find how far apart neighbouring columns are.

    Parameters
    ----------
    frame : array (n,), int
        Frame of each column.
    y, x : arrays (n,), float
        Positions [any length].

    Returns
    -------
    float
        Median distance to the nearest column of the same frame; NaN where every column is alone.

    Examples
    --------
    >>> column_spacing(np.zeros(3, int), np.array([0.0, 0.0, 5.0]), np.array([0.0, 2.0, 0.0]))
    2.0
    """
    distances = []
    for at in _rows_by_frame(frame):
        if len(at) > 1:
            places = np.stack([y[at], x[at]], axis=1)
            distances.append(cKDTree(places).query(places, k=2)[0][:, 1])
    return float(np.median(np.concatenate(distances))) if distances else math.nan


def link_columns(
    frame: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    *,
    max_step: float,
    memory: int = 2,
    group: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Link columns that stay at their site from frame to frame, one to one.

    Parameters
    ----------
    frame : array (n,), int
        Which frame each column was found in, ascending. Frames without a column count where others lie
        between; give them consecutive numbers if some frames were not looked at.
    y, x : arrays (n,), float
        Positions [any length].
    max_step : float
        Largest step from one frame to the next, beyond what all columns do together; below half the
        spacing of sites, or neighbours are taken for one another [length].
    memory : int
        Frames that a column may be missed for and still be the same.
    group : array (n,), int, or None
        Columns of different groups (particles) are never linked, and each group drifts on its own.

    Returns
    -------
    visit : array (n,), int64
        From 1: a run of one column at one site.
    drift_y, drift_x : arrays (n,), float64
        What the column's group has drifted by since its first frame; positions less this stay in place.

    Raises
    ------
    DataError
        If the arrays differ in length or frames descend.
    SettingsError
        If a number is outside its range.

    Notes
    -----
    In each frame the common drift is the median step of columns to the nearest place known, twice over;
    then the nearest pairs are linked first, to the frame before, then to places missed for longer.

    Examples
    --------
    >>> visit, _, _ = link_columns(
    ...     np.array([0, 0, 1, 1]), np.array([0.0, 5.0, 5.2, 0.1]), np.zeros(4), max_step=1.0
    ... )
    >>> visit.tolist()
    [1, 2, 2, 1]
    """
    if not 0 < max_step < math.inf or memory < 0:
        raise SettingsError(f"expected a step above 0 and a memory of 0 or more, got {max_step} and {memory}")
    frame = np.asarray(frame, np.int64)
    places = np.stack([np.asarray(y, np.float64), np.asarray(x, np.float64)], axis=1)
    groups = np.zeros(len(frame), np.int64) if group is None else np.asarray(group, np.int64)
    if not len(frame) == len(places) == len(groups) or (np.diff(frame) < 0).any():
        raise DataError("expected columns in the order of their frames, each with a place and a group")
    visit, drift = np.zeros(len(frame), np.int64), np.zeros(places.shape)
    for one in np.unique(groups).tolist():
        rows = np.flatnonzero(groups == one)
        own, drift[rows] = _link_group(frame[rows], places[rows], max_step, memory)
        visit[rows] = own + visit.max(initial=0)
    # Numbers by first appearance, whichever group it was in.
    _, first, inverse = np.unique(visit, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(1, len(first) + 1)
    return rank[inverse.reshape(-1)] if len(frame) else visit, drift[:, 0], drift[:, 1]


def event_rate(count: int, *, exposure: float, confidence: float = 0.95) -> tuple[float, float, float]:
    """Find the rate of counted events, with exact Poisson limits.

    Parameters
    ----------
    count : int
        Events.
    exposure : float
        What they are counted over: time, or time times columns.
    confidence : float
        Probability, at least, with which the limits hold the rate.

    Returns
    -------
    rate, low, high : float
        Events per exposure; low is 0 where there are none.

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Notes
    -----
    Limits after Garwood (1936): χ²(α/2; 2n)/2 and χ²(1 - α/2; 2n + 2)/2, each over the exposure.

    Examples
    --------
    >>> [round(one, 3) for one in event_rate(0, exposure=10.0)]
    [0.0, 0.0, 0.369]
    """
    if count < 0 or not exposure > 0 or not 0 < confidence < 1:
        raise SettingsError(
            f"expected 0 events or more, an exposure above 0 and a confidence between 0 and 1, got {count}, "
            f"{exposure} and {confidence}"
        )
    tail = (1 - confidence) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(1 - tail, 2 * count + 2)) / 2
    return count / exposure, low / exposure, high / exposure


def _rows_by_frame(frame: np.ndarray) -> list[np.ndarray]:
    frame = np.asarray(frame)
    order = np.argsort(frame, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(frame[order])) + 1) if len(frame) else []


def _link_group(
    frame: np.ndarray, places: np.ndarray, max_step: float, memory: int
) -> tuple[np.ndarray, np.ndarray]:
    """Link the columns of one group: visits from 1, and the drift at each column (n, 2)."""
    visit, drifts = np.zeros(len(frame), np.int64), np.zeros(places.shape)
    known, last, drift = np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(2)
    open_visit, count = np.zeros(0, np.int64), 0
    for rows in _rows_by_frame(frame):
        now = int(frame[rows[0]])
        alive = now - last <= memory + 1
        known, last, open_visit = known[alive], last[alive], open_visit[alive]
        drift = _drift(places[rows], known, drift, max_step)
        here = places[rows] - drift
        own, other = _nearest_pairs(here, known, now - last, max_step)
        visit[rows[own]] = open_visit[other]
        known[other] += _NEWEST * (here[own] - known[other])
        last[other] = now
        new = np.setdiff1d(np.arange(len(rows)), own)
        visit[rows[new]] = count + 1 + np.arange(len(new))
        known = np.concatenate([known, here[new]])
        last = np.concatenate([last, np.full(len(new), now)])
        open_visit = np.concatenate([open_visit, visit[rows[new]]])
        count += len(new)
        drifts[rows] = drift
    return visit, drifts


def _drift(here: np.ndarray, known: np.ndarray, drift: np.ndarray, max_step: float) -> np.ndarray:
    """Renew the drift so that columns lie where they are known to be, on the median."""
    if len(known) < _FEWEST_FOR_DRIFT or len(here) < _FEWEST_FOR_DRIFT:
        return drift
    tree = cKDTree(known)
    for _ in range(_DRIFT_ROUNDS):
        distance, nearest = tree.query(here - drift, distance_upper_bound=max_step)
        close = np.isfinite(distance)
        if close.sum() < _FEWEST_FOR_DRIFT:
            return drift
        drift = drift + np.median((here - drift)[close] - known[nearest[close]], axis=0)
    return drift


def _nearest_pairs(
    here: np.ndarray, known: np.ndarray, unseen: np.ndarray, max_step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pair columns with places known, those seen last first, then the nearest, each once."""
    empty = np.zeros(0, np.int64)
    if len(known) == 0:
        return empty, empty
    near = cKDTree(here).sparse_distance_matrix(cKDTree(known), max_step, output_type="ndarray")
    order = np.lexsort((near["j"], near["i"], near["v"], unseen[near["j"]]))
    free_here, free_known = np.ones(len(here), bool), np.ones(len(known), bool)
    own, other = [], []
    for i, j in zip(near["i"][order].tolist(), near["j"][order].tolist(), strict=True):
        if free_here[i] and free_known[j]:
            free_here[i] = free_known[j] = False
            own.append(i)
            other.append(j)
    return np.array(own, np.int64), np.array(other, np.int64)
