"""Recipes of simulated systems: what `temflux structures` makes, each a settings model."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ...base.errors import SettingsError
from ...base.seeds import generator
from ...generate.debye_waller import displacements_A
from ...generate.flake import flake
from ...generate.layered import read_crystals, slab, split_by_elements
from ...generate.oxide import oxide_columns
from ...generate.sheet import crystal_sheet, mx2_sheet
from ...generate.supported import supported_particle
from ...generate.system import System
from ..checked_settings import explain

# Publication I takes that of sulphur in MoS2 at 300 K for all materials of its database.
_UNKNOWN_DISPLACEMENT_A = 0.055


class Recipe(BaseModel, ABC):
    """What the recipes of all kinds of systems share; a kind adds its own degrees of freedom.

    Examples
    --------
    >>> FlakeRecipe(count=3).side_A
    60.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    count: int = Field(100, ge=1, description="Systems to make.")
    start: int = Field(0, ge=0, description="Number of the first one.")
    seed: int = Field(100, ge=0, description="Seed of everything drawn; the same seed gives the same bytes.")
    cell: float = Field(60.0, ge=10, le=400, description="Side of the cell [Å].")
    resolution: int | None = Field(
        None, ge=16, description="Pixels of the exit wave in x and y; the cell is then resolution · sampling."
    )
    sampling: float = Field(
        3 / 32, gt=0.01, le=0.5, description="Sampling of the exit wave [Å/pixel]; made finer where quicker."
    )
    beam_energy: float = Field(300e3, ge=10e3, le=3e6, description="Energy of the electron beam [eV].")
    debye_waller: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="R.m.s. thermal displacement along an axis that smears the potential [Å]; each element's "
        "at 300 K where not given, 0 for atoms at rest.",
    )

    @model_validator(mode="after")
    def _one_size(self) -> Recipe:
        if self.resolution is not None and "cell" in self.model_fields_set:
            raise ValueError("give cell or resolution, not both: the cell is resolution · sampling")
        return self

    @property
    def side_A(self) -> float:
        """Side of the cell [Å]."""
        return self.cell if self.resolution is None else self.resolution * self.sampling

    @property
    def kind(self) -> str:
        """Name of the recipe, as it is typed."""
        return type(self).__name__.removesuffix("Recipe").lower()

    def smearing_A(self, elements: set[str]) -> dict[str, float]:
        """Say by how much each element's potential is smeared [Å]; at 300 K unless given."""
        if self.debye_waller is not None:
            return dict.fromkeys(sorted(elements), self.debye_waller)
        known: dict[str, float] = {}
        for solid in [*self.solids(), *sorted(elements)]:
            with suppress(SettingsError):
                known = displacements_A([solid]) | known
        return {element: known.get(element, _UNKNOWN_DISPLACEMENT_A) for element in sorted(elements)}

    def identity(self) -> dict[str, object]:
        """Say what its systems depend on, whatever their numbers: kind, settings, what is read."""
        return {"kind": self.kind, **json.loads(self.model_dump_json(exclude={"count", "start"}))}

    def solids(self) -> list[str]:
        """List the formulas of the solids that the systems are made of, as far as they are known."""
        return []

    @abstractmethod
    def make(self, rng: np.random.Generator, number: int, part: str) -> System:
        """Make one system of this kind; see the functions of `generate`."""


class SupportedRecipe(Recipe):
    """Metal particles on a support, seen along the interface (thesis, Listing 3.3)."""

    metal: str = Field("Au", description="Chemical symbol of the particle's metal.")
    support: str = Field("CeO2", description="Support: CeO2, another named oxide, carbon or none.")
    tilt_deg: float = Field(3.0, ge=0, le=45, description="Largest tilt off the zone axis [°].")
    planes: tuple[int, int] = Field((7, 15), description="Fewest and most planes of each facet.")
    twinned: bool = Field(False, description="Whether the particles have a twin plane.")

    @field_validator("metal")
    @classmethod
    def _element(cls, value: str) -> str:
        if value not in chemical_symbols[1:]:
            raise ValueError(f"expected a chemical symbol such as Au, got {value!r}")
        return value

    def solids(self) -> list[str]:
        """List metal and support."""
        return [self.metal, *([] if self.support in ("none", "carbon") else [self.support])]

    def make(self, rng: np.random.Generator, number: int, part: str) -> System:  # noqa: ARG002
        """Make one supported particle."""
        return supported_particle(
            rng,
            metal=self.metal,
            support=self.support,
            tilt_deg=self.tilt_deg,
            cell_A=(self.side_A, self.side_A, 60.0),
            planes=self.planes,
            twinned=self.twinned,
        )


class _SheetRecipe(Recipe):
    """What flakes of all crystals share."""

    support: Literal["none", "graphene"] = Field("none", description="What the flake lies on.")
    vacancies: float = Field(0.2, ge=0, le=1, description="Largest share of atoms that are missing.")
    holes: float = Field(0.05, ge=0, le=1, description="Largest share of whole columns that are missing.")
    tilt_deg: float = Field(1.0, ge=0, le=45, description="Largest tilt, in a random direction [°].")
    distort: float = Field(
        0.01, ge=0, le=0.5, description="Standard deviation of random displacements along each axis [Å]."
    )


