"""The background's noise: where it is measured, a lattice in it, no room for it."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.reflections.noise_spectrum import (
    background_noise,
    no_noise,
    noise_power,
    pool_noise,
)


def vacuum(shape=(256, 256), mean=50.0, seed=0):
    return np.random.default_rng(seed).poisson(mean, shape)


def test_white_counts_have_their_mean_as_power():
    noise = background_noise(vacuum(), np.zeros((256, 256), bool))
    np.testing.assert_allclose(noise["power"], 50, rtol=0.2)
    assert noise["power"].mean() == pytest.approx(50, rel=0.02)
    assert noise["mean_counts"][0] == pytest.approx(50, rel=0.01)


def test_a_lattice_in_the_background_is_not_noise():
    y, x = np.mgrid[:256, :256]
    bright = vacuum() + 10 * np.cos(2 * np.pi * 0.21 * x) + 10 * np.cos(2 * np.pi * (0.1 * x + 0.18 * y))
    noise = background_noise(bright, np.zeros((256, 256), bool))
    assert noise["power"].max() < 60


def test_particles_and_what_is_near_them_are_left_out():
    image, occupied = vacuum().astype(float), np.zeros((256, 256), np.int32)
    occupied[100:160, 90:170] = 3
    image[95:165, 85:175] += 1e4 * np.random.default_rng(1).normal(size=(70, 90))
    assert background_noise(image, occupied)["power"].max() < 65


def test_smaller_windows_where_large_ones_do_not_fit():
    occupied = np.ones((128, 128), bool)
    occupied[:, 20:90] = False
    noise = background_noise(vacuum((128, 128)), occupied)
    assert noise["q_per_px"].size == 15
    assert noise["power"].mean() == pytest.approx(50, rel=0.1)


def test_no_vacuum_is_said_by_no_rows():
    assert background_noise(vacuum(), np.ones((256, 256), bool))["power"].size == 0
    assert list(no_noise()) == list(background_noise(vacuum(), np.zeros((256, 256), bool)))
    assert pool_noise([no_noise(), no_noise()])["power"].size == 0


def test_frames_are_pooled_by_what_they_know():
    empty = np.zeros((256, 256), bool)
    parts = [background_noise(vacuum(seed=seed), empty) for seed in range(3)]
    pooled = pool_noise([*parts, no_noise()])
    assert pooled["values"].sum() == pytest.approx(3 * parts[0]["values"].sum())
    np.testing.assert_allclose(pooled["power"][-3:], np.mean([part["power"][-3:] for part in parts], axis=0))
    occupied = np.ones((128, 128), bool)
    occupied[:, 20:90] = False
    coarse = background_noise(vacuum((128, 128)), occupied)
    assert pool_noise([coarse, *parts])["q_per_px"].size == pooled["q_per_px"].size


def test_rings_that_know_little_are_drawn_together():
    occupied = np.ones((128, 128), bool)
    occupied[:, 20:90] = False
    one = background_noise(vacuum((128, 128)), occupied)
    assert one["values"].min() < 100
    pooled = pool_noise([one])
    assert pooled["values"][:-1].min() >= 400
    np.testing.assert_allclose(pooled["power"], 50, rtol=0.15)
    assert (np.diff(pooled["q_per_px"]) > 0).all()


def test_noise_goes_with_the_counts_unless_they_are_no_counts():
    noise = background_noise(vacuum(), np.zeros((256, 256), bool))
    q = np.array([0.01, 0.2, 0.7])
    np.testing.assert_allclose(noise_power(noise, q, mean_counts=25.0), noise_power(noise, q) / 2, rtol=0.02)
    np.testing.assert_array_equal(noise_power(noise, q, mean_counts=-1.0), noise_power(noise, q))


def test_refuses_what_it_cannot_use():
    with pytest.raises(DataError, match="same shape"):
        background_noise(vacuum(), np.zeros((3, 3), bool))
    for bad in ({"tile_px": 7}, {"tile_px": 33}, {"margin_px": -1}, {"most_tiles": 0}):
        with pytest.raises(SettingsError):
            background_noise(vacuum(), np.zeros((256, 256), bool), **bad)
