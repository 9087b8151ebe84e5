"""The zoo: models that come with temflux, each made from its recipe, from atoms to card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base.blocks import Runner, run_serial
from ..base.errors import ReadError, SettingsError
from ..learn.model_cards import ModelCard
from ..learn.model_files import load_model, save_model, zoo_folder
from ..learn.training import Curves
from .checked_settings import check_settings, explain
from .images import make_images
from .simulating.parameters import ImageParameters, check_parameters
from .simulating.recipes import Recipe, read_recipe
from .structures import make_structures, recipe_key
from .train import TrainedRun, train_network
from .train_settings import TrainSettings
from .zoo_models.bf_particles import BfRecipe
from .zoo_models.zone_axis_data import ZoneAxisRecipe

Progress = Callable[[str, int, int], None]


class SystemsPlan(BaseModel):
    """Which atomic systems a model learns from, and which others judge it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["supported", "flake", "oxide"] = Field(description="What is made.")
    train: int = Field(ge=1, description="Systems to learn from.")
    validation: int = Field(ge=1, description="Systems that choose the best epoch.")
    test: int = Field(ge=0, description="Systems that figures are measured on, seen by nothing before.")
    seed: int = Field(ge=0, description="Seed of the first two; the last have the next one.")
    settings: dict[str, Any] = Field({}, description="Settings of temflux structures.")

    def recipe(self, part: Literal["train", "validation", "test"]) -> Recipe:
        """Give the recipe of a part of the systems that is not empty."""
        count = {"train": self.train, "validation": self.validation, "test": self.test}[part]
        seed = self.seed + (part == "test")
        return read_recipe(self.kind, {**self.settings, "seed": seed, "count": count})


