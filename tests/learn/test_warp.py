"""Windows at any angle and scale: image and label stay together, and noise stays what it was."""

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.learn.augment import Augmentation, augment, cut_window
from temflux.engine.learn.samples import SampleSettings, open_samples
from temflux.engine.learn.warp import add_noise, warp_window

from .sets import make_set


def disc(side=64, centre=(30.0, 36.0), radius=9.0):
    y, x = np.mgrid[:side, :side]
    label = (np.hypot(y - centre[0], x - centre[1]) < radius).astype(np.float32)[..., None]
    return 5 - 3 * label, label


def test_no_turn_and_no_scale_is_a_cut():
    image = np.random.default_rng(0).normal(size=(40, 40, 2)).astype(np.float32)
    window, label = warp_window(image, image[..., :1] > 0, (8, 8), centre=(13.5, 20.5))
    np.testing.assert_allclose(window, image[10:18, 17:25], atol=1e-4)
    np.testing.assert_array_equal(label, image[10:18, 17:25, :1] > 0)


def test_a_quarter_turn_is_a_quarter_turn():
    image = np.random.default_rng(0).normal(size=(33, 33, 1)).astype(np.float32)
    window, _ = warp_window(image, image, (33, 33), centre=(16, 16), angle_rad=np.pi / 2)
    turned = [np.abs(window - np.rot90(image, quarters)).max() for quarters in (1, 3)]
    assert min(turned) < 1e-3


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_the_label_follows_and_areas_scale(scale, angle):
    image, label = disc()
    window, followed = warp_window(image, label, (48, 48), centre=(30.3, 36.2), angle_rad=angle, scale=scale)
    assert followed.sum() == pytest.approx(label.sum() * scale**2, rel=0.05)
    assert np.array_equal(window[..., 0] < 3.5, followed[..., 0] > 0.5) or (
        np.mean((window[..., 0] < 3.5) != (followed[..., 0] > 0.5)) < 0.02
    )


def test_windows_beyond_the_edge_are_mirrored():
    image, label = disc(side=24)
    window, _ = warp_window(image, label, (24, 24), centre=(0, 0), angle_rad=0.4, scale=0.7)
    assert np.isfinite(window).all()
    assert window.max() < 6


def test_noise_keeps_its_strength():
    noise = np.random.default_rng(0).normal(size=(96, 96, 1)).astype(np.float32)
    window, _ = warp_window(noise, noise, (64, 64), centre=(48, 48), angle_rad=0.5)
    assert 0.8 < window.std() < 1.1


def test_cutting_is_as_before_where_nothing_is_warped():
    image = np.random.default_rng(0).normal(size=(20, 20, 1))
    plain = cut_window(np.random.default_rng(5), image, image, (8, 8))[0]
    varied = cut_window(np.random.default_rng(5), image, image, (8, 8), how=Augmentation())[0]
    np.testing.assert_array_equal(plain, varied)
    warped = cut_window(np.random.default_rng(5), image, image > 0, (8, 8), how=Augmentation(angles=True))[0]
    assert warped.shape == plain.shape
    assert not np.allclose(warped, plain)


def test_noise_adds():
    image = np.random.default_rng(0).normal(size=(64, 64, 1)).astype(np.float32)
    assert add_noise(np.random.default_rng(1), image, 1.0).std() == pytest.approx(np.sqrt(2), rel=0.05)
    still = Augmentation(flips=False, turns=False, brightness=None, contrast=None, gamma=None)
    same, _ = augment(np.random.default_rng(2), image, image, how=still)
    np.testing.assert_array_equal(same, image)


@pytest.mark.parametrize(
    ("values", "said"),
    [({"scale": (0, 1)}, "scale"), ({"noise": (-1, 1)}, "noise"), ({"noise": (2, 1)}, "noise")],
)
def test_impossible_ranges_are_said(values, said):
    with pytest.raises(SettingsError, match=said):
        Augmentation(**values)
    with pytest.raises(SettingsError, match="scale: expected above 0"):
        warp_window(*disc(), (8, 8), centre=(8, 8), scale=0)


@pytest.mark.parametrize("warped", [{"angles": True}, {"scale": (0.9, 1.1)}])
def test_labels_that_a_warp_would_round_are_refused(warped, tmp_path):
    how = SampleSettings(crop_px=16, augmentation=Augmentation(**warped))
    spots = make_set(tmp_path / "spots", label="Gaussian", dtype="float32")
    open_samples([make_set(tmp_path / "masks")], how)
    open_samples([spots], how, training=False)
    with pytest.raises(SettingsError, match=r"a label of yes and no \(Mask, Disk\), got Gaussian; leave"):
        open_samples([spots], how)
