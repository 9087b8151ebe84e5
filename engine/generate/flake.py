"""Nanoflakes of layered crystals: cut by a convex hull, with vacancies, holes and a graphene support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import graphene as graphene_cell

from ..base.errors import SettingsError
from .outline import (
    Room,
    check_share,
    displaced,
    hull_of_columns,
    make_room,
    random_outline,
    set_in_cell,
    tilted,
)
from .sheet import Sheet, crystal_sheet, mx2_sheet, tile
from .sites import find_columns, find_sites
from .system import System

SUPPORTS = ("none", "graphene")
# Publication I: distance of the layers [Å], and the angles that a quarter of the systems have each [°].
_GAP_A = (3.3, 7.0)
_STACKINGS_DEG = (0.0, 15.0, 30.0)
_SUPPORT_SHARES = (0.4, 0.8)
_MOST_SUPPORT_DEFECTS = 0.05


@dataclass(frozen=True)
class _Piece:
    """Atoms cut out of a sheet, which of them are left, and how they were drawn."""

    positions: np.ndarray
    numbers: np.ndarray
    left: np.ndarray
    drawn: dict[str, float | int | str]


def flake(
    rng: np.random.Generator,
    *,
    crystal: str | Atoms | Sheet = "MoS2",
    support: str = "none",
    vacancies: float = 0.2,
    holes: float = 0.05,
    distort_A: float = 0.01,
    tilt_deg: float = 1.0,
    cell_A: float | Sequence[float] = 60.0,
) -> System:
    """Draw a nanoflake of a layered crystal (thesis, 3.1; Publications I and III).

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws everything.
    crystal : str, ase.Atoms or Sheet
        Formula of an MX2, as "MoS2"; the unit cell of a crystal, see `crystal_sheet`; or a sheet made by
        `mx2_sheet` or `crystal_sheet` with other lengths or classes, which saves time in a loop.
    support : {"none", "graphene"}
        Graphene is a flake of its own, a drawn 3.3 to 7 Å below the lowest atoms (where the beam enters), at
        0°, 15°, 30° or a random angle to the first vector, a quarter of the systems each; its tag is 0.
    vacancies : float
        Largest share of the columns with X atoms that lose one of them; in other crystals, largest share of
        the atoms that are taken. The share is drawn from 0 to this.
    holes : float
        Largest share of the columns that are taken whole; the share is drawn from 0 to this. Graphene has
        its own two draws, up to these and up to 0.05.
    distort_A : float
        Standard deviation of Gaussian displacements in every coordinate [Å], cut off at six of them.
    tilt_deg : float
        Largest tilt, drawn from 0 to this, in a random direction [°].
    cell_A : float or sequence of floats
        Sides of the cell across the beam, and along it where three are given; else 2 Å above and below [Å].

    Returns
    -------
    System
        At least 2 Å clear of every edge. Sites are of the flake, with their occupancies; `drawn` has all that
        was drawn.

    Raises
    ------
    SettingsError, DataError
        If a setting is outside its range, or the crystal cannot be made a sheet.

    Examples
    --------
    >>> system = flake(np.random.default_rng(1), crystal="WSe2", support="graphene")
    >>> system.sites.class_names, sorted(set(system.atoms.get_tags().tolist()))
    (('1W', '2Se', '1Se'), [0, 1])
    """
    if support not in SUPPORTS:
        raise SettingsError(f"support: expected one of {', '.join(SUPPORTS)}, got {support!r}")
    check_share("vacancies", vacancies)
    check_share("holes", holes)
    sheet = _sheet(crystal)
    gap = float(rng.uniform(*_GAP_A)) if support == "graphene" else 0.0
    thickness = float(np.ptp(sheet.atoms.positions[:, 2])) + gap
    room = make_room(cell_A, thickness_A=thickness, tilt_deg=tilt_deg, distort_A=distort_A)
    turn = float(rng.uniform(0, 360))
    pieces = [_cut(rng, sheet, room, turn, (vacancies, holes))]
    drawn: dict[str, float | int | str] = {"crystal": sheet.name, "support": support, **pieces[0].drawn}
    if support == "graphene":
        below, stacking = _graphene(rng, room, turn, (vacancies, holes))
        lowered = below.positions + np.array([0.0, 0.0, pieces[0].positions[:, 2].min() - gap])
        pieces.append(_Piece(lowered, below.numbers, below.left, below.drawn))
        drawn |= {"graphene_gap_A": gap, "graphene_stacking_deg": stacking}
        drawn |= {f"graphene_{name}": value for name, value in below.drawn.items()}
    lean = {
        "tilt_deg": float(rng.uniform(0, tilt_deg)),
        "tilt_direction_deg": float(rng.uniform(0, 360)),
    }
    atoms, flat, full = _assemble(rng, pieces, room, lean, distort_A)
    sites = find_sites(
        atoms, classify=sheet.classify, class_names=sheet.class_names, tag=1, untilted=flat, full=full
    )
    return System(atoms, {**drawn, **lean, "distort_A": distort_A}, sites)


def _sheet(crystal: str | Atoms | Sheet) -> Sheet:
    """Make a sheet of whatever the crystal is given as."""
    if isinstance(crystal, Sheet):
        return crystal
    return mx2_sheet(crystal) if isinstance(crystal, str) else crystal_sheet(crystal)


def _cut(
    rng: np.random.Generator,
    sheet: Sheet,
    room: Room,
    turn_deg: float,
    defects: tuple[float, float],
    **shares: tuple[float, float],
) -> _Piece:
    """Cut a piece of random outline out of a sheet and take atoms from it."""
    u, v = rng.uniform(0, 1, 2)
    turn = math.radians(turn_deg)
    x, y = (np.asarray(sheet.atoms.cell)[:2, :2].T @ (u, v)).tolist()
    shift = (x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn))
    positions, numbers = tile(sheet, window=room.window, rotation_deg=turn_deg, shift_A=shift)
    columns = find_columns(positions[:, :2])
    count = np.bincount(columns)
    centres = np.stack([np.bincount(columns, weights=positions[:, axis]) / count for axis in (0, 1)], axis=1)
    inside = hull_of_columns(random_outline(rng, room, **shares), centres, room)[columns]
    positions, numbers, columns = positions[inside], numbers[inside], columns[inside]
    _, columns = np.unique(columns, return_inverse=True)
    drawn = {"vacancies": float(rng.uniform(0, defects[0])), "holes": float(rng.uniform(0, defects[1]))}
    left = _take_columns(rng, columns, drawn["holes"])
    left = _take_atoms(rng, numbers, columns, left, (drawn["vacancies"], sheet.vacant))
    middle = positions[:, :2].mean(axis=0)
    return _Piece(
        positions,
        numbers,
        left,
        {
            "rotation_deg": turn_deg,
            "shift_u": float(u),
            "shift_v": float(v),
            "middle_x_A": float(middle[0]),
            "middle_y_A": float(middle[1]),
            "columns": int(columns.max()) + 1,
            **drawn,
        },
    )


def _take_columns(rng: np.random.Generator, columns: np.ndarray, share: float) -> np.ndarray:
    """Take a share of the columns whole, all but one at most; True for atoms that are left."""
    count = int(columns.max()) + 1
    gone = rng.permutation(count)[: min(round(share * count), count - 1)]
    return ~np.isin(columns, gone)


def _take_atoms(
    rng: np.random.Generator,
    numbers: np.ndarray,
    columns: np.ndarray,
    left: np.ndarray,
    vacancies: tuple[float, tuple[str, ...]],
) -> np.ndarray:
    """Take one atom out of a share of the columns with vacant elements, or a share of all atoms."""
    share, vacant = vacancies
    order = rng.permutation(len(numbers))
    order = order[left[order]]
    if vacant:
        order = order[np.isin(numbers[order], Atoms(vacant).numbers)]
        # The first of each column in a random order is a random atom of a random column.
        order = order[np.sort(np.unique(columns[order], return_index=True)[1])]
    count = min(round(share * len(order)), int(left.sum()) - 1)
    left = left.copy()
    left[order[:count]] = False
    return left


def _graphene(
    rng: np.random.Generator, room: Room, turn_deg: float, defects: tuple[float, float]
) -> tuple[_Piece, float]:
    """Cut a flake of graphene, turned against the flake above it by one of the angles of Publication I."""
    choice = int(rng.integers(len(_STACKINGS_DEG) + 1))
    angle = float(rng.uniform(0, 360))
    stacking = _STACKINGS_DEG[choice] if choice < len(_STACKINGS_DEG) else angle
    most = (min(defects[0], _MOST_SUPPORT_DEFECTS), min(defects[1], _MOST_SUPPORT_DEFECTS))
    sheet = Sheet(graphene_cell(), "graphene", "column", ("column",))
    return _cut(rng, sheet, room, (turn_deg + stacking) % 360, most, shares=_SUPPORT_SHARES), stacking


def _assemble(
    rng: np.random.Generator,
    pieces: list[_Piece],
    room: Room,
    lean: dict[str, float],
    distort_A: float,
) -> tuple[Atoms, Atoms, Atoms]:
    """Put flake and support together: as imaged, before tilt and vibration, and before atoms were taken."""
    positions = np.concatenate([piece.positions for piece in pieces])
    numbers = np.concatenate([piece.numbers for piece in pieces])
    left = np.concatenate([piece.left for piece in pieces])
    tags = np.concatenate([np.full(len(piece.left), index == 0) for index, piece in enumerate(pieces)])
    full = Atoms(numbers, positions, tags=tags.astype(int))
    flat = full[left]
    centre = (flat.positions.min(axis=0) + flat.positions.max(axis=0)) / 2
    moved = tilted(
        flat.positions,
        tilt_deg=lean["tilt_deg"],
        direction_deg=lean["tilt_direction_deg"],
        centre=centre,
    )
    moved, cell = set_in_cell(displaced(rng, moved, distort_A), room)
    atoms = Atoms(flat.numbers, moved, tags=flat.get_tags(), cell=cell, pbc=True)
    return atoms, flat, full
