"""Particles over time as napari's tracks: cut where they split and merge, and joined by a graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Graph = dict[int, list[int]]


def cut_tracks(
    instances: Mapping[str, np.ndarray], events: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, Graph]:
    """Cut particles into tracks that begin and end at splits and merges.

    napari joins the end of a track to the beginning of its children, so that a particle which goes on after
    a split, or takes another one up, is a track before and another one behind.

    Parameters
    ----------
    instances : mapping of arrays (n,): frame, particle, y_px, x_px
        Every particle in every frame that it is seen in.
    events : mapping of arrays (k,): frame, event, particle, other
        As `MovieInstances.link` returns them.

    Returns
    -------
    vertices : array (n, 4), float64
        Track, frame, y [px], x [px], by track, then frame.
    order : array (n,)
        Which instance each vertex is.
    graph : dict of int to list of int
        Parents of each track that has any. A particle's first track bears its number.
    """
    particle, frame = (np.asarray(instances[name], np.int64) for name in ("particle", "frame"))
    order = np.lexsort((frame, particle))
    particle, frame = particle[order], frame[order]
    kind, of, other, when = (np.asarray(events[name]) for name in ("event", "particle", "other", "frame"))
    joints = [
        (int(at), int(whole), int(part), str(what))
        for at, whole, part, what in zip(when, other, of, kind, strict=True)
        if what in ("split", "merge")
    ]
    numbers, begins, counts = np.unique(particle, return_index=True, return_counts=True)
    starts = dict(zip(numbers.tolist(), begins.tolist(), strict=True))
    ends = dict(zip(numbers.tolist(), (begins + counts).tolist(), strict=True))

    def first_row(number: int, at: int) -> int:
        """Row of a particle's first instance at or after a frame."""
        start, end = starts[number], ends[number]
        return start + int(np.searchsorted(frame[start:end], at))

    cuts = {first_row(whole, at) for at, whole, _, _ in joints}
    cuts -= {*starts.values(), *ends.values()}
    track = particle.copy()
    graph: Graph = {}
    highest = int(particle.max(initial=0))
    for new, row in enumerate(sorted(cuts), start=highest + 1):
        graph[new] = [int(track[row - 1])]
        track[row : ends[int(particle[row])]] = new
    for at, whole, part, what in joints:
        row = first_row(whole, at)
        if what == "split" and row > starts[whole]:
            graph.setdefault(int(track[starts[part]]), []).append(int(track[row - 1]))
        elif what == "merge" and row < ends[whole]:
            graph.setdefault(int(track[row]), []).append(int(track[ends[part] - 1]))
    y, x = (np.asarray(instances[name], float)[order] for name in ("y_px", "x_px"))
    vertices = np.column_stack([track, frame, y, x]).astype(float)
    by_track = np.lexsort((frame, track))
    return vertices[by_track], order[by_track], graph
