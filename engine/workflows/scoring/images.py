"""The images of a test set one by one, with what they show and what was drawn for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import CalibrationError, DataError
from ...base.seeds import generator
from ...generate.dataset import ImageSet, SystemSet
from ...generate.draws import list_defoci
from ...generate.system import Sites
from ...learn.judges import COLUMN_LABELS, Truth
from ...learn.model_cards import outside_range
from ...learn.predict import choose_sampling
from ...learn.reading import SPOTSIZE_A
from ...learn.sources import DatasetSource
from ...learn.task import Task, read_task
from ...learn.trained import TrainedModel


@dataclass(frozen=True)
class Shot:
    """One image or focal series of a test set.

    Parameters
    ----------
    item, epoch : int
        Number of its system among the finished ones, and which of the system's images it is.
    drawn : mapping
        What was drawn for it: row, system, dose_e_per_A2, …
    """

    item: int
    epoch: int
    drawn: Mapping[str, Any]

    @property
    def system(self) -> int:
        """Number of its system."""
        return int(self.drawn["system"])


class Shots:
    """A set of simulated images with what they show, read one at a time.

    Parameters
    ----------
    folder : Path
        Folder with images.zarr and labels.zarr.

    Raises
    ------
    ReadError
        If nothing is finished, or something is missing or broken.
    CalibrationError
        If an image's pixel size is not known.
    DataError
        If images and labels do not fit, or columns are to be scored and their positions are not there.
    """

    def __init__(self, folder: Path) -> None:
        images = ImageSet(folder)
        self.folder = folder
        self.task, self.parameters = read_task(images)
        self._source = DatasetSource(images)
        self._systems = SystemSet(folder.parent / "systems")
        records = images.records()
        self.shots = [
            Shot(item, epoch, drawn)
            for item, system in enumerate(sorted(records))
            for epoch, drawn in enumerate(records[system]["images"])
        ]
        for shot in self.shots:
            if not shot.drawn.get("sampling_A"):
                raise CalibrationError(
                    f"{images.journal}: pixel size missing (sampling_A of row {shot.drawn.get('row')}); make "
                    "the images again"
                )
            if self.has_columns and "origin_x_A" not in shot.drawn:
                raise DataError(
                    f"{images.journal}: says not where images lie in their cells (origin_x_A); make the "
                    "images again"
                )

    @property
    def has_columns(self) -> bool:
        """Whether the labels are of columns."""
        return self.task.label in COLUMN_LABELS

    @property
    def spotsize_A(self) -> float:
        """Size of the labels' spots [Å]."""
        return float(self.parameters.get("spotsize", SPOTSIZE_A))

    def choose(self, limit: int | None) -> list[Shot]:
        """Choose at most so many images, evenly."""
        return evenly(self.shots, limit)

    def read(self, shot: Shot) -> tuple[np.ndarray, Truth]:
        """Read an image (F, Y, X), float32, and what it shows."""
        labelled = self._source.read(shot.item, shot.epoch)
        if not self.has_columns:
            return labelled.image, Truth(labelled.label, labelled.sampling_A)
        sites = self._load_sites(shot.system)
        origin_A = np.array([shot.drawn["origin_x_A"], shot.drawn["origin_y_A"]], np.float64)
        classes = sites.classes if self.task.n_classes > 1 else np.zeros_like(sites.classes)
        return labelled.image, Truth(labelled.label, labelled.sampling_A, sites.xy_A - origin_A, classes)

    def make_empty(self, shot: Shot, seed: int) -> np.ndarray:
        """Make an image of vacuum (F, Y, X) at an image's dose and with its camera."""
        rng = generator(seed, "empty", int(shot.drawn["row"]))
        return self._source.make_empty(rng, shot.item, shot.epoch).image

    def _load_sites(self, system: int) -> Sites:
        path = self._systems.folder / "points" / f"{system:06d}.npz"
        if not path.exists():
            raise DataError(
                f"{path}: missing; columns are scored by their positions, keep systems/ beside the images"
            )
        return self._systems.load_sites(system)


@dataclass(frozen=True)
class Looker:
    """A model that looks at images of a test set.

    Parameters
    ----------
    trained : TrainedModel
        Network and card.
    predict : callable
        A `Predictor` of it.
    """

    trained: TrainedModel
    predict: Any

    def __call__(self, image: np.ndarray, sampling_A: float) -> np.ndarray:
        """Predict the maps (Y, X, C) of an image (F, Y, X); a model of fewer images takes the first ones."""
        maps: np.ndarray = self.predict(image[: self.trained.spec.in_channels], sampling_A=sampling_A)
        return maps


