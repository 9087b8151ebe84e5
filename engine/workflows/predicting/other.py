"""A second model beside the one that predicts, as of another seed: where the two disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.errors import SettingsError
from ...base.stack import Stack
from ...learn.calibration import map_disagreement
from ...learn.model_files import load_model
from ...learn.predict import Predictor
from ...learn.reading import Reading, choose_reading, predict_maps
from ...learn.trained import TrainedModel
from .notes import range_notes
from .settings import PredictSettings


@dataclass(frozen=True)
class Other:
    """A second model of the same task.

    Parameters
    ----------
    trained : TrainedModel
        Its network and card.
    reading : Reading
        How its maps are read.
    """

    trained: TrainedModel
    reading: Reading

    def compare(
        self,
        maps: np.ndarray,
        series: np.ndarray,
        predictor: Predictor,
        reading: Reading,
        *,
        sampling_A: float,
    ) -> tuple[np.ndarray, float | None]:
        """Map the disagreement with the first model's maps (Y, X, C), and the share of differing classes."""
        own = predict_maps(predictor, series, self.reading, sampling_A=sampling_A)
        threshold = None if reading.has_background else reading.threshold
        deviation, differing = map_disagreement([maps, own], threshold=threshold)
        return deviation.astype(reading.dtype), differing if reading.is_probability else None

    def notes(
        self, first: TrainedModel, stack: Stack, frames: range, *, defoci_A: Sequence[float] | None
    ) -> list[str]:
        """Say what a user should know of the second model."""
        said = range_notes(self.trained.card, stack, frames, defoci_A=defoci_A)
        if self.trained.fingerprint == first.fingerprint:
            said.append(
                "both models have the same weights, so that they cannot disagree; give one of another seed"
            )
        return said

    def describe(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Say for the record who disagreed, and in what share of the pixels on average."""
        shares = [record["differing_share"] for record in records if "differing_share" in record]
        return {
            "model": describe_origin(self.trained),
            "differing_share": float(np.mean(shares)) if shares else None,
        }


def describe_origin(trained: TrainedModel) -> dict[str, Any]:
    """Say for the record which model it was.

    Parameters
    ----------
    trained : TrainedModel
        Network and card.

    Returns
    -------
    dict
        name, version, fingerprint and sha256 of its files.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> describe_origin(TrainedModel(NetworkSpec("compact"), ModelCard("mine"), {}))["name"]
    'mine'
    """
    card = trained.card
    return {
        "name": card.name,
        "version": card.version,
        "fingerprint": trained.fingerprint,
        "sha256": dict(card.sha256),
    }


def open_other(trained: TrainedModel, reading: Reading, settings: PredictSettings) -> Other | None:
    """Open the second model that was asked for.

    Parameters
    ----------
    trained : TrainedModel
        The model that predicts.
    reading : Reading
        How its maps are read.
    settings : PredictSettings
        With the second model's name or folder, if any.

    Returns
    -------
    Other or None
        None where none was asked for.

    Raises
    ------
    ReadError
        If there is no such model.
    SettingsError
        If it finds something else, or takes other series.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1})
    >>> mine = TrainedModel(spec, ModelCard("mine"), {})
    >>> open_other(mine, choose_reading(mine), PredictSettings()) is None
    True
    """
    if settings.other is None:
        return None
    other = load_model(settings.other)
    found = choose_reading(other, threshold=settings.threshold, temperature=settings.temperature)
    mine, theirs = (_task_of(*one) for one in ((trained, reading), (other, found)))
    if mine != theirs:
        raise SettingsError(
            f"other: expected a model of {mine} as {trained.card.name}, {settings.other} is one of {theirs}"
        )
    return Other(other, found)


def _task_of(trained: TrainedModel, reading: Reading) -> str:
    """Say what a model finds, and in what."""
    n_images = trained.spec.in_channels
    what = "single images" if n_images == 1 else f"series of {n_images} images"
    return f"{reading.label} ({', '.join(reading.channels)}) in {what}"
