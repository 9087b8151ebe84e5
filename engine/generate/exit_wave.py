"""From atoms to exit waves: abTEM's multislice on planes and potentials of our own making."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from scipy import fft
from threadpoolctl import threadpool_limits

from ..base.errors import DataError, SettingsError
from .potential import PARAMETRISATIONS, plane_potentials
from .slices import plan_slices

# Share of the Nyquist frequency that the wave keeps. Smeared potentials hold so little above 0.9 that the
# usual 2/3, which is safe against any aliasing, would cost a third of the band for nothing (tests/physics).
_BAND = 0.9
_MULTISLICE = {
    "antialias.cutoff": _BAND,
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
    sampling_A: float = 1 / 9,
    debye_waller_A: Mapping[str, float] | float = 0.0,
    spread_A: float = 0.1,
    parametrisation: str = "kirkland",
) -> np.ndarray:
    """Send a plane wave through a structure (thesis, Eq. 1.8).

    abTEM does the multislice. It is given potentials whose atoms are not rounded to pixels and planes that
    follow the atoms, which allows slices and pixels twice as large at a tenth of the error.

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
    ((72, 72), True)
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
        return _multislice(potentials, thickness_A, _extent(atoms), energy_eV)


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
    potentials: np.ndarray, thickness_A: np.ndarray, extent_A: tuple[float, float], energy_eV: float
) -> np.ndarray:
    import abtem
    from abtem.potentials.iam import PotentialArray

    with abtem.config.set(_MULTISLICE):
        slices = PotentialArray(potentials, slice_thickness=tuple(thickness_A), extent=extent_A)
        wave: Any = abtem.PlaneWave(energy=energy_eV).multislice(slices, lazy=False)
    return np.asarray(wave.array, np.complex64)


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
