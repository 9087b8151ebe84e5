"""Links of one movie by temflux and by laptrack's OverLapTrack; run it to see both edge counts and times.

``python -m tests.golden.compare_laptrack`` simulates moving discs and compares.
"""

import sys
import time

import numpy as np
from laptrack import OverLapTrack

from temflux.engine.base.tables import stack_columns
from temflux.engine.measure.properties import measure_properties
from temflux.engine.measure.tracks import link_instances, overlap_table

Edge = tuple[tuple[int, int], tuple[int, int]]


def simulate_discs(seed: int, *, n_frames: int = 6, cells: int = 4, speed_px: float = 2.5) -> np.ndarray:
    """Label frames (T, Y, X) of discs that drift, grow or shrink, come and go, and never touch.

    Each keeps to a cell of 40 px, so that no link is ambiguous; labels are shuffled in every frame.
    """
    rng = np.random.default_rng(seed)
    size = 40 * cells
    y, x = np.mgrid[:size, :size]
    frames = np.zeros((n_frames, size, size), np.int32)
    for cell in range(cells * cells):
        centre = 40 * np.array(divmod(cell, cells)) + 20 + rng.uniform(-3, 3, 2)
        radius = rng.uniform(7, 10)
        first, last = (0, n_frames) if rng.random() < 0.7 else sorted(rng.integers(0, n_frames + 1, 2))
        for frame in range(n_frames):
            if first <= frame < last:
                frames[frame][np.hypot(y - centre[0], x - centre[1]) < radius] = cell + 1
            centre = np.clip(centre + rng.uniform(-speed_px, speed_px, 2), cell_low(cell, cells), None)
            centre = np.minimum(centre, cell_low(cell, cells) + 12)
            radius = np.clip(radius * rng.uniform(0.9, 1.1), 6, 12)
    for frame in range(n_frames):
        present = np.unique(frames[frame])[1:]
        lookup = np.zeros(cells * cells + 1, np.int32)
        lookup[present] = rng.permutation(len(present)) + 1
        frames[frame] = lookup[frames[frame]]
    return frames


def cell_low(cell: int, cells: int) -> np.ndarray:
    """Least centre of a disc in its cell."""
    return 40 * np.array(divmod(cell, cells)) + 14


def edges_of(frame: np.ndarray, label: np.ndarray, track: np.ndarray) -> set[Edge]:
    """Pairs of (frame, label) that follow each other in a track."""
    order = np.lexsort((frame, track))
    frame, label, track = frame[order], label[order], track[order]
    same = np.flatnonzero(track[1:] == track[:-1])
    spots = list(zip(frame.tolist(), label.tolist(), strict=True))
    return {(spots[i], spots[i + 1]) for i in same.tolist()}


def temflux_edges(frames: np.ndarray) -> set[Edge]:
    """Links by temflux's default rule."""
    instances, overlaps = [], []
    for index, labels in enumerate(frames):
        measured = measure_properties(labels)
        at = np.full(len(measured["label"]), index)
        instances.append({"frame": at, "label": measured["label"], "area_px": measured["area_px2"]})
        if index:
            table = overlap_table(frames[index - 1], labels)
            at = np.full(len(table["previous"]), index)
            overlaps.append({"frame": at, "lag": np.ones_like(at), **table})
    table = stack_columns(instances)
    particle, _ = link_instances(table, stack_columns(overlaps), n_frames=len(frames))
    return edges_of(table["frame"], table["label"], particle)


def laptrack_edges(frames: np.ndarray) -> set[Edge]:
    """Links by laptrack: cost 1 − overlap / area of the later one, below a half; no gaps or splits."""
    tracker = OverLapTrack(
        metric_coefs=(1.0, 0.0, 0.0, 0.0, -1.0),
        cutoff=0.5,
        gap_closing_cutoff=False,
        splitting_cutoff=False,
        merging_cutoff=False,
    )
    table = tracker.predict_overlap_dataframe(list(frames))[0].reset_index()
    return edges_of(*(table[name].to_numpy() for name in ("frame", "label", "track_id")))


if __name__ == "__main__":
    movie = simulate_discs(0, n_frames=20, cells=6)
    results = {}
    for name, link in (("temflux", temflux_edges), ("laptrack", laptrack_edges)):
        started = time.perf_counter()
        results[name] = link(movie)
        seconds = time.perf_counter() - started
        sys.stdout.write(f"{name}: {len(results[name])} edges, {seconds:.2f} s (first call of each)\n")
    sys.stdout.write(f"the same: {results['temflux'] == results['laptrack']}\n")
