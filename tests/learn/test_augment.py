import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.base.seeds import generator
from temflux.engine.learn.augment import (
    Augmentation,
    augment,
    change_brightness,
    change_contrast,
    change_gamma,
    flip,
    turn,
)


def pair(shape=(12, 12)):
    image = generator(3, "image").normal(size=(*shape, 2)).astype(np.float32)
    return image, (image[..., :1] > 0.5).astype(np.float32)


@pytest.mark.parametrize("change", [flip, turn])
@pytest.mark.parametrize("shape", [(12, 12), (8, 12)])
def test_the_label_follows_the_geometry(change, shape):
    image, label = pair(shape)
    seen = set()
    for seed in range(40):
        changed, followed = change(generator(seed), image, label)
        assert changed.shape == image.shape
        np.testing.assert_array_equal(followed, changed[..., :1] > 0.5)
        seen.add(changed.tobytes())
    square = shape[0] == shape[1]
    assert len(seen) == (4 if change is flip or square else 2)


def test_intensity_leaves_the_label_alone():
    image, label = pair()
    still = Augmentation(flips=False, turns=False)
    changed, followed = augment(generator(1), image, label, how=still)
    np.testing.assert_array_equal(followed, label)
    assert not np.allclose(changed, image)


def test_each_operation_is_its_equation():
    image, _ = pair()
    b = generator(4).uniform(-1, 1)
    np.testing.assert_allclose(change_brightness(generator(4), image, (-1, 1)), image + b, atol=1e-6)
    c = generator(4).uniform(0.5, 2)
    mean = image.mean(axis=(0, 1))
    expected = (image - mean) * c + mean
    np.testing.assert_allclose(change_contrast(generator(4), image, (0.5, 2)), expected, atol=1e-5)
    low, width = image.min(), np.ptp(image)
    expected = ((image - low) / width) ** c * width + low
    np.testing.assert_allclose(change_gamma(generator(4), image, (0.5, 2)), expected, atol=1e-5)


def test_gamma_is_no_factor():
    """Eq. 3.4 as printed would keep the ratios of differences; an exponent does not."""
    image = np.linspace(0, 1, 5, dtype=np.float32).reshape(5, 1, 1)
    steps = np.diff(change_gamma(generator(0), image, (2, 2)).ravel())
    np.testing.assert_allclose(steps, [1 / 16, 3 / 16, 5 / 16, 7 / 16])


def test_a_constant_image_survives():
    image = np.full((4, 4, 1), 3.0, np.float32)
    changed, _ = augment(generator(2), image, image, how=Augmentation(brightness=None))
    np.testing.assert_array_equal(changed, image)


def test_switching_one_off_leaves_the_others_as_drawn():
    image, label = pair()
    every = augment(generator(7), image, label, how=Augmentation(brightness=None, gamma=None))
    turned = augment(generator(7), image, label, how=Augmentation(False, True, None, None, None))
    flipped = flip(generator(7).spawn(5)[0], image, label)
    np.testing.assert_array_equal(every[1], turn(generator(7).spawn(5)[1], *flipped)[1])
    np.testing.assert_array_equal(turned[1], turn(generator(7).spawn(5)[1], image, label)[1])


def test_the_type_stays():
    image, label = pair()
    changed, _ = augment(generator(1), image, label, how=Augmentation())
    assert changed.dtype == np.float32
    assert changed.flags.c_contiguous


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gamma": (0, 1)}, "gamma: expected a lower and an upper bound above 0, got"),
        ({"contrast": (1.1, 0.9)}, "contrast: expected"),
        ({"brightness": (0, float("nan"))}, "brightness: expected a lower and an upper bound, got"),
    ],
)
def test_impossible_ranges_are_one_line(values, said):
    with pytest.raises(SettingsError, match=said):
        Augmentation(**values)
