"""Labels against their definitions, sample by sample."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.labels import LABELS, LabelSettings, channel_names, make_label
from temflux.engine.generate.system import Sites

NAMES = ("1Mo", "2S", "1S")


def some_sites(seed=0, count=40, extent_A=10.0, names=NAMES):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, extent_A, (count, 2))
    return Sites(xy, rng.integers(0, len(names), count), names, rng.uniform(0.1, 1, count))


def sites_at(*xy, names=("Au",)):
    points = np.array(xy, np.float64).reshape(-1, 2)
    return Sites(points, np.zeros(len(points), np.int64), names, np.ones(len(points)))


def samples(shape, sampling_A, origin_A):
    """x and y of every sample, (Y, X, 2)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return np.stack([origin_A[0] + x * sampling_A, origin_A[1] + y * sampling_A], axis=-1)


def distances(sites, shape, sampling_A, origin_A):
    """Distance [Å] from every sample to every column, (Y, X, n)."""
    offset = samples(shape, sampling_A, origin_A)[:, :, np.newaxis] - sites.xy_A
    return np.hypot(offset[..., 0], offset[..., 1])


grids = st.tuples(
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.floats(0.05, 0.7),
    st.tuples(st.floats(-3, 9), st.floats(-3, 9)),
)


@settings(max_examples=60, deadline=None)
@given(grids, st.integers(3, 30))
def test_a_mask_is_the_hull(grid, count):
    seed, shape, sampling_A, origin_A = grid
    sites = some_sites(seed, count)
    label = make_label(LabelSettings("Mask"), sites, shape=shape, sampling_A=sampling_A, origin_A=origin_A)
    inside = Delaunay(sites.xy_A).find_simplex(samples(shape, sampling_A, origin_A)) >= 0
    assert label.shape == (*shape, 1)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label[..., 0], inside)


def test_the_edge_of_the_hull_is_inside():
    label = make_label(
        LabelSettings("Mask"), sites_at((1, 1), (4, 1), (4, 3), (1, 3)), shape=(6, 7), sampling_A=1.0
    )
    expected = np.zeros((6, 7), np.uint8)
    expected[1:4, 1:5] = 1
    np.testing.assert_array_equal(label[..., 0], expected)


def test_a_mask_beyond_the_image_fills_it():
    label = make_label(
        LabelSettings("Mask"), sites_at((-50, -50), (90, -40), (0, 90)), shape=(9, 9), sampling_A=0.5
    )
    assert label.all()
    away = make_label(
        LabelSettings("Mask"), sites_at((50, 50), (90, 50), (60, 90)), shape=(9, 9), sampling_A=0.5
    )
    assert not away.any()


@pytest.mark.parametrize("kind", ["Mask", "Disk", "Blob", "Gaussian", "Occupancy"])
def test_no_columns_is_background_alone(kind):
    two = kind != "Occupancy"
    chosen = LabelSettings(kind, num_classes=2 if two else 1)
    label = make_label(chosen, sites_at(), shape=(8, 9), sampling_A=0.1)
    assert not label[..., 0].any()
    if two:
        assert (label[..., 1] == 1).all()


def test_columns_on_a_line_mark_the_line():
    def mask(*xy):
        return make_label(LabelSettings("Mask"), sites_at(*xy), shape=(12, 12), sampling_A=0.5)[..., 0]

    assert np.argwhere(mask((2.1, 3.2))).tolist() == [[6, 4]]
    diagonal = mask((1, 1), (4, 4))
    np.testing.assert_array_equal(diagonal, np.diag((np.arange(12) >= 2) & (np.arange(12) <= 8)))
    np.testing.assert_array_equal(mask((1, 1), (2, 2), (3, 3), (4, 4)), diagonal)
    assert mask((1, 2), (4, 2)).sum() == mask((2, 1), (2, 4)).sum() == 7
    assert mask((2, 2), (2, 2), (2, 2)).sum() == 1
    assert mask((-9, 2), (-8, 2)).sum() == 0


def test_a_mask_with_background_is_one_hot():
    label = make_label(LabelSettings("Mask", 2), some_sites(), shape=(50, 50), sampling_A=0.2)
    assert (label.sum(axis=-1) == 1).all()
    np.testing.assert_array_equal(
        label[..., :1],
        make_label(LabelSettings("Mask", 1), some_sites(), shape=(50, 50), sampling_A=0.2),
    )


