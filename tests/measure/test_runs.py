"""Runs say the same as label frames, compiled or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from temflux.engine.base.errors import DataError
from temflux.engine.measure.runs import label_runs, labels_of_runs, relabel_runs, runs_of_labels

frames = hnp.arrays(
    np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.integers(0, 3)
)
both = pytest.mark.parametrize("compiled", [True, False])


@given(frames)
@settings(max_examples=60, deadline=None)
def test_runs_hold_a_whole_frame(labels):
    plain = runs_of_labels(labels, compiled=False)
    np.testing.assert_array_equal(runs_of_labels(labels, compiled=True), plain)
    for compiled in (True, False):
        np.testing.assert_array_equal(labels_of_runs(plain, labels.shape, compiled=compiled), labels)


@given(frames)
@settings(max_examples=60, deadline=None)
def test_components_are_equal_in_both_paths_and_numbered_in_raster_order(labels):
    mask = labels > 1
    plain = label_runs(mask, compiled=False)
    np.testing.assert_array_equal(label_runs(mask, compiled=True), plain)
    _, first = np.unique(plain[:, 3], return_index=True)
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(labels_of_runs(plain, mask.shape) > 0, mask)


@both
def test_frames_wider_than_words_and_views_of_frames_are_read(compiled):
    # Rows of any width, alignment and stride: eight pixels are read at a time where they lie so.
    rng = np.random.default_rng(0)
    big = rng.random((40, 131)) > 0.4
    big[3] = big[17, 8:120] = True
    for mask in (big, big[:, 1:], big[:, ::2], big.T, big[5:6], np.ones((3, 64), bool)):
        painted = labels_of_runs(label_runs(mask, compiled=compiled), mask.shape, compiled=compiled)
        np.testing.assert_array_equal(painted > 0, mask)


@both
def test_empty_frames_have_no_runs(compiled):
    for shape in ((0, 0), (0, 5), (5, 0), (4, 4)):
        assert label_runs(np.zeros(shape, bool), compiled=compiled).shape == (0, 4)
        assert runs_of_labels(np.zeros(shape, int), compiled=compiled).shape == (0, 4)


@both
def test_diagonal_neighbours_and_late_joins_are_one_component(compiled):
    mask = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]], bool)
    assert label_runs(mask, compiled=compiled)[:, 3].max() == 1


def test_relabelling_drops_zeros():
    runs = np.array([[0, 0, 1, 1], [0, 2, 3, 2]])
    assert relabel_runs(runs, np.array([0, 0, 9])).tolist() == [[0, 2, 3, 9]]
    with pytest.raises(DataError, match="a new label for each"):
        relabel_runs(runs, np.array([0, 1]))


@both
@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((2, 2, 2), int),
        np.zeros((2, 2)),
        np.full((2, 2), -1),
        np.full((2, 2), 2**40),
        np.array(["a"]),
    ],
)
def test_frames_of_another_kind_are_refused(labels, compiled):
    with pytest.raises(DataError, match="expected labels"):
        runs_of_labels(labels, compiled=compiled)


@pytest.mark.parametrize("runs", [[[0, 3, 2, 1]], [[0, 0, 9, 1]], [[0, 0, 2, 1], [0, 1, 3, 1]], [[1, 2]]])
def test_runs_outside_the_frame_or_out_of_order_are_refused(runs):
    with pytest.raises(DataError, match="expected runs"):
        labels_of_runs(np.array(runs), (4, 4))


def test_masks_of_another_kind_are_refused():
    with pytest.raises(DataError, match="threshold probabilities first"):
        label_runs(np.zeros((2, 2)))
