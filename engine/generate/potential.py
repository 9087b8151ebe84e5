"""Projected potentials of the planes of a structure, with every atom exactly where it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from scipy import fft

PARAMETRISATIONS = ("kirkland", "lobato")


def plane_potentials(
    atoms: Atoms,
    plane: np.ndarray,
    n_planes: int,
    *,
    shape: tuple[int, int],
    debye_waller_A: Mapping[str, float] | float = 0.0,
    parametrisation: str = "kirkland",
) -> Iterator[np.ndarray]:
    """Project the independent-atom potential onto planes, one by one, without interpolation.

    V(q) = Σ over elements of f(q)·exp(−2π²u²q²)·Σ over atoms of exp(−2πi q·r): the sum over atoms is a
    product of two matrices of phases, so that an atom between two pixels stays there. Placing atoms on the
    grid by linear interpolation, as quicker potentials do, blurs them by up to half a pixel.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms in an orthogonal, periodic cell [Å].
    plane : array (n,), int
        Plane of each atom.
    n_planes : int
        Planes.
    shape : (int, int)
        Rows (along the cell's y) and columns (along x), both even.
    debye_waller_A : mapping of element to float, or float
        R.m.s. displacement along one axis by which potentials are smeared [Å].
    parametrisation : str
        Scattering factors: "kirkland" or "lobato".

    Yields
    ------
    array (Y, X), float32
        Projected potential of each plane [V Å], as abTEM uses it.

    Raises
    ------
    ValueError
        If abTEM does not know the parametrisation.

    Examples
    --------
    >>> atoms = Atoms("C", [(2, 2, 1)], cell=(8, 8, 2))
    >>> (potential,) = plane_potentials(atoms, np.zeros(1, int), 1, shape=(32, 32))
    >>> [int(i) for i in np.unravel_index(potential.argmax(), potential.shape)]
    [8, 8]
    """
    rows, columns = shape
    width, height = atoms.cell.lengths()[:2]
    q_squared = (np.fft.fftfreq(rows, height / rows) ** 2)[:, np.newaxis] + (
        np.fft.rfftfreq(columns, width / columns) ** 2
    )
    symbols = np.array(atoms.get_chemical_symbols())
    factors = {
        str(symbol): _scattering(str(symbol), q_squared, debye_waller_A, parametrisation)
        * np.float32(rows * columns / (width * height))
        for symbol in np.unique(symbols)
    }
    across = _phases(atoms.positions[:, 0] / width, columns // 2 + 1)
    half = _phases(atoms.positions[:, 1] / height, rows // 2 + 1)
    spectrum = np.empty(q_squared.shape, np.complex64)
    for index in range(n_planes):
        spectrum[:] = 0
        for symbol, factor in factors.items():
            here = np.flatnonzero((plane == index) & (symbols == symbol))
            if here.size:
                down = np.concatenate([half[here], half[here, rows // 2 - 1 : 0 : -1].conj()], axis=1)
                spectrum += factor * (down.T @ across[here])
        yield fft.irfft2(spectrum, s=shape, workers=1)


def _phases(fractions: np.ndarray, n: int) -> np.ndarray:
    """Compute exp(−2πi k x) for k = 0 … n − 1, an array (atoms, n), complex64."""
    turns = np.multiply.outer(fractions, np.arange(n))
    # The turns' whole part is taken off in double precision; single precision is then enough.
    turns -= np.rint(turns)
    angles = (-2 * math.pi * turns).astype(np.float32)
    phases = np.empty(angles.shape, np.complex64)
    np.cos(angles, out=phases.real)
    np.sin(angles, out=phases.imag)
    return phases


def _scattering(
    symbol: str,
    q_squared: np.ndarray,
    debye_waller_A: Mapping[str, float] | float,
    parametrisation: str,
) -> np.ndarray:
    """Compute an element's smeared scattering factor on the grid, float32."""
    from abtem.parametrizations import validate_parametrization

    known: Any = validate_parametrization(parametrisation)
    factor = known.projected_scattering_factor(symbol)
    u = debye_waller_A.get(symbol, 0.0) if isinstance(debye_waller_A, Mapping) else debye_waller_A
    return (factor(q_squared) * np.exp(-2 * math.pi**2 * u**2 * q_squared)).astype(np.float32)
