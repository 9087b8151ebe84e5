"""Stores of maps: named axes, calibration, chunks by frame, and nothing where nothing was written."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, ReadError, WriteError
from temflux.engine.files.maps import create_maps, open_maps


def test_maps_come_back_with_names_and_units(tmp_path):
    path = tmp_path / "maps.zarr"
    store = create_maps(
        path,
        shape=(3, 40, 50, 2),
        channels=("Au", "background"),
        pixel_nm=0.05,
        frame_s=0.2,
        attributes={"first_frame": 4},
    )
    values = np.random.default_rng(0).random((40, 50, 2))
    store[1] = values
    maps = open_maps(path)
    assert maps.chunks == (1, 40, 50, 2)
    assert maps.metadata.dimension_names == ("t", "y", "x", "c")
    assert [axis.get("unit") for axis in maps.attrs["axes"]] == ["second", "nanometer", "nanometer", None]
    assert [axis.get("scale") for axis in maps.attrs["axes"]] == [0.2, 0.05, 0.05, None]
    assert maps.attrs["channels"] == ["Au", "background"]
    assert maps.attrs["first_frame"] == 4
    # Half precision steps by 0.0005 below 1.
    assert np.abs(np.asarray(maps[1], np.float64) - values).max() <= 0.0005 / 2
    assert np.isnan(maps[0]).all()
    assert sorted(chunk.name for chunk in (path / "c").iterdir()) == ["1"]


def test_one_map_a_frame_has_no_channels(tmp_path):
    store = create_maps(
        tmp_path / "a.zarr", shape=(2, 8, 9), channels=None, dtype="float32", pixel_nm=0.1, frame_s=0.5
    )
    store[1] = 0.25
    maps = open_maps(tmp_path / "a.zarr")
    assert (maps.shape, maps.chunks, maps.dtype) == ((2, 8, 9), (1, 8, 9), np.float32)
    assert maps.metadata.dimension_names == ("t", "y", "x")
    assert [axis["name"] for axis in maps.attrs["axes"]] == ["t", "y", "x"]
    assert "channels" not in maps.attrs
    assert np.isnan(maps[0]).all()
    assert (maps[1] == 0.25).all()


def test_large_frames_have_chunks_that_fit(tmp_path):
    store = create_maps(tmp_path / "maps.zarr", shape=(1, 4096, 4100, 1), channels=("inside",))
    assert store.chunks == (1, 2048, 1367, 1)
    assert "unit" not in store.attrs["axes"][0]


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(DataError, match="expected maps"):
        create_maps(tmp_path / "maps.zarr", shape=(1, 8, 8, 2), channels=("inside",))
    with pytest.raises(DataError, match=r"expected maps \(T, Y, X\) with"):
        create_maps(tmp_path / "maps.zarr", shape=(1, 8, 8, 2), channels=None)
    with pytest.raises(ReadError, match="run temflux predict again"):
        open_maps(tmp_path / "nothing.zarr")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        create_maps(tmp_path / "file" / "maps.zarr", shape=(1, 8, 8, 1), channels=("inside",))
