"""Spectra by frequency and direction: where a fringe comes to lie, and what turning does."""

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, SettingsError
from temflux.engine.measure.reflections.find import normalised_power
from temflux.engine.measure.reflections.noise_spectrum import background_noise
from temflux.engine.measure.reflections.particle_patch import cut_patch
from temflux.engine.measure.reflections.polar_spectrum import polar_spectrum

PIXEL_NM = 0.04
SIZE = 64


def spectrum(angle_deg, *, q_per_nm=4.25, counts=400.0, contrast=0.3):
    """Map of a disc with fringes across a direction, counter-clockwise on the screen, in Poisson noise."""
    y, x = np.mgrid[:256, :256] - 128
    angle = np.deg2rad(angle_deg)
    phase = 2 * np.pi * q_per_nm * PIXEL_NM * (x * np.cos(angle) - y * np.sin(angle))
    disc = np.hypot(y, x) < 60
    image = np.random.default_rng(0).poisson(counts * (1 + contrast * disc * np.cos(phase)))
    patch = cut_patch(image, disc)
    return polar_spectrum(normalised_power(patch, background_noise(image, disc)), pixel_nm=PIXEL_NM)


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 91.0, 150.0, 179.0])
def test_a_fringe_lies_at_its_frequency_and_direction(angle_deg):
    found = spectrum(angle_deg)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 0.5 + 7.5 * (row + 0.5) / SIZE == pytest.approx(4.25, abs=0.12)
    # Columns run towards growing rows: clockwise on the screen.
    apart = (180 * (column + 0.5) / SIZE + angle_deg + 90) % 180 - 90
    assert abs(apart) < 3.5


def test_turning_the_particle_shifts_the_map():
    one, other = spectrum(10.0), spectrum(10.0 + 180 * 20 / SIZE)
    strong = one > 0.5 * one.max()
    shifted = np.roll(one, -20, axis=1)
    assert np.abs(shifted - other)[np.roll(strong, -20, axis=1)].max() < 0.35 * one.max()
    assert np.corrcoef((shifted > 3).ravel(), (other > 3).ravel())[0, 1] > 0.7


def test_beyond_the_pixels_limit_there_is_nothing():
    found = polar_spectrum(np.ones((64, 33)), pixel_nm=0.1)
    q = 0.5 + 7.5 * (np.arange(SIZE) + 0.5) / SIZE
    assert (found[q > 5.0] == 0).all()
    assert np.allclose(found[q < 4.6], np.log(2))


def test_bad_numbers_are_said():
    with pytest.raises(CalibrationError, match="pixel size"):
        polar_spectrum(np.ones((64, 33)), pixel_nm=float("nan"))
    with pytest.raises(SettingsError, match="at least 8"):
        polar_spectrum(np.ones((64, 33)), pixel_nm=0.1, size=4)
