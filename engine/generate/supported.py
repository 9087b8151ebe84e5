"""Metal particles on a support, drawn at random as for training (thesis, 3.1 and Figure 3.2)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.spatial import ConvexHull

from ..base.errors import SettingsError
from .particle import TWINS, build_whole, check_planes, random_particle
from .sites import find_sites
from .support import check_support, fill_support
from .system import System

EDGE_A = 2.0
INTERFACE_A = 1.0
_MOST_TILT_DEG = 45.0
_TILTS = 7
_TURNS_DEG = np.arange(0.0, 360.0)
_TRIES = 100


def supported_particle(
    rng: np.random.Generator,
    *,
    metal: str = "Au",
    support: str = "CeO2",
    tilt_deg: float = 3.0,
    cell_A: Sequence[float] = (60.0, 60.0, 60.0),
    planes: tuple[int, int] = (7, 15),
    twinned: bool = False,
    lattice_A: float | None = None,
) -> System:
    """Draw a metal particle on a support (thesis, 3.1: the degrees of freedom of Figure 3.2).

    Parameters
    ----------
    rng : numpy.random.Generator
        Where all numbers come from.
    metal : str
        Element of the particle; see `particle.METALS`.
    support : str
        What it sits on; see `support.SUPPORTS`.
    tilt_deg : float
        Largest tilt of the particle's zone axis off the beam, 0 to 45 [°]. It is a rotation about the normal
        of the interface, so that the particle stays flat on its support.
    cell_A : (float, float, float)
        Cell along x and y, and its largest depth along the beam [Å].
    planes : (int, int)
        Fewest and most atomic planes from the particle's centre to its facets.
    twinned : bool
        Make FCC particles twins, see `metal_particle`.
    lattice_A : float or None
        Lattice parameter of the metal [Å]; None takes ASE's reference data.

    Returns
    -------
    System
        The particle (tag 1), whole, and as much of the support (tag 0) as lies in the cell, all at least 2 Å
        from each of its faces; the columns are the particle's, of one class, the metal. Drawn are the plane
        counts, `twin` and `cut_layer` (see `random_particle`), `tilt_deg`, `rotation_deg` about the beam from
        x to y (0: the support lies at small y, its surface along x), `shift_x_A` and `shift_y_A` from the
        cell's middle to that of the particle, and `thickness_A` of the cell, which is the support's too.

    Raises
    ------
    SettingsError
        If metal, support, planes, tilt or lattice are out of their ranges, or the cell is too small for the
        largest particle of those planes.

    Examples
    --------
    >>> system = supported_particle(np.random.default_rng(0), metal="Pt", support="MgO", planes=(7, 9))
    >>> sorted(set(system.atoms.symbols)), system.sites.class_names
    (['Mg', 'O', 'Pt'], ('Pt',))
    """
    check_support(support)
    if not 0 <= tilt_deg <= _MOST_TILT_DEG:
        raise SettingsError(f"tilt_deg: expected 0 to {_MOST_TILT_DEG:g}°, got {tilt_deg}")
    room = _room(cell_A)
    _, most = check_planes(planes)
    _check_room(metal, most, room, tilt_deg=tilt_deg, twinned=twinned, lattice_A=lattice_A)

    upright, drawn = random_particle(rng, metal, planes=planes, twinned=twinned, lattice_A=lattice_A)
    tilt = float(rng.uniform(0, tilt_deg))
    particle = upright.copy()
    particle.set_tags(1)
    particle.positions = _tilted(upright.positions, tilt)
    rotation = _rotation(rng, particle.positions, room)
    thickness = float(rng.uniform(float(np.ptp(particle.positions[:, 2])), room[2])) + 2 * EDGE_A
    cell = np.array([cell_A[0], cell_A[1], thickness])
    pose, shift = _place(rng, particle.positions, rotation, cell)

    surface_A = float(particle.positions[:, 1].min()) - INTERFACE_A
    particle.positions = pose.to_cell(particle.positions)
    atoms = particle + _support(rng, support, pose, cell, surface_A)
    atoms.set_cell(cell)
    atoms.pbc = True
    sites = find_sites(particle, classify="element", class_names=(metal,), untilted=upright)
    numbers = {
        "tilt_deg": tilt,
        "rotation_deg": rotation,
        "shift_x_A": float(shift[0]),
        "shift_y_A": float(shift[1]),
        "thickness_A": thickness,
    }
    return System(atoms, {**drawn, **numbers}, sites)


@dataclass(frozen=True)
class _Pose:
    """How the particle's frame, the interface's normal along y, lies in the cell."""

    turn: np.ndarray
    offset: np.ndarray

    def to_cell(self, positions: np.ndarray) -> np.ndarray:
        """Turn positions (n, 3) about the beam and shift them."""
        return positions @ self.turn.T + self.offset

    def from_cell(self, positions: np.ndarray) -> np.ndarray:
        """Undo `to_cell`."""
        return (positions - self.offset) @ self.turn


def _room(cell_A: Sequence[float]) -> np.ndarray:
    """Check the cell and return the room within its clear edges (3,)."""
    if len(cell_A) != 3 or not all(math.isfinite(side) and side > 2 * EDGE_A for side in cell_A):
        raise SettingsError(f"cell_A: expected three sides above {2 * EDGE_A:g} Å, got {tuple(cell_A)}")
    return np.array(cell_A, np.float64) - 2 * EDGE_A


def _check_room(
    metal: str, most: int, room: np.ndarray, *, tilt_deg: float, twinned: bool, lattice_A: float | None
) -> None:
    """Raise SettingsError unless the largest particle that can be drawn fits into the room."""
    for twin in TWINS[1:] if twinned else TWINS[:1]:
        across, up, depth = _largest(metal, most, twin, float(tilt_deg), lattice_A)
        fits = (across <= room[0]) & (up <= room[1])
        if fits.any() and depth <= room[2]:
            continue
        side = math.ceil(float(np.maximum(across, up).min()) + 2 * EDGE_A)
        sides = " × ".join(f"{length + 2 * EDGE_A:g}" for length in room)
        raise SettingsError(
            f"cell_A: expected at least {side} × {side} × {math.ceil(depth + 2 * EDGE_A)} Å for {metal} "
            f"particles of up to {most} planes, got {sides} Å"
        )


@functools.lru_cache(maxsize=32)
def _largest(
    metal: str, most: int, twin: str, tilt_deg: float, lattice_A: float | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Measure the largest particle: extents along x and y at each turn (360,), and along the beam."""
    # Fewer planes, or a higher cut, take atoms away from this one and add none.
    whole = build_whole(metal, (most, most, most), twin=twin, lattice_A=lattice_A)
    positions = whole.cut(whole.deepest_cut).positions
    across, up, depth = np.zeros(len(_TURNS_DEG)), np.zeros(len(_TURNS_DEG)), 0.0
    for tilt in np.linspace(0, tilt_deg, _TILTS):
        tilted = _tilted(positions, float(tilt))
        at_tilt = _extents(tilted[:, :2], _TURNS_DEG)
        across, up = np.maximum(across, at_tilt[0]), np.maximum(up, at_tilt[1])
        depth = max(depth, float(np.ptp(tilted[:, 2])))
    # Between two tilts an extent is at most this much longer: distances turn like r·cos(tilt).
    diameter = float(np.linalg.norm(np.ptp(positions, axis=0)))
    missed = diameter * (1 - math.cos(math.radians(tilt_deg) / (_TILTS - 1) / 2))
    return across + missed, up + missed, depth + missed


