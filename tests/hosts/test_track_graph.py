"""Particles as tracks: cut where they split and merge, and joined to what comes of them."""

import numpy as np
import pytest

from temflux.dragonfly_plugin.napari_host.track_graph import cut_tracks
from temflux.engine.measure.connectivity import MovieInstances


def seen(*rows):
    """Instances from rows of frame and particle; y is ten times the particle, x the frame."""
    frame, particle = np.array(rows).T
    return {"frame": frame, "particle": particle, "y_px": 10.0 * particle, "x_px": 1.0 * frame}


def happened(*rows):
    names = ("frame", "event", "particle", "other")
    columns = zip(*rows, strict=True) if rows else [()] * 4
    return dict(zip(names, (np.array(list(column)) for column in columns), strict=True))


def tracks_of(vertices):
    tracks = {}
    for track, frame, y, _ in vertices.tolist():
        tracks.setdefault(int(track), []).append((int(frame), int(y / 10)))
    return tracks


def test_without_events_a_particle_is_a_track():
    vertices, order, graph = cut_tracks(seen((0, 2), (0, 1), (1, 1), (1, 2)), happened())
    assert tracks_of(vertices) == {1: [(0, 1), (1, 1)], 2: [(0, 2), (1, 2)]}
    assert order.tolist() == [1, 2, 0, 3]
    assert graph == {}


def test_a_split_begins_two_tracks():
    rows = seen((0, 1), (1, 1), (2, 1), (2, 2), (3, 1))
    vertices, _, graph = cut_tracks(rows, happened((2, "split", 2, 1)))
    assert tracks_of(vertices) == {1: [(0, 1), (1, 1)], 2: [(2, 2)], 3: [(2, 1), (3, 1)]}
    assert graph == {2: [1], 3: [1]}


def test_a_merge_ends_two_tracks():
    rows = seen((0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (3, 1))
    vertices, _, graph = cut_tracks(rows, happened((2, "merge", 2, 1)))
    assert tracks_of(vertices) == {1: [(0, 1), (1, 1)], 2: [(0, 2), (1, 2)], 3: [(2, 1), (3, 1)]}
    assert graph == {3: [1, 2]}


def test_births_and_deaths_join_nothing():
    rows = seen((0, 1), (1, 2))
    events = happened((1, "death", 1, 0), (1, "birth", 2, 0))
    assert cut_tracks(rows, events)[2] == {}


def test_a_split_and_a_merge_of_the_same_particles():
    rows = seen((0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1))
    events = happened((1, "split", 2, 1), (3, "merge", 2, 1))
    vertices, _, graph = cut_tracks(rows, events)
    assert tracks_of(vertices) == {1: [(0, 1)], 2: [(1, 2), (2, 2)], 3: [(1, 1), (2, 1)], 4: [(3, 1)]}
    assert graph == {2: [1], 3: [1], 4: [3, 2]}


def test_one_frame_of_several_splits_is_one_cut():
    rows = seen((0, 1), (1, 1), (1, 2), (1, 3))
    vertices, _, graph = cut_tracks(rows, happened((1, "split", 2, 1), (1, "split", 3, 1)))
    assert set(tracks_of(vertices)) == {1, 2, 3, 4}
    assert graph == {2: [1], 3: [1], 4: [1]}


def test_nothing_gives_nothing():
    none = {name: np.empty(0) for name in ("frame", "particle", "y_px", "x_px")}
    vertices, order, graph = cut_tracks(none, happened())
    assert vertices.shape == (0, 4)
    assert len(order) == 0
    assert graph == {}


@pytest.mark.parametrize("seed", range(3))
def test_every_edge_goes_forward_in_time(seed):
    rng = np.random.default_rng(seed)
    movie = MovieInstances(min_separation_px=2)
    mask = rng.random((40, 40)) < 0.4
    for _ in range(6):
        movie.add(mask)
        mask ^= rng.random(mask.shape) < 0.08
    instances, events = movie.link()
    assert {"split", "merge"} <= set(events["event"].tolist())
    vertices, order, graph = cut_tracks(instances, events)
    assert sorted(order.tolist()) == list(range(len(instances["frame"])))
    first = {int(t): vertices[vertices[:, 0] == t, 1].min() for t in np.unique(vertices[:, 0])}
    last = {int(t): vertices[vertices[:, 0] == t, 1].max() for t in np.unique(vertices[:, 0])}
    assert graph
    for track, parents in graph.items():
        assert all(last[parent] < first[track] for parent in parents)
