"""What is measured as soon as a movie is tracked: its reflections, columns and onsets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...base.blocks import Runner
from ...base.errors import TemfluxError
from ...base.stack import Stack
from ..columns import follow_columns
from ..events import find_events
from ..onsets.settings import EventSettings
from ..peaks import follow_peaks
from .finished import TrackedMovie

Progress = Callable[[str, int, int], None]


def measure_further(
    folder: Path, stack: Stack, wanted: tuple[str, ...], *, runner: Runner, progress: Progress
) -> tuple[str, ...]:
    """Measure what else is wanted of a tracked movie, each with its default settings.

    Parameters
    ----------
    folder : Path
        The movie's outputs; tables, figures and sections of the page are added.
    stack : Stack
        The movie.
    wanted : tuple of str
        Any of peaks, columns and events.
    runner : callable
        Runs a function over blocks of frames.
    progress : callable
        Called with the stage's name, what is done and what there is in all.

    Returns
    -------
    tuple of str
        What a user should know; where something could not be measured, why: the rest is.
    """
    tracked = TrackedMovie(folder, stack)
    notes: list[str] = []
    if "peaks" in wanted:
        notes += _noted("peaks", lambda: follow_peaks(tracked, runner=runner, progress=progress).notes)
    if "columns" in wanted:
        notes += _noted(
            "columns", lambda: follow_columns(stack, after=folder, runner=runner, progress=progress).notes
        )
    if "events" in wanted:
        settings = EventSettings(on=_series_of(tracked))
        notes += _noted("events", lambda: find_events(folder, settings, progress=progress).notes)
    return tuple(notes)


def _series_of(tracked: TrackedMovie) -> str:
    """Name the series that there are."""
    kinds = ["area"]
    if len(tracked.peaks):
        kinds += ["intensity", "angle"]
    if (tracked.folder / "columns.csv").exists():
        kinds += ["columns"]
    return ",".join(kinds)


def _noted(name: str, measure: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return tuple(f"{name}: {note}" for note in measure())
    except TemfluxError as error:
        return (f"{name}: {error}",)
