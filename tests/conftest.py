"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; it lies beside the project and is never part of it."""
    folder = Path(os.environ.get("TEMFLUX_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set TEMFLUX_DATA to its folder")
    return folder
