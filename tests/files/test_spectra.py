"""Spectra over time keep their reciprocal calibration, and absent particles occupy no disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, ReadError
from temflux.engine.files.spectra import create_spectra, open_spectra


def test_spectra_come_back_and_absence_is_nan(tmp_path: Path) -> None:
    store = create_spectra(tmp_path / "7.zarr", n_frames=20, size=16, reciprocal_pixel_per_nm=0.25)
    store[3] = np.ones((16, 16), np.float32)
    back = open_spectra(tmp_path / "7.zarr")
    assert back.dtype == np.float32
    assert back.attrs["reciprocal_pixel_per_nm"] == 0.25
    assert back.attrs["reciprocal_pixel_per_px"] == 1 / 16
    assert back[3].sum() == 256
    assert np.isnan(back[4]).all()
    assert np.isnan(back[19]).all()
    chunks = [p.name for p in (tmp_path / "7.zarr" / "0" / "c").rglob("*") if p.is_file()]
    assert len(chunks) == 1


def test_writing_nothing_but_nan_occupies_no_disk(tmp_path: Path) -> None:
    store = create_spectra(tmp_path / "7.zarr", n_frames=8, size=16, reciprocal_pixel_per_nm=0.25)
    store[:] = np.nan
    assert not (tmp_path / "7.zarr" / "0" / "c").exists()


def test_a_viewer_sees_zero_frequency_at_the_centre(tmp_path: Path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    create_spectra(tmp_path / "7.zarr", n_frames=2, size=16, reciprocal_pixel_per_nm=0.25)
    (node,) = reader.Reader(io.parse_url(tmp_path / "7.zarr"))()
    (scale, translation) = node.metadata["coordinateTransformations"][0]
    centre = [
        s * at + t for s, at, t in zip(scale["scale"], (0, 8, 8), translation["translation"], strict=True)
    ]
    assert centre == [0, 0, 0]
    assert node.metadata["axes"][1]["unit"] == "1/nm"


def test_an_uncalibrated_particle_has_cycles_per_pixel_and_no_unit(tmp_path: Path) -> None:
    store = create_spectra(tmp_path / "7.zarr", n_frames=2, size=16, reciprocal_pixel_per_nm=None)
    assert store.attrs["reciprocal_pixel_per_nm"] is None
    assert store.attrs["reciprocal_pixel_per_px"] == 1 / 16
    axes = json.loads((tmp_path / "7.zarr" / "zarr.json").read_text())
    assert "unit" not in axes["attributes"]["ome"]["multiscales"][0]["axes"][1]


def test_bad_requests_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 1 frame"):
        create_spectra(tmp_path / "7.zarr", n_frames=0, size=16, reciprocal_pixel_per_nm=None)
    with pytest.raises(ReadError, match="spectra of a particle"):
        open_spectra(tmp_path / "nothing.zarr")
