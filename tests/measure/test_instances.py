"""Touching particles are cut, elongated and rough ones stay whole, compiled or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.instances import instance_runs, label_instances
from temflux.engine.measure.runs import runs_of_labels


def blobs(seed, rows, columns, smoothness, share):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(rows, columns)), smoothness)
    return noise > np.quantile(noise, share)


masks = st.builds(
    blobs, st.integers(0, 10**6), st.integers(1, 48), st.integers(1, 48), st.floats(0, 4), st.floats(0, 0.9)
)
necks = st.sampled_from([None, 0.6, 0.8, 0.95, 1.0])


def discs(distance, radius, second=None):
    y, x = np.mgrid[: 4 * radius, : 6 * radius].astype(float)
    y -= 2 * radius + 0.3
    x -= 3 * radius + 0.2
    second = radius if second is None else second
    return (np.hypot(y, x + distance / 2) < radius) | (np.hypot(y, x - distance / 2) < second)


def count(mask, separation=8, **settings):
    return label_instances(mask, min_separation_px=separation, **settings).max()


@given(masks, st.floats(1, 9), necks)
@settings(max_examples=120, deadline=None)
def test_both_paths_give_the_same_labels(mask, separation, neck):
    asked = {"min_separation_px": separation, "neck": neck}
    np.testing.assert_array_equal(
        label_instances(mask, compiled=True, **asked), label_instances(mask, compiled=False, **asked)
    )


@given(masks, necks)
@settings(max_examples=60, deadline=None)
def test_labels_partition_the_mask_in_raster_order(mask, neck):
    labels = label_instances(mask, min_separation_px=1, neck=neck)
    np.testing.assert_array_equal(labels > 0, mask)
    values, first = np.unique(labels, return_index=True)
    first = first[values > 0]
    assert values[values > 0].tolist() == list(range(1, len(first) + 1))
    assert (np.diff(first) > 0).all()
    for value in values[values > 0]:
        assert ndimage.label(labels == value, np.ones((3, 3)))[1] == 1


@given(masks, st.floats(1, 12), necks)
@settings(max_examples=60, deadline=None)
def test_no_particle_is_smaller_than_the_separation_squared(mask, separation, neck):
    labels = label_instances(mask, min_separation_px=separation, neck=neck)
    areas = np.bincount(labels.ravel())[1:]
    assert (areas >= separation**2).all()
    assert mask[labels > 0].all()


@pytest.mark.parametrize("radius", [8, 12, 20, 40])
def test_two_equal_discs_are_cut_from_the_distance_that_the_neck_says(radius):
    assert count(discs(1.05 * radius, radius)) == 1
    assert count(discs(1.35 * radius, radius)) == 2
    assert count(discs(1.9 * radius, radius)) == 2


@pytest.mark.parametrize("neck", [0.5, 0.7, 0.9])
def test_the_neck_is_the_width_of_the_cut(neck):
    limit = 2 * 40 * np.sqrt(1 - neck**2)
    assert count(discs(limit - 4, 40), neck=neck) == 1
    assert count(discs(limit + 4, 40), neck=neck) == 2


def test_a_small_disc_on_a_large_one_is_cut():
    assert count(discs(58, 40, second=20)) == 2


@pytest.mark.parametrize("angle", [0, 17, 45, 71, 90])
@pytest.mark.parametrize(("long", "short"), [(60, 15), (100, 25), (40, 10)])
def test_an_ellipse_of_axis_ratio_4_stays_whole(angle, long, short):
    y, x = np.mgrid[-110:111, -110:111]
    a = np.radians(angle)
    u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    assert count((u / long) ** 2 + (v / short) ** 2 < 1) == 1
    rod = np.hypot(np.maximum(abs(u) - long + short, 0), v) < short
    assert count(rod) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_rough_disc_stays_whole(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-60:61, -60:61]
    angle = np.arctan2(y, x)
    radius = 40.0
    for order in range(5, 30):
        radius = radius + rng.normal(scale=0.6) * np.cos(order * angle + rng.uniform(0, 7))
    assert count(np.hypot(y, x) < radius) == 1


def test_without_a_neck_every_maximum_is_cut_as_published():
    y, x = np.mgrid[-30:31, -110:111]
    rough = np.hypot(np.maximum(abs(x) - 80, 0), y) < 15 + (x % 37 > 30)
    assert count(rough, neck=None) > 1
    assert count(rough, neck=None) == count(rough, neck=1.0)
    assert count(rough) == 1


@pytest.mark.parametrize("compiled", [True, False])
def test_pixels_beyond_the_frame_are_no_background(compiled):
    # A disc cut by the frame's edge: its widest place is at the edge, not inside.
    y, x = np.mgrid[:30, :60]
    mask = np.hypot(y, x - 30) < 20
    assert count(mask, compiled=compiled) == 1
    assert count(np.ones((20, 30), bool), compiled=compiled) == 1
    stripes = np.ones((40, 50), bool)
    stripes[20] = False
    assert count(stripes, compiled=compiled) == 2


@given(masks, st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_background_around_the_mask_changes_nothing(mask, rows, columns):
    # Away from the edge, the place in the frame has no say.
    inside = np.pad(mask, 1)
    moved = np.pad(inside, ((rows, 3), (columns, 5)))
    labels = label_instances(inside, min_separation_px=3)
    again = label_instances(moved, min_separation_px=3)
    np.testing.assert_array_equal(
        again[rows : rows + labels.shape[0], columns : columns + labels.shape[1]], labels
    )


def test_runs_are_those_of_the_labels():
    mask = blobs(3, 60, 70, 3, 0.6)
    np.testing.assert_array_equal(
        instance_runs(mask, min_separation_px=4), runs_of_labels(label_instances(mask, min_separation_px=4))
    )


@pytest.mark.parametrize(
    "asked",
    [{"min_separation_px": 0}, {"min_separation_px": np.nan}, {"min_separation_px": 2, "neck": 0},
     {"min_separation_px": 2, "neck": 1.5}],
)  # fmt: skip
def test_settings_outside_their_range_are_refused(asked):
    with pytest.raises(SettingsError, match="expected"):
        label_instances(np.ones((3, 3), bool), **asked)


def test_probabilities_are_no_mask():
    with pytest.raises(DataError, match="threshold probabilities first"):
        label_instances(np.ones((3, 3)), min_separation_px=2)


def test_hand_made_masks_of_real_particles_are_cut_only_where_two_touch(real_data):
    masks = np.load(real_data / "au_sintering_masks" / "frames_and_masks.npz")["masks"]
    more = {"neck": [], "published": []}
    for mask in masks:
        components = runs_of_labels(ndimage.label(mask, np.ones((3, 3)))[0])
        whole = (np.bincount(components[:, 3], weights=components[:, 2] - components[:, 1]) >= 12**2).sum()
        more["neck"].append(count(mask, separation=12) - whole)
        more["published"].append(count(mask, separation=12, neck=None) - whole)
    # Two particles touch in one crop; without the neck criterion rough and long ones are cut in many.
    assert np.flatnonzero(more["neck"]).tolist() == [17]
    assert more["neck"][17] == 1
    assert sum(more["published"]) > 10
