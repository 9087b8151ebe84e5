"""Links are one to one by overlap; births, deaths, splits, merges and gaps are told as they happened."""

import numpy as np
import pytest
import trackpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.base.tables import stack_columns, to_dataframe
from temflux.engine.measure.properties import measure_properties
from temflux.engine.measure.tracks import link_instances, overlap_table


def tables(frames, memory=0):
    """Instances and overlaps of label frames."""
    instances, overlaps = [], []
    for index, labels in enumerate(frames):
        measured = measure_properties(labels)
        rows = len(measured["label"])
        area = measured["area_px2"]
        instances.append({"frame": np.full(rows, index), "label": measured["label"], "area_px": area})
        for lag in range(1, min(index, memory + 1) + 1):
            table = overlap_table(frames[index - lag], labels)
            rows = len(table["previous"])
            overlaps.append({"frame": np.full(rows, index), "lag": np.full(rows, lag), **table})
    empty = {name: np.zeros(0, int) for name in ("frame", "lag", "previous", "current", "overlap_px")}
    return stack_columns(instances), stack_columns([empty, *overlaps])


def linked(frames, memory=0, **asked):
    particle, events = link_instances(*tables(frames, memory), memory=memory, n_frames=len(frames), **asked)
    names = ("frame", "event", "particle", "other")
    return particle.tolist(), list(zip(*(events[name].tolist() for name in names), strict=True))


def row(*spans, width=40):
    """One frame with bars from column to column, labelled 1, 2, …"""
    labels = np.zeros((3, width), int)
    for label, (start, end) in enumerate(spans, start=1):
        labels[1, start:end] = label
    return labels


def test_moving_particles_keep_their_identity_whatever_their_label():
    particle, events = linked([row((0, 8), (20, 28)), row((22, 30), (2, 10)), row((4, 12), (24, 32))])
    assert particle == [1, 2, 2, 1, 1, 2]
    assert events == []


def test_a_birth_and_a_death():
    particle, events = linked([row((0, 8)), row((0, 8), (20, 28)), row((20, 28)), row((20, 28))])
    assert particle == [1, 1, 2, 2, 2]
    assert events == [(1, "birth", 2, 0), (2, "death", 1, 0)]


def test_a_split_names_child_and_parent():
    particle, events = linked([row((0, 20)), row((0, 11), (12, 20))])
    assert particle == [1, 1, 2]
    assert events == [(1, "split", 2, 1)]


def test_a_merge_names_the_ended_and_the_one_that_goes_on():
    particle, events = linked([row((0, 8), (9, 20)), row((0, 20)), row((0, 20))])
    assert particle == [1, 2, 2, 2]
    assert events == [(1, "merge", 1, 2)]


def test_a_particle_may_split_off_and_merge_back():
    particle, events = linked([row((0, 20)), row((0, 11), (12, 20)), row((0, 20))])
    assert particle == [1, 1, 2, 1]
    assert events == [(1, "split", 2, 1), (2, "merge", 2, 1)]


def test_half_an_overlap_is_not_above_a_half():
    assert linked([row((0, 8)), row((4, 12))])[0] == [1, 2]
    assert linked([row((0, 8)), row((3, 11))])[0] == [1, 1]


def test_the_fraction_is_of_the_area_asked_for():
    grown = [row((0, 5)), row((0, 12))]  # 5/5 of the smaller and the previous, 5/12 of the current and union
    kept = {kind: linked(grown, overlap_of=kind)[0] for kind in ("smaller", "previous", "current", "iou")}
    assert kept == {"smaller": [1, 1], "previous": [1, 1], "current": [1, 2], "iou": [1, 2]}


def test_the_largest_overlap_links_first_and_ties_go_to_smaller_labels():
    assert linked([row((0, 20)), row((0, 8), (8, 20))])[0] == [1, 2, 1]
    assert linked([row((0, 20)), row((0, 10), (10, 20))])[0] == [1, 1, 2]
    assert linked([row((0, 10), (10, 20)), row((0, 20))])[0] == [1, 2, 1]


def test_memory_bridges_a_missed_frame_and_a_blank_one():
    frames = [row((0, 8), (20, 28)), row((20, 28)), row((0, 8), (20, 28)), row(), row((0, 8), (20, 28))]
    assert linked(frames)[0] == [1, 2, 2, 3, 2, 4, 5]
    particle, events = linked(frames, memory=1)
    assert particle == [1, 2, 2, 1, 2, 1, 2]
    assert events == []


def test_a_gap_longer_than_memory_ends_a_track():
    frames = [row((0, 8)), row(), row(), row((0, 8))]
    assert linked(frames, memory=1) == ([1, 2], [(1, "death", 1, 0), (3, "birth", 2, 0)])
    assert linked(frames, memory=2) == ([1, 1], [])


@pytest.mark.parametrize(
    ("memory", "deaths"), [(0, [(3, "death", 1, 0)]), (1, [(3, "death", 1, 0)]), (2, [])]
)
def test_a_death_is_stated_once_memory_has_run_out(memory, deaths):
    frames = [row((0, 8), (20, 28))] * 3 + [row((20, 28))] * 2
    particle, events = linked(frames, memory=memory)
    assert particle == [1, 2, 1, 2, 1, 2, 2, 2]
    assert events == deaths


def test_the_nearest_frame_has_the_first_say():
    # The bar is at its old place again in frame 2, but another one came from frame 1 to lie there.
    frames = [row((0, 8)), row((5, 13)), row((2, 10))]
    assert linked(frames, memory=1)[0] == [1, 2, 2]


