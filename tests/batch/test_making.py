"""The commands that simulate: words, files and exit codes."""

import json

import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import BAD_ARGUMENTS, GOOD, SOME_FAILED

SMALL = ["--count", "2", "--cell", "20", "--sampling", "0.25", "--jobs", "1"]
PARAMETERS = {
    "label": "Mask",
    "image_epochs": 2,
    "image_size": [48, 48],
    "sampling": [0.3, 0.35],
    "debug": None,
}


@pytest.fixture
def parameters(tmp_path):
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps(PARAMETERS))
    return path


def test_systems_then_images(tmp_path, parameters, capsys):
    out = tmp_path / "set"
    assert main(["structures", "flake", str(out), *SMALL]) == GOOD
    assert "2 systems made in" in capsys.readouterr().out
    assert main(["images", str(out), str(parameters), "--jobs", "1"]) == GOOD
    assert "4 images made in" in capsys.readouterr().out
    assert main(["images", str(out), str(parameters), "--jobs", "1"]) == GOOD
    assert "nothing to do, 4 images are there" in capsys.readouterr().out
    assert main(["structures", "flake", str(out), *SMALL, "--test"]) == GOOD
    assert main(["images", str(out), str(parameters), "--jobs", "1", "--test", "--debug", "1"]) == GOOD
    assert (out / "test" / "images" / "debug" / "000000.png").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("supported OUT --metal Xx", "metal: expected a chemical symbol such as Au, got 'Xx'"),
        ("supported OUT --support mud", "support: expected one of CeO2, MgO"),
        ("supported OUT --cell 30", "cell_A: expected at least"),
        ("supported OUT --tlt-deg 3", "Did you mean --tilt-deg?"),
        ("supported OUT --tilt-deg -3", "tilt_deg: input should be greater than or equal to 0"),
        ("flake OUT --formula Foo2", "expected the formula of an MX2 sheet"),
        ("flake OUT --jobs 0", "--jobs: expected 1 or more, got 0"),
        ("oxide OUT --oxide NaCl", "CeO2"),
        ("file OUT --from nowhere.cif", "nowhere.cif"),
        ("file OUT", "--from"),
        ("flake", "OUT"),
    ],
)
def test_bad_structures_are_one_line_and_leave_nothing(tmp_path, capsys, command, said):
    out = tmp_path / "set"
    arguments = [str(out) if word == "OUT" else word for word in command.split()]
    assert main(["structures", *arguments]) in (BAD_ARGUMENTS, SOME_FAILED)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not out.exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"samplng": [0.1, 0.2]}, "samplng: no such parameter; did you mean 'sampling'?"),
        ({"sampling": [0.2, 0.1]}, "sampling: expected the lower bound first"),
        ({"mtf_c1": [0, 0.2]}, "mtf_c1: expected a lower and an upper bound"),
        ({"label": "Spot"}, "label: expected one of Mask, Disk"),
        ({"vibrations": {"configurations": 0}}, "vibrations.configurations"),
        ({"label": "Disk", "num_classes": 3}, "num_classes"),
    ],
)
def test_bad_parameters_are_one_line(tmp_path, capsys, values, said):
    out = tmp_path / "set"
    main(["structures", "flake", str(out), *SMALL])
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps({**PARAMETERS, **values}))
    capsys.readouterr()
    assert main(["images", str(out), str(path), "--jobs", "1"]) == BAD_ARGUMENTS
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_a_commented_parameters_file_is_written_once(tmp_path, capsys):
    file = tmp_path / "disk.txt"
    assert main(["parameters", str(file), "--label", "disk"]) == GOOD
    assert "'label': 'Disk'" in file.read_text(encoding="utf-8")
    assert main(["parameters", str(file)]) == BAD_ARGUMENTS
    assert "is there already" in capsys.readouterr().err
    assert main(["parameters", str(tmp_path / "no.txt"), "--label", "spot"]) == BAD_ARGUMENTS
    assert not (tmp_path / "no.txt").exists()


def test_a_movie_and_its_truth(tmp_path, capsys):
    file = tmp_path / "movie.json"
    file.write_text('{"image_size": [80, 80], "sampling": [0.5, 0.5], "movie": {"radius_A": [8, 9]}}')
    assert main(["movie", str(tmp_path / "out"), str(file), "--frames", "2", "--jobs", "1"]) == GOOD
    assert "2 frames with 1 particles" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"movie.ome.tif", "labels.zarr", "truth.csv", "events.csv", "frames.csv", "columns.csv"}
    file.write_text('{"movie": {"metl": "Au"}}')
    assert main(["movie", str(tmp_path / "out"), str(file)]) == BAD_ARGUMENTS
    assert "movie.metl: no such parameter; did you mean 'metal'?" in capsys.readouterr().err


def test_images_without_systems_say_how_to_make_some(tmp_path, parameters, capsys):
    assert main(["images", str(tmp_path / "set"), str(parameters)]) == SOME_FAILED
    assert "no systems; make some with temflux structures" in capsys.readouterr().err
