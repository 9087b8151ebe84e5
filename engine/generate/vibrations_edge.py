"""Vibrations of atoms at the edge of a flake, along and across it.

The "Directional Edge Frozen Phonon" method of the thesis (Chapter 5, Table 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from ..base.errors import DataError, SettingsError
from .trajectory import find_bonds, follow_atoms

_MIN_IN_PLANE_A = 0.3


def find_edge_atoms(
    atoms: Atoms, *, edge_element: str, neighbour_element: str, max_coordination: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the atoms at the edge of a flake and their local axes.

    Parameters
    ----------
    atoms : ase.Atoms
        A flake in the plane of x and y.
    edge_element, neighbour_element : str
        As "S" and "Mo": atoms of the first with the fewest neighbours of the second are at the edge.
    max_coordination : int or None
        Most such neighbours of an atom at the edge; None takes the fewest that occur, from 1.

    Returns
    -------
    rows : array (n,), int64
        Rows of the atoms at the edge.
    axes : array (n, 3, 3), float64
        Unit vectors of each: x along the edge, y in the plane towards the neighbour, z up. With more than one
        neighbour y points between them, where the nearest one would be chance.

    Raises
    ------
    SettingsError
        If an element is not among the atoms, or max_coordination below 1.
    DataError
        If no atom is bonded to such a neighbour, or one is surrounded, so that it has no edge.

    Examples
    --------
    >>> atoms = Atoms("MoS", [(0, 0, 0), (0, -1.8, 1.6)])
    >>> rows, axes = find_edge_atoms(atoms, edge_element="S", neighbour_element="Mo")
    >>> rows.tolist(), axes[0].round(6).tolist()
    ([1], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    symbols = np.array(atoms.get_chemical_symbols())
    for name, element in (("edge_element", edge_element), ("neighbour_element", neighbour_element)):
        if element not in symbols:
            raise SettingsError(f"{name}: expected one of {', '.join(np.unique(symbols))}, got {element!r}")
    if max_coordination is not None and max_coordination < 1:
        raise SettingsError(f"max_coordination must be 1 or more, got {max_coordination}")
    first, second, vectors = find_bonds(atoms)
    use = (symbols[first] == edge_element) & (symbols[second] == neighbour_element)
    first, vectors = first[use], vectors[use]
    number = np.bincount(first, minlength=len(atoms))
    if not number.any():
        raise DataError(f"expected {edge_element} bonded to {neighbour_element}, got no such bond")
    most = number[number > 0].min() if max_coordination is None else max_coordination
    rows = np.flatnonzero((number > 0) & (number <= most))
    if not len(rows):
        raise DataError(f"expected {edge_element} with 1 to {most} {neighbour_element}, got none")
    towards = np.zeros((len(atoms), 2))
    np.add.at(towards, first, vectors[:, :2] / number[first, np.newaxis])
    towards = towards[rows]
    length = np.linalg.norm(towards, axis=1)
    if length.min() < _MIN_IN_PLANE_A:
        raise DataError(
            f"expected {edge_element} with all {neighbour_element} to one side, got one with "
            f"{number[rows[length.argmin()]]} around it; lower max_coordination, or there is no edge"
        )
    axes = np.zeros((len(rows), 3, 3))
    axes[:, 1, :2] = towards / length[:, np.newaxis]
    axes[:, 0, 0], axes[:, 0, 1] = axes[:, 1, 1], 0 - axes[:, 1, 0]
    axes[:, 2, 2] = 1
    return rows, axes


def get_edge_vibrations(
    trajectory: str | Path | Iterable[Atoms],
    *,
    edge_element: str,
    neighbour_element: str,
    max_coordination: int | None = None,
    skip: int = 0,
    remove_drift: bool = True,
    remove_rotation: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Find how far atoms at the edge of a flake vibrate along and across it.

    Parameters
    ----------
    trajectory : path or iterable of ase.Atoms
        Configurations of molecular dynamics of a flake in the plane of x and y.
    edge_element, neighbour_element, max_coordination
        As in `find_edge_atoms`, which is applied to the mean structure.
    skip, remove_drift, remove_rotation
        As in `get_vibrational_amplitudes`.

    Returns
    -------
    sigma_xyz : array (3,), float64
        Standard deviation of the positions along the edge, across it and up, mean over the edge's atoms [Å].
    mu_xyz : array (3,), float64
        How far the mean positions lie from those of the first frame, along the same axes, mean over the
        edge's atoms [Å]: 0, −0.02, 0 is an edge that stands out by 0.02 Å. It says something where the first
        frame is the relaxed structure, as in the thesis; where it is one of the vibrating ones, take 0.

    Raises
    ------
    ReadError, DataError, SettingsError
        As `get_vibrational_amplitudes` and `find_edge_atoms` do.

    Notes
    -----
    Thesis, Table 5.1 and Figure 5.3: the axes of all atoms at the edge are laid on one another, y towards the
    nearest neighbour. There, S of MoS2 at 1200 K moves almost 1.5 times as far along the edge as across it.

    Examples
    --------
    >>> frames = [Atoms("MoS", [(0, 0, 0), (x, -1.8, 1.6)]) for x in (0.0, 0.1, -0.1)]
    >>> sigma, mu = get_edge_vibrations(
    ...     frames, edge_element="S", neighbour_element="Mo", remove_drift=False
    ... )
    >>> sigma.round(3).tolist()
    [0.1, 0.0, 0.0]
    """
    motion = follow_atoms(trajectory, skip=skip, remove_drift=remove_drift, remove_rotation=remove_rotation)
    rows, axes = find_edge_atoms(
        motion.mean_structure,
        edge_element=edge_element,
        neighbour_element=neighbour_element,
        max_coordination=max_coordination,
    )
    moved = motion.positions_A[:, rows] - motion.reference.positions[rows]
    local = np.einsum("nij,tnj->tni", axes, moved)
    return local.std(axis=0, ddof=1).mean(axis=0), local.mean(axis=(0, 1))


