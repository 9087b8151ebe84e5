"""Training: epochs of batches, curves, checkpoints, and a stop where the loss is no number any more."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..base.errors import DataError, SettingsError
from ..files.atomic import atomic_file
from .checkpoints import Checkpoints, gather_arrays, restore_arrays
from .optimizers import fall_along_cosine, has_accelerator, make_optimizer, mixed_precision
from .task import Task

Progress = Callable[[str, int, int], None]
Curves = list[dict[str, float]]

_REMEDY = "lower the learning rate or look at the data, then restart; the checkpoint before is kept"
_SAME = "give the same, or choose another folder"


class SampleStream(Protocol):
    """What training needs of samples; `Samples` is one."""

    task: Task

    def count_batches(self, batch_size: int) -> int:
        """Count the batches of an epoch."""

    def stream(self, epoch: int, *, batch_size: int, seed: int, backend: str) -> Iterator[Any]:
        """Stream the batches of an epoch, images (B, Y, X, F) and labels (B, Y, X, C)."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Epochs in all, those before a restart included.
    batch_size : int
        Samples of a batch.
    optimizer : str
        "adam" (with AMSGrad), "rmsprop", or any other of Keras' by its name.
    learning_rate : float or None
        None for 1e-3 (adam), 5e-4 (rmsprop), or what Keras has for others.
    final_learning_rate : float or None
        Where the learning rate falls to along a cosine over all epochs; None keeps it. It never rises
        again: a restart for more epochs keeps the rate that was reached until the longer cosine is below.
    loss : str or None
        Name of a loss; None for the one that belongs to the label.
    jit_compile : bool
        Compile the steps by XLA: a start of seconds to a minute, then up to 1.7 times as fast. PyTorch has
        none and goes without.
    mixed_precision : bool
        Compute in bfloat16, keep weights and the output layer in float32. It is for accelerators: without
        one it is slow, and steps are then not compiled.
    patience : int or None
        Stop after so many epochs without a better one; None for never.
    seed : int
        Seed of order, crops and variations.

    Raises
    ------
    SettingsError
        If a value is outside its range.

    Examples
    --------
    >>> TrainingSettings(epochs=3, optimizer="rmsprop").batch_size
    8
    """

    epochs: int = 100
    batch_size: int = 8
    optimizer: str = "adam"
    learning_rate: float | None = None
    final_learning_rate: float | None = None
    loss: str | None = None
    jit_compile: bool = True
    mixed_precision: bool = False
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name, least in {"epochs": 1, "batch_size": 1, "patience": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and (value != int(value) or value < least):
                raise SettingsError(f"{name}: expected a whole number of {least} or more, got {value}")
        for name in ("learning_rate", "final_learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate < math.inf:
                raise SettingsError(f"{name}: expected above 0, got {rate}")


@dataclass(frozen=True)
class TrainingResult:
    """How training ended.

    Parameters
    ----------
    run : Path
        Folder of the run.
    curves : list of dict
        One dict an epoch: epoch, learning_rate, loss, metrics, val_loss, …, seconds, images_per_s.
    best_epoch : int
        The epoch, from 1, whose weights the network has now.
    monitor : str
        What the best was chosen by, as val_f1.
    stopped_by : str
        "epochs" or "patience".
    """

    run: Path
    curves: Curves
    best_epoch: int
    monitor: str
    stopped_by: str


def train(
    samples: SampleStream,
    validation: SampleStream | None,
    network: Any,
    settings: TrainingSettings,
    run: str | Path,
    *,
    restart: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[Curves], None] | None = None,
) -> TrainingResult:
    """Train a network, with a checkpoint after every epoch; at the end it has the weights of the best.

    Parameters
    ----------
    samples, validation : Samples
        What it learns from, and what it is judged by; without validation, by what it learns from.
    network : keras.Model
        Maps (B, Y, X, F) to (B, Y, X, C); its weights are where training starts.
    settings : TrainingSettings
        Optimiser, loss, epochs.
    run : str or Path
        Folder for checkpoints/ and curves.csv, both whole after every epoch.
    restart : bool
        Go on from the last checkpoint in `run`, where there is one, as if never stopped; settings must be
        the same but for the number of epochs.
    progress : callable or None
        Told (what is going on, done, total) batches.
    on_epoch : callable or None
        Given the curves so far after every epoch, for pictures.

    Returns
    -------
    TrainingResult
        Curves, and the best epoch: of the greatest F1 where there is one, else of the least loss.

    Raises
    ------
    DataError
        If images or labels do not fit the network, or the loss or a weight is not finite: the last
        checkpoint stays.
    SettingsError
        If optimiser or loss are unknown, or the folder holds a run of other settings, or one at all where
        `restart` is not set.
    ReadError
        If a checkpoint is broken.
    WriteError
        If the system refuses to write; the checkpoint before stays.

    Notes
    -----
    A restart gives the same bytes as no stop where the backend computes the same twice: CPUs do, GPUs
    where they are told to.

    Examples
    --------
    >>> from temflux.engine.learn.samples import FrameSource, Samples, Task
    >>> import keras, tempfile
    >>> frames, masks = [np.random.default_rng(0).random((8, 8))], [np.eye(8, dtype=np.uint8)]
    >>> source = FrameSource(frames, masks, sampling_A=1.0, task=Task("Mask", 1, ("inside",), 12.0))
    >>> network = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Dense(1, "sigmoid")])
    >>> settings = TrainingSettings(epochs=2, batch_size=1, jit_compile=False)
    >>> result = train(Samples([source]), None, network, settings, tempfile.mkdtemp())
    >>> [row["epoch"] for row in result.curves], result.monitor
    ([1, 2], 'f1')
    """
    _check_fit(samples.task, network)
    if validation is not None and validation.task != samples.task:
        raise DataError(f"expected validation of the same task, got {samples.task} and {validation.task}")
    checkpoints = Checkpoints(run)
    if checkpoints.exist() and not restart:
        raise SettingsError(
            f"{run}: holds a run of {checkpoints.load().epoch} epochs; restart it, or choose another folder"
        )
    with mixed_precision(network, on=settings.mixed_precision):
        base_rate = _compile(network, samples.task, settings)
        run_of = _Run(network, settings, progress)
        prefix = "" if validation is None else "val_"
        monitor = prefix + ("f1" if "f1" in samples.task.metrics else "loss")
        curves = _resume(checkpoints, network, settings, monitor) if checkpoints.exist() else []
        stopped_by = "epochs"
        while len(curves) < settings.epochs:
            if settings.patience is not None and len(curves) - _best(curves, monitor) >= settings.patience:
                stopped_by = "patience"
                break
            epoch = len(curves)
            network.optimizer.learning_rate = fall_along_cosine(
                base_rate,
                settings.final_learning_rate,
                part=epoch / max(settings.epochs - 1, 1),
                reached=curves[-1]["learning_rate"] if curves else base_rate,
            )
            curves.append(run_of.epoch(samples, validation, epoch))
            arrays = gather_arrays(network)
            _check_finite(arrays, f"epoch {epoch + 1} of {settings.epochs}")
            state = {"curves": curves, "settings": asdict(settings), "monitor": monitor}
            checkpoints.save(len(curves), arrays, state, best=_best(curves, monitor) == len(curves))
            _write_curves(checkpoints, curves)
            if on_epoch is not None:
                on_epoch(curves)
        best = checkpoints.load("best")
        restore_arrays(network, best.arrays, optimizer=False)
    return TrainingResult(Path(run), curves, best.epoch, monitor, stopped_by)


def _resume(checkpoints: Checkpoints, network: Any, settings: TrainingSettings, monitor: str) -> Curves:
    """Set a network to the last checkpoint of a run with these settings, and give the run's curves."""
    last = checkpoints.load()
    before, run = last.state.get("settings", {}), checkpoints.folder.parent
    for name, value in asdict(settings).items():
        if name != "epochs" and before.get(name, value) != value:
            raise SettingsError(f"{run}: that run has {name} {before[name]}, got {value}; {_SAME}")
    if last.state.get("monitor", monitor) != monitor:
        raise SettingsError(f"{run}: that run is judged by {last.state['monitor']}, got {monitor}; {_SAME}")
    restore_arrays(network, last.arrays)
    curves: Curves = list(last.state["curves"])
    # A kill may have come after the checkpoint and before the curves.
    _write_curves(checkpoints, curves)
    return curves


