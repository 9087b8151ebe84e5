"""What a user sees while a batch runs: the stage, frames per second and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from .plan import Movie
from .runner import Outcome
from .words import count, say

_MOVIES = "movies"
_SECONDS_BETWEEN_LINES = 30.0
_NAMES_AT_MOST = 3


class _RateAndTimeLeft(ProgressColumn):
    """How fast the stage under way goes since it began, and how long it will take at that rate."""

    def render(self, task: Task) -> Text:
        """Write both, or nothing before the first block is done."""
        if not task.completed or not task.elapsed or task.total is None:
            return Text("")
        rate = task.completed / task.elapsed
        left = timedelta(seconds=round((task.total - task.completed) / rate))
        what = "movies" if task.description == _MOVIES else "frames"
        return Text(f"{rate:.3g} {what}/s, {left} left", style="progress.data.speed")


class BatchProgress:
    """A bar for the stage under way, and a line for each movie that has ended.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    n_movies : int
        Movies of the batch.
    """

    def __init__(self, console: Console, n_movies: int) -> None:
        self._console = console
        self._n_movies = n_movies
        self._n_ended = 0
        self._noted: dict[str, list[str]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateAndTimeLeft(table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._movies = self._progress.add_task(_MOVIES, total=n_movies, visible=n_movies > 1)
        self._bar = self._progress.add_task("opening", total=None)
        self._stage = ""
        self._stage_began = self._said_last = time.monotonic()

    def __enter__(self) -> BatchProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, movie: Movie, stage: str, done: int, total: int) -> None:
        """Show how far a movie's stage has come."""
        description = f"{movie.name}: {stage}"
        if description != self._stage:
            self._stage = description
            self._stage_began = time.monotonic()
            self._progress.reset(self._bar, description=description, total=total)
        self._progress.update(self._bar, completed=done)
        if not self._console.is_terminal:
            self._say_now_and_then(done, total)

    def _say_now_and_then(self, done: int, total: int) -> None:
        """Write a line to a log file, where a bar cannot be drawn, every half minute."""
        now = time.monotonic()
        if now - self._said_last < _SECONDS_BETWEEN_LINES or not done:
            return
        self._said_last = now
        rate = done / (now - self._stage_began)
        left_s = (total - done) / rate
        line = f"{self._stage}, {done} of {total} frames, {rate:.3g} frames/s, {left_s:.0f} s left"
        say(self._console, line)

    def ended(self, movie: Movie, outcome: Outcome) -> None:
        """Write one line for a movie that has ended, and its notes below it."""
        self._n_ended += 1
        self._progress.update(self._movies, completed=self._n_ended)
        place = f"[{self._n_ended}/{self._n_movies}] " if self._n_movies > 1 else ""
        entry = outcome.entry
        if outcome.skipped:
            line = f"{movie.name}: done before"
        elif entry.status == "failed":
            line = f"{movie.name}: failed: {entry.why}"
        else:
            rate = entry.facts["frames"] / max(outcome.seconds, 1e-9)
            line = (
                f"{movie.name}: {count(entry.facts['frames'], 'frame')}, "
                f"{count(entry.facts['particles'], 'particle')}, "
                f"{outcome.seconds:.1f} s ({rate:.3g} frames/s)"
            )
        style = "red" if entry.status == "failed" else None
        say(self._console, f"{place}{line}", style=style)
        for note in outcome.notes:
            self._noted.setdefault(note, []).append(movie.name)

    def say_notes(self) -> None:
        """Write each note once, with the movies that it is of."""
        for note, names in self._noted.items():
            of = f" (in {count(len(names), 'movie')}: {_some(names)})" if self._n_movies > 1 else ""
            line = f"note: {note}{of}"
            say(self._console, line, style="yellow")


class _Pace:
    """A bar with its pace; a log file, where no bar can be drawn, gets a line every half minute."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", style="progress.data.speed", table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task(title, total=None, pace="")
        self._began = self._said_last = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def _show(self, title: str, done: int, total: int, pace: str) -> None:
        self._progress.update(self._bar, description=title, completed=done, total=total, pace=pace)
        now = time.monotonic()
        if not self._console.is_terminal and done and now - self._said_last >= _SECONDS_BETWEEN_LINES:
            self._said_last = now
            say(self._console, f"{title}: {done} of {total}{', ' * bool(pace)}{pace}")


class CountProgress(_Pace):
    """How things are made one by one, with their rate an hour and the time left.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    what : str
        What is made, in the plural.
    """

    def __init__(self, console: Console, what: str) -> None:
        super().__init__(console, what)
        self._what = what

    def __call__(self, done: int, total: int) -> None:
        """Hear that so many are made."""
        elapsed_s = max(time.monotonic() - self._began, 1e-9)
        left = timedelta(seconds=round((total - done) * elapsed_s / max(done, 1)))
        self._show(self._what, done, total, f"{done / elapsed_s * 3600:,.0f} an hour, {left} left")


class StageProgress(_Pace):
    """How the stage under way of one piece of work goes, with its rate and the time left.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, "preparing")
        self._stage, self._first, self._last = "", 0, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Hear how far a stage has come."""
        now = time.monotonic()
        if stage != self._stage or done < self._last:
            # A stage is first heard of when a part of it is done: how long that took is not known.
            self._stage, self._first, self._began = stage, done, now
        self._last, pace = done, ""
        if done > self._first:
            rate = (done - self._first) / max(now - self._began, 1e-9)
            pace = f"{rate:.3g} a second, {timedelta(seconds=round((total - done) / rate))} left"
        self._show(stage, done, total, pace)


def tell_epochs(console: Console, epochs: int) -> Callable[[list[dict[str, float]]], None]:
    """Make what writes a line for every epoch of training."""

    def tell(curves: list[dict[str, float]]) -> None:
        numbers = ", ".join(
            f"{name} {value:.4g}" for name, value in curves[-1].items() if name not in ("epoch", "seconds")
        )
        say(console, f"epoch {len(curves)} of {epochs}: {numbers}")

    return tell


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_AT_MOST]) + (", …" if len(names) > _NAMES_AT_MOST else "")
