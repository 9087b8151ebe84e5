"""The command that finds atomic columns, as it is typed."""

import numpy as np
import pytest
from cyclopts import App

from temflux.batch.locating import columns
from temflux.engine.base.errors import SettingsError
from tests.workflows.test_columns import planted_frames


def run(*typed):
    app = App(result_action="return_value")
    app.command(columns, name="columns")
    return app(["columns", *map(str, typed)], exit_on_error=False, print_error=False)


def test_the_command_leaves_tables_and_says_what_it_found(tmp_path, capsys):
    frames, y, _ = planted_frames(sites=(0, 0, 1, 1))
    np.save(tmp_path / "movie.npy", frames)
    typed = ("--pixel-nm", 0.01, "--contrast", "dark", "--width-nm", 0.04, "--frames", "0:4", "--alpha", 0.01)
    assert run(tmp_path / "movie.npy", "--model", "blobs", "--out", tmp_path / "out", *typed) == 0
    said = capsys.readouterr().out
    assert f"{len(y) + 1} columns in 4 frames, 1 hop" in said
    assert (tmp_path / "out" / "columns.csv").exists()


def test_out_and_after_exclude_each_other(tmp_path):
    with pytest.raises(SettingsError, match="got both"):
        run(tmp_path / "movie.npy", "--out", tmp_path, "--after", tmp_path)
