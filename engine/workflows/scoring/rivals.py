"""What a network is scored beside: predictions that know nothing, and a classical method tuned elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import DataError, SettingsError
from ...base.seeds import generator
from ...learn.baselines import predict_mean, predict_vacuum, scramble
from ...learn.classical import tune_columns, tune_masks
from ...learn.judges import Found, Truth
from ..train import find_images
from .images import Shot, Shots

# One empty frame to so many others, as networks for masks are trained.
_IMAGES_AN_EMPTY = 4


@dataclass(frozen=True)
class Validation:
    """Images that may be tuned on: none of them is scored.

    Parameters
    ----------
    folder : Path or None
        Their folder; None where there are none.
    images : list of arrays (F, Y, X), float32
        A few of them.
    truths : list of Truth
        What they show.
    empty : list of arrays (F, Y, X), float32
        Frames of vacuum like them.
    """

    folder: Path | None
    images: list[np.ndarray]
    truths: list[Truth]
    empty: list[np.ndarray]


def open_validation(shots: Shots, tune_on: Path | None, *, limit: int, seed: int) -> Validation:
    """Read some images to tune on: those asked for, or the training images of the test set's own dataset.

    Parameters
    ----------
    shots : Shots
        The test set.
    tune_on : Path or None
        Dataset, or folder of images.
    limit : int
        Most images.
    seed : int
        Seed of the empty frames.

    Returns
    -------
    Validation
        Without images where there is no such set.

    Raises
    ------
    SettingsError
        If the test set itself is to be tuned on.
    DataError, ReadError
        If the set is broken, or teaches something else.
    """
    beside = shots.folder.parent.parent / "train" / shots.folder.name
    if tune_on is not None:
        folder = find_images(tune_on, "train")
    elif (beside / "images.zarr").exists() and beside.resolve() != shots.folder.resolve():
        folder = beside
    else:
        return Validation(None, [], [], [])
    if folder.resolve() == shots.folder.resolve():
        raise SettingsError(f"tune_on: {folder} is the test set itself; tune on other images")
    others = Shots(folder)
    if others.task != shots.task:
        raise DataError(f"{folder}: teaches {others.task}, {shots.folder} {shots.task}; tune on others")
    chosen = others.choose(limit)
    images, truths = zip(*(others.read(shot) for shot in chosen), strict=True)
    empty = [others.make_empty(shot, seed) for shot in chosen[::_IMAGES_AN_EMPTY]]
    return Validation(folder, list(images), list(truths), empty)


@dataclass(frozen=True)
class Classical:
    """A tuned classical method.

    Parameters
    ----------
    method : callable
        `ClassicalMasks` or `ClassicalColumns`.
    """

    method: Any

    def __call__(self, image: np.ndarray, sampling_A: float) -> Found:
        """Find masks or columns in an image (F, Y, X)."""
        found = self.method(image, sampling_A=sampling_A)
        return Found(found) if isinstance(found, np.ndarray) else Found(None, *found)

    def describe(self) -> dict[str, Any]:
        """Say what was chosen, and how good it was on the images it was tuned on."""
        return {"method": str(self.method), "score_on_validation": self.method.score}


def tune_classical(
    shots: Shots, validation: Validation, *, told: Callable[[int, int], None] | None = None
) -> Classical | None:
    """Tune the classical method of a label.

    Parameters
    ----------
    shots : Shots
        The test set, for its label alone.
    validation : Validation
        What to tune on.
    told : callable or None
        Told (done, total).

    Returns
    -------
    Classical or None
        None where there is nothing to tune on, or no such method for the label.
    """
    images, truths = validation.images, validation.truths
    if not images:
        return None
    samplings_A = [truth.sampling_A for truth in truths]
    if shots.task.label == "Mask":
        masks = [truth.label[..., 0] > 0.5 for truth in truths]
        nothing = np.zeros(masks[0].shape, bool)
        empty = validation.empty
        steps_A = [*samplings_A, *samplings_A[::_IMAGES_AN_EMPTY]]
        return Classical(tune_masks([*images, *empty], [*masks, *[nothing] * len(empty)], steps_A, told=told))
    if shots.has_columns:
        columns = [(truth.xy_A, truth.classes) for truth in truths]
        known: Any = columns
        # By what the judge counts: columns that an image does not show are in its truth, too.
        how: dict[str, Any] = {"n_classes": shots.task.n_classes, "edge_A": shots.spotsize_A}
        return Classical(tune_columns(images, known, samplings_A, **how, told=told))
    return None


@dataclass(frozen=True)
class Nulls:
    """Maps that know nothing of the image.

    Parameters
    ----------
    vacuum : array (Y, X, C), float32
        Nothing is there.
    mean : array (Y, X, C), float32, or None
        The training labels' mean; None where there are none.
    partner : dict from row to Shot
        The image of another structure whose truth each image is scored against; empty where there is none.
    """

    vacuum: np.ndarray
    mean: np.ndarray | None
    partner: dict[int, Shot]


def make_nulls(shots: Shots, chosen: list[Shot], validation: Validation, *, seed: int) -> Nulls:
    """Make the predictions that know nothing.

    Parameters
    ----------
    shots : Shots
        The test set.
    chosen : list of Shot
        Images that are scored.
    validation : Validation
        Labels for the mean.
    seed : int
        Seed of which image is scored against which truth.

    Returns
    -------
    Nulls
        Their maps.
    """
    _, truth = shots.read(chosen[0])
    vacuum = predict_vacuum(truth.label, kind=shots.task.label, has_background=shots.task.has_background)
    mean = None
    if validation.truths:
        means = predict_mean([truth.label for truth in validation.truths])
        mean = np.broadcast_to(means[:1, :1], truth.label.shape).astype(np.float32)
    partner: dict[int, Shot] = {}
    systems = np.array([shot.system for shot in chosen])
    # With one structure, or one that has over half of the images, there is no such pairing.
    if len(np.unique(systems)) > 1 and 2 * np.bincount(systems).max() <= len(systems):
        order = scramble(systems, rng=generator(seed, "scramble"))
        partner = {int(shot.drawn["row"]): chosen[other] for shot, other in zip(chosen, order, strict=True)}
    return Nulls(vacuum, mean, partner)
