"""`make zoo NAME`: make a model of the zoo from its recipe, in as many sessions as it takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from temflux.engine.base.errors import TemfluxError
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.workflows.train_settings import TrainSettings
from temflux.engine.workflows.zoo import (
    ZooRecipe,
    publish_zoo_model,
    read_zoo_recipe,
    simulate_zoo_data,
    train_zoo_model,
)
from temflux.engine.workflows.zoo_models.bf_figures import judge_bf_particles
from temflux.engine.workflows.zoo_models.bf_particles import BfRecipe, make_bf_particles
from temflux.engine.workflows.zoo_models.figures import judge_zoo_model
from temflux.engine.workflows.zoo_models.zone_axis import make_zone_axis
from temflux.engine.workflows.zoo_models.zone_axis_data import ZoneAxisRecipe

from .exit_codes import BAD_ARGUMENTS, GOOD, INTERRUPTED
from .progress import StageProgress, tell_epochs
from .quiet import quieten_tensorflow
from .runner import process_runner, usable_jobs
from .words import say


def make_zoo_model(
    name: str,
    /,
    *,
    work: Path = Path("build/zoo"),
    jobs: int | None = None,
    only_data: bool = False,
    crops: Path | None = None,
) -> int:
    """Make a model of the zoo; what is there of it already is kept.

    Parameters
    ----------
    name : str
        Name of a recipe in models/zoo, or a recipe's file.
    work : Path
        Folder for data and training.
    jobs : int or None
        Processes that simulate at a time; all cores where not given.
    only_data : bool
        Simulate, and do not train.
    crops : Path or None
        Folder of real crops, for a model that learns from them; au_sintering_masks below TEMFLUX_DATA, or
        below ../shared/data, where not given.

    Returns
    -------
    int
        0.
    """
    quieten_tensorflow()
    console = Console()
    recipe = read_zoo_recipe(name)
    if isinstance(recipe, BfRecipe):
        card = _make_from_crops(recipe, crops or _default_crops(), work / recipe.name, console)
    elif isinstance(recipe, ZoneAxisRecipe):
        card = _make_from_movies(recipe, work / recipe.name, jobs, console)
    else:
        made = _make_from_simulations(recipe, work, jobs, only_data, console)
        if made is None:
            return GOOD
        card = made
    table = Table("figure", card.name)
    for key, value in card.figures.items():
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    return GOOD


def _make_from_simulations(
    recipe: ZooRecipe, work: Path, jobs: int | None, only_data: bool, console: Console
) -> ModelCard | None:
    """Simulate, train, judge and publish; None where only data were asked for."""
    runner = process_runner(usable_jobs(jobs))
    told = tell_epochs(console, recipe.train.get("epochs", TrainSettings().epochs))
    with StageProgress(console) as progress:
        data = simulate_zoo_data(recipe, work, runner=runner, progress=progress)
        if only_data:
            return None
        run = train_zoo_model(recipe, data, work, progress=progress, on_epoch=told)
        figures = judge_zoo_model(recipe, run.model, data, work, runner=runner, progress=progress)
    return publish_zoo_model(recipe, run.model, figures)


def _make_from_crops(recipe: BfRecipe, crops: Path, work: Path, console: Console) -> ModelCard:
    """Train on all crops, judge by networks that have not seen them, and publish."""
    with StageProgress(console) as progress:
        figures = judge_bf_particles(recipe, crops, work, progress=progress)
        model = make_bf_particles(recipe, crops, work, progress=progress)
    return publish_zoo_model(recipe, model, figures)


def _make_from_movies(recipe: ZoneAxisRecipe, work: Path, jobs: int | None, console: Console) -> ModelCard:
    """Simulate movies, train a classifier of their particles' spectra, judge and publish."""
    runner = process_runner(usable_jobs(jobs))
    with StageProgress(console) as progress:
        model, figures = make_zone_axis(recipe, work, runner=runner, progress=progress)
    return publish_zoo_model(recipe, model, figures)


def _default_crops() -> Path:
    return Path(os.environ.get("TEMFLUX_DATA", "../shared/data")) / "au_sintering_masks"


def main() -> int:
    """Run the command and give its exit code."""
    app = App(name="zoo", result_action="return_value", default_parameter=Parameter(negative=()))
    app.default(make_zoo_model)
    try:
        return int(app(exit_on_error=True) or GOOD)
    except TemfluxError as error:
        say(Console(stderr=True), f"zoo: {error}")
        return BAD_ARGUMENTS
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
