"""The study of dose: limits of predictors that are known, kept series, and bad input."""

import json

import numpy as np
import pytest
from PIL import Image

from temflux.engine.base.errors import DataError, ReadError, SettingsError
from temflux.engine.workflows import dose_limit
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.dose_limit import choose_study_folder, study_dose
from temflux.engine.workflows.dose_study.null import mark_mean, null_rows
from temflux.engine.workflows.dose_study.settings import DoseLimitSettings

from .scored import make_dataset, make_model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dose") / "set", count=3, label="Mask", image_epochs=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory, dataset):
    return make_model(tmp_path_factory.mktemp("models") / "mask", dataset)


@pytest.fixture
def settings(tmp_path, dataset):
    parameters = tmp_path / "parameters.json"
    values = {"label": "Mask", "image_size": [64, 64], "sampling": [0.24, 0.25], "debug": None}
    parameters.write_text(json.dumps(values))
    return DoseLimitSettings(
        systems=dataset, count=2, steps=4, repeats=2, parameters=parameters, tune_count=1, baselines=False
    )


class Brave:
    """Stands in for a Predictor: sure of all where there are more than 300 electrons per Å², else of none."""

    calls = 0

    def __init__(self, trained, **_):
        self.trained = trained

    def __call__(self, image, *, sampling_A):
        type(self).calls += 1
        sure = image.mean() > 300 * sampling_A**2
        return np.full((*image.shape, 1), float(sure), np.float32)


@pytest.fixture
def brave(monkeypatch):
    monkeypatch.setattr(dose_limit, "Predictor", type("Brave", (Brave,), {"calls": 0}))
    return dose_limit.Predictor


@pytest.mark.usefixtures("brave")
def test_limits_lie_where_the_predictor_starts(model, settings, tmp_path):
    out = tmp_path / "out"
    study = study_dose(model, out, settings)
    assert len(study.rows) == 2 * 4 * 2
    limits = study.limits["mask"]
    assert 100 < limits["half"]["dose_e_per_A2"] < 1000
    # All of the frame is more than the particle: never its area.
    assert limits["full"]["kind"] == "never"
    assert limits["full"]["dose_e_per_A2"] is None
    assert limits["false_area"] == 0.5
    assert [row["false_area"] for row in limits["by_dose"]] == [0, 0, 1, 1]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["limits"]["mask"]["half"]["low"] <= summary["limits"]["mask"]["half"]["high"]
    assert len((out / "doselimit.csv").read_text().splitlines()) == 1 + 16
    for name in ("doselimit", "examples"):
        assert Image.open(out / f"{name}.png").size[0] > 700


def test_series_that_are_there_are_kept(model, settings, tmp_path, brave):
    first = study_dose(model, tmp_path / "out", settings)
    calls = brave.calls
    again = study_dose(model, tmp_path / "out", settings)
    # The pictures alone are made anew.
    assert brave.calls - calls == 4
    assert again.rows == first.rows
    more = study_dose(model, tmp_path / "out", settings.model_copy(update={"count": 3}))
    assert brave.calls - calls == 4 + 16 + 4
    assert len(more.rows) == 24
    study_dose(model, tmp_path / "out", settings.model_copy(update={"repeats": 3}))
    assert brave.calls - calls == 24 + 2 * 4 * 3 * 2 + 4


def test_a_classical_method_is_tuned_on_other_systems(model, settings, tmp_path):
    wanted = settings.model_copy(update={"baselines": True, "runtime": "keras", "repeats": 1})
    study = study_dose(model, tmp_path / "out", wanted)
    assert set(study.limits) == {"mask", "tuned classical", "mean"}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["classical"]["score"] > 0.5
    by_dose = study.limits["tuned classical"]["by_dose"]
    assert by_dose[-1]["f1"] > by_dose[0]["f1"]


def test_the_null_has_the_area_and_not_the_place(model, settings, tmp_path, brave):
    # A folder of before, without the null: it goes on, and nothing is predicted anew for it.
    study_dose(model, tmp_path / "out", settings.model_copy(update={"count": 3, "repeats": 1}))
    before, calls = (tmp_path / "out" / "series.jsonl").read_text(), brave.calls
    wanted = settings.model_copy(update={"count": 3, "repeats": 1, "baselines": True})
    study = study_dose(model, tmp_path / "out", wanted)
    assert brave.calls - calls == 4
    assert (tmp_path / "out" / "series.jsonl").read_text().startswith(before)
    null = study.limits["mean"]
    assert null["half"]["kind"] == "always"
    assert null["f1_0.9"]["dose_e_per_A2"] is None
    assert null["f1_lowest"] == null["f1_highest"] < 0.9
    assert null["false_area"] > 0
    rows = [row for row in study.rows if row["method"] == "mean"]
    assert len(rows) == 3 * 4
    written = (tmp_path / "out" / "doselimit.csv").read_text().splitlines()
    assert sum(line.startswith("mean,") for line in written) == 12
    assert any("an area counts only with F1 beside it" in note for note in study.notes)


def test_the_null_marks_as_much_as_the_others_have_where_they_have_it():
    masks = {number: np.zeros((64, 64), bool) for number in range(4)}
    for number, mask in masks.items():
        mask[10 : 30 + 2 * number, 20:40] = True
    marked = mark_mean([mask for number, mask in masks.items() if number])
    assert marked.sum() == 20 * 24
    assert (marked & masks[3]).sum() > 0.85 * marked.sum()
    rows = null_rows(masks, [10.0, 100.0])
    assert rows[0]["area"] == pytest.approx(24 / 20, abs=0.01)
    assert rows[0]["f1"] == pytest.approx(2 * rows[0]["recall"] / (1 + rows[0]["area"]))
    assert [row["dose_e_per_A2"] for row in rows[:2]] == [10.0, 100.0]
    assert null_rows({0: masks[0]}, [10.0]) == []


def test_a_model_of_no_masks_or_of_series_is_said(dataset, settings, tmp_path):
    disk = make_model(tmp_path / "disk", dataset, label="Disk")
    with pytest.raises(DataError, match="disk finds Disk; the study of dose needs a model of masks"):
        study_dose(disk, tmp_path / "out", settings)
    series = make_model(tmp_path / "series", dataset, in_channels=3)
    with pytest.raises(DataError, match="focal series of 3 images; the study of dose needs"):
        study_dose(series, tmp_path / "out", settings)


def test_bad_settings_are_one_line(model, settings, tmp_path):
    with pytest.raises(ReadError, match="expected a dataset with systems"):
        study_dose(model, tmp_path / "out", settings.model_copy(update={"systems": tmp_path / "no"}))
    for values, said in (
        ({"lowest": 100.0, "highest": 10.0}, "lowest: expected below the highest dose, got 100 and 10"),
        ({"doses": (50.0,)}, "doses: expected two or more, got 50"),
        ({"doses": (-1.0, 50.0)}, "doses: expected above 0"),
    ):
        with pytest.raises(SettingsError, match=said):
            study_dose(model, tmp_path / "out", DoseLimitSettings(**values))
    with pytest.raises(SettingsError, match="treshold: no such setting"):
        check_settings(DoseLimitSettings, {"treshold": 0.9})


def test_doses_that_are_asked_for_are_taken():
    assert DoseLimitSettings(doses=(100.0, 10.0, 10.0)).chosen_doses() == [10.0, 100.0]


def test_a_study_has_a_folder_of_its_own(model):
    assert choose_study_folder(model) == model.resolve().parent / "doselimit-mask"