def _extents(xy: np.ndarray, turns_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the extents along x and y of points (n, 2) turned by angles (m,)."""
    if len(xy) > 3 and np.linalg.matrix_rank(xy - xy[0]) == 2:
        xy = xy[ConvexHull(xy).vertices]
    turn = np.radians(turns_deg)[:, np.newaxis]
    x = np.cos(turn) * xy[:, 0] - np.sin(turn) * xy[:, 1]
    y = np.sin(turn) * xy[:, 0] + np.cos(turn) * xy[:, 1]
    return np.ptp(x, axis=1), np.ptp(y, axis=1)


def _tilted(positions: np.ndarray, tilt_deg: float) -> np.ndarray:
    """Turn positions (n, 3) about y, the normal of the interface, which tilts z towards x."""
    tilt = math.radians(tilt_deg)
    x, y, z = positions.T
    return np.stack([math.cos(tilt) * x + math.sin(tilt) * z, y, math.cos(tilt) * z - math.sin(tilt) * x], 1)


def _rotation(rng: np.random.Generator, positions: np.ndarray, room: np.ndarray) -> float:
    """Draw the rotation about the beam [°]; a large particle fits only at some."""
    turns = np.concatenate([rng.uniform(0, 360, _TRIES), _TURNS_DEG])
    across, up = _extents(positions[:, :2], turns)
    # The room was found to hold the largest particle at one of the last turns.
    return float(turns[np.flatnonzero((across <= room[0]) & (up <= room[1]))[0]])


def _place(
    rng: np.random.Generator, positions: np.ndarray, rotation_deg: float, cell: np.ndarray
) -> tuple[_Pose, np.ndarray]:
    """Draw where the particle lies across the beam (in depth: the middle): its pose, and its shift (3,)."""
    angle = math.radians(rotation_deg)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    turned = positions @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    free = np.maximum(cell / 2 - EDGE_A - (high - low) / 2, 0)
    free[2] = 0
    shift = rng.uniform(-free, free)
    return _Pose(turn, cell / 2 + shift - (low + high) / 2), shift


def _support(
    rng: np.random.Generator, support: str, pose: _Pose, cell: np.ndarray, surface_A: float
) -> Atoms:
    """Fill what the cell has below the interface with the support."""
    # The crystal stands still below the cell's middle, so that a shift changes how the particle meets it.
    origin = np.array([pose.from_cell(cell / 2)[0], surface_A, pose.from_cell(np.zeros(3))[2]])

    def to_cell(positions: np.ndarray) -> np.ndarray:
        return pose.to_cell(positions + origin)

    def inside(positions: np.ndarray) -> np.ndarray:
        placed = to_cell(positions)
        return np.all((placed >= EDGE_A) & (placed <= cell - EDGE_A), axis=1)

    sides = zip([EDGE_A] * 3, cell - EDGE_A, strict=True)
    corners = pose.from_cell(np.array(np.meshgrid(*sides)).reshape(3, -1).T) - origin
    low, high = corners.min(axis=0), corners.max(axis=0)
    atoms = fill_support(rng, support, low_A=tuple(low), high_A=tuple(high), keep=inside)
    atoms.positions = to_cell(atoms.positions)
    return atoms
