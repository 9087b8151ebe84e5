"""Sheets: crystals with two periods across the beam, as one cell that repeats over any window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import mx2
from ase.data import atomic_numbers, chemical_symbols
from ase.formula import Formula

from ..base.errors import DataError, SettingsError
from .sites import CLASSIFICATIONS, possible_classes

# Phase, lattice constant and distance of the X planes of monolayers [Å]: relaxed with the PBE functional, as
# the Computational 2D Materials Database has them to 0.01 or 0.02 Å (10.1088/2053-1583/aacfc1).
MX2 = {
    "MoS2": ("2H", 3.18, 3.13),
    "MoSe2": ("2H", 3.32, 3.34),
    "MoTe2": ("2H", 3.55, 3.61),
    "WS2": ("2H", 3.19, 3.14),
    "WSe2": ("2H", 3.32, 3.36),
    "WTe2": ("2H", 3.55, 3.62),
    "NbS2": ("2H", 3.34, 3.14),
    "NbSe2": ("2H", 3.48, 3.36),
    "TaS2": ("2H", 3.34, 3.13),
    "TaSe2": ("2H", 3.47, 3.35),
    "ZrS2": ("1T", 3.68, 2.90),
    "HfS2": ("1T", 3.64, 2.89),
    "PtS2": ("1T", 3.57, 2.46),
    "PtSe2": ("1T", 3.75, 2.64),
    "SnS2": ("1T", 3.70, 2.96),
}
_PHASES = ("2H", "1T")


@dataclass(frozen=True)
class Sheet:
    """A crystal that repeats along two vectors across the beam, and how its columns are told apart.

    Parameters
    ----------
    atoms : ase.Atoms
        One cell, atoms from z = 0 upwards [Å]. Its first two vectors repeat; where these have a part along z,
        as in a slab of an inclined crystal, heights are taken modulo the third, which lies along z.
    name : str
        What the crystal is called.
    classify : str
        How columns are classed, see `find_sites`.
    class_names : tuple of str
        The classes in their order, the same for every flake of this sheet.
    vacant : tuple of str
        Elements of which a vacancy takes one atom out of a column; none where it takes any atom.

    Examples
    --------
    >>> mx2_sheet("MoS2").class_names
    ('1Mo', '2S', '1S')
    """

    atoms: Atoms
    name: str
    classify: str
    class_names: tuple[str, ...]
    vacant: tuple[str, ...] = ()


def mx2_sheet(
    formula: str = "MoS2",
    *,
    phase: str | None = None,
    lattice_A: float | None = None,
    thickness_A: float | None = None,
    classify: str = "composition",
) -> Sheet:
    """Make the sheet of a monolayer MX2, of a metal and two of a chalcogen or halogen.

    Parameters
    ----------
    formula : str
        As "MoS2"; with the phase before it as "1T-MoS2".
    phase : {"2H", "1T"} or None
        Trigonal prisms or octahedra; None takes the one of the table, or 2H.
    lattice_A, thickness_A : float or None
        Lattice constant and distance of the two planes of X [Å]; None takes those of the table `MX2`.
    classify : {"composition", "side", "element", "column"}
        As in `find_sites`; "composition" makes the classes 1M, 2X, 1X, in either phase.

    Returns
    -------
    Sheet
        Whose vacancies take single X atoms.

    Raises
    ------
    SettingsError
        If the formula is no MX2 of known elements, its lattice is neither given nor in the table, or a length
        is outside its range.

    Examples
    --------
    >>> mx2_sheet("WSe2", classify="side").class_names
    ('1W', '2Se', '1Se upper', '1Se lower')
    """
    before, dash, after = formula.partition("-")
    if dash and before in _PHASES and phase in (None, before):
        phase, formula = before, after
    metal, other = _split_formula(formula)
    known = MX2.get(f"{metal}{other}2")
    if (lattice_A is None or thickness_A is None) and known is None:
        raise SettingsError(
            f"crystal: no lattice constant of {formula!r} is known, give lattice_A and thickness_A or a "
            f"structure file; known are {', '.join(MX2)}"
        )
    phase = phase or (known[0] if known else "2H")
    if phase not in _PHASES:
        raise SettingsError(f"phase: expected one of {', '.join(_PHASES)}, got {phase!r}")
    a = lattice_A if lattice_A is not None or known is None else known[1]
    t = thickness_A if thickness_A is not None or known is None else known[2]
    for name, value in (("lattice_A", a), ("thickness_A", t)):
        if value is None or not 1 <= value <= 10:
            raise SettingsError(f"{name}: expected 1 to 10 Å for an MX2 sheet, got {value}")
    names = {
        "composition": (f"1{metal}", f"2{other}", f"1{other}"),
        "side": (f"1{metal}", f"2{other}", f"1{other} upper", f"1{other} lower"),
        "element": (metal, other),
        "column": ("column",),
    }
    _check_classify(classify)
    atoms = mx2(f"{metal}{other}2", kind=phase, a=a, thickness=t)
    atoms.positions[:, 2] -= atoms.positions[:, 2].min()
    atoms.cell[2] = (0, 0, t)
    title = f"{metal}{other}2" if known is None or phase == known[0] else f"{phase}-{metal}{other}2"
    return Sheet(atoms, title, classify, names[classify], (other,))


def crystal_sheet(
    crystal: Atoms,
    *,
    name: str | None = None,
    classify: str | None = None,
    thickness_A: float | None = None,
) -> Sheet:
    """Make the sheet of any crystal: one layer of it, or a slab.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell; its first two vectors are those of the layer.
    name : str or None
        What it is called; None takes the formula.
    classify : {"composition", "side", "element", "column"} or None
        As in `find_sites`; None takes "composition" for a layer and "element" for a slab. "column" gives
        sets of many crystals one label.
    thickness_A : float or None
        None takes one period along the third vector as the layer, seen along the normal of the first two, cut
        at the widest gap between its atoms: the vacuum of a 2D crystal, the gap of a bulk layered one. A
        number makes a slab instead, seen along the third vector: whole periods of it, as many as come nearest
        to the thickness, one at least [Å].

    Returns
    -------
    Sheet
        Whose vacancies take any atom.

    Raises
    ------
    DataError
        If there is no atom, an element is unknown, or the cell lacks the vectors that are needed.
    SettingsError
        If the thickness is outside 1 to 1000 Å, or the columns cannot be classed as asked.

    Examples
    --------
    >>> from ase.build import bulk, graphene
    >>> crystal_sheet(graphene()).class_names, len(crystal_sheet(bulk("Au"), thickness_A=20).atoms)
    (('1C',), 7)
    """
    title = name or str(crystal.symbols.formula.reduce()[0]) or "crystal"
    if classify is not None:
        _check_classify(classify)
    if thickness_A is not None and not 1 <= thickness_A <= 1000:
        raise SettingsError(f"thickness_A: expected 1 to 1000 Å, got {thickness_A}")
    check_crystal(crystal, title, slab=thickness_A is not None)
    atoms = _layer(crystal) if thickness_A is None else _slab(crystal, thickness_A)
    how = classify or ("composition" if thickness_A is None else "element")
    span = [np.abs(vector[:2]).max() for vector in np.asarray(atoms.cell)[:2]]
    positions, numbers = tile(Sheet(atoms, title, how, ()), window=(0.0, 0.0, 2 * max(span), 2 * max(span)))
    return Sheet(atoms, title, how, possible_classes(Atoms(numbers, positions), classify=how))


def tile(
    sheet: Sheet,
    *,
    window: tuple[float, float, float, float],
    rotation_deg: float = 0.0,
    shift_A: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat a sheet over a window.

    Parameters
    ----------
    sheet : Sheet
        What repeats.
    window : (float, float, float, float)
        Lowest x and y, highest x and y [Å]; atoms up to a cell beyond it are there too.
    rotation_deg : float
        Angle of the first vector, counter-clockwise from x where y points up [°].
    shift_A : (float, float)
        Where the origin of one of the cells lies, x and y [Å].

    Returns
    -------
    positions : array (n, 3), float64
        Every atom within the window and some about it [Å].
    numbers : array (n,), int64
        Their atomic numbers.

    Examples
    --------
    >>> positions, numbers = tile(mx2_sheet("MoS2"), window=(0, 0, 30, 30))
    >>> bool(len(positions) > 3 * 900 / 8.76)
    True
    """
    turn = math.radians(rotation_deg)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    vectors = np.asarray(sheet.atoms.cell, np.float64).copy()
    vectors[:, :2] = vectors[:, :2] @ rotation.T
    base = sheet.atoms.positions.copy()
    base[:, :2] = base[:, :2] @ rotation.T + np.asarray(shift_A)
    x0, y0, x1, y1 = window
    corners = np.array([(x0, y0), (x0, y1), (x1, y0), (x1, y1)])
    inverse = np.linalg.inv(vectors[:2, :2])
    steps = np.concatenate([(corners - atom) @ inverse for atom in base[:, :2]])
    low, high = np.floor(steps.min(axis=0)).astype(int) - 1, np.ceil(steps.max(axis=0)).astype(int) + 1
    i, j = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1), indexing="ij")
    offsets = i.reshape(-1, 1) * vectors[0] + j.reshape(-1, 1) * vectors[1]
    # A cell whose atoms reach the window lies within the cells' own size of it.
    reach = np.abs(vectors[:2, :2]).sum(axis=0).max()
    spread = (base[:, :2].min(axis=0), base[:, :2].max(axis=0))
    near = np.all(
        (offsets[:, :2] + spread[1] >= (x0 - reach, y0 - reach))
        & (offsets[:, :2] + spread[0] <= (x1 + reach, y1 + reach)),
        axis=1,
    )
    positions = (offsets[near, np.newaxis] + base).reshape(-1, 3)
    if np.any(vectors[:2, 2]):
        # Rounding must not throw an atom of the lowest plane to the top.
        positions[:, 2] = np.mod(positions[:, 2] + 1e-6, vectors[2, 2]) - 1e-6
    return positions, np.tile(sheet.atoms.numbers.astype(np.int64), int(near.sum()))


