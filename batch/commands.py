"""The commands: what a user types, checked, handed to the workflows, and told in words."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from temflux.engine.base.errors import ReadError, SettingsError, TemfluxError
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.demo import make_demo_movie
from temflux.engine.workflows.info import describe_movie
from temflux.engine.workflows.tracking.settings import TrackSettings

from .exit_codes import GOOD, SOME_FAILED
from .plan import Movie, plan_movies
from .progress import BatchProgress
from .runner import run_batch, usable_jobs
from .summary import write_summary
from .words import flag, say


def track(
    movies: list[str],
    /,
    *,
    out: Path,
    jobs: int | None = None,
    settings_file: Annotated[Path | None, Parameter(name="--settings")] = None,
    settings: Annotated[TrackSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Track every particle of a movie, or of every movie below a folder.

    Parameters
    ----------
    movies : list of str
        Movies: files, folders of frames as cameras write them, or folders of movies. FILE#NAME reads one
        array of a file that holds several.
    out : Path
        Folder for the results: one folder a movie, index.html, summary.csv and the ledger.
    jobs : int or None
        Processes at a time; all cores where not given, 8 at most.
    settings_file : Path or None
        JSON file with any of the settings below; what is typed goes before it.
    settings : TrackSettings or None
        The settings below.

    Returns
    -------
    int
        0 all good, 1 some failed.
    """
    chosen = _merge_settings(settings_file, settings)
    try:
        planned = plan_movies(movies)
    except ReadError as error:
        raise SettingsError(str(error)) from error
    return _track(planned, chosen, out, usable_jobs(jobs), Console())


def info(movie: str, /, *, dataset: str | None = None) -> int:
    """Say what a movie's file holds: frames, calibration, times, dose, metadata.

    Parameters
    ----------
    movie : str
        A movie's file or folder.
    dataset : str or None
        Name of the array to read where a file holds several.

    Returns
    -------
    int
        0.
    """
    console = Console()
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    facts = describe_movie(movie, dataset=dataset)
    for name, value in facts.items():
        table.add_row(name, _plain(value))
    console.print(table, highlight=False)
    return GOOD


def demo(*, out: Path = Path("temflux-demo"), jobs: int | None = None) -> int:
    """Simulate a small movie, track it, and say where its page is.

    Parameters
    ----------
    out : Path
        Folder for the movie and its results.
    jobs : int or None
        Processes at a time; all cores where not given, 8 at most.

    Returns
    -------
    int
        0 all good, 1 if tracking failed.
    """
    console = Console()
    movie = make_demo_movie(out)
    console.print(f"simulated {movie.n_particles} particles: {movie.path}", highlight=False, soft_wrap=True)
    settings = TrackSettings(dose_e_per_A2=movie.dose_e_per_A2, min_separation_nm=1.0)
    return _track(plan_movies([movie.path]), settings, out, usable_jobs(jobs), console)


def _track(movies: list[Movie], settings: TrackSettings, out: Path, jobs: int, console: Console) -> int:
    try:
        with BatchProgress(console, len(movies)) as progress:
            outcomes = run_batch(movies, settings, out, jobs=jobs, watcher=progress)
    except BaseException:
        # What stopped the batch is what the user must hear, not that its summary could not be written either.
        with suppress(TemfluxError):
            write_summary(out)
        raise
    write_summary(out)
    progress.say_notes()
    failed = sum(outcome.entry.status == "failed" for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    counts = {"tracked": len(outcomes) - failed - skipped, "done before": skipped, "failed": failed}
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    only = out / movies[0].name / "page.html"
    page = only if len(movies) == 1 and only.exists() else out / "index.html"
    say(console, f"{said}: {page}")
    return SOME_FAILED if failed else GOOD


def _merge_settings(path: Path | None, typed: TrackSettings | None) -> TrackSettings:
    """Put what was typed over what the file says, and validate the two together."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: expected a JSON file of settings, {error}") from None
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: expected one JSON object of settings, got {type(values).__name__}")
    if typed is not None:
        values |= typed.model_dump(exclude_unset=True)
    return check_settings(TrackSettings, values)


def _plain(value: Any) -> str:
    return (
        json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)
    )
