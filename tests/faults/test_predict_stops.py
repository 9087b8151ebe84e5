"""Predictions that are killed or meet a full disk: they go on, to the bytes of a run that was left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import GOOD, SOME_FAILED
from temflux.engine.files.journal import read_journal
from tests.movies import save_movie
from tests.predictors import save_dark_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    save_dark_model(folder / "dark")
    save_movie(folder / "discs.npz", n_frames=24, shape=(96, 120))
    assert main(command(folder, folder / "whole")) == GOOD
    return folder


def command(work, out):
    return ["predict", str(work / "dark"), str(work / "discs.npz"), "--out", str(out), "--runtime", "fused"]


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(os.name == "nt", reason="no signal that kills at once")
def test_a_killed_run_goes_on(work, tmp_path):
    out = tmp_path / "out"
    script = "import sys; from temflux.batch.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", script, *command(work, out)], cwd=ROOT)
    until = time.monotonic() + 60
    while len(read_journal(out / "frames.jsonl")) < 5 and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "provenance.json").exists()
    assert main(command(work, out)) == GOOD
    assert tree(out) == tree(work / "whole")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="a small disk needs the right to mount one")
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(work, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        assert main(command(work, disk / "out")) == SOME_FAILED
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert "the disk is full; free some space" in lines[0]
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert main(command(work, disk / "out")) == GOOD
        assert tree(disk / "out") == tree(work / "whole")
    finally:
        subprocess.run(["umount", disk], check=True)