class _Run:
    """The epochs of one run."""

    def __init__(self, network: Any, settings: TrainingSettings, progress: Progress | None) -> None:
        self._network, self._settings, self._progress = network, settings, progress

    def epoch(self, samples: SampleStream, validation: SampleStream | None, epoch: int) -> dict[str, float]:
        """Train for an epoch, then validate, and give a row of the curves."""
        title = f"epoch {epoch + 1} of {self._settings.epochs}"
        started = time.perf_counter()
        trained, n_images = self._pass(samples, epoch, title, self._network.train_on_batch)
        seconds = time.perf_counter() - started
        row: dict[str, float] = {"epoch": epoch + 1, "learning_rate": _rate_of(self._network), **trained}
        if validation is not None:
            # Always the same crops of the same images, so that epochs can be compared.
            judged, _ = self._pass(validation, 0, f"{title}, validation", self._network.test_on_batch)
            row |= {f"val_{name}": value for name, value in judged.items()}
        row |= {"seconds": time.perf_counter() - started, "images_per_s": n_images / max(seconds, 1e-9)}
        return row

    def _pass(
        self, samples: SampleStream, epoch: int, title: str, step: Callable[..., Any]
    ) -> tuple[dict[str, float], int]:
        import keras

        settings = self._settings
        total = samples.count_batches(settings.batch_size)
        totals = _Totals(self._network)
        n_images = 0
        stream = samples.stream(
            epoch, batch_size=settings.batch_size, seed=settings.seed, backend=keras.backend.backend()
        )
        for done, (images, labels) in enumerate(stream, start=1):
            # Some versions of Keras forget the batches before, some do not; here all do.
            self._network.reset_metrics()
            logs = {name: float(value) for name, value in step(images, labels, return_dict=True).items()}
            if not math.isfinite(logs["loss"]):
                raise DataError(f"{title}: the loss is {logs['loss']} at batch {done} of {total}; {_REMEDY}")
            totals.add(logs, len(images))
            n_images += len(images)
            if self._progress is not None:
                self._progress(title, done, total)
        return totals.result(), n_images


