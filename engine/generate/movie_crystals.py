"""Crystals of a simulated movie: atoms in the order in which they are laid down, and in any pose."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase.data import atomic_numbers, reference_states
from scipy.spatial import cKDTree

from ..base.errors import SettingsError
from .particle import metal_particle, structure_of

# Steps of a pose: waves are computed for these poses only, and the truth tells of these.
TILT_STEP_DEG = 0.25
ANGLE_STEP_DEG = 0.5
SIZE_STEP = 0.01
# Nearest neighbours lie within this many nearest distances; the second shell of BCC within 1.155.
_NEIGHBOUR_REACH = 1.2
# Crystals are cut out of an ellipsoid this much larger than asked, from which the loose atoms leave first.
_SPARE = 1.12
_FEWEST_ATOMS = 13
# No plane distance of a cluster's facet is below this share of the lattice parameter.
_LEAST_SPACING = 0.28
# Normal of the reference planes in the x, y plane of `metal_particle`: {002} of FCC, else the interface's.
_REFERENCE_XY = {"fcc": (-2 / math.sqrt(6), 1 / math.sqrt(3)), "bcc": (0.0, 1.0), "hcp": (0.0, 1.0)}


@dataclass(frozen=True)
class Lattice:
    """A ball of bulk metal in the crystal's frame: zone axis along z, reference planes' normal along x.

    Parameters
    ----------
    symbol : str
        Element.
    positions_A : array (n, 3), float64
        Atoms [Å], one of them at 0.
    neighbour_A : float
        Distance of nearest neighbours [Å].
    atoms_per_A3 : float
        Density of the bulk [1/Å³].
    """

    symbol: str
    positions_A: np.ndarray = field(repr=False)
    neighbour_A: float
    atoms_per_A3: float


@dataclass(frozen=True)
class Crystal:
    """A crystal that grows and shrinks: its first n atoms are the particle of n atoms.

    Parameters
    ----------
    symbol : str
        Element.
    positions_A : array (N, 3), float64
        Atoms in the order of growth, in the frame of `Lattice`, about the crystal's middle [Å].
    tilt_axis_deg : float
        Direction in the x, y plane of the axis that it tilts about.
    neighbour_A : float
        Distance of nearest neighbours [Å].
    """

    symbol: str
    positions_A: np.ndarray = field(repr=False)
    tilt_axis_deg: float
    neighbour_A: float

    def place(self, positions_A: np.ndarray, *, tilt_deg: float, angle_deg: float) -> np.ndarray:
        """Turn positions (n, 3) of the crystal's frame into its pose: tilted, then turned about the beam.

        On the screen, where rows grow downwards, `angle_deg` turns counter-clockwise.
        """
        return positions_A @ pose_rotation(self.tilt_axis_deg, tilt_deg=tilt_deg, angle_deg=angle_deg).T

    def lattice_angle_deg(self, *, tilt_deg: float, angle_deg: float) -> float:
        """Direction of the reference planes' normal as seen along the beam, in [-90, 90)."""
        normal = self.place(np.array([[1.0, 0.0, 0.0]]), tilt_deg=tilt_deg, angle_deg=angle_deg)[0]
        return (math.degrees(math.atan2(-normal[1], normal[0])) + 90) % 180 - 90


