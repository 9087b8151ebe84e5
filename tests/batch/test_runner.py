"""Processes outlive the call that they were made for; what is asked of them is asked where the caller is."""

from pathlib import Path

from temflux.batch.runner import process_runner
from temflux.engine.base.blocks import plan_blocks


def read_note(_):
    return Path("note.txt").read_text()


def test_relative_paths_are_meant_where_the_caller_is(tmp_path, monkeypatch):
    run, blocks = process_runner(2), plan_blocks(4, frames_per_block=1)
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "note.txt").write_text(name)
        monkeypatch.chdir(folder)
        assert list(run(read_note, blocks)) == [name] * 4
