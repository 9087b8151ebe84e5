"""Frames that somebody labelled: which are read, from which files, and what does not fit."""

import hashlib

import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imsave

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.workflows.adapting import labelled_frames
from temflux.engine.workflows.adapting.labelled_frames import read_labelled_frames

SQUARE = np.zeros((24, 32), bool)
SQUARE[4:12, 6:20] = True


def frames(folder, count=3):
    movie = np.random.default_rng(0).normal(100, 5, (count, *SQUARE.shape)).astype(np.float32)
    np.save(folder / "frames.npy", movie - 30 * SQUARE)
    return folder / "frames.npy"


def stacked(folder, kind, label):
    label = np.stack([label] * 3)
    if kind == "tif":
        tifffile.imwrite(folder / "labels.tif", label)
    elif kind == "npy":
        np.save(folder / "labels.npy", label)
    elif kind == "zarr":
        zarr.save(str(folder / "labels.zarr"), label)
    else:
        (folder / "labels").mkdir()
        for number, one in enumerate(label):
            imsave(folder / "labels" / f"m{number}.png", (one > 0) * np.uint8(255), check_contrast=False)
        return folder / "labels"
    return folder / f"labels.{kind}"


@pytest.mark.parametrize("kind", ["tif", "npy", "zarr", "png"])
@pytest.mark.filterwarnings("ignore:.*stored as RGB:DeprecationWarning")
def test_labels_come_from_every_usual_file(tmp_path, kind):
    labels = stacked(tmp_path, kind, SQUARE * np.int32(5))
    read = read_labelled_frames(frames(tmp_path), labels, pixel_nm=0.05)
    np.testing.assert_array_equal(read.masks, np.stack([SQUARE] * 3))
    assert read.sampling_A == pytest.approx(0.5)
    assert read.sources["masks"] == str(labels)
    assert read.fingerprints["masks_sha256"] == hashlib.sha256(read.masks.tobytes()).hexdigest()
    assert read.notes == ()


def test_touching_and_empty_labels_are_told_of(tmp_path):
    labels = np.stack([SQUARE * np.int32(5)] * 3)
    labels[0, 4:12, 10:20] = 6
    labels[1] = 0
    np.save(tmp_path / "labels.npy", labels)
    movie = frames(tmp_path)
    read = read_labelled_frames(movie, tmp_path / "labels.npy", pixel_nm=0.05)
    assert "16 px where labels touch" in read.notes[0]
    assert "1 of 3 frames have no mark and are left out; --empty-frames takes them" in read.notes[1]
    np.testing.assert_array_equal(read.frames, np.load(movie)[[0, 2]])
    np.testing.assert_array_equal(read.masks[1], SQUARE)
    read = read_labelled_frames(movie, tmp_path / "labels.npy", pixel_nm=0.05, empty_frames=True)
    assert "1 of 3 masks are empty" in read.notes[1]
    assert len(read) == 3
    assert not read.masks[1].any()


def test_few_frames_of_a_long_movie_may_be_painted(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_frames, "_MOST_PIXELS", 3 * SQUARE.size)
    labels = np.zeros((40, *SQUARE.shape), np.int32)
    labels[[7, 30]] = SQUARE
    np.save(tmp_path / "labels.npy", labels)
    movie = frames(tmp_path, count=40)
    read = read_labelled_frames(movie, tmp_path / "labels.npy", pixel_nm=0.05)
    np.testing.assert_array_equal(read.frames, np.load(movie)[[7, 30]])
    with pytest.raises(DataError, match="a handful of labelled frames, got 40 in 40 of 24"):
        read_labelled_frames(movie, tmp_path / "labels.npy", pixel_nm=0.05, empty_frames=True)


def test_what_does_not_fit_is_said(tmp_path):
    movie = frames(tmp_path)

    def read(labels, pixel_nm=0.05):
        np.save(tmp_path / "labels.npy", labels)
        return read_labelled_frames(movie, tmp_path / "labels.npy", pixel_nm=pixel_nm)

    three = np.stack([SQUARE] * 3)
    with pytest.raises(DataError, match=r"same size, 3 of 24 × 32 px, got 2 of 24 × 32 px"):
        read(three[:2])
    with pytest.raises(DataError, match=r"got 3 of 24 × 30 px"):
        read(three[..., :30])
    with pytest.raises(DataError, match=r"that mark something, got 3 empty ones"):
        read(0 * three)
    with pytest.raises(CalibrationError, match=r"no pixel size is known.*give --pixel-nm"):
        read(three, pixel_nm=None)


def test_frames_of_several_sizes_are_said(tmp_path):
    (tmp_path / "many").mkdir()
    for number, side in enumerate((24, 32)):
        tifffile.imwrite(tmp_path / "many" / f"f{number}.tif", np.zeros((24, side), np.uint8))
    with pytest.raises(DataError, match="frames differ in shape"):
        read_labelled_frames(tmp_path / "many", tmp_path / "many", pixel_nm=0.05)
