"""The command that follows the reflections of a tracked movie, with its progress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.workflows.following.settings import PeaksSettings
from temflux.engine.workflows.peaks import PeaksResult, follow_peaks

from .exit_codes import GOOD
from .progress import StageProgress
from .quiet import quieten_tensorflow
from .words import count, flag, note, say


def peaks(
    folder: Path,
    /,
    *,
    settings: Annotated[PeaksSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Follow the Fourier reflections of each particle of a tracked movie, and say which frames can be read.

    Parameters
    ----------
    folder : Path
        The movie's folder within the output of temflux track; the tables and a section of its page go there.
    settings : PeaksSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    if settings is not None and settings.classifier is not None:
        quieten_tensorflow()
    console = Console()
    with StageProgress(console) as progress:
        result = follow_peaks(folder, settings, progress=progress)
    for line in result.notes:
        note(console, line)
    say(console, f"{_told(result)}: {result.folder}")
    return GOOD


def _told(result: PeaksResult) -> str:
    pairs = result.reflections.groupby("particle")["pair"].nunique()
    frames = result.readable_frames
    return (
        f"{count(int(pairs.sum()), 'pair')} of reflections of {count(len(pairs), 'particle')}, "
        f"{int(frames['readable'].sum())} of {count(len(frames), 'frame')} can be read"
    )
