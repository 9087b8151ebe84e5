"""How a model's maps are read: what is inside, which classes, where the columns are, how sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from ..base.errors import DataError, SettingsError
from .atoms import find_columns_in_maps
from .calibration import ACTIVATIONS, logits_of, scale_temperature
from .judges import COLUMN_LABELS
from .predict import Predictor
from .trained import TrainedModel

# Diameter of the discs that columns are labelled with where nothing says otherwise [Å].
SPOTSIZE_A = 0.4
_THRESHOLD = 0.5


@dataclass(frozen=True)
class Reading:
    """How a model's maps are read.

    Parameters
    ----------
    label : str
        Kind of label that it was trained on.
    channels : tuple of str
        Names of its maps.
    has_background : bool
        Whether the last of them is the background.
    threshold : float
        Probability above which a pixel is inside, and from which on a column counts.
    temperature : float
        What logits are divided by before the threshold.
    spotsize_A : float
        Diameter of the discs that columns were labelled with [Å].

    Examples
    --------
    >>> Reading("Mask", ("inside",), False, 0.5).has_masks
    True
    """

    label: str
    channels: tuple[str, ...]
    has_background: bool
    threshold: float
    temperature: float = 1.0
    spotsize_A: float = SPOTSIZE_A

    @property
    def has_masks(self) -> bool:
        """Whether the maps are of regions."""
        return self.label == "Mask"

    @property
    def has_columns(self) -> bool:
        """Whether the maps are of atomic columns."""
        return self.label in COLUMN_LABELS

    @property
    def is_probability(self) -> bool:
        """Whether the maps' values lie between 0 and 1."""
        return self.has_masks or self.has_columns

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the maps without the background."""
        return self.channels[:-1] if self.has_background else self.channels

    @property
    def dtype(self) -> str:
        """Type that maps are kept in: half precision is finer than any probability is known."""
        return "float16" if self.is_probability else "float32"

    def label_pixels(self, maps: np.ndarray) -> np.ndarray:
        """Label pixels of maps (Y, X, C) with their class from 1, or 0 where none is above the threshold."""
        classes = maps[..., : len(self.classes)]
        best = np.argmax(classes, axis=-1)
        height = np.take_along_axis(classes, best[..., np.newaxis], axis=-1)[..., 0]
        return np.where(height > self.threshold, best + 1, 0).astype(np.int32)

    def find_columns(
        self, maps: np.ndarray, *, sampling_A: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find columns in maps (Y, X, C): positions (n, 2) in Å, classes and probabilities."""
        return find_columns_in_maps(
            maps,
            sampling_A=sampling_A,
            threshold=self.threshold,
            spotsize_A=self.spotsize_A,
            has_background=self.has_background,
        )


def choose_reading(
    trained: TrainedModel, *, threshold: float | None = None, temperature: float | None = None
) -> Reading:
    """Choose how a model's maps are read: as asked, or as its card says.

    Parameters
    ----------
    trained : TrainedModel
        Network and card, whose figures may give `threshold`, and whose recipe `spotsize_A`.
    threshold, temperature : float or None
        What was asked for. A threshold that was asked for is one of the probabilities at that temperature.

    Returns
    -------
    Reading
        How maps are read.

    Raises
    ------
    SettingsError
        If a temperature is asked for where there are no probabilities.

    Notes
    -----
    The card's threshold is one of the probabilities as the network gives them. At a temperature T it is
    carried through the logit, to sigmoid(logit(threshold) / T), so that the same pixels are inside: exactly
    for a sigmoid and for a softmax of two, nearly for one of more.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1})
    >>> card = ModelCard("mine", figures={"threshold": 0.7})
    >>> choose_reading(TrainedModel(spec, card, {})).threshold
    0.7
    >>> round(choose_reading(TrainedModel(spec, card, {}), temperature=2.0).threshold, 3)
    0.604
    """
    card, spec = trained.card, trained.spec
    named = len(card.channels) == spec.out_channels
    channels = card.channels if named else tuple(str(number) for number in range(spec.out_channels))
    scaled = spec.activation in ACTIVATIONS
    if temperature is not None and not scaled:
        raise SettingsError(f"temperature: {card.name} gives no probabilities ({card.label}); leave it out")
    temperature = 1.0 if temperature is None else temperature
    if threshold is None:
        threshold = _number(card.figures.get("threshold"), _THRESHOLD)
        threshold = float(expit(logit(threshold) / temperature)) if temperature != 1 else threshold
    return Reading(
        label=card.label,
        channels=channels,
        has_background=spec.out_channels > 1 and (spec.activation == "softmax" or "background" in channels),
        threshold=threshold,
        temperature=temperature,
        spotsize_A=_number(card.recipe.get("spotsize_A"), SPOTSIZE_A, most=100.0),
    )


def _number(value: Any, otherwise: float, *, most: float = 1.0) -> float:
    """Take a number of a card where it is one that can be."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= most
    return float(value) if usable else otherwise


def predict_maps(
    predictor: Predictor, series: np.ndarray, reading: Reading, *, sampling_A: float | None
) -> np.ndarray:
    """Predict the maps of a series, calibrated and rounded as they are kept.

    Parameters
    ----------
    predictor : Predictor
        Network ready to run.
    series : array (F, Y, X), real
        One image or a focal series.
    reading : Reading
        How maps are read.
    sampling_A : float or None
        Pixel size [Å].

    Returns
    -------
    array (Y, X, C), `reading.dtype`
        Maps; masks and columns are read from these very values.

    Raises
    ------
    DataError
        If the network gives values that are not finite.
    CalibrationError, SettingsError
        As `Predictor` raises them.
    """
    maps = predictor(series, sampling_A=sampling_A)
    card = predictor.trained.card
    if not np.isfinite(maps).all():
        raise DataError(
            f"{card.name} gives values that are not finite; train it anew, or choose another model"
        )
    if reading.temperature != 1:
        activation = predictor.trained.spec.activation
        logits = logits_of(maps, activation=activation)
        maps = scale_temperature(logits, temperature=reading.temperature, activation=activation)
    return maps.astype(reading.dtype)
