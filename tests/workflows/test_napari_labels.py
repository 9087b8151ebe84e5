"""Labels painted in napari: saved as its writer saves them, and learnt from on the command line."""

import numpy as np
import pytest
import tifffile

from temflux.batch.cli import main
from temflux.batch.exit_codes import GOOD
from temflux.engine.learn.model_files import load_model
from temflux.engine.workflows.adapting.label_masks import masks_of_labels
from temflux.engine.workflows.adapting.labelled_frames import read_labelled_frames

from .test_adapt import make_model


def save_as_napari(path, labels):
    """Write a Labels layer as napari does; without napari, with its rule: 4 bytes or more, zlib."""
    try:
        from napari_builtins.io import napari_write_labels
    except ImportError:
        kept = labels if labels.dtype.itemsize >= 4 else labels.astype(np.uint32)
        tifffile.imwrite(path, kept, compression="zlib", compressionargs={"level": 1})
    else:
        napari_write_labels(str(path), labels, {})
    return path


@pytest.fixture(scope="module")
def painted():
    """Frames with dark squares, and the numbers that were painted on them, two of which touch."""
    rng = np.random.default_rng(1)
    labels = np.zeros((4, 48, 48), np.int64)
    for label in labels:
        top, left = rng.integers(2, 20, 2)
        label[top : top + 12, left : left + 10] = 1
        label[top : top + 12, left + 10 : left + 20] = 7
        label[40:46, 2:10] = 300
    return rng.poisson(60 - 35 * (labels > 0)).astype(np.uint16), labels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.int64])
def test_the_masks_are_what_was_painted(painted, tmp_path, dtype):
    frames, labels = painted
    labels = np.minimum(labels, 200).astype(dtype)
    tifffile.imwrite(tmp_path / "frames.tif", frames)
    path = save_as_napari(tmp_path / "labels.tif", labels)
    read = read_labelled_frames(tmp_path / "frames.tif", path, pixel_nm=0.05)
    np.testing.assert_array_equal(read.masks, masks_of_labels(labels)[0])
    assert (read.masks > 0).sum() == np.count_nonzero(labels) - 4 * 24
    assert any("96 px where labels touch" in note for note in read.notes)


@pytest.mark.parametrize("count", [1, 4])
def test_a_model_learns_from_them(painted, tmp_path, count):
    frames, labels = painted
    tifffile.imwrite(tmp_path / "frames.tif", frames[:count].squeeze())
    masks = save_as_napari(tmp_path / "labels.tif", labels[:count].squeeze().astype(np.int32))
    model, out = make_model(tmp_path / "plain"), tmp_path / "run"
    given = ["--from", str(model), str(tmp_path / "frames.tif"), str(masks), "--out", str(out)]
    quick = ["--epochs", "1", "--samples", "4", "--batch-size", "2", "--crop-px", "32", "--pixel-nm", "0.03"]
    assert main(["train", *given, *quick, "--no-compiled"]) == GOOD
    card = load_model(out / "model").card
    assert card.recipe["based_on"]["name"] == "plain"
    assert len(card.recipe["used"]) == (3 if count == 4 else 1)
