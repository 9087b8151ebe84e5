"""Every command and every listing of the README that is marked as tested is run, as printed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from temflux.batch.cli import main
from temflux.engine.files.write import write_movie
from temflux.engine.generate.phantom import phantom_frames

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
N_FRAMES = 12
BLOCKS = re.findall(r"<!-- test -->\n```(sh|python)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    # The demo's movie, cut short: what is printed is the same for any length.
    frames = phantom_frames(n_frames=N_FRAMES)
    write_movie(frames.stack("demo-movie"), folder / "demo-movie.ome.tif")
    np.save(folder / "masks.npy", np.zeros((N_FRAMES, 512, 512), bool))
    small = {"image_size": [256, 256]}
    (folder / "movie.json").write_text(json.dumps(small))
    (folder / "heater.csv").write_text("time_s,T[C]\n0,20\n30,600\n")
    return folder


@pytest.mark.parametrize(("language", "text"), BLOCKS, ids=[str(n) for n in range(len(BLOCKS))])
def test_block(folder, language, text, monkeypatch):
    monkeypatch.chdir(folder)
    if language == "python":
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=False, cwd=folder
        )
        assert done.returncode == 0, done.stderr
        return
    for line in text.strip().splitlines():
        assert main(shlex.split(line)[1:]) == 0


def test_there_is_a_block_for_every_step():
    assert len(BLOCKS) >= 6


def test_the_make_targets_exist():
    targets = re.findall(r"`?make ([a-z-]+)", README)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_files_and_pictures_named_are_there():
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert all((ROOT / target).exists() for target in linked)
