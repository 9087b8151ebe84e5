"""Two models on one movie: where they disagree, who is recorded, how it goes on, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.base.stack import Stack
from temflux.engine.learn.calibration import map_disagreement
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import load_model, save_model
from temflux.engine.learn.predict import Predictor
from temflux.engine.learn.reading import choose_reading, predict_maps
from temflux.engine.learn.trained import NetworkSpec
from temflux.engine.workflows.predict import predict_movie
from temflux.engine.workflows.predicting.settings import PredictSettings
from temflux.models.networks import build_network
from tests.movies import disc_movie, save_movie
from tests.predictors import save_dark_model

CLASSES = ("1Mo", "2S", "background")


def save_seed(path, seed, *, label="Mask", channels=("inside",), activation="sigmoid", **card):
    """Save a small network as it is born of a seed."""
    arguments = {"in_channels": 1, "out_channels": len(channels), "channels": 1, "layers": 3, "kernel": 3}
    arguments["activation"] = activation
    network = build_network("msdnet", seed=seed, **arguments)
    given = {"normalize_A": 60.0, "ranges": {"sampling_A": (0.5, 2.0)}, **card}
    card = ModelCard(path.name, label=label, channels=channels, **given)
    save_model(path, network, NetworkSpec("msdnet", arguments), card)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for seed in (1, 2):
        save_seed(folder / f"mask{seed}", seed)
        save_seed(folder / f"disk{seed}", seed, label="Disk", channels=CLASSES, activation="softmax")
        save_seed(folder / f"wave{seed}", seed, label="Exitwave", channels=("re", "im"), activation="linear")
    save_dark_model(folder / "sharp", slope=-400.0)
    save_dark_model(folder / "soft", slope=-200.0)
    save_dark_model(folder / "series", n_images=3)
    return folder


def settings(other, **values):
    return PredictSettings(**{"runtime": "fused", "other": str(other), **values})


def tree(folder):
    """Every file's bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["mask", "disk", "wave"])
def test_the_map_is_the_disagreement_of_the_two_models_maps(models, tmp_path, kind):
    movie = save_movie(tmp_path / "discs.npz", n_frames=2)
    first, second = models / f"{kind}1", models / f"{kind}2"
    result = predict_movie(first, movie, tmp_path / "out", settings(second))
    expected, shares = [], []
    for frame in disc_movie(2)[0]:
        maps = []
        for path in (first, second):
            trained = load_model(path)
            predictor = Predictor(trained, runtime="fused")
            maps.append(predict_maps(predictor, frame[np.newaxis], choose_reading(trained), sampling_A=1.0))
        deviation, share = map_disagreement(maps, threshold=None if kind == "disk" else 0.5)
        expected.append(deviation)
        shares.append(share)
    found = result.disagreement
    assert found.dtype == (np.float32 if kind == "wave" else np.float16)
    np.testing.assert_array_equal(np.asarray(found), np.stack(expected).astype(found.dtype))
    assert np.asarray(found).max() > 0.01
    told = result.provenance["disagreement"]
    assert told["model"]["fingerprint"] == load_model(second).fingerprint
    assert told["differing_share"] == (None if kind == "wave" else pytest.approx(np.mean(shares)))
    assert found.attrs["axes"][:1] == [{"name": "t", "type": "time", "scale": 0.5, "unit": "second"}]
    assert found.attrs["axes"][2] == {"name": "x", "type": "space", "scale": 0.1, "unit": "nanometer"}
    assert found.attrs["other_model"] == second.name


def test_models_that_are_sure_of_the_same_disagree_nowhere_but_at_edges(models, tmp_path):
    movie = save_movie(tmp_path / "discs.npz", n_frames=1)
    alone = predict_movie(models / "sharp", movie, tmp_path / "alone", PredictSettings(runtime="fused"))
    both = predict_movie(models / "sharp", movie, tmp_path / "both", settings(models / "soft"))
    for name in ("maps", "masks"):
        np.testing.assert_array_equal(np.asarray(getattr(both, name)), np.asarray(getattr(alone, name)))
    deviation, sure = np.asarray(both.disagreement[0]), np.asarray(both.maps[0, ..., 0])
    soft = predict_movie(models / "soft", movie, tmp_path / "soft", PredictSettings(runtime="fused"))
    difference = np.abs(sure.astype(np.float64) - np.asarray(soft.maps[0, ..., 0]))
    assert (deviation[difference == 0] == 0).all()
    assert 0.9 < (difference == 0).mean() < 1
    np.testing.assert_allclose(deviation, difference / 2, atol=1e-3)
    assert deviation.max() > 0.05


