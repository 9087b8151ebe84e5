"""Every kind of bad file gets one line that says what and where, and nothing else reaches the terminal."""

import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from temflux.engine.base.errors import CalibrationError, DataError, ReadError, TemfluxError
from temflux.engine.files.dose import dose_from_vacuum
from temflux.engine.files.read import KNOWN_SUFFIXES, movies_below, open_movie

from ..files.dm4 import write_dm4

MOVIE = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)


def _mrc(path, pixels, *, side_A=1.5, mode=6):
    header = bytearray(1024)
    frames, rows, columns = pixels.shape
    header[0:16] = struct.pack("<4i", columns, rows, frames, mode)
    header[28:40] = struct.pack("<3i", columns, rows, frames)
    header[40:52] = struct.pack("<3f", columns * side_A, rows * side_A, frames)
    path.write_bytes(bytes(header) + pixels.tobytes())


def _hdf5(path, pixels):
    import h5py

    with h5py.File(path, "w") as file:
        file["data"] = pixels


def _zarr(path, pixels):
    import zarr

    zarr.create_array(str(path), data=pixels)


def _png(path, pixels):
    from PIL import Image

    Image.fromarray(pixels[0]).save(path)


WRITERS = {
    ".dm4": write_dm4,
    ".mrc": _mrc,
    ".tif": tifffile.imwrite,
    ".npy": np.save,
    ".npz": lambda path, pixels: np.savez(path, frames=pixels),
    ".h5": _hdf5,
    ".png": _png,
}


def _refused(path, kind=TemfluxError, **options):
    with pytest.raises(kind) as caught:
        stack = open_movie(path, **options)
        stack.read(0, stack.n_frames)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_truncated(tmp_path, suffix, share, capfd):
    path = tmp_path / f"ein Film ü{suffix}"
    WRITERS[suffix](path, MOVIE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert path.name in _refused(path, ReadError)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [suffix for suffix in KNOWN_SUFFIXES if suffix not in (".zarr", ".zspy")])
def test_empty_and_not_what_the_name_says(tmp_path, suffix, capfd):
    path = tmp_path / f"a b{suffix}"
    path.write_bytes(b"")
    assert "empty" in _refused(path, ReadError)
    path.write_bytes(b"this is a letter, not a movie " * 200)
    assert path.name in _refused(path, TemfluxError)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_no_frames(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](path, MOVIE[:0])
    assert "no frames" in _refused(path, DataError)


def test_no_frames_in_mrc(tmp_path):
    _mrc(tmp_path / "a.mrc", MOVIE[:0])
    assert "no frames" in _refused(tmp_path / "a.mrc", DataError)


@pytest.mark.parametrize(
    ("pixels", "word"),
    [
        (MOVIE.astype(complex), "modulus"),
        (np.zeros((3, 4, 4), [("r", "u1"), ("g", "u1")]), "fields"),
        (np.full((3, 4, 4), "text"), "text"),
    ],
)
def test_pixels_that_are_not_real_numbers(tmp_path, pixels, word):
    np.save(tmp_path / "a.npy", pixels)
    assert word in _refused(tmp_path / "a.npy", DataError)


def test_pickled_arrays_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    np.save(tmp_path / "a.npy", np.array([[Trap()]], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", frames=np.array([[1, "a"]], object), allow_pickle=True)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "d.npz").write_bytes(pickle.dumps(Trap()))
    for name in ("a.npy", "b.npz", "c.npy", "d.npz"):
        _refused(tmp_path / name, TemfluxError)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_true_colour(tmp_path, suffix):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    if suffix == ".png":
        Image.fromarray(pixels).save(tmp_path / "a.png")
    else:
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    assert "colour" in _refused(tmp_path / f"a{suffix}", DataError)


def test_too_many_axes_name_the_remedy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5)))
    assert "choose one channel" in _refused(tmp_path / "a.npy", DataError)
    np.save(tmp_path / "b.npy", np.zeros(5))
    assert "expected frames" in _refused(tmp_path / "b.npy", DataError)


