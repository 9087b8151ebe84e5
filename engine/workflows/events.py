"""Events: a tracked movie in; when each particle left its quiet course, by how much and how surely, out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..base.errors import SettingsError
from ..files.calibration import read_errors
from ..measure.onsets.find import Watched, find_onsets
from ..report.writing import write_csv, write_record, write_whole_table
from .onsets.report import false_alarms, show_onsets
from .onsets.series import Series, frame_steps, gather_series, table_of
from .onsets.settings import EventSettings
from .onsets.tables import tell_onsets, tell_watched
from .tracking.finished import TrackedMovie, open_tracked

Progress = Callable[[str, int, int], None]

_WANDERING = 0.9
_ASSUMPTIONS = (
    "the noise of a quiet series is normal, of one strength, and correlated from frame to frame as a "
    "first-order autoregressive process; counts of glr are Poisson and independent",
    "the first baseline_frames of a series, and those after each onset, are quiet",
    "simulated, false alarms are as frequent as asked to within a factor of 2 for correlations up to 0.8, "
    "and a p of 0.01 comes true 1 to 3.5 times as often for correlations up to 0.5",
    "a missing frame tells neither for a change nor against one: a reflection that fades below its threshold "
    "raises no alarm",
    "q is adjusted over all stretches watched of one kind of series; one without an alarm counts with p = 1",
)


@dataclass(frozen=True)
class EventsResult:
    """What watching a movie's series gave; the same lies in its folder.

    Parameters
    ----------
    folder : Path
        The movie's folder; `page.html` shows the onsets.
    onsets : pandas.DataFrame
        One row per onset.
    watched : pandas.DataFrame
        One row per series, with the reason where it could not be watched.
    notes : tuple of str
        What a user should know.
    provenance : mapping
        Version, settings, input, assumptions, rate of false alarms.
    """

    folder: Path
    onsets: pd.DataFrame
    watched: pd.DataFrame
    notes: tuple[str, ...]
    provenance: Mapping[str, Any]


def find_events(
    folder: str | Path, settings: EventSettings | None = None, *, progress: Progress | None = None
) -> EventsResult:
    """Find the onsets of instability in the series of a tracked movie.

    Parameters
    ----------
    folder : str or Path
        The movie's folder within the output of `track`; it gets onsets.csv, onsets.parquet,
        onsets_watched.csv, onsets.json, figures/onsets and a section in page.html. What an earlier
        search left is replaced.
    settings : EventSettings or None
        Defaults where None.
    progress : callable or None
        Called with the stage's name, series done and series in all.

    Returns
    -------
    EventsResult
        The tables, and what a user should know.

    Raises
    ------
    ReadError
        If the folder holds no tracked movie, or a table cannot be read.
    DataError
        If there is no such series: no peaks, no columns.
    SettingsError
        If no series at all can be watched.
    WriteError
        If the results cannot be written.
    """
    settings = settings or EventSettings()
    movie = open_tracked(folder)
    series, notes = _gather(movie, settings)
    found = _watch_all(series, frame_steps(movie), settings, progress or _no_progress)
    watched = tell_watched(found)
    notes += _say_limits(watched, settings)
    times_s = np.full(len(movie.frames), np.nan) if movie.times_s is None else movie.times_s
    onsets = tell_onsets(
        found,
        times_s,
        method=settings.method,
        run_length=settings.run_length,
        false_share=settings.false_share,
    )
    provenance = _provenance(movie, settings, notes)
    _write(movie.folder, onsets, watched, provenance)
    show_onsets(movie, found, onsets, settings, notes)
    return EventsResult(movie.folder, onsets, watched, tuple(notes), provenance)


def _gather(movie: TrackedMovie, settings: EventSettings) -> tuple[list[Series], list[str]]:
    series: list[Series] = []
    notes: list[str] = []
    for kind in settings.series():
        own, said = gather_series(movie, kind, least_frames=settings.baseline_frames + 1)
        series += own
        notes += said
    return series, notes


def _watch_all(
    series: list[Series], steps: np.ndarray, settings: EventSettings, progress: Progress
) -> list[tuple[Series, Watched]]:
    found = []
    progress("watching series", 0, len(series))
    for one in series:
        times = steps[one.first : one.first + len(one.values)]
        how = settings.chart(resolution=one.resolution)
        found.append((one, find_onsets(one.values, times=times, how=how)))
        progress("watching series", len(found), len(series))
    return found


def _say_limits(watched: pd.DataFrame, settings: EventSettings) -> list[str]:
    """Say what could not be watched, or not well; refuse where nothing could."""
    silent = watched[watched["reason"] != ""]
    wandering = int((watched["correlation"] >= _WANDERING).sum())
    if len(silent) == len(watched):
        longest = int(watched["frames_seen"].max()) if len(watched) else 0
        if len(watched) and not longest:
            raise SettingsError(
                f"none of {len(watched)} series of {settings.on} can be watched: "
                f"{watched['reason'].mode().iloc[0]}; choose another --on"
            )
        fewer = longest // 2
        remedy = f"try --baseline-frames {fewer}" if fewer >= 10 else "give a longer movie"
        raise SettingsError(
            f"none of {len(watched)} series of {settings.on} can be watched: the longest has {longest} "
            f"frames with a value, and {settings.baseline_frames} are taken to learn its quiet course from; "
            f"{remedy}"
        )
    said = []
    if len(silent):
        said.append(
            f"{len(silent):,} of {len(watched):,} series could not be watched; onsets_watched.csv says why"
        )
    if wandering:
        said.append(
            f"{wandering:,} of {len(watched):,} series wander (noise correlated by {_WANDERING:g} or more "
            "from frame to frame): of these up to four times as many alarms are false as stated"
        )
    return said


def _provenance(movie: TrackedMovie, settings: EventSettings, notes: list[str]) -> dict[str, Any]:
    tables = sorted({table_of(movie, kind) for kind in settings.series()})
    return {
        "temflux": version("temflux"),
        "source": movie.provenance["source"],
        "fingerprint": movie.provenance["fingerprint"],
        "tables": {name: _sha256(movie.folder / name) for name in tables},
        "settings": settings.model_dump(mode="json"),
        "false_alarms": false_alarms(settings, movie.times_s),
        "assumptions": list(_ASSUMPTIONS),
        "notes": list(notes),
        "libraries": {name: version(name) for name in ("numpy", "scipy", "pandas")},
    }


def _write(folder: Path, onsets: pd.DataFrame, watched: pd.DataFrame, provenance: Mapping[str, Any]) -> None:
    write_whole_table(folder / "onsets.csv", onsets)
    write_csv(folder / "onsets_watched.csv", watched)
    write_record(folder / "onsets.json", provenance)


def _sha256(path: Path) -> str:
    with read_errors(path, "a table"):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
