"""Vibrations by element and coordination: read off molecular dynamics, given to any structure.

The "Local Environment Frozen Phonon" method of the thesis (Chapter 5, Table 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from ..base.errors import DataError, SettingsError
from .trajectory import count_neighbours, follow_atoms

_Key = tuple[str, str, int]
_Sigma = tuple[float, float, float]


@dataclass(frozen=True)
class VibrationalAmplitudes(Mapping[_Key, _Sigma]):
    """Amplitudes by local environment: a mapping that cannot change, and can be sent to other processes.

    Parameters
    ----------
    rows : tuple of pairs
        Key (element, neighbouring element, number of such neighbours) and standard deviation of the
        positions along x, y and z [Å] of each environment.

    Examples
    --------
    >>> amplitudes = VibrationalAmplitudes(((("S", "Mo", 3), (0.05, 0.05, 0.06)),))
    >>> amplitudes["S", "Mo", 3]
    (0.05, 0.05, 0.06)
    """

    rows: tuple[tuple[_Key, _Sigma], ...]

    def __getitem__(self, key: _Key) -> _Sigma:
        return dict(self.rows)[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(dict(self.rows))

    def __len__(self) -> int:
        return len(self.rows)


def get_vibrational_amplitudes(
    trajectory: str | Path | Iterable[Atoms],
    *,
    skip: int = 0,
    remove_drift: bool = True,
    remove_rotation: bool = False,
) -> VibrationalAmplitudes:
    """Find how far atoms vibrate, by element and coordination.

    Parameters
    ----------
    trajectory : path or iterable of ase.Atoms
        Configurations of molecular dynamics: a file that ASE reads, or the configurations; 2 or more.
    skip : int
        Frames at the start that are left out.
    remove_drift, remove_rotation : bool
        Whether the motion of the whole is taken out: of its centre of mass, and about it (for free clusters).

    Returns
    -------
    VibrationalAmplitudes
        Mapping of (element, neighbouring element, number of such neighbours) to the mean, over the atoms with
        this environment, of the standard deviation of their positions along x, y and z [Å]. Neighbours are
        counted in the mean structure (1.15 times the covalent radii); a pair of elements is listed where it
        is bonded anywhere, then also with 0 neighbours.

    Raises
    ------
    ReadError
        If the file cannot be read.
    DataError
        If there are fewer than 2 frames, the atoms change, or none are bonded.
    SettingsError
        If skip is negative.

    Notes
    -----
    Thesis, Table 5.1 and Figure 5.1.

    Examples
    --------
    >>> frames = [Atoms("Au2", [(0, 0, 0), (2.9 + x, 0, 0)]) for x in (-0.1, 0.1)]
    >>> found = get_vibrational_amplitudes(frames, remove_drift=False)
    >>> [round(sigma, 4) for sigma in found["Au", "Au", 1]]
    [0.0707, 0.0, 0.0]
    """
    motion = follow_atoms(trajectory, skip=skip, remove_drift=remove_drift, remove_rotation=remove_rotation)
    sigma = motion.positions_A.std(axis=0, ddof=1)
    counts = count_neighbours(motion.mean_structure)
    symbols = np.array(motion.reference.get_chemical_symbols())
    rows: list[tuple[_Key, _Sigma]] = []
    for element in counts:
        for neighbour, number in counts.items():
            mine = number[symbols == element]
            for coordination in np.unique(mine) if mine.any() else ():
                x, y, z = sigma[symbols == element][mine == coordination].mean(axis=0)
                rows.append(((element, neighbour, int(coordination)), (float(x), float(y), float(z))))
    if not rows:
        raise DataError("expected bonded atoms in the trajectory, got none; are its lengths in Å?")
    return VibrationalAmplitudes(tuple(rows))


def look_up_amplitudes(
    atoms: Atoms, amplitudes: Mapping[_Key, _Sigma], *, unknown: str = "refuse"
) -> np.ndarray:
    """Find the amplitude of each atom of a structure from its environment.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    amplitudes : mapping
        As `get_vibrational_amplitudes` returns it.
    unknown : {"refuse", "keep"}
        What happens to elements without amplitudes: an error, or they stay still, as a support may.

    Returns
    -------
    array (N, 3), float64
        Standard deviation of each atom's position along x, y and z [Å]. Where the element's amplitudes
        towards several elements are known, their variances are averaged; a coordination that is not known
        takes the nearest known one, the lower of two as near.

    Raises
    ------
    SettingsError
        If an element has no amplitudes and `unknown` is "refuse".

    Examples
    --------
    >>> atoms = Atoms("Au3", [(0, 0, 0), (2.9, 0, 0), (5.8, 0, 0)])
    >>> look_up_amplitudes(atoms, {("Au", "Au", 1): (0.2, 0.2, 0.2)})[:, 0].tolist()
    [0.2, 0.2, 0.2]
    """
    if unknown not in ("refuse", "keep"):
        raise SettingsError(f"expected unknown to be refuse or keep, got {unknown!r}")
    symbols = np.array(atoms.get_chemical_symbols())
    counts = count_neighbours(atoms)
    sigma = np.zeros((len(atoms), 3))
    for element in np.unique(symbols):
        mine = symbols == element
        variances = []
        for neighbour in sorted({key[1] for key in amplitudes if key[0] == element}):
            known = sorted(key[2] for key in amplitudes if key[:2] == (element, neighbour))
            table = np.array([amplitudes[str(element), neighbour, number] for number in known])
            number = counts.get(neighbour, np.zeros(len(atoms), np.int64))[mine]
            nearest = np.abs(number[:, np.newaxis] - known).argmin(axis=1)
            variances.append(table[nearest] ** 2)
        if variances:
            sigma[mine] = np.sqrt(np.mean(variances, axis=0))
        elif unknown == "refuse":
            known_elements = ", ".join(sorted({key[0] for key in amplitudes})) or "nothing"
            raise SettingsError(f"expected atoms with known amplitudes ({known_elements}), got {element}")
    return sigma


def perturb_atoms(
    rng: np.random.Generator,
    atoms: Atoms,
    amplitudes: Mapping[_Key, _Sigma],
    *,
    factor: float = 1.0,
    unknown: str = "refuse",
    leave: Sequence[int] | np.ndarray = (),
) -> Atoms:
    """Displace the atoms of a structure as its vibrations would, each by its environment.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the displacements come from; the same state gives the same atoms.
    atoms : ase.Atoms
        The structure, which is not changed.
    amplitudes : mapping
        As `get_vibrational_amplitudes` returns it.
    factor : float
        What all amplitudes are multiplied with, 0 or more: above 1 as for the heat of the beam.
    unknown : {"refuse", "keep"}
        As in `look_up_amplitudes`, which also says what an unknown coordination takes.
    leave : sequence of int
        Rows of atoms that stay, as those at an edge that `perturb_edge_atoms` then moves.

    Returns
    -------
    ase.Atoms
        A copy, one frozen phonon: each coordinate moved by a normal deviate of factor times the amplitude.

    Raises
    ------
    SettingsError
        If an element has no amplitudes, or the factor is negative.

    Notes
    -----
    Thesis, Table 5.1.

    Examples
    --------
    >>> atoms = Atoms("Au2", [(0, 0, 0), (2.9, 0, 0)])
    >>> still = {("Au", "Au", 1): (0.0, 0.0, 0.1)}
    >>> perturb_atoms(np.random.default_rng(0), atoms, still).positions[:, :2].tolist()
    [[0.0, 0.0], [2.9, 0.0]]
    """
    if not 0 <= factor < math.inf:
        raise SettingsError(f"factor must be 0 or more, got {factor}")
    sigma = look_up_amplitudes(atoms, amplitudes, unknown=unknown)
    sigma[np.asarray(leave, np.int64)] = 0
    perturbed = atoms.copy()
    perturbed.positions += factor * sigma * rng.standard_normal((len(atoms), 3))
    return perturbed