class FlakeRecipe(_SheetRecipe):
    """Flakes of an MX2 monolayer (thesis, Listing 3.5)."""

    beam_energy: float = Field(50e3, ge=10e3, le=3e6, description="Energy of the electron beam [eV].")
    formula: str = Field("MoS2", description="Formula of the monolayer, such as MoS2 or WSe2.")
    sides: bool = Field(
        False, description="Whether single S above and below the metal are two classes: 1S upper, 1S lower."
    )

    def solids(self) -> list[str]:
        """List the monolayer."""
        return [self.formula]

    def make(self, rng: np.random.Generator, number: int, part: str) -> System:  # noqa: ARG002
        """Make one flake."""
        return flake(
            rng,
            crystal=mx2_sheet(self.formula, classify="side") if self.sides else self.formula,
            support=self.support,
            vacancies=self.vacancies,
            holes=self.holes,
            distort_A=self.distort,
            tilt_deg=self.tilt_deg,
            cell_A=self.side_A,
        )


class OxideRecipe(Recipe):
    """Oxide crystals along a zone axis, with oxygen vacancies, for the occupancy of columns."""

    oxide: Literal["CeO2", "SrTiO3"] = Field("CeO2", description="CeO2 along [110] or SrTiO3 along [001].")
    vacancies: float = Field(0.2, ge=0, le=1, description="Largest share of oxygen that is missing.")
    thickness: tuple[float, float] = Field((10.0, 40.0), description="Thinnest and thickest crystal [Å].")
    tilt_deg: float = Field(0.5, ge=0, le=45, description="Largest tilt off the zone axis [°].")

    def solids(self) -> list[str]:
        """List the oxide."""
        return [self.oxide]

    def make(self, rng: np.random.Generator, number: int, part: str) -> System:  # noqa: ARG002
        """Make one crystal."""
        return oxide_columns(
            rng,
            oxide=self.oxide,
            vacancies=self.vacancies,
            thickness_A=self.thickness,
            tilt_deg=self.tilt_deg,
            cell_A=self.side_A,
        )


class FileRecipe(_SheetRecipe):
    """Flakes or slabs of crystals from a structure file, or from a folder of them."""

    beam_energy: float = Field(50e3, ge=10e3, le=3e6, description="Energy of the electron beam [eV].")
    source: Path = Field(description="Structure file (.cif, .traj, .json, .xyz …) or folder of such.")
    shape: Literal["flake", "slab"] = Field(
        "flake", description="Flake: one layer of the crystal, along c; slab: the crystal to a thickness."
    )
    thickness: tuple[float, float] = Field((10.0, 40.0), description="Thinnest and thickest slab [Å].")
    validation_share: float = Field(
        1 / 3,
        ge=0,
        le=1,
        description="Share of a folder's crystals kept for --test, whole sets of elements at a time.",
    )

    def identity(self) -> dict[str, object]:
        """Say what its systems depend on: the crystals themselves, not where they were read."""
        crystals = hashlib.sha256()
        for name, atoms in _read_once(self.source):
            crystals.update(name.encode())
            for array in (atoms.numbers, atoms.positions, atoms.cell.array):
                crystals.update(np.ascontiguousarray(array).tobytes())
        return {**super().identity(), "source": self.source.name, "crystals": crystals.hexdigest()}

    def make(self, rng: np.random.Generator, number: int, part: str) -> System:
        """Make one system of the crystal whose turn it is."""
        everything = _read_once(self.source)
        crystals = everything
        if len(everything) > 1:
            train, test = split_by_elements(
                everything, validation_share=self.validation_share, seed=self.seed
            )
            crystals = test if part == "test" else train
        if not crystals:
            raise SettingsError(f"validation_share: leaves no crystal of {self.source} for {part}")
        name, crystal = crystals[number % len(crystals)]
        # Crystals of a folder differ in their elements; what they share is that they have columns.
        classify = "column" if len(everything) > 1 else "composition"
        if self.shape == "slab":
            sheet = slab(crystal, float(rng.uniform(*self.thickness)), classify=classify)
        else:
            sheet = crystal_sheet(crystal, name=name, classify=classify)
        system = flake(
            rng,
            crystal=sheet,
            support=self.support,
            vacancies=self.vacancies,
            holes=self.holes,
            distort_A=self.distort,
            tilt_deg=self.tilt_deg,
            cell_A=self.side_A,
        )
        return replace(system, drawn={"crystal_name": name, **system.drawn})


RECIPES: dict[str, type[Recipe]] = {
    "supported": SupportedRecipe,
    "flake": FlakeRecipe,
    "oxide": OxideRecipe,
    "file": FileRecipe,
}


def read_recipe(kind: str, values: dict[str, object]) -> Recipe:
    """Validate a recipe from a command, a file or a dialog.

    Parameters
    ----------
    kind : str
        One of `RECIPES`.
    values : dict
        Any of its fields.

    Returns
    -------
    Recipe
        The values, with defaults for those not given.

    Raises
    ------
    SettingsError
        One line that names each setting at fault.

    Examples
    --------
    >>> read_recipe("flake", {"formula": "WSe2"}).kind
    'flake'
    """
    if kind not in RECIPES:
        raise SettingsError(f"expected one of {', '.join(RECIPES)}, got {kind!r}")
    try:
        return RECIPES[kind].model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, RECIPES[kind])) from None


def draw_system(recipe: Recipe, number: int, part: str) -> System:
    """Draw one system; it depends on seed, part and number alone.

    Parameters
    ----------
    recipe : Recipe
        What to make.
    number : int
        Number of the system.
    part : str
        "train" or "test".

    Returns
    -------
    System
        Atoms, sites and what was drawn.

    Raises
    ------
    SettingsError
        If the recipe cannot be made, as a cell too small for the particle.

    Examples
    --------
    >>> draw_system(FlakeRecipe(), 0, "train").sites.class_names
    ('1Mo', '2S', '1S')
    """
    return recipe.make(generator(recipe.seed, part, "system", number), number, part)


@lru_cache(maxsize=1)
def _read_once(source: Path) -> list[tuple[str, Atoms]]:
    """Read crystals once a process, not once a system."""
    return read_crystals(source)