def perturb_edge_atoms(
    rng: np.random.Generator,
    atoms: Atoms,
    sigma_xyz: Sequence[float] | np.ndarray,
    mu_xyz: Sequence[float] | np.ndarray,
    *,
    edge_element: str,
    neighbour_element: str,
    max_coordination: int | None = None,
    factor: float = 1.0,
) -> Atoms:
    """Displace the atoms at the edge of a flake along and across it; the others stay.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the displacements come from; the same state gives the same atoms.
    atoms : ase.Atoms
        The flake, in the plane of x and y, which is not changed.
    sigma_xyz, mu_xyz : array (3,)
        As `get_edge_vibrations` returns them [Å].
    edge_element, neighbour_element, max_coordination
        As in `find_edge_atoms`.
    factor : float
        What sigma_xyz is multiplied with, 0 or more; mu_xyz is not.

    Returns
    -------
    ase.Atoms
        A copy, whose atoms at the edge are moved by mu + factor·sigma·(normal deviates) along their own axes.

    Raises
    ------
    SettingsError
        If sigma or mu are not three finite numbers, sigma or the factor are negative, or as
        `find_edge_atoms`.
    DataError
        As `find_edge_atoms` does.

    Notes
    -----
    Thesis, Table 5.1. For all atoms: `find_edge_atoms`, `perturb_atoms` with `leave` at its rows, then this.

    Examples
    --------
    >>> atoms = Atoms("MoS", [(0, 0, 0), (0, -1.8, 1.6)])
    >>> moved = perturb_edge_atoms(
    ...     np.random.default_rng(0), atoms, (0, 0, 0), (0, -0.1, 0), edge_element="S", neighbour_element="Mo"
    ... )
    >>> moved.positions[1].round(6).tolist()
    [0.0, -1.9, 1.6]
    """
    sigma, mu = np.asarray(sigma_xyz, np.float64), np.asarray(mu_xyz, np.float64)
    for name, value in (("sigma_xyz", sigma), ("mu_xyz", mu)):
        if value.shape != (3,) or not np.isfinite(value).all():
            raise SettingsError(f"{name}: expected three finite numbers [Å], got {value.tolist()}")
    if sigma.min() < 0 or not 0 <= factor < math.inf:
        raise SettingsError(f"sigma_xyz and factor must be 0 or more, got {sigma.tolist()} and {factor}")
    rows, axes = find_edge_atoms(
        atoms,
        edge_element=edge_element,
        neighbour_element=neighbour_element,
        max_coordination=max_coordination,
    )
    local = mu + factor * sigma * rng.standard_normal((len(rows), 3))
    perturbed = atoms.copy()
    perturbed.positions[rows] += np.einsum("nij,ni->nj", axes, local)
    return perturbed
