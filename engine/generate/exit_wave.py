"""From atoms to exit waves: abTEM's multislice on planes and potentials of our own making."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from scipy import fft
from threadpoolctl import threadpool_limits

from ..base.errors import DataError, SettingsError
from .potential import PARAMETRISATIONS, plane_potentials
from .slices import plan_slices

# A product of waves and potentials of 2/3 of the grid's band cannot alias. Where vibrations smear every
# potential below this share at the Nyquist frequency, next to nothing can either, and the whole band is kept
# (tests/physics).
_SMEARED = 0.3
_SAFE_BAND = 2 / 3
_MULTISLICE = {
    "device": "cpu",
    "diagnostics.progress_bar": False,
    "precision": "float32",
    # Measured plans differ from run to run, and round differently.
    "fftw.planning_effort": "FFTW_ESTIMATE",
    "fftw.threads": 1,
}


def exit_wave(
    atoms: Atoms,
    *,
    energy_eV: float,
    sampling_A: float = 3 / 32,
    debye_waller_A: Mapping[str, float] | float = 0.0,
    spread_A: float = 0.1,
    parametrisation: str = "kirkland",
) -> np.ndarray:
    """Send a plane wave through a structure (thesis, Eq. 1.8).

    abTEM does the multislice. It is given potentials whose atoms are not rounded to pixels and planes that
    follow the atoms, which allows thicker slices and larger pixels at a tenth of the error. An atom at rest,
    whose potential has a sharp core, needs pixels of 0.05 Å for the same.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms in an orthogonal cell [Å]; the beam enters at z = 0 and leaves at the cell's end.
    energy_eV : float
        Beam energy [eV].
    sampling_A : float
        Largest side of a pixel; a little less where the fast Fourier transform is quicker so [Å].
    debye_waller_A : mapping of element to float, or float
        R.m.s. thermal displacement along one axis that smears the potential [Å].
    spread_A : float
        R.m.s. distance along the beam of atoms from their plane [Å].
    parametrisation : str
        Scattering factors: "kirkland" or "lobato".

    Returns
    -------
    array (Y, X), complex64
        Exit wave in the plane of the cell's end; 1 in vacuum. Rows run along the cell's y, columns along x.

    Raises
    ------
    SettingsError
        If energy, sampling, displacement or spread are out of range, or the scattering factors unknown.
    DataError
        If the cell is not orthogonal or has no volume, or an atom lies outside of it.

    Examples
    --------
    >>> wave = exit_wave(Atoms("Au", [(4, 4, 2)], cell=(8, 8, 4)), energy_eV=300e3)
    >>> wave.shape, bool(abs(abs(wave).mean() - 1) < 0.1)
    ((88, 88), True)
    """
    _check_settings(energy_eV, sampling_A, debye_waller_A, parametrisation)
    check_cell(atoms)
    shape = grid_shape(atoms, sampling_A)
    if len(atoms) == 0:
        return np.ones(shape, np.complex64)
    plane, plane_z_A = plan_slices(
        atoms.positions[:, 2], atoms.numbers.astype(np.float64) ** 2, spread_A=spread_A
    )
    # One thread: BLAS sums in another order with two.
    with threadpool_limits(1):
        potentials = plane_potentials(
            atoms,
            plane,
            len(plane_z_A),
            shape=shape,
            debye_waller_A=debye_waller_A,
            parametrisation=parametrisation,
        )
        # The plane wave reaches the first plane unchanged; the last one is followed by vacuum.
        thickness_A = np.diff(np.append(plane_z_A, atoms.cell.lengths()[2]))
        extent_A = _extent(atoms)
        finest_A = min(side / n for side, n in zip(extent_A, shape, strict=True))
        smeared = _left_at_nyquist(atoms, debye_waller_A, finest_A) < _SMEARED
        return _multislice(zip(potentials, thickness_A, strict=True), shape, extent_A, energy_eV, smeared)


def grid_shape(atoms: Atoms, sampling_A: float) -> tuple[int, int]:
    """Choose rows and columns for a cell: even, quick to transform, and at least as fine as asked.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms in an orthogonal cell [Å].
    sampling_A : float
        Largest side of a pixel [Å].

    Returns
    -------
    (int, int)
        Rows and columns.

    Examples
    --------
    >>> grid_shape(Atoms(cell=(60, 30, 20)), 1 / 9)
    (270, 540)
    """
    rows, columns = (
        2 * fft.next_fast_len(math.ceil(side / sampling_A / 2 - 1e-6)) for side in _extent(atoms)
    )
    return rows, columns


def check_cell(atoms: Atoms) -> None:
    """Refuse a cell that waves cannot be computed in.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms in their cell [Å].

    Raises
    ------
    DataError
        If the cell is not orthogonal or has no volume, or an atom lies outside of it.

    Examples
    --------
    >>> check_cell(Atoms("Au", [(1, 1, 1)], cell=(3, 3, 3)))
    """
    lengths = atoms.cell.lengths()
    if min(lengths) <= 0 or not np.allclose(atoms.cell.array, np.diag(lengths), atol=1e-6):
        raise DataError(
            f"cell: expected three orthogonal edges along x, y, z, got {atoms.cell.array.tolist()}"
        )
    outside = ((atoms.positions < 0) | (atoms.positions > lengths)).any(axis=1)
    if outside.any():
        first = atoms[int(np.flatnonzero(outside)[0])]
        raise DataError(
            f"structure leaves its cell of {_listed(lengths)} Å: {int(outside.sum())} atoms outside, the "
            f"first {first.symbol} at {_listed(first.position)} Å"
        )


def _multislice(
    slices: Iterable[tuple[np.ndarray, float]],
    shape: tuple[int, int],
    extent_A: tuple[float, float],
    energy_eV: float,
    smeared: bool,
) -> np.ndarray:
    """Have abTEM send a plane wave through slices: a potential each, and how far it is to the next."""
    import abtem
    from abtem.antialias import AntialiasAperture
    from abtem.multislice import FresnelPropagator, conventional_multislice_step
    from abtem.potentials.iam import PotentialArray

    with abtem.config.set({**_MULTISLICE, "antialias.cutoff": 1.0 if smeared else _SAFE_BAND}):
        waves: Any = abtem.PlaneWave(energy=energy_eV, gpts=shape, extent=extent_A).build(lazy=False)
        propagator, aperture = FresnelPropagator(), AntialiasAperture()
        for potential, thickness_A in slices:
            one: Any = PotentialArray(potential[np.newaxis], (float(thickness_A),), extent=extent_A)
            if smeared:
                # A transmission function goes as it is; abTEM cuts the band of a potential's.
                one = one.transmission_function(energy_eV)
            waves = conventional_multislice_step(waves, one, propagator, aperture)
    return np.asarray(waves.array, np.complex64)


def _left_at_nyquist(atoms: Atoms, debye_waller_A: Mapping[str, float] | float, sampling_A: float) -> float:
    """Tell what share of the least smeared potential is left at the grid's Nyquist frequency."""
    u_A = debye_waller_A
    elements = set(atoms.get_chemical_symbols())
    least_A = min(u_A.get(e, 0.0) for e in elements) if isinstance(u_A, Mapping) else u_A
    return math.exp(-2 * (math.pi * least_A / (2 * sampling_A)) ** 2)


def _extent(atoms: Atoms) -> tuple[float, float]:
    width, height = (float(side) for side in atoms.cell.lengths()[:2])
    return height, width


def _check_settings(
    energy_eV: float, sampling_A: float, debye_waller_A: Mapping[str, float] | float, parametrisation: str
) -> None:
    if not 1e3 <= energy_eV <= 3e6:
        raise SettingsError(f"energy_eV: expected 1,000 to 3,000,000 eV, got {energy_eV}")
    if not 0 < sampling_A <= 1:
        raise SettingsError(f"sampling_A: expected above 0 and at most 1 Å/pixel, got {sampling_A}")
    smearing = debye_waller_A.values() if isinstance(debye_waller_A, Mapping) else [debye_waller_A]
    if not all(0 <= u <= 1 for u in smearing):
        raise SettingsError(f"debye_waller_A: expected displacements of 0 to 1 Å, got {debye_waller_A}")
    if parametrisation not in PARAMETRISATIONS:
        raise SettingsError(
            f"parametrisation: expected one of {', '.join(PARAMETRISATIONS)}, got {parametrisation}"
        )


def _listed(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)