@settings(max_examples=60, deadline=None)
@given(grids, st.floats(0.05, 3))
@example((1, (60, 60), 0.2, (0.0, 0.0)), 0.01)
def test_discs_are_one_hot_and_go_to_the_nearer_column(grid, spotsize_A):
    seed, shape, sampling_A, origin_A = grid
    sites = some_sites(seed)
    label = make_label(
        LabelSettings("Disk", 4, spotsize_A=spotsize_A),
        sites,
        shape=shape,
        sampling_A=sampling_A,
        origin_A=origin_A,
    )
    distance = distances(sites, shape, sampling_A, origin_A)
    owner = distance.argmin(axis=-1)
    offset = np.abs(samples(shape, sampling_A, origin_A) - sites.xy_A[owner]).max(axis=-1)
    on_disc = distance.min(axis=-1) <= spotsize_A / 2
    # Every column marks the sample nearest to it, however narrow its disc.
    nearest = np.rint((sites.xy_A - origin_A) / sampling_A).astype(int)
    for x, y in nearest:
        if 0 <= x < shape[1] and 0 <= y < shape[0]:
            on_disc[y, x] = True
    expected = np.where(on_disc, sites.classes[owner], 3)
    np.testing.assert_array_equal(label.sum(axis=-1), 1)
    rim = np.abs(distance.min(axis=-1) - spotsize_A / 2) < 1e-5
    ties = np.ptp(np.sort(distance, axis=-1)[..., :2], axis=-1) < 1e-5
    half = np.abs(offset - sampling_A / 2) < 1e-5
    sure = ~(rim | ties | half)
    np.testing.assert_array_equal(label.argmax(axis=-1)[sure], expected[sure])
    assert label.dtype == np.uint8


def test_the_spot_size_of_a_disc_is_its_diameter():
    label = make_label(
        LabelSettings("Disk", 1, spotsize_A=0.6), sites_at((2, 1)), shape=(30, 50), sampling_A=0.1
    )
    rows, columns, _ = np.nonzero(label)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 13, 17, 23)


def test_classes_are_joined_where_one_is_asked_for():
    sites = some_sites()
    grid = {"shape": (64, 64), "sampling_A": 0.15}
    every = make_label(LabelSettings("Disk", 3, null_class=False), sites, **grid)
    one = make_label(LabelSettings("Disk", 1), sites, **grid)
    np.testing.assert_array_equal(every.sum(axis=-1), one[..., 0])
    background = make_label(LabelSettings("Disk", 4), sites, **grid)
    np.testing.assert_array_equal(background[..., 3], 1 - one[..., 0])
    np.testing.assert_array_equal(background[..., :3], every)


def test_a_class_without_columns_keeps_its_channel():
    sites = Sites(np.array([[2.0, 2.0]]), np.array([1]), NAMES)
    label = make_label(LabelSettings("Disk", 4), sites, shape=(40, 40), sampling_A=0.1)
    assert label.any(axis=(0, 1)).tolist() == [False, True, False, True]


def test_a_blob_falls_as_a_raised_cosine():
    blob = LabelSettings("Blob", 1, spotsize_A=0.8)
    row = make_label(blob, sites_at((2, 1)), shape=(20, 40), sampling_A=0.1)[10, :, 0]
    assert row.dtype == np.float32
    assert row[20] == 1
    assert row[24] == pytest.approx(0.5, abs=1e-6)
    assert row[22] == pytest.approx((1 + math.cos(math.pi / 4)) / 2, abs=1e-6)
    assert row[28:].max() < 1e-12
    assert row[27] > 0
    assert (np.diff(row[20:]) <= 0).all()


def test_a_gaussian_has_the_spot_size_as_standard_deviation():
    chosen = LabelSettings("Gaussian", 1, spotsize_A=0.4)
    label = make_label(chosen, sites_at((2, 1.5)), shape=(40, 50), sampling_A=0.1)[..., 0]
    distance = distances(sites_at((2, 1.5)), (40, 50), 0.1, (0, 0))[..., 0]
    expected = np.exp(-(distance**2) / (2 * 0.4**2))
    np.testing.assert_allclose(label, expected, atol=4e-4)
    np.testing.assert_allclose(label[distance < 1.59], expected[distance < 1.59], rtol=1e-5)
    assert not label[distance > 1.61].any()


