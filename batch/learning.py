"""The commands that learn: training networks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from temflux.engine.learn.training import Curves
from temflux.engine.workflows.train import train_network
from temflux.engine.workflows.train_settings import TrainSettings

from .exit_codes import GOOD
from .progress import StageProgress


def _flag(field: str) -> str:
    return field.replace("_", "-")


def train(
    dataset: Path,
    validation: Path,
    /,
    *,
    out: Path,
    restart: bool = False,
    settings: Annotated[TrainSettings | None, Parameter(name="*", name_transform=_flag)] = None,
) -> int:
    """Train a network on simulated images, and keep the best as a model.

    Parameters
    ----------
    dataset : Path
        Folder of a dataset, or of its images.
    validation : Path
        The same, with --test images; a dataset's own are taken where it is given twice.
    out : Path
        Folder of the run: checkpoints, curves.csv, and the model.
    restart : bool
        Go on with a run that was stopped, or for more epochs.
    settings : TrainSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    # TensorFlow tells of its processor and its compiler on every start; errors still come through.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    console = Console()
    chosen = settings or TrainSettings()
    began = time.perf_counter()

    def tell(curves: Curves) -> None:
        last = curves[-1]
        numbers = ", ".join(
            f"{name} {value:.4g}" for name, value in last.items() if name not in ("epoch", "seconds")
        )
        line = f"epoch {len(curves)} of {chosen.epochs}: {numbers}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with StageProgress(console) as progress:
        run = train_network(
            dataset, validation, out, chosen, restart=restart, progress=progress, on_epoch=tell
        )
    best = run.curves[run.best_epoch - 1].get(run.monitor, float("nan"))
    seconds = time.perf_counter() - began
    line = f"best {run.monitor} {best:.4g} in epoch {run.best_epoch}, {seconds:.0f} s: {run.model}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return GOOD
