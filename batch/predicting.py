"""The command that uses trained networks: predictions of a movie, with its progress."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.workflows.predict import PredictResult, predict_movie
from temflux.engine.workflows.predicting.settings import PredictSettings

from .exit_codes import GOOD
from .progress import StageProgress
from .quiet import quieten_tensorflow
from .words import flag, note, say


def predict(
    model: str,
    movie: str,
    /,
    *,
    out: Path,
    settings: Annotated[PredictSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Run a trained network over a movie: probability maps, masks or atomic columns of every frame.

    Parameters
    ----------
    model : str
        Name of the zoo (see temflux models), or a model's folder.
    movie : str
        A movie's file or folder. FILE#NAME reads one array of a file that holds several.
    out : Path
        Folder for maps.zarr, masks.zarr or columns.csv, disagreement.zarr where there is another model,
        preview.png and provenance.json.
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
        result = predict_movie(model, movie, out, settings, progress=progress)
    for line in result.notes:
        note(console, line)
    line = f"{_told(result, time.perf_counter() - began)}: {result.folder}"
    say(console, line)
    return GOOD


def _told(result: PredictResult, seconds: float) -> str:
    if not result.made:
        return f"done before, {_count(result.kept)}"
    rate = result.made / max(seconds, 1e-9)
    kept = f", {result.kept} were there" if result.kept else ""
    return f"{_count(result.made)} predicted in {seconds:.1f} s ({rate:.3g} maps/s){kept}"


def _count(number: int) -> str:
    return f"maps of {number} frame{'' if number == 1 else 's'}"
