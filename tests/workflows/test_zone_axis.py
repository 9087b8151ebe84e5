"""The classifier of spectra from movies to card, as small as it can be."""

import json

import numpy as np
import pytest

from temflux.engine.learn.model_files import load_model
from temflux.engine.workflows.zoo import publish_zoo_model, read_zoo_recipe
from temflux.engine.workflows.zoo_models.zone_axis import make_zone_axis
from temflux.engine.workflows.zoo_models.zone_axis_data import CLASSES, ZoneAxisRecipe, make_spectra

TINY = {
    "learns_from": "movies",
    "movies": 6,
    "frames": 1,
    "doses": 2,
    "metals": ["Au"],
    "image_px": 320,
    "sampling": [0.4, 0.45],
    "log_dose": [2.5, 3.5],
    "movie": {"radius_A": [8, 9], "tilt_deg": [0, 30], "support": "carbon", "n_particles": 2, "events": []},
    "network": {"channels": 2, "levels": 2},
    "epochs": 1,
    "map_size": 16,
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.json"
    path.write_text(json.dumps(TINY))
    return read_zoo_recipe(path)


def test_movies_of_each_part_are_others():
    recipe = ZoneAxisRecipe(movies=13)
    parts = [set(recipe.numbers(part)) for part in ("train", "validation", "test")]
    assert set.union(*parts) == set(range(13))
    assert sum(map(len, parts)) == 13
    assert recipe.movie_values(3) == recipe.movie_values(3) != recipe.movie_values(4)


def test_a_recipe_becomes_a_model_of_the_zoo(recipe, tmp_path):
    model, figures = make_zone_axis(recipe, tmp_path)
    spectra = make_spectra(recipe, tmp_path)
    assert set(np.unique(spectra["movie"])) == set(range(6))
    assert spectra["map"].shape[1:] == (16, 16)
    # Particles on the zone axis, in good light, with all that the scores are told from.
    assert (spectra["class"] == 2).any()
    assert np.isfinite(spectra["noise_floored_ratio"]).any()
    assert {"accuracy", "test_spectra"} <= set(figures)
    card = publish_zoo_model(recipe, model, figures, folder=tmp_path / "zoo")
    assert load_model(tmp_path / "zoo" / "tiny").card == card
    assert card.channels == CLASSES
    assert card.recipe["zoo"]["movies"] == 6
    assert str(tmp_path) not in (tmp_path / "zoo" / "tiny" / "card.json").read_text()
