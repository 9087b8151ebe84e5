"""Scoring: a model that knows every answer is perfect, nulls are not, and bad input is said."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from temflux.engine.base.errors import CalibrationError, DataError, ReadError, SettingsError, WriteError
from temflux.engine.learn.classical import tune_columns
from temflux.engine.workflows import score as scoring
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.score import choose_out, score_model
from temflux.engine.workflows.scoring import rivals
from temflux.engine.workflows.scoring.settings import ScoreSettings

from .scored import Knowing, change_journal, labels_by_image, make_dataset, make_model

HALF = np.full((64, 64, 1), 0.5, np.float32)


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("masks") / "set", label="Mask")


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    return make_dataset(
        tmp_path_factory.mktemp("disks") / "set", label="Disk", spotsize=0.7, multifocus=[2, 20, 1]
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory, masks, disks):
    folder = tmp_path_factory.mktemp("models")
    return {name: make_model(folder / name, data) for name, data in (("mask", masks), ("disk", disks))}


@pytest.fixture
def knowing(monkeypatch):
    def know(dataset):
        known = labels_by_image(*(dataset / part / "images" for part in ("train", "test")))
        monkeypatch.setattr(scoring, "Predictor", type("Knows", (Knowing,), {"known": known}))

    return know


def few(**values):
    return ScoreSettings(**{"tune_limit": 2, **values})


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def methods(score):
    return {row["method"]: row for row in score.methods if row["images_of"] == "all"}


def test_a_model_that_knows_all_masks_is_perfect_and_nulls_are_not(masks, models, knowing, tmp_path):
    knowing(masks)
    stages = []
    score = score_model(models["mask"], masks, tmp_path, few(), progress=lambda *told: stages.append(told))
    found = methods(score)
    assert set(found) == {"mask", "tuned classical", "vacuum", "mean", "scrambled"}
    best = found["mask"]
    assert best["f1"] == best["iou"] == best["boundary_f1"] == best["instance_f1"] == 1
    assert best["false_area"] == 0
    assert found["vacuum"]["f1"] == 0
    assert found["tuned classical"]["f1"] < 1
    assert found["scrambled"]["f1"] < 1
    assert stages[-1] == ("scoring images", 4, 4)
    assert score.calibration["calibration_error"] < 0.01
    images = rows_of(tmp_path / "images.csv")
    assert len(images) == 4 * 5
    assert float(images[0]["dose_e_per_A2"]) >= 1e4
    assert {row["method"] for row in rows_of(tmp_path / "scores.csv")} == set(found)
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["tuned_on"]["images"] == 2
    assert len(provenance["models"]["mask"]["card_sha256"]) == 64
    for name in ("dose", "defocus", "distribution", "reliability", "examples"):
        assert Image.open(tmp_path / f"{name}.png").size[0] > 500


def test_columns_are_where_the_image_lies_in_its_cell(disks, models, knowing, tmp_path, monkeypatch):
    knowing(disks)
    edges = []

    def watch(*given, edge_A, **others):
        edges.append(edge_A)
        return tune_columns(*given, edge_A=edge_A, **others)

    monkeypatch.setattr(rivals, "tune_columns", watch)
    score = score_model(models["disk"], disks, tmp_path, few())
    best = methods(score)["disk"]
    assert best["atomic_f1"] == best["perfect_share"] == best["pixel_f1_1Mo"] == 1
    assert best["position_rms_A"] < 0.1
    assert methods(score)["scrambled"]["atomic_f1"] < 0.9
    assert methods(score)["tuned classical"]["atomic_f1"] < 1
    assert edges == [0.7]
    assert "false_area" not in best


def test_a_trained_network_is_run_and_compared_with_another(masks, models, tmp_path):
    settings = few(limit=3, other=(str(models["mask"]),), runtime="keras", baseline_limit=2)
    score = score_model(models["mask"], masks, tmp_path, settings)
    assert score.disagreement["differing_share"] == 0
    assert {"mask", "mask (2)"} <= set(methods(score))
    assert "temperature" in score.calibration
    same = [row for row in score.methods if row["images_of"] == "those of classical"]
    assert same[0]["n_images"] == methods(score)["tuned classical"]["n_images"] == 2
    assert any("--baseline-limit" in note for note in score.notes)


def test_images_outside_of_the_trained_range_are_told_apart(masks, knowing, tmp_path):
    knowing(masks)

    def change(drawn):
        if drawn["system"] == 2:
            drawn["defocus_A"] = 4000.0

    moved = change_journal(masks, tmp_path / "set", change)
    model = make_model(tmp_path / "mask", masks, ranges={"defocus_A": (-200.0, 200.0)})
    score = score_model(model, moved, tmp_path / "out", few())
    rows = [row for row in rows_of(tmp_path / "out" / "images.csv") if row["method"] == "mask"]
    assert ["defocus_A" in row["outside_trained"] for row in rows] == [False, False, True, False]
    assert sum("lie outside of what mask was trained on" in note for note in score.notes) == 1
    outside = [row for row in score.methods if row["images_of"] == "outside"]
    assert [row["n_images"] for row in outside] == [1]


def test_frames_that_are_resampled_count_as_what_the_network_sees(masks, tmp_path, knowing):
    knowing(masks)
    ranges = {"sampling_A": (0.5, 0.6), "mtf_c0": (0.4, 1.4), "readout_e": (0.02, 0.1)}
    model = make_model(tmp_path / "coarse", masks, ranges=ranges)
    score_model(model, masks, tmp_path / "out", ScoreSettings(baselines=False))
    rows = rows_of(tmp_path / "out" / "images.csv")
    assert all("sampling_A" not in row["outside_trained"] for row in rows)
    assert all("readout_e" not in row["outside_trained"] for row in rows)


def test_without_baselines_there_are_none(masks, models, knowing, tmp_path):
    knowing(masks)
    score = score_model(models["mask"], masks, tmp_path, ScoreSettings(baselines=False, empty_limit=0))
    assert list(methods(score)) == ["mask"]
    assert any("--no-baselines" in note for note in score.notes)
    assert "false_area" not in score.methods[0]


def test_a_set_without_training_images_has_no_classical_method(masks, models, knowing, tmp_path):
    knowing(masks)
    alone = tmp_path / "alone"
    shutil.copytree(masks / "test", alone / "test")
    score = score_model(models["mask"], alone, tmp_path / "out", few())
    assert "tuned classical" not in methods(score)
    assert any("give --tune-on DATASET" in note for note in score.notes)
    score = score_model(models["mask"], alone, tmp_path / "out", few(tune_on=masks))
    assert "tuned classical" in methods(score)
    with pytest.raises(SettingsError, match="is the test set itself"):
        settings = few(tune_on=alone / "test" / "images")
        score_model(models["mask"], alone, tmp_path / "out", settings)


def test_waves_are_scored_by_rmse(tmp_path, knowing):
    data = make_dataset(tmp_path / "waves", count=2, label="Exitwave", multifocus=[2, 20, 1])
    model = make_model(tmp_path / "wave", data)
    knowing(data)
    score = score_model(model, data, tmp_path / "out", few())
    assert methods(score)["wave"]["rmse"] == 0
    assert methods(score)["vacuum"]["rmse"] > 0
    assert any("no classical method for Exitwave" in note for note in score.notes)


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        ("mask", "disks", "mask finds Mask (inside), .* shows Disk (1Mo, 2S, 1S, background)"),
        ("disk", "masks", "disk finds Disk (1Mo, 2S, 1S, background), .* shows Mask (inside)"),
    ],
)
def test_a_model_for_another_label_is_said(model, data, said, models, masks, disks, tmp_path):
    dataset = {"masks": masks, "disks": disks}[data]
    with pytest.raises(DataError, match=said.replace("(", r"\(").replace(")", r"\)")):
        score_model(models[model], dataset, tmp_path, few())


def test_a_model_for_series_on_single_images_is_said(masks, tmp_path):
    model = make_model(tmp_path / "series", masks, in_channels=3)
    with pytest.raises(DataError, match=r"takes a focal series of 3 images, .* has single images"):
        score_model(model, masks, tmp_path / "out", few())


def test_a_model_for_one_image_takes_the_first_of_a_series(disks, tmp_path, knowing):
    knowing(disks)
    model = make_model(tmp_path / "one", disks, in_channels=1)
    score = score_model(model, disks, tmp_path / "out", ScoreSettings(baselines=False))
    assert score.methods[0]["atomic_f1"] == 1
    assert any("takes 1 of the 2 images of a series" in note for note in score.notes)


def test_what_is_missing_is_said(masks, disks, models, tmp_path):
    with pytest.raises(ReadError, match="expected a dataset or its images"):
        score_model(models["mask"], tmp_path, tmp_path / "out", few())
    no_size = change_journal(masks, tmp_path / "a", lambda drawn: drawn.pop("sampling_A"))
    with pytest.raises(CalibrationError, match="pixel size missing"):
        score_model(models["mask"], no_size, tmp_path / "out", few())
    no_place = change_journal(disks, tmp_path / "b", lambda drawn: drawn.pop("origin_x_A"))
    with pytest.raises(DataError, match="says not where images lie in their cells"):
        score_model(models["disk"], no_place, tmp_path / "out", few())
    no_points = shutil.copytree(disks, tmp_path / "c")
    shutil.rmtree(no_points / "test" / "systems")
    with pytest.raises(DataError, match="missing; columns are scored by their positions"):
        score_model(models["disk"], no_points, tmp_path / "out", few())
    with pytest.raises(SettingsError, match="threshold: input should be less than 1"):
        check_settings(ScoreSettings, {"threshold": 1.5})


def test_a_score_has_a_folder_of_its_own(models, masks):
    assert choose_out(models["mask"], masks) == models["mask"].parent / "score-mask-set"
    assert choose_out("au-ceo2-mask", masks / "test" / "images").name == "score-au-ceo2-mask-set"


def test_images_of_another_name_have_a_folder_of_their_own(tmp_path):
    (tmp_path / "set" / "test" / "beyond" / "images.zarr").mkdir(parents=True)
    assert choose_out("mine", tmp_path / "set" / "test" / "beyond").name == "score-mine-set-beyond"


def test_a_folder_that_is_not_for_scores_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "track").mkdir()
    (tmp_path / "track" / "provenance.json").write_text('{"settings": {}}')
    for name, error, said in (
        ("file", WriteError, "file: a file has that name; choose another folder"),
        ("file/below", WriteError, "a part of the path is a file"),
        ("run", SettingsError, r"holds what another command made \(run.json\); choose another folder"),
        ("track", SettingsError, r"holds what another command made \(provenance.json\)"),
    ):
        # Neither model nor test set is there: they are looked for later.
        with pytest.raises(error, match=said):
            score_model("nothing", "nothing", tmp_path / name, few())


def test_figures_of_an_earlier_score_go(masks, models, knowing, tmp_path):
    knowing(masks)
    settings = ScoreSettings(baselines=False, empty_limit=0, limit=2)
    score_model(models["mask"], masks, tmp_path / "out", settings)
    stale = [tmp_path / "out" / name for name in ("disagreement.png", "disagreement.svg")]
    for path in (*stale, tmp_path / "out" / "mine.png"):
        path.write_bytes(b"")
    score_model(models["mask"], masks, tmp_path / "out", settings)
    assert not any(path.exists() for path in stale)
    assert (tmp_path / "out" / "mine.png").exists()
    assert (tmp_path / "out" / "reliability.csv").exists()


def test_each_model_is_judged_at_its_own_threshold(masks, tmp_path, monkeypatch):
    half = type("Half", (), {"__init__": lambda *_, **__: None, "__call__": lambda *_, **__: HALF})
    monkeypatch.setattr(scoring, "Predictor", half)
    low = make_model(tmp_path / "low", masks, figures={"threshold": 0.2})
    high = make_model(tmp_path / "high", masks, figures={"threshold": 0.8})
    settings = {"baselines": False, "other": (str(high),), "limit": 2, "empty_limit": 0}
    found = methods(score_model(low, masks, tmp_path / "own", ScoreSettings(**settings)))
    assert (found["low"]["recall"], found["high"]["recall"]) == (1, 0)
    settings["threshold"] = 0.3
    found = methods(score_model(low, masks, tmp_path / "same", ScoreSettings(**settings)))
    assert (found["low"]["recall"], found["high"]["recall"]) == (1, 1)
