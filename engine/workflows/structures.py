"""Making systems: atoms, columns and exit waves, one by one, into a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..base.blocks import Block, Runner, run_serial
from ..base.errors import SettingsError
from ..files.journal import Journal
from ..generate.dataset import PARTS, SystemSet, add_to_manifest
from ..generate.exit_wave import exit_wave, grid_shape
from .simulating.recipes import Recipe, draw_system

Progress = Callable[[int, int], None]

_MADE_WITH = ("temflux", "abtem", "ase", "numpy", "scipy")


@dataclass(frozen=True)
class StructuresResult:
    """How making systems ended.

    Parameters
    ----------
    made, kept : int
        Systems made now, and those that were there.
    folder : Path
        Where they are.
    """

    made: int
    kept: int
    folder: Path


def make_structures(
    out: str | Path,
    recipe: Recipe,
    *,
    part: str = "train",
    runner: Runner = run_serial,
    progress: Progress | None = None,
) -> StructuresResult:
    """Make systems and their exit waves; what was made before by the same recipe is kept.

    Parameters
    ----------
    out : str or Path
        Folder of the dataset; made where it is missing, added to where it is not.
    recipe : Recipe
        What to make.
    part : str
        "train" or "test".
    runner : Runner
        Where systems are made; the bytes do not depend on it.
    progress : callable or None
        Told (done, total) after each system.

    Returns
    -------
    StructuresResult
        How many were made.

    Raises
    ------
    SettingsError
        If the part is unknown, a system cannot be made, or systems of another recipe have those numbers.
    DataError
        If the dataset's waves have another size, sampling or energy.
    ReadError, WriteError
        If the dataset is broken or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from temflux.engine.workflows.simulating.recipes import FlakeRecipe
    >>> make_structures(tempfile.mkdtemp(), FlakeRecipe(count=1, cell=20, sampling=0.25)).made
    1
    """
    if part not in PARTS:
        raise SettingsError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    out = Path(out)
    systems = SystemSet(out / part / "systems")
    recipe_id = recipe_key(recipe)
    numbers = range(recipe.start, recipe.start + recipe.count)
    missing = _missing(systems, numbers, recipe_id)
    if missing:
        # The first one is drawn before anything is written: a recipe that cannot be made leaves nothing.
        shape = grid_shape(draw_system(recipe, missing[0], part).atoms, recipe.sampling)
        settings = {**recipe.identity(), "start": recipe.start, "count": recipe.count}
        made_with = {name: version(name) for name in _MADE_WITH}
        entry = {
            "part": part,
            "recipe": recipe_id,
            "settings": settings,
            "made_with": made_with,
        }
        add_to_manifest(out, "recipes", entry)
        rows, columns = shape
        attributes = {
            "energy_eV": recipe.beam_energy,
            "sampling_A": [recipe.side_A / rows, recipe.side_A / columns],
            "extent_A": [recipe.side_A, recipe.side_A],
        }
        systems.create_waves(shape, attributes, numbers.stop)
    make_one = _MakeOne(systems, recipe, recipe_id, part)
    blocks = [Block(number, number + 1, number) for number in missing]
    with Journal(systems.journal) as journal:
        for done, record in enumerate(runner(make_one, blocks), start=1):
            journal.add(record)
            if progress is not None:
                progress(done, len(blocks))
    return StructuresResult(len(missing), len(numbers) - len(missing), systems.folder)


def recipe_key(recipe: Recipe) -> str:
    """Compute what tells recipes apart, whatever numbers they are asked to make.

    Parameters
    ----------
    recipe : Recipe
        What to make.

    Returns
    -------
    str
        12 hexadecimal digits of a hash of its settings without count and start.

    Examples
    --------
    >>> from temflux.engine.workflows.simulating.recipes import FlakeRecipe
    >>> recipe_key(FlakeRecipe(count=1)) == recipe_key(FlakeRecipe(count=2))
    True
    """
    return hashlib.sha256(json.dumps(recipe.identity(), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _MakeOne:
    """Make the system that a block of one stands for, and return its record."""

    systems: SystemSet
    recipe: Recipe
    recipe_id: str
    part: str

    def __call__(self, block: Block) -> dict[str, Any]:
        number = block.start
        system = draw_system(self.recipe, number, self.part)
        smearing_A = self.recipe.smearing_A(set(system.atoms.get_chemical_symbols()))
        wave = exit_wave(
            system.atoms,
            energy_eV=self.recipe.beam_energy,
            sampling_A=self.recipe.sampling,
            debye_waller_A=smearing_A,
        )
        counts = np.bincount(system.sites.classes, minlength=len(system.sites.class_names))
        return {
            "system": number,
            "recipe": self.recipe_id,
            "formula": system.atoms.get_chemical_formula(),
            "atoms": len(system.atoms),
            "columns": dict(zip(system.sites.class_names, counts.tolist(), strict=True)),
            "drawn": system.drawn,
            "smearing_A": smearing_A,
            "sha256": self.systems.save(number, system, wave),
        }


def _missing(systems: SystemSet, numbers: Sequence[int], recipe_id: str) -> list[int]:
    """List the numbers that are still to be made; others' numbers are not taken."""
    records = systems.records()
    others = [number for number in numbers if records.get(number, {}).get("recipe", recipe_id) != recipe_id]
    if others:
        raise SettingsError(
            f"{systems.journal}: systems {others[0]} to {others[-1]} were made by another recipe; "
            f"add these behind them with --start {max(records) + 1}, or choose another folder"
        )
    return [number for number in numbers if number not in records]