def test_split_and_merge_are_seen_across_a_blank_frame():
    split = linked([row((0, 20)), row(), row((0, 11), (12, 20))], memory=1)
    assert split == ([1, 1, 2], [(2, "split", 2, 1)])
    merge = linked([row((0, 8), (9, 20)), row(), row((0, 20))], memory=1)
    assert merge == ([1, 2, 2], [(1, "merge", 1, 2)])


def test_movies_without_particles_or_with_late_ones():
    assert linked([row(), row()]) == ([], [])
    assert linked([row(), row((0, 8)), row()]) == ([1], [(1, "birth", 1, 0), (2, "death", 1, 0)])
    assert linked([row((0, 8))]) == ([1], [])


movies = hnp.arrays(np.int64, (5, 4, 5), elements=st.integers(0, 3))


@given(movies, st.integers(0, 2), st.sampled_from(["smaller", "previous", "current", "iou"]))
@settings(max_examples=60, deadline=None)
def test_particles_are_chains_and_events_their_ends(movie, memory, overlap_of):
    instances, overlaps = tables(movie, memory)
    asked = {"memory": memory, "overlap_of": overlap_of, "n_frames": 5}
    particle, events = link_instances(instances, overlaps, **asked)
    pairs = np.stack([instances["frame"], particle])
    assert np.unique(pairs, axis=1).shape == pairs.shape
    ids, first = np.unique(particle, return_index=True)
    assert ids.tolist() == list(range(1, len(ids) + 1))
    assert (np.diff(first) > 0).all()
    for one in ids:
        seen = instances["frame"][particle == one]
        assert (np.diff(seen) <= memory + 1).all()
        own = [
            (f, e)
            for f, e, p in zip(events["frame"], events["event"], events["particle"], strict=True)
            if p == one
        ]
        starts = [f for f, e in own if e in ("birth", "split")]
        ends = [f for f, e in own if e in ("death", "merge")]
        assert starts == ([seen[0]] if seen[0] > 0 else [])
        assert ends in ([], [seen[-1] + 1])
        if seen[-1] + 1 + memory <= 4:
            assert ends
    has_other = np.isin(events["event"], ["split", "merge"])
    np.testing.assert_array_equal(events["other"] > 0, has_other)
    assert (events["other"] != events["particle"]).all()


@given(movies, st.permutations(range(4)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_overlaps_changes_nothing(movie, order):
    instances, overlaps = tables(movie, 1)
    chosen = np.argsort(np.array(order)[np.arange(len(overlaps["frame"])) % 4], kind="stable")
    shuffled = {name: values[chosen] for name, values in overlaps.items()}
    particle, events = link_instances(instances, overlaps, memory=1, n_frames=5)
    again, same = link_instances(instances, shuffled, memory=1, n_frames=5)
    np.testing.assert_array_equal(particle, again)
    for name, values in events.items():
        np.testing.assert_array_equal(values, same[name])


@given(hnp.arrays(np.int64, (2, 6, 7), elements=st.integers(0, 3)))
@settings(max_examples=60, deadline=None)
def test_overlaps_are_counted_the_same_in_both_paths(pair):
    compiled, plain = (overlap_table(*pair, compiled=path) for path in (True, False))
    for name, values in plain.items():
        np.testing.assert_array_equal(compiled[name], values)
    for previous, current, pixels in zip(*plain.values(), strict=True):
        assert ((pair[0] == previous) & (pair[1] == current)).sum() == pixels
    assert plain["overlap_px"].sum() == ((pair[0] > 0) & (pair[1] > 0)).sum()


def test_trackpy_takes_the_table_by_renaming_two_columns():
    frames = [row((t, t + 8), (20 + t, 28 + t)) for t in range(6)]
    instances, overlaps = tables(frames)
    particle, _ = link_instances(instances, overlaps)
    measured = stack_columns([measure_properties(labels) for labels in frames])
    table = to_dataframe({**measured, "frame": instances["frame"], "particle": particle})
    table = table.rename(columns={"y_px": "y", "x_px": "x"})
    drift = trackpy.compute_drift(table)
    np.testing.assert_allclose(drift["x"], np.arange(1, 6))
    moved = trackpy.imsd(table, mpp=1.0, fps=1.0, max_lagtime=3)
    np.testing.assert_allclose(moved[1], [1, 4, 9])


def test_bad_tables_and_settings_are_refused():
    instances, overlaps = tables([row((0, 8)), row((0, 8), (9, 12))])
    with pytest.raises(DataError, match="sort them first"):
        link_instances({name: values[::-1] for name, values in instances.items()}, overlaps)
    with pytest.raises(DataError, match="not there"):
        link_instances(instances, {**overlaps, "previous": overlaps["previous"] + 5})
    with pytest.raises(DataError, match="raise n_frames"):
        link_instances(instances, overlaps, n_frames=1)
    with pytest.raises(DataError, match="equal columns"):
        link_instances({**instances, "area_px": [1]}, overlaps)
    for asked in ({"min_overlap": 1.0}, {"min_overlap": -0.1}, {"overlap_of": "larger"}, {"memory": -1}):
        with pytest.raises(SettingsError, match="expected"):
            link_instances(instances, overlaps, **asked)
    with pytest.raises(DataError, match="one shape"):
        overlap_table(np.zeros((2, 2), int), np.zeros((2, 3), int))
