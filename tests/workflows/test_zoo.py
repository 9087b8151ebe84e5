import json

import pytest

from temflux.engine.base.errors import ReadError, SettingsError
from temflux.engine.learn.model_files import load_model, zoo_folder
from temflux.engine.workflows.zoo import (
    ZooRecipe,
    publish_zoo_model,
    read_zoo_recipe,
    simulate_zoo_data,
    train_zoo_model,
)
from temflux.engine.workflows.zoo_models.figures import judge_zoo_model

TINY = {
    "task": "Finds flakes.",
    "limits": ["Tiny."],
    "systems": {
        "kind": "flake",
        "train": 2,
        "validation": 1,
        "test": 2,
        "seed": 3,
        "settings": {"cell": 20, "sampling": 0.25},
    },
    "images": {"label": "Mask", "image_epochs": 1, "image_size": [48, 48], "sampling": [0.3, 0.35]},
    "test_images": {"sampling": [0.2, 0.25]},
    "beyond_images": {"defocus": [300, 900]},
    "train": {"channels": 4, "levels": 2, "epochs": 1, "batch_size": 2, "crop_px": 32, "compiled": False},
}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return read_zoo_recipe(path)


def test_a_recipe_becomes_a_model_of_the_zoo(recipe, tmp_path):
    data = simulate_zoo_data(recipe, tmp_path / "work")
    assert data.train.parent.parent == data.validation.parent.parent != data.test.parent.parent
    run = train_zoo_model(recipe, data, tmp_path / "work")
    again = train_zoo_model(recipe, data, tmp_path / "work")
    assert len(again.curves) == len(run.curves) == 1
    figures = judge_zoo_model(recipe, run.model, data, tmp_path / "work")
    assert figures["test_images"] == 2
    assert {"f1", "iou", "false_area", "classical_f1", "threshold", "fitted_temperature"} <= set(figures)
    assert {"calibration_error", "calibration_error_at_fitted_temperature"} <= set(figures)
    told = json.loads((tmp_path / "work" / "tiny-score" / "provenance.json").read_text())["calibration"]
    assert figures["calibration_error"] == round(told["calibration_error"], 4)
    assert told["calibration_error"] != told["calibration_error_at_temperature"]
    assert 0 <= figures["f1"] <= 1
    card = publish_zoo_model(recipe, run.model, figures, folder=tmp_path / "zoo")
    loaded = load_model(tmp_path / "zoo" / "tiny")
    assert loaded.card == card
    assert (card.name, card.task, card.limits) == ("tiny", "Finds flakes.", ("Tiny.",))
    assert card.recipe["zoo"]["systems"]["seed"] == 3
    assert str(tmp_path) not in (tmp_path / "zoo" / "tiny" / "card.json").read_text()


def test_what_judges_a_model_is_drawn_from_another_seed(recipe):
    assert recipe.systems.recipe("train").seed == recipe.systems.recipe("validation").seed == 3
    assert recipe.systems.recipe("test").seed == 4
    assert recipe.parameters("test").sampling == (0.2, 0.25)


def test_unknown_recipes_and_entries_are_one_line(tmp_path):
    with pytest.raises(ReadError, match=r"no-such: no such recipe; expected one of .*au-ceo2-mask"):
        read_zoo_recipe("no-such")
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**TINY, "net": "unet"}))
    with pytest.raises(SettingsError, match="net: no such setting"):
        read_zoo_recipe(broken)
    broken.write_text("{")
    with pytest.raises(ReadError, match="expected JSON"):
        read_zoo_recipe(broken)


@pytest.mark.parametrize("path", sorted(zoo_folder().glob("*.json")), ids=lambda path: path.stem)
def test_every_recipe_can_be_read(path):
    recipe = read_zoo_recipe(path.stem)
    assert recipe.name == path.stem
    assert recipe.task.endswith(".")
    if isinstance(recipe, ZooRecipe):
        assert recipe.parameters("train").label == recipe.parameters("test").label
