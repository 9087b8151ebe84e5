"""Judges of masks, columns and values: what is right scores 1, and each error its share."""

import math

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.learn.judges import ColumnJudge, Found, MaskJudge, Truth, WaveJudge, choose_judge
from temflux.engine.learn.task import Task

SQUARE = np.pad(np.ones((20, 20, 1), np.float32), ((10, 10), (10, 10), (0, 0)))
COLUMNS = np.array([[1.0, 1.0], [3.0, 1.0], [1.0, 3.0], [3.0, 3.0]])
KINDS = np.array([0, 1, 1, 0])


def rng():
    return np.random.default_rng(0)


def columns(xy_A=COLUMNS, classes=KINDS):
    return Truth(np.zeros((40, 40, 3), np.float32), 0.1, xy_A, classes)


def test_half_a_mask_has_an_f1_of_two_thirds():
    judge = MaskJudge()
    half = SQUARE.copy()
    half[:20] = 0
    row = judge.score(Truth(SQUARE, 0.5), judge.find(half, 0.5))
    assert row["f1"] == pytest.approx(2 / 3)
    assert (row["precision"], row["recall"], row["iou"]) == (1, 0.5, 0.5)
    assert row["instance_f1"] == 1
    assert 0 < row["boundary_f1"] < 1


def test_the_threshold_of_a_mask_is_used():
    row = MaskJudge(threshold=0.9).score(Truth(SQUARE, 0.5), MaskJudge(0.9).find(0.8 * SQUARE, 0.5))
    assert row["f1"] == 0
    row = MaskJudge(threshold=0.7).score(Truth(SQUARE, 0.5), MaskJudge(0.7).find(0.8 * SQUARE, 0.5))
    assert row["f1"] == 1


def test_masks_are_summed_by_pixels_and_their_means_are_of_images():
    judge = MaskJudge()
    small = np.zeros_like(SQUARE)
    small[10:12, 10:12] = 1
    rows = [
        judge.score(Truth(SQUARE, 1.0), judge.find(SQUARE, 1.0)) | {"false_area": 0.5},
        judge.score(Truth(small, 1.0), judge.find(0 * SQUARE, 1.0)),
    ]
    table = judge.summarise(rows, np.array([0, 1]), rng())
    assert table["f1"] == pytest.approx(800 / 804)
    assert table["image_f1"] == 0.5
    assert table["f1_low"] <= table["f1"] <= table["f1_high"]
    assert table["false_area"] == 0.5


def test_columns_of_a_wrong_class_are_found_but_not_right():
    judge = ColumnJudge(("A", "B"), has_background=True)
    right = judge.score(columns(), Found(None, COLUMNS + 0.3, KINDS))
    assert right["atomic_f1"] == 1
    wrong = judge.score(columns(), Found(None, COLUMNS, np.zeros(4, int)))
    assert wrong["atomic_f1"] == 0.5
    assert wrong["detection_f1"] == 1
    table = judge.summarise([right, wrong], np.array([0, 1]), rng())
    assert (table["atomic_f1"], table["perfect_share"]) == (0.75, 0.5)
    assert table["atomic_f1_p10"] == pytest.approx(0.55)
    assert table["position_rms_A"] == pytest.approx(math.sqrt((4 * 0.18) / 6))
    assert table["atomic_f1_A"] == pytest.approx(8 / 10)
    assert "pixel_f1_A" not in table


def test_columns_outside_of_the_image_are_not_counted():
    judge = ColumnJudge(("A", "B"), has_background=True)
    more = np.vstack([COLUMNS, [[3.9, 1.0], [-2.0, 1.0]]])
    row = judge.score(columns(more, np.append(KINDS, [0, 0])), Found(None, COLUMNS, KINDS))
    assert row["atomic_f1"] == 1


def test_maps_give_columns_and_pixels_by_class():
    judge = ColumnJudge(("A", "B"), has_background=True)
    label = np.zeros((40, 40, 3), np.float32)
    for (x, y), kind in zip(COLUMNS, KINDS, strict=True):
        label[round(y / 0.1) - 1 : round(y / 0.1) + 2, round(x / 0.1) - 1 : round(x / 0.1) + 2, kind] = 1
    label[..., 2] = 1 - label[..., :2].sum(axis=-1)
    truth = Truth(label, 0.1, COLUMNS, KINDS)
    row = judge.score(truth, judge.find(label, 0.1))
    assert row["atomic_f1"] == 1
    table = judge.summarise([row], np.array([0]), rng())
    assert table["pixel_f1_A"] == table["pixel_f1_B"] == 1
    assert math.isnan(table["atomic_f1_low"])


def test_values_are_scored_by_their_errors():
    judge = WaveJudge()
    truth = Truth(np.zeros((4, 4, 2), np.float32), 0.1)
    rows = [judge.score(truth, Found(truth.label + error)) for error in (0.1, 0.2, 0.5)]
    table = judge.summarise(rows, np.arange(3), rng())
    assert table["rmse"] == pytest.approx(math.sqrt(0.1))
    assert table["median_rmse"] == pytest.approx(0.2)


def test_each_label_has_its_judge():
    kinds = {
        "Mask": MaskJudge,
        "Disk": ColumnJudge,
        "Blob": ColumnJudge,
        "Exitwave": WaveJudge,
        "Occupancy": WaveJudge,
    }
    for label, kind in kinds.items():
        task = Task(label, 1, ("a", "b"), 12.0)
        assert isinstance(choose_judge(task, spotsize_A=0.4, threshold=0.5), kind)
    with pytest.raises(SettingsError, match="threshold: expected above 0, below 1"):
        choose_judge(Task("Mask", 1, ("inside",), 12.0), spotsize_A=0.4, threshold=1.0)
