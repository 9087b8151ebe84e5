"""2+1D connectivity on arrays: a particle keeps its label; events of finished labels are those of linking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.connectivity import MovieInstances, history_of_runs, label_movie
from temflux.engine.measure.instances import label_instances
from temflux.engine.measure.properties import measure_properties
from temflux.engine.measure.runs import runs_of_labels
from tests.movies import disc_masks, disc_movie


def test_particles_keep_their_labels():
    _, masks = disc_movie(n_frames=8)
    labels = label_movie(masks, min_separation_px=8)
    assert labels.shape == masks.shape
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels > 0, masks)
    for t in range(8):
        assert labels[t, 50 + t, 50] == labels[0, 50, 50]
        assert labels[t, 110, 60 + 2 * t] == labels[0, 110, 60]
    assert np.unique(labels).tolist() == [0, 1, 2, 3]


def test_touching_particles_stay_two():
    masks = [disc_masks([(30, 30), (30, 50 - t)], [12, 12], (60, 80)).any(axis=0) for t in range(3)]
    labels = label_movie(masks, min_separation_px=8)
    assert len({labels[t, 30, 26] for t in range(3)}) == 1
    assert all(labels[t, 30, 26] != labels[t, 30, 54] for t in range(3))


def test_specks_below_the_separation_squared_go():
    masks = np.zeros((2, 40, 40), bool)
    masks[:, 5:15, 5:15] = True
    masks[:, 30:33, 30:33] = True
    assert label_movie(masks, min_separation_px=4)[:, 31, 31].tolist() == [0, 0]
    assert (label_movie(masks, min_separation_px=3)[:, 31, 31] > 0).all()


def test_memory_bridges_a_gap():
    _, masks = disc_movie(n_frames=5, blank=(2,))
    assert label_movie(masks, min_separation_px=8).max() == 6
    assert label_movie(masks, min_separation_px=8, memory=1).max() == 3


def test_one_frame_is_plain_labelling():
    _, masks = disc_movie(n_frames=1)
    expected = label_instances(masks[0], min_separation_px=8)
    np.testing.assert_array_equal(label_movie(masks, min_separation_px=8)[0], expected)


def test_centres_and_areas_are_the_measured_ones():
    _, masks = disc_movie(n_frames=3)
    movie = MovieInstances(min_separation_px=8)
    for mask in masks:
        movie.add(mask)
    instances, _ = movie.link()
    for t in range(3):
        measured = measure_properties(movie.paint(t, instances))
        rows = instances["frame"] == t
        order = np.argsort(instances["particle"][rows])
        for name in ("area_px2", "y_px", "x_px"):
            np.testing.assert_array_equal(instances[name][rows][order], measured[name])


def sorted_by_frame(instances):
    """Particles by frame, then particle."""
    return instances["particle"][np.lexsort((instances["particle"], instances["frame"]))].tolist()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.just(9), st.just(9))))
def test_events_of_labels_are_those_of_linking(masks):
    movie = MovieInstances(min_separation_px=1)
    for mask in masks:
        movie.add(mask)
    instances, events = movie.link()
    painted = [runs_of_labels(movie.paint(t, instances)) for t in range(len(masks))]
    seen, told = history_of_runs(painted)
    assert seen["particle"].tolist() == sorted_by_frame(instances)
    for name, values in events.items():
        assert told[name].tolist() == values.tolist(), name


def test_labels_are_trusted_where_they_do_not_overlap():
    first, second = np.zeros((2, 8, 8), int)
    first[0, 0] = second[7, 7] = 4
    _, events = history_of_runs([runs_of_labels(frame) for frame in (first, second)])
    assert events["event"].tolist() == []


def test_nothing_marked_is_no_error():
    assert not label_movie(np.zeros((2, 4, 4), bool), min_separation_px=2).any()


def test_no_frames_or_other_shapes_are_refused():
    with pytest.raises(DataError, match="at least one frame"):
        label_movie([], min_separation_px=2)
    with pytest.raises(DataError, match="one shape"):
        label_movie([np.ones((4, 4), bool), np.ones((4, 5), bool)], min_separation_px=2)
    with pytest.raises(SettingsError, match="separation"):
        label_movie(np.ones((1, 4, 4), bool), min_separation_px=0)