def test_a_model_beside_itself_is_noted(models, tmp_path):
    movie = save_movie(tmp_path / "discs.npz", n_frames=2)
    again = shutil.copytree(models / "mask1", tmp_path / "again")
    result = predict_movie(models / "mask1", movie, tmp_path / "out", settings(again))
    assert not np.asarray(result.disagreement).any()
    assert result.provenance["disagreement"]["differing_share"] == 0
    assert sum("same weights, so that they cannot disagree" in note for note in result.notes) == 1
    other = predict_movie(models / "mask1", movie, tmp_path / "two", settings(models / "mask2"))
    assert not any("same weights" in note for note in other.notes)


def test_a_stopped_run_goes_on_to_the_same_bytes(models, tmp_path):
    movie = save_movie(tmp_path / "discs.npz", n_frames=4)
    wanted = settings(models / "mask2")
    predict_movie(models / "mask1", movie, tmp_path / "whole", wanted)

    def stop(stage, done, total):  # noqa: ARG001
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_movie(models / "mask1", movie, tmp_path / "out", wanted, progress=stop)
    result = predict_movie(models / "mask1", movie, tmp_path / "out", wanted)
    assert (result.made, result.kept) == (2, 2)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert any(name.startswith("disagreement.zarr/c/3") for name in tree(tmp_path / "out"))
    shutil.rmtree(tmp_path / "out" / "disagreement.zarr")
    assert predict_movie(models / "mask1", movie, tmp_path / "out", wanted).made == 4
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_another_second_model_is_another_run(models, tmp_path):
    movie = save_movie(tmp_path / "discs.npz", n_frames=1)
    other = shutil.copytree(models / "mask2", tmp_path / "other")
    predict_movie(models / "mask1", movie, tmp_path / "out", settings(other))
    shutil.rmtree(other)
    shutil.copytree(models / "sharp", other)
    with pytest.raises(SettingsError, match="made with another second model; give another --out"):
        predict_movie(models / "mask1", movie, tmp_path / "out", settings(other))


def test_frames_that_show_nothing_have_no_disagreement(models, tmp_path):
    frames = disc_movie(2)[0].astype(np.float32)
    frames[1] = 7
    stack = Stack.from_array(frames, pixel_nm=0.1)
    result = predict_movie(models / "mask1", stack, tmp_path / "out", settings(models / "mask2"))
    assert np.isfinite(result.disagreement[0]).all()
    assert np.isnan(result.disagreement[1]).all()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("disk1", r"of Mask \(inside\) in single images as mask1, .*disk1 is one of Disk \(1Mo, 2S, back"),
        ("series", r"series is one of Mask \(inside\) in series of 3 images"),
    ],
)
def test_a_model_of_another_task_is_refused(models, tmp_path, other, said):
    stack = Stack.from_array(disc_movie(1)[0], pixel_nm=0.1)
    with pytest.raises(SettingsError, match=said) as refused:
        predict_movie(models / "mask1", stack, tmp_path / "out", settings(models / other))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_notes_on_ranges_are_of_either_model(models, tmp_path):
    stack = Stack.from_array(disc_movie(1)[0], pixel_nm=0.1, dose_e_per_A2=5.0)
    narrow = save_seed(tmp_path / "narrow", 5, ranges={"dose_e_per_A2": (10.0, 1e5)})
    notes = predict_movie(models / "mask1", stack, tmp_path / "out", settings(narrow)).notes
    assert [note for note in notes if "narrow was trained on 10 to 100,000" in note]
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["model"]["name"] == "mask1"
    assert record["disagreement"]["model"]["name"] == "narrow"
