"""Fine-tune: a trained model and a handful of labelled frames in; a model for that sample out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..base.errors import SettingsError
from ..learn.augment import Augmentation
from ..learn.model_cards import ModelCard
from ..learn.model_files import load_model, save_model
from ..learn.reading import choose_reading
from ..learn.samples import FrameSource, Samples, SampleSettings, Task
from ..learn.trained import NetworkSpec, TrainedModel
from ..learn.training import Curves, TrainingResult, TrainingSettings, train
from ..report.learning import draw_learning_curves
from .adapting.held_out import choose_held_out, find_area_threshold, score_frames
from .adapting.labelled_frames import LabelledFrames, read_labelled_frames
from .adapting.settings import AdaptSettings
from .run_record import claim_run

Progress = Callable[[str, int, int], None]

# Much must be made of few frames; but people draw outlines along what noise shows them and at half of the
# contrast, so that noise, blur and scale are varied little, and gamma, which moves that half, not at all.
STRONG = Augmentation(
    brightness=(-0.2, 0.2),
    contrast=(0.7, 1.4),
    gamma=None,
    angles=True,
    scale=(0.85, 1.2),
    noise=(0.0, 0.1),
)
_JUDGED_PX = 512


@dataclass(frozen=True)
class AdaptedRun:
    """How fine-tuning ended.

    Parameters
    ----------
    folder, model : Path
        Folder of the run, and the model in it.
    curves : list of dict
        One dict an epoch.
    best_epoch : int
        The epoch whose weights the model has, from 1; 0 where it was no better than the model before.
    monitor : str
        What the best was chosen by.
    before, after : dict of str to float
        f1 and iou of pixels and instance_f1, of the model before and after, each at its own threshold: after,
        that at which as much area is found as is labelled, in frames kept back where there are any.
    judged_on : str
        Frames that these are of, in words.
    notes : tuple of str
        What a user should know.
    """

    folder: Path
    model: Path
    curves: Curves
    best_epoch: int
    monitor: str
    before: dict[str, float]
    after: dict[str, float]
    judged_on: str
    notes: tuple[str, ...] = ()


def adapt_model(
    start: str | Path,
    frames: str | Path,
    masks: str | Path,
    out: str | Path,
    settings: AdaptSettings,
    *,
    restart: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[Curves], None] | None = None,
) -> AdaptedRun:
    """Fine-tune a trained model on labelled frames, and keep what is best.

    Parameters
    ----------
    start : str or Path
        Folder of a model that marks masks in single frames, or its name in the zoo.
    frames, masks : str or Path
        Labelled frames; see `read_labelled_frames`.
    out : str or Path
        Folder of the run: run.json, checkpoints/, curves.csv and .png, and the model in model/.
    settings : AdaptSettings
        Epochs, learning rate, frames kept back, …
    restart : bool
        Go on with a run that was stopped.
    progress : callable or None
        Told (what is going on, done, total) batches.
    on_epoch : callable or None
        Given the curves after every epoch.

    Returns
    -------
    AdaptedRun
        Where the model is, and its figures before and after.

    Raises
    ------
    SettingsError
        If the model marks no masks in single frames, too many frames are to be kept back, or `out` holds
        another run.
    CalibrationError
        If the pixel size is not known.
    DataError, ReadError, WriteError
        If frames, masks or model cannot be used, or the run cannot be written.
    """
    read_mask_task(load_model(start))
    labelled = read_labelled_frames(
        frames, masks, pixel_nm=settings.pixel_nm, empty_frames=settings.empty_frames
    )
    return adapt_to_frames(
        start, labelled, out, settings, restart=restart, progress=progress, on_epoch=on_epoch
    )


def adapt_to_frames(
    start: str | Path,
    labelled: LabelledFrames,
    out: str | Path,
    settings: AdaptSettings,
    *,
    restart: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[Curves], None] | None = None,
) -> AdaptedRun:
    """Fine-tune a trained model on labelled frames in memory.

    Parameters
    ----------
    start, out, settings, restart, progress, on_epoch
        As `adapt_model` takes them.
    labelled : LabelledFrames
        Frames and masks.

    Returns
    -------
    AdaptedRun
        As of `adapt_model`, whose errors it raises.
    """
    out = Path(out)
    trained = load_model(start)
    task = read_mask_task(trained)
    kept = choose_held_out(labelled.masks, settings.held_out, seed=settings.seed)
    used = [number for number in range(len(labelled)) if number not in kept]
    judged = kept or used
    samples, validation = _open(labelled, task, trained.spec, settings, used, kept)
    old = trained.card
    based_on = {"name": old.name, "version": old.version, "sha256": trained.fingerprint}
    claim_run(out, settings, list(labelled.fingerprints.values()), restart=restart, based_on=based_on)
    before = score_frames(trained, labelled, judged)
    network = trained.network
    if settings.fix_normalisation:
        freeze_normalisation(network)

    def after_epoch(curves: Curves) -> None:
        draw_learning_curves(curves, out)
        if on_epoch is not None:
            on_epoch(curves)

    how = _training_settings(settings)
    result = train(
        samples, validation, network, how, out, restart=restart, progress=progress, on_epoch=after_epoch
    )
    tuned = TrainedModel.from_network(network, trained.spec, _ranged(trained.card, labelled))
    threshold = find_area_threshold(tuned, labelled, judged)
    after = score_frames(tuned, labelled, judged, threshold=threshold)
    best_epoch, notes = result.best_epoch, list(labelled.notes)
    if after["f1"] < before["f1"]:
        notes.append(f"no better than {old.name} ({after['f1']:.4f} after {before['f1']:.4f}), which is kept")
        tuned, best_epoch, after = load_model(start), 0, before
        threshold = choose_reading(tuned).threshold
    elif not kept:
        notes.append("judged on the frames that it learnt from, so figures are too good: label 4 or more")
    card = _card(out.name, tuned.card, labelled, settings, result, based_on)
    figures = {"threshold": threshold, **{f"{name}_before": value for name, value in before.items()}}
    figures |= {f"{name}_after": value for name, value in after.items()}
    chosen = {"used": used, "held_out": kept, "best_epoch": best_epoch}
    card = replace(card, figures=figures, recipe={**card.recipe, **chosen})
    save_model(out / "model", tuned.network, trained.spec, card)
    where = _say_judged(kept, used)
    return AdaptedRun(
        out, out / "model", result.curves, best_epoch, result.monitor, before, after, where, tuple(notes)
    )


def read_mask_task(trained: TrainedModel) -> Task:
    """Read from a model what it must be taught, which is to mark one kind of thing in single frames.

    Parameters
    ----------
    trained : TrainedModel
        Where training starts.

    Returns
    -------
    Task
        Its channels and how its images are standardised.

    Raises
    ------
    SettingsError
        If it takes a focal series, or is for columns, waves or several classes.

    Examples
    --------
    >>> card = ModelCard("mine", channels=("inside",))
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1})
    >>> read_mask_task(TrainedModel(spec, card, {})).channels
    ('inside',)
    """
    card, spec = trained.card, trained.spec
    background = card.channels[-1:] == ("background",)
    wanted = "expected a model that marks particles (Mask) in single frames"
    if spec.in_channels != 1:
        raise SettingsError(
            f"--from {card.name}: takes a focal series of {spec.in_channels} images, {wanted}"
        )
    if card.label != "Mask" or len(card.channels) - background != 1:
        raise SettingsError(
            f"--from {card.name}: is for {card.label} of {', '.join(card.channels)}, {wanted}"
        )
    return Task(card.label, 1, tuple(card.channels), card.normalize_A, background, ranges=dict(card.ranges))


def freeze_normalisation(network: Any) -> None:
    """Keep the statistics that a network normalises with: few frames are no fair sample of what it may meet.

    Parameters
    ----------
    network : keras.Model
        Its batch normalisations become fixed scales and offsets, in training too.
    """
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.trainable = False


def _open(
    labelled: LabelledFrames,
    task: Task,
    spec: NetworkSpec,
    settings: AdaptSettings,
    used: list[int],
    kept: list[int],
) -> tuple[Samples, Samples | None]:
    """Open what is learnt from, and what it is judged by."""

    def source(numbers: list[int]) -> FrameSource:
        chosen = [labelled.frames[n] for n in numbers], [labelled.masks[n] for n in numbers]
        return FrameSource(*chosen, sampling_A=labelled.sampling_A, task=task)

    multiple = spec.size_multiple
    varied = SampleSettings(
        crop_px=max(settings.crop_px, multiple),
        multiple_px=multiple,
        crops_per_image=math.ceil(settings.samples / len(used)),
        augmentation=STRONG,
    )
    plain = SampleSettings(crop_px=_JUDGED_PX, multiple_px=multiple)
    judged = Samples([source(kept)], plain, training=False) if kept else None
    return Samples([source(used)], varied), judged


def _training_settings(settings: AdaptSettings) -> TrainingSettings:
    names = ("epochs", "batch_size", "optimizer", "learning_rate", "final_learning_rate", "loss")
    same = {name: getattr(settings, name) for name in (*names, "patience", "seed")}
    return TrainingSettings(**same, jit_compile=settings.compiled)


def _say_judged(kept: list[int], used: list[int]) -> str:
    if kept:
        return f"{len(kept)} frame{'s' * (len(kept) > 1)} kept back"
    return f"the {len(used)} frame{'s' * (len(used) > 1)} that it learnt from"


def _ranged(card: ModelCard, labelled: LabelledFrames) -> ModelCard:
    """Join what the frames are to what the model was trained on, where that is known."""
    ranges = dict(card.ranges)
    new = {"sampling_A": [labelled.sampling_A]}
    if labelled.dose_e_per_A2 is not None:
        new["dose_e_per_A2"] = [float(dose) for dose in labelled.dose_e_per_A2]
    for name, values in new.items():
        if name in ranges:
            low, high = ranges[name]
            ranges[name] = (min(low, *values), max(high, *values))
    return replace(card, ranges=ranges)


def _card(
    name: str,
    card: ModelCard,
    labelled: LabelledFrames,
    settings: AdaptSettings,
    result: TrainingResult,
    based_on: dict[str, str],
) -> ModelCard:
    """Write down where the model comes from, and what it was shown."""
    base = based_on["name"]
    return replace(
        card,
        name=name,
        version="1",
        task=f"{card.task or card.label}; adapted to {len(labelled)} labelled frames",
        recipe={
            "based_on": based_on,
            "data": {**labelled.sources, **labelled.fingerprints},
            "settings": json.loads(settings.model_dump_json()),
            "epochs": len(result.curves),
            "notes": list(labelled.notes),
        },
        limits=(
            f"Adapted to {len(labelled)} frames of one sample: on other samples it may be worse than {base}.",
            f"The figures of {base} do not hold for it.",
            *card.limits,
        ),
        sha256={},
    )
