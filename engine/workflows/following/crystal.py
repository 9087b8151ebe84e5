"""The lattice planes of a crystal that a user names, or gives as a structure file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...base.errors import ReadError, SettingsError

if TYPE_CHECKING:
    from ase import Atoms

# Cells of oxides that carry particles; elements come with ASE's own cells [Å].
_COMPOUNDS = {
    "CeO2": ("fluorite", 5.411),
    "MgO": ("rocksalt", 4.212),
    "NiO": ("rocksalt", 4.177),
    "TiC": ("rocksalt", 4.328),
    "GaAs": ("zincblende", 5.653),
}
# Of the strongest structure factor, squared: a plane below it is forbidden but for the model's rounding.
_LEAST_INTENSITY = 1e-4
_MOST_INDEX = 12


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal's families of planes, by falling spacing.

    Parameters
    ----------
    name : str
        Its name or file.
    d_nm : array (m,), float64
        Spacing of each family [nm].
    names : tuple of str
        Its Miller indices: {hkl}, of families with the same spacing all; in a crystal that is not cubic
        (hkl) of one of its planes.
    """

    name: str
    d_nm: np.ndarray
    names: tuple[str, ...]


def open_crystal(crystal: str, *, least_d_nm: float) -> Crystal:
    """Find the families of planes of a crystal whose structure factor is not zero.

    Parameters
    ----------
    crystal : str
        Chemical symbol of an element (or one of a few oxides), or path of a structure file that ASE reads.
    least_d_nm : float
        Shortest spacing of interest [nm].

    Returns
    -------
    Crystal
        Families by falling spacing.

    Raises
    ------
    SettingsError
        If there is no such element or file.
    ReadError
        If the file holds no crystal.

    Notes
    -----
    F(hkl) = Σ Z·exp(2πi h·x), with the atomic number for the scattering of an atom: whether a plane is
    forbidden does not depend on more.

    Examples
    --------
    >>> open_crystal("Au", least_d_nm=0.19).names
    ('{111}', '{200}')
    """
    atoms = _open_atoms(crystal)
    reciprocal = np.asarray(atoms.cell.reciprocal())
    # |h| is at most the cell's length along that axis over d.
    most = np.minimum(np.ceil(atoms.cell.lengths() / (10 * least_d_nm)).astype(int), _MOST_INDEX)
    steps = [np.arange(-n, n + 1) for n in most]
    index = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    index = index[index.any(axis=1)]
    d_nm = 0.1 / np.linalg.norm(index @ reciprocal, axis=1)
    index, d_nm = index[d_nm >= least_d_nm], d_nm[d_nm >= least_d_nm]
    phases = np.exp(2j * math.pi * index @ atoms.get_scaled_positions().T)
    strength = np.abs(phases @ atoms.numbers) ** 2
    there = strength > _LEAST_INTENSITY * float(atoms.numbers.sum()) ** 2
    families: dict[float, list[tuple[int, ...]]] = {}
    for d, hkl in sorted(zip(d_nm[there].tolist(), index[there].tolist(), strict=True), reverse=True):
        same = next((known for known in families if abs(known / d - 1) < 1e-4), d)
        families.setdefault(same, []).append(tuple(hkl))
    if not families:
        raise SettingsError(
            f"crystal: {crystal} has no plane with a spacing above {least_d_nm:.3g} nm, where reflections are"
        )
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    cubic = bool(np.allclose(lengths, lengths[0], rtol=1e-4) and np.allclose(angles, 90.0, atol=0.01))
    names = tuple(_family_name(family, cubic) for family in families.values())
    return Crystal(crystal, np.array(list(families)), names)


def _family_name(family: list[tuple[int, ...]], cubic: bool) -> str:
    """Name planes of one spacing: {111}, or {511} {333} where more than one kind falls together.

    Only in a cubic crystal do indices of one kind stand for one family; else one plane gives the name.
    """
    if not cubic:
        return f"({_digits(max(family))})"
    kinds = sorted({tuple(sorted((abs(h) for h in hkl), reverse=True)) for hkl in family}, reverse=True)
    return " ".join("{" + _digits(kind) + "}" for kind in kinds)


def _digits(hkl: tuple[int, ...]) -> str:
    return ("" if max(map(abs, hkl)) < 10 else " ").join(map(str, hkl))


def _open_atoms(crystal: str) -> Atoms:
    from ase.build import bulk
    from ase.io import read

    path = Path(crystal)
    if path.is_file():
        try:
            atoms = read(path)
        except Exception as error:
            raise ReadError(f"crystal: {path} cannot be read as a structure: {error}") from error
        if isinstance(atoms, list) or not atoms.cell.rank == 3:
            raise ReadError(f"crystal: {path} holds no unit cell; give a file of a crystal, such as .cif")
        return atoms
    try:
        if crystal in _COMPOUNDS:
            structure, a = _COMPOUNDS[crystal]
            return bulk(crystal, structure, a=a, cubic=True)
        try:
            return bulk(crystal, cubic=True)
        except (ValueError, RuntimeError, NotImplementedError):
            return bulk(crystal)
    except (ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        raise SettingsError(
            f"crystal: expected an element such as Au, one of {', '.join(_COMPOUNDS)}, or a structure file "
            f"such as .cif, got {crystal}"
        ) from error
