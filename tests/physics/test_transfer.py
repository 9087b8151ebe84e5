"""The microscope against the thesis's Chapter 1: Scherzer, first zero, weak phase objects, intensity."""

import math
from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.generate.micrograph import form_image
from temflux.engine.generate.transfer import Microscope, scherzer_defocus_A, transfer_wave, wavelength_A

ENERGY = 300e3
C30 = 5e4
SCHERZER = Microscope(energy_eV=ENERGY, c30_A=C30, defocus_A=scherzer_defocus_A(ENERGY, C30))
BAD_DAY = replace(SCHERZER, c12_A=20.0, c21_A=300.0, c23_A=200.0, c34_A=5e3, c45_A=1e4, phi21_rad=0.7)


def transfer_at(microscope, q):
    return transfer_wave(np.ones((1, len(q)), np.complex64), np.zeros(1), q, microscope)[0]


def phase_object(phase):
    return np.exp(1j * phase).astype(np.complex64)


def test_scherzer_defocus_of_figure_1_3():
    assert SCHERZER.defocus_A == pytest.approx(38.43, abs=0.01)


def test_first_zero_at_scherzer_defocus():
    q = np.linspace(0.01, 3, 30_000)
    contrast = -transfer_at(SCHERZER, q).imag
    first = q[1:][np.diff(np.sign(contrast)) != 0][0]
    # χ = (2π/λ)(-Δf·α²/2 + C30·α⁴/4) vanishes at α² = 2·Δf/C30.
    assert first == pytest.approx(math.sqrt(2 * SCHERZER.defocus_A / C30) / wavelength_A(ENERGY), abs=2e-4)
    point_resolution = (wavelength_A(ENERGY) ** 3 * C30 / 6) ** 0.25
    assert 1 / first == pytest.approx(point_resolution, rel=1e-3)


def test_transfer_at_scherzer_defocus_is_one_broad_band():
    limit = math.sqrt(2 * SCHERZER.defocus_A / C30) / wavelength_A(ENERGY)
    contrast = transfer_at(SCHERZER, np.linspace(0.45 * limit, 0.9 * limit, 500)).imag
    assert contrast.min() > 0.7


def test_modulus_is_1_without_envelopes():
    np.testing.assert_allclose(np.abs(transfer_at(BAD_DAY, np.linspace(0, 5, 999))), 1, atol=1e-6)


def test_envelopes_only_weaken():
    q = np.linspace(0, 3, 300)
    for name, value in (("focal_spread_A", 20.0), ("angular_spread_mrad", 0.3), ("blur_A", 0.5)):
        damped = transfer_at(replace(BAD_DAY, **{name: value}), q)
        assert (np.abs(damped) <= 1 + 1e-6).all()
        assert np.abs(damped[-1]) < 0.9
        ratio = damped / transfer_at(BAD_DAY, q)
        np.testing.assert_allclose(ratio.imag, 0, atol=1e-5)


@pytest.mark.parametrize("pad", [False, True])
def test_image_of_vacuum_is_1(pad):
    microscope = replace(BAD_DAY, focal_spread_A=15.0, angular_spread_mrad=0.2, blur_A=0.3)
    made = form_image(
        np.ones((90, 108), np.complex64),
        extent_A=(12.0, 10.0),
        microscope=microscope,
        shape=(128, 96) if not pad else (256, 192),
        sampling_A=0.08,
    )
    np.testing.assert_allclose(made.image, 1, atol=1e-6)


def test_intensity_is_conserved_without_envelopes_and_aperture():
    rng = np.random.default_rng(3)
    n, side = 192, 16.0
    q = np.hypot(*np.meshgrid(np.fft.fftfreq(n, side / n), np.fft.fftfreq(n, side / n)))
    phase = np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, n))) * np.exp(-((q / 0.8) ** 2))).real
    wave = phase_object(6 * phase)
    assert np.ptp(6 * phase) > 3
    made = form_image(wave, extent_A=(side, side), microscope=BAD_DAY, shape=(n, n), sampling_A=side / n)
    assert made.image.std() > 0.3
    assert made.image.mean(dtype=np.float64) == pytest.approx(1, abs=2e-6)


def test_a_phase_object_is_invisible_without_aberrations():
    x = np.arange(200) * 0.1
    wave = phase_object(0.5 * np.cos(2 * np.pi * x / 4.0) * np.ones((200, 1)))
    made = form_image(
        wave,
        extent_A=(20.0, 20.0),
        microscope=Microscope(energy_eV=ENERGY),
        shape=(200, 200),
        sampling_A=0.1,
    )
    np.testing.assert_allclose(made.image, 1, atol=1e-5)


@pytest.mark.parametrize("orders", [(3, 0), (0, 7), (5, -9), (12, 8)])
@pytest.mark.parametrize("defocus_A", [-90.0, 38.43, 200.0])
def test_weak_phase_objects_follow_eq_1_16(orders, defocus_A):
    """I = 1 + 2φ·sin χ·cos(2πq·r): exp(iφ) and exp(−iχ) give this sign, dark atoms at underfocus."""
    depth, side, n = 1e-3, 18.0, 180
    r = np.arange(n) * side / n
    q_y, q_x = orders[0] / side, orders[1] / side
    wave = np.cos(2 * np.pi * (q_y * r[:, np.newaxis] + q_x * r))
    microscope = replace(SCHERZER, defocus_A=defocus_A)
    made = form_image(
        phase_object(depth * wave),
        extent_A=(side, side),
        microscope=microscope,
        shape=(n, n),
        sampling_A=side / n,
    )
    alpha = wavelength_A(ENERGY) * math.hypot(q_y, q_x)
    chi = 2 * math.pi / wavelength_A(ENERGY) * (-defocus_A * alpha**2 / 2 + C30 * alpha**4 / 4)
    contrast = 2 * ((made.image - 1.0) * wave).mean()
    assert contrast == pytest.approx(2 * depth * math.sin(chi), abs=5e-6)


def test_atoms_are_dark_at_scherzer_defocus_and_bright_at_overfocus():
    r = np.arange(180) * 0.1 - 9
    wave = phase_object(0.3 * np.exp(-(r[:, np.newaxis] ** 2 + r**2) / 0.3**2))
    for sign, pick in ((1, np.argmin), (-1, np.argmax)):
        microscope = replace(SCHERZER, defocus_A=sign * SCHERZER.defocus_A, c30_A=sign * C30)
        made = form_image(
            wave, extent_A=(18.0, 18.0), microscope=microscope, shape=(180, 180), sampling_A=0.1
        )
        assert np.unravel_index(pick(made.image), made.image.shape) == (90, 90)


def test_underfocus_brings_the_wave_back_to_a_plane_before_the_exit():
    """exp(−iπλq²d) carries a wave d onwards; a defocus of d undoes it: the object is in focus again."""
    n, side, distance = 180, 18.0, 60.0
    r = np.arange(n) * side / n - side / 2
    wave = 1 - 0.5 * np.exp(-(r[:, np.newaxis] ** 2 + r**2) / 0.5**2)
    q = np.fft.fftfreq(n, side / n)
    onwards = np.exp(-1j * np.pi * wavelength_A(ENERGY) * distance * (q[:, np.newaxis] ** 2 + q**2))
    later = np.fft.ifft2(np.fft.fft2(wave) * onwards).astype(np.complex64)
    made = form_image(
        later,
        extent_A=(side, side),
        microscope=Microscope(energy_eV=ENERGY, defocus_A=distance),
        shape=(n, n),
        sampling_A=side / n,
    )
    np.testing.assert_allclose(made.image, wave**2, atol=5e-5)
