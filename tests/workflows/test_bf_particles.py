"""The model of dark particles from start to card, on small crops; the real ones are for `make bench`."""

import numpy as np
import pytest

from temflux.engine.base.errors import ReadError
from temflux.engine.learn.model_files import load_model
from temflux.engine.learn.predict import predict_frame
from temflux.engine.workflows.bf_particles import BfRecipe, bin_frames, make_bf_particles, read_crops

TINY = BfRecipe(
    channels=4,
    simulated=4,
    simulated_px=32,
    simulated_epochs=1,
    compiled=False,
    real={"held_out": 0, "epochs": 1, "samples": 4, "batch_size": 4, "crop_px": 32},
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    masks = np.zeros((3, 64, 64), bool)
    masks[:, 10:30, 20:44] = True
    images = np.random.default_rng(0).poisson(np.where(masks, 90, 150)).astype(np.uint8)
    np.savez(folder / "frames_and_masks.npz", images=images, masks=masks)
    return folder


def test_crops_are_binned_as_prediction_resamples(data):
    images, masks = read_crops(data)
    assert images.shape == masks.shape == (3, 64, 64)
    binned = bin_frames(images, masks, TINY)
    assert binned.frames.shape == binned.masks.shape == (3, 32, 32)
    assert binned.sampling_A == pytest.approx(2 * 0.59)
    assert binned.masks[0].sum() == 10 * 12
    assert binned.frames.mean() == pytest.approx(images.mean(), rel=0.01)


def test_the_model_is_made_once_and_says_where_it_comes_from(data, tmp_path):
    model = load_model(make_bf_particles(TINY, data, tmp_path, figures={"cv_iou": 0.9}))
    card = model.card
    assert card.licence == "CC-BY-4.0"
    assert "10.69761/HDTA8338" in card.attribution
    assert card.figures == {"cv_iou": 0.9}
    assert card.recipe["based_on"]["name"] == "bf-particles-start"
    assert card.sampling_A[0] == pytest.approx(1.18)
    maps = predict_frame(model, read_crops(data)[0][0], sampling_A=0.59, runtime="keras")
    assert maps.shape == (64, 64, 1)
    again = load_model(make_bf_particles(TINY, data, tmp_path))
    assert again.fingerprint == model.fingerprint


def test_missing_crops_are_said(tmp_path):
    with pytest.raises(ReadError, match="not there; fetch it from DOI"):
        read_crops(tmp_path)
