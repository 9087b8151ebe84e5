"""Instances into tracks: overlaps of consecutive frames, one-to-one links, and the events they tell of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..base.compiled import use_compiled
from ..base.errors import DataError, SettingsError
from ..base.tables import Columns
from .runs import check_runs, labels_of_runs, runs_of_labels

_KINDS = ("smaller", "previous", "current", "iou")


def overlap_table(
    previous_labels: np.ndarray, current_labels: np.ndarray, *, compiled: bool | None = None
) -> Columns:
    """Count the pixels that particles of two frames have in common.

    Parameters
    ----------
    previous_labels, current_labels : arrays (Y, X), integer
        Labels of the earlier and of the later frame; 0 is background.
    compiled : bool or None
        True asks for numba, False for NumPy alone, None takes numba where it is installed.

    Returns
    -------
    dict of arrays (n,), int64
        previous, current, overlap_px of each pair with a common pixel, by previous, then current label.

    Raises
    ------
    DataError
        If the frames differ in shape, or are not 2-D integers from 0.

    Examples
    --------
    >>> table = overlap_table(np.array([[1, 1, 0]]), np.array([[0, 3, 3]]))
    >>> {name: values.tolist() for name, values in table.items()}
    {'previous': [1], 'current': [3], 'overlap_px': [1]}
    """
    if np.shape(previous_labels) != np.shape(current_labels):
        raise DataError(
            f"expected two label frames of one shape, got {np.shape(previous_labels)} and "
            f"{np.shape(current_labels)}; frames of a movie must not differ in size"
        )
    previous = runs_of_labels(previous_labels, compiled=compiled)
    return overlap_runs(previous, runs_of_labels(current_labels, compiled=compiled), compiled=compiled)


def overlap_runs(
    previous_runs: np.ndarray, current_runs: np.ndarray, *, compiled: bool | None = None
) -> Columns:
    """Count the pixels that particles of two frames, given as runs, have in common.

    Parameters
    ----------
    previous_runs, current_runs : arrays (n, 4), integer
        Row, first column, end column (excluded) and label of each run, by row, then column.
    compiled : bool or None
        True asks for numba, False for NumPy alone, None takes numba where it is installed.

    Returns
    -------
    dict of arrays (n,), int64
        As `overlap_table` returns them.

    Raises
    ------
    DataError
        If the runs are not of that form.

    Examples
    --------
    >>> overlap_runs(np.array([[0, 0, 2, 1]]), np.array([[0, 1, 3, 3]]))["overlap_px"].tolist()
    [1]
    """
    previous, current = check_runs(previous_runs, None), check_runs(current_runs, None)
    previous, current = previous[previous[:, 3] > 0], current[current[:, 3] > 0]
    if use_compiled(compiled):
        from .kernels_runs import intersect

        a, b, pixels = intersect(previous, current, 0, 0).T
    else:
        both = np.concatenate([previous, current, np.zeros((1, 4), np.int32)])
        shape = (int(both[:, 0].max()) + 1, int(both[:, 2].max()))
        a = labels_of_runs(previous, shape, compiled=False).astype(np.int64)
        b = labels_of_runs(current, shape, compiled=False).astype(np.int64)
        common = (a > 0) & (b > 0)
        a, b = a[common], b[common]
        pixels = np.ones(len(a), np.int64)
    size = int(current[:, 3].max(initial=0)) + 1
    keys, inverse = np.unique(a * size + b, return_inverse=True)
    overlap = np.zeros(len(keys), np.int64)
    np.add.at(overlap, inverse.reshape(-1), pixels)
    return {"previous": keys // size, "current": keys % size, "overlap_px": overlap}


def link_instances(
    instances: Mapping[str, np.ndarray],
    overlaps: Mapping[str, np.ndarray],
    *,
    min_overlap: float = 0.5,
    overlap_of: str = "smaller",
    memory: int = 0,
    n_frames: int | None = None,
) -> tuple[np.ndarray, Columns]:
    """Link the instances of a movie to particles by overlap, one to one, and tell the events.

    Parameters
    ----------
    instances : mapping of arrays (n,): frame, label, area_px
        Every instance of every frame, by frame (from 0), then label; areas [px].
    overlaps : mapping of arrays (m,): frame, lag, previous, current, overlap_px
        Common pixels of instance `current` of a frame and `previous` of the frame `lag` before it, in any
        order; lags 1 to memory + 1 are used, others ignored.
    min_overlap : float
        The overlap's fraction must be above this, from 0 up to below 1.
    overlap_of : {"smaller", "previous", "current", "iou"}
        What the overlap is a fraction of: the smaller of both areas, the earlier's, the later's, their union.
    memory : int
        Frames that a particle may be missed for and keep its identity.
    n_frames : int or None
        Frames of the movie; None takes the last frame with an instance as the last.

    Returns
    -------
    particle : array (n,), int64
        Identity of each instance, from 1 by first appearance (frame, then label).
    events : dict of arrays (k,): frame, event, particle, other
        By frame, then particle; `event` is birth, death, split or merge, `other` 0 where there is none.

    Raises
    ------
    DataError
        If the instances are out of order, or an overlap is of an instance that is not there.
    SettingsError
        If a setting is outside its range.

    Notes
    -----
    In each frame pairs are linked by largest overlap first (ties: smaller previous, then current label) to
    the frame before; instances still without a link then to the ends of tracks two frames before, and so on
    up to memory + 1. A birth is a track that starts after frame 0. It is a split instead where more than
    `min_overlap` of its own area lies in an earlier instance that goes on as another particle: `particle` is
    the child, `other` the parent. A death is a track that ends, stated at the first frame without it, once
    memory has run out before the movie does. It is a merge instead where more than `min_overlap` of its
    own area lies in a later instance that goes on another particle: `particle` is the one that ended, `other`
    the one that goes on; its frame, too, is the first without the one that ended. Over a gap, parent or heir
    count only where they were missed in between as well.

    Examples
    --------
    >>> instances = {"frame": [0, 1], "label": [1, 1], "area_px": [9, 8]}
    >>> overlaps = {"frame": [1], "lag": [1], "previous": [1], "current": [1], "overlap_px": [7]}
    >>> link_instances(instances, overlaps)[0].tolist()
    [1, 1]
    """
    _check_settings(min_overlap, overlap_of, memory)
    frame, label, area = (np.asarray(instances[name], np.int64) for name in ("frame", "label", "area_px"))
    _check_instances(frame, label, area)
    last = int(frame.max(initial=-1)) if n_frames is None else int(n_frames) - 1
    if len(frame) and last < frame[-1]:
        raise DataError(f"expected instances in frames up to {last}, got frame {frame[-1]}; raise n_frames")
    pairs = _find_pairs(frame, label, overlaps, memory)
    fraction = pairs["overlap"] / _denominator(overlap_of, pairs, area)
    before, after = _link(
        {name: values[fraction > min_overlap] for name, values in pairs.items()}, len(frame)
    )
    particle = _identities(before)
    return particle, _events(frame, area, particle, before, after, pairs, (min_overlap, memory, last))


def track_events(
    instances: Mapping[str, np.ndarray],
    overlaps: Mapping[str, np.ndarray],
    *,
    min_overlap: float = 0.5,
    n_frames: int | None = None,
) -> Columns:
    """Tell the events of particles whose labels are the same in all frames already.

    Parameters
    ----------
    instances : mapping of arrays (n,): frame, label, area_px
        Every instance of every frame, by frame (from 0), then label: the particle's identity; areas [px].
    overlaps : mapping of arrays (m,): frame, lag, previous, current, overlap_px
        Common pixels with the frame before, as for `link_instances`.
    min_overlap : float
        Fraction of a particle's own area above which it comes out of another, or goes into one.
    n_frames : int or None
        Frames of the movie; None takes the last frame with an instance as the last.

    Returns
    -------
    dict of arrays (k,): frame, event, particle, other
        As `link_instances` tells them; labels made by it, without memory, give the same events.

    Raises
    ------
    DataError
        If the instances are out of order, or an overlap is of an instance that is not there.
    SettingsError
        If the overlap is outside its range.

    Examples
    --------
    >>> instances = {"frame": [0, 1], "label": [1, 2], "area_px": [9, 8]}
    >>> none = {name: [] for name in ("frame", "lag", "previous", "current", "overlap_px")}
    >>> track_events(instances, none)["event"].tolist()
    ['death', 'birth']
    """
    _check_settings(min_overlap, "smaller", 0)
    frame, label, area = (np.asarray(instances[name], np.int64) for name in ("frame", "label", "area_px"))
    _check_instances(frame, label, area)
    last = int(frame.max(initial=-1)) if n_frames is None else int(n_frames) - 1
    order = np.lexsort((frame, label))
    same = label[order][1:] == label[order][:-1]
    before, after = np.full(len(frame), -1), np.full(len(frame), -1)
    before[order[1:][same]] = order[:-1][same]
    after[order[:-1][same]] = order[1:][same]
    pairs = _find_pairs(frame, label, overlaps, 0)
    return _events(frame, area, label, before, after, pairs, (min_overlap, 0, last))


def _check_settings(min_overlap: float, overlap_of: str, memory: int) -> None:
    if not 0 <= min_overlap < 1:
        raise SettingsError(f"expected an overlap from 0 up to below 1, got {min_overlap}; 0.5 is usual")
    if overlap_of not in _KINDS:
        raise SettingsError(f"expected overlap_of to be one of {', '.join(_KINDS)}, got {overlap_of!r}")
    if memory != int(memory) or memory < 0:
        raise SettingsError(f"expected a memory of 0 or more whole frames, got {memory}; 0 allows no gap")


def _check_instances(frame: np.ndarray, label: np.ndarray, area: np.ndarray) -> None:
    if not len(frame) == len(label) == len(area):
        raise DataError(f"expected equal columns, got {len(frame)}, {len(label)} and {len(area)} rows")
    later = (frame[1:] > frame[:-1]) | ((frame[1:] == frame[:-1]) & (label[1:] > label[:-1]))
    if not later.all():
        raise DataError("expected instances by frame, then label, each once; sort them first")
    if len(frame) and (frame[0] < 0 or label.min() < 1 or area.min() < 1):
        raise DataError("expected frames from 0, labels from 1 and areas from 1 px, got smaller ones")


def _find_pairs(
    frame: np.ndarray, label: np.ndarray, overlaps: Mapping[str, np.ndarray], memory: int
) -> Columns:
    """Overlaps as rows of the instances, in the order in which links are made."""
    names = ("frame", "lag", "previous", "current", "overlap_px")
    now, lag, previous, current, overlap = (np.asarray(overlaps[name], np.int64) for name in names)
    use = (lag >= 1) & (lag <= memory + 1)
    now, lag, previous, current, overlap = (v[use] for v in (now, lag, previous, current, overlap))
    order = np.lexsort((current, previous, -overlap, lag, now))
    now, lag, previous, current, overlap = (v[order] for v in (now, lag, previous, current, overlap))
    size = int(max(label.max(initial=0), previous.max(initial=0), current.max(initial=0))) + 1
    keys = frame * size + label
    rows = []
    for wanted in ((now - lag) * size + previous, now * size + current):
        found = np.searchsorted(keys, wanted)
        if len(wanted) and (len(keys) == 0 or (keys[np.minimum(found, len(keys) - 1)] != wanted).any()):
            raise DataError("expected overlaps of listed instances, got one of an instance that is not there")
        rows.append(found)
    return {"lag": lag, "before": rows[0], "after": rows[1], "overlap": overlap}


def _denominator(overlap_of: str, pairs: Columns, area: np.ndarray) -> np.ndarray:
    previous, current = area[pairs["before"]], area[pairs["after"]]
    if overlap_of == "smaller":
        return np.minimum(previous, current)
    if overlap_of == "iou":
        return previous + current - pairs["overlap"]
    return previous if overlap_of == "previous" else current


def _link(pairs: Columns, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Row of the instance before and after each one, −1 where there is none."""
    before, after = [-1] * count, [-1] * count
    for earlier, later in zip(pairs["before"].tolist(), pairs["after"].tolist(), strict=True):
        if after[earlier] < 0 and before[later] < 0:
            after[earlier] = later
            before[later] = earlier
    return np.array(before, np.int64), np.array(after, np.int64)


