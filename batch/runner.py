"""The runner: a batch of movies over processes, each one's end written to the ledger."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from joblib import Parallel, delayed, parallel_config

from temflux.engine.base.blocks import Block, Runner, run_serial
from temflux.engine.base.errors import SettingsError, TemfluxError
from temflux.engine.files.atomic import atomic_file, write_errors
from temflux.engine.workflows.track import Progress, open_calibrated, track, work_key
from temflux.engine.workflows.tracking.settings import TrackSettings

from .ledger import Entry, Ledger
from .plan import Movie

Result = TypeVar("Result")

_MOST_JOBS = 8


class Watcher(Protocol):
    """Whoever shows a batch's progress."""

    def stage(self, movie: Movie, stage: str, done: int, total: int) -> None:
        """Hear that a movie's stage has done so many of its frames."""

    def ended(self, movie: Movie, outcome: Outcome) -> None:
        """Hear that a movie has ended."""


@dataclass(frozen=True)
class Outcome:
    """How a movie ended in this run.

    Parameters
    ----------
    entry : Entry
        Its line of the ledger.
    skipped : bool
        True where it was done before and nothing has changed.
    notes : tuple of str
        What its user should know.
    seconds : float
        How long it took [s].
    """

    entry: Entry
    skipped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def usable_jobs(jobs: int | None) -> int:
    """Choose how many processes to run at a time.

    Parameters
    ----------
    jobs : int or None
        What was asked for; as many as there are cores, 8 at most, where None.

    Returns
    -------
    int
        1 or more.

    Raises
    ------
    SettingsError
        If less than one was asked for.
    """
    if jobs is not None and jobs < 1:
        raise SettingsError(f"--jobs: expected 1 or more, got {jobs}")
    return jobs or min(os.cpu_count() or 1, _MOST_JOBS)


def process_runner(jobs: int) -> Runner:
    """Make a runner of blocks over processes.

    Parameters
    ----------
    jobs : int
        Processes at a time.

    Returns
    -------
    callable
        A `Runner`; it hands results back in the order of the blocks.
    """

    def run(per_block: Callable[[Block], Result], blocks: Sequence[Block]) -> Iterable[Result]:
        if jobs == 1 or len(blocks) < 2:
            return run_serial(per_block, blocks)
        return _in_processes(jobs, per_block, blocks)

    return run


def run_batch(
    movies: Sequence[Movie], settings: TrackSettings, out: Path, *, jobs: int, watcher: Watcher
) -> list[Outcome]:
    """Track movies; one that fails is recorded and does not stop the others.

    Parameters
    ----------
    movies : sequence of Movie
        What to track.
    settings : TrackSettings
        The same for all.
    out : Path
        Folder of the batch: one folder a movie, and the ledger.
    jobs : int
        Processes at a time: over movies where there are as many, else over each one's frames.
    watcher : Watcher
        Told of progress.

    Returns
    -------
    list of Outcome
        In the order of `movies`.

    Raises
    ------
    WriteError
        If `out` cannot be made or written to at all.
    """
    with write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(out / "ledger.sqlite")
    done_keys = ledger.done_keys()
    over_movies = jobs > 1 and len(movies) >= jobs
    outcomes: list[Outcome] = []
    if over_movies:
        one = _TrackOne(settings, out, done_keys, run_serial)
        ended: Iterable[Outcome] = _in_processes(jobs, one, movies)
    else:
        ended = _one_by_one(movies, _TrackOne(settings, out, done_keys, process_runner(jobs)), watcher)
    for movie, outcome in zip(movies, ended, strict=True):
        if not outcome.skipped:
            ledger.record(outcome.entry)
        watcher.ended(movie, outcome)
        outcomes.append(outcome)
    return outcomes


def _in_processes(jobs: int, function: Callable[[Any], Result], items: Sequence[Any]) -> Iterator[Result]:
    with parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        yield from Parallel(return_as="generator", pre_dispatch="2*n_jobs")(
            delayed(_in_folder)(Path.cwd(), function, item) for item in items
        )


def _in_folder(folder: Path, function: Callable[[Any], Result], item: Any) -> Result:
    """Run in the folder that relative paths are meant in: processes outlive the call they were made for."""
    os.chdir(folder)
    return function(item)


def _one_by_one(movies: Sequence[Movie], one: _TrackOne, watcher: Watcher) -> Iterator[Outcome]:
    for movie in movies:

        def progress(stage: str, done: int, total: int, movie: Movie = movie) -> None:
            watcher.stage(movie, stage, done, total)

        yield replace(one, progress=progress)(movie)


@dataclass(frozen=True)
class _TrackOne:
    """Track one movie of a batch, and turn whatever happens into an outcome."""

    settings: TrackSettings
    out: Path
    done_keys: dict[str, str]
    runner: Runner
    progress: Progress | None = None

    def __call__(self, movie: Movie) -> Outcome:
        began = time.perf_counter()
        key = ""
        try:
            stack = replace(open_calibrated(movie.source, self.settings), name=movie.name)
            key = json.dumps(work_key(stack, self.settings), sort_keys=True)
            if self.done_keys.get(movie.name) == key and (self.out / movie.name / "page.html").exists():
                return Outcome(Entry(movie.name, movie.source, key, "done"), skipped=True)
            result = track(
                stack, self.settings, out=self.out / movie.name, runner=self.runner, progress=self.progress
            )
        except TemfluxError as error:
            return self._failed(movie, key, str(error), began)
        except MemoryError:
            return self._failed(movie, key, "not enough memory; give fewer --jobs", began)
        except Exception as error:
            report = self.out / "errors" / f"{movie.name}.txt"
            with suppress(TemfluxError), atomic_file(report) as temporary:
                temporary.write_text(traceback.format_exc(), encoding="utf-8")
            why = f"{movie.source}: unexpected {type(error).__name__}: {error}; details in {report}"
            return self._failed(movie, key, " ".join(why.split()), began)
        entry = Entry(movie.name, movie.source, key, "done", facts=result.facts)
        return Outcome(entry, notes=result.notes, seconds=time.perf_counter() - began)

    def _failed(self, movie: Movie, key: str, why: str, began: float) -> Outcome:
        why = why if Path(movie.source).name in why else f"{movie.source}: {why}"
        entry = Entry(movie.name, movie.source, key, "failed", why)
        return Outcome(entry, seconds=time.perf_counter() - began)
