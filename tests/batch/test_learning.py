"""The commands that learn: words, files and exit codes."""

import json

import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import BAD_ARGUMENTS, GOOD, SOME_FAILED

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
