"""Simple bright-field images: dark where the mask says, alike for the same seed, as varied as asked."""

import numpy as np
import pytest
from scipy import ndimage

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.bright_field import BrightField, draw_bright_field


def draw(seed=0, shape=(96, 128), **how):
    return draw_bright_field(np.random.default_rng(seed), shape, how=BrightField(**how))


def test_the_same_seed_gives_the_same_image():
    image, mask = draw()
    again, mask_again = draw()
    assert image.shape == mask.shape == (96, 128)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(mask, mask_again)
    assert not np.array_equal(mask, draw(seed=1)[1])


@pytest.mark.parametrize("seed", range(5))
def test_particles_are_darker_where_the_mask_says(seed):
    image, mask = draw(
        seed, contrast=(0.4, 0.4), electrons_per_px=(100, 100), radius_px=(10, 20), cover=(0.2, 0.2)
    )
    inside, outside = image[ndimage.binary_erosion(mask, iterations=4)], image[~ndimage.binary_dilation(mask)]
    assert inside.mean() < 0.85 * outside.mean()
    assert 0.15 < mask.mean() < 0.4


def test_dose_and_share_of_empty_images_are_as_asked():
    assert draw(electrons_per_px=(50, 50), empty_share=1)[0].mean() == pytest.approx(50, rel=0.05)
    assert not draw(empty_share=1)[1].any()
    assert draw(empty_share=0)[1].any()


def test_ranges_that_cannot_be_are_said():
    with pytest.raises(SettingsError, match="radius_px: expected a rising range above 0"):
        BrightField(radius_px=(5, 3))
    with pytest.raises(SettingsError, match="empty_share: expected 0 to 1"):
        BrightField(empty_share=2)
