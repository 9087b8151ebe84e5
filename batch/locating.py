"""The command that finds atomic columns and follows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.base.errors import SettingsError
from temflux.engine.workflows.columns import follow_columns
from temflux.engine.workflows.locating.report import describe
from temflux.engine.workflows.locating.settings import BLOBS, ColumnsSettings

from .exit_codes import GOOD
from .progress import StageProgress
from .quiet import quieten_tensorflow
from .words import flag, note, say


def columns(
    movie: str | None = None,
    /,
    *,
    out: Path | None = None,
    after: Path | None = None,
    settings: Annotated[ColumnsSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Find atomic columns, fit them to the counts, and follow them: places, intensities, hops, strain.

    Parameters
    ----------
    movie : str or None
        A movie's file or folder. FILE#NAME reads one array of a file that holds several. With --after it
        may be left out.
    out : Path or None
        Folder for columns.csv, hops.csv, column_counts.csv, lattices.csv, figures and provenance.json.
    after : Path or None
        A tracked movie's folder: only columns in its particles are kept, with their numbers, and results go
        there and into its page.
    settings : ColumnsSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    if after is not None and out is not None:
        raise SettingsError("expected --out or --after, got both; with --after results go to its folder")
    if settings is not None and settings.model != BLOBS:
        quieten_tensorflow()
    console = Console()
    with StageProgress(console) as progress:
        result = follow_columns(movie, out, settings, after=after, progress=progress)
    for line in result.notes:
        note(console, line)
    say(console, f"{describe(result.columns, result.facts)} {result.folder}")
    return GOOD
