"""Training samples streamed from disk: standardised, cropped and varied, the same for the same seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, SettingsError
from ..base.seeds import generator
from ..generate.dataset import ImageSet
from ..images.standardise import standardise
from .augment import Augmentation, augment, cut_window
from .sources import DatasetSource, FrameSource, Source
from .task import BINARY_LABELS, Task, read_task

__all__ = [
    "DatasetSource",
    "FrameSource",
    "SampleSettings",
    "Samples",
    "Task",
    "open_samples",
    "read_task",
]

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class SampleSettings:
    """How samples are cut from images.

    Parameters
    ----------
    crop_px : int or None
        Sides of the random crops [px]; images that are smaller are taken whole, and None takes all whole.
    multiple_px : int
        Sides are cut down to a multiple of this, as networks with levels need it [px].
    limit_data : int or None
        Most systems to use, evenly from all sets; None for all.
    empty_share : float
        Share of images of vacuum among the samples, from 0 up to below 1.
    crops_per_image : int
        Crops taken of each image in an epoch.
    augmentation : Augmentation or None
        How training samples are varied; None for not at all.
    workers : int
        Threads that read ahead; 0 for none. The samples do not depend on it.

    Raises
    ------
    SettingsError
        If a value is outside its range.

    Examples
    --------
    >>> SampleSettings(crop_px=128, empty_share=0.2).crops_per_image
    1
    """

    crop_px: int | None = 256
    multiple_px: int = 1
    limit_data: int | None = None
    empty_share: float = 0.0
    crops_per_image: int = 1
    augmentation: Augmentation | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        least = {"crop_px": 1, "multiple_px": 1, "limit_data": 1, "crops_per_image": 1, "workers": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and (value != int(value) or value < lowest):
                raise SettingsError(f"{name}: expected a whole number of {lowest} or more, got {value}")
        if not 0 <= self.empty_share < 1:
            raise SettingsError(f"empty_share: expected 0 up to below 1, got {self.empty_share}")


class Samples:
    """Batches of samples from one or several sources, for as many epochs as are asked for.

    Parameters
    ----------
    sources : sequence of Source
        Sets that teach the same task.
    settings : SampleSettings
        How samples are cut.
    training : bool
        True shuffles, varies, and fills the last batch of an epoch up; False does none of it.

    Raises
    ------
    DataError
        If the sources teach different tasks, or the images are smaller than the network can take.
    SettingsError
        If images are to be varied by any angle or scale, and labels do not say yes or no of each pixel.

    Notes
    -----
    An image is standardised whole, as `predict` does it, then cropped. What sample `position` of epoch
    `epoch` is depends on these numbers and the seed alone, so that a run that was stopped goes on exactly.

    Examples
    --------
    >>> frames, masks = [np.random.default_rng(0).random((9, 9))], [np.eye(9, dtype=np.uint8)]
    >>> source = FrameSource(frames, masks, sampling_A=1.0, task=Task("Mask", 1, ("inside",), 12.0))
    >>> samples = Samples([source], SampleSettings(crop_px=8, crops_per_image=4))
    >>> [images.shape for images, labels in samples.batches(0, batch_size=2, seed=1)]
    [(2, 8, 8, 1), (2, 8, 8, 1)]
    """

    def __init__(
        self, sources: Sequence[Source], settings: SampleSettings | None = None, *, training: bool = True
    ) -> None:
        self.settings = settings or SampleSettings()
        self.training = training
        self._sources = list(sources)
        self.task = _common_task(self._sources)
        how = self.settings.augmentation
        if training and how is not None and how.warps and not self.task.is_binary:
            raise SettingsError(
                f"angles and scale: expected a label of yes and no ({', '.join(BINARY_LABELS)}), got "
                f"{self.task.label}; leave them out"
            )
        self.shape = _crop_shape(self._sources, self.settings)
        by_turns = sorted(
            (item, number) for number, source in enumerate(self._sources) for item in range(len(source))
        )
        self._items = [(number, item) for item, number in by_turns[: self.settings.limit_data]]

    @property
    def n_systems(self) -> int:
        """Systems or frames in use."""
        return len(self._items)

    @property
    def n_samples(self) -> int:
        """Samples of an epoch: crops of images and, among them, of vacuum."""
        return self._n_crops + self._n_empty

    def count_batches(self, batch_size: int) -> int:
        """Count the batches of an epoch."""
        return -(-self.n_samples // self._even(batch_size))

    def batches(self, epoch: int, *, batch_size: int, seed: int) -> Iterator[Batch]:
        """Stream the batches of an epoch.

        Parameters
        ----------
        epoch : int
            Training epoch, from 0.
        batch_size : int
            Samples of a batch. Unless training, up to half as many where that makes all batches equal, since
            compiled steps are compiled anew for another size; else the last one is smaller.
        seed : int
            Seed of order, crops, variations and noise.

        Yields
        ------
        images : array (B, Y, X, F), float32
            Standardised.
        labels : array (B, Y, X, C), float32
            Labels.
        """
        batch_size, order = self._even(batch_size), self._order(epoch, seed)
        count = self.count_batches(batch_size) * batch_size if self.training else len(order)
        work = ((epoch, seed, position, int(order[position % len(order)])) for position in range(count))
        waiting: list[Batch] = []
        for sample in _ahead(self._make, work, workers=self.settings.workers, n_ahead=batch_size):
            waiting.append(sample)
            if len(waiting) == batch_size:
                yield _stack(waiting)
                waiting = []
        if waiting:
            yield _stack(waiting)

    def stream(self, epoch: int, *, batch_size: int, seed: int, backend: str) -> Iterator[Any]:
        """Stream the batches of an epoch as the backend takes them fastest.

        Parameters
        ----------
        epoch, batch_size, seed : int
            As for `batches`, which it equals.
        backend : str
            Name of Keras' backend: "tensorflow" streams tensors by tf.data, others arrays.

        Yields
        ------
        images, labels : tensors or arrays
            As of `batches`; an error in reading comes out as it is.
        """
        plain = self.batches(epoch, batch_size=batch_size, seed=seed)
        if backend != "tensorflow":
            yield from plain
            return
        failed: list[BaseException] = []

        def guarded() -> Iterator[Batch]:
            # TensorFlow would bury the error in one of its own.
            try:
                yield from plain
            except Exception as error:
                failed.append(error)

        yield from self._dataset(guarded)
        if failed:
            raise failed[0]

    def _dataset(self, batches: Callable[[], Iterator[Batch]]) -> Any:
        import tensorflow as tf

        signature = tuple(
            tf.TensorSpec((None, *self.shape, channels), tf.float32)
            for channels in (self.task.in_channels, self.task.out_channels)
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(1)

    def _even(self, batch_size: int) -> int:
        if batch_size < 1:
            raise SettingsError(f"batch_size: expected 1 or more, got {batch_size}")
        sizes = () if self.training else range(min(batch_size, self.n_samples), batch_size // 2, -1)
        return next((size for size in sizes if self.n_samples % size == 0), batch_size)

    @property
    def _n_crops(self) -> int:
        return len(self._items) * self.settings.crops_per_image

    @property
    def _n_empty(self) -> int:
        share = self.settings.empty_share
        return round(self._n_crops * share / (1 - share))

    def _order(self, epoch: int, seed: int) -> np.ndarray:
        """Numbers of an epoch's samples: crops first, then vacuum."""
        order = np.arange(self.n_samples)
        return generator(seed, "order", epoch).permutation(order) if self.training else order

    def _make(self, epoch: int, seed: int, position: int, number: int) -> Batch:
        rng = generator(seed, "sample", epoch, position)
        if number < self._n_crops:
            source, item = self._items[number % len(self._items)]
            labelled = self._sources[source].read(item, epoch)
        else:
            source, item = self._items[int(rng.integers(len(self._items)))]
            labelled = self._sources[source].make_empty(rng, item, epoch)
        sigma_px = self.task.normalize_A / labelled.sampling_A
        image = np.moveaxis(standardise(labelled.image, sigma_px=sigma_px), 0, -1)
        how = self.settings.augmentation if self.training else None
        image, label = cut_window(rng, image, labelled.label, self.shape, how=how)
        if how is not None:
            image, label = augment(rng, image, label, how=how)
        return np.ascontiguousarray(image, np.float32), np.ascontiguousarray(label, np.float32)


