"""Blobs against noise, widths, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.columns.blobs import find_blobs, find_scale, measure_width
from temflux.engine.measure.columns.noise import Noise, least_contrast, measure_deviation
from tests.planted_columns import lattice, rate

SHAPE = (160, 160)


def planted(seed, *, dose=10.0, contrast=-0.5, width_px=4.5, spacing_px=24.0, shape=SHAPE):
    y, x = lattice(shape, spacing_px, margin_px=24)
    mean = rate(shape, y, x, background=dose, contrast=contrast, width_px=width_px)
    return np.random.default_rng(seed).poisson(mean), y, x


@pytest.mark.parametrize("counts", [0.3, 2.0, 50.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_frames_of_counts_alone_show_at_most_alpha_blobs(counts, sign):
    rng = np.random.default_rng(int(10 * counts) + sign)
    alpha, frames = 0.1, 150
    shown = sum(
        len(
            find_blobs(rng.poisson(counts, (96, 96)), scale_px=2.0, noise=Noise(), sign=sign, alpha=alpha)[
                "y_px"
            ]
        )
        > 0
        for _ in range(frames)
    )
    # Two standard deviations of a binomial share above what is asked for.
    assert shown / frames <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / frames)


@pytest.mark.parametrize("scale_px", [1.0, 3.0])
def test_frames_of_normal_noise_show_at_most_alpha_blobs(scale_px):
    rng = np.random.default_rng(5)
    alpha, frames, noise = 0.1, 150, Noise(None, deviation=3.0)
    found = [
        find_blobs(7 + 3 * rng.standard_normal((96, 96)), scale_px=scale_px, noise=noise, alpha=alpha)
        for _ in range(frames)
    ]
    shown = sum(len(one["y_px"]) > 0 for one in found)
    assert 0 < shown / frames <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / frames)


def test_a_normal_threshold_would_fail_at_few_counts():
    """The saddle point is what keeps bright blobs of few counts in check."""
    rng = np.random.default_rng(1)
    frames = [rng.poisson(0.3, (96, 96)) for _ in range(60)]
    as_normal = Noise(None, deviation=float(np.sqrt(0.3)))
    naive = sum(len(find_blobs(one, scale_px=2.0, noise=as_normal, alpha=0.1)["y_px"]) > 0 for one in frames)
    true = sum(len(find_blobs(one, scale_px=2.0, noise=Noise(), alpha=0.1)["y_px"]) > 0 for one in frames)
    assert naive > 2 * 0.1 * 60 > true


@pytest.mark.parametrize("contrast", [-0.5, 0.8])
def test_planted_columns_are_found_each_once(contrast):
    frame, y, x = planted(3, contrast=contrast)
    scale_px, sign, votes = find_scale([frame], noise=Noise())
    assert sign == np.sign(contrast)
    assert votes >= len(y) / 2
    found = find_blobs(frame, scale_px=scale_px, noise=Noise(), sign=sign)
    distance = np.hypot(found["y_px"][:, None] - y, found["x_px"][:, None] - x)
    assert len(found["y_px"]) == len(y)
    assert (distance.min(axis=0) < 3).all()


def test_contrast_and_scales_are_kept_to():
    frame, _, _ = planted(4)
    scale_px, sign, _ = find_scale([frame], noise=Noise(), contrast="bright", scales_px=[3.0, 4.0])
    assert sign == 1
    assert np.isnan(scale_px) or scale_px in (3.0, 4.0)


@given(down=st.integers(-6, 6), across=st.integers(-6, 6))
@settings(max_examples=8, deadline=None)
def test_a_shift_of_the_frame_shifts_the_blobs(down, across):
    frame, _, _ = planted(6, shape=(128, 128))
    moved = np.roll(frame, (down, across), axis=(0, 1))
    before, after = (find_blobs(one, scale_px=5.0, noise=Noise(), sign=-1) for one in (frame, moved))
    inner = [
        (y, x) for y, x in zip(before["y_px"], before["x_px"], strict=True) if 40 < y < 88 and 40 < x < 88
    ]
    places = set(zip(after["y_px"], after["x_px"], strict=True))
    assert inner
    assert {(y + down, x + across) for y, x in inner} <= places


def test_scaling_the_grey_levels_changes_nothing():
    frame, _, _ = planted(8)
    once = find_blobs(frame, scale_px=5.0, noise=Noise(), sign=-1)
    again = find_blobs(frame * 7.0, scale_px=5.0, noise=Noise(7.0), sign=-1)
    for name in once:
        np.testing.assert_allclose(once[name], again[name])


def test_ridges_are_no_blobs():
    y, x = np.mgrid[:128, :128]
    fringe = 40 + 20 * np.cos(2 * np.pi * (y + 0.3 * x) / 14)
    frame = np.random.default_rng(0).poisson(fringe)
    ridges = find_blobs(frame, scale_px=3.5, noise=Noise())["y_px"].size
    dots = 40 + 20 * np.cos(2 * np.pi * y / 14) * np.cos(2 * np.pi * x / 14)
    assert (
        ridges
        < 0.15 * find_blobs(np.random.default_rng(0).poisson(dots), scale_px=3.5, noise=Noise())["y_px"].size
    )


@pytest.mark.parametrize(("width_px", "spacing_px"), [(3.0, 40.0), (5.0, 40.0), (3.5, 20.0), (4.5, 20.0)])
def test_width_is_measured_to_a_fifth(width_px, spacing_px):
    frame, _, _ = planted(2, dose=30, width_px=width_px, spacing_px=spacing_px)
    scale_px, sign, _ = find_scale([frame], noise=Noise())
    found = measure_width([frame], scale_px=scale_px, noise=Noise(), sign=sign)
    assert abs(found / width_px - 1) < 0.2


def test_deviation_of_blurred_noise_is_that_which_blobs_feel():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 400, 200)
    frames = [ramp + gaussian_filter(rng.normal(0, 5, (200, 200)), 0.8, mode="wrap") for _ in range(3)]
    deviation = measure_deviation(frames, scale_px=2.5)
    alone = [find_blobs(one - ramp, scale_px=2.5, noise=Noise(None, deviation), alpha=0.1) for one in frames]
    assert 3.5 < deviation < 5.0
    assert sum(len(one["y_px"]) for one in alone) <= 2


def test_repeated_frames_do_not_silence_the_noise():
    rng = np.random.default_rng(0)
    frames = list(rng.normal(0, 2, (3, 64, 64)))
    assert measure_deviation([frames[0], frames[0], *frames[1:]]) > 1.5
    assert measure_deviation([frames[0], frames[0]]) == 0


def test_least_contrast_is_found_half_of_the_time():
    noise, width_px = Noise(), 4.0
    contrast = least_contrast(background=5.0, width_px=width_px, noise=noise, alpha=0.01, n_px=128 * 128)
    mean = rate((128, 128), [64.0], [64.0], background=5.0, contrast=-contrast, width_px=width_px)
    rng = np.random.default_rng(0)
    found = [
        find_blobs(rng.poisson(mean), scale_px=np.sqrt(3) * width_px, noise=noise, sign=-1)["y_px"].size > 0
        for _ in range(60)
    ]
    assert 0.3 < np.mean(found) < 0.85
    weaker = least_contrast(background=20.0, width_px=width_px, noise=noise, alpha=0.01, n_px=128 * 128)
    np.testing.assert_allclose(contrast / weaker, 2.0)


def test_nothing_is_found_in_constant_frames():
    for frame in (np.zeros((64, 64)), np.full((64, 64), 9)):
        assert find_blobs(frame, scale_px=2.0, noise=Noise())["y_px"].size == 0
        assert np.isnan(find_scale([frame], noise=Noise())[0])


def test_refuses_what_it_cannot_use():
    frame = np.ones((64, 64))
    for bad in (np.ones(64), np.ones((8, 8)), np.full((64, 64), np.nan), np.ones((64, 64), complex)):
        with pytest.raises(DataError):
            find_blobs(bad, scale_px=2.0, noise=Noise())
    for bad in ({"sign": 0}, {"alpha": 0.0}, {"scale_px": 0.1}):
        with pytest.raises(SettingsError):
            find_blobs(frame, **{"scale_px": 2.0, "noise": Noise(), **bad})
    with pytest.raises(SettingsError, match="contrast"):
        find_scale([frame], noise=Noise(), contrast="grey")
    with pytest.raises(DataError, match="at least one frame"):
        find_scale([], noise=Noise())
    for bad in ({"counts_per_electron": 0.0}, {"counts_per_electron": None}):
        with pytest.raises(SettingsError):
            Noise(**bad)