def bulk_lattice(symbol: str, *, reach_A: float) -> Lattice:
    """Fill a ball with the lattice of a metal.

    Parameters
    ----------
    symbol : str
        A metal with an FCC, BCC or HCP structure; see `particle.METALS`.
    reach_A : float
        Radius of the ball [Å].

    Returns
    -------
    Lattice
        All atoms of the ball.

    Raises
    ------
    SettingsError
        If the element is none of those, or the radius is not within 5 to 200 Å.

    Examples
    --------
    >>> lattice = bulk_lattice("Au", reach_A=10)
    >>> round(lattice.neighbour_A, 3), round(len(lattice.positions_A) / lattice.atoms_per_A3)
    (2.885, 4228)
    """
    structure_of(symbol)
    if not 5 <= reach_A <= 200:
        raise SettingsError(f"reach_A: expected a radius of 5 to 200 Å, got {reach_A}")
    reference: Any = reference_states[atomic_numbers[symbol]]
    symmetry, a = reference["symmetry"], float(reference["a"])
    planes = math.ceil(reach_A / (_LEAST_SPACING * a)) + 1
    # The mean of a symmetric particle may miss its central atom by rounding, or by half a cell in HCP.
    positions_A = metal_particle(symbol, (planes, planes, planes)).positions
    positions_A = positions_A - positions_A[np.argmin(np.linalg.norm(positions_A, axis=1))]
    distance_A = np.linalg.norm(positions_A, axis=1)
    x, y = _REFERENCE_XY[symmetry]
    to_frame = np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]])
    if symmetry == "hcp":
        density = 4 / (math.sqrt(3) * float(reference["c/a"]) * a**3)
    else:
        density = (4 if symmetry == "fcc" else 2) / a**3
    return Lattice(
        symbol,
        positions_A[distance_A < reach_A] @ to_frame.T,
        float(distance_A[distance_A > 0.1].min()),
        density,
    )


def grow_crystal(
    rng: np.random.Generator,
    lattice: Lattice,
    *,
    n_atoms: int,
    tilt_axis_deg: float = 0.0,
    elongation: float = 1.0,
    flatness: float = 1.0,
) -> Crystal:
    """Grow a faceted crystal atom by atom.

    Out of an ellipsoid, atoms leave one at a time: always one with the fewest neighbours, and of these the
    outermost. Corners and steps go before facets, as in evaporation; the reverse is growth.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws where in the unit cell the crystal's middle lies and how the ellipsoid is turned.
    lattice : Lattice
        Large enough for the ellipsoid; see `reach_of`.
    n_atoms : int
        Atoms, 13 or more, that the crystal shall have when it is largest.
    tilt_axis_deg : float
        Direction of the axis that it tilts about.
    elongation : float
        Ratio of the ellipsoid's axes across the beam, 1 to 2.
    flatness : float
        Ratio of its axis along the beam to the mean one across, 0.3 to 2.

    Returns
    -------
    Crystal
        At least `n_atoms` atoms in the order of growth.

    Raises
    ------
    SettingsError
        If a number is out of range, or the lattice too small.

    Examples
    --------
    >>> lattice = bulk_lattice("Au", reach_A=20)
    >>> len(grow_crystal(np.random.default_rng(0), lattice, n_atoms=55).positions_A) >= 55
    True
    """
    if n_atoms < _FEWEST_ATOMS or not 1 <= elongation <= 2 or not 0.3 <= flatness <= 2:
        raise SettingsError(
            f"expected {_FEWEST_ATOMS} atoms or more, an elongation of 1 to 2 and a flatness of 0.3 to 2, "
            f"got {n_atoms}, {elongation} and {flatness}"
        )
    middle_A = rng.uniform(-0.5, 0.5, 3) * lattice.neighbour_A
    turn = rng.uniform(0, math.pi)
    positions_A = lattice.positions_A - middle_A
    turned = positions_A @ pose_rotation(0.0, tilt_deg=0.0, angle_deg=math.degrees(turn)).T
    wide = math.sqrt(elongation)
    radius_A = _SPARE * (3 * n_atoms / (4 * math.pi * lattice.atoms_per_A3)) ** (1 / 3)
    axes_A = radius_A / flatness ** (1 / 3) * np.array([wide, 1 / wide, flatness])
    distance = np.linalg.norm(turned / axes_A, axis=1)
    inside = positions_A[distance < 1]
    reach_A = _NEIGHBOUR_REACH * lattice.neighbour_A
    order = order_of_growth(inside, distance[distance < 1], reach_A=reach_A)
    if len(order) < n_atoms:
        raise SettingsError(
            f"lattice: expected room for {n_atoms} atoms, it has {len(order)} within the shape"
        )
    return Crystal(lattice.symbol, inside[order], tilt_axis_deg, lattice.neighbour_A)


