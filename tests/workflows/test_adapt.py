"""Fine-tuning on a few labelled frames: what is learnt, kept, written down and refused."""

from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, DataError, SettingsError
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import load_model, save_model
from temflux.engine.learn.predict import Predictor
from temflux.engine.learn.trained import NetworkSpec
from temflux.engine.workflows.adapt import adapt_model
from temflux.engine.workflows.adapting.held_out import choose_held_out, find_area_threshold, score_frames
from temflux.engine.workflows.adapting.labelled_frames import read_labelled_frames
from temflux.engine.workflows.adapting.settings import AdaptSettings
from temflux.engine.workflows.checked_settings import check_settings
from temflux.models.networks import build_network

QUICK = {"epochs": 3, "samples": 8, "batch_size": 4, "crop_px": 32, "compiled": False, "learning_rate": 0.01}


def make_model(folder, *, label="Mask", channels=("inside",), n_images=1, seed=3):
    arguments = {
        "in_channels": n_images,
        "out_channels": len(channels),
        "activation": "sigmoid",
        "channels": 4,
        "levels": 2,
    }
    spec = NetworkSpec("compact", arguments)
    card = ModelCard(
        folder.name,
        task="Squares",
        label=label,
        channels=channels,
        normalize_A=8.0,
        ranges={"sampling_A": (0.2, 0.4)},
        figures={"f1": 0.99},
        limits=("None is known.",),
        licence="BSD-3-Clause",
    )
    save_model(folder, build_network("compact", **arguments, seed=seed), spec, card)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("models") / "plain")


def label(folder, *, count=5, side=48):
    """Dark squares at places of their own, in noise."""
    rng = np.random.default_rng(1)
    masks = np.zeros((count, side, side), np.uint8)
    for mask in masks:
        for top, left in rng.integers(2, side - 16, (3, 2)):
            mask[top : top + 12, left : left + 12] = 1
    np.save(folder / "frames.npy", rng.poisson(60 - 35 * masks).astype(np.uint16))
    np.save(folder / "masks.npy", masks)
    return folder / "frames.npy", folder / "masks.npy"