def check_crystal(crystal: Atoms, title: str, *, slab: bool = False) -> None:
    """Refuse a crystal without atoms, of unknown elements, or without the cell vectors that are needed."""
    if len(crystal) == 0:
        raise DataError(f"crystal {title}: expected at least one atom, got none")
    if crystal.numbers.min() < 1 or crystal.numbers.max() >= len(chemical_symbols):
        raise DataError(f"crystal {title}: unknown elements among {crystal.get_chemical_formula()}")
    cell = np.asarray(crystal.cell)
    if not (np.isfinite(cell).all() and np.isfinite(crystal.positions).all()):
        raise DataError(f"crystal {title}: expected finite positions and cell vectors")
    across = np.linalg.norm(np.cross(cell[0], cell[1]))
    if across < 1 or (slab and abs(np.linalg.det(cell)) < 1):
        raise DataError(
            f"crystal {title}: expected {'three' if slab else 'two'} cell vectors that span "
            f"{'a volume' if slab else 'an area'}, got {cell.round(3).tolist()}"
        )


def _split_formula(formula: str) -> tuple[str, str]:
    """Read the metal and the other element of an MX2 formula."""
    try:
        counts = Formula(formula).count()
    except ValueError:
        counts = {}
    unknown = [symbol for symbol in counts if symbol not in atomic_numbers or symbol == "X"]
    if unknown:
        raise SettingsError(f"crystal: unknown element {', '.join(unknown)} in {formula!r}")
    if sorted(counts.values()) != [1, 2]:
        raise SettingsError(
            f"crystal: expected the formula of an MX2 sheet, as MoS2, got {formula!r}; give other crystals "
            "as a structure file"
        )
    metal, other = sorted(counts, key=counts.__getitem__)
    return metal, other


