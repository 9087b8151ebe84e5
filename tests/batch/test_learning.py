"""The commands that learn: words, files and exit codes."""

import json
import subprocess
import sys

import numpy as np
import pytest

from temflux.batch import learning
from temflux.batch.cli import main
from temflux.batch.exit_codes import BAD_ARGUMENTS, GOOD, SOME_FAILED
from temflux.engine.base.errors import SettingsError
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import save_model
from temflux.engine.learn.trained import NetworkSpec
from temflux.models.networks import build_network

PARAMETERS = {
    "label": "Mask",
    "image_epochs": 2,
    "image_size": [48, 48],
    "sampling": [0.3, 0.35],
    "debug": None,
}
TINY = ["--channels", "4", "--levels", "2", "--batch-size", "2", "--crop-px", "32", "--no-compiled"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("learning")
    (out / "parameters.json").write_text(json.dumps(PARAMETERS))
    small = ["--count", "2", "--cell", "20", "--sampling", "0.25", "--jobs", "1"]
    for part in ("--train", "--test"):
        assert main(["structures", "flake", str(out / "set"), *small, part]) == GOOD
        assert main(["images", str(out / "set"), str(out / "parameters.json"), "--jobs", "1", part]) == GOOD
    return str(out / "set")


def test_a_network_is_trained_and_gone_on_with(dataset, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["train", dataset, dataset, "--out", run, "--epochs", "1", *TINY]) == GOOD
    assert "epoch 1 of 1: " in capsys.readouterr().out
    for name in ("curves.csv", "curves.png", "run.json", "model/card.json"):
        assert (tmp_path / "run" / name).exists()
    assert main(["train", dataset, dataset, "--out", run, "--epochs", "2", *TINY]) == BAD_ARGUMENTS
    assert "give --restart to go on with it" in capsys.readouterr().err
    assert main(["train", dataset, dataset, "--out", run, "--epochs", "2", "--restart", *TINY]) == GOOD
    said = capsys.readouterr().out
    assert "epoch 2 of 2: " in said
    assert "best val_f1" in said


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    masks = np.zeros((2, 32, 32), np.uint8)
    masks[:, 8:20, 8:20] = 1
    np.save(folder / "frames.npy", np.random.default_rng(0).poisson(60 - 35 * masks).astype(np.uint16))
    np.save(folder / "masks.npy", masks)
    arguments = {"in_channels": 1, "out_channels": 1, "channels": 4, "levels": 2}
    spec, card = NetworkSpec("compact", arguments), ModelCard("plain", channels=("inside",), normalize_A=8.0)
    save_model(folder / "plain", build_network("compact", **arguments), spec, card)
    return [str(folder / name) for name in ("plain", "frames.npy", "masks.npy")]


def test_a_model_is_adapted_to_labelled_frames(labelled, tmp_path, capsys):
    start, *pair = labelled
    run = ["--from", start, "--out", str(tmp_path / "run"), "--pixel-nm", "0.05", "--samples", "4"]
    assert main(["train", *pair, *run, "--epochs", "1", "--crop-px", "32", "--no-compiled"]) == GOOD
    said = capsys.readouterr().out
    assert "epoch 1 of 1: " in said
    assert " -> " in said
    assert "on the 2 frames that it learnt from" in said
    assert (tmp_path / "run" / "model" / "card.json").exists()


def test_what_is_typed_for_adapting_arrives(labelled, tmp_path, capsys, monkeypatch):
    start, frames, masks = labelled
    got = {}

    def stop(_start, labelled, _out, settings, **_):
        got.update(settings=settings, frames=len(labelled), said=capsys.readouterr().out)
        raise SettingsError("enough")

    monkeypatch.setattr(learning, "adapt_to_frames", stop)
    painted = np.load(masks)
    painted[1] = 0
    np.save(tmp_path / "painted.npy", painted)
    pair = [frames, str(tmp_path / "painted.npy"), "--from", start, "--out", str(tmp_path / "run")]
    more = ["--pixel-nm", "0.05", "--final-learning-rate", "none", "--no-fix-normalisation"]
    assert main(["train", *pair, *more]) == BAD_ARGUMENTS
    assert got["frames"] == 1
    assert "note: 1 of 2 frames have no mark and are left out; --empty-frames takes them" in got["said"]
    assert got["settings"].final_learning_rate is None
    assert got["settings"].fix_normalisation is False
    assert main(["train", *pair, "--pixel-nm", "0.05", "--empty-frames"]) == BAD_ARGUMENTS
    assert got["frames"] == 2
    assert got["settings"].final_learning_rate == 1e-5
    assert got["settings"].fix_normalisation is True


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], SOME_FAILED, "no pixel size is known, and a network needs it; give --pixel-nm"),
        (["--pixel-nm", "0.05", "--net", "unet"], BAD_ARGUMENTS, "net: not with --from"),
        (["--pixel-nm", "0.05", "--held-out", "2"], BAD_ARGUMENTS, "held_out: expected fewer than the 2"),
        (["--pixel-nm", "0"], BAD_ARGUMENTS, "pixel_nm: input should be greater than 0"),
    ],
)
def test_bad_settings_of_adapting_are_one_line(labelled, tmp_path, capsys, arguments, code, said):
    start, *pair = labelled
    assert main(["train", *pair, "--from", start, "--out", str(tmp_path / "run"), *arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_settings_of_labelled_frames_need_a_model(dataset, tmp_path, capsys):
    run = ["--out", str(tmp_path / "run"), "--pixel-nm", "0.05"]
    assert main(["train", dataset, dataset, *run]) == BAD_ARGUMENTS
    assert "pixel-nm: only for labelled frames, with --from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--net", "vgg"], BAD_ARGUMENTS, "compact"),
        (["--net", "unet", "--layers", "3"], BAD_ARGUMENTS, "layers"),
        (["--optimizer", "sdg", *TINY], BAD_ARGUMENTS, "sdg"),
        (["--learning-rate", "0"], BAD_ARGUMENTS, "learning_rate: input should be greater than 0"),
    ],
)
def test_bad_settings_are_one_line(dataset, tmp_path, capsys, arguments, code, said):
    assert main(["train", dataset, dataset, "--out", str(tmp_path / "run"), *arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_no_dataset_is_said(tmp_path, capsys):
    nothing = str(tmp_path / "nothing")
    assert main(["train", nothing, nothing, "--out", str(tmp_path / "run")]) == SOME_FAILED
    assert "expected a dataset or its images; make some with temflux images" in capsys.readouterr().err


def test_an_error_is_all_that_is_on_the_screen(labelled, tmp_path):
    start, *pair = labelled
    arguments = [*pair, "--from", start, "--out", str(tmp_path / "run"), "--pixel-nm", "0.05"]
    done = subprocess.run(
        [sys.executable, "-m", "temflux.batch.cli", "train", *arguments, "--optimizer", "sdg"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == BAD_ARGUMENTS
    assert done.stderr.splitlines() == [
        "temflux: optimizer: expected adam, rmsprop or an optimiser of Keras, got 'sdg'"
    ]
