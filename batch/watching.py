"""The command that watches a tracked movie's series for onsets of instability."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.workflows.events import EventsResult, find_events
from temflux.engine.workflows.onsets.settings import EventSettings

from .exit_codes import GOOD
from .progress import StageProgress
from .words import count, flag, note, say


def events(
    tracked: Path,
    /,
    *,
    settings: Annotated[EventSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Find when each particle left its quiet course, with a stated rate of false alarms.

    Parameters
    ----------
    tracked : Path
        A movie's folder, as temflux track left it; onsets.csv, figures/onsets.png and a section of its
        page are put there.
    settings : EventSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    console = Console()
    began = time.perf_counter()
    with StageProgress(console) as progress:
        result = find_events(tracked, settings, progress=progress)
    for line in result.notes:
        note(console, line)
    say(console, f"{_told(result, time.perf_counter() - began)}: {result.folder / 'page.html'}")
    return GOOD


def _told(result: EventsResult, seconds: float) -> str:
    sure = int(result.onsets["sure"].sum())
    found = f"{count(len(result.onsets), 'onset')}, {sure:,} sure"
    return f"{found}, in {len(result.watched):,} series ({seconds:.1f} s)"
