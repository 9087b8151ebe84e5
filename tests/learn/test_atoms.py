"""Columns out of maps: what labels were made of comes back; matches against brute force and closed forms."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.base.seeds import generator
from temflux.engine.generate.flake import flake
from temflux.engine.generate.labels import LabelSettings, make_label
from temflux.engine.generate.system import Sites
from temflux.engine.learn.atom_scores import count_columns, image_bounds, match_columns
from temflux.engine.learn.atoms import find_columns_in_maps, find_maxima


def atomic_scores(*columns, **keywords):
    return count_columns(*columns, **keywords).scores()


def maps_of(sites, *, spotsize_A=0.4, sampling_A=0.1, size=600, kind="Disk", num_classes=4):
    settings_ = LabelSettings(kind, num_classes=num_classes, spotsize_A=spotsize_A)
    return make_label(settings_, sites, shape=(size, size), sampling_A=sampling_A).astype(np.float32)


def scores_of(maps, sites, *, sampling_A=0.1, edge_A=0.0, **keywords):
    xy, classes, _ = find_columns_in_maps(maps, sampling_A=sampling_A, **keywords)
    bounds = image_bounds(maps.shape[:2], sampling_A=sampling_A)
    true = sites.xy_A, sites.classes
    n_classes = len(sites.class_names)
    return atomic_scores(xy, classes, *true, n_classes=n_classes, bounds_A=bounds, edge_A=edge_A)


def worst_A(maps, sites, *, sampling_A=0.1, **keywords):
    xy, classes, _ = find_columns_in_maps(maps, sampling_A=sampling_A, **keywords)
    return match_columns(xy, classes, sites.xy_A, sites.classes)[1].max()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("spotsize_A", "sampling_A"), [(0.4, 0.1), (0.4, 0.08), (0.8, 0.11), (1.6, 0.15)])
def test_a_flake_s_label_gives_back_its_columns(seed, spotsize_A, sampling_A):
    sites = flake(generator(seed)).sites
    maps = maps_of(sites, spotsize_A=spotsize_A, sampling_A=sampling_A, size=round(60 / sampling_A))
    scores = scores_of(maps, sites, sampling_A=sampling_A, spotsize_A=spotsize_A)
    assert scores["f1"] == 1
    assert scores["true_positive"] == len(sites.xy_A)
    assert worst_A(maps, sites, sampling_A=sampling_A, spotsize_A=spotsize_A) < 0.06


@pytest.mark.parametrize("seed", range(8))
def test_noise_of_a_fifth_of_the_range_changes_no_column(seed):
    sites, rng = flake(generator(seed)).sites, np.random.default_rng(seed)
    maps = maps_of(sites)
    noisy = np.clip(maps + rng.normal(0, 0.2, maps.shape), 0, 1)
    assert scores_of(noisy, sites)["f1"] == 1
    assert worst_A(noisy, sites) < 0.1


def test_weak_and_uncertain_maps_still_give_the_columns():
    sites = flake(generator(0)).sites
    maps = maps_of(sites)
    assert scores_of(0.6 * maps, sites)["f1"] == 1
    assert scores_of(0.4 * maps, sites)["true_positive"] == 0
    shared = 0.52 * maps[..., :3] + 0.48 * np.roll(maps[..., :3], 1, axis=2)
    assert scores_of(shared, sites, has_background=False)["f1"] == 1


@pytest.mark.parametrize(("kind", "spotsize_A", "disc_A"), [("Blob", 0.8, 0.8), ("Gaussian", 0.3, 0.8)])
def test_maps_of_spots_give_the_columns_too(kind, spotsize_A, disc_A):
    sites = flake(generator(1)).sites
    maps = maps_of(sites, kind=kind, spotsize_A=spotsize_A)
    assert scores_of(maps, sites, spotsize_A=disc_A)["f1"] == 1
    assert worst_A(maps, sites, spotsize_A=disc_A) < 0.02


@pytest.mark.parametrize(
    ("distance_A", "num_classes"), [(2.0, 1), (1.85, 1), (2.0, 3), (1.85, 3), (1.6, 3), (1.4, 3)]
)
def test_discs_that_touch_or_overlap_are_cut_apart(distance_A, num_classes):
    rows, columns = np.mgrid[1:6, 1:6]
    xy = np.stack([columns.ravel(), rows.ravel()], axis=1) * distance_A + 0.03
    sites = Sites(xy, np.arange(25) % 2, ("a", "b"))
    maps = maps_of(sites, spotsize_A=2.0, size=120, num_classes=num_classes)
    found, classes, _ = find_columns_in_maps(maps, sampling_A=0.1, spotsize_A=2.0)
    assert len(found) == 25
    true_classes = sites.classes if num_classes > 1 else 0 * sites.classes
    pairs, distance = match_columns(found, classes, xy, true_classes)
    assert len(pairs) == 25
    # An outer disc loses what its neighbours own, on one side only.
    assert distance.max() < 0.4 * (2.0 - distance_A) + 0.05


def test_positions_are_sorted_moved_by_the_origin_and_sure_at_most_1():
    sites = Sites(np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 3.0]]), np.zeros(3, int), ("a",))
    maps = maps_of(sites, size=50, num_classes=2)
    xy, classes, sure = find_columns_in_maps(maps, sampling_A=0.1, origin_A=(-5.0, 7.0))
    np.testing.assert_allclose(xy, [[-4, 8], [-2, 8], [-3, 10]], atol=1e-3)
    assert classes.tolist() == [0, 0, 0]
    assert ((sure > 0.8) & (sure <= 1)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9999), st.booleans(), st.booleans())
def test_turning_or_mirroring_the_maps_turns_the_columns(seed, transpose, mirror):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0.5, 7.5, (6, 2))
    sites = Sites(xy, rng.integers(0, 2, 6), ("a", "b"))
    maps = maps_of(sites, size=81, num_classes=3)
    plain = set(zip(*(np.round(find_columns_in_maps(maps, sampling_A=0.1)[0], 4).T), strict=True))
    changed = maps.transpose(1, 0, 2) if transpose else maps
    changed = changed[:, ::-1] if mirror else changed
    found = find_columns_in_maps(changed, sampling_A=0.1)[0]
    found[:, 0] = 8.0 - found[:, 0] if mirror else found[:, 0]
    found = found[:, ::-1] if transpose else found
    again = set(zip(*np.round(found, 4).T, strict=True))
    assert len(again) == len(plain)
    np.testing.assert_allclose(sorted(again), sorted(plain), atol=2e-3)


def test_empty_full_and_tiny_maps():
    for maps in (np.zeros((32, 32, 4)), np.zeros((1, 1)), np.zeros((3, 40, 2))):
        xy, classes, sure = find_columns_in_maps(maps, sampling_A=0.1)
        assert (xy.shape, classes.shape, sure.shape) == ((0, 2), (0,), (0,))
    assert len(find_columns_in_maps(np.ones((128, 128)), sampling_A=0.1)[0]) == 1
    lone = np.zeros((9, 9))
    lone[4, 6] = 1
    np.testing.assert_allclose(find_columns_in_maps(lone, sampling_A=0.3)[0], [[1.8, 1.2]])


@pytest.mark.parametrize("seed", range(6))
def test_no_two_columns_are_nearer_than_asked_for(seed):
    """Maxima that are far enough apart move towards each other when they are centred."""
    rng = np.random.default_rng(seed)
    maps = np.clip(ndimage.gaussian_filter(rng.normal(0.2, 2.0, (160, 160)), 1.5), 0, 1)
    xy, _, sure = find_columns_in_maps(maps, sampling_A=0.1, threshold=0.2)
    distance, neighbour = cKDTree(xy).query(xy, k=2)
    assert len(xy) > 50
    assert distance[:, 1].min() >= 0.8 - 1e-9
    assert neighbour.shape == (len(sure), 2)


def test_500_columns_take_less_than_50_ms():
    y, x = np.mgrid[:23, :22]
    xy = np.stack([x.ravel(), y.ravel()], axis=1) * 2.2 + 1
    sites = Sites(xy, np.arange(len(xy)) % 3, ("a", "b", "c"))
    maps = maps_of(sites, size=512)
    taken = []
    for _ in range(5):
        start = time.process_time()
        found, classes, _ = find_columns_in_maps(maps, sampling_A=0.1)
        count_columns(found, classes, xy, sites.classes, n_classes=3)
        taken.append(time.process_time() - start)
    assert len(found) == len(xy) == 506
    # Twice the time that is wanted, for machines that are busy or slow.
    assert min(taken) < 0.1


def test_maxima_keep_their_distance():
    values = np.random.default_rng(0).random((60, 60))
    yx, heights = find_maxima(values, threshold=0.3, min_distance_px=6)
    apart = np.linalg.norm(yx[:, None] - yx, axis=2) + 1e9 * np.eye(len(yx))
    assert apart.min() >= 6
    assert (np.diff(heights) <= 0).all()
    assert heights[0] == values.max()
    np.testing.assert_array_equal(heights, values[tuple(yx.astype(int).T)])


def test_maps_and_settings_are_checked():
    maps = np.zeros((8, 8, 2))
    for bad in (maps[0, 0], maps + np.nan, maps + 0j, np.zeros((0, 4))):
        with pytest.raises(DataError, match="expected"):
            find_columns_in_maps(bad, sampling_A=0.1)
    for keywords in ({"threshold": 0}, {"threshold": 1.5}, {"min_distance_A": -1}, {"spotsize_A": np.inf}):
        with pytest.raises(SettingsError, match="expected"):
            find_columns_in_maps(maps, sampling_A=0.1, **keywords)


def brute_force(found, true, within):
    """Most matches, and least sum of squares among them."""
    best = (0, 0.0)
    small, large = (found, true) if len(found) <= len(true) else (true, found)
    for chosen in itertools.permutations(range(len(large)), len(small)):
        d = np.linalg.norm(small - large[list(chosen)], axis=1)
        near = d <= within
        best = min(best, (-int(near.sum()), float((d[near] ** 2).sum())))
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 5), st.integers(1, 5))
def test_matches_are_the_best_of_all(seed, n_found, n_true):
    rng = np.random.default_rng(seed)
    found, true = rng.uniform(0, 3, (n_found, 2)), rng.uniform(0, 3, (n_true, 2))
    pairs, distance = match_columns(found, np.zeros(n_found, int), true, np.zeros(n_true, int))
    count, squares = brute_force(found, true, 1.0)
    assert len(pairs) == -count
    assert (distance**2).sum() == pytest.approx(squares, abs=1e-9)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    np.testing.assert_allclose(distance, np.linalg.norm(found[pairs[:, 0]] - true[pairs[:, 1]], axis=1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 60), st.integers(0, 60))
def test_swapping_found_and_true_swaps_false_positives_and_negatives(seed, n_found, n_true):
    rng = np.random.default_rng(seed)
    found = rng.uniform(0, 8, (n_found, 2)), rng.integers(0, 3, n_found)
    true = rng.uniform(0, 8, (n_true, 2)), rng.integers(0, 3, n_true)
    one, other = (count_columns(*a, *b, n_classes=3) for a, b in ((found, true), (true, found)))
    np.testing.assert_array_equal(one.counts.true_positive, other.counts.true_positive)
    np.testing.assert_array_equal(one.counts.false_positive, other.counts.false_negative)
    # Eqs. 4.1 and 4.2.
    np.testing.assert_array_equal(
        one.counts.false_positive, np.bincount(found[1], minlength=3) - one.counts.true_positive
    )
    assert one.detected.true_positive[0] >= one.counts.true_positive.sum()


def test_a_match_is_within_1_A_and_of_the_same_class():
    true = np.array([[0.0, 0.0], [5.0, 0.0], [10.0, 0.0]])
    found = true + np.array([1.0, 0.0])
    classes = np.array([0, 1, 2])
    assert len(match_columns(found, classes, true, classes)[0]) == 3
    assert len(match_columns(found + 1e-6, classes, true, classes)[0]) == 0
    assert match_columns(found, np.array([0, 2, 1]), true, classes)[0].tolist() == [[0, 0]]


def test_two_found_columns_on_one_true_one_give_one_match():
    true, found = np.array([[1.0, 1.0]]), np.array([[1.2, 1.0], [1.0, 1.1]])
    scores = atomic_scores(found, np.zeros(2, int), true, np.zeros(1, int), n_classes=1)
    assert (scores["true_positive"], scores["false_positive"], scores["false_negative"]) == (1, 1, 0)
    assert scores["precision"] == 0.5
    assert scores["position_rms_A"] == pytest.approx(0.1)


def test_a_wrong_class_counts_against_both_classes_but_is_detected():
    xy = np.array([[1.0, 1.0], [3.0, 1.0], [5.0, 1.0], [7.0, 1.0]])
    scores = atomic_scores(xy, np.array([0, 0, 1, 2]), xy, np.array([0, 0, 1, 1]), n_classes=3)
    np.testing.assert_allclose(scores["class_f1"], [1, 2 / 3, 0])
    assert scores["f1"] == 0.75
    assert scores["detection_f1"] == 1
    assert math.isnan(scores["class_position_rms_A"][2])


def test_position_errors_are_their_root_mean_square():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:30, :30]
    true = np.stack([x.ravel(), y.ravel()], axis=1) * 3.0
    found = true + rng.normal(0, 0.05, true.shape)
    scores = atomic_scores(found, np.zeros(900, int), true, np.zeros(900, int), n_classes=1)
    assert scores["position_rms_A"] == pytest.approx(0.05 * math.sqrt(2), rel=0.05)


def test_the_edge_is_left_out_on_both_sides():
    bounds = image_bounds((101, 101), sampling_A=0.1)
    assert bounds == (0, 0, 10, 10)
    true = np.array([[5.0, 5.0], [0.4, 5.0], [-0.3, 2.0], [0.6, 8.0]])
    found = np.array([[5.0, 5.0], [9.9, 9.9], [0.1, 2.0], [0.4, 8.0], [3.0, 3.0]])
    kinds = np.zeros(4, int), np.zeros(5, int)
    counts = count_columns(found, kinds[1], true, kinds[0], n_classes=1, bounds_A=bounds, edge_A=0.5).counts
    # Kept: (5, 5), (0.6, 8) with its partner in the edge, and what was found at (3, 3).
    assert [part[0] for part in (counts.true_positive, counts.false_positive, counts.false_negative)] == [
        2,
        1,
        0,
    ]
    whole = count_columns(found, kinds[1], true, kinds[0], n_classes=1, bounds_A=bounds).counts
    assert [part[0] for part in (whole.true_positive, whole.false_positive, whole.false_negative)] == [
        2,
        2,
        1,
    ]
    with pytest.raises(SettingsError, match="bounds_A"):
        count_columns(found, kinds[1], true, kinds[0], n_classes=1, edge_A=0.5)


def test_a_flake_cut_by_the_image_s_edge_scores_1():
    sites = flake(generator(2)).sites
    middle = Sites(sites.xy_A - 15.0, sites.classes, sites.class_names)
    maps = maps_of(middle, size=300)
    assert scores_of(maps, middle, edge_A=0.2)["f1"] == 1


def test_counts_of_images_add_up():
    rng = np.random.default_rng(0)
    sets = [(rng.uniform(0, 9, (40, 2)), rng.integers(0, 2, 40)) for _ in range(4)]
    one = count_columns(*sets[0], *sets[1], n_classes=2)
    other = count_columns(*sets[2], *sets[3], n_classes=2)
    far = np.array([[100.0, 0.0]])
    found = np.concatenate([sets[0][0], sets[2][0] + far]), np.concatenate([sets[0][1], sets[2][1]])
    true = np.concatenate([sets[1][0], sets[3][0] + far]), np.concatenate([sets[1][1], sets[3][1]])
    whole = count_columns(*found, *true, n_classes=2).scores()
    for name, value in (one + other).scores().items():
        np.testing.assert_allclose(value, whole[name])


def test_nothing_found_and_nothing_there():
    none = np.zeros((0, 2)), np.zeros(0, int)
    some = np.array([[1.0, 1.0]]), np.array([0])
    assert atomic_scores(*none, *none, n_classes=2)["f1"] == 1
    assert atomic_scores(*some, *none, n_classes=2)["f1"] == 0
    assert atomic_scores(*none, *some, n_classes=2)["f1"] == 0


def test_columns_that_do_not_fit_are_refused():
    xy, classes = np.zeros((2, 2)), np.zeros(2, int)
    for bad in ((xy[0], classes), (xy, classes[:1]), (xy + np.nan, classes), (np.zeros((2, 3)), classes)):
        with pytest.raises(DataError, match=r"found columns: expected"):
            match_columns(*bad, xy, classes)
    with pytest.raises(DataError, match="classes 0 to 0"):
        count_columns(xy, classes, xy, classes + 1, n_classes=1)
    with pytest.raises(SettingsError, match="within_A"):
        match_columns(xy, classes, xy, classes, within_A=0)