class ZooRecipe(BaseModel):
    """How a model of the zoo is made; its file lies beside the model's folder.

    Examples
    --------
    >>> systems = {"kind": "flake", "train": 8, "validation": 2, "test": 2, "seed": 1}
    >>> ZooRecipe(name="mine", task="…", systems=systems, images={"label": "Disk"}).train
    {}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name of the model.")
    version: str = Field("1", description="Version of its weights.")
    task: str = Field(description="What it finds in what, in one sentence.")
    limits: tuple[str, ...] = Field((), description="Where it fails.")
    licence: str = Field("BSD-3-Clause", description="Licence of the weights.")
    attribution: str = Field("", description="Whom those who pass the model on must name.")
    systems: SystemsPlan = Field(description="Atomic systems.")
    images: dict[str, Any] = Field(description="Parameters of the images that it learns from.")
    test_images: dict[str, Any] = Field({}, description="Parameters that differ where it is judged.")
    beyond_images: dict[str, Any] = Field(
        {}, description="Parameters that differ where it is tried beyond its ranges; empty for no such trial."
    )
    train: dict[str, Any] = Field({}, description="Settings of temflux train.")
    baseline_limit: int = Field(60, ge=1, description="Most images that the classical method is scored on.")
    dose_systems: int = Field(0, ge=0, description="Systems of the study of dose, for masks; 0 for none.")

    def parameters(self, part: Literal["train", "test", "beyond"]) -> ImageParameters:
        """Give the parameters of a part of the images."""
        differing = {} if part == "train" else self.test_images
        if part == "beyond":
            differing = {**differing, **self.beyond_images}
        return check_parameters({"debug": None, **self.images, **differing})


AnyRecipe = ZooRecipe | BfRecipe | ZoneAxisRecipe
_OTHER_RECIPES: Mapping[Any, type[BfRecipe] | type[ZoneAxisRecipe]] = {
    "crops": BfRecipe,
    "movies": ZoneAxisRecipe,
}


@dataclass(frozen=True)
class ZooData:
    """Where a model's data lie.

    Parameters
    ----------
    train, validation : Path
        Folders of images to learn from.
    test : Path or None
        Folder of images that figures are measured on.
    beyond : Path or None
        Folder of images of the same systems, drawn beyond the trained ranges.
    """

    train: Path
    validation: Path
    test: Path | None = None
    beyond: Path | None = None


def read_zoo_recipe(name: str | Path) -> AnyRecipe:
    """Read the recipe of a model of the zoo.

    Parameters
    ----------
    name : str or Path
        Name of the model, or a recipe's file.

    Returns
    -------
    ZooRecipe, BfRecipe or ZoneAxisRecipe
        How it is made: from simulated images, from real crops, or from simulated movies.

    Raises
    ------
    ReadError
        If there is no such recipe, or the file is broken.
    SettingsError
        One line that names each entry at fault.

    Examples
    --------
    >>> read_zoo_recipe("mos2-columns").systems.kind
    'flake'
    """
    path = Path(name) if str(name).endswith(".json") else zoo_folder() / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in zoo_folder().glob("*.json")))
        raise ReadError(f"{name}: no such recipe; expected one of {known or 'none yet'}, or a JSON file")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: expected JSON ({error})") from None
    kind = _OTHER_RECIPES.get(record.get("learns_from"), ZooRecipe)
    try:
        return kind.model_validate({"name": path.stem, **record})
    except ValidationError as error:
        raise SettingsError(f"{path}: {explain(error, kind)}") from None


def simulate_zoo_data(
    recipe: ZooRecipe,
    work: str | Path,
    *,
    runner: Runner = run_serial,
    progress: Progress | None = None,
) -> ZooData:
    """Simulate what a model learns from and is judged by; what is there already is kept.

    Parameters
    ----------
    recipe : ZooRecipe
        How the model is made.
    work : str or Path
        Folder for the data, shared by models that learn from the same systems.
    runner : callable
        Where systems and images are made.
    progress : callable or None
        Told (what is made, done, total).

    Returns
    -------
    ZooData
        Folders of images.

    Raises
    ------
    SettingsError
        If the recipe cannot be made.
    WriteError
        If the system refuses to write.
    """
    folders: dict[str, Path] = {}
    for part in ("train", "validation", "test"):
        if part == "test" and not recipe.systems.test:
            continue
        systems = recipe.systems.recipe(part)
        data = Path(work) / f"systems-{recipe_key(systems)}"
        side = "train" if part == "train" else "test"
        make_structures(data, systems, part=side, runner=runner, progress=_named(progress, f"{part} systems"))
        for images in ("test", "beyond") if part == "test" else ("train",):
            if images == "beyond" and not recipe.beyond_images:
                continue
            what = "beyond" if images == "beyond" else part
            folders[what] = make_images(
                data,
                recipe.parameters(images),
                part=side,
                name=recipe.name + ("-beyond" if images == "beyond" else ""),
                runner=runner,
                progress=_named(progress, f"{what} images"),
            ).folder
    return ZooData(**folders)


def train_zoo_model(
    recipe: ZooRecipe,
    data: ZooData,
    work: str | Path,
    *,
    progress: Progress | None = None,
    on_epoch: Callable[[Curves], None] | None = None,
) -> TrainedRun:
    """Train a model of the zoo, or go on with a training that was stopped.

    Parameters
    ----------
    recipe : ZooRecipe
        How the model is made.
    data : ZooData
        As `simulate_zoo_data` gives it.
    work : str or Path
        Folder for the run.
    progress, on_epoch : callable or None
        As `train_network` takes them.

    Returns
    -------
    TrainedRun
        Where the model is, and its curves.

    Raises
    ------
    SettingsError, DataError, ReadError, WriteError
        As `train_network` raises them.
    """
    run = Path(work) / recipe.name
    settings = check_settings(TrainSettings, recipe.train)
    restart = (run / "run.json").exists()
    return train_network(
        data.train, data.validation, run, settings, restart=restart, progress=progress, on_epoch=on_epoch
    )


def publish_zoo_model(
    recipe: AnyRecipe,
    model: str | Path,
    figures: Mapping[str, float | str],
    *,
    folder: str | Path | None = None,
) -> ModelCard:
    """Put a trained model into the zoo with the card of its recipe.

    Parameters
    ----------
    recipe : ZooRecipe, BfRecipe or ZoneAxisRecipe
        How the model was made.
    model : str or Path
        Folder of the trained model.
    figures : mapping of str to float or str
        What it reaches on its test sets, or what others of its kind do in cross-validation; a threshold that
        it was trained with stays.
    folder : str, Path or None
        The zoo; None for the one that comes with temflux.

    Returns
    -------
    ModelCard
        The card as written.

    Raises
    ------
    ReadError
        If the model is damaged.
    WriteError
        If the system refuses to write.
    """
    trained = load_model(model)
    how = recipe.model_dump(mode="json", exclude={"task", "limits", "licence", "attribution"})
    own = {name: trained.card.figures[name] for name in ("threshold",) if name in trained.card.figures}
    card = replace(
        trained.card,
        name=recipe.name,
        version=recipe.version,
        task=recipe.task,
        limits=recipe.limits,
        licence=recipe.licence,
        attribution=recipe.attribution,
        figures={**own, **figures},
        recipe={**trained.card.recipe, "zoo": how},
    )
    target = Path(folder) if folder is not None else zoo_folder()
    return save_model(target / recipe.name, trained.network, trained.spec, card)


def _named(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    """Put a name to the progress of a step."""
    if progress is None:
        return None
    told = progress
    return lambda done, total: told(what, done, total)
