"""Hops of atomic columns: from site to neighbouring site, told only where no oversight explains them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...base.errors import SettingsError
from ...base.tables import Columns

_ENDS = 3
# Visits this much of a spacing apart are at one site.
_AT_SITE = 0.45
_MOST_HOP = 1.5
_RARE = 0.03
_PRIOR_STEPS = 10
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class ColumnEvents:
    """What happened to columns: who each is, and the table of appearances, vanishings and hops.

    Parameters
    ----------
    column : array (n,), int64
        Lasting number of each column found, from 1; a hop keeps it.
    events : dict of arrays (m,)
        frame (first one after it), kind ("appear", "vanish", "hop"), column, frames_unseen (frames without
        the column on the way), from_y, from_x, to_y, to_x (drift taken off; NaN where there is none).
    missed : float
        How often a column is missed in a frame while it is there.
    """

    column: np.ndarray
    events: Columns
    missed: float


def find_hops(
    frame: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    visit: np.ndarray,
    *,
    spacing: float,
    memory: int = 2,
    alpha: float = 1e-3,
    last_frame: int | None = None,
) -> ColumnEvents:
    """Tell which columns appeared, vanished, and hopped from one site to the next.

    Parameters
    ----------
    frame, visit : arrays (n,), int
        As given to and got from `link_columns`.
    y, x : arrays (n,), float
        Positions less the drift [length].
    spacing : float
        Distance of neighbouring sites [length].
    memory : int
        Frames that a column may be unseen for on its way.
    alpha : float
        A hop is told only if a column that had stayed would have been missed for as long as its old site is
        seen empty, or its new one was, with at most this probability.
    last_frame : int or None
        Last frame of the movie; the last with a column where None.

    Returns
    -------
    ColumnEvents
        Lasting numbers, and events in the order of frames.

    Raises
    ------
    SettingsError
        If a number is outside its range.

    Notes
    -----
    A hop is a visit that ends and one that begins within memory + 1 frames of it, half to one and a half
    spacings away; the soonest, then the nearest to one spacing, are joined first, each end and each begin
    once. How often a column is missed while it is there, q, is the frames missed within visits (a geometric
    law, cut off at `memory`), of the two visits and with a weight of ten of all; a site that is empty for n
    frames is an oversight with the probability qⁿ. So few counts make few hops rather than false ones. A
    vanishing is told only once memory has run out before the movie does.

    Examples
    --------
    >>> frame, y = np.arange(6), np.array([0.0, 0, 0, 2, 2, 2])
    >>> found = find_hops(frame, y, 0 * y, np.array([1, 1, 1, 2, 2, 2]), spacing=2.0)
    >>> found.column.tolist(), found.events["kind"].tolist(), found.events["frame"].tolist()
    ([1, 1, 1, 1, 1, 1], ['hop'], [3])
    """
    if not 0 < spacing < math.inf or memory < 0 or not 0 < alpha < 1:
        raise SettingsError(
            f"expected a spacing above 0, a memory of 0 or more and alpha between 0 and 1, got {spacing}, "
            f"{memory} and {alpha}"
        )
    frame, visit = np.asarray(frame, np.int64), np.asarray(visit, np.int64)
    if len(frame) == 0:
        return ColumnEvents(np.zeros(0, np.int64), _events(_visits(frame, np.zeros((0, 2)), visit)), 0.0)
    places = np.stack([y, x], axis=1).astype(np.float64)
    whole = _visits(frame, places, visit)
    usual = _usual_gap(frame, visit, whole, spacing)
    missed = float(_missed_of_gap(np.array([usual]), memory)[0])
    # A gap too long for an oversight may be an excursion: the visit is cut there, and mended if it was none.
    part, of = _cut(frame, visit, missed, alpha)
    visits = _visits(frame, places, part)
    last = int(np.max(frame)) if last_frame is None else last_frame
    before, after = _join(visits, spacing, memory, alpha, last, usual)
    own = of[visits["visit"] - 1]
    mended = np.flatnonzero(own[1:] == own[:-1])
    mended = mended[~np.isin(mended, before) & ~np.isin(mended + 1, after)]
    onward = np.full(len(own), -1)
    onward[after], onward[mended + 1] = before, mended
    column = np.arange(len(own))
    # A visit comes after the one it goes on from: numbers reach the end of a chain in one pass.
    for later in np.argsort(visits["first"], kind="stable").tolist():
        if onward[later] >= 0:
            column[later] = column[onward[later]]
    rank = _by_appearance(column, visits["first"])
    events = _events(visits, before, after, mended, rank, memory, last)
    return ColumnEvents(rank[part - 1], events, missed)


def _usual_gap(frame: np.ndarray, visit: np.ndarray, whole: Columns, spacing: float) -> float:
    """Find how many frames a column is missed for between two sightings, on average.

    Gaps that another column beside fills, to the frame, are excursions and left out where gaps are rare;
    where they are not, neighbours that blink in turn would pass for one.
    """
    order = np.lexsort((frame, visit))
    start, stop = frame[order][:-1] + 1, frame[order][1:] - 1
    same = np.diff(visit[order]) == 0
    gaps = np.flatnonzero(same & (stop >= start))
    total, steps = int((stop[gaps] - start[gaps] + 1).sum()), max(int(same.sum()), 1)
    if total > _RARE * steps:
        return total / steps
    filled, last = 0, int(frame.max()) + 3
    seen = set((visit * last + frame).tolist())
    near = cKDTree(whole["end"])
    for at in gaps.tolist():
        begin, end = int(start[at]), int(stop[at])
        own = np.searchsorted(whole["visit"], visit[order][at])
        for other in whole["visit"][near.query_ball_point(whole["end"][own], _MOST_HOP * spacing)].tolist():
            there = [other * last + one in seen for one in range(begin - 1, end + 2)]
            if all(there[1:-1]) and not there[0] and not there[-1]:
                filled += end - begin + 1
                break
    return (total - filled) / steps


def _cut(frame: np.ndarray, visit: np.ndarray, missed: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut visits at gaps that are no oversight: part of each row (n,), from 1, and the visit of each part."""
    order = np.lexsort((frame, visit))
    gap = np.diff(frame[order]) - 1
    new = (np.diff(visit[order]) != 0) | ((gap > 0) & (missed ** np.maximum(gap, 0) <= alpha))
    number = np.concatenate([[1], 1 + np.cumsum(new)])
    part = np.empty(len(frame), np.int64)
    part[order] = number
    return part, visit[order][np.concatenate([[True], new])]


