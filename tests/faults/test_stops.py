"""Killed processes, full disks and folders that refuse: nothing half-written, nothing lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import GOOD, SOME_FAILED
from temflux.engine.base.errors import WriteError
from temflux.engine.files.atomic import atomic_file, replace_folder
from tests.movies import save_movie

ROOT = Path(__file__).parents[2]


def test_a_file_is_whole_or_absent(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("before")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path):
    (tmp_path / "movie").mkdir()
    (tmp_path / "movie" / "old.txt").write_text("old")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "new.txt").write_text("new")
    replace_folder(tmp_path / "work", tmp_path / "movie")
    assert [path.name for path in tmp_path.iterdir()] == ["movie"]
    assert [path.name for path in (tmp_path / "movie").iterdir()] == ["new.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_with_a_remedy(tmp_path):
    with (
        pytest.raises(WriteError, match="disk is full; free some space"),
        atomic_file(tmp_path / "a") as temporary,
    ):
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x" * 10_000)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="a small disk needs the right to mount one")
def test_a_batch_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    movie = save_movie(tmp_path / "a.npz", n_frames=20)
    try:
        arguments = ["track", str(movie), "--out", str(disk / "out"), "--jobs", "1"]
        assert main(arguments) == SOME_FAILED
        assert "GB free; choose particles with --spectra" in capsys.readouterr().out
        arguments += ["--spectra", "none"]
        assert main(arguments) == SOME_FAILED
        said = capsys.readouterr()
        assert "disk is full" in said.out + said.err
        assert "Traceback" not in said.out + said.err
        assert not (disk / "out" / "a").exists()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True, capture_output=True)
        assert main(arguments) == GOOD
    finally:
        subprocess.run(["umount", disk], check=True, capture_output=True)


def test_an_output_path_that_is_a_file_is_said(tmp_path, capsys):
    movie = save_movie(tmp_path / "a.npz", n_frames=2)
    (tmp_path / "out").write_text("a file")
    assert main(["track", str(movie), "--out", str(tmp_path / "out")]) == SOME_FAILED
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_batch_leaves_no_half_written_movie_and_goes_on(tmp_path, how):
    movie = save_movie(tmp_path / "a.npz", n_frames=80, shape=(320, 400))
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "temflux.batch.cli",
        "track",
        str(movie),
        "--out",
        str(out),
        "--jobs",
        "1",
    ]
    running = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # Where tests run in the background of a shell, Ctrl-C is ignored, and so would it be here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while running.poll() is None and not list(out.rglob("finding-particles/*.npz")):
        time.sleep(0.005)
    assert running.returncode is None, "it ended before it could be stopped"
    running.send_signal(how)
    _, errors = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "Traceback" not in errors
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert "run the same command to go on" in errors
    assert not (out / "a").exists()
    kept = len(list(out.rglob("finding-particles/*.npz")))
    assert kept >= 1
    again = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert again.returncode == 0, again.stderr
    assert (out / "a" / "page.html").exists()
    assert not list(out.glob(".*"))
