"""The commands that learn: training networks, and fine-tuning them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel, Field
from rich.console import Console

from temflux.engine.base.errors import SettingsError
from temflux.engine.workflows.adapt import AdaptedRun, adapt_to_frames
from temflux.engine.workflows.adapting.labelled_frames import read_labelled_frames
from temflux.engine.workflows.adapting.settings import AdaptSettings
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.train import train_network
from temflux.engine.workflows.train_settings import TrainSettings

from .exit_codes import GOOD
from .progress import StageProgress, tell_epochs
from .quiet import quieten_tensorflow
from .words import flag, note, say


def _as_adapting(name: str) -> Any:
    """Describe a setting as fine-tuning does; a value is then checked there."""
    return Field(None, description=AdaptSettings.model_fields[name].description)


class FrameSettings(BaseModel):
    """Settings of fine-tuning alone; None is what `AdaptSettings` has.

    Examples
    --------
    >>> FrameSettings(empty_frames=True).given()
    {'empty_frames': True}
    """

    pixel_nm: float | None = _as_adapting("pixel_nm")
    held_out: int | None = _as_adapting("held_out")
    samples: int | None = _as_adapting("samples")
    empty_frames: bool | None = _as_adapting("empty_frames")
    fix_normalisation: bool | None = _as_adapting("fix_normalisation")

    def given(self) -> dict[str, Any]:
        """Tell what was typed."""
        return self.model_dump(exclude_none=True)


def train(
    dataset: Path,
    validation: Path,
    /,
    *,
    out: Path,
    start: Annotated[str | None, Parameter(name="--from")] = None,
    restart: bool = False,
    frames: Annotated[
        FrameSettings | None, Parameter(name="*", name_transform=flag, group="Labelled frames, with --from")
    ] = None,
    settings: Annotated[TrainSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Train a network on simulated images, or a trained one on labelled frames, and keep the best.

    Parameters
    ----------
    dataset : Path
        Folder of a dataset, or of its images; with --from, labelled frames: movie, stack, image or folder.
    validation : Path
        The same, with --test images; a dataset's own are taken where it is given twice. With --from, the
        frames' masks or labels.
    out : Path
        Folder of the run: checkpoints, curves.csv, and the model.
    start : str or None
        Model that is fine-tuned on labelled frames: its folder, or its name in the zoo. Defaults are then
        20 epochs, crops of 192 px and a learning rate that falls from 5e-4 to 1e-5.
    restart : bool
        Go on with a run that was stopped, or for more epochs.
    frames : FrameSettings or None
        What only fine-tuning has.
    settings : TrainSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    quieten_tensorflow()
    chosen = settings or TrainSettings()
    given = (frames or FrameSettings()).given()
    began = time.perf_counter()
    console = Console()
    if start is not None:
        how = _adapt_settings(chosen, given)
        with StageProgress(console) as progress:
            labelled = read_labelled_frames(
                dataset, validation, pixel_nm=how.pixel_nm, empty_frames=how.empty_frames
            )
            for line in labelled.notes:
                note(console, line)
            adapted = adapt_to_frames(
                start,
                labelled,
                out,
                how,
                restart=restart,
                progress=progress,
                on_epoch=tell_epochs(console, how.epochs),
            )
        _tell_adapted(console, adapted, labelled.notes, time.perf_counter() - began)
        return GOOD
    if given:
        raise SettingsError(f"{', '.join(map(flag, given))}: only for labelled frames, with --from")
    with StageProgress(console) as progress:
        run = train_network(
            dataset,
            validation,
            out,
            chosen,
            restart=restart,
            progress=progress,
            on_epoch=tell_epochs(console, chosen.epochs),
        )
    best = run.curves[run.best_epoch - 1].get(run.monitor, float("nan"))
    seconds = time.perf_counter() - began
    say(console, f"best {run.monitor} {best:.4g} in epoch {run.best_epoch}, {seconds:.0f} s: {run.model}")
    return GOOD


def _adapt_settings(chosen: TrainSettings, given: dict[str, Any]) -> AdaptSettings:
    """Take over what was typed; what is not typed has another default in fine-tuning."""
    typed = {name: getattr(chosen, name) for name in chosen.model_fields_set}
    strange = [flag(name) for name in typed if name not in AdaptSettings.model_fields]
    if strange:
        raise SettingsError(f"{', '.join(strange)}: not with --from, the model has what it was made with")
    return check_settings(AdaptSettings, {**typed, **given})


def _tell_adapted(console: Console, run: AdaptedRun, told: Sequence[str], seconds: float) -> None:
    for line in run.notes:
        if line not in told:
            note(console, line)
    names = {"f1": "pixel F1", "iou": "IoU", "instance_f1": "instance F1"}
    changes = ", ".join(
        f"{name} {run.before[key]:.4f} -> {run.after[key]:.4f}" for key, name in names.items()
    )
    say(console, f"{changes}, on {run.judged_on}; {seconds:.0f} s: {run.model}")
