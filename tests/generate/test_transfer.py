"""Contrast transfer against abTEM's, closed forms and its own symmetries."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.transfer import (
    Microscope,
    round_envelope,
    scherzer_defocus_A,
    transfer,
    transfer_wave,
    wavelength_A,
)

SHAPE = (90, 128)
EXTENT = (24.0, 18.0)
ROUND = Microscope(energy_eV=300e3, defocus_A=120.0, c30_A=8e4)
ALL = Microscope(
    energy_eV=80e3,
    defocus_A=-70.0,
    c30_A=-1.5e5,
    c12_A=35.0,
    phi12_rad=0.4,
    c21_A=700.0,
    phi21_rad=-1.1,
    c23_A=450.0,
    phi23_rad=2.0,
    c32_A=9e3,
    phi32_rad=-0.7,
    c34_A=7e3,
    phi34_rad=0.3,
    c45_A=9e4,
    phi45_rad=1.3,
    focal_spread_A=4.0,
    angular_spread_mrad=0.05,
)


def frequencies(shape=SHAPE, extent=EXTENT):
    q_y, q_x = (np.fft.fftfreq(n, side / n) for n, side in zip(shape, extent[::-1], strict=True))
    return q_y[:, np.newaxis], q_x


def abtem_transfer(microscope):
    import abtem

    names = ("c12", "c21", "c23", "c30", "c32", "c34", "c45")
    angles = ("phi12", "phi21", "phi23", "phi32", "phi34", "phi45")
    aberrations = {name.upper(): getattr(microscope, f"{name}_A") for name in names}
    aberrations |= {name: getattr(microscope, f"{name}_rad") for name in angles}
    with abtem.config.set({"precision": "float64"}):
        ctf = abtem.CTF(
            energy=microscope.energy_eV,
            defocus=microscope.defocus_A,
            focal_spread=microscope.focal_spread_A,
            angular_spread=microscope.angular_spread_mrad,
            semiangle_cutoff=microscope.aperture_mrad,
            soft=False,
            extent=EXTENT,
            gpts=SHAPE[::-1],
            **aberrations,
        )
        return np.asarray(ctf._evaluate_kernel()).T


@pytest.mark.parametrize(
    "settings",
    [
        {"defocus_A": 100.0},
        {"c30_A": 3e4},
        {"c12_A": 40.0, "phi12_rad": 0.5},
        {"c21_A": 900.0, "phi21_rad": 1.9},
        {"c23_A": 900.0, "phi23_rad": -0.8},
        {"c32_A": 1e4, "phi32_rad": 0.9},
        {"c34_A": 1e4, "phi34_rad": -0.2},
        {"c45_A": 1e5, "phi45_rad": 0.6},
        {"aperture_mrad": 21.3},
        {"focal_spread_A": 30.0},
        {"defocus_A": 200.0, "angular_spread_mrad": 0.4},
        {"c30_A": 2e5, "angular_spread_mrad": 0.4},
        {"c12_A": 90.0, "phi12_rad": 0.5, "angular_spread_mrad": 0.4},
        {"c21_A": 2e3, "phi21_rad": 1.9, "angular_spread_mrad": 0.4},
        {"c23_A": 2e3, "phi23_rad": -0.8, "angular_spread_mrad": 0.4},
        {"c32_A": 5e4, "phi32_rad": 0.9, "angular_spread_mrad": 0.4},
        {"c34_A": 5e4, "phi34_rad": -0.2, "angular_spread_mrad": 0.4},
        {"c45_A": 9e5, "phi45_rad": 0.6, "angular_spread_mrad": 0.4},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_every_term_is_that_of_abtem(settings):
    microscope = Microscope(energy_eV=200e3, **settings)
    ours, theirs = transfer(SHAPE, EXTENT, microscope), abtem_transfer(microscope)
    assert np.abs(theirs - 1).max() > 0.5
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("energy_eV", [30e3, 80e3, 300e3, 1e6])
def test_all_terms_together_are_those_of_abtem(energy_eV):
    microscope = replace(ALL, energy_eV=energy_eV)
    np.testing.assert_allclose(transfer(SHAPE, EXTENT, microscope), abtem_transfer(microscope), atol=1e-5)


@pytest.mark.parametrize("microscope", [ROUND, replace(ROUND, angular_spread_mrad=0.3), ALL])
def test_numba_and_plain_agree(microscope):
    microscope = replace(microscope, blur_A=0.3, aperture_mrad=40.0)
    compiled, plain = (transfer(SHAPE, EXTENT, microscope, compiled=c) for c in (True, False))
    assert compiled.dtype == plain.dtype == np.complex64
    np.testing.assert_allclose(compiled, plain, atol=3e-7)
    assert np.array_equal(compiled == 0, plain == 0)


def test_thousands_of_turns_keep_their_digits():
    microscope = Microscope(energy_eV=60e3, defocus_A=2e4, c30_A=1e7)
    compiled, plain = (transfer(SHAPE, EXTENT, microscope, compiled=c) for c in (True, False))
    np.testing.assert_allclose(compiled, plain, atol=1e-6)


def test_blur_is_a_gaussian_in_cycles_per_angstrom():
    # Earlier versions of abTEM had it as gaussian_spread: exp(-0.5·σ²·α²/λ²).
    q_y, q_x = frequencies()
    found = transfer(SHAPE, EXTENT, Microscope(energy_eV=300e3, blur_A=0.4))
    np.testing.assert_allclose(found, np.exp(-(0.4**2) * (q_y**2 + q_x**2) / 2), atol=1e-6)


def test_focal_spread_averages_over_a_gaussian_of_foci():
    spread, energy = 25.0, 200e3
    foci = np.linspace(-5, 5, 2001) * spread
    weights = np.exp(-((foci / spread) ** 2))
    q = np.linspace(0, 1.5, 40)
    phase = np.exp(1j * np.pi * wavelength_A(energy) * foci[:, np.newaxis] * q**2)
    averaged = (weights[:, np.newaxis] * phase).sum(0) / weights.sum()
    microscope = Microscope(energy_eV=energy, focal_spread_A=spread)
    found = transfer_wave(np.ones((1, 40), np.complex64), np.zeros(1), q, microscope)[0]
    np.testing.assert_allclose(found, averaged, atol=1e-5)


def test_angular_spread_averages_over_directions_where_the_phase_is_straight():
    spread, energy, defocus = 0.1, 300e3, 300.0
    q_s = spread * 1e-3 / wavelength_A(energy)
    tilt = np.linspace(-5, 5, 801) * q_s
    weights = np.exp(-((tilt / q_s) ** 2))
    for q in (0.3, 0.9):
        phase = np.pi * wavelength_A(energy) * defocus * (q + tilt) ** 2
        averaged = abs((weights * np.exp(1j * phase)).sum() / weights.sum())
        microscope = Microscope(energy_eV=energy, defocus_A=defocus, angular_spread_mrad=spread)
        found = transfer_wave(np.ones((1, 1), np.complex64), np.zeros(1), np.array([q]), microscope)
        assert abs(found[0, 0]) == pytest.approx(averaged, abs=2e-4)


def test_gradient_is_the_slope_of_the_phase():
    beta, step = 0.3e-3, 1e-4
    q = np.array([-1.1, 0.2, 0.7])
    silent = replace(ALL, focal_spread_A=0.0, angular_spread_mrad=0.0)
    ones = np.ones((3, 3), np.complex64)

    def phase(dy, dx):
        return np.angle(transfer_wave(ones, q + dy, q + dx, silent).astype(np.complex128))

    slope_y = np.angle(np.exp(1j * (phase(step, 0) - phase(-step, 0)))) / (2 * step)
    slope_x = np.angle(np.exp(1j * (phase(0, step) - phase(0, -step)))) / (2 * step)
    wanted = np.exp(-((beta / (2 * wavelength_A(ALL.energy_eV))) ** 2) * (slope_y**2 + slope_x**2))
    spread = replace(silent, angular_spread_mrad=beta * 1e3)
    np.testing.assert_allclose(np.abs(transfer_wave(ones, q, q, spread)), wanted, atol=5e-3)


def test_aperture_cuts_at_its_angle():
    microscope = Microscope(energy_eV=300e3, aperture_mrad=20.0)
    q_y, q_x = frequencies()
    inside = np.hypot(q_y, q_x) * wavelength_A(300e3) <= 20e-3
    assert np.array_equal(transfer(SHAPE, EXTENT, microscope) == 1, inside)


def test_shift_moves_a_wave():
    wave = np.zeros((16, 16), np.complex64)
    wave[5, 3] = 1
    spectrum = np.fft.fftshift(np.fft.fft2(wave)).astype(np.complex64)
    q = np.arange(-8, 8) / 8.0
    shifted = transfer_wave(spectrum, q, q, Microscope(energy_eV=3e5), shift_A=(1.0, -2.0))
    moved = np.fft.ifft2(np.fft.ifftshift(shifted))
    assert np.unravel_index(np.abs(moved).argmax(), moved.shape) == (5 + 4, 3 - 2)


amplitude = st.floats(-1e3, 1e3)
angle = st.floats(-math.pi, math.pi)


@given(
    defocus_A=amplitude,
    c12_A=amplitude,
    phi12_rad=angle,
    c23_A=amplitude,
    phi23_rad=angle,
    c34_A=amplitude,
    phi34_rad=angle,
    turns=st.integers(0, 3),
)
@settings(max_examples=30, deadline=None)
def test_a_turned_microscope_turns_its_transfer(turns, **coefficients):
    """Adding 90° to every angle turns the transfer by 90°; without spreads its modulus is 1."""
    microscope = Microscope(energy_eV=300e3, **coefficients)
    turned = {name: value + turns * math.pi / 2 for name, value in coefficients.items() if "phi" in name}
    q = np.arange(-6, 7) / 9.0
    ones = np.ones((13, 13), np.complex64)
    first = transfer_wave(ones, q, q, microscope)
    second = transfer_wave(ones, q, q, replace(microscope, **turned))
    # Rows grow with y, so a turn from x towards y is one by -1 in rot90's sense.
    np.testing.assert_allclose(np.rot90(first, -turns), second, atol=1e-4)
    np.testing.assert_allclose(np.abs(first), 1, atol=1e-6)


@given(focal_spread_A=st.floats(0, 50), blur_A=st.floats(0, 3), aperture_mrad=st.floats(0.1, 100))
@settings(deadline=None)
def test_round_envelope_is_the_modulus(focal_spread_A, blur_A, aperture_mrad):
    microscope = Microscope(
        energy_eV=200e3, focal_spread_A=focal_spread_A, blur_A=blur_A, aperture_mrad=aperture_mrad
    )
    q = np.linspace(0, 4, 50)
    found = transfer_wave(np.ones((1, 50), np.complex64), np.zeros(1), q, microscope)[0]
    np.testing.assert_allclose(round_envelope(q, microscope), np.abs(found), atol=1e-6)


def test_scherzer_defocus_takes_the_sign_of_the_aberration():
    assert scherzer_defocus_A(300e3, -5e4) == -scherzer_defocus_A(300e3, 5e4)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"energy_eV": 0.0}, "energy_eV: expected above 0 eV, got 0.0"),
        ({"energy_eV": math.nan}, "energy_eV: expected a finite number, got nan"),
        ({"energy_eV": 3e5, "c30_A": math.inf}, "c30_A: expected a finite number, got inf"),
        ({"energy_eV": 3e5, "focal_spread_A": -1.0}, "focal_spread_A: expected 0 or more, got -1.0"),
        ({"energy_eV": 3e5, "angular_spread_mrad": -1.0}, "angular_spread_mrad: expected 0 or more, got -1"),
        ({"energy_eV": 3e5, "blur_A": -0.1}, "blur_A: expected 0 or more, got -0.1"),
        ({"energy_eV": 3e5, "aperture_mrad": 0.0}, "aperture_mrad: expected above 0 mrad, got 0.0"),
    ],
)
def test_bad_microscopes_are_refused(settings, line):
    with pytest.raises(SettingsError, match=line.replace(".", r"\.")):
        Microscope(**settings)


def test_bad_grids_are_refused():
    with pytest.raises(SettingsError, match="a shape and an extent above 0"):
        transfer((4, 0), (1.0, 1.0), ROUND)
    with pytest.raises(SettingsError, match="energy_eV"):
        wavelength_A(-1.0)