def check_fit(trained: TrainedModel, task: Task, folder: Path) -> None:
    """Refuse a model that finds something else than a test set shows, or needs more images.

    Parameters
    ----------
    trained : TrainedModel
        Network and card.
    task : Task
        What the set's labels teach.
    folder : Path
        The set's folder.

    Raises
    ------
    DataError
        One line that says what the model takes and what there is.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 3, "out_channels": 1})
    >>> trained = TrainedModel(spec, ModelCard("mine", label="Mask"), {})
    >>> check_fit(trained, Task("Mask", 1, ("inside",), 12.0), Path("set"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    temflux.engine.base.errors.DataError: mine takes a focal series of 3 images, set has single images; ...
    """
    card, spec = trained.card, trained.spec
    if card.label != task.label or spec.out_channels != task.out_channels:
        raise DataError(
            f"{card.name} finds {card.label} ({', '.join(card.channels) or spec.out_channels}), {folder} "
            f"shows {task.label} ({', '.join(task.channels)}); choose another test set"
        )
    if card.channels and card.channels != task.channels:
        raise DataError(
            f"{card.name} finds {', '.join(card.channels)}, {folder} shows {', '.join(task.channels)}; "
            "choose another test set"
        )
    if spec.in_channels > task.in_channels:
        there = "single images" if task.in_channels == 1 else f"series of {task.in_channels}"
        raise DataError(
            f"{card.name} takes a focal series of {spec.in_channels} images, {folder} has {there}; choose "
            "another test set"
        )


def outside_trained(trained: TrainedModel, drawn: Mapping[str, Any]) -> list[str]:
    """Name in what an image lies outside of the ranges that a model was trained on, as the network sees it.

    Parameters
    ----------
    trained : TrainedModel
        Network and card.
    drawn : mapping
        What was drawn for the image: sampling_A, defocus_A, defocus_2_A, mtf_c0, …

    Returns
    -------
    list of str
        Names, as defocus_A.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> card = ModelCard("mine", ranges={"defocus_A": (0.0, 50.0)})
    >>> trained = TrainedModel(NetworkSpec("compact", {"in_channels": 2}), card, {})
    >>> outside_trained(trained, {"defocus_A": 10.0, "defocus_2_A": 60.0})
    ['defocus_A']
    """
    return [
        name
        for name, value in values_seen(trained, drawn).items()
        if outside_range(trained.card, **{name: value})
    ]


def values_seen(trained: TrainedModel, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was drawn for an image of that which a model's card tells ranges of, as the network sees it.

    Parameters
    ----------
    trained, drawn
        As `outside_trained` takes them.

    Returns
    -------
    dict
        Values by name; None where they are not known, or, of the sampling, where it is made to fit.

    Notes
    -----
    A frame that is too fine is resampled: of the coarser pixels' Nyquist frequency the camera's half-width is
    a larger share, and each has the readout noise of several. One that is too coarse stays outside.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> card = ModelCard("mine", ranges={"blur_A": (0.0, 0.5)})
    >>> values_seen(TrainedModel(NetworkSpec("compact"), card, {}), {"blur_A": 0.7, "defocus_A": 10.0})
    {'blur_A': 0.7}
    """
    card = trained.card
    values = {name: drawn.get(name) for name in card.ranges}
    if "defocus_A" in values and values["defocus_A"] is not None:
        values["defocus_A"] = list(list_defoci(drawn))[: trained.spec.in_channels]
    sampling_A = drawn.get("sampling_A")
    if sampling_A is not None and card.sampling_A is not None and sampling_A < card.sampling_A[0]:
        larger = choose_sampling(trained, float(sampling_A)) / float(sampling_A)
        values["sampling_A"] = None
        for name, factor in (("mtf_c0", larger), ("readout_e", larger**2)):
            drawn_value = values.get(name)
            if drawn_value is not None:
                values[name] = factor * drawn_value
    return values


def evenly(things: list[Any], limit: int | None) -> list[Any]:
    """Choose at most so many things, evenly.

    Parameters
    ----------
    things : list
        From what.
    limit : int or None
        Most to choose; None for all.

    Returns
    -------
    list
        In their order.

    Examples
    --------
    >>> evenly([0, 1, 2, 3, 4], 3)
    [0, 2, 4]
    """
    if limit is None or limit >= len(things):
        return list(things)
    return [things[round(number)] for number in np.linspace(0, len(things) - 1, limit)]
