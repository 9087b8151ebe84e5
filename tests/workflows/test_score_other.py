"""A score beside another model's: a picture of where the two disagree, only where there are two."""

import numpy as np
from PIL import Image

from temflux.engine.learn.task import Task
from temflux.engine.workflows.score import score_model
from temflux.engine.workflows.scoring.calibration import disagree
from temflux.engine.workflows.scoring.settings import ScoreSettings

from .scored import make_dataset, make_model


def test_disagreement_is_drawn_beside_the_error(tmp_path):
    data = make_dataset(tmp_path / "set", count=2, label="Mask", image_epochs=1)
    model = make_model(tmp_path / "one", data)
    other = make_model(tmp_path / "two", data, normalize_A=6.0)
    alone = ScoreSettings(baselines=False, runtime="keras", empty_limit=0)
    score_model(model, data, tmp_path / "alone", alone)
    assert not (tmp_path / "alone" / "disagreement.png").exists()
    both = alone.model_copy(update={"other": (str(other),)})
    score = score_model(model, data, tmp_path / "both", both)
    assert score.disagreement["deviation"] > 0
    picture = np.asarray(Image.open(tmp_path / "both" / "disagreement.png").convert("RGB"))
    assert picture.shape[1] > 1000
    assert picture.std() > 0


def test_disagreement_is_counted_at_the_models_threshold():
    maps = [np.full((2, 2, 1), 0.6), np.full((2, 2, 1), 0.8)]
    task = Task("Mask", 1, ("inside",), 12.0)
    assert disagree(maps, task)["differing_share"] == 0
    assert disagree(maps, task, threshold=0.7)["differing_share"] == 1
