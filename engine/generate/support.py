"""Supports with a flat top at y = 0: oxide slabs with a zone axis along the beam, and amorphous carbon."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from scipy.spatial import cKDTree

from ..base.errors import SettingsError

_CARBON_G_PER_CM3 = 2.0
_CARBON_MIN_DISTANCE_A = 1.3
# Avogadro's number times 1e-24, over the molar mass of carbon: atoms per Å³ at 1 g/cm³.
_CARBON_PER_A3 = 0.602214076 / 12.011
_ROUNDING_A = 1e-6

_Keep = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Oxide:
    """A crystal and its slab: zone axis [uvw] along z, plane (hkl) on top."""

    cell: Callable[[], Atoms]
    plane: tuple[int, int, int]
    zone: tuple[int, int, int]
    # Where the crystal is cleaved, as a fraction of the distance of lattice planes (hkl) above the origin.
    cleaved: float


def _ceria() -> Atoms:
    return bulk("CeO2", "fluorite", a=5.47, cubic=True)


def _magnesia() -> Atoms:
    return bulk("MgO", "rocksalt", a=4.212, cubic=True)


def _rutile() -> Atoms:
    basis = [(0, 0, 0), (0.3053, 0.3053, 0)]
    return crystal(["Ti", "O"], basis, spacegroup=136, cellpar=[4.594, 4.594, 2.959, 90, 90, 90])


def _strontium_titanate() -> Atoms:
    basis = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    return crystal(["Sr", "Ti", "O"], basis, spacegroup=221, cellpar=[3.905, 3.905, 3.905, 90, 90, 90])


def _corundum() -> Atoms:
    basis = [(0, 0, 0.3522), (0.3063, 0, 0.25)]
    return crystal(["Al", "O"], basis, spacegroup=167, cellpar=[4.759, 4.759, 12.991, 90, 90, 120])


# Cleaved between the two oxygen layers of CeO2 (111) and of TiO2 (110), above oxygen in MgO (111), above
# TiO2 in SrTiO3 (001), and between the two sheets of aluminium in Al2O3 (0001).
_OXIDES = {
    "CeO2": _Oxide(_ceria, (1, 1, 1), (1, -1, 0), 0.5),
    "MgO": _Oxide(_magnesia, (1, 1, 1), (1, -1, 0), 0.75),
    "TiO2": _Oxide(_rutile, (1, 1, 0), (0, 0, 1), 0.5),
    "SrTiO3": _Oxide(_strontium_titanate, (0, 0, 1), (1, 0, 0), 0.75),
    "Al2O3": _Oxide(_corundum, (0, 0, 1), (1, 0, 0), 0.0),
}
SUPPORTS = (*_OXIDES, "carbon", "none")


def fill_support(
    rng: np.random.Generator,
    support: str,
    *,
    low_A: tuple[float, float, float],
    high_A: tuple[float, float, float],
    keep: _Keep | None = None,
) -> Atoms:
    """Fill a box with a support whose surface is the plane y = 0, as far as the box reaches below it.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the atoms of carbon come from; crystals take nothing from it.
    support : str
        CeO2 (111) along [1-10], MgO (111) along [1-10], TiO2 (rutile, 110) along [001], SrTiO3 (001) along
        [100], Al2O3 (0001) along [2-1-10], amorphous carbon of 2.0 g/cm³, or none; see `SUPPORTS`.
    low_A, high_A : (float, float, float)
        Corners of the box, x, y and z [Å].
    keep : function of an array (n, 3), or None
        Tells of positions [Å] which are wanted, an array (n,) of bool; None wants all in the box.

    Returns
    -------
    ase.Atoms
        The support without a cell. The named axis of a crystal lies along z, the normal of its surface along
        y, and its topmost atomic layer at y = 0; carbon atoms are at random, none nearer than 1.3 Å to
        another (random sequential addition), none above y = 0.

    Raises
    ------
    SettingsError
        If the support is not among those, or a corner is not a finite number.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> slab = fill_support(rng, "CeO2", low_A=(0, -20, 0), high_A=(20, 0, 20))
    >>> slab.get_chemical_formula(), round(float(slab.positions[:, 1].max()), 6)
    ('Ce231O429', 0.0)
    """
    check_support(support)
    low, high = np.array(low_A, np.float64), np.array(high_A, np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise SettingsError(f"low_A, high_A: expected finite corners, got {low_A} and {high_A}")
    high[1] = min(high[1], 0.0)
    if support == "none" or (low > high).any():
        return Atoms()
    if support == "carbon":
        return _amorphous(rng, low, high, keep)
    return _slab(_OXIDES[support], low, high, keep)


def check_support(support: str) -> None:
    """Raise SettingsError unless the support is among `SUPPORTS`."""
    if support not in SUPPORTS:
        raise SettingsError(f"support: expected one of {', '.join(SUPPORTS)}, got {support!r}")


def _slab(oxide: _Oxide, low: np.ndarray, high: np.ndarray, keep: _Keep | None) -> Atoms:
    """Tile a box with a crystal, turned into place."""
    cell = oxide.cell()
    vectors, basis = _in_place(oxide, cell)
    low, high = low - _ROUNDING_A, high + _ROUNDING_A
    # Where the origins of cells lie that have an atom in the box: a few thousand are tried.
    near, far = low - basis.max(axis=0), high - basis.min(axis=0)
    corners = np.array(np.meshgrid(*zip(near, far, strict=True))).reshape(3, -1).T @ np.linalg.inv(vectors)
    first, last = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    steps = [np.arange(start, stop + 1) for start, stop in zip(first, last, strict=True)]
    origins = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ vectors
    origins = origins[((origins >= near) & (origins <= far)).all(axis=1)]
    positions = (origins[:, np.newaxis] + basis).reshape(-1, 3)
    inside = ((positions >= low) & (positions <= high)).all(axis=1)
    numbers = np.tile(cell.numbers, len(origins))[inside]
    positions = positions[inside]
    if keep is not None:
        wanted = keep(positions)
        numbers, positions = numbers[wanted], positions[wanted]
    return Atoms(numbers, positions)


def _in_place(oxide: _Oxide, cell: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Turn cell vectors and basis so that the plane's normal is y and the zone axis z; top layer at y = 0."""
    vectors = cell.cell.array
    across = np.linalg.inv(vectors) @ np.array(oxide.plane)
    distance = 1 / np.linalg.norm(across)
    normal = across * distance
    zone = np.array(oxide.zone) @ vectors
    zone /= np.linalg.norm(zone)
    turn = np.array([np.cross(normal, zone), normal, zone])
    basis = cell.positions @ turn.T
    # Every lattice plane is alike, so heights count modulo their distance; the top is the first below.
    below = np.mod(oxide.cleaved * distance - basis[:, 1] + _ROUNDING_A, distance).min() - _ROUNDING_A
    basis[:, 1] -= oxide.cleaved * distance - below
    return vectors @ turn.T, basis


