"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Workers share the cores: threads of one that wait for those of another take twice the time.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ):
        os.environ.setdefault(name, "1")

# The same examples in every run: a change must not fail for another one's luck.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; it lies beside the project and is never part of it."""
    folder = Path(os.environ.get("TEMFLUX_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set TEMFLUX_DATA to its folder")
    return folder
