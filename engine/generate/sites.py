"""Atoms into atomic columns: clusters in projection, their centres of mass, classes and occupancies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..base.errors import DataError, SettingsError
from .system import Sites

CLASSIFICATIONS = ("composition", "side", "element", "column")
# Rows of one lattice line must sort alike whatever the last bits of their coordinates are.
_SORT_STEP_A = 1e-6
_MOST_ATOMS, _MOST_CLASSES = 12, 64
_SIDES = ("", " upper", " lower")
# Atomic numbers and counts of a column, both negative so that keys sort as classes do, and its side.
_Key = tuple[tuple[tuple[int, int], ...], int]


def find_columns(xy_A: np.ndarray, *, tolerance_A: float = 0.3) -> np.ndarray:
    """Find the atomic column that each atom belongs to (thesis, 3.1).

    Parameters
    ----------
    xy_A : array (n, 2), float
        Atoms in projection [Å].
    tolerance_A : float
        Atoms this near to each other are of one column [Å]. The linkage is single: a chain of atoms, each
        within the tolerance of the next, is one column, so that a slightly tilted column stays whole.

    Returns
    -------
    array (n,), int64
        Column of each atom, from 0 in the order of their first atoms. Nothing is wrapped across the cell.

    Raises
    ------
    SettingsError
        If the tolerance is not a number above 0.
    DataError
        If the positions are not (n, 2) finite numbers.

    Examples
    --------
    >>> find_columns(np.array([[0.0, 0.0], [3.0, 0.0], [0.2, 0.1]])).tolist()
    [0, 1, 0]
    """
    if not (math.isfinite(tolerance_A) and tolerance_A > 0):
        raise SettingsError(f"tolerance_A: expected a distance above 0 Å, got {tolerance_A}")
    xy = np.asarray(xy_A, np.float64)
    if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all():
        raise DataError(f"xy_A: expected finite positions of shape (n, 2), got shape {xy.shape}")
    if len(xy) == 0:
        return np.zeros(0, np.int64)
    pairs = cKDTree(xy).query_pairs(tolerance_A, output_type="ndarray")
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(xy), len(xy)))
    labels = connected_components(links, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def find_sites(
    atoms: Atoms,
    *,
    tolerance_A: float = 0.3,
    classify: str = "composition",
    class_names: Sequence[str] | None = None,
    tag: int | None = None,
    untilted: Atoms | None = None,
    full: Atoms | None = None,
) -> Sites:
    """Find the atomic columns of a system along z, their centres of mass and their classes (thesis, 3.1).

    Parameters
    ----------
    atoms : ase.Atoms
        The system as it is imaged; positions are taken from here [Å].
    tolerance_A : float
        Atoms this near to each other in (x, y) are of one column, see `find_columns` [Å].
    classify : {"composition", "side", "element", "column"}
        What makes a class: the atoms of the column ("1Mo", "2S", "1O+1Ti"); the same and whether their mean
        height is above (nearer the beam's exit) or below the middle of the sheet by the tolerance ("1Mo",
        "2S", "1S upper", "1S lower"); the elements alone ("Au", "O+Ti"); or nothing ("column").
    class_names : sequence of str, or None
        Classes in their order, so that one that is absent here keeps its index. A column of another kind
        joins the class "other" where that is among them, and is refused where it is not. None takes those
        that are there: heaviest element first, then more atoms before fewer, upper before lower.
    tag : int or None
        Only atoms with this tag; None takes all.
    untilted : ase.Atoms or None
        The same atoms, in the same order, before tilt and vibration: columns and sides are found there. A
        tilted column of 0.3 Å from atom to atom would otherwise fall apart.
    full : ase.Atoms or None
        The crystal, with its tags, before atoms were taken from it, in the pose of `untilted` (or `atoms`):
        its columns are the columns, and `occupancy` is the number of atoms left in each over those it had.

    Returns
    -------
    Sites
        Sorted by y, then x. A column without any atom left is no site.

    Raises
    ------
    SettingsError
        If the tolerance, the classification or the class names are not of those.
    DataError
        If a column fits none of the class names, `untilted` has another number of atoms, or an atom lies in
        no column of `full`.

    Examples
    --------
    >>> sites = find_sites(Atoms("MoSS", [(0, 0, 2), (1.8, 0, 0.4), (1.8, 0, 3.6)]))
    >>> sites.class_names, sites.classes.tolist()
    (('1Mo', '2S'), [0, 1])
    """
    if classify not in CLASSIFICATIONS:
        raise SettingsError(f"classify: expected one of {', '.join(CLASSIFICATIONS)}, got {classify!r}")
    flat = atoms if untilted is None else untilted
    if len(flat) != len(atoms):
        raise DataError(f"untilted: expected the same {len(atoms)} atoms, got {len(flat)}")
    if tag is not None:
        chosen = atoms.get_tags() == tag
        atoms, flat = atoms[chosen], flat[chosen]
        full = None if full is None else full[full.get_tags() == tag]
    occupancy = None
    if full is None:
        columns = find_columns(flat.positions[:, :2], tolerance_A=tolerance_A)
    else:
        whole = find_columns(full.positions[:, :2], tolerance_A=tolerance_A)
        columns = _columns_in(flat, full, whole, tolerance_A)
        had = np.bincount(whole)
        occupancy = np.bincount(columns, minlength=len(had)) / had
    middle = _middle(flat if full is None else full)
    keys, kinds = _kinds(flat, columns, classify, (middle, tolerance_A))
    names = [_name(key, classify) for key in keys]
    ordered = tuple(names) if class_names is None else tuple(class_names)
    index = _class_indices(names, ordered)
    classes = np.where(kinds < 0, 0, index[kinds]) if len(index) else np.zeros(len(kinds), np.int64)
    return sites_of_columns(atoms, columns, classes=classes, class_names=ordered, occupancy=occupancy)


def sites_of_columns(
    atoms: Atoms,
    columns: np.ndarray,
    *,
    classes: np.ndarray,
    class_names: tuple[str, ...],
    occupancy: np.ndarray | None = None,
) -> Sites:
    """Make sites of columns that are known: a centre of mass, a class and an occupancy each.

    Parameters
    ----------
    atoms : ase.Atoms
        n atoms as they are imaged [Å].
    columns : array (n,), int64
        Column of each atom, below m.
    classes : array (m,), int64
        Class of each column, an index into `class_names`.
    class_names : tuple of str
        What the classes are.
    occupancy : array (m,), float, or None
        Occupancy of each column.

    Returns
    -------
    Sites
        Those columns that have an atom, sorted by y, then x.

    Examples
    --------
    >>> pair = Atoms("CO", [(0, 0, 0), (0.1, 0, 2)])
    >>> sites_of_columns(pair, np.zeros(2, int), classes=np.zeros(1, int), class_names=("CO",)).xy_A.round(3)
    array([[0.057, 0.   ]])
    """
    masses = atoms.get_masses()
    weight = np.bincount(columns, weights=masses, minlength=len(classes))
    there = np.flatnonzero(np.bincount(columns, minlength=len(classes)))
    moments = [np.bincount(columns, weights=masses * atoms.positions[:, axis]) for axis in (0, 1)]
    xy = np.stack([moment[there] / weight[there] for moment in moments], axis=1)
    grid = np.rint(xy / _SORT_STEP_A)
    order = np.lexsort((grid[:, 0], grid[:, 1]))
    kept = there[order]
    return Sites(
        xy[order],
        np.asarray(classes, np.int64)[kept],
        tuple(class_names),
        None if occupancy is None else np.asarray(occupancy, np.float64)[kept],
    )


def possible_classes(
    atoms: Atoms, *, classify: str = "composition", tolerance_A: float = 0.3
) -> tuple[str, ...]:
    """List the classes that the columns of a crystal can have, whole or with atoms missing, in their order.

    Parameters
    ----------
    atoms : ase.Atoms
        A patch of the perfect crystal, untilted [Å].
    classify : {"composition", "side", "element", "column"}
        As in `find_sites`.
    tolerance_A : float
        As in `find_sites` [Å].

    Returns
    -------
    tuple of str
        For `class_names` of `find_sites`.

    Raises
    ------
    SettingsError
        If there are more than 64, as in a thick slab, or a column has more than 12 atoms.

    Examples
    --------
    >>> possible_classes(Atoms("MoSS", [(0, 0, 2), (1.8, 0, 0.4), (1.8, 0, 3.6)]), classify="side")
    ('1Mo', '2S', '1S upper', '1S lower')
    """
    if classify == "column":
        return ("column",)
    columns = find_columns(atoms.positions[:, :2], tolerance_A=tolerance_A)
    members = {
        tuple(sorted((int(number), round(float(z), 3)) for number, z in zip(numbers, heights, strict=True)))
        for numbers, heights in (
            (atoms.numbers[columns == column], atoms.positions[columns == column, 2])
            for column in range(int(columns.max(initial=-1)) + 1)
        )
    }
    most = max(map(len, members), default=0)
    if classify == "element":
        members = {tuple({number: (number, z) for number, z in column}.values()) for column in members}
    elif most > _MOST_ATOMS:
        raise SettingsError(
            f"classify: {classify!r} takes columns of at most {_MOST_ATOMS} atoms, one here has {most}; "
            "use 'element' or 'column'"
        )
    middle = _middle(atoms)
    keys = {
        _key(part, classify, (middle, tolerance_A))
        for column in members
        for size in range(1, len(column) + 1)
        for part in itertools.combinations(column, size)
    }
    if len(keys) > _MOST_CLASSES:
        raise SettingsError(
            f"classify: {classify!r} makes {len(keys)} classes of this crystal, at most {_MOST_CLASSES} are "
            "of use; take 'element' or 'column'"
        )
    return tuple(_name(key, classify) for key in sorted(keys))


def _middle(atoms: Atoms) -> float:
    """Find the height half-way between the lowest and the highest atom."""
    z = atoms.positions[:, 2]
    return float(z.min() + z.max()) / 2 if len(z) else 0.0


def _columns_in(atoms: Atoms, full: Atoms, whole: np.ndarray, tolerance_A: float) -> np.ndarray:
    """Give each atom the column of the nearest atom of the full crystal."""
    if len(atoms) and not len(full):
        raise DataError(f"full: expected the crystal that the {len(atoms)} atoms are left of, got no atom")
    if not len(atoms):
        return np.zeros(0, np.int64)
    distance, nearest = cKDTree(full.positions[:, :2]).query(atoms.positions[:, :2])
    if distance.max() > tolerance_A:
        worst = int(distance.argmax())
        raise DataError(
            f"full: expected every atom within {tolerance_A} Å of one of the full crystal, but atom {worst} "
            f"is {distance[worst]:.2f} Å from the nearest"
        )
    return whole[nearest]


def _kinds(
    atoms: Atoms, columns: np.ndarray, classify: str, sheet: tuple[float, float]
) -> tuple[list[_Key], np.ndarray]:
    """Find the kinds of columns in their order, and the kind of each column: -1 where it has no atom."""
    n_columns = int(columns.max(initial=-1)) + 1
    elements = -np.unique(-atoms.numbers)
    which = np.searchsorted(-elements, -atoms.numbers)
    size = max(1, len(elements))
    counts = np.bincount(columns * size + which, minlength=n_columns * size).reshape(n_columns, size)
    there = counts.sum(axis=1) > 0
    heights = np.bincount(columns, weights=atoms.positions[:, 2], minlength=n_columns)
    heights = heights / np.maximum(counts.sum(axis=1), 1) - sheet[0]
    sides = np.where(heights > sheet[1], 1, np.where(heights < -sheet[1], 2, 0))
    if classify == "element":
        counts = np.minimum(counts, 1)
    if classify == "column":
        counts = np.zeros_like(counts)
    if classify != "side":
        sides = np.zeros_like(sides)
    rows, inverse = np.unique(np.column_stack([counts, sides])[there], axis=0, return_inverse=True)
    keys = [
        (tuple((-int(z), -int(n)) for z, n in zip(elements, row, strict=False) if n), int(row[-1]))
        for row in rows
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    kinds = np.full(n_columns, -1, np.int64)
    kinds[there] = rank[inverse.reshape(-1)]
    return [keys[i] for i in order], kinds


def _key(column: Sequence[tuple[int, float]], classify: str, sheet: tuple[float, float]) -> _Key:
    """Make the key of one column from atomic numbers and heights."""
    counts: dict[int, int] = {}
    for number, _ in column:
        counts[-number] = counts.get(-number, 0) - 1
    if classify == "element":
        counts = dict.fromkeys(counts, -1)
    height = sum(z for _, z in column) / len(column) - sheet[0]
    side = 0 if classify != "side" or abs(height) <= sheet[1] else (1 if height > 0 else 2)
    return tuple(sorted(counts.items())), side


def _name(key: _Key, classify: str) -> str:
    """Spell a class: counts and elements in alphabetical order, then the side."""
    if classify == "column":
        return "column"
    parts = sorted((chemical_symbols[-z], -n) for z, n in key[0])
    text = "+".join(symbol if classify == "element" else f"{n}{symbol}" for symbol, n in parts)
    return text + _SIDES[key[1]]


def _class_indices(names: Sequence[str], class_names: tuple[str, ...]) -> np.ndarray:
    """Find each kind's index among the class names; "other" takes those that are not there."""
    if len(set(class_names)) != len(class_names):
        raise SettingsError(f"class_names: expected different names, got {', '.join(class_names)}")
    unknown = [name for name in names if name not in class_names]
    if unknown and "other" not in class_names:
        raise DataError(
            f"class_names: columns of {', '.join(unknown)} are none of {', '.join(class_names) or 'none'}; "
            "name them too, or add 'other' to take all that are left"
        )
    return np.array([class_names.index(n if n in class_names else "other") for n in names], np.int64)
