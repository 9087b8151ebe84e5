"""Oxide crystals along a zone axis, with oxygen vacancies: what the occupancy of a column is learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from ase import Atoms

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
from .sheet import Sheet, tile
from .sites import find_columns, sites_of_columns
from .system import Sites, System

# Lattice constant [Å] and zone axis. CeO2 as the Materials Project has it, SrTiO3 as measured at 300 K.
OXIDES = {"CeO2": (5.47, "[110]"), "SrTiO3": (3.905, "[001]")}
CLASSES = {"CeO2": ("cation", "anion"), "SrTiO3": ("cation", "anion", "mixed")}
_SHAPES = ("patch", "edge")
_PATCH_SHARES = (0.3, 0.8)
_EDGE_SHARES = (0.35, 0.85)
_OXYGEN = 8


def oxide_columns(
    rng: np.random.Generator,
    *,
    oxide: str = "CeO2",
    vacancies: float = 0.2,
    thickness_A: tuple[float, float] = (10.0, 40.0),
    tilt_deg: float = 1.0,
    distort_A: float = 0.01,
    cell_A: float | Sequence[float] = 60.0,
    lattice_A: float | None = None,
) -> System:
    """Draw a crystal of an oxide whose anion columns lack a part of their oxygen.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws everything.
    oxide : {"CeO2", "SrTiO3"}
        Fluorite along [110], columns of cations and of anions; or perovskite along [001], columns of Sr, of O
        and of Ti with O.
    vacancies : float
        Largest share of the columns with oxygen that lose some; the share is drawn from 0 to this. Each of
        them loses one atom to all, any number with equal probability.
    thickness_A : (float, float)
        Thinnest and thickest crystal [Å]. The number of atomic layers, of a/√8 (CeO2) or a/2 (SrTiO3) each,
        is drawn from those within, and so is the layer that it starts with.
    tilt_deg : float
        Largest tilt off the zone axis, drawn from 0 to this, in a random direction [°].
    distort_A : float
        Standard deviation of Gaussian displacements in every coordinate [Å], cut off at six of them.
    cell_A : float or sequence of floats
        Sides of the cell across the beam, and along it where three are given; else 2 Å above and below [Å].
    lattice_A : float or None
        Lattice constant [Å]; None takes that of `OXIDES`.

    Returns
    -------
    System
        At least 2 Å clear of every edge: a patch of random outline, or a crystal with one straight edge at a
        random angle that fills its side of the window, half of the systems each. Classes are cation, anion
        and, in SrTiO3, mixed. Occupancy is the number of atoms left in a column over those that it had; in a
        mixed column that of its oxygen alone, as no cation is ever taken. An anion column that lost all its
        atoms is no site.

    Raises
    ------
    SettingsError
        If a setting is outside its range, or no number of layers is within the thickness.

    Examples
    --------
    >>> system = oxide_columns(np.random.default_rng(1), cell_A=40.0)
    >>> system.sites.class_names, float(system.sites.occupancy[system.sites.classes == 0].min())
    (('cation', 'anion'), 1.0)
    """
    if oxide not in OXIDES:
        raise SettingsError(f"oxide: expected one of {', '.join(OXIDES)}, got {oxide!r}")
    a = OXIDES[oxide][0] if lattice_A is None else lattice_A
    if not 3 <= a <= 10:
        raise SettingsError(f"lattice_A: expected 3 to 10 Å for {oxide}, got {a}")
    check_share("vacancies", vacancies)
    layers, spacing = _draw_layers(rng, oxide, a, thickness_A)
    first = int(rng.integers(2))
    sheet = _crystal(oxide, a, layers, first)
    room = make_room(cell_A, thickness_A=(layers - 1) * spacing, tilt_deg=tilt_deg, distort_A=distort_A)
    drawn: dict[str, float | int | str] = {
        "oxide": oxide,
        "zone_axis": OXIDES[oxide][1],
        "layers": layers,
        "first_layer": first,
        "thickness_A": layers * spacing,
        "shape": _SHAPES[int(rng.integers(2))],
        "rotation_deg": float(rng.uniform(0, 360)),
    }
    full, columns = _cut(rng, sheet, room, drawn)
    drawn["vacancies"] = float(rng.uniform(0, vacancies))
    left = _take_oxygen(rng, full.numbers, columns, float(drawn["vacancies"]))
    drawn["tilt_deg"] = float(rng.uniform(0, tilt_deg))
    drawn["tilt_direction_deg"] = float(rng.uniform(0, 360))
    centre = (full.positions.min(axis=0) + full.positions.max(axis=0)) / 2
    moved = tilted(
        full.positions[left],
        tilt_deg=float(drawn["tilt_deg"]),
        direction_deg=float(drawn["tilt_direction_deg"]),
        centre=centre,
    )
    moved, cell = set_in_cell(displaced(rng, moved, distort_A), room)
    count = int(left.sum())
    atoms = Atoms(full.numbers[left], moved, tags=np.ones(count, int), cell=cell, pbc=True)
    sites = _sites(atoms, full.numbers, columns, left, CLASSES[oxide])
    return System(atoms, {**drawn, "distort_A": distort_A}, sites)


def _draw_layers(
    rng: np.random.Generator, oxide: str, a: float, thickness_A: tuple[float, float]
) -> tuple[int, float]:
    """Draw a number of layers whose thickness is within the range."""
    low, high = thickness_A
    if not (0 < low <= high <= 1000):
        raise SettingsError(
            f"thickness_A: expected a thinnest above 0 and a thickest up to 1000 Å, got {thickness_A}"
        )
    spacing = a / math.sqrt(8) if oxide == "CeO2" else a / 2
    fewest, most = math.ceil(low / spacing - 1e-9), math.floor(high / spacing + 1e-9)
    if most < fewest:
        raise SettingsError(
            f"thickness_A: expected a whole number of layers of {spacing:.3f} Å in the range, "
            f"got {thickness_A}"
        )
    return int(rng.integers(fewest, most + 1)), spacing


def _crystal(oxide: str, a: float, layers: int, first: int) -> Sheet:
    """Stack the atomic layers of an oxide along its zone axis."""
    if oxide == "CeO2":
        # x along [1-10], y along [001], z along [110]; each layer is stoichiometric.
        sides = (a / math.sqrt(2), a)
        spacing = a / math.sqrt(8)
        kinds = [
            ("CeO2", [(0.0, 0.0), (0.5, 0.25), (0.5, 0.75)]),
            ("CeO2", [(0.5, 0.5), (0.0, 0.25), (0.0, 0.75)]),
        ]
    else:
        sides, spacing = (a, a), a / 2
        kinds = [("SrO", [(0.0, 0.0), (0.5, 0.5)]), ("TiO2", [(0.5, 0.5), (0.0, 0.5), (0.5, 0.0)])]
    crystal = Atoms(cell=(*sides, layers * spacing), pbc=(True, True, False))
    for layer in range(layers):
        symbols, places = kinds[(first + layer) % 2]
        crystal += Atoms(symbols, [(x * sides[0], y * sides[1], layer * spacing) for x, y in places])
    return Sheet(crystal, oxide, "element", ())


def _cut(
    rng: np.random.Generator, sheet: Sheet, room: Room, drawn: dict[str, float | int | str]
) -> tuple[Atoms, np.ndarray]:
    """Cut whole columns out of a crystal by an outline or by one straight edge."""
    shift = rng.uniform(0, 1, 2) * np.diag(np.asarray(sheet.atoms.cell))[:2]
    drawn |= {"shift_x_A": float(shift[0]), "shift_y_A": float(shift[1])}
    positions, numbers = tile(
        sheet,
        window=room.window,
        rotation_deg=float(drawn["rotation_deg"]),
        shift_A=(float(shift[0]), float(shift[1])),
    )
    columns = find_columns(positions[:, :2])
    count = np.bincount(columns)
    centres = np.stack([np.bincount(columns, weights=positions[:, axis]) / count for axis in (0, 1)], axis=1)
    if drawn["shape"] == "patch":
        inside = hull_of_columns(random_outline(rng, room, shares=_PATCH_SHARES), centres, room)
    else:
        x0, y0, x1, y1 = room.window
        inside = np.all((centres >= (x0, y0)) & (centres <= (x1, y1)), axis=1)
        normal = float(rng.uniform(0, 360))
        share = float(rng.uniform(*_EDGE_SHARES))
        along = centres @ (math.cos(math.radians(normal)), math.sin(math.radians(normal)))
        inside &= along <= np.quantile(along[inside], share) + 1e-6
        drawn |= {"edge_normal_deg": normal, "edge_share": share}
    kept = inside[columns]
    return Atoms(numbers[kept], positions[kept]), np.unique(columns[kept], return_inverse=True)[1]


def _take_oxygen(
    rng: np.random.Generator, numbers: np.ndarray, columns: np.ndarray, share: float
) -> np.ndarray:
    """Take some oxygen from a share of the columns that have it; True for atoms that are left."""
    oxygen = np.flatnonzero(numbers == _OXYGEN)
    has = np.bincount(columns[oxygen], minlength=int(columns.max()) + 1)
    candidates = rng.permutation(np.flatnonzero(has))
    chosen = candidates[: round(share * len(candidates))]
    take = np.zeros(len(has), np.int64)
    take[chosen] = rng.integers(1, has[chosen] + 1)
    # In a random order, the first few of each column go.
    order = oxygen[rng.permutation(len(oxygen))]
    order = order[np.argsort(columns[order], kind="stable")]
    first = np.searchsorted(columns[order], columns[order])
    left = np.ones(len(numbers), bool)
    left[order[np.arange(len(order)) - first < take[columns[order]]]] = False
    return left


def _sites(
    atoms: Atoms, numbers: np.ndarray, columns: np.ndarray, left: np.ndarray, class_names: tuple[str, ...]
) -> Sites:
    """Class the columns by what they had, and tell how much of it is left."""
    size = int(columns.max()) + 1
    is_oxygen = numbers == _OXYGEN
    oxygen = np.bincount(columns[is_oxygen], minlength=size)
    cations = np.bincount(columns[~is_oxygen], minlength=size)
    remaining = np.bincount(columns[is_oxygen & left], minlength=size)
    classes = np.where(oxygen == 0, 0, np.where(cations == 0, 1, 2))
    occupancy = np.where(oxygen == 0, 1.0, remaining / np.maximum(oxygen, 1))
    return sites_of_columns(
        atoms, columns[left], classes=classes, class_names=class_names, occupancy=occupancy
    )
