"""Train: a dataset in; a model that can be used out, with its curves and its card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import DataError, ReadError, SettingsError
from ..generate.dataset import ImageSet, SystemSet
from ..learn.augment import Augmentation
from ..learn.model_cards import ModelCard
from ..learn.model_files import save_model
from ..learn.reading import COLUMN_LABELS
from ..learn.samples import Samples, SampleSettings, open_samples
from ..learn.task import read_task
from ..learn.trained import NetworkSpec
from ..learn.training import Curves, TrainingResult, TrainingSettings, train
from ..report.learning import draw_learning_curves
from .run_record import claim_run, fingerprint_images
from .train_settings import TrainSettings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TrainedRun:
    """How training ended.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    model : Path
        The model in it, as `load_model` reads it.
    curves : list of dict
        One dict an epoch.
    best_epoch : int
        The epoch whose weights the model has, from 1.
    monitor : str
        What the best was chosen by, as val_f1.
    """

    folder: Path
    model: Path
    curves: Curves
    best_epoch: int
    monitor: str


def train_network(
    dataset: str | Path,
    validation: str | Path,
    out: str | Path,
    settings: TrainSettings,
    *,
    restart: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[Curves], None] | None = None,
) -> TrainedRun:
    """Train a network on simulated images, and keep the best as a model.

    Parameters
    ----------
    dataset, validation : str or Path
        Folder of images (OUT/train/images), or of a dataset, whose train/images and test/images are meant.
    out : str or Path
        Folder of the run: run.json, checkpoints/, curves.csv and .png, and the model in model/.
    settings : TrainSettings
        Network, epochs, optimiser, …
    restart : bool
        Go on with a run that was stopped; its settings must be the same but for the number of epochs.
    progress : callable or None
        Told (what is going on, done, total) batches.
    on_epoch : callable or None
        Given the curves after every epoch.

    Returns
    -------
    TrainedRun
        Where the model is, and its curves.

    Raises
    ------
    SettingsError
        If network, optimiser or loss are unknown, validation is what it learns from, or `out` holds another
        run.
    DataError
        If a dataset does not fit the network or the other dataset, or the loss is not finite.
    ReadError, WriteError
        If a dataset or checkpoint is broken, or the run cannot be written.
    """
    from temflux.models.networks import build_network, size_multiple

    out = Path(out)
    folders = (find_images(dataset, "train"), find_images(validation, "test"))
    try:
        multiple = size_multiple(settings.net, **settings.sizes())
    except ValueError as error:
        raise SettingsError(str(error)) from None
    samples, judged = _open(folders, settings, multiple)
    arguments: dict[str, Any] = {
        "in_channels": samples.task.in_channels,
        "out_channels": samples.task.out_channels,
        "activation": samples.task.activation,
        **{name: size for name, size in settings.sizes().items() if size is not None},
    }
    try:
        network = build_network(settings.net, seed=settings.seed, **arguments)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    known = [fingerprint_images(folder) for folder in folders]
    if known[0] == known[1]:
        raise SettingsError(
            f"{folders[1]}: the images to learn from and to validate on are the same; validate on others, "
            "as a dataset's test images (temflux images --test)"
        )
    claim_run(out, settings, [str(one) for one in folders], restart=restart, fingerprints=known)
    how = TrainingSettings(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        final_learning_rate=settings.final_learning_rate,
        loss=settings.loss,
        jit_compile=settings.compiled,
        mixed_precision=settings.mixed_precision,
        patience=settings.patience,
        seed=settings.seed,
    )

    def after_epoch(curves: Curves) -> None:
        draw_learning_curves(curves, out)
        if on_epoch is not None:
            on_epoch(curves)

    result = train(
        samples, judged, network, how, out, restart=restart, progress=progress, on_epoch=after_epoch
    )
    card = _card(out.name, samples, folders, settings, result)
    save_model(out / "model", network, NetworkSpec(settings.net, arguments), card)
    return TrainedRun(out, out / "model", result.curves, result.best_epoch, result.monitor)


def find_images(path: str | Path, part: str) -> Path:
    """Find the folder of images that a path stands for.

    Parameters
    ----------
    path : str or Path
        Folder of images, or of a dataset.
    part : str
        "train" or "test", for a dataset.

    Returns
    -------
    Path
        Folder with images.zarr and labels.zarr.

    Raises
    ------
    ReadError
        If there is neither.

    Examples
    --------
    >>> find_images("nothing-here", "train")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    temflux.engine.base.errors.ReadError: nothing-here: expected a dataset or its images; make some with ...
    """
    for folder in (Path(path), Path(path) / part / "images"):
        if (folder / "images.zarr").exists():
            return folder
    raise ReadError(f"{path}: expected a dataset or its images; make some with temflux images")


def _open(folders: tuple[Path, Path], settings: TrainSettings, multiple: int) -> tuple[Samples, Samples]:
    """Open what is learnt from, and what it is judged by."""
    common: dict[str, Any] = {"crop_px": settings.crop_px, "multiple_px": multiple}
    plain = open_samples([folders[0]], SampleSettings(**common, limit_data=settings.limit_data))
    share = settings.share_of_empty(plain.task.label)
    varied = SampleSettings(
        **common, limit_data=settings.limit_data, empty_share=share, augmentation=Augmentation()
    )
    samples = open_samples([folders[0]], varied)
    judged = open_samples([folders[1]], SampleSettings(**common, empty_share=share), training=False)
    if judged.task != samples.task:
        raise DataError(f"{folders[1]}: teaches {judged.task}, {folders[0]} {samples.task}")
    return samples, judged


def _card(
    name: str, samples: Samples, folders: tuple[Path, Path], settings: TrainSettings, result: TrainingResult
) -> ModelCard:
    """Write down what the model is for, how it was made and what it reached."""
    task = samples.task
    best: dict[str, Any] = result.curves[result.best_epoch - 1]
    attributes: Any = {}
    systems = SystemSet(folders[0].parent / "systems")
    if (systems.folder / "waves.zarr").exists():
        attributes = systems.open_waves().attrs
    energies = (float(attributes["energy_eV"]),) if "energy_eV" in attributes else ()
    return ModelCard(
        name,
        task=f"{task.label} of {', '.join(task.channels)}, trained on {folders[0]}",
        label=task.label,
        channels=task.channels,
        normalize_A=task.normalize_A,
        ranges=dict(task.ranges),
        energies_eV=energies,
        recipe={
            "settings": json.loads(settings.model_dump_json()),
            "epochs": len(result.curves),
            "systems": samples.n_systems,
            **_spots(folders[0]),
        },
        figures={key: float(value) for key, value in best.items() if key.startswith("val_")},
        limits=("Judged on simulated images alone.",),
        licence="BSD-3-Clause",
    )


def _spots(folder: Path) -> dict[str, float]:
    """Give the size of the spots that columns were labelled with, which tells how maps are read."""
    task, parameters = read_task(ImageSet(folder))
    return {"spotsize_A": float(parameters["spotsize"])} if task.label in COLUMN_LABELS else {}