def _check_classify(classify: str) -> None:
    """Refuse a classification that there is none of."""
    if classify not in CLASSIFICATIONS:
        raise SettingsError(f"classify: expected one of {', '.join(CLASSIFICATIONS)}, got {classify!r}")


def _layer(crystal: Atoms) -> Atoms:
    """Take one period along c, cut at its widest gap, with a along x and the normal of a and b along z."""
    a, b, c = np.asarray(crystal.cell, np.float64)
    axes = _axes(np.cross(a, b), a)
    positions, (a, b, c) = crystal.positions @ axes.T, np.stack([a, b, c]) @ axes.T
    if crystal.pbc[2] and abs(c[2]) > 1:
        level = np.mod(positions[:, 2] / c[2], 1)
        ordered = np.sort(level)
        gaps = np.diff(ordered, append=ordered[0] + 1)
        start = ordered[(int(gaps.argmax()) + 1) % len(ordered)]
        # The atom that starts the layer must not be put on top of it by a rounding error.
        periods = np.floor(positions[:, 2] / c[2] - start + 1e-9)
        positions = positions - periods[:, np.newaxis] * c
    positions[:, 2] -= positions[:, 2].min()
    # Both lie in the plane; what rounding left along z would have `tile` wrap the heights.
    cell = [(*a[:2], 0.0), (*b[:2], 0.0), (0.0, 0.0, float(np.ptp(positions[:, 2])))]
    return Atoms(crystal.numbers, positions, cell=cell, pbc=(True, True, False))


def _slab(crystal: Atoms, thickness_A: float) -> Atoms:
    """Repeat the cell along c, which then lies along z, to whole periods near the thickness."""
    a, _, c = np.asarray(crystal.cell, np.float64)
    axes = _axes(c, a)
    length = float(np.linalg.norm(c))
    count = max(1, round(thickness_A / length))
    many = crystal.repeat((1, 1, count))
    vectors = np.asarray(crystal.cell, np.float64) @ axes.T
    vectors[np.abs(vectors) < 1e-9] = 0.0
    positions = many.positions @ axes.T
    positions[:, 2] = np.mod(positions[:, 2] - positions[:, 2].min() + 1e-6, count * length) - 1e-6
    cell = [vectors[0], vectors[1], (0.0, 0.0, count * length)]
    return Atoms(many.numbers, positions, cell=cell, pbc=(True, True, False))


def _axes(normal: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Find the axes whose z is the normal and whose x is as near to the first vector as it can be."""
    z = normal / np.linalg.norm(normal)
    x = first - (first @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])
