"""Simulated movies: the same bytes whatever the block size and processes, or how often work was stopped."""

import hashlib
from pathlib import Path

import pytest

from temflux.batch.runner import process_runner
from temflux.engine.base.blocks import run_serial
from temflux.engine.workflows.movie import make_movie
from temflux.engine.workflows.simulating.movie_parameters import check_movie_parameters

RECIPE = check_movie_parameters(
    {
        "image_size": [200, 110],
        "sampling": [0.5, 0.5],
        "movie": {"radius_A": [9, 10], "events": ["vaporise", "hop", "tilt"], "drift_A_per_s": [1, 1]},
    }
)
N_FRAMES = 11


def digest(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make(folder, **how):
    return digest(make_movie(RECIPE, folder / "movie", n_frames=N_FRAMES, **how).folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("frames_per_block", [1, 4, 64])
def test_any_block_size(plain, tmp_path, frames_per_block):
    assert make(tmp_path, frames_per_block=frames_per_block) == plain


def test_processes(plain, tmp_path):
    assert make(tmp_path, frames_per_block=3, runner=process_runner(2)) == plain


def test_any_order(plain, tmp_path):
    def backwards(per_block, blocks):
        return run_serial(per_block, blocks[::-1])

    assert make(tmp_path, frames_per_block=2, runner=backwards) == plain


@pytest.mark.parametrize("done_blocks", [0, 1, 3])
def test_stopped_and_gone_on_with(plain, tmp_path, done_blocks):
    def stopping(per_block, blocks):
        for number, block in enumerate(blocks):
            if number == done_blocks:
                raise KeyboardInterrupt
            yield per_block(block)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, frames_per_block=3, runner=stopping)
    assert not (tmp_path / "movie").exists(), "a stopped run must leave no half-written output"
    kept = len(list(tmp_path.rglob("frames/*.npz")))
    assert kept == done_blocks
    again = []
    make_movie(
        RECIPE,
        tmp_path / "movie",
        n_frames=N_FRAMES,
        frames_per_block=3,
        progress=lambda stage, done, total: again.append((stage, done, total)),
    )
    assert digest(tmp_path / "movie") == plain
    assert again[-1] == ("simulating frames", N_FRAMES, N_FRAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["movie"]


def test_half_done_work_of_another_seed_is_not_used(plain, tmp_path):
    def stopping(per_block, blocks):
        yield per_block(blocks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, seed=5, runner=stopping)
    assert make(tmp_path) == plain