def _by_appearance(name: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Give names numbers from 1, in the order in which they first appear."""
    found, index = np.unique(name, return_inverse=True)
    earliest = np.full(len(found), np.iinfo(np.int64).max)
    np.minimum.at(earliest, index.reshape(-1), first)
    rank = np.empty(len(found), np.int64)
    rank[np.lexsort((found, earliest))] = np.arange(1, len(found) + 1)
    return rank[index.reshape(-1)]


def _visits(frame: np.ndarray, places: np.ndarray, visit: np.ndarray) -> Columns:
    """Sum visits up, in the order of their numbers: first and last frame, how often seen, where."""
    names, count = np.unique(visit, return_counts=True)
    order = np.argsort(visit, kind="stable")
    parts = np.split(order, np.cumsum(count)[:-1]) if len(names) else []
    begin = np.array([places[part[:_ENDS]].mean(axis=0) for part in parts]).reshape(-1, 2)
    end = np.array([places[part[-_ENDS:]].mean(axis=0) for part in parts]).reshape(-1, 2)
    return {
        "visit": names,
        "count": count,
        "first": np.array([frame[part[0]] for part in parts], np.int64),
        "last": np.array([frame[part[-1]] for part in parts], np.int64),
        "begin": begin,
        "end": end,
    }


def _join(
    visits: Columns, spacing: float, memory: int, alpha: float, last: int, usual: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pair visits that end with those that go on from them at a neighbouring site: two arrays of indices."""
    if len(visits["visit"]) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends, begins = cKDTree(visits["end"]), cKDTree(visits["begin"])
    near = ends.sparse_distance_matrix(begins, _MOST_HOP * spacing, output_type="ndarray")
    before, after, far = near["i"], near["j"], near["v"]
    wait = visits["first"][after] - visits["last"][before]
    # A frame in which it moved may show it at both sites.
    fits = (wait >= 0) & (wait <= memory + 1) & (far > 0.5 * spacing)
    fits &= visits["first"][before] < visits["first"][after]
    before, after, far, wait = before[fits], after[fits], far[fits], wait[fits]
    empty_after, empty_before = _empty_frames(visits, _AT_SITE * spacing, last)
    empty = np.minimum(empty_after[before], empty_before[after])
    seen = np.minimum(visits["count"][before], visits["count"][after])
    missed = _missed(visits, before, after, memory, usual)
    # A place seen once tells of noise or of a column too faint to follow, where columns are missed at all.
    sure = (missed**empty <= alpha) & ((seen > 1) | (missed <= alpha))
    before, after, far, wait = before[sure], after[sure], far[sure], wait[sure]
    ended, begun = np.zeros(len(visits["visit"]), bool), np.zeros(len(visits["visit"]), bool)
    chosen = []
    for at in np.lexsort((after, before, np.abs(far - spacing), wait)).tolist():
        if not ended[before[at]] and not begun[after[at]]:
            ended[before[at]] = begun[after[at]] = True
            chosen.append(at)
    return before[chosen], after[chosen]


def _empty_frames(visits: Columns, reach: float, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Count frames without a column at a visit's site: after its end, and before its begin."""
    after, before = last - visits["last"], visits["first"].copy()
    middles = (visits["begin"] + visits["end"]) / 2
    for i, j in cKDTree(middles).query_pairs(reach, output_type="ndarray").tolist():
        for one, other in ((i, j), (j, i)):
            if visits["first"][other] > visits["last"][one]:
                gap = visits["first"][other] - visits["last"][one] - 1
                after[one] = min(after[one], gap)
                before[other] = min(before[other], gap)
    return after, before


def _missed(visits: Columns, before: np.ndarray, after: np.ndarray, memory: int, usual: float) -> np.ndarray:
    """Estimate how often columns are missed while there, for pairs of visits: probabilities a frame.

    `usual` is the mean number of frames missed between two sightings, of all columns.
    """
    steps = visits["count"] - 1
    gaps = visits["last"] - visits["first"] - steps
    weight = steps[before] + steps[after] + _PRIOR_STEPS
    mean = (gaps[before] + gaps[after] + _PRIOR_STEPS * usual) / weight
    return _missed_of_gap(mean, memory)


def _missed_of_gap(mean: np.ndarray, memory: int) -> np.ndarray:
    """Turn the mean number of frames missed between two sightings into a probability a frame."""
    q = np.linspace(0.0, 0.999, 1000)[:, np.newaxis] ** np.arange(memory + 1)
    # Mean of a geometric law that is cut off grows with q; it is turned round by looking it up.
    expected = (q * np.arange(memory + 1)).sum(axis=1) / q.sum(axis=1)
    return np.interp(mean, expected, np.linspace(0.0, 0.999, 1000)) if memory else np.zeros(len(mean))


def _events(
    visits: Columns,
    before: np.ndarray = _NONE,
    after: np.ndarray = _NONE,
    mended: np.ndarray = _NONE,
    column: np.ndarray = _NONE,
    memory: int = 0,
    last: int = 0,
) -> Columns:
    """List hops, appearances and vanishings in the order of frames; of `mended` visits the next goes on."""
    count = len(column)
    appears = np.setdiff1d(np.flatnonzero(visits["first"] > 0), [*after, *(mended + 1)])
    vanishes = np.setdiff1d(np.flatnonzero(visits["last"] + memory + 1 <= last), [*before, *mended])
    nowhere = np.full((count, 2), np.nan)
    hop_wait = visits["first"][after] - visits["last"][before] - 1
    start = np.concatenate([visits["end"][before], nowhere[appears], visits["end"][vanishes]])
    stop = np.concatenate([visits["begin"][after], visits["begin"][appears], nowhere[vanishes]])
    parts = (len(before), len(appears), len(vanishes))
    table = {
        "frame": np.concatenate(
            [visits["first"][after], visits["first"][appears], visits["last"][vanishes] + 1]
        ),
        "kind": np.repeat(["hop", "appear", "vanish"], parts),
        "column": np.concatenate([column[after], column[appears], column[vanishes]]),
        "frames_unseen": np.concatenate([np.maximum(hop_wait, 0), np.zeros(parts[1] + parts[2], np.int64)]),
        "from_y": start[:, 0],
        "from_x": start[:, 1],
        "to_y": stop[:, 0],
        "to_x": stop[:, 1],
    }
    order = np.lexsort((table["column"], table["frame"]))
    return {name: values[order] for name, values in table.items()}
