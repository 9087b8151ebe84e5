"""What a user types and what comes back: words, files and exit codes."""

import json

import numpy as np
import pandas as pd
import pytest

from temflux.batch import cli
from temflux.batch.cli import main
from temflux.batch.exit_codes import BAD_ARGUMENTS, GOOD, INTERRUPTED, SOME_FAILED
from temflux.batch.words import flag
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import disc_movie, save_movie


@pytest.fixture
def folder(tmp_path):
    """Two good movies and a broken one, with names that are awkward."""
    movies = tmp_path / "movies of Monday"
    movies.mkdir()
    save_movie(movies / "heating é 1.npz", n_frames=3)
    save_movie(movies / "heating 2.npz", n_frames=3, seed=1)
    (movies / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    return movies


def test_a_folder_is_tracked_and_a_broken_movie_does_not_stop_the_others(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["track", str(folder), "--out", str(out), "--jobs", "1"]) == SOME_FAILED
    said = capsys.readouterr().out
    assert "2 tracked, 1 failed" in said
    failed = [line for line in said.splitlines() if "broken" in line and "failed" in line]
    assert len(failed) == 1
    summary = pd.read_csv(out / "summary.csv")
    assert dict(zip(summary["movie"], summary["status"], strict=True)) == {
        "broken": "failed",
        "heating 2": "done",
        "heating é 1": "done",
    }
    assert (out / "index.html").exists()
    assert "Traceback" not in said


def test_a_second_run_does_only_what_is_missing(folder, tmp_path, capsys):
    out = tmp_path / "out"
    main(["track", str(folder), "--out", str(out), "--jobs", "1", "--spectra", "none"])
    page = out / "heating 2" / "page.html"
    before = page.stat().st_mtime_ns
    save_movie(folder / "broken.npz", n_frames=3)
    (folder / "broken.npy").unlink()
    capsys.readouterr()
    assert main(["track", str(folder), "--out", str(out), "--jobs", "1", "--spectra", "none"]) == GOOD
    assert "1 tracked, 2 done before" in capsys.readouterr().out
    assert page.stat().st_mtime_ns == before


def test_other_settings_are_other_work(tmp_path, capsys):
    movie = save_movie(tmp_path / "a.npz", n_frames=3)
    out = tmp_path / "out"
    assert main(["track", str(movie), "--out", str(out), "--spectra", "none"]) == GOOD
    assert main(["track", str(movie), "--out", str(out), "--spectra", "none", "--overlap", "0.3"]) == GOOD
    assert "done before" not in capsys.readouterr().out


def test_other_masks_or_another_log_under_the_same_name_are_other_work(tmp_path, capsys):
    movie = save_movie(tmp_path / "a.npz", n_frames=3)
    _, masks = disc_movie(3)
    log = tmp_path / "heater.csv"
    arguments = ["track", str(movie), "--out", str(tmp_path / "out"), "--spectra", "none", "--log", str(log)]
    arguments += ["--segment", f"masks:{tmp_path / 'masks.npy'}"]
    said = []
    for marked, degrees in ((masks, 20), (masks, 20), (masks & False, 20), (masks & False, 30)):
        if not said or said[-1][1:] != (marked.any(), degrees):
            np.save(tmp_path / "masks.npy", marked)
            log.write_text(f"time_s,T[C]\n0,{degrees}\n9,{degrees}\n")
        assert main(arguments) == GOOD
        said.append(("done before" in capsys.readouterr().out, marked.any(), degrees))
    assert [skipped for skipped, *_ in said] == [False, True, False, False]


def test_movies_over_processes_give_what_one_process_gives(folder, tmp_path):
    for jobs in ("1", "2"):
        main(["track", str(folder), "--out", str(tmp_path / jobs), "--jobs", jobs])
    one, two = ((tmp_path / jobs / "heating 2" / "tracks.csv").read_bytes() for jobs in ("1", "2"))
    assert one == two


def test_settings_come_from_a_file_and_what_is_typed_goes_before_it(tmp_path):
    movie = save_movie(tmp_path / "a.npz", n_frames=2)
    (tmp_path / "s.json").write_text(json.dumps({"spectra": "none", "overlap": 0.4, "memory": 3}))
    arguments = ["track", str(movie), "--out", str(tmp_path / "out"), "--settings", str(tmp_path / "s.json")]
    assert main([*arguments, "--memory", "1"]) == GOOD
    used = json.loads((tmp_path / "out" / "a" / "provenance.json").read_text(encoding="utf-8"))["settings"]
    assert (used["overlap"], used["memory"], used["spectra"]) == (0.4, 1, "none")


def test_every_setting_is_a_flag_and_keeps_its_capitals(tmp_path, capsys):
    assert main(["track", "--help"]) == GOOD
    said = capsys.readouterr().out
    for field in TrackSettings.model_fields:
        assert f"--{flag(field)} " in said
    movie = save_movie(tmp_path / "a.npz", n_frames=2)
    arguments = ["--dose-e-per-A2", "30", "--frame-s", "2", "--spectra", "none"]
    assert main(["track", str(movie), "--out", str(tmp_path / "out"), *arguments]) == GOOD
    frames = pd.read_csv(tmp_path / "out" / "a" / "frames.csv")
    assert frames[["time_s", "dose_e_per_A2"]].to_numpy().tolist() == [[0, 30], [2, 30]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pixel-nm", "-1"], "pixel_nm"),
        (["--overlap", "2"], "overlap"),
        (["--segment", "magic"], "expected threshold, masks:PATH or model:PATH"),
        (["--jobs", "0"], "--jobs"),
        (["--sped", "3"], "--sped"),
        (["--settings", "absent.json"], "absent.json"),
    ],
)
def test_bad_arguments_are_one_line_and_code_2(tmp_path, capsys, arguments, said):
    movie = save_movie(tmp_path / "a.npz", n_frames=2)
    assert main(["track", str(movie), "--out", str(tmp_path / "out"), *arguments]) == BAD_ARGUMENTS
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_unknown_keys_of_a_settings_file_are_named(tmp_path, capsys):
    movie = save_movie(tmp_path / "a.npz", n_frames=2)
    (tmp_path / "s.json").write_text('{"minseparation": 3}')
    arguments = ["track", str(movie), "--out", str(tmp_path / "o"), "--settings", str(tmp_path / "s.json")]
    assert main(arguments) == BAD_ARGUMENTS
    assert "minseparation: no such setting" in capsys.readouterr().err


