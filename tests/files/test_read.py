"""Every format gives the pixels and calibration that were written; copies reopen the file."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from temflux.engine.base.errors import CalibrationError
from temflux.engine.files.raw import ChainedFrames, RawFrames
from temflux.engine.files.read import is_movie_file, movies_below, open_movie

from .dm4 import write_dm4


@pytest.fixture
def movie():
    return np.random.default_rng(0).integers(0, 999, (5, 6, 7)).astype(np.uint16)


def _check(stack, movie):
    copy = pickle.loads(pickle.dumps(stack))
    assert stack.shape == movie.shape
    np.testing.assert_array_equal(copy.read(0, stack.n_frames), movie)
    np.testing.assert_array_equal(stack.read(1, 3), movie[1:3])
    assert stack.fingerprint == open_movie(stack.source).fingerprint
    return stack


def test_dm4(tmp_path, movie):
    path = tmp_path / "ein Film ü.dm4"
    write_dm4(path, movie, pixel_nm=0.1, frame_s=0.5)
    stack = _check(open_movie(path), movie)
    assert isinstance(stack.frames, RawFrames)
    assert stack.pixel_nm == pytest.approx(0.1)
    np.testing.assert_allclose(stack.times_s, np.arange(5) * 0.5)


def test_dm4_without_calibration_says_so(tmp_path, movie):
    write_dm4(tmp_path / "a.dm4", movie)
    stack = open_movie(tmp_path / "a.dm4")
    assert stack.pixel_nm is None
    assert stack.times_s is None
    assert any("--pixel-nm" in said for said in stack.unknown)
    assert any("--frame-s" in said for said in stack.unknown)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_imagej_tiff(tmp_path, movie, order, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        movie,
        imagej=compression is None,
        byteorder=order,
        compression=compression,
        resolution=(10.0, 10.0),
        metadata={"axes": "TYX", "unit": "nm", "finterval": 0.25} if compression is None else None,
    )
    stack = _check(open_movie(path), movie)
    assert isinstance(stack.frames, RawFrames) == (compression is None)
    if compression is None:
        assert stack.pixel_nm == pytest.approx(0.1)
        np.testing.assert_allclose(stack.times_s, np.arange(5) * 0.25)


def test_ome_tiff(tmp_path, movie):
    path = tmp_path / "a.ome.tif"
    metadata = {
        "axes": "TYX",
        "PhysicalSizeX": 50.0,
        "PhysicalSizeXUnit": "pm",
        "PhysicalSizeY": 50.0,
        "PhysicalSizeYUnit": "pm",
        "TimeIncrement": 20.0,
        "TimeIncrementUnit": "ms",
    }
    tifffile.imwrite(path, movie, ome=True, metadata=metadata)
    stack = _check(open_movie(path), movie)
    assert stack.name == "a"
    assert stack.pixel_nm == pytest.approx(0.05)
    assert stack.times_s[1] == pytest.approx(0.02)


def test_printer_resolution_is_no_calibration(tmp_path, movie):
    tifffile.imwrite(tmp_path / "a.tif", movie, resolution=(300, 300), resolutionunit="INCH")
    assert open_movie(tmp_path / "a.tif").pixel_nm is None
    tifffile.imwrite(tmp_path / "b.tif", movie, resolution=(1e8, 1e8), resolutionunit="CENTIMETER")
    stack = open_movie(tmp_path / "b.tif")
    assert stack.pixel_nm == pytest.approx(0.1)
    assert any("resolution" in note for note in stack.notes)


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_takes_the_movie_and_its_numbers(tmp_path, movie, compressed):
    path = tmp_path / "a.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, masks=movie > 3, frames=movie, other=movie[:, :3], nm_per_px=0.25, dt_s=2.0)
    stack = _check(open_movie(path), movie)
    assert isinstance(stack.frames, RawFrames) != compressed
    assert stack.pixel_nm == pytest.approx(0.25)
    assert stack.times_s[-1] == pytest.approx(8.0)
    assert any("taken from the array frames; also there: other" in note for note in stack.notes)
    np.testing.assert_array_equal(open_movie(f"{path}#masks").read(0, 1)[0], movie[0] > 3)
    np.testing.assert_array_equal(open_movie(path, dataset="other").read(0, 1)[0], movie[0, :3])


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, movie, order):
    np.save(tmp_path / "a.npy", np.asarray(movie, order=order))
    stack = _check(open_movie(tmp_path / "a.npy"), movie)
    assert isinstance(stack.frames, RawFrames) == (order == "C")
    np.save(tmp_path / "b.npy", movie[0])
    assert open_movie(tmp_path / "b.npy").shape == (1, 6, 7)


@pytest.mark.parametrize("chunks", [None, (1, 6, 7)])
def test_hdf5(tmp_path, movie, chunks):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        item = file.create_dataset(
            "entry/data", data=movie, chunks=chunks, compression="gzip" if chunks else None
        )
        item.attrs["pixel_nm"] = 0.3
        file["entry/labels"] = movie
    stack = _check(open_movie(tmp_path / "a.h5"), movie)
    assert isinstance(stack.frames, RawFrames) == (chunks is None)
    assert stack.pixel_nm == pytest.approx(0.3)


def test_hspy(tmp_path, movie):
    import hyperspy.api as hs

    signal = hs.signals.Signal2D(movie)
    for axis, (scale, units) in zip(
        signal.axes_manager._axes, [(0.5, "s"), (100.0, "pm"), (100.0, "pm")], strict=True
    ):
        axis.scale, axis.units = scale, units
    signal.save(tmp_path / "a.hspy")
    stack = _check(open_movie(tmp_path / "a.hspy"), movie)
    assert stack.pixel_nm == pytest.approx(0.1)
    np.testing.assert_allclose(stack.times_s, np.arange(5) * 0.5)


def test_zspy(tmp_path, movie):
    import zarr

    # Laid out by hand: RosettaSciIO writes .zspy only with Zarr version 2.
    group = zarr.open_group(str(tmp_path / "a.zspy"), mode="w", zarr_format=2)
    experiment = group.create_group("Experiments/film")
    experiment.create_array("data", data=movie, chunks=(1, 6, 7))
    for index, (scale, units) in enumerate([(0.5, "s"), (100.0, "pm"), (100.0, "pm")]):
        experiment.create_group(f"axis-{index}").attrs.update({"scale": scale, "units": units})
    stack = _check(open_movie(tmp_path / "a.zspy"), movie)
    assert stack.pixel_nm == pytest.approx(0.1)
    np.testing.assert_allclose(stack.times_s, np.arange(5) * 0.5)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, movie, version):
    import zarr

    path = tmp_path / "a.ome.zarr"
    axes = [
        {"name": "t", "type": "time", "unit": "millisecond"},
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    scale = [{"type": "scale", "scale": [40.0, 1.0, 1e-4, 1e-4]}]
    multiscales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        group.attrs["multiscales"] = multiscales
    else:
        group.attrs["ome"] = {"version": version, "multiscales": multiscales}
    group.create_array("0", data=movie[:, None], chunks=(2, 1, 6, 7))
    stack = _check(open_movie(path), movie)
    assert stack.name == "a"
    assert stack.pixel_nm == pytest.approx(0.1)
    assert stack.times_s[1] == pytest.approx(0.04)


def test_pictures_grey_and_grey_stored_as_colour(tmp_path, movie):
    from PIL import Image

    grey = movie[0].astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "b.png")
    tifffile.imwrite(tmp_path / "c.tif", np.stack([grey] * 3, -1), photometric="rgb")
    Image.fromarray(movie[0]).save(tmp_path / "d.png")
    for name in "ab":
        np.testing.assert_array_equal(open_movie(tmp_path / f"{name}.png").read(0, 1)[0], grey)
    np.testing.assert_array_equal(open_movie(tmp_path / "c.tif").read(0, 1)[0], grey)
    np.testing.assert_array_equal(open_movie(tmp_path / "d.png").read(0, 1)[0], movie[0])
    for name in ("b.png", "c.tif"):
        assert any("stored as colour" in note for note in open_movie(tmp_path / name).notes)


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.filterwarnings("ignore:.*stored as RGB:DeprecationWarning")
def test_three_or_four_frames_are_no_colours(tmp_path, movie, count):
    tifffile.imwrite(tmp_path / "few.tif", movie[:count])
    for painted in (False, True):
        stack = open_movie(tmp_path / "few.tif", painted=painted)
        np.testing.assert_array_equal(stack.read(0, count), movie[:count])


def test_oblong_pixels_are_refused_unless_the_user_knows_better(tmp_path, movie):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "TYX", "PhysicalSizeX": 1.0, "PhysicalSizeY": 2.0, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(path, movie, ome=True, metadata={**metadata, "PhysicalSizeYUnit": "nm"})
    with pytest.raises(CalibrationError, match="square"):
        open_movie(path)
    assert open_movie(path, pixel_nm=0.7).pixel_nm == 0.7


READERS = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".mrc": "mrc",
    ".emd": "emd",
    ".tvips": "tvips",
    ".ser": "tia",
}


@pytest.mark.parametrize(
    "name",
    [
        "readers/test_stackbuilder_imagestack.dm3",
        "readers/dmTest_3D_int16_64,65,66.dm4",
        "readers/digitalmicrograph_3D/test-2.dm4",
        "readers/Fei HAADF-UK_location.dm3",
        "needle_stack/HAADF.dm3",
        "readers/fei_example_tem_stack.emd",
        "readers/128x128x5-diffraction_preview_1.ser",
        "readers/mrc/HAADFscan.mrc",
        "readers/mrc/Custom_movie.mrc",
        "readers/mrc/ROI_Random_Scan_movie.mrc",
        "readers/tvips/test_tvips_2233_000.tvips",
        "readers/tvips/test_tvips_2345_split_000.tvips",
    ],
)
def test_real_files_equal_rosettasciio(real_data, name):
    import importlib

    path = real_data / name
    stack = open_movie(path, pixel_nm=1.0)
    expected = importlib.import_module(f"rsciio.{READERS[path.suffix]}").file_reader(str(path))[0]["data"]
    copy = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(copy.read(0, stack.n_frames), np.reshape(expected, stack.shape))
    if path.suffix != ".emd":
        assert isinstance(stack.frames, RawFrames | ChainedFrames)


def test_real_calibration(real_data):
    velox = open_movie(real_data / "readers/fei_example_tem_stack.emd")
    assert velox.pixel_nm == pytest.approx(0.0081728832)
    np.testing.assert_allclose(velox.times_s, [0, 0.8])
    assert velox.start.isoformat() == "2019-12-05T10:03:44"
    titanium = open_movie(real_data / "ti_dislocation_movie/line_motion_17.npz")
    assert titanium.shape == (17, 514, 660)
    assert titanium.pixel_nm == pytest.approx(0.256, abs=1e-3)
    assert titanium.times_s[-1] == 16
    raw = open_movie(real_data / "pt_ceo2_movie/pt_ceo2_40frames.npz")
    assert any("array raw" in note for note in raw.notes)
    # A pixel size of -1 nm stands in the file.
    assert open_movie(real_data / "readers/mrc/Custom_movie.mrc").pixel_nm is None


def test_a_tree_of_movies(tmp_path, movie):
    write_dm4(tmp_path / "film 10.dm4", movie)
    write_dm4(tmp_path / "film 9.dm4", movie)
    for index in (1, 2, 10):
        (tmp_path / "single").mkdir(exist_ok=True)
        np.save(tmp_path / "single" / f"frame {index}.npy", movie[0] + index)
    for name in ("log.csv", ".hidden.npy", "film_001.tvips", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".hidden").mkdir()
    np.save(tmp_path / ".hidden" / "a.npy", movie)
    (tmp_path / "results" / "x").mkdir(parents=True)
    (tmp_path / "results" / "provenance.json").write_text(json.dumps({}))
    np.save(tmp_path / "results" / "a.npy", movie)
    found = movies_below(tmp_path)
    assert [path.name for path in found] == ["film 9.dm4", "film 10.dm4", "single"]
    single = open_movie(found[2])
    assert single.one_file_a_frame
    np.testing.assert_array_equal(single.read(0, 3)[:, 0, 0] - movie[0, 0, 0], [1, 2, 10])


def test_an_emi_stands_back_for_its_series(tmp_path):
    (tmp_path / "a.emi").write_bytes(b"x")
    assert is_movie_file(tmp_path / "a.emi")
    (tmp_path / "a_1.ser").write_bytes(b"x")
    assert not is_movie_file(tmp_path / "a.emi")


def test_the_fingerprint_follows_the_file(tmp_path, movie):
    np.save(tmp_path / "a.npy", movie)
    before = open_movie(tmp_path / "a.npy").fingerprint
    movie[2, 2, 2] += 1
    np.save(tmp_path / "a.npy", movie)
    assert open_movie(tmp_path / "a.npy").fingerprint != before


def test_the_door_is_light():
    heavy = ["rsciio", "hyperspy", "tifffile", "h5py", "zarr", "dask", "PIL", "scipy", "pandas"]
    code = f"import temflux.engine.files.read, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