def _amorphous(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, keep: _Keep | None) -> Atoms:
    """Put carbon atoms at random into a box, none too near to another."""
    density = _CARBON_G_PER_CM3 * _CARBON_PER_A3

    def draw(count: int) -> np.ndarray:
        points = rng.uniform(low, high, (count, 3))
        return points if keep is None else points[keep(points)]

    expected = int(rng.poisson(density * float(np.prod(high - low))))
    placed = draw(expected)
    wanted = len(placed)
    placed = placed[_apart(placed)]
    # Half of the box's points may lie where nothing is wanted; draw for those that are.
    share = max(wanted, 1) / max(expected, 1)
    while len(placed) < wanted:
        missing = wanted - len(placed)
        points = draw(math.ceil(1.5 * missing / share) + 8)
        distance, _ = cKDTree(placed).query(points, distance_upper_bound=_CARBON_MIN_DISTANCE_A)
        points = points[np.isinf(distance)]
        placed = np.concatenate([placed, points[_apart(points)][:missing]])
    return Atoms(np.full(len(placed), 6), placed)


def _apart(points: np.ndarray) -> np.ndarray:
    """Mark the points that have no earlier point too near, an array (n,) of bool."""
    kept = np.ones(len(points), bool)
    if len(points):
        pairs = cKDTree(points).query_pairs(_CARBON_MIN_DISTANCE_A, output_type="ndarray")
        kept[pairs.max(axis=1, initial=0)] = False
    return kept
