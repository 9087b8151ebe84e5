"""The commands that use trained networks: words, files and exit codes."""

import json

import numpy as np
import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import BAD_ARGUMENTS, GOOD, SOME_FAILED
from tests.movies import disc_movie, save_movie
from tests.predictors import save_dark_model

FUSED = ["--runtime", "fused"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_dark_model(tmp_path_factory.mktemp("models") / "dark"))


def test_a_movie_is_predicted_and_gone_on_with(model, tmp_path, capsys):
    movie, out = str(save_movie(tmp_path / "discs.npz", n_frames=3)), str(tmp_path / "out")
    assert main(["predict", model, movie, "--out", out, *FUSED, "--dose-e-per-A2", "5"]) == GOOD
    said = capsys.readouterr().out
    assert "maps of 3 frames predicted in " in said
    assert said.count("note: dose of 5 e⁻/Å²: dark was trained on 10 to 100,000 e⁻/Å²") == 1
    assert main(["predict", model, movie, "--out", out, *FUSED, "--dose-e-per-A2", "5"]) == GOOD
    assert "done before, maps of 3 frames" in capsys.readouterr().out
    assert main(["predict", model, movie, "--out", out, *FUSED]) == BAD_ARGUMENTS
    assert "give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runtime", "tpu"], "tpu"),
        (["--threshold", "1.5"], "threshold: input should be less than 1"),
        (["--frames", "3"], "frames: expected frames A:B as 0:100"),
        (["--frames", "7:9"], "expected some of 0:2, got 7:9"),
        (["--window-px", "1"], "window_px: input should be greater than or equal to 16"),
    ],
)
def test_bad_settings_are_one_line(model, tmp_path, capsys, arguments, said):
    movie = str(save_movie(tmp_path / "discs.npz", n_frames=2))
    assert main(["predict", model, movie, "--out", str(tmp_path / "out"), *arguments]) == BAD_ARGUMENTS
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_missing_pixel_size_and_models_that_are_none_are_one_line(model, tmp_path, capsys):
    movie = str(tmp_path / "plain.npy")
    np.save(movie, disc_movie(1)[0])
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "card.json").write_text('{"name": "x"}')
    (hostile / "model.json").write_text(
        '{"format": "temflux model 1", "network": "__import__", "weights": []}'
    )
    (hostile / "weights.npz").write_bytes(b"\x80\x04cos\nsystem\n")
    (tmp_path / "model.keras").write_bytes(b"PK")
    cases = [
        (model, "a network needs the pixel size, which the file does not give; give --pixel-nm"),
        (str(hostile), "hostile/model.json: "),
        (str(tmp_path / "model.keras"), "files of this kind can hold code and are not opened"),
        (str(tmp_path / "nothing"), "no such model"),
    ]
    for chosen, said in cases:
        assert main(["predict", chosen, movie, "--out", str(tmp_path / "out")]) == SOME_FAILED
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert said in lines[0]
        assert not (tmp_path / "out").exists()


def test_a_model_for_three_images_given_one_is_one_line(tmp_path, capsys):
    three = str(save_dark_model(tmp_path / "three", n_images=3))
    movie = str(save_movie(tmp_path / "discs.npz", n_frames=1))
    assert main(["predict", three, movie, "--out", str(tmp_path / "out")]) == BAD_ARGUMENTS
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "three takes focal series of 3 images, got 1 frame of" in lines[0]
    assert "choose another model" in lines[0]


def test_a_frame_that_is_a_file_and_cannot_be_read_costs_itself(model, tmp_path, capsys):
    import tifffile

    folder = tmp_path / "movie"
    folder.mkdir()
    for number, frame in enumerate(disc_movie(3)[0]):
        tifffile.imwrite(folder / f"frame_{number:03d}.tif", frame)
    whole = (folder / "frame_001.tif").read_bytes()
    (folder / "frame_001.tif").write_bytes(whole[: len(whole) // 3])
    out = tmp_path / "out"
    assert main(["predict", model, str(folder), "--out", str(out), "--pixel-nm", "0.1", *FUSED]) == GOOD
    assert "could not be read, without maps: frame 1" in capsys.readouterr().out
    record = json.loads((out / "provenance.json").read_text())
    assert record["shape"] == [3, 160, 200]