def test_pages_of_different_shapes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(MOVIE[0])
        writer.write(MOVIE[0, :8])
    assert "different shapes" in _refused(tmp_path / "a.tif", DataError)


def test_frames_of_different_shapes_in_a_folder(tmp_path):
    for index in range(3):
        np.save(tmp_path / f"{index}.npy", MOVIE[0, : 16 - index])
    text = _refused(tmp_path, DataError)
    assert "0.npy is 16 x 16" in text
    assert "1.npy is 15 x 16" in text


@pytest.mark.parametrize("side_A", [-1.5, 0.0, float("nan")])
def test_an_impossible_pixel_size_is_left_out(tmp_path, side_A):
    _mrc(tmp_path / "a.mrc", MOVIE, side_A=side_A)
    stack = open_movie(tmp_path / "a.mrc")
    assert stack.pixel_nm is None
    assert any("--pixel-nm" in said for said in stack.unknown)
    assert side_A == 0 or any("impossible" in note for note in stack.notes)
    _mrc(tmp_path / "b.mrc", MOVIE)
    assert open_movie(tmp_path / "b.mrc").pixel_nm == pytest.approx(0.15)


def test_oblong_pixels(real_data):
    path = real_data / "readers" / "dmTest_float32_nonSquare_diffPixelSize.dm4"
    assert "0.2 nm (y) by 1 nm (x)" in _refused(path, CalibrationError)
    assert open_movie(path, pixel_nm=0.5).pixel_nm == 0.5


def test_scans_spectra_and_lone_parts(real_data):
    readers = real_data / "readers"
    assert "4D-STEM" in _refused(readers / "blockfile" / "test1.blo", DataError)
    assert "spectra" in _refused(readers / "digitalmicrograph_3D" / "EELS_SI.dm4", DataError)
    assert "colour" in _refused(readers / "digitalmicrograph_3D" / "test-23.dm4", DataError)
    assert "later part" in _refused(readers / "tvips" / "test_tvips_2345_split_001.tvips", ReadError)


def test_wrong_names_list_the_choices(tmp_path):
    np.savez(tmp_path / "a.npz", frames=MOVIE, masks=MOVIE > 2)
    text = _refused(tmp_path / "a.npz", ReadError, dataset="film")
    assert "frames 3x16x16 uint16" in text
    assert "masks" in text
    np.savez(tmp_path / "b.npz", a=np.zeros(3), b=np.zeros(4))
    assert "it holds a 3" in _refused(tmp_path / "b.npz", DataError)


def test_missing_unknown_and_mixed(tmp_path):
    assert "does not exist" in _refused(tmp_path / "none.dm4", ReadError)
    with pytest.raises(ReadError, match="does not exist"):
        movies_below(tmp_path / "none")
    (tmp_path / "a.xyz").write_bytes(b"x")
    assert "unknown format" in _refused(tmp_path / "a.xyz", ReadError)
    assert movies_below(tmp_path) == []
    assert "holds no movie" in _refused(tmp_path, ReadError)
    np.save(tmp_path / "a.npy", MOVIE[0])
    tifffile.imwrite(tmp_path / "a.tif", MOVIE[0])
    assert "several formats" in _refused(tmp_path, ReadError)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="rights do not bind this user")
def test_no_permission(tmp_path):
    np.save(tmp_path / "a.npy", MOVIE)
    (tmp_path / "a.npy").chmod(0)
    assert "no permission" in _refused(tmp_path / "a.npy", ReadError)


@pytest.mark.parametrize(("counts", "gain", "side"), [(-1, 1, 1), (np.nan, 1, 1), (1, 0, 1), (1, 1, -0.1)])
def test_impossible_vacuum_doses(counts, gain, side):
    with pytest.raises(CalibrationError):
        dose_from_vacuum(counts, counts_per_electron=gain, pixel_nm=side)


def test_readers_do_not_speak_to_the_terminal(real_data):
    script = "import sys; from temflux.batch.cli import main; main(['info', sys.argv[1]])"
    file = real_data / "readers" / "001_4x2_6bit.mib"
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=False
    )
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("temflux: ")
