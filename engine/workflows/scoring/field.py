"""All that looks at the images of a test set, and what each of it scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...learn.judges import ColumnJudge, Found, Judge, MaskJudge, Truth
from ...learn.model_cards import ModelCard
from .calibration import CalibrationCount, disagree
from .images import Looker, Shot, Shots, evenly, outside_trained
from .rivals import Classical, Nulls, Validation
from .settings import ScoreSettings


@dataclass
class Field:
    """All that looks at an image of a test set, and what each scored.

    Parameters
    ----------
    shots : Shots
        The test set.
    chosen : list of Shot
        What is scored of it.
    lookers : dict from name to Looker
        The model, then others.
    judge : Judge
        Scores each image.
    calibration : CalibrationCount
        Counts the model's probabilities.
    nulls : Nulls or None
        What knows nothing.
    classical : Classical or None
        The tuned classical method.
    validation : Validation
        What was tuned on.
    settings : ScoreSettings
        Limits and seed.
    """

    shots: Shots
    chosen: list[Shot]
    lookers: dict[str, Looker]
    judge: Judge
    calibration: CalibrationCount
    nulls: Nulls | None
    classical: Classical | None
    validation: Validation
    settings: ScoreSettings

    def __post_init__(self) -> None:
        """Choose what is looked at by the slower methods, and judge all models alike."""
        # Who has models of several thresholds puts a judge for each.
        self.judges: dict[str, Judge] = dict.fromkeys(self.lookers, self.judge)
        self.rows: list[dict[str, Any]] = []
        self._classical = {shot.drawn["row"] for shot in evenly(self.chosen, self.settings.baseline_limit)}
        few = evenly(self.chosen, self.settings.empty_limit) if self.settings.empty_limit else []
        self._empty = {shot.drawn["row"] for shot in few if self.shots.task.label == "Mask"}

    @property
    def name(self) -> str:
        """Name of the model that is scored."""
        return next(iter(self.lookers))

    @property
    def card(self) -> ModelCard:
        """Its card."""
        return self.lookers[self.name].trained.card

    def score(self, shot: Shot) -> None:
        """Score one image by all methods."""
        image, truth = self.shots.read(shot)
        vacuum = self.shots.make_empty(shot, self.settings.seed) if shot.drawn["row"] in self._empty else None
        maps = {name: look(image, truth.sampling_A) for name, look in self.lookers.items()}
        first = maps[self.name]
        self.calibration.add(first, truth)
        extra: dict[str, float] = {}
        if len(maps) > 1:
            judge = self.judge
            threshold = judge.threshold if isinstance(judge, MaskJudge | ColumnJudge) else 0.5
            extra = disagree(list(maps.values()), self.shots.task, threshold=threshold)
        for name, look in self.lookers.items():
            judge = self.judges[name]
            found = judge.find(maps[name], truth.sampling_A)
            empty = None
            if vacuum is not None:
                empty = judge.find(look(vacuum, truth.sampling_A), truth.sampling_A)
            self._add(name, shot, truth, found, empty, extra if name == self.name else {})
        if self.classical is not None and shot.drawn["row"] in self._classical:
            found = self.classical(image, truth.sampling_A)
            empty = None if vacuum is None else self.classical(vacuum, truth.sampling_A)
            self._add("tuned classical", shot, truth, found, empty)
        if self.nulls is not None:
            self._score_nulls(shot, truth, first, with_empty=vacuum is not None)

    def _score_nulls(self, shot: Shot, truth: Truth, maps: np.ndarray, *, with_empty: bool) -> None:
        assert self.nulls is not None
        for name, null in (("vacuum", self.nulls.vacuum), ("mean", self.nulls.mean)):
            if null is not None:
                found = self.judge.find(null, truth.sampling_A)
                self._add(name, shot, truth, found, found if with_empty else None)
        partner = self.nulls.partner.get(int(shot.drawn["row"]))
        if partner is not None:
            _, other = self.shots.read(partner)
            other = replace(other, sampling_A=truth.sampling_A)
            self._add("scrambled", shot, other, self.judge.find(maps, truth.sampling_A))

    def _add(
        self,
        method: str,
        shot: Shot,
        truth: Truth,
        found: Found,
        empty: Found | None = None,
        extra: dict[str, float] | None = None,
    ) -> None:
        row = {"method": method, **shot.drawn, "outside_trained": self._outside(shot)}
        row |= self.judge.score(truth, found) | (extra or {})
        if empty is not None:
            row["false_area"] = float(np.mean(np.asarray(empty.maps)))
        self.rows.append(row)

    def _outside(self, shot: Shot) -> str:
        return ";".join(outside_trained(self.lookers[self.name].trained, shot.drawn))