class _Totals:
    """Numbers of an epoch from those of its batches."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._counted: list[Any] = []
        self._counts: dict[str, np.ndarray] = {}
        self._sums: dict[str, float] = {}
        self._weight = 0

    def add(self, logs: Mapping[str, float], n_images: int) -> None:
        """Add the numbers of a batch."""
        if not self._weight:
            # Some versions of Keras make metrics in the first step after a start.
            self._counted = [metric for metric in _metrics_of(self._network) if hasattr(metric, "add_counts")]
        self._weight += n_images
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * n_images
        for metric in self._counted:
            self._counts[metric.name] = metric.add_counts(self._counts.get(metric.name))

    def result(self) -> dict[str, float]:
        """Give means over images, and scores of all counts together."""
        means = {name: total / max(self._weight, 1) for name, total in self._sums.items()}
        scores = {
            metric.name: metric.score(self._counts[metric.name]) for metric in self._counted if self._counts
        }
        return {**means, **scores}


def _metrics_of(network: Any) -> list[Any]:
    """List a compiled network's metrics, those within containers too."""
    found: list[Any] = []
    for metric in network.metrics:
        found += getattr(metric, "metrics", None) or [metric]
    return found


def _check_fit(task: Task, network: Any) -> None:
    """See that images go into a network and labels come out."""
    found = network.input_shape[-1], network.output_shape[-1]
    if found != (task.in_channels, task.out_channels):
        raise DataError(
            f"expected a network of {task.in_channels} images in and {task.out_channels} channels out "
            f"({', '.join(task.channels)}) for the label {task.label}, got one of {found[0]} and {found[1]}"
        )


def _compile(network: Any, task: Task, settings: TrainingSettings) -> float:
    """Set optimiser, loss and metrics, and give the learning rate to start from."""
    from .losses import find_loss, make_metrics

    network.compile(
        optimizer=make_optimizer(settings.optimizer, settings.learning_rate),
        loss=find_loss(settings.loss or task.loss),
        metrics=make_metrics(task.metrics, n_classes=task.n_classes),
        jit_compile=settings.jit_compile and _has_xla(mixed=settings.mixed_precision),
        auto_scale_loss=False,
    )
    return _rate_of(network)


def _has_xla(*, mixed: bool) -> bool:
    """Say whether XLA can compile steps; PyTorch has other tools, which some layers make fail."""
    from keras import backend

    return backend.backend() != "torch" and (not mixed or has_accelerator())


def _rate_of(network: Any) -> float:
    from keras import ops

    return float(ops.convert_to_numpy(network.optimizer.learning_rate))


def _best(curves: Curves, monitor: str) -> int:
    """Find the best epoch so far, from 1; the first of equals, and 0 where none was judged."""
    sign = -1 if monitor.endswith("loss") else 1
    judged = [(sign * row[monitor], -int(row["epoch"])) for row in curves if monitor in row]
    return -max(judged)[1] if judged else 0


def _check_finite(arrays: Mapping[str, np.ndarray], title: str) -> None:
    """Refuse to keep weights that are no numbers: the loss tells of them one batch too late."""
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise DataError(f"{title}: weights are not finite after the last batch; {_REMEDY}")


def _write_curves(checkpoints: Checkpoints, curves: Curves) -> None:
    """Write all epochs beside the checkpoints; those after the last checkpoint of a stopped run go."""
    names = list(dict.fromkeys(name for row in curves for name in row))
    with (
        atomic_file(checkpoints.folder.parent / "curves.csv") as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(curves)
