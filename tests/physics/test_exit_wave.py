"""Exit waves: vacuum, conservation, abTEM's own result, convergence against a fine reference."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, mx2

from temflux.engine.generate.exit_wave import exit_wave
from temflux.engine.generate.micrograph import form_image
from temflux.engine.generate.transfer import Microscope

_U_A = {"Au": 0.088, "Mo": 0.05, "S": 0.055, "Ce": 0.07, "O": 0.085}


def gold(tilt_deg: float = 2.0) -> Atoms:
    """A gold crystal of 24 Å, close to its [110] zone axis, in vacuum."""
    block = bulk("Au", cubic=True) * (12, 12, 12)
    block.positions -= block.positions.mean(axis=0)
    block.rotate((1, 1, 0), "z")
    block.rotate(tilt_deg, "x")
    block = block[np.linalg.norm(block.positions, axis=1) < 12]
    block.set_cell([30, 30, 28])
    block.positions += [15.1, 15.03, 14]
    return block


def flake(tilt_deg: float = 3.0) -> Atoms:
    """A tilted MoS2 flake of 20 Å in vacuum."""
    sheet = mx2("MoS2", size=(16, 16, 1), vacuum=3)
    sheet.positions -= sheet.positions.mean(axis=0)
    sheet = sheet[np.hypot(*sheet.positions.T[:2]) < 10]
    sheet.rotate(tilt_deg, "x")
    sheet.set_cell([30, 30, 12])
    sheet.positions += [15.07, 14.98, 6]
    return sheet


def test_vacuum_leaves_the_plane_wave_alone():
    empty = exit_wave(Atoms(cell=(20, 12, 10)), energy_eV=300e3)
    assert empty.shape == (128, 216)
    assert (empty == 1).all()


@pytest.mark.parametrize(("atoms", "energy_eV"), [(gold(), 300e3), (flake(), 50e3)], ids=["gold", "flake"])
def test_intensity_is_conserved(atoms, energy_eV):
    wave = exit_wave(atoms, energy_eV=energy_eV, debye_waller_A=_U_A)
    assert np.mean(np.abs(wave) ** 2) == pytest.approx(1, abs=2e-4)
    assert np.abs(wave - 1).max() > 0.3


def test_one_plane_of_atoms_is_a_phase_object():
    atoms = Atoms("C2", [(4, 4, 1), (8, 7, 1)], cell=(12, 12, 1.0001))
    wave = exit_wave(atoms, energy_eV=300e3, debye_waller_A=0.1)
    assert np.abs(np.abs(wave) - 1).max() < 5e-3
    assert np.angle(wave).max() > 0.05


@pytest.mark.parametrize(("atoms", "energy_eV"), [(gold(), 300e3), (flake(), 50e3)], ids=["gold", "flake"])
def test_same_wave_as_abtem_where_abtem_is_given_fine_pixels_and_slices(atoms, energy_eV):
    """abTEM's own potential and slices approach ours as they grow finer; ours was coarse already."""
    import abtem
    from abtem.parametrizations import KirklandParametrization

    ours = exit_wave(atoms, energy_eV=energy_eV, debye_waller_A=_U_A)
    errors = []
    with abtem.config.set({"diagnostics.progress_bar": False, "fftw.planning_effort": "FFTW_ESTIMATE"}):
        for sampling_A, slice_A in ((0.1, 1.0), (0.05, 0.25)):
            potential = abtem.Potential(
                atoms,
                sampling=sampling_A,
                slice_thickness=slice_A,
                parametrization=KirklandParametrization(sigmas=_U_A),
            )
            wave = abtem.PlaneWave(energy=energy_eV).multislice(potential, lazy=False)
            # abTEM's atoms stand, on average, half a slice before where they are.
            thickness = atoms.cell.lengths()[2] / len(potential)
            theirs = propagate(np.asarray(wave.array).T, -thickness / 2, 30.0, energy_eV)
            errors.append(error(ours, theirs))
    assert errors[0] > 2 * errors[1]
    assert errors[1] < 0.012


@pytest.mark.parametrize(("atoms", "energy_eV"), [(gold(), 300e3), (flake(), 50e3)], ids=["gold", "flake"])
def test_pixels_and_planes_are_fine_enough(atoms, energy_eV):
    """Below 1e-2 in the wave and 1e-3 in the image, against more planes and a wider band."""
    wave = exit_wave(atoms, energy_eV=energy_eV, debye_waller_A=_U_A)
    reference = exit_wave(atoms, energy_eV=energy_eV, debye_waller_A=_U_A, sampling_A=0.05, spread_A=0.02)
    assert error(wave, reference) < 1e-2
    microscope = Microscope(energy_eV=energy_eV, defocus_A=60, c30_A=5e4, focal_spread_A=10)
    image, fine = (
        form_image(
            w, extent_A=(30.0, 30.0), microscope=microscope, shape=(256, 256), sampling_A=30 / 256
        ).image
        for w in (wave, reference)
    )
    assert fine.std() > 0.05
    assert np.sqrt(np.mean((image - fine) ** 2)) < 1e-3


def test_scattering_follows_the_smearing():
    atom = Atoms("C", [(15, 15, 1)], cell=(30, 30, 2))
    sharp = exit_wave(atom, energy_eV=300e3, sampling_A=0.06)
    smeared = exit_wave(atom, energy_eV=300e3, sampling_A=0.06, debye_waller_A=0.1)
    q = np.hypot(
        *np.meshgrid(np.fft.fftfreq(len(sharp), 30 / len(sharp)), np.fft.fftfreq(len(sharp), 30 / len(sharp)))
    )
    for ring in (1.0, 2.0, 2.5):
        there = np.abs(q - ring) < 0.05
        power = [np.sum(np.abs(np.fft.fft2(wave))[there] ** 2) for wave in (sharp, smeared)]
        # A light atom scatters once: amplitudes fall by exp(−2π²u²q²).
        assert power[1] / power[0] == pytest.approx(np.exp(-4 * (np.pi * 0.1 * ring) ** 2), rel=0.05)


def test_an_atom_at_rest_does_not_alias():
    """Where nothing smears the potential, a safe band is kept: two grids agree below it."""
    coarse, fine = (exit_wave(gold(0.0), energy_eV=300e3, sampling_A=s) for s in (0.0625, 0.04))
    assert error(coarse, fine) < 0.02


def propagate(wave: np.ndarray, distance_A: float, side_A: float, energy_eV: float) -> np.ndarray:
    from abtem.core.energy import energy2wavelength

    q = np.fft.fftfreq(len(wave), side_A / len(wave))
    squared = q[:, np.newaxis] ** 2 + q**2
    return np.fft.ifft2(
        np.fft.fft2(wave) * np.exp(-1j * np.pi * energy2wavelength(energy_eV) * distance_A * squared)
    )


def error(wave: np.ndarray, reference: np.ndarray, q_limit: float = 3.2) -> float:
    """R.m.s. difference of two waves on square grids of 30 Å, within the band that reaches an image."""
    spectra = [np.fft.fft2(w) / w.size for w in (wave, reference)]
    n = min(len(s) for s in spectra) // 2 * 2
    kept = [np.fft.fftshift(s) for s in spectra]
    kept = [s[len(s) // 2 - n // 2 :, len(s) // 2 - n // 2 :][:n, :n] for s in kept]
    q = np.fft.fftshift(np.fft.fftfreq(n, 30 / n))
    inside = q[:, np.newaxis] ** 2 + q**2 < q_limit**2
    return float(np.sqrt(np.sum(np.abs(kept[0] - kept[1])[inside] ** 2)))
