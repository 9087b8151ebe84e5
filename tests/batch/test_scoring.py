"""The commands that judge: words, files and exit codes."""

import json

import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import BAD_ARGUMENTS, GOOD, SOME_FAILED

from ..workflows.scored import make_dataset, make_model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("scoring") / "set", count=2, label="Mask")


@pytest.fixture(scope="module")
def model(tmp_path_factory, dataset):
    return make_model(tmp_path_factory.mktemp("models") / "mine", dataset)


def test_a_model_is_scored(dataset, model, capsys):
    assert main(["score", str(model), str(dataset), "--runtime", "keras", "--tune-limit", "2"]) == GOOD
    said = capsys.readouterr().out
    for word in ("mine", "tuned classical", "vacuum", "pixel F1", "calibration error", "2 images in"):
        assert word in said
    assert (model.parent / "score-mine-set" / "scores.csv").exists()
    assert "Traceback" not in said


def test_doses_are_studied(dataset, model, tmp_path, capsys):
    parameters = tmp_path / "small.json"
    parameters.write_text(json.dumps({"label": "Mask", "image_size": [64, 64], "sampling": [0.24, 0.25]}))
    arguments = ["--systems", str(dataset), "--parameters", str(parameters), "--count", "1"]
    small = ["--doses", "30", "--doses", "1000", "--repeats", "1", "--tune-count", "1", "--runtime", "keras"]
    out = tmp_path / "out"
    assert main(["doselimit", str(model), "--out", str(out), *arguments, *small]) == GOOD
    said = capsys.readouterr().out
    assert "half the area" in said
    assert "\n1 system in " in said
    assert (out / "summary.json").exists()


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["score", "MODEL", "nothing-here"], SOME_FAILED, "expected a dataset or its images"),
        (["score", "nothing-here", "SET"], SOME_FAILED, "nothing-here"),
        (["score", "MODEL", "SET", "--threshold", "2"], BAD_ARGUMENTS, "threshold: input should be less"),
        (["doselimit", "MODEL", "--systems", "nothing-here"], SOME_FAILED, "expected a dataset with systems"),
        (["doselimit", "MODEL", "--doses", "30"], BAD_ARGUMENTS, "doses: expected two or more"),
        (["doselimit", "MODEL", "--repeats", "0"], BAD_ARGUMENTS, "repeats: input should be greater"),
    ],
)
def test_bad_input_is_one_line(dataset, model, tmp_path, capsys, command, code, said):
    known = {"MODEL": str(model), "SET": str(dataset)}
    arguments = [known.get(word, word) for word in command]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
