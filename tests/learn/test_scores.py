"""Scores against their definitions, their symmetries and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.score_shapes import count_boundary, count_instances
from temflux.engine.learn.score_waves import sum_errors
from temflux.engine.learn.scores import Counts, bootstrap, count_pixels

from ..scores import f1_of_counts, instance_counts, mask_iou

masks = hnp.arrays(bool, (9, 11))


def pixel_scores(truth, found, threshold=0.5):
    return count_pixels(truth, found, threshold=threshold).counts.scores()


def discs(*centres, shape=(60, 60), radius=5.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.any([(y - row) ** 2 + (x - column) ** 2 <= radius**2 for row, column in centres], axis=0)


@settings(max_examples=60, deadline=None)
@given(masks, masks)
def test_pixel_scores_are_their_definitions(truth, found):
    scores = pixel_scores(truth, found)
    tp, fp, fn = (truth & found).sum(), (found & ~truth).sum(), (truth & ~found).sum()
    if tp:
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        assert scores["precision"][0] == pytest.approx(precision)
        assert scores["recall"][0] == pytest.approx(recall)
        assert scores["f1"][0] == pytest.approx(2 * precision * recall / (precision + recall))
        assert scores["f1"][0] == pytest.approx(tp / (tp + (fn + fp) / 2))
    else:
        assert scores["f1"][0] == (0 if fp + fn else 1)
    assert scores["iou"][0] == pytest.approx(mask_iou(found, truth))
    assert scores["mean_f1"] == scores["f1"][0]


@settings(max_examples=40, deadline=None)
@given(masks, masks)
def test_swapping_truth_and_prediction_swaps_precision_and_recall(truth, found):
    one, other = pixel_scores(truth, found), pixel_scores(found, truth)
    assert one["precision"] == other["recall"]
    assert one["f1"] == other["f1"]


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(bool, (3, 8, 8, 2)), hnp.arrays(np.float32, (3, 8, 8, 2), elements=st.floats(0, 1, width=32))
)
def test_counts_of_frames_add_up_to_those_of_one_long_frame(truth, found):
    total = count_pixels(truth[0], found[0]) + count_pixels(truth[1], found[1])
    total = total + count_pixels(truth[2], found[2])
    whole = count_pixels(truth.reshape(24, 8, 2), found.reshape(24, 8, 2))
    for name, values in whole.counts.scores().items():
        np.testing.assert_array_equal(values, total.counts.scores()[name])


def test_half_of_the_class_found_and_as_much_beside_it():
    truth, found = np.zeros((1, 8)), np.zeros((1, 8))
    truth[0, :4], found[0, 2:6] = 1, 0.9
    scores = pixel_scores(truth, found)
    assert [scores[name][0] for name in ("precision", "recall", "f1")] == [0.5, 0.5, 0.5]
    assert scores["iou"][0] == pytest.approx(1 / 3)


def test_without_a_threshold_the_most_probable_class_counts():
    truth = np.eye(3)[[[0, 1, 2, 2]]]
    probability = np.array([[[0.4, 0.3, 0.3], [0.2, 0.45, 0.35], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]]])
    scores = pixel_scores(truth, probability, None)
    np.testing.assert_allclose(scores["f1"], [2 / 3, 1, 2 / 3])
    np.testing.assert_allclose(scores["mean_f1"], 7 / 9)
    assert pixel_scores(truth, probability)["recall"].tolist() == [0, 0, 0.5]


def test_means_leave_out_classes_that_are_neither_there_nor_found():
    counts = Counts(np.array([1, 0]), np.array([1, 0]), np.array([0, 0]))
    assert counts.f1.tolist() == pytest.approx([2 / 3, 1])
    assert counts.scores()["mean_f1"] == pytest.approx(2 / 3)
    assert counts.without(-1).f1.tolist() == counts.joined.f1.tolist()


def test_false_area_is_of_empty_frames_alone():
    empty, full = np.zeros((10, 10)), np.ones((10, 10))
    found = np.zeros((10, 10))
    found[0, :3] = 1
    total = count_pixels(empty, found) + count_pixels(full, found) + count_pixels(empty, empty)
    assert total.false_area.tolist() == [3 / 200]
    assert np.isnan(count_pixels(full, found).false_area[0])


@pytest.mark.parametrize(
    "bad", [np.zeros(4), np.zeros((0, 4)), np.zeros((4, 4), complex), np.zeros((2, 4, 4, 1))]
)
def test_impossible_pixels_are_refused_in_one_line(bad):
    with pytest.raises(DataError, match=r"expected[^\n]*got[^\n]*$"):
        count_pixels(bad, bad)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"truth's shape \(4, 4\), got \(4, 5\)"):
        count_pixels(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(DataError, match="finite"):
        count_pixels(np.zeros((4, 4)), np.full((4, 4), np.nan))
    with pytest.raises(SettingsError, match="single class"):
        count_pixels(np.zeros((4, 4)), np.zeros((4, 4)), threshold=None)
    with pytest.raises(SettingsError, match="0 to 1"):
        count_pixels(np.zeros((4, 4)), np.zeros((4, 4)), threshold=90)
    with pytest.raises(DataError, match="same classes"):
        _ = count_pixels(np.zeros((4, 4)), np.zeros((4, 4))) + count_pixels(
            np.zeros((4, 4, 2)), np.zeros((4, 4, 2))
        )


def test_bootstrap_of_the_mean_has_its_standard_error():
    rng = np.random.default_rng(0)
    values = rng.normal(5, 2, 400)
    interval = bootstrap(values, groups=np.arange(400), rng=np.random.default_rng(1), n=4000)
    assert interval.value == pytest.approx(values.mean())
    expected = 1.96 * values.std() / math.sqrt(400)
    assert interval.high - interval.value == pytest.approx(expected, rel=0.1)
    assert interval.value - interval.low == pytest.approx(expected, rel=0.1)


def test_ten_images_of_each_structure_count_as_one():
    values = np.repeat(np.random.default_rng(0).normal(0, 1, 30), 10)

    def width(groups):
        interval = bootstrap(values, groups=groups, rng=np.random.default_rng(2), n=2000)
        return interval.high - interval.low

    ratio = width(np.repeat(np.arange(30), 10)) / width(np.arange(300))
    assert ratio == pytest.approx(math.sqrt(10), rel=0.1)


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        levels = rng.normal(0, 1, 40)
        values = np.repeat(levels, 3) + rng.normal(0, 0.5, 120)
        interval = bootstrap(values, groups=np.repeat(np.arange(40), 3), rng=rng, n=300, level=0.9)
        hits += interval.low <= 0 <= interval.high
    assert 0.82 <= hits / 200 <= 0.96


def test_bootstrap_of_counts_gives_the_interval_of_an_f1():
    counts = np.array([[90, 10, 10], [50, 50, 50], [99, 1, 1], [70, 20, 40]])
    names = np.array(["a", "b", "c", "c"])

    def f1(rows):
        return float(f1_of_counts(rows))

    interval = bootstrap(counts, groups=names, rng=np.random.default_rng(0), n=200, statistic=f1)
    again = bootstrap(counts, groups=names, rng=np.random.default_rng(0), n=200, statistic=f1)
    assert interval == again
    assert interval.value == pytest.approx(f1(counts))
    assert interval.low < interval.value < interval.high
    assert interval.n_groups == 3


def test_bootstrap_of_one_structure_has_no_bounds():
    interval = bootstrap(np.array([1.0, 0.5]), groups=np.zeros(2, int), rng=np.random.default_rng(0))
    assert interval.value == 0.75
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_bootstrap_refuses_what_it_cannot_draw_from():
    rng = np.random.default_rng(0)
    for values, groups in (([], []), ([1.0], [1, 2]), ([np.nan, 1.0], [1, 2])):
        with pytest.raises(DataError, match="expected"):
            bootstrap(np.array(values), groups=np.array(groups), rng=rng)
    with pytest.raises(SettingsError, match="level"):
        bootstrap(np.ones(3), groups=np.arange(3), rng=rng, level=95)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(2, 17), st.integers(2, 17)),
    st.integers(0, 999),
    st.floats(0.05, 0.5),
    st.floats(0.1, 3),
    st.floats(0.1, 3),
)
def test_bands_add_up_to_the_whole_error(shape, seed, sampling_A, low, width):
    rng = np.random.default_rng(seed)
    truth, found = rng.normal(size=(2, *shape, 2))
    scores = sum_errors(truth, found, sampling_A=sampling_A, limits_per_A=(low, low + width)).scores()
    parts = [scores[f"rmse_{name}"] ** 2 for name in ("low", "transferred", "beyond")]
    assert sum(parts) == pytest.approx(scores["mse"])
    assert scores["mse"] == pytest.approx(np.mean((truth - found) ** 2))
    assert scores["rmse"] == pytest.approx(math.sqrt(scores["mse"]))


@pytest.mark.parametrize(
    ("period_px", "band"), [(64, "low"), (16, "transferred"), (4, "transferred"), (2, "beyond")]
)
def test_a_wave_lies_in_its_band(period_px, band):
    wave = np.cos(2 * np.pi * np.arange(64) / period_px)[:, np.newaxis] * np.ones(48)
    limits = (1 / (16 * 0.1), 1 / (4 * 0.1))
    for error in (wave, wave.T):
        scores = sum_errors(0 * error, error, sampling_A=0.1, limits_per_A=limits).scores()
        assert scores[f"rmse_{band}"] == pytest.approx(math.sqrt(np.mean(wave**2)))
        assert scores[f"rmse_{band}"] == pytest.approx(scores["rmse"])


def test_errors_of_images_add_up():
    rng = np.random.default_rng(0)
    truth, found = rng.normal(size=(2, 20, 8, 3))
    halves = [sum_errors(truth[part], found[part]) for part in (slice(10), slice(10, None))]
    both = halves[0] + halves[1]
    np.testing.assert_allclose(both.channel_rmse, np.sqrt(np.mean((truth - found) ** 2, axis=(0, 1))))
    assert both.scores()["rmse"] == pytest.approx(sum_errors(truth, found).scores()["rmse"])


def test_a_complex_wave_scores_as_its_two_parts():
    rng = np.random.default_rng(0)
    truth, found = rng.normal(size=(2, 8, 8, 2))
    waves = [pair[..., 0] + 1j * pair[..., 1] for pair in (truth, found)]
    assert sum_errors(*waves).scores() == sum_errors(truth, found).scores()


def test_errors_that_cannot_be_summed_are_refused():
    plane = np.zeros((4, 4))
    for pair in (
        (plane, np.zeros((4, 5))),
        (plane, plane + 0j),
        (plane, plane + np.nan),
        (plane[0], plane[0]),
    ):
        with pytest.raises(DataError, match="expected"):
            sum_errors(*pair)
    with pytest.raises(SettingsError, match="sampling_A"):
        sum_errors(plane, plane, limits_per_A=(0.1, 1))
    with pytest.raises(SettingsError, match="in order"):
        sum_errors(plane, plane, sampling_A=0.1, limits_per_A=(1, 0.1))


@pytest.mark.parametrize("shift", [0, 1, 3, 6])
def test_a_shifted_square_s_boundary_is_right_within_the_shift(shift):
    truth = np.zeros((60, 60), bool)
    truth[20:40, 20:40] = True
    found = np.roll(truth, shift, axis=1)
    assert count_boundary(truth, found, tolerance_px=shift).f1 == 1
    if shift:
        # Left and right sides are out of reach, save their ends on the sides that overlap.
        counts = count_boundary(truth, found, tolerance_px=shift - 1)
        assert counts.f1 < 1
        assert counts.true_hit_px == counts.found_hit_px
        assert counts.f1 == counts.true_hit_px / counts.true_px


def test_a_tolerance_in_nm_is_one_in_px():
    truth, found = discs((30, 30)), discs((32, 31))
    in_nm = count_boundary(truth, found, tolerance_nm=0.2, pixel_nm=0.1)
    assert in_nm == count_boundary(truth, found, tolerance_px=2)
    assert in_nm + in_nm != in_nm
    assert (in_nm + in_nm).f1 == in_nm.f1


def test_boundaries_that_are_missing_or_beyond_the_frame():
    disc, none = discs((30, 30)), np.zeros((60, 60), bool)
    assert count_boundary(none, none, tolerance_px=1).f1 == 1
    assert count_boundary(disc, none, tolerance_px=1).f1 == 0
    assert count_boundary(none, disc, tolerance_px=1).f1 == 0
    assert count_boundary(~none, ~none, tolerance_px=1).true_px == 0
    assert count_boundary(disc, ~disc, tolerance_px=1).f1 == 1
    assert count_boundary(disc, discs((8, 8)), tolerance_px=1).f1 == 0


def test_boundary_settings_and_masks_are_checked():
    mask = np.zeros((4, 4), bool)
    for keywords in ({}, {"tolerance_px": 1, "tolerance_nm": 1}, {"tolerance_nm": 1}, {"tolerance_px": -1}):
        with pytest.raises(SettingsError, match="expected"):
            count_boundary(mask, mask, **keywords)
    with pytest.raises(DataError, match="threshold"):
        count_boundary(mask, mask.astype(float), tolerance_px=1)
    with pytest.raises(DataError, match=r"\(4, 4\) and \(4, 5\)"):
        count_boundary(mask, np.zeros((4, 5), bool), tolerance_px=1)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, (14, 14), elements=st.integers(0, 3)), st.integers(0, 99), st.integers(0, 12))
def test_instances_are_symmetric_and_match_themselves(truth, seed, speck):
    found = np.where(np.random.default_rng(seed).random(truth.shape) < 0.7, truth, 0)
    one = count_instances(truth, found, min_area_px=speck)
    other = count_instances(found, truth, min_area_px=speck)
    assert one.false_positive == other.false_negative
    assert one.true_positive == other.true_positive
    itself = count_instances(truth, truth, min_area_px=speck)
    assert itself.false_positive[0] == itself.false_negative[0] == 0
    assert itself.true_positive[0] == sum((truth == label).sum() >= max(speck, 1) for label in (1, 2, 3))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999))
def test_instances_agree_with_the_plain_count_where_there_are_no_specks(seed):
    rng = np.random.default_rng(seed)
    truth = discs(*rng.uniform(5, 55, (6, 2)))
    found = discs(*rng.uniform(5, 55, (3, 2))) | np.roll(truth, 2, axis=0)
    from scipy.ndimage import label

    matched, spurious, missed = instance_counts(label(found)[0], truth, speck_px=1)
    counts = count_instances(truth, found, min_area_px=1)
    assert [counts.true_positive[0], counts.false_positive[0], counts.false_negative[0]] == [
        matched,
        spurious,
        missed,
    ]


def test_one_large_piece_over_two_particles_matches_one_at_most():
    truth = discs((20, 20), (20, 31))
    truth[:, 25:27] = False
    counts = count_instances(truth, discs((20, 20), (20, 31)) | truth)
    assert (counts.true_positive[0], counts.false_positive[0], counts.false_negative[0]) == (0, 1, 2)
    at_half = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
    assert count_instances(*at_half, min_area_px=0).true_positive[0] == 1
    assert count_instances(*at_half, min_area_px=0, least_iou=0.51).true_positive[0] == 0


def test_specks_count_on_neither_side_and_cannot_hide_a_miss():
    truth, found = np.zeros((2, 40, 40), int)
    truth[0, :19], found[0, :20] = 1, 1
    truth[10, :20], found[10, :19] = 2, 2
    counts = count_instances(truth, found)
    assert not counts.there.any()
    assert counts.f1[0] == 1
    truth[20:30, 20:30] = 3
    found[25, 22:26] = 4
    assert count_instances(truth, found).false_negative[0] == 1
    found[30:, :] = 5
    truth[35, 3] = 6
    assert count_instances(truth, found).false_positive[0] == 1


def test_instance_settings_and_labels_are_checked():
    frame = np.zeros((4, 4), int)
    with pytest.raises(SettingsError, match="least_iou"):
        count_instances(frame, frame, least_iou=0)
    with pytest.raises(SettingsError, match="min_area_px"):
        count_instances(frame, frame, min_area_px=-1)
    with pytest.raises(DataError, match="labels of 0 or more"):
        count_instances(frame - 1, frame)
