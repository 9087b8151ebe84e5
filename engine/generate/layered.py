"""Crystals from structure files, and sets of them split by the elements they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import ase.io
from ase import Atoms
from ase.data import atomic_numbers
from ase.formula import Formula
from ase.io.formats import UnknownFileTypeError
from ase.io.jsonio import decode

from ..base.errors import DataError, ReadError, SettingsError
from ..base.seeds import generator
from .sheet import Sheet, check_crystal, crystal_sheet

# What is taken out of a folder; a file that is named itself may be of any format that ASE reads.
ENDINGS = (".cfg", ".cif", ".db", ".extxyz", ".json", ".traj", ".vasp", ".xsf", ".xyz")
_Item = TypeVar("_Item", tuple[str, Atoms], str)


def read_crystals(path: str | Path, *, most_atoms: int | None = None) -> list[tuple[str, Atoms]]:
    """Read the crystals of a structure file or of a folder of them.

    Parameters
    ----------
    path : str or Path
        A file of any format that ASE reads, with all its structures (frames of a trajectory, rows of an ASE
        database); or a folder, of which files with one of `ENDINGS` are taken, without its own folders.
    most_atoms : int or None
        Crystals with more atoms in their cell are left out, as Publication I leaves out those above 8.

    Returns
    -------
    list of (str, ase.Atoms)
        Name and unit cell, by file name: the file's name without its ending, and "-0000" upwards after it
        where it holds more than one.

    Raises
    ------
    ReadError
        If there is nothing there, a file cannot be read, or none is left.
    DataError
        If a structure has no atoms, unknown elements, or no cell across the beam.

    Examples
    --------
    >>> import tempfile; from ase.build import graphene
    >>> file = Path(tempfile.mkdtemp()) / "graphene.xyz"; graphene(vacuum=5).write(file)
    >>> [(name, len(atoms)) for name, atoms in read_crystals(file)]
    [('graphene', 2)]
    """
    if most_atoms is not None and most_atoms < 1:
        raise SettingsError(f"most_atoms: expected 1 or more, got {most_atoms}")
    source = Path(path)
    if source.is_dir():
        files = sorted(
            file
            for file in source.iterdir()
            if file.suffix.lower() in ENDINGS and not file.name.startswith(".")
        )
        if not files:
            raise ReadError(f"{source}: expected structure files ({', '.join(ENDINGS)}), found none")
    elif source.is_file():
        files = [source]
    else:
        raise ReadError(f"{source}: expected a structure file or a folder of them, there is none")
    found = []
    for file in files:
        many = _read_file(file)
        for index, atoms in enumerate(many):
            name = file.stem if len(many) == 1 else f"{file.stem}-{index:04d}"
            check_crystal(atoms, str(file) if len(many) == 1 else f"{file} (structure {index})")
            if most_atoms is None or len(atoms) <= most_atoms:
                found.append((name, atoms))
    if not found:
        raise ReadError(f"{source}: expected crystals of at most {most_atoms} atoms in the cell, found none")
    return found


def slab(crystal: Atoms, thickness_A: float, *, classify: str = "element") -> Sheet:
    """Make a slab of any crystal, which `flake` cuts as it cuts a layer.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell; its third vector will lie along the beam.
    thickness_A : float
        Thickness wanted; whole periods that come nearest to it are taken, one at least [Å].
    classify : {"composition", "side", "element", "column"}
        As in `find_sites`.

    Returns
    -------
    Sheet
        See `crystal_sheet`.

    Raises
    ------
    DataError, SettingsError
        As `crystal_sheet`.

    Examples
    --------
    >>> from ase.build import bulk
    >>> slab(bulk("NaCl", "rocksalt", a=5.64, cubic=True), 20.0).class_names
    ('Cl', 'Cl+Na', 'Na')
    """
    return crystal_sheet(crystal, thickness_A=thickness_A, classify=classify)


def split_by_elements(
    crystals: Sequence[_Item], *, validation_share: float = 1 / 3, seed: int = 0
) -> tuple[list[_Item], list[_Item]]:
    """Split crystals so that those of one set of elements are all in training or all in validation.

    Parameters
    ----------
    crystals : sequence of (str, ase.Atoms), or of str
        What `read_crystals` returns, or formulas.
    validation_share : float
        Probability that a set of elements goes to validation, from 0 to 1 (Publication I: 1/3).
    seed : int
        Each set of elements is drawn from the seed and its symbols alone, so that crystals added later
        leave the others where they were. Only where all sets but none would go one way, and there are two or
        more, the one drawn nearest to the limit goes the other way.

    Returns
    -------
    training, validation : lists
        The crystals in their order.

    Raises
    ------
    SettingsError
        If the share is outside 0 to 1.
    DataError
        If a formula cannot be read.

    Examples
    --------
    >>> split_by_elements(["MoS2", "WS2", "Mo2S3", "WSe2", "BN", "NbSe2"], seed=1)
    (['WS2', 'WSe2', 'BN', 'NbSe2'], ['MoS2', 'Mo2S3'])
    """
    if not 0 <= validation_share <= 1:
        raise SettingsError(f"validation_share: expected a share from 0 to 1, got {validation_share}")
    sets = [
        tuple(
            sorted(_elements(crystal) if isinstance(crystal, str) else set(crystal[1].get_chemical_symbols()))
        )
        for crystal in crystals
    ]
    draws = sorted((generator(seed, "validation", *symbols).random(), symbols) for symbols in set(sets))
    count = sum(draw < validation_share for draw, _ in draws)
    if len(draws) > 1 and 0 < validation_share < 1:
        count = min(max(count, 1), len(draws) - 1)
    kept = {symbols for _, symbols in draws[:count]}
    training = [crystal for crystal, symbols in zip(crystals, sets, strict=True) if symbols not in kept]
    validation = [crystal for crystal, symbols in zip(crystals, sets, strict=True) if symbols in kept]
    return training, validation


def _read_file(file: Path) -> list[Atoms]:
    """Read every structure of a file; ASE's readers fail in many ways, which all mean one thing here."""
    try:
        try:
            many = ase.io.read(file, index=":", do_not_split_by_at_sign=True)
        except UnknownFileTypeError:
            # ASE writes single objects as JSON too (C2DB's structure.json among them), and reads those apart.
            if file.suffix.lower() != ".json":
                raise
            found = decode(file.read_text(encoding="utf-8"))
            if not isinstance(found, Atoms):
                raise
            many = [found]
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ReadError(f"{file}: expected a structure file that ASE reads, {reason}") from None
    if not many:
        raise ReadError(f"{file}: expected at least one structure, found none")
    return list(many)


def _elements(formula: str) -> set[str]:
    """List the elements of a formula."""
    try:
        symbols = set(Formula(formula).count())
    except ValueError:
        symbols = set()
    if not symbols or not symbols <= atomic_numbers.keys() - {"X"}:
        raise DataError(f"crystals: expected a formula of known elements, got {formula!r}")
    return symbols
