"""Trajectories of molecular dynamics: read, made continuous, and freed from drift and rotation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from ase.io import read
from ase.neighborlist import natural_cutoffs, neighbor_list
from scipy.spatial.transform import Rotation

from ..base.errors import DataError, ReadError, SettingsError

# Bonds of metals (Au: by 6 %) and hot ones exceed the covalent radii; second shells are 1.4 times as far.
_BOND_STRETCH = 1.15


@dataclass(frozen=True, eq=False)
class Motion:
    """How the atoms of a trajectory move.

    Parameters
    ----------
    reference : ase.Atoms
        First frame of the trajectory.
    positions_A : array (T, N, 3), float64
        Positions in the frames that were kept, continuous over cell boundaries [Å].

    Examples
    --------
    >>> motion = Motion(Atoms("Au"), np.array([[[0.0, 0.0, 0.0]], [[0.2, 0.0, 0.0]]]))
    >>> motion.mean_structure.positions.tolist()
    [[0.1, 0.0, 0.0]]
    """

    reference: Atoms
    positions_A: np.ndarray

    @property
    def mean_structure(self) -> Atoms:
        """The reference with all atoms at their mean positions."""
        mean = self.reference.copy()
        mean.positions = self.positions_A.mean(axis=0)
        return mean


def follow_atoms(
    trajectory: str | Path | Iterable[Atoms],
    *,
    skip: int = 0,
    remove_drift: bool = True,
    remove_rotation: bool = False,
) -> Motion:
    """Follow the atoms of a trajectory, without what moves all of them together.

    Parameters
    ----------
    trajectory : path or iterable of ase.Atoms
        A file with several configurations that ASE reads, or the configurations.
    skip : int
        Frames at the start that are left out, while the system thermalises; the first still is the reference.
    remove_drift : bool
        Whether the centre of mass stays where it is in the first frame.
    remove_rotation : bool
        Whether each frame is turned about the centre of mass onto the first one (weighted by mass, Kabsch):
        for clusters and flakes that end inside the cell, not for crystals that go on through it.

    Returns
    -------
    Motion
        The reference and the positions.

    Raises
    ------
    ReadError
        If the file cannot be read.
    DataError
        If fewer than 2 frames remain, or the atoms change.
    SettingsError
        If skip is negative.

    Examples
    --------
    >>> frames = [Atoms("Au2", [(x, 0, 0), (x + 3, 0, 0)]) for x in (0.0, 1.0, 2.0)]
    >>> follow_atoms(frames).positions_A[:, 1, 0].round(6).tolist()
    [3.0, 3.0, 3.0]
    """
    if skip != int(skip) or skip < 0:
        raise SettingsError(f"expected to skip 0 or more whole frames, got {skip}")
    frames = _read_frames(trajectory)
    if len(frames) < skip + 2:
        raise DataError(f"expected a trajectory of 2 or more frames after skip = {skip}, got {len(frames)}")
    first = frames[0]
    for number, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, first.numbers):
            raise DataError(f"expected the same atoms in all frames, got others in frame {number}")
    positions = _unwrap(frames)
    if not np.isfinite(positions).all():
        raise DataError("expected finite positions in the trajectory, got NaN or infinity")
    masses = first.get_masses()
    centre = positions[0].T @ masses / masses.sum()
    if remove_drift or remove_rotation:
        moved = np.einsum("tni,n->ti", positions, masses) / masses.sum()
        relative = positions - moved[:, np.newaxis]
        if remove_rotation:
            for number in range(1, len(relative)):
                turn, _ = Rotation.align_vectors(relative[0], relative[number], weights=masses)
                relative[number] = turn.apply(relative[number])
        positions = relative + (centre if remove_drift else moved[:, np.newaxis])
    return Motion(first.copy(), positions[int(skip) :])


def find_bonds(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the neighbours of each atom, no farther than 1.15 times the sum of both covalent radii.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms, periodic as their `pbc` says.

    Returns
    -------
    first, second : arrays (m,), int64
        Rows of the two atoms of each bond, both ways round.
    vectors_A : array (m, 3), float64
        From the first to the second [Å].

    Examples
    --------
    >>> find_bonds(Atoms("Au3", [(0, 0, 0), (2.9, 0, 0), (9, 0, 0)]))[0].tolist()
    [0, 1]
    """
    return neighbor_list("ijD", atoms, natural_cutoffs(atoms, mult=_BOND_STRETCH))


def count_neighbours(atoms: Atoms) -> dict[str, np.ndarray]:
    """Count the neighbours that each atom has of each element.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms, periodic as their `pbc` says.

    Returns
    -------
    dict of str to array (N,), int64
        By symbol of the neighbours: their number at each atom.

    Examples
    --------
    >>> {symbol: n.tolist() for symbol, n in count_neighbours(Atoms("CO", [(0, 0, 0), (1.1, 0, 0)])).items()}
    {'C': [0, 1], 'O': [1, 0]}
    """
    first, second, _ = find_bonds(atoms)
    symbols = np.array(atoms.get_chemical_symbols())
    return {
        str(symbol): np.bincount(first[symbols[second] == symbol], minlength=len(atoms))
        for symbol in np.unique(symbols)
    }


def _read_frames(trajectory: str | Path | Iterable[Atoms]) -> list[Atoms]:
    if not isinstance(trajectory, (str, Path)):
        return [trajectory] if isinstance(trajectory, Atoms) else list(trajectory)
    try:
        found = read(trajectory, index=":")
    except Exception as error:  # ASE's readers raise whatever their format meets
        raise ReadError(f"{trajectory}: expected a trajectory that ASE reads, {error}") from None
    return found if isinstance(found, list) else [found]


def _unwrap(frames: list[Atoms]) -> np.ndarray:
    """Positions without the jumps of atoms that leave a cell and come in at the other side."""
    positions = np.array([frame.positions for frame in frames], np.float64)
    if not any(frame.pbc.any() for frame in frames):
        return positions
    steps = np.diff(positions, axis=0)
    for step, frame in zip(steps, frames[1:], strict=True):
        step[:] = find_mic(step, frame.cell, frame.pbc)[0]
    positions[1:] = positions[0] + np.cumsum(steps, axis=0)
    return positions
