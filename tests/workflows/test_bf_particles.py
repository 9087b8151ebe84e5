"""The model of dark particles from start to card, on small crops; the real ones are for `make bench`."""

import numpy as np
import pytest

from temflux.engine.base.errors import ReadError, SettingsError
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import load_model
from temflux.engine.learn.predict import predict_frame
from temflux.engine.learn.trained import NetworkSpec, TrainedModel
from temflux.engine.workflows.adapt import AdaptedRun
from temflux.engine.workflows.zoo import publish_zoo_model
from temflux.engine.workflows.zoo_models import bf_figures
from temflux.engine.workflows.zoo_models.bf_figures import (
    choose_few,
    score_crops,
    split_folds,
)
from temflux.engine.workflows.zoo_models.bf_particles import (
    BfRecipe,
    bin_frames,
    make_bf_particles,
    read_crops,
)

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


@pytest.mark.long
def test_the_model_is_made_once_and_says_where_it_comes_from(data, tmp_path):
    made = make_bf_particles(TINY, data, tmp_path / "work")
    card = publish_zoo_model(TINY, made, {"iou": 0.9}, folder=tmp_path / "zoo")
    model = load_model(tmp_path / "zoo" / "bf-particles")
    assert model.card == card
    assert card.licence == "CC-BY-4.0"
    assert "10.69761/HDTA8338" in card.attribution
    assert card.figures == {"iou": 0.9, "threshold": load_model(made).card.figures["threshold"]}
    assert card.recipe["based_on"]["name"] == "bf-particles-start"
    assert card.recipe["zoo"]["pixel_nm"] == 0.059
    assert card.sampling_A == pytest.approx((1.18, 1.18))
    maps = predict_frame(model, read_crops(data)[0][0], sampling_A=0.59, runtime="keras")
    assert maps.shape == (64, 64, 1)
    again = load_model(make_bf_particles(TINY, data, tmp_path / "work"))
    assert again.fingerprint == load_model(made).fingerprint
    other = TINY.model_copy(update={"normalize_A": 30.0})
    with pytest.raises(SettingsError, match="another recipe"):
        make_bf_particles(other, data, tmp_path / "work")


def test_figures_are_of_crops_that_a_network_has_not_seen(data, tmp_path, monkeypatch):
    """Training is left out: what each network is given is what matters here."""
    seen = {}

    def adapt(recipe, start, crops, out, **changed):  # noqa: ARG001
        seen[out.name] = crops[0]
        return AdaptedRun(out, start, [], 0, "", {}, {}, "")

    def predict(model, images, recipe, *, orientations=1):  # noqa: ARG001
        learnt = list(seen.values())[-1]
        assert len(images) == 3 or not (images[:, np.newaxis] == learnt).all(axis=(2, 3)).any()
        return (1 - images / 255).astype(np.float32)

    card = ModelCard("made", label="Mask", channels=("inside",), figures={"threshold": 0.55})
    made = TrainedModel(NetworkSpec("compact", {"in_channels": 1, "out_channels": 1}), card, {})
    monkeypatch.setattr(bf_figures, "load_model", lambda _: made)
    monkeypatch.setattr(bf_figures, "make_start", lambda *_, **__: tmp_path)
    monkeypatch.setattr(bf_figures, "adapt_to_crops", adapt)
    monkeypatch.setattr(bf_figures, "predict_crops", predict)
    figures = bf_figures.judge_bf_particles(TINY, data, tmp_path)
    assert sorted(seen) == ["few-0", "few-1", "few-2", "fold-0", "fold-1", "fold-2"]
    assert figures["classical_iou"] > 0.9
    # All masks of this set are equal, so another crop's mask is the truth.
    assert figures["scrambled_iou"] == 1
    images, masks = read_crops(data)
    ours, plain = (score_crops(list(1 - images / 255 > level), masks) for level in (0.55, 0.5))
    assert figures["iou"] == figures["from_4_frames_orientations_iou"] == round(ours["iou"], 4)
    assert figures["simulations_alone_iou"] == round(plain["iou"], 4) != round(ours["iou"], 4)


def test_every_crop_judges_one_network_that_has_not_seen_it():
    folds = split_folds(20)
    assert sorted(crop for _, judged in folds for crop in judged) == list(range(20))
    for fold, (learnt, judged) in enumerate(folds):
        assert not set(learnt) & set(judged)
        few = choose_few(learnt, fold)
        assert len(set(few)) == 4
        assert set(few) <= set(learnt)


def test_specks_count_on_neither_side():
    truth = np.zeros((1, 40, 40), np.uint8)
    truth[0, 5:15, 5:15] = 1
    truth[0, 30:33, 30:33] = 1
    found = np.zeros((40, 40), bool)
    found[5:15, 5:15] = True
    found[20:24, 20:24] = True
    assert score_crops([found], truth)["iou"] == 1
    assert score_crops([found], truth)["instance_f1"] == 1
    found[20:25, 20:25] = True
    assert score_crops([found], truth)["iou"] == pytest.approx(100 / 125)
    assert score_crops([found], truth)["instance_f1"] == pytest.approx(2 / 3)


def test_missing_crops_are_said(tmp_path):
    with pytest.raises(ReadError, match="not there; fetch it from DOI"):
        read_crops(tmp_path)