def open_samples(
    folders: Sequence[str | Path], settings: SampleSettings | None = None, *, training: bool = True
) -> Samples:
    """Open the images of one or several datasets for training or validation.

    Parameters
    ----------
    folders : sequence of str or Path
        Folders with images.zarr and labels.zarr, as DATASET/train/images.
    settings : SampleSettings or None
        How samples are cut; None for crops of 256 px.
    training : bool
        True shuffles and varies.

    Returns
    -------
    Samples
        Streamed from disk.

    Raises
    ------
    ReadError
        If nothing is finished, or a file is missing or broken.
    DataError
        If the sets do not fit each other, or labels not their parameters.

    Examples
    --------
    >>> open_samples(["nothing-here"])
    Traceback (most recent call last):
    temflux.engine.base.errors.ReadError: nothing-here: no finished images; make some with temflux images
    """
    return Samples([DatasetSource(ImageSet(Path(folder))) for folder in folders], settings, training=training)


def _common_task(sources: Sequence[Source]) -> Task:
    """See that all sources teach the same, and join their ranges."""
    if not sources:
        raise DataError("expected a set of images or more, got none")
    task = sources[0].task
    for source in sources[1:]:
        if source.task != task:
            raise DataError(f"expected sets that teach the same, got {task} and {source.task}")
    limits: dict[str, tuple[float, float]] = {}
    for source in sources:
        for name, (low, high) in source.task.ranges.items():
            known = limits.get(name, (low, high))
            limits[name] = (min(low, known[0]), max(high, known[1]))
    return Task(
        task.label, task.in_channels, task.channels, task.normalize_A, task.has_background, ranges=limits
    )


def _crop_shape(sources: Sequence[Source], settings: SampleSettings) -> tuple[int, int]:
    smallest = np.min([source.shape for source in sources], axis=0)
    wanted = smallest if settings.crop_px is None else np.minimum(smallest, settings.crop_px)
    rows, columns = (int(side) // settings.multiple_px * settings.multiple_px for side in wanted)
    if min(rows, columns) == 0:
        raise DataError(
            f"expected images and crops of {settings.multiple_px} px or more, got images of {smallest[0]} × "
            f"{smallest[1]} px, crop_px {settings.crop_px}; choose larger ones or a network of fewer levels"
        )
    return rows, columns


def _stack(samples: Sequence[Batch]) -> Batch:
    images, labels = zip(*samples, strict=True)
    return np.stack(images), np.stack(labels)


def _ahead(
    make: Callable[..., Batch], work: Iterator[tuple[int, ...]], *, workers: int, n_ahead: int
) -> Iterator[Batch]:
    """Make samples in order, a few of them in threads before they are asked for."""
    if workers == 0:
        yield from (make(*arguments) for arguments in work)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="samples")
    waiting: deque[Future[Batch]] = deque()
    try:
        for arguments in work:
            waiting.append(pool.submit(make, *arguments))
            if len(waiting) > n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
