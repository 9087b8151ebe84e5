"""Labels that people make: masks, pictures, probabilities, numbers of particles; what is none."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from temflux.engine.base.errors import DataError
from temflux.engine.workflows.adapting.label_masks import masks_of_labels

SQUARE = np.zeros((24, 32), bool)
SQUARE[4:12, 6:20] = True


def one_mask(label):
    return masks_of_labels(label[np.newaxis])[0][0]


def discs(count=9, side=160, radius=(4, 16), *, seed=0, numbers=None):
    """Numbers of discs, some of which touch, none of which is hidden."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    label = np.zeros((side, side), np.int32)
    for number in numbers if numbers is not None else range(1, count + 1):
        at, r = rng.uniform(0, side, 2), rng.uniform(*radius)
        label[((y - at[0]) ** 2 + (x - at[1]) ** 2 < r**2) & (label == 0)] = number
    return label


def as_jpeg(mask, quality):
    file = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


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
    np.testing.assert_array_equal(one_mask(label), SQUARE)


def test_smoothed_edges_of_a_picture_are_cut_at_half():
    picture = SQUARE * np.uint8(255)
    picture[3, 6:20], picture[12, 6:20] = 100, 200
    mask = one_mask(picture)
    assert not mask[3].any()
    assert mask[12, 6:20].all()
    assert mask[4:12, 6:20].all()


def test_touching_particles_are_kept_apart():
    labels = np.zeros((10, 12), np.int32)
    labels[2:8, 1:6], labels[2:8, 6:11] = 4, 9
    mask = one_mask(labels)
    assert mask[2:8, 1:5].all()
    assert mask[2:8, 7:11].all()
    assert not mask[:, 5:7].any()
    assert one_mask(np.where(labels > 0, 4, 0)).sum() == 60


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
        one_mask(label)


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95, 98, 100])
@pytest.mark.parametrize("radius", [(3, 6), (4, 16), (20, 40)])
def test_masks_may_be_jpegs(quality, radius):
    masks = np.stack([discs(radius=radius, seed=seed) > 0 for seed in range(3)])
    found, parted_px = masks_of_labels(np.stack([as_jpeg(mask, quality) for mask in masks]))
    assert parted_px == 0
    assert np.mean(found != masks) < 0.01


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("sigma_px", [0.5, 1, 2])
@pytest.mark.parametrize("top", [1, 0.9])
def test_edges_may_be_smooth(dtype, sigma_px, top):
    masks = np.stack([discs(radius=(6, 16), seed=seed) > 0 for seed in range(3)])
    white = top * np.iinfo(dtype).max
    smooth = np.stack([ndimage.gaussian_filter(mask * white, sigma_px) for mask in masks]).astype(dtype)
    found, parted_px = masks_of_labels(smooth)
    assert parted_px == 0
    assert np.mean(found != masks) < 0.01


@pytest.mark.parametrize(
    "numbers", [[1, 2], [1, 255], range(1, 10), range(247, 256), range(1, 60), [40, 300, 65535]]
)
@pytest.mark.parametrize("radius", [(3, 6), (4, 16), (10, 30)])
def test_numbers_of_particles_stay_numbers(numbers, radius):
    labels = np.stack([discs(radius=radius, seed=seed, numbers=numbers) for seed in range(3)])
    labels = labels.astype(np.uint8 if max(numbers) < 256 else np.uint16)
    found, parted_px = masks_of_labels(labels)
    assert np.count_nonzero(found) == np.count_nonzero(labels) - parted_px
    for label, mask in zip(labels, found, strict=True):
        apart, count = ndimage.label(mask, np.ones((3, 3)))
        assert all(len(np.unique(label[apart == one])) == 1 for one in range(1, count + 1))


def test_few_pixels_of_one_number_do_not_make_the_others_white():
    label = np.zeros((40, 40), np.uint8)
    label[2:12, 2:12], label[14:38, 14:38] = 1, 255
    np.testing.assert_array_equal(one_mask(label), label > 0)


def test_what_would_be_lost_is_refused():
    tiles = np.kron(np.arange(1, 101).reshape(10, 10), np.ones((4, 4), int))
    with pytest.raises(DataError, match=r"\d\d % of what they mark touches another number; give masks of 0"):
        one_mask(np.pad(tiles, 8))


@pytest.mark.parametrize("label", [np.ones((8, 8), int), 1 + SQUARE, np.full((8, 8), 0.9)])
def test_what_marks_every_pixel_is_refused(label):
    with pytest.raises(DataError, match="that mark every pixel; take 0 for the background"):
        one_mask(label)


def test_what_marks_nothing_is_refused():
    with pytest.raises(DataError, match="mark something, got 1 empty ones"):
        one_mask(0 * SQUARE)


def test_frames_are_no_masks():
    frame = np.random.default_rng(0).poisson(60 - 35 * (discs() > 0))
    with pytest.raises(DataError, match="expected masks, got pictures with more grey than white"):
        one_mask(frame.astype(np.uint16))
