"""Prepared waves: their spectra, and bands that leave out nothing that an image would show."""

from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.image_grid import plan_grid
from temflux.engine.generate.prepared_wave import as_prepared, find_bands, padded_spectra, prepare_wave
from temflux.engine.generate.transfer import Microscope

SIDE, N = 18.0, 162
EXTENT = (SIDE, SIDE)
R = np.arange(N) * SIDE / N
MICROSCOPE = Microscope(energy_eV=300e3, defocus_A=60.0)


def ripple(order, depth=0.2):
    return (1 + depth * np.exp(2j * np.pi * order * R / SIDE) * np.ones((N, 1))).astype(np.complex64)


def atom(width_A=0.3, at=(9.0, 9.0)):
    return np.exp(
        1j * np.exp(-((R[:, np.newaxis] - at[1]) ** 2 + (R - at[0]) ** 2) / (2 * width_A**2))
    ).astype(np.complex64)


def own_grid(sampling_A=0.05, size=300):
    return plan_grid((N, N), EXTENT, shape=(size, size), sampling_A=sampling_A)


@pytest.mark.parametrize("order", [1, 7, 40, 80])
def test_band_of_a_ripple_is_its_frequency(order):
    prepared = prepare_wave(ripple(order), EXTENT)
    assert order / SIDE < prepared.band_per_A <= (order + 2) / SIDE
    assert prepared.power[max(order - 1, 0) : order + 2].sum() == pytest.approx(0.04, rel=1e-3)
    middle = prepared.spectrum.shape[1] // 2
    assert prepared.spectrum[0, middle, middle] == pytest.approx(1, abs=1e-6)
    assert prepared.spectrum[0, middle, middle + order] == pytest.approx(0.2, abs=1e-6)


def test_spectrum_is_that_of_the_wave():
    wave = atom()
    prepared = prepare_wave(wave, EXTENT)
    wanted = np.fft.fftshift(np.fft.fft2(wave, norm="forward"))
    half = prepared.spectrum.shape[1] // 2
    inside = slice(N // 2 - half, N // 2 + half + 1)
    np.testing.assert_allclose(prepared.spectrum[0], wanted[inside, inside], atol=1e-7)


def test_padded_spectrum_is_that_of_the_padded_wave():
    wave = atom()
    grid = own_grid(sampling_A=0.08, size=300)
    assert grid.padded[0] > N
    spectra = padded_spectra(prepare_wave(wave, EXTENT), grid, 2.0)
    padded = np.ones(grid.padded, np.complex64)
    padded[:N, :N] = wave
    wanted = np.fft.fftshift(np.fft.fft2(padded, norm="forward"))
    half, middle = spectra.shape[1] // 2, grid.padded[0] // 2
    assert half == int(2.0 * grid.extent_A[0])
    inside = slice(middle - half, middle + half + 1)
    np.testing.assert_allclose(spectra[0], wanted[inside, inside], atol=1e-7)


def test_intensity_of_a_ripple_has_twice_its_band():
    prepared = prepare_wave(ripple(20), EXTENT)
    wave, intensity = find_bands(prepared, own_grid(), MICROSCOPE)
    assert 20 / SIDE < wave < 22 / SIDE
    assert intensity <= 2 * wave
    assert find_bands(prepared, own_grid(), replace(MICROSCOPE, aperture_mrad=15.0))[0] < 20 / SIDE


def test_damping_narrows_the_bands():
    prepared = prepare_wave(atom(0.15), EXTENT)
    bands = [
        find_bands(prepared, own_grid(), replace(MICROSCOPE, focal_spread_A=spread))
        for spread in (0, 6, 15, 40)
    ]
    waves, intensities = zip(*bands, strict=True)
    assert (np.diff(waves) < 0).all()
    assert (np.diff(intensities) < 0).all()
    assert waves[-1] < waves[0] / 2


@pytest.mark.parametrize("focal_spread_A", [0.0, 6.0, 15.0, 40.0])
def test_what_bands_leave_out_does_not_show(focal_spread_A):
    """The image wave and intensity of the whole spectrum, against what is inside the bands."""
    microscope = replace(MICROSCOPE, focal_spread_A=focal_spread_A)
    sites = np.random.default_rng(4).uniform(2, 16, (30, 2))
    spectrum = np.fft.fft2(np.prod([atom(0.1, site) ** 4 for site in sites], axis=0))
    order = np.abs(np.fft.fftfreq(N, 1 / N))
    # Cut as a multislice computation cuts: the hardest case for a band of the intensity.
    spectrum[np.hypot(order[:, np.newaxis], order) > 0.45 * N] = 0
    wave = np.fft.ifft2(spectrum).astype(np.complex64)
    wave_band, intensity_band = find_bands(prepare_wave(wave, EXTENT), own_grid(), microscope)
    q = np.fft.fftfreq(4 * N, SIDE / (4 * N))
    q2 = q[:, np.newaxis] ** 2 + q**2
    fine = np.zeros((4 * N, 4 * N), complex)
    keep = np.abs(np.fft.fftfreq(4 * N, 1 / (4 * N))) < N // 2
    fine[np.ix_(keep, keep)] = np.fft.fft2(wave, norm="forward")[
        np.ix_(np.abs(np.fft.fftfreq(N, 1 / N)) < N // 2, np.abs(np.fft.fftfreq(N, 1 / N)) < N // 2)
    ]
    fine *= np.exp(1j * np.pi * 0.0196875 * 60 * q2 - (np.pi * 0.0196875 * focal_spread_A / 2) ** 2 * q2**2)
    whole = np.abs(np.fft.ifft2(fine, norm="forward")) ** 2
    fine[q2 > wave_band**2] = 0
    inside = np.fft.fft2(np.abs(np.fft.ifft2(fine, norm="forward")) ** 2)
    inside[q2 > intensity_band**2] = 0
    np.testing.assert_allclose(np.fft.ifft2(inside).real, whole, atol=1e-4)


def test_a_wave_that_ends_in_a_step_has_a_wider_band_in_vacuum():
    prepared = prepare_wave(atom(at=(17.9, 9.0)), EXTENT)
    whole, padded = own_grid(), own_grid(sampling_A=0.08)
    assert find_bands(prepared, padded, MICROSCOPE)[0] > find_bands(prepared, whole, MICROSCOPE)[0] + 1
    clear = prepare_wave(atom(), EXTENT)
    assert find_bands(clear, padded, MICROSCOPE)[0] == find_bands(clear, whole, MICROSCOPE)[0]


def test_rim_is_the_scattered_intensity_along_the_sides():
    prepared = prepare_wave(np.full((60, 40), 1.3, np.complex64), (8.0, 12.0))
    assert prepared.rim_per_A == pytest.approx(0.09 * (2 * 8 + 2 * 12) / (8 * 12), rel=1e-5)


def test_vacuum_has_no_band():
    prepared = prepare_wave(np.ones((2, 32, 32), np.complex64), (4.0, 4.0))
    assert prepared.band_per_A == 0
    assert prepared.spectrum.shape == (2, 1, 1)


def test_prepared_waves_are_passed_on():
    prepared = prepare_wave(atom(), EXTENT)
    assert as_prepared(prepared, None) is prepared
    with pytest.raises(SettingsError, match="extent_A: expected the sides of the cell"):
        as_prepared(atom(), None)
    with pytest.raises(DataError, match="expected finite exit waves"):
        prepare_wave(np.full((8, 8), np.inf, np.complex64), (4.0, 4.0))
    with pytest.raises(SettingsError, match="extent_A: expected two sides above 0"):
        prepare_wave(atom(), (4.0, np.nan))