@pytest.mark.parametrize("kind", ["Blob", "Gaussian"])
@settings(max_examples=25, deadline=None)
@given(grid=grids)
def test_peaks_are_of_the_nearest_column_of_a_class(kind, grid):
    seed, shape, sampling_A, origin_A = grid
    sites, spot_A = some_sites(seed), 0.5
    label = make_label(
        LabelSettings(kind, 4, spotsize_A=spot_A),
        sites,
        shape=shape,
        sampling_A=sampling_A,
        origin_A=origin_A,
    )
    distance = distances(sites, shape, sampling_A, origin_A)
    for index in range(3):
        nearest = distance[..., sites.classes == index].min(axis=-1)
        if kind == "Gaussian":
            expected = np.where(nearest <= 4 * spot_A, np.exp(-(nearest**2) / (2 * spot_A**2)), 0)
        else:
            expected = np.where(nearest < spot_A, (1 + np.cos(np.pi * nearest / spot_A)) / 2, 0)
        np.testing.assert_allclose(label[..., index], expected, atol=4e-4)
    rest = 1 - label[..., :3].sum(axis=-1)
    np.testing.assert_allclose(label[..., 3], np.clip(rest, 0, None), atol=1e-6)
    assert label.min() >= 0
    assert label.max() <= 1


def test_occupancy_lies_on_the_discs():
    sites = some_sites(names=("Ce", "O"))
    grid = {"shape": (64, 64), "sampling_A": 0.15}
    label = make_label(LabelSettings("Occupancy", 2), sites, **grid)
    discs = make_label(LabelSettings("Disk", 2, null_class=False), sites, **grid)
    np.testing.assert_array_equal(label > 0, discs > 0)
    assert label.dtype == np.float32
    for (x, y), kind, occupancy in zip(sites.xy_A, sites.classes, sites.occupancy, strict=True):
        row, column = round(y / 0.15), round(x / 0.15)
        if row < 64 and column < 64 and discs[row, column, kind]:
            near = np.hypot(*(sites.xy_A - [column * 0.15, row * 0.15]).T)
            if near.min() == np.hypot(column * 0.15 - x, row * 0.15 - y):
                assert label[row, column, kind] == np.float32(occupancy)


def test_an_empty_column_is_as_the_background():
    sites = Sites(np.array([[1.0, 1.0]]), np.array([1]), ("Ce", "O"), np.array([0.0]))
    assert not make_label(LabelSettings("Occupancy", 2), sites, shape=(20, 20), sampling_A=0.1).any()


def test_an_exit_wave_is_split_into_its_parts():
    rng = np.random.default_rng(3)
    wave = (rng.normal(size=(5, 7)) + 1j * rng.normal(size=(5, 7))).astype(np.complex64)
    label = make_label(LabelSettings("Exitwave", 2), some_sites(), shape=(5, 7), sampling_A=0.1, wave=wave)
    assert label.dtype == np.float32
    np.testing.assert_array_equal(label[..., 0] + 1j * label[..., 1], wave)


@pytest.mark.parametrize(
    ("kind", "classes"), [("Mask", 2), ("Disk", 4), ("Blob", 4), ("Gaussian", 4), ("Occupancy", 3)]
)
@settings(max_examples=15, deadline=None)
@given(rows=st.integers(0, 30), columns=st.integers(0, 30), seed=st.integers(0, 99))
def test_a_crop_has_the_label_of_its_place(kind, classes, rows, columns, seed):
    chosen, sites = LabelSettings(kind, classes, spotsize_A=0.7), some_sites(seed)
    whole = make_label(chosen, sites, shape=(70, 64), sampling_A=0.125, origin_A=(1.0, 2.0))
    origin_A = (1.0 + columns * 0.125, 2.0 + rows * 0.125)
    part = make_label(chosen, sites, shape=(30, 25), sampling_A=0.125, origin_A=origin_A)
    crop = whole[rows : rows + 30, columns : columns + 25]
    np.testing.assert_allclose(part, crop, atol=1e-5)


def test_the_order_of_columns_does_not_matter():
    sites = some_sites()
    order = np.random.default_rng(1).permutation(len(sites.classes))
    shuffled = Sites(sites.xy_A[order], sites.classes[order], NAMES, sites.occupancy[order])
    for chosen in (LabelSettings("Mask"), LabelSettings("Disk", 4), LabelSettings("Gaussian", 4)):
        first, second = (make_label(chosen, s, shape=(64, 64), sampling_A=0.15) for s in (sites, shuffled))
        np.testing.assert_array_equal(first, second)


