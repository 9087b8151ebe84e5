"""The same bytes whatever the block size, the number of processes, or how often the work was stopped."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from temflux.batch.runner import process_runner
from temflux.engine.base.blocks import run_serial
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import save_movie

SETTINGS = TrackSettings(memory=1)
N_FRAMES = 21


def digest(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    return save_movie(tmp_path_factory.mktemp("movie") / "discs.npz", n_frames=N_FRAMES, blank=(9,))


@pytest.fixture(scope="module")
def plain(movie, tmp_path_factory):
    return digest(track(movie, SETTINGS, out=tmp_path_factory.mktemp("plain") / "discs").folder)


def test_every_output_is_there(plain):
    names = {name.split("/")[0] for name in plain}
    assert {"tracks.csv", "tracks.parquet", "labels.zarr", "spectra", "page.html", "provenance.json"} <= names


@pytest.mark.parametrize("frames_per_block", [1, 5, 64])
def test_any_block_size(movie, plain, tmp_path, frames_per_block):
    result = track(movie, SETTINGS, out=tmp_path / "discs", frames_per_block=frames_per_block)
    assert digest(result.folder) == plain


def test_processes(movie, plain, tmp_path):
    result = track(movie, SETTINGS, out=tmp_path / "discs", runner=process_runner(2), frames_per_block=4)
    assert digest(result.folder) == plain


@pytest.mark.parametrize("stage_blocks", [1, 4, 7])
def test_stopped_and_gone_on_with(movie, plain, tmp_path, stage_blocks):
    calls = {"left": stage_blocks, "again": 0}

    def stopping(per_block, blocks):
        for result in run_serial(per_block, blocks):
            if calls["left"] == 0:
                raise KeyboardInterrupt
            calls["left"] -= 1
            yield result

    out = tmp_path / "discs"
    with pytest.raises(KeyboardInterrupt):
        track(movie, SETTINGS, out=out, runner=stopping, frames_per_block=8)
    assert not out.exists(), "a stopped run must leave no half-written output"
    kept = len(list(tmp_path.rglob("*.npz")))
    assert kept >= 1
    result = track(movie, SETTINGS, out=out, frames_per_block=8)
    assert digest(result.folder) == plain
    assert [path.name for path in tmp_path.iterdir()] == ["discs"]


def test_array_gives_the_same_tables_as_file(movie, tmp_path):
    from temflux.engine.files.read import open_movie

    with np.load(movie) as kept:
        frames = kept["frames"]
    stack = open_movie(movie)
    np.testing.assert_array_equal(stack.read(0, N_FRAMES), frames)
    whole = track(stack, SETTINGS, out=tmp_path / "a").tracks
    again = track(movie, SETTINGS, out=tmp_path / "b").tracks
    assert whole.equals(again)