def test_a_missing_movie_is_one_line(tmp_path, capsys):
    code = main(["track", str(tmp_path / "absent.dm4"), "--out", str(tmp_path / "out")])
    assert code == BAD_ARGUMENTS
    assert capsys.readouterr().err.count("\n") == 1


def test_info_says_what_was_read(tmp_path, capsys):
    movie = save_movie(tmp_path / "a.npz", n_frames=4)
    assert main(["info", str(movie)]) == GOOD
    said = capsys.readouterr().out
    assert "4 of 160 by 200 pixels" in said
    assert "0.1 nm" in said
    assert "0.5 s a frame" in said


def test_info_says_what_the_file_does_not(tmp_path, capsys):
    np.save(tmp_path / "bare.npy", np.zeros((2, 8, 8), np.uint8))
    assert main(["info", str(tmp_path / "bare.npy")]) == GOOD
    assert capsys.readouterr().out.count("not in the file") >= 3


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train", "stopped; finished epochs are kept, run the same command with --restart to go on"),
        ("score", "stopped; nothing is kept, run the same command to start again"),
        ("doselimit", "stopped; what was done is kept, run the same command to go on"),
        ("info", "stopped"),
    ],
)
def test_how_a_stopped_command_goes_on_is_said(monkeypatch, capsys, command, said):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "make_app", lambda: stop)
    assert main([command, "x"]) == INTERRUPTED
    assert capsys.readouterr().err == f"temflux: {said}\n"
