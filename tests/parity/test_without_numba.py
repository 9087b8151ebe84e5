"""The light path, NumPy and SciPy alone, gives the same tables as the compiled one."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import save_movie

_WITHOUT = """
import sys
sys.modules["numba"] = None
from temflux.engine.base.compiled import use_compiled
assert not use_compiled(None)
from temflux.engine.workflows.track import track
track(sys.argv[1], out=sys.argv[2])
"""


@pytest.mark.parametrize("table", ["tracks.csv", "events.csv", "peaks.csv"])
def test_tables_agree(results, table):
    compiled, plain = (pd.read_csv(folder / table) for folder in results)
    pd.testing.assert_frame_equal(compiled, plain, rtol=1e-4)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numba")
    movie = save_movie(folder / "discs.npz", n_frames=8)
    track(movie, TrackSettings(), out=folder / "compiled")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, str(movie), str(folder / "plain")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return folder / "compiled", folder / "plain"
