"""Labels that people make: masks, pictures, probabilities, numbers of particles; what is none."""

import hashlib

import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imsave

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.workflows.labelled_frames import mask_of_label, read_labelled_frames

SQUARE = np.zeros((24, 32), bool)
SQUARE[4:12, 6:20] = True


@pytest.mark.parametrize(
    "label",
    [
        SQUARE,
        SQUARE.astype(np.uint8),
        SQUARE * np.uint8(255),
        SQUARE * np.int32(7),
        np.where(SQUARE, 0.8, 0.3),
        SQUARE * 3.0,
        SQUARE * np.uint16(65535),
    ],
    ids=["bool", "ones", "white", "number", "probability", "float number", "16 bits"],
)
def test_every_kind_of_mask_is_the_same_mask(label):
    np.testing.assert_array_equal(mask_of_label(label), SQUARE)


def test_smoothed_edges_of_a_picture_are_cut_at_half():
    picture = SQUARE * np.uint8(255)
    picture[3, 6:20], picture[12, 6:20] = 100, 200
    mask = mask_of_label(picture)
    assert not mask[3].any()
    assert mask[12, 6:20].all()
    assert mask[4:12, 6:20].all()


def test_touching_particles_are_kept_apart():
    labels = np.zeros((10, 12), np.int32)
    labels[2:8, 1:6], labels[2:8, 6:11] = 4, 9
    mask = mask_of_label(labels)
    assert mask[2:8, 1:5].all()
    assert mask[2:8, 7:11].all()
    assert not mask[:, 5:7].any()
    assert mask_of_label(np.where(labels > 0, 4, 0)).sum() == 60


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (SQUARE * -1, "expected 0 outside and more inside, got -1"),
        (np.where(SQUARE, np.nan, 0), "expected finite real numbers"),
        (SQUARE * 2.5, "expected probabilities from 0 to 1 or whole numbers, got 2.5"),
        (SQUARE * 1j, "expected finite real numbers, got complex128"),
    ],
)
def test_what_is_no_label_is_said(label, said):
    with pytest.raises(DataError, match=said):
        mask_of_label(label)


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
    labels[2] = 0
    np.save(tmp_path / "labels.npy", labels)
    notes = read_labelled_frames(frames(tmp_path), tmp_path / "labels.npy", pixel_nm=0.05).notes
    assert "16 px where labels touch" in notes[0]
    assert "1 of 3 masks are empty" in notes[1]


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