def test_channels_have_names():
    assert channel_names(LabelSettings("Mask"), NAMES) == ("inside",)
    assert channel_names(LabelSettings("Mask", 2), NAMES) == ("inside", "background")
    assert channel_names(LabelSettings("Disk", 3, null_class=False), NAMES) == NAMES
    assert channel_names(LabelSettings("Gaussian", 1), NAMES) == ("column",)
    assert channel_names(LabelSettings("Gaussian", 1), ("Au",)) == ("Au",)
    assert channel_names(LabelSettings("Exitwave", 2), NAMES) == ("real", "imaginary")
    assert channel_names(LabelSettings("Occupancy", 2), ("Ce", "O")) == ("Ce", "O")
    with pytest.raises(SettingsError, match="num_classes: expected 4"):
        channel_names(LabelSettings("Disk", 3), NAMES)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"kind": "Maks"}, r"label: expected one of Mask, .*, got 'Maks'"),
        ({"num_classes": 0}, r"num_classes: expected 1 to 100, got 0"),
        ({"num_classes": 3}, r"num_classes: expected 1, or 2 with null_class true, for Mask .*, got 3"),
        ({"num_classes": 2, "null_class": False}, r"for Mask .*, got 2 with null_class false"),
        ({"kind": "Exitwave"}, r"num_classes: expected 2 for Exitwave .*, got 1"),
        ({"spotsize_A": 0.0}, r"spotsize: expected a width above 0 Å, got 0.0"),
        ({"spotsize_A": math.nan}, r"spotsize: expected a width above 0 Å, got nan"),
    ],
)
def test_bad_settings_are_refused_in_one_line(arguments, line):
    with pytest.raises(SettingsError, match=line) as caught:
        LabelSettings(**arguments)
    assert "\n" not in str(caught.value)


def test_a_wrong_number_of_classes_is_named():
    grid = {"shape": (8, 8), "sampling_A": 0.1}
    for kind, classes, wanted in (("Disk", 3, 4), ("Blob", 5, 4), ("Gaussian", 2, 4), ("Occupancy", 2, 3)):
        with pytest.raises(
            SettingsError, match=rf"num_classes: expected {wanted} .*1Mo, 2S, 1S.*got {classes}"
        ):
            make_label(LabelSettings(kind, classes), some_sites(), **grid)


@pytest.mark.parametrize(
    ("changes", "kind", "error", "line"),
    [
        ({"shape": (0, 8)}, "Mask", SettingsError, "shape: expected rows and columns"),
        ({"sampling_A": 0.0}, "Mask", SettingsError, "sampling_A: expected a distance above 0"),
        ({"sampling_A": math.inf}, "Disk", SettingsError, "sampling_A: expected a distance above 0"),
        ({"origin_A": (math.nan, 0)}, "Mask", SettingsError, "origin_A: expected x and y"),
        ({}, "Exitwave", DataError, "expected a complex wave of .8, 8. samples, got none"),
        ({"wave": np.ones((8, 9), np.complex64)}, "Exitwave", DataError, r"got complex64 of \(8, 9\)"),
        ({"wave": np.ones((8, 8), np.float32)}, "Exitwave", DataError, "got float32"),
    ],
)
def test_bad_arguments_are_refused(changes, kind, error, line):
    with pytest.raises(error, match=line):
        make_label(
            LabelSettings(kind, 2), sites_at((1, 1)), **{"shape": (8, 8), "sampling_A": 0.1, **changes}
        )


@pytest.mark.parametrize(
    ("sites", "line"),
    [
        (Sites(np.array([[np.nan, 1.0]]), np.array([0]), ("Au",)), "expected finite x and y"),
        (Sites(np.ones((2, 2)), np.array([0]), ("Au",)), "one class each, got 2 and 1"),
        (Sites(np.ones((1, 2)), np.array([1]), ("Au",)), r"expected classes 0 to 0 \(Au\), got 1"),
    ],
)
def test_bad_sites_are_refused(sites, line):
    with pytest.raises(DataError, match=line):
        make_label(LabelSettings("Mask"), sites, shape=(8, 8), sampling_A=0.1)


def test_occupancies_are_needed_and_checked():
    chosen = LabelSettings("Occupancy", 1)
    bare = Sites(np.ones((1, 2)), np.array([0]), ("Ce",))
    with pytest.raises(DataError, match="expected sites with occupancies, got none"):
        make_label(chosen, bare, shape=(8, 8), sampling_A=0.1)
    for wrong in (np.array([np.nan]), np.array([-0.1]), np.ones(2)):
        with pytest.raises(DataError, match="expected an occupancy of 0 or more for each site"):
            make_label(
                chosen, Sites(np.ones((1, 2)), np.array([0]), ("Ce",), wrong), shape=(8, 8), sampling_A=0.1
            )


def test_every_label_is_known_by_name():
    assert LABELS == ("Mask", "Disk", "Blob", "Gaussian", "Exitwave", "Occupancy")