def _identities(before: np.ndarray) -> np.ndarray:
    particle = np.cumsum(before < 0)
    linked = particle.tolist()
    for row, earlier in enumerate(before.tolist()):
        if earlier >= 0:
            linked[row] = linked[earlier]
    return np.array(linked, np.int64)


def _events(
    frame: np.ndarray,
    area: np.ndarray,
    particle: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    pairs: Columns,
    limits: tuple[float, int, int],
) -> Columns:
    min_overlap, memory, last = limits
    earlier, later = pairs["before"], pairs["after"]
    # Over a gap (lag above 1) the other particle must have been missed too; with lag 1 this always holds.
    splits = (before[later] < 0) & (after[earlier] >= 0) & (frame[after[earlier]] >= frame[later])
    splits &= pairs["overlap"] > min_overlap * area[later]
    merges = (after[earlier] < 0) & (before[later] >= 0) & (frame[before[later]] <= frame[earlier])
    merges &= pairs["overlap"] > min_overlap * area[earlier]
    parent = _first_of(later[splits], earlier[splits], len(frame))
    heir = _first_of(earlier[merges], later[merges], len(frame))
    starts = np.flatnonzero((before < 0) & (frame > 0))
    ends = np.flatnonzero((after < 0) & ((heir >= 0) | (frame + 1 + memory <= last)))
    other = np.concatenate([parent[starts], heir[ends]])
    from_split, into_heir = parent[starts] >= 0, heir[ends] >= 0
    kinds = [np.where(from_split, "split", "birth"), np.where(into_heir, "merge", "death")]
    events = {
        "frame": np.concatenate([frame[starts], frame[ends] + 1]),
        "event": np.concatenate(kinds),
        "particle": particle[np.concatenate([starts, ends])],
        "other": np.where(other >= 0, particle[other] if len(particle) else 0, 0),
    }
    order = np.lexsort((events["particle"], events["frame"]))
    return {name: values[order] for name, values in events.items()}


def _first_of(rows: np.ndarray, partners: np.ndarray, count: int) -> np.ndarray:
    """First partner listed of each row, −1 where there is none."""
    partner = np.full(count, -1, np.int64)
    partner[rows[::-1]] = partners[::-1]
    return partner
