"""Whether a scored model's probabilities mean what they say, and where it and others disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ...base.seeds import generator
from ...learn.calibration import (
    ACTIVATIONS,
    Reliability,
    count_reliability,
    fit_temperature,
    logits_of,
    map_disagreement,
    scale_temperature,
)
from ...learn.judges import Truth
from ...learn.task import Task
from .images import Looker
from .rivals import Validation

_PIXELS_AN_IMAGE = 20_000
_FEWEST_FOR_RANKS = 5


class CalibrationCount:
    """Counts, image by image, how often what a model gave a probability came true.

    Parameters
    ----------
    task : Task
        What the labels teach.
    looker : Looker
        The model.
    validation : Validation
        Images that the temperature is fitted on.
    seed : int
        Seed of the pixels that it is fitted on.
    """

    def __init__(self, task: Task, looker: Looker, validation: Validation, *, seed: int) -> None:
        self._activation = looker.trained.spec.activation
        self.counts = task.is_binary and self._activation in ACTIVATIONS
        self.temperature: float | None = None
        self.plain: Reliability | None = None
        self.scaled: Reliability | None = None
        if self.counts and validation.images:
            self.temperature = self._fit(looker, validation, seed)

    def _fit(self, looker: Looker, validation: Validation, seed: int) -> float:
        logits, labels = [], []
        for number, (image, truth) in enumerate(zip(validation.images, validation.truths, strict=True)):
            maps = looker(image, truth.sampling_A).reshape(-1, truth.label.shape[2])
            rng = generator(seed, "temperature", number)
            pixels = rng.choice(len(maps), min(_PIXELS_AN_IMAGE, len(maps)), replace=False)
            logits.append(logits_of(maps[pixels], activation=self._activation))
            labels.append(truth.label.reshape(maps.shape)[pixels])
        return fit_temperature(np.concatenate(labels), np.concatenate(logits), activation=self._activation)

    def add(self, maps: np.ndarray, truth: Truth) -> None:
        """Count one image."""
        if not self.counts:
            return
        probability = np.clip(maps, 0, 1)
        plain = count_reliability(truth.label, probability)
        self.plain = plain if self.plain is None else self.plain + plain
        if self.temperature is None:
            return
        logits = logits_of(probability, activation=self._activation)
        cooled = scale_temperature(logits, temperature=self.temperature, activation=self._activation)
        scaled = count_reliability(truth.label, np.clip(cooled, 0, 1))
        self.scaled = scaled if self.scaled is None else self.scaled + scaled

    def summarise(self) -> dict[str, float]:
        """Give the calibration error and Brier score, before and after the temperature."""
        if self.plain is None:
            return {}
        table = {
            "calibration_error": self.plain.calibration_error,
            "brier_score": self.plain.brier_score,
        }
        if self.scaled is not None and self.temperature is not None:
            table |= {
                "temperature": self.temperature,
                "calibration_error_at_temperature": self.scaled.calibration_error,
                "brier_score_at_temperature": self.scaled.brier_score,
            }
        return table

    def table(self) -> list[dict[str, float]]:
        """List the bins of the reliability, with the frequency at the fitted temperature beside it."""
        if self.plain is None:
            return []
        columns = {name: np.asarray(values, np.float64) for name, values in self.plain.table().items()}
        if self.scaled is not None:
            scaled = self.scaled.table()
            columns["probability_at_temperature"] = np.asarray(scaled["probability"], np.float64)
            columns["frequency_at_temperature"] = np.asarray(scaled["frequency"], np.float64)
        return [
            dict(zip(columns, map(float, values), strict=True))
            for values in zip(*columns.values(), strict=True)
        ]


def disagree(maps: list[np.ndarray], task: Task, *, threshold: float = 0.5) -> dict[str, float]:
    """Measure where models disagree on one image.

    Parameters
    ----------
    maps : list of arrays (Y, X, C), float32
        Maps of two models or more.
    task : Task
        What they find.
    threshold : float
        Probabilities above this are marked, where there is no class for the background.

    Returns
    -------
    dict of float
        differing_share of the pixels, and deviation, the mean standard deviation of the maps.

    Examples
    --------
    >>> maps = [np.zeros((2, 2, 1)), np.array([[[1.0], [0]], [[0], [0]]])]
    >>> disagree(maps, Task("Mask", 1, ("inside",), 12.0))
    {'differing_share': 0.25, 'deviation': 0.125}
    """
    deviation, differing = map_disagreement(maps, threshold=None if task.has_background else threshold)
    return {"differing_share": differing, "deviation": float(deviation.mean())}


def summarise_disagreement(rows: list[dict[str, Any]], headline: str) -> dict[str, float]:
    """Say how much models disagree, and whether they do where the first is wrong.

    Parameters
    ----------
    rows : list of dict
        The first model's images, with differing_share and its score.
    headline : str
        Name of the score.

    Returns
    -------
    dict of float
        Means, and the rank correlation of differing_share and the score over images; empty without others.
    """
    if not rows or "differing_share" not in rows[0]:
        return {}
    shares = [row["differing_share"] for row in rows]
    table = {
        "differing_share": float(np.mean(shares)),
        "deviation": float(np.mean([row["deviation"] for row in rows])),
    }
    scores = [row[headline] for row in rows]
    if len(rows) >= _FEWEST_FOR_RANKS and np.ptp(shares) > 0 and np.ptp(scores) > 0:
        table["rank_correlation_with_score"] = float(spearmanr(shares, scores).statistic)
    return table