def reach_of(radius_A: float, *, elongation: float = 1.0, flatness: float = 1.0) -> float:
    """Find the radius of the lattice that a crystal is grown out of.

    Parameters
    ----------
    radius_A : float
        Radius of a sphere of as many atoms as the crystal's [Å].
    elongation, flatness : float
        As in `grow_crystal`.

    Returns
    -------
    float
        Radius of the ball [Å].

    Examples
    --------
    >>> round(reach_of(20.0), 3)
    27.4
    """
    across = math.sqrt(elongation) / flatness ** (1 / 3)
    # Half a neighbour distance either way along three axes, where the middle may lie.
    return _SPARE * radius_A * max(across, flatness ** (2 / 3)) + 5.0


def order_of_growth(positions_A: np.ndarray, distance: np.ndarray, *, reach_A: float) -> np.ndarray:
    """Order atoms so that those with few neighbours come last.

    Parameters
    ----------
    positions_A : array (n, 3), float
        Atoms [Å].
    distance : array (n,), float
        How far out each is; of those with equally many neighbours the farthest comes last.
    reach_A : float
        Atoms closer than this are neighbours [Å].

    Returns
    -------
    array (n,), int64
        Indices of the atoms from the first that was laid down to the last.

    Examples
    --------
    >>> order_of_growth(np.diag([3.0, 0.0, 1.0]), np.array([3.0, 0.0, 1.0]), reach_A=1.5).tolist()
    [1, 2, 0]
    """
    neighbours: list[list[int]] = [[] for _ in positions_A]
    for one, other in cKDTree(positions_A).query_pairs(reach_A, output_type="ndarray").tolist():
        neighbours[one].append(other)
        neighbours[other].append(one)
    # Rounded, so that equal distances are equal and the index decides.
    outward = (-np.round(distance, 6)).tolist()
    bonds = [len(near) for near in neighbours]
    waiting = [(bonds[index], outward[index], index) for index in range(len(bonds))]
    heapq.heapify(waiting)
    left: list[int] = []
    gone = [False] * len(bonds)
    while waiting:
        count, _, index = heapq.heappop(waiting)
        if gone[index] or count != bonds[index]:
            continue
        gone[index] = True
        left.append(index)
        for near in neighbours[index]:
            if not gone[near]:
                bonds[near] -= 1
                heapq.heappush(waiting, (bonds[near], outward[near], near))
    return np.array(left[::-1], np.int64)


def pose_rotation(tilt_axis_deg: float, *, tilt_deg: float, angle_deg: float) -> np.ndarray:
    """Make the rotation of a pose: a tilt about an axis across the beam, then a turn about the beam.

    Parameters
    ----------
    tilt_axis_deg : float
        Direction of the tilt's axis from x towards y.
    tilt_deg : float
        Tilt of the zone axis from the beam.
    angle_deg : float
        Turn, counter-clockwise on the screen, where y grows downwards.

    Returns
    -------
    array (3, 3), float64
        What positions as columns are multiplied by.

    Examples
    --------
    >>> (pose_rotation(0.0, tilt_deg=0.0, angle_deg=90.0) @ [1, 0, 0]).round(6).tolist()
    [0.0, -1.0, 0.0]
    """
    axis, tilt, angle = (math.radians(value) for value in (tilt_axis_deg, tilt_deg, angle_deg))
    u = np.array([math.cos(axis), math.sin(axis), 0.0])
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    tilting = np.eye(3) + math.sin(tilt) * cross + (1 - math.cos(tilt)) * cross @ cross
    turning = np.array(
        [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    return turning @ tilting


def quantise_atoms(n_atoms: np.ndarray) -> np.ndarray:
    """Round numbers of atoms to steps of 1 %.

    Parameters
    ----------
    n_atoms : array, float
        Numbers of atoms; those below 1 become 0.

    Returns
    -------
    array of the same shape, int64
        Rounded numbers.

    Examples
    --------
    >>> quantise_atoms(np.array([0.2, 1000.0, 1003.0])).tolist()
    [0, 1002, 1002]
    """
    given = np.asarray(n_atoms, np.float64)
    steps = np.rint(np.log(np.maximum(given, 1.0)) / SIZE_STEP)
    return np.where(given < 1, 0, np.rint(np.exp(steps * SIZE_STEP))).astype(np.int64)
