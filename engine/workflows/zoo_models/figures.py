"""What a model of the zoo reaches: scored on its test set, beyond its ranges and at falling dose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...base.blocks import Runner, run_serial
from ...base.seeds import generator
from ...generate.dataset import ImageSet
from ...learn.calibration import equal_area_threshold
from ...learn.model_files import load_model
from ...learn.predict import Predictor
from ...learn.sources import DatasetSource
from ..dose_limit import study_dose
from ..dose_study.null import NULL
from ..dose_study.settings import DoseLimitSettings
from ..score import score_model
from ..scoring.settings import ScoreSettings
from ..zoo import ZooData, ZooRecipe

Progress = Callable[[str, int, int], None]

_MOST_BEYOND = 200
_SEED, _IMAGES_TO_EMPTY, _PIXELS_OF_AN_IMAGE = 100, 5, 20_000
_CLASSICAL = "tuned classical"
_PREFIXES = {_CLASSICAL: "classical_", NULL: f"{NULL}_"}
# Scores by the kind of label, the headline first, which nulls and the classical method are held against.
_SCORES = (
    ("f1", "iou", "boundary_f1", "instance_f1", "false_area"),
    ("atomic_f1", "perfect_share", "atomic_f1_p10", "position_rms_A"),
    ("rmse",),
)


def judge_zoo_model(
    recipe: ZooRecipe,
    model: str | Path,
    data: ZooData,
    work: str | Path,
    *,
    runner: Runner = run_serial,
    progress: Progress | None = None,
) -> dict[str, float | str]:
    """Measure what a model of the zoo reaches, beside a null and a tuned classical method.

    Parameters
    ----------
    recipe : ZooRecipe
        How the model was made.
    model : str or Path
        Folder of the trained model.
    data : ZooData
        As `simulate_zoo_data` gives it; the classical method and the temperature are tuned on its validation.
    work : str or Path
        Folder for tables and figures.
    runner : callable
        Where systems of the study of dose are made.
    progress : callable or None
        Told (what is going on, done, total).

    Returns
    -------
    dict from name to float or str
        Figures for the card.

    Raises
    ------
    SettingsError, DataError, ReadError, WriteError
        As `score_model` and `study_dose` raise them.
    """
    work = Path(work)
    figures: dict[str, float | str] = {}
    threshold = None
    if load_model(model).card.label == "Mask":
        threshold = find_threshold(model, data.validation, progress=progress)
        figures["threshold"] = threshold
    if data.test is not None:
        settings = ScoreSettings(
            tune_on=data.validation, baseline_limit=recipe.baseline_limit, threshold=threshold
        )
        score = score_model(model, data.test, work / f"{recipe.name}-score", settings, progress=progress)
        figures |= pick_figures(score.methods)
        figures |= pick_calibration(score.calibration)
    if data.beyond is not None:
        alone = ScoreSettings(baselines=False, limit=_MOST_BEYOND)
        score = score_model(model, data.beyond, work / f"{recipe.name}-beyond", alone, progress=progress)
        headline = next(iter(score.headings))
        for row in score.methods:
            if row["images_of"] in ("inside", "outside"):
                figures[f"{headline}_{row['images_of']}_ranges"] = round(float(row[headline]), 4)
    if recipe.dose_systems:
        study = study_dose(
            model,
            work / f"{recipe.name}-doselimit",
            DoseLimitSettings(count=recipe.dose_systems, threshold=threshold),
            runner=runner,
            progress=progress,
        )
        for method, limits in study.limits.items():
            figures |= pick_doses(limits, _PREFIXES.get(method, ""))
    return figures


def find_threshold(model: str | Path, validation: str | Path, *, progress: Progress | None = None) -> float:
    """Find the threshold of a model of masks at which found and true area are equal.

    Parameters
    ----------
    model : str or Path
        Folder of the trained model.
    validation : str or Path
        Folder of images; a fifth as many frames of vacuum are looked at beside them.
    progress : callable or None
        Told (what is going on, done, total).

    Returns
    -------
    float
        Threshold.

    Raises
    ------
    DataError, ReadError
        If model or images are broken, or do not fit each other.
    """
    predictor = Predictor(load_model(model))
    source = DatasetSource(ImageSet(Path(validation)))
    truth, found = [], []
    for item in range(len(source)):
        rng = generator(_SEED, "threshold", item)
        shots = [source.read(item, 0)]
        if item % _IMAGES_TO_EMPTY == 0:
            shots.append(source.make_empty(rng, item, 0))
        for shot in shots:
            maps = predictor(shot.image, sampling_A=shot.sampling_A)
            kept = rng.choice(maps[..., 0].size, _PIXELS_OF_AN_IMAGE)
            truth.append(shot.label[..., 0].ravel()[kept] > 0.5)
            found.append(maps[..., 0].ravel()[kept])
        if progress is not None:
            progress("finding the threshold", item + 1, len(source))
    return equal_area_threshold(np.concatenate(truth), np.concatenate(found))


def pick_figures(methods: list[dict[str, Any]]) -> dict[str, float | str]:
    """Pick a card's figures from a score's summary.

    Parameters
    ----------
    methods : list of dict
        One row a method and set of images, the model first, as `Score.methods` has them.

    Returns
    -------
    dict from name to float or str
        Scores of the model with their bounds, and the headline of nulls and of the classical method.

    Examples
    --------
    >>> rows = [{"method": "mine", "images_of": "all", "n_images": 9, "f1": 0.95},
    ...         {"method": "tuned classical", "images_of": "all", "n_images": 9, "f1": 0.7}]
    >>> pick_figures(rows)
    {'test_images': 9, 'f1': 0.95, 'classical_f1': 0.7}
    """
    whole = [row for row in methods if row["images_of"] == "all"]
    mine = whole[0]
    names = next(names for names in _SCORES if names[0] in mine)
    figures: dict[str, float | str] = {"test_images": int(mine["n_images"])}
    for name in names:
        if mine.get(name) is not None:
            figures[name] = round(float(mine[name]), 4)
    for row in whole[1:]:
        method = "classical" if row["method"] == _CLASSICAL else str(row["method"]).replace(" ", "_")
        for name in names[: 2 if row["method"] == _CLASSICAL else 1]:
            if row.get(name) is not None:
                figures[f"{method}_{name}"] = round(float(row[name]), 4)
    return figures


def pick_calibration(calibration: Mapping[str, float]) -> dict[str, float | str]:
    """Pick a card's figures of how far probabilities mean what they say.

    Parameters
    ----------
    calibration : mapping
        As `Score.calibration` has it.

    Returns
    -------
    dict from name to float or str
        calibration_error of the probabilities as the model gives them, and, where a temperature was fitted,
        it and the error that is left when logits are divided by it (predict --temperature).

    Examples
    --------
    >>> found = {"calibration_error": 0.021, "temperature": 1.3, "calibration_error_at_temperature": 0.01}
    >>> pick_calibration(found)
    {'calibration_error': 0.021, 'fitted_temperature': 1.3, 'calibration_error_at_fitted_temperature': 0.01}
    """
    names = {
        "calibration_error": ("calibration_error", 4),
        "temperature": ("fitted_temperature", 3),
        "calibration_error_at_temperature": ("calibration_error_at_fitted_temperature", 4),
    }
    return {
        told: round(calibration[name], digits)
        for name, (told, digits) in names.items()
        if name in calibration
    }


def pick_doses(limits: Mapping[str, Any], prefix: str = "") -> dict[str, float | str]:
    """Pick a card's figures from a study of dose.

    Parameters
    ----------
    limits : mapping
        Of one method, as `DoseStudy.limits` has them.
    prefix : str
        What goes before the names.

    Returns
    -------
    dict from name to float or str
        Doses of half and of full area [e⁻/Å²], F1 at the lowest and at the highest dose, and the share of an
        empty frame that is marked, the mean over doses.

    Examples
    --------
    >>> reached = {"dose_e_per_A2": 31.26, "kind": "reached", "highest_e_per_A2": 1e4}
    >>> never = {"dose_e_per_A2": None, "kind": "never", "highest_e_per_A2": 1e4}
    >>> limits = {"half": reached, "full": never, "f1_lowest": 0.3, "f1_highest": 0.9, "false_area": 0.001}
    >>> picked = pick_doses(limits)
    >>> picked["half_area_dose_e_per_A2"], picked["full_area_dose_e_per_A2"], picked["false_area_empty"]
    (31.3, 'above 10000', 0.001)
    """
    figures: dict[str, float | str] = {}
    for name in ("half", "full"):
        limit = limits[name]
        dose = limit["dose_e_per_A2"]
        told: float | str = f"above {limit['highest_e_per_A2']:g}" if dose is None else round(float(dose), 1)
        figures[f"{prefix}{name}_area_dose_e_per_A2"] = (
            f"at most {told}" if limit["kind"] == "always" else told
        )
    for name in ("lowest", "highest"):
        figures[f"{prefix}f1_at_{name}_dose"] = round(float(limits[f"f1_{name}"]), 4)
    return {**figures, f"{prefix}false_area_empty": round(float(limits["false_area"]), 5)}
