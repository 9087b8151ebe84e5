"""Label movies open calibrated in other software, and their bytes do not depend on who wrote first."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, ReadError, WriteError
from temflux.engine.files.labels import create_labels, open_labels


def frame(index: int, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    labels[5:20, 5 + index : 20 + index] = 7
    labels[25:35, 30:40] = 100_000 + index
    return labels


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_labels_come_back_as_written(tmp_path: Path) -> None:
    store = create_labels(tmp_path / "l.zarr", shape=(3, 40, 50), pixel_nm=0.02, frame_s=0.4)
    store[1] = frame(1)
    back = open_labels(tmp_path / "l.zarr")
    assert back.dtype == np.int32
    assert back.chunks == (1, 40, 50)
    np.testing.assert_array_equal(back[1], frame(1))
    assert not back[2].any()


def test_big_frames_are_cut_into_even_chunks(tmp_path: Path) -> None:
    store = create_labels(tmp_path / "l.zarr", shape=(1, 4096, 2100), pixel_nm=None, frame_s=None)
    assert store.chunks == (1, 2048, 1050)


def test_ome_zarr_reads_it_as_a_calibrated_label_layer(tmp_path: Path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    path = tmp_path / "gold on céria.zarr"
    create_labels(path, shape=(3, 40, 50), pixel_nm=0.02, frame_s=0.4, name="gold")[0] = frame(0)
    (node,) = reader.Reader(io.parse_url(path))()
    assert node.load(reader.Label) is not None
    assert [axis["name"] for axis in node.metadata["axes"]] == ["t", "y", "x"]
    assert [axis["unit"] for axis in node.metadata["axes"]] == ["second", "nanometer", "nanometer"]
    assert node.metadata["coordinateTransformations"] == [[{"type": "scale", "scale": [0.4, 0.02, 0.02]}]]
    np.testing.assert_array_equal(node.data[0][0].compute(), frame(0))


def test_an_uncalibrated_movie_claims_no_unit(tmp_path: Path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    create_labels(tmp_path / "l.zarr", shape=(3, 4, 5), pixel_nm=None, frame_s=None)
    (node,) = reader.Reader(io.parse_url(tmp_path / "l.zarr"))()
    assert all("unit" not in axis for axis in node.metadata["axes"])
    assert node.metadata["coordinateTransformations"] == [[{"type": "scale", "scale": [1.0, 1.0, 1.0]}]]


def test_it_keeps_to_the_published_schema(tmp_path: Path) -> None:
    schema = pytest.importorskip("ome_zarr_models.v05.image_label")
    import zarr

    create_labels(tmp_path / "l.zarr", shape=(3, 4, 5), pixel_nm=0.1, frame_s=None)
    assert schema.ImageLabel.from_zarr(zarr.open_group(tmp_path / "l.zarr", mode="r"))


def test_the_order_of_writing_leaves_no_trace(tmp_path: Path) -> None:
    for name, order in (("a", range(6)), ("b", reversed(range(6)))):
        store = create_labels(tmp_path / name, shape=(6, 40, 50), pixel_nm=0.1, frame_s=1.0)
        for index in order:
            store[index] = frame(index)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_processes_write_different_frames_at_once(tmp_path: Path) -> None:
    create_labels(tmp_path / "l.zarr", shape=(4, 64, 64), pixel_nm=0.1, frame_s=1.0)
    script = (
        "import sys; from temflux.engine.files.labels import open_labels\n"
        "store = open_labels(sys.argv[1], writable=True)\n"
        "for index in range(int(sys.argv[2]), 4, 2): store[index] = index + 1\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "l.zarr"), str(first)])
        for first in range(2)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    assert [int(plane.min()) for plane in open_labels(tmp_path / "l.zarr")[:]] == [1, 2, 3, 4]


def test_background_occupies_no_disk(tmp_path: Path) -> None:
    store = create_labels(tmp_path / "l.zarr", shape=(2, 40, 50), pixel_nm=0.1, frame_s=1.0)
    store[0] = np.zeros((40, 50), np.int32)
    assert sorted(files_of(tmp_path / "l.zarr")) == ["0/zarr.json", "zarr.json"]


def test_bad_requests_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shape"):
        create_labels(tmp_path / "l.zarr", shape=(0, 4, 5), pixel_nm=None, frame_s=None)
    with pytest.raises(ReadError, match="run track again"):
        open_labels(tmp_path / "nothing.zarr")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        create_labels(tmp_path / "file" / "l.zarr", shape=(1, 4, 5), pixel_nm=None, frame_s=None)
