"""Where training images come from: simulated sets on disk, or frames that somebody labelled by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..base.errors import DataError, SettingsError
from ..generate.dataset import ImageSet
from ..generate.detector import Detector, detect
from .task import Task, read_task


@dataclass(frozen=True)
class Labelled:
    """An image as it was recorded, and its label.

    Parameters
    ----------
    image : array (F, Y, X), float32
        Counts; F images of a focal series.
    label : array (Y, X, C), float32
        Label.
    sampling_A : float
        Side of a pixel [Å].
    """

    image: np.ndarray
    label: np.ndarray
    sampling_A: float


class Source(Protocol):
    """Labelled images by number, read one at a time."""

    @property
    def task(self) -> Task:
        """What the labels teach."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the smallest image [px]."""

    def __len__(self) -> int:
        """Count the systems or frames."""

    def read(self, item: int, epoch: int) -> Labelled:
        """Read the image of a system that belongs to a training epoch."""

    def make_empty(self, rng: np.random.Generator, item: int, epoch: int) -> Labelled:
        """Make an image of vacuum at the dose and with the camera of the one that `read` gives."""


class DatasetSource:
    """A simulated set on disk; nothing of it is held, an image is read when it is asked for.

    Parameters
    ----------
    images : ImageSet
        Images with labels.

    Raises
    ------
    ReadError
        If nothing is finished, or parameters.json or an array is missing or broken.
    DataError
        If images or labels are not of the shape or type that belongs to the label.

    Notes
    -----
    Training epoch e takes image epoch e mod E of every system (thesis, 3.3).
    """

    def __init__(self, images: ImageSet) -> None:
        self.task, self._parameters = read_task(images)
        self.folder = images.folder
        self._pixels, self._labels = images.images, images.labels
        records = images.records()
        self._drawn: list[list[dict[str, Any]]] = [records[system]["images"] for system in sorted(records)]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the images [px]."""
        rows, columns = self._pixels.shape[2:]
        return rows, columns

    def __len__(self) -> int:
        return len(self._drawn)

    def read(self, item: int, epoch: int) -> Labelled:
        """Read the image of a system that belongs to a training epoch.

        Parameters
        ----------
        item : int
            Number of the system among the finished ones.
        epoch : int
            Training epoch.

        Returns
        -------
        Labelled
            Image and label.
        """
        drawn = self._choose(item, epoch)
        image = np.asarray(self._pixels[drawn["row"]], np.float32)
        label = np.asarray(self._labels[drawn["row"]], np.float32)
        return Labelled(image, label, float(drawn["sampling_A"]))

    def make_empty(self, rng: np.random.Generator, item: int, epoch: int) -> Labelled:
        """Make an image of vacuum at the dose and with the camera that were drawn for a system's image.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where the noise comes from.
        item : int
            Number of the system among the finished ones.
        epoch : int
            Training epoch.

        Returns
        -------
        Labelled
            Noise, and the label of vacuum.
        """
        drawn = self._choose(item, epoch)
        vacuum = np.ones((self.task.in_channels, *self.shape), np.float32)
        sampling_A = float(drawn["sampling_A"])
        detector = _detector_of(drawn, self._parameters)
        image = detect(rng, vacuum, sampling_A=sampling_A, detector=detector)
        return Labelled(image, self.task.empty_label(self.shape), sampling_A)

    def _choose(self, item: int, epoch: int) -> dict[str, Any]:
        drawn = self._drawn[item]
        return drawn[epoch % len(drawn)]


class FrameSource:
    """Frames labelled by hand, few enough to be held in memory.

    Parameters
    ----------
    frames : sequence of arrays (Y, X) or (F, Y, X), real
        Frames or focal series; they may differ in size.
    labels : sequence of arrays (Y, X), integer or bool
        0 is background. With one class any other number is inside, so that masks and labels of single
        particles both do; with more, numbers are those of the classes, from 1.
    sampling_A : float
        Side of a pixel [Å].
    task : Task
        What they teach: a Mask or a Disk.

    Raises
    ------
    DataError
        If there are no frames, or a label does not fit its frame or the task.
    SettingsError
        If the sampling is not above 0.

    Examples
    --------
    >>> frames, masks = [np.zeros((8, 8))], [np.zeros((8, 8), np.uint8)]
    >>> source = FrameSource(frames, masks, sampling_A=0.5, task=Task("Mask", 1, ("inside",), 12.0))
    >>> source.read(0, epoch=3).label.shape
    (8, 8, 1)
    """

    def __init__(
        self, frames: Sequence[np.ndarray], labels: Sequence[np.ndarray], *, sampling_A: float, task: Task
    ) -> None:
        if not (np.isfinite(sampling_A) and sampling_A > 0):
            raise SettingsError(f"sampling_A: expected above 0 Å/pixel, got {sampling_A}")
        if not task.is_binary:
            raise DataError(f"expected a Mask or a Disk to learn from labelled frames, got {task.label}")
        if len(frames) != len(labels) or not len(frames):
            raise DataError(f"expected a label for each frame, got {len(frames)} frames and {len(labels)}")
        self.task, self._sampling_A = task, float(sampling_A)
        self._frames, self._labels = [], []
        for number, (frame, label) in enumerate(zip(frames, labels, strict=True)):
            series = np.asarray(frame)
            series = series[np.newaxis] if series.ndim == 2 else series
            self._check(number, series, np.asarray(label))
            self._frames.append(series)
            self._labels.append(np.asarray(label))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that fit into every frame [px]."""
        rows, columns = np.min([label.shape for label in self._labels], axis=0)
        return int(rows), int(columns)

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, item: int, epoch: int) -> Labelled:  # noqa: ARG002
        """Give a frame and its label, the same in every epoch.

        Parameters
        ----------
        item : int
            Number of the frame.
        epoch : int
            Training epoch; of no effect.

        Returns
        -------
        Labelled
            Frame and label.
        """
        numbers = self._labels[item]
        task = self.task
        label = np.zeros((*numbers.shape, task.out_channels), np.float32)
        for channel in range(task.n_classes):
            label[..., channel] = numbers == channel + 1 if task.n_classes > 1 else numbers > 0
        if task.has_background:
            label[..., -1] = 1 - label[..., :-1].sum(axis=-1)
        return Labelled(self._frames[item].astype(np.float32), label, self._sampling_A)

    def make_empty(self, rng: np.random.Generator, item: int, epoch: int) -> Labelled:  # noqa: ARG002
        """Refuse: the dose and the camera of recorded frames are not known."""
        raise SettingsError("empty_share: expected 0 with labelled frames, label empty frames instead")

    def _check(self, number: int, series: np.ndarray, label: np.ndarray) -> None:
        if series.ndim != 3 or len(series) != self.task.in_channels or series.dtype.kind not in "buif":
            raise DataError(
                f"frame {number}: expected {self.task.in_channels} real images (Y, X), got {series.dtype} of "
                f"shape {series.shape}"
            )
        if label.shape != series.shape[1:] or label.dtype.kind not in "bui":
            raise DataError(
                f"label {number}: expected whole numbers of shape {series.shape[1:]}, got {label.dtype} of "
                f"shape {label.shape}"
            )
        most = int(label.max(initial=0))
        if int(label.min(initial=0)) < 0 or (self.task.n_classes > 1 and most > self.task.n_classes):
            raise DataError(
                f"label {number}: expected numbers 0 to {self.task.n_classes} of "
                f"{', '.join(self.task.channels)}, got {label.min()} to {most}"
            )


def _detector_of(drawn: Mapping[str, Any], parameters: Mapping[str, Any]) -> Detector:
    """Set up the camera that recorded an image, from what was drawn and what was switched off."""
    noise = parameters.get("noise", "poisson")
    blurs = parameters.get("mtf") is not None and drawn.get("mtf_c0") is not None
    return Detector(
        dose_e_per_A2=float(drawn["dose_e_per_A2"]),
        mtf_c0=float(drawn["mtf_c0"]) if blurs else None,
        mtf_c3=float(drawn["mtf_c3"]) if blurs else None,
        mtf_floor=float(drawn.get("mtf_floor", 0.0)) if blurs else 0.0,
        readout_e=float(drawn.get("readout_e", 0.0)) if noise else 0.0,
        noise=noise,
    )