@pytest.fixture(scope="module")
def adapted(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapted")
    settings = AdaptSettings(**{**QUICK, "epochs": 6, "samples": 24, "pixel_nm": 0.05})
    return adapt_model(start, *label(folder), folder / "good", settings)


def test_a_model_learns_a_sample_and_says_how_well(start, adapted):
    assert adapted.judged_on == "1 frame kept back"
    assert adapted.after["f1"] > max(adapted.before["f1"], 0.8)
    for name in ("curves.csv", "curves.png", "run.json"):
        assert (adapted.folder / name).exists()
    card = load_model(adapted.model).card
    assert card.ranges["sampling_A"] == (0.2, 0.5)
    assert card.recipe["based_on"]["name"] == "plain"
    assert card.recipe["based_on"]["sha256"] == load_model(start).fingerprint
    assert len(card.recipe["used"]) == 4
    assert len(card.recipe["data"]["frames_sha256"]) == 64
    assert card.figures["f1_after"] == pytest.approx(adapted.after["f1"])
    assert 0.05 <= card.figures["threshold"] <= 0.95
    assert "f1" not in card.figures
    assert "figures of plain do not hold" in " ".join(card.limits)


def test_going_on_is_the_same_as_not_stopping(start, tmp_path):
    frames, masks = label(tmp_path)
    settings = {**QUICK, "pixel_nm": 0.03, "final_learning_rate": None}
    once = adapt_model(start, frames, masks, tmp_path / "once", AdaptSettings(**settings))
    short = AdaptSettings(**{**settings, "epochs": 1})
    adapt_model(start, frames, masks, tmp_path / "twice", short)
    with pytest.raises(SettingsError, match="give --restart"):
        adapt_model(start, frames, masks, tmp_path / "twice", short)
    twice = adapt_model(start, frames, masks, tmp_path / "twice", AdaptSettings(**settings), restart=True)
    assert (once.best_epoch, once.after) == (twice.best_epoch, twice.after)
    one, two = load_model(once.model).weights, load_model(twice.model).weights
    assert all(np.array_equal(one[name], two[name]) for name in one)
    other_start = make_model(tmp_path / "other", seed=4)
    (tmp_path / "others").mkdir()
    with pytest.raises(SettingsError, match="learnt from other frames"):
        others = label(tmp_path / "others", count=4)
        adapt_model(start, *others, tmp_path / "twice", AdaptSettings(**settings), restart=True)
    with pytest.raises(SettingsError, match="started from another model"):
        adapt_model(other_start, frames, masks, tmp_path / "twice", AdaptSettings(**settings), restart=True)


def test_few_frames_are_judged_as_such(start, tmp_path):
    frames, masks = label(tmp_path, count=2)
    run = adapt_model(start, frames, masks, tmp_path / "run", AdaptSettings(**QUICK, pixel_nm=0.03))
    assert run.judged_on == "the 2 frames that it learnt from"
    expected = "label 4 or more" if run.best_epoch else "no better than"
    assert any(expected in note for note in run.notes)
    assert "val_f1" not in run.curves[0]
    assert 0.05 <= load_model(run.model).card.figures["threshold"] <= 0.95


def test_what_is_no_better_is_not_kept(adapted, tmp_path):
    frames, masks = label(tmp_path)
    wild = AdaptSettings(**{**QUICK, "learning_rate": 0.5, "epochs": 1, "pixel_nm": 0.05})
    run = adapt_model(adapted.model, frames, masks, tmp_path / "wild", wild)
    assert run.best_epoch == 0
    assert run.after == run.before
    assert "no better than good" in run.notes[-1]
    kept, old = load_model(run.model), load_model(adapted.model)
    assert kept.fingerprint == old.fingerprint
    assert kept.card.figures["threshold"] == old.card.figures["threshold"]


def test_a_model_is_scored_and_kept_at_its_own_threshold(adapted, tmp_path):
    """At 0.5 and at the card's threshold it marks different pixels."""
    old = load_model(adapted.model)
    frames, masks = label(tmp_path)
    labelled = read_labelled_frames(frames, masks, pixel_nm=0.05)
    every = range(len(labelled))
    equal = find_area_threshold(old, labelled, every)
    maps = Predictor(old, runtime="keras")
    found = sum((maps(labelled.frames[n], sampling_A=0.5)[..., 0] > equal).sum() for n in every)
    assert found == pytest.approx((labelled.masks > 0).sum(), rel=0.02)
    strict = replace(old, card=replace(old.card, figures={"threshold": 0.95}))
    assert score_frames(strict, labelled, every) == score_frames(old, labelled, every, threshold=0.95)
    assert score_frames(strict, labelled, every)["f1"] != score_frames(old, labelled, every)["f1"]
    save_model(tmp_path / "strict", old.network, old.spec, strict.card)
    wild = AdaptSettings(**{**QUICK, "learning_rate": 0.5, "epochs": 1, "pixel_nm": 0.05})
    run = adapt_model(tmp_path / "strict", frames, masks, tmp_path / "wild", wild)
    kept = load_model(run.model)
    assert (run.best_epoch, kept.card.figures["threshold"]) == (0, 0.95)
    assert score_frames(kept, labelled, kept.card.recipe["held_out"]) == run.before


def test_normalisation_stays_as_it_was(start, adapted):
    before, after = load_model(start).weights, load_model(adapted.model).weights
    moving = [name for name in before if "moving" in name]
    assert moving
    assert all(np.array_equal(before[name], after[name]) for name in moving)
    assert not np.array_equal(before["detail_conv/kernel"], after["detail_conv/kernel"])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"n_images": 3}, "takes a focal series of 3 images, expected a model that marks particles"),
        ({"label": "Disk", "channels": ("1Mo", "2S")}, "is for Disk of 1Mo, 2S, expected a model that marks"),
    ],
)
def test_models_for_something_else_are_said(tmp_path, other, said):
    model = make_model(tmp_path / "other", **other)
    frames, masks = label(tmp_path)
    with pytest.raises(SettingsError, match=said):
        adapt_model(model, frames, masks, tmp_path / "run", AdaptSettings(**QUICK))
    assert not (tmp_path / "run").exists()


def test_bad_input_is_said_before_anything_is_written(start, tmp_path):
    frames, masks = label(tmp_path)
    with pytest.raises(CalibrationError, match="give --pixel-nm"):
        adapt_model(start, frames, masks, tmp_path / "run", AdaptSettings(**QUICK))
    with pytest.raises(SettingsError, match="fewer than the 5 frames"):
        adapt_model(start, frames, masks, tmp_path / "run", AdaptSettings(**QUICK, pixel_nm=0.03, held_out=5))
    small = tmp_path / "small"
    small.mkdir()
    np.save(small / "f.npy", np.eye(3)[np.newaxis])
    with pytest.raises(DataError, match="images and crops of 4 px or more"):
        adapt_model(start, small / "f.npy", small / "f.npy", tmp_path / "run", AdaptSettings(pixel_nm=0.03))
    with pytest.raises(SettingsError, match="held_out: input should be greater than or equal to 0"):
        check_settings(AdaptSettings, {"held_out": -1})
    assert not (tmp_path / "run").exists()


def test_only_frames_that_show_something_judge():
    masks = np.zeros((8, 2, 2))
    masks[:3] = 1
    for seed in range(5):
        held = choose_held_out(masks, None, seed=seed)
        assert len(held) == 2
        assert max(held) < 3
