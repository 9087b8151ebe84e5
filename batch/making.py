"""The commands that simulate: systems, images and movies, each with its progress."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.base.errors import SettingsError
from temflux.engine.files.atomic import atomic_file
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.movie import make_movie
from temflux.engine.workflows.simulating.parameters import (
    check_parameters,
    example_parameters,
    read_parameters,
)
from temflux.engine.workflows.simulating.recipes import (
    FileRecipe,
    FlakeRecipe,
    OxideRecipe,
    Recipe,
    SupportedRecipe,
    read_recipe,
)
from temflux.engine.workflows.structures import make_structures

from .exit_codes import GOOD
from .progress import CountProgress
from .runner import process_runner, usable_jobs
from .words import flag, say

_Test = Annotated[bool, Parameter(name="--test", negative="--train")]


def _flag_of_file(field: str) -> str:
    # `from` is a word of Python's own, which no field can be called by.
    return {"source": "from", "shape": "as"}.get(field, flag(field))


def structures_supported(
    out: Path,
    /,
    *,
    test: _Test = False,
    jobs: int | None = None,
    recipe: Annotated[SupportedRecipe | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Make metal particles on a support, with their exit waves.

    Parameters
    ----------
    out : Path
        Folder of the dataset; made, or added to.
    test : bool
        Make systems for validation and tests rather than for training.
    jobs : int or None
        Processes at a time; all cores where not given.
    recipe : SupportedRecipe or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    return _make_structures(out, "supported", recipe, test=test, jobs=jobs)


def structures_flake(
    out: Path,
    /,
    *,
    test: _Test = False,
    jobs: int | None = None,
    recipe: Annotated[FlakeRecipe | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Make flakes of an MX2 monolayer, with their exit waves.

    Parameters
    ----------
    out : Path
        Folder of the dataset; made, or added to.
    test : bool
        Make systems for validation and tests rather than for training.
    jobs : int or None
        Processes at a time; all cores where not given.
    recipe : FlakeRecipe or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    return _make_structures(out, "flake", recipe, test=test, jobs=jobs)


def structures_oxide(
    out: Path,
    /,
    *,
    test: _Test = False,
    jobs: int | None = None,
    recipe: Annotated[OxideRecipe | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Make oxide crystals with oxygen vacancies, with their exit waves.

    Parameters
    ----------
    out : Path
        Folder of the dataset; made, or added to.
    test : bool
        Make systems for validation and tests rather than for training.
    jobs : int or None
        Processes at a time; all cores where not given.
    recipe : OxideRecipe or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    return _make_structures(out, "oxide", recipe, test=test, jobs=jobs)


def structures_file(
    out: Path,
    /,
    *,
    recipe: Annotated[FileRecipe, Parameter(name="*", name_transform=_flag_of_file)],
    test: _Test = False,
    jobs: int | None = None,
) -> int:
    """Make flakes or slabs of the crystals in a file or a folder, with their exit waves.

    Parameters
    ----------
    out : Path
        Folder of the dataset; made, or added to.
    recipe : FileRecipe
        The settings below.
    test : bool
        Make systems for validation and tests rather than for training.
    jobs : int or None
        Processes at a time; all cores where not given.

    Returns
    -------
    int
        0.
    """
    return _make(out, recipe, test=test, jobs=jobs)


def images(
    out: Path,
    parameters: Path,
    /,
    *,
    test: _Test = False,
    name: str = "images",
    seed: int | None = None,
    debug: int | None = None,
    jobs: int | None = None,
) -> int:
    """Make images and labels of a dataset's systems, as a parameters file says.

    Parameters
    ----------
    out : Path
        Folder of the dataset, with systems.
    parameters : Path
        Parameters file: JSON, or a listing as in the thesis.
    test : bool
        Use the systems for validation and tests, with one image of each.
    name : str
        Folder of these images beside the systems; another one for other parameters.
    seed : int or None
        Seed that replaces the file's.
    debug : int or None
        How many images to save as pictures to look at, in place of the file's number.
    jobs : int or None
        Processes at a time; all cores where not given.

    Returns
    -------
    int
        0.
    """
    chosen = read_parameters(parameters)
    typed = {key: value for key, value in {"seed": seed, "debug": debug}.items() if value is not None}
    chosen = check_parameters({**chosen.model_dump(), **typed})
    console = Console()
    began = time.perf_counter()
    with CountProgress(console, "images of systems") as progress:
        result = make_images(
            out,
            chosen,
            part="test" if test else "train",
            name=name,
            runner=process_runner(usable_jobs(jobs)),
            progress=progress,
        )
    _say(console, "images", result.made, result.kept, result.folder, began)
    return GOOD


def parameters(file: Path, /, *, label: str = "Mask") -> int:
    """Write a parameters file with a comment on every parameter, to be changed and used.

    Parameters
    ----------
    file : Path
        The file to write; one that is there is not touched.
    label : str
        What the labels are to be: Mask, Disk, Blob, Gaussian, Exitwave or Occupancy.

    Returns
    -------
    int
        0.
    """
    if file.exists():
        raise SettingsError(f"{file}: is there already; choose another name")
    text = example_parameters(label)
    with atomic_file(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(Console(), f"parameters written: {file}")
    return GOOD


def movie(
    out: Path,
    parameters: Path,
    /,
    *,
    frames: int = 200,
    seed: int | None = None,
    jobs: int | None = None,
) -> int:
    """Simulate an in situ movie of metal particles whose every state is known.

    Parameters
    ----------
    out : Path
        Folder for the movie, its labels and the tables of its truth.
    parameters : Path
        Parameters file, the same as for images, with what happens under "movie"; {} will do.
    frames : int
        Frames of the movie.
    seed : int or None
        Seed that replaces the file's.
    jobs : int or None
        Processes at a time; all cores where not given.

    Returns
    -------
    int
        0.
    """
    if frames < 1:
        raise SettingsError(f"--frames: expected 1 or more, got {frames}")
    console = Console()
    began = time.perf_counter()
    with CountProgress(console, "frames") as progress:
        result = make_movie(
            parameters,
            out,
            n_frames=frames,
            seed=seed,
            runner=process_runner(usable_jobs(jobs)),
            progress=lambda stage, done, total: progress(done, total),  # noqa: ARG005
        )
    seconds = time.perf_counter() - began
    particles = result.truth["particle"].nunique()
    line = f"{frames} frames with {particles} particles in {seconds:.1f} s ({frames / seconds:.3g} frames/s)"
    say(console, f"{line}: {result.movie}")
    return GOOD


def _make_structures(out: Path, kind: str, recipe: Recipe | None, *, test: bool, jobs: int | None) -> int:
    return _make(out, read_recipe(kind, {}) if recipe is None else recipe, test=test, jobs=jobs)


def _make(out: Path, recipe: Recipe, *, test: bool, jobs: int | None) -> int:
    console = Console()
    began = time.perf_counter()
    with CountProgress(console, "systems") as progress:
        result = make_structures(
            out,
            recipe,
            part="test" if test else "train",
            runner=process_runner(usable_jobs(jobs)),
            progress=progress,
        )
    _say(console, "systems", result.made, result.kept, result.folder, began)
    return GOOD


def _say(console: Console, what: str, made: int, kept: int, folder: Path, began: float) -> None:
    """Say what was made, how fast, and where it is."""
    seconds = time.perf_counter() - began
    line = f"{made} {what} made in {seconds:.1f} s ({made / max(seconds, 1e-9) * 3600:,.0f} an hour)"
    if not made:
        line = f"nothing to do, {kept} {what} are there"
    elif kept:
        line += f", {kept} were there"
    say(console, f"{line}: {folder}")
