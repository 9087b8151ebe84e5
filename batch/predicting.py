"""The command that uses trained networks: predictions of a movie, with its progress."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.workflows.predict import PredictResult, predict_movie
from temflux.engine.workflows.predict_settings import PredictSettings

from .exit_codes import GOOD
from .progress import StageProgress
from .quiet import quieten_tensorflow

_SECONDS_BETWEEN_LINES = 30.0


def _flag(field: str) -> str:
    return field.replace("_", "-")


def predict(
    model: str,
    movie: str,
    /,
    *,
    out: Path,
    settings: Annotated[PredictSettings | None, Parameter(name="*", name_transform=_flag)] = None,
) -> int:
    """Run a trained network over a movie: probability maps, masks or atomic columns of every frame.

    Parameters
    ----------
    model : str
        Name of the zoo (see temflux models), or a model's folder.
    movie : str
        A movie's file or folder. FILE#NAME reads one array of a file that holds several.
    out : Path
        Folder for maps.zarr, masks.zarr or columns.csv, preview.png and provenance.json.
    settings : PredictSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    quieten_tensorflow()
    console = Console()
    began = time.perf_counter()
    with StageProgress(console) as progress:
        told = progress if console.is_terminal else _Lines(console)
        result = predict_movie(model, movie, out, settings, progress=told)
    for note in result.notes:
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    line = f"{_told(result, time.perf_counter() - began)}: {result.folder}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return GOOD


class _Lines:
    """Writes a line to a log file, where a bar cannot be drawn, every half minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = self._said_last = time.monotonic()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done and now - self._said_last >= _SECONDS_BETWEEN_LINES:
            self._said_last = now
            rate = done / (now - self._began)
            line = f"{stage}: {done} of {total}, {rate:.3g} frames/s, {(total - done) / rate:.0f} s left"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _told(result: PredictResult, seconds: float) -> str:
    if not result.made:
        return f"done before, {_count(result.kept)}"
    rate = result.made / max(seconds, 1e-9)
    kept = f", {result.kept} were there" if result.kept else ""
    return f"{_count(result.made)} predicted in {seconds:.1f} s ({rate:.3g} maps/s){kept}"


def _count(number: int) -> str:
    return f"maps of {number} frame{'' if number == 1 else 's'}"
