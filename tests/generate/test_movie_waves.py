"""Waves of a movie: patches against whole multislice calculations, shifts, and the support."""

import math

import numpy as np
import pytest
from ase import Atoms

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.exit_wave import exit_wave
from temflux.engine.generate.movie_crystals import bulk_lattice, grow_crystal, pose_rotation
from temflux.engine.generate.movie_waves import (
    PatchOptics,
    multiply_patch,
    particle_patch,
    support_wave,
)
from temflux.engine.generate.potential import plane_potentials

ENERGY_EV, STEP_A = 300e3, 0.2
OPTICS = PatchOptics(ENERGY_EV, (STEP_A, STEP_A), debye_waller_A=0.09)


def particle(n_atoms=150, tilt_deg=0.0, seed=0):
    crystal = grow_crystal(np.random.default_rng(seed), bulk_lattice("Au", reach_A=18), n_atoms=n_atoms)
    return crystal.positions_A[:n_atoms] @ pose_rotation(20.0, tilt_deg=tilt_deg, angle_deg=33.0).T


def rms(difference):
    return math.sqrt((np.abs(difference) ** 2).mean())


def directly(positions_A, shape):
    """Multislice of atoms at their places on the movie's samples, by taking every sample of a finer one."""
    cell = (shape[1] * STEP_A, shape[0] * STEP_A, np.ptp(positions_A[:, 2]) + 3)
    atoms = Atoms(f"Au{len(positions_A)}", positions_A - [0, 0, positions_A[:, 2].min() - 1.5], cell=cell)
    wave = exit_wave(atoms, energy_eV=ENERGY_EV, sampling_A=STEP_A / 2, debye_waller_A=0.09)
    assert wave.shape == (2 * shape[0], 2 * shape[1])
    spectrum = np.fft.fftshift(np.fft.fft2(wave)) / 4
    rows, columns = shape
    spectrum = spectrum[rows // 2 : rows // 2 + rows, columns // 2 : columns // 2 + columns]
    return np.fft.ifft2(np.fft.ifftshift(spectrum))


@pytest.mark.parametrize("tilt_deg", [0.0, 5.0])
def test_a_patch_is_the_exit_wave(tilt_deg):
    atoms, at = particle(tilt_deg=tilt_deg), (80.0, 75.0)
    wave = np.ones((160, 160), np.complex64)
    multiply_patch(wave, particle_patch("Au", atoms, OPTICS), at)
    whole = directly(atoms + np.array([at[1], at[0], 0]) * STEP_A, wave.shape)
    # The wave's contrast is 0.5; what rings at the patch's edge, and coarser slices, is left.
    assert rms(wave - whole) < 0.015 * rms(whole - 1)


def test_two_patches_are_the_exit_wave_of_both():
    one, other = particle(seed=1), particle(tilt_deg=4.0, seed=2)
    wave = np.ones((160, 300), np.complex64)
    multiply_patch(wave, particle_patch("Au", one, OPTICS), (80.0, 75.3))
    multiply_patch(wave, particle_patch("Au", other, OPTICS), (78.6, 210.0))
    places = [one + np.array([75.3, 80.0, 0]) * STEP_A, other + np.array([210.0, 78.6, 0]) * STEP_A]
    whole = directly(np.concatenate(places), wave.shape)
    assert rms(wave - whole) < 0.02 * rms(whole - 1)


def test_shifts_below_a_sample_are_exact():
    atoms = particle()
    patch = particle_patch("Au", atoms, OPTICS)
    moved = particle_patch("Au", atoms + np.array([0.4, 0.7, 0]) * STEP_A, OPTICS)
    one, other = np.ones((160, 160), np.complex64), np.ones((160, 160), np.complex64)
    multiply_patch(one, patch, (80.7, 80.4))
    multiply_patch(other, moved, (80.0, 80.0))
    assert rms(one - other) < 0.01 * rms(one - 1)


def test_patches_are_cut_at_the_waves_edge():
    patch = particle_patch("Au", particle(), OPTICS)
    large, small = np.ones((260, 260), np.complex64), np.ones((100, 120), np.complex64)
    multiply_patch(large, patch, (85.3, 90.6))
    multiply_patch(small, patch, (5.3, 10.6))
    np.testing.assert_allclose(small, large[80:180, 80:200], atol=1e-6)
    far = np.ones((50, 50), np.complex64)
    multiply_patch(far, patch, (-500.0, 25.0))
    assert (far == 1).all()


def test_a_patch_fades_at_its_edge():
    patch = particle_patch("Au", particle(), OPTICS)
    scattered = np.fft.ifft2(patch.spectrum, norm="forward")
    edge = np.concatenate([scattered[0], scattered[-1], scattered[:, 0], scattered[:, -1]])
    assert abs(edge).max() < 1e-5
    assert abs(scattered).max() > 0.5


def support(thickness_A=30.0, seed=0, size=256):
    extent_A = (size * STEP_A, size * STEP_A)
    rng = np.random.default_rng(seed)
    return support_wave(rng, (size, size), extent_A, energy_eV=ENERGY_EV, thickness_A=thickness_A)


def test_support_only_turns_phases():
    wave = support()
    np.testing.assert_allclose(abs(wave), 1, atol=1e-5)
    assert (support(thickness_A=0) == 1).all()
    assert np.angle(wave).mean() == pytest.approx(0, abs=1e-5)
    np.testing.assert_array_equal(wave, support())
    assert (support(seed=1) != wave).any()
    with pytest.raises(SettingsError, match="support_thickness_A"):
        support(thickness_A=-1.0)


def test_thicker_support_has_more_contrast():
    thin, thick = np.angle(support(10.0)).std(), np.angle(support(40.0)).std()
    assert thick / thin == pytest.approx(2, rel=1e-3)


def test_support_is_that_of_random_atoms():
    from abtem.core.energy import energy2sigma

    size, thickness_A = 256, 30.0
    side_A = size * STEP_A
    rng = np.random.default_rng(0)
    n_atoms = round(0.1 * thickness_A * side_A**2)
    atoms = Atoms(
        f"C{n_atoms}", rng.uniform(0, 1, (n_atoms, 3)) * [side_A, side_A, 1], cell=(side_A, side_A, 1)
    )
    potential = next(
        plane_potentials(atoms, np.zeros(n_atoms, int), 1, shape=(size, size), debye_waller_A=0.07)
    )
    phase = potential * energy2sigma(ENERGY_EV)
    field = np.angle(support())
    assert field.std() == pytest.approx(phase.std(), rel=0.03)
    # The same in every ring of spatial frequencies, within the scatter of so many coefficients.
    q = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size, STEP_A)] * 2))
    for low in (0.1, 0.5, 1.0, 1.6):
        ring = (q > low) & (q < low + 0.2)
        one, other = ((np.abs(np.fft.fft2(f))[ring] ** 2).mean() for f in (field, phase))
        assert one / other == pytest.approx(1, abs=6 / math.sqrt(ring.sum()))
