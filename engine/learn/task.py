"""What a network is to learn: its channels, how its images are standardised, activation, loss and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError
from ..generate.dataset import ImageSet
from ..generate.labels import LABELS, LabelSettings

# Drawn values whose ranges a model's card states.
_STATED = (
    "sampling_A",
    "dose_e_per_A2",
    "defocus_A",
    "blur_A",
    "focal_spread_A",
    "c30_A",
    "mtf_c0",
    "mtf_c3",
    "readout_e",
)
# Labels that say of each pixel yes or no.
BINARY_LABELS = ("Mask", "Disk")


@dataclass(frozen=True)
class Task:
    """What goes into a network and what is to come out.

    Parameters
    ----------
    label : str
        One of `LABELS`: Mask, Disk, Blob, Gaussian, Exitwave, Occupancy.
    in_channels : int
        Images of a focal series.
    channels : tuple of str
        Names of the output's channels.
    normalize_A : float
        Standard deviation of the Gaussian that images are standardised with [Å].
    has_background : bool
        Whether the last channel is the background: one minus the sum of the others.
    ranges : dict from name to (float, float)
        Least and greatest value of what was drawn for the images, as sampling_A and dose_e_per_A2.

    Raises
    ------
    DataError
        If the label is unknown, or there is no channel.

    Examples
    --------
    >>> task = Task("Disk", 3, ("1Mo", "2S", "1S", "background"), 12.0, has_background=True)
    >>> task.out_channels, task.activation, task.loss
    (4, 'softmax', 'categorical_crossentropy')
    """

    label: str
    in_channels: int
    channels: tuple[str, ...]
    normalize_A: float
    has_background: bool = False
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Refuse what no network can learn."""
        if self.label not in LABELS:
            raise DataError(f"label: expected one of {', '.join(LABELS)}, got {self.label!r}")
        if self.in_channels < 1 or not self.channels:
            raise DataError(
                f"expected an image and a channel or more, got {self.in_channels} and {self.channels}"
            )

    @property
    def out_channels(self) -> int:
        """Channels of the label and of the network's output."""
        return len(self.channels)

    @property
    def n_classes(self) -> int:
        """Channels without the background."""
        return len(self.channels) - self.has_background

    @property
    def is_binary(self) -> bool:
        """Whether the label says of each pixel yes or no."""
        return self.label in BINARY_LABELS

    @property
    def activation(self) -> str:
        """Activation of the output: softmax where channels add up to 1, sigmoid for other classes."""
        if self.label in ("Exitwave", "Occupancy"):
            return "linear"
        return "softmax" if self.is_binary and self.has_background else "sigmoid"

    @property
    def loss(self) -> str:
        """Name of the loss: cross-entropy for classes (thesis, Eq. 2.7), else mean squares (Eq. 2.6)."""
        if not self.is_binary:
            return "mse"
        return "categorical_crossentropy" if self.activation == "softmax" else "binary_crossentropy"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics: the pixel F1 of classes and spots, the mean absolute error of the rest."""
        return ("mae",) if self.activation == "linear" else ("f1",)

    def empty_label(self, shape: tuple[int, int]) -> np.ndarray:
        """Make the label of vacuum, (Y, X, C) float32: the background alone, or a wave of 1."""
        label = np.zeros((*shape, self.out_channels), np.float32)
        if self.has_background:
            label[..., -1] = 1
        elif self.label == "Exitwave":
            label[..., 0] = 1
        return label


def read_task(images: ImageSet) -> tuple[Task, dict[str, Any]]:
    """Read what a set of images teaches, and see that images and labels are what its parameters say.

    Parameters
    ----------
    images : ImageSet
        Images with labels.

    Returns
    -------
    task : Task
        Channels, standardisation and ranges.
    parameters : dict
        What parameters.json says.

    Raises
    ------
    ReadError
        If nothing is finished, or parameters.json or an array is missing or broken.
    DataError
        If images or labels are not of the shape or type that belongs to the label.

    Examples
    --------
    >>> from pathlib import Path
    >>> read_task(ImageSet(Path("nothing-here")))
    Traceback (most recent call last):
    temflux.engine.base.errors.ReadError: nothing-here: no finished images; make some with temflux images
    """
    drawn = images.drawn()
    if not drawn:
        raise ReadError(f"{images.folder}: no finished images; make some with temflux images")
    parameters = _read_parameters(images)
    settings = LabelSettings(
        parameters["label"], int(parameters["num_classes"]), bool(parameters["null_class"])
    )
    channels: Any = images.labels.attrs.get("channels", ())
    _check_arrays(images, settings, tuple(channels))
    ranges = {}
    for name in _STATED:
        values = [value for one in drawn for value in _values_of(one, name)]
        if values:
            ranges[name] = (min(values), max(values))
    task = Task(
        settings.kind,
        int(images.images.shape[1]),
        tuple(str(channel) for channel in channels),
        float(parameters["normalizedistance"]),
        settings.has_background,
        ranges,
    )
    return task, parameters


def _read_parameters(images: ImageSet) -> dict[str, Any]:
    path = images.folder / "parameters.json"
    try:
        parameters = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(
            f"{path}: expected the parameters of the images, {type(error).__name__}; make them again with "
            "temflux images"
        ) from None
    needed = ("label", "num_classes", "null_class", "normalizedistance")
    lacking = [name for name in needed if not isinstance(parameters, dict) or name not in parameters]
    if lacking:
        raise ReadError(f"{path}: expected the parameters of the images, {', '.join(lacking)} missing")
    return parameters


def _check_arrays(images: ImageSet, settings: LabelSettings, channels: tuple[str, ...]) -> None:
    pixels, labels = images.images, images.labels
    if len(pixels.shape) != 4 or len(labels.shape) != 4 or pixels.dtype.kind not in "buif":
        raise DataError(
            f"{images.folder}: expected real images (N, F, Y, X) and labels (N, Y, X, C), got {pixels.shape} "
            f"{pixels.dtype} and {labels.shape}"
        )
    n_images, _, *image_shape = pixels.shape
    n_labels, *label_shape, n_channels = labels.shape
    if (n_images, image_shape) != (n_labels, label_shape):
        raise DataError(
            f"{images.folder}: expected a label of each image's size, got images {pixels.shape} and labels "
            f"{labels.shape}; make them again"
        )
    if n_channels != settings.num_classes or len(channels) != n_channels:
        raise DataError(
            f"{images.folder}: expected a label {settings.kind} of {settings.num_classes} channels, got "
            f"{n_channels} ({', '.join(channels) or 'no names'}); make the images again"
        )
    wanted = "uint8" if settings.kind in BINARY_LABELS else "float32"
    if str(labels.dtype) != wanted:
        raise DataError(
            f"{images.folder}: expected a label {settings.kind} of type {wanted}, got {labels.dtype}; make "
            "the images again"
        )


def _values_of(drawn: Mapping[str, Any], name: str) -> list[float]:
    """Values drawn for one image; of a series the defoci of all images."""
    names = [name]
    if name == "defocus_A":
        names += [key for key in drawn if re.fullmatch(r"defocus_\d+_A", key)]
    return [float(drawn[key]) for key in names if drawn.get(key) is not None]
