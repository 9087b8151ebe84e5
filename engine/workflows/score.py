"""Score: a model and a test set in; what it gets right, beside what it must beat, out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import SettingsError
from ..files.atomic import check_folder, write_errors
from ..learn.atom_scores import match_columns
from ..learn.calibration import map_disagreement
from ..learn.judges import Found, Judge, Truth, choose_judge
from ..learn.model_files import load_model
from ..learn.predict import Predictor
from ..learn.reading import choose_reading
from ..report.scores import draw_disagreement, draw_examples, draw_scores
from .scoring.calibration import CalibrationCount
from .scoring.field import Field
from .scoring.images import Looker, Shot, Shots, check_fit
from .scoring.rivals import Validation, make_nulls, open_validation, tune_classical
from .scoring.settings import ScoreSettings
from .scoring.tables import Score, summarise, write_score
from .train import find_images

Progress = Callable[[str, int, int], None]
_USUAL = "images"
_OF_OTHERS = ("run.json", "card.json", "manifest.json", "doselimit.csv", "ledger.sqlite")
_FIGURES = ("dose", "defocus", "distribution", "reliability", "examples", "disagreement")
_NO_BASELINES = Validation(None, [], [], [])


def score_model(
    model: str | Path,
    testset: str | Path,
    out: str | Path | None,
    settings: ScoreSettings,
    *,
    progress: Progress | None = None,
) -> Score:
    """Score a model on simulated images, beside nulls and a tuned classical method on the same images.

    Parameters
    ----------
    model : str or Path
        Folder of a model, or the name of one of the zoo.
    testset : str or Path
        Folder of images, or of a dataset, whose test images are meant.
    out : str, Path or None
        Folder for scores.csv, images.csv, figures and provenance.json; None for `choose_out`.
    settings : ScoreSettings
        How many images, threshold, what to tune on, …
    progress : callable or None
        Told (what is going on, done, total).

    Returns
    -------
    Score
        The summary, one row a method, and where everything is.

    Raises
    ------
    SettingsError
        If a setting is impossible, the test set itself is to be tuned on, or the folder holds something else.
    DataError
        If the model does not fit the test set, or true columns are not there.
    CalibrationError
        If a pixel size is missing.
    ReadError, WriteError
        If model or test set are broken, or the folder cannot be written.
    """
    tell = progress or _no_progress
    folder = Path(out) if out is not None else choose_out(model, testset)
    mine = _check_folder(folder)
    shots = Shots(find_images(testset, "test"))
    lookers = _open_models([model, *settings.other], shots, settings)
    chosen = shots.choose(settings.limit)
    if not settings.baselines and settings.tune_on is None:
        validation = _NO_BASELINES
    else:
        tell("reading images to tune on", 0, 1)
        validation = open_validation(shots, settings.tune_on, limit=settings.tune_limit, seed=settings.seed)
    field = _set_up(shots, chosen, lookers, validation, settings, tell)
    for done, shot in enumerate(chosen, start=1):
        field.score(shot)
        tell("scoring images", done, len(chosen))
    score = summarise(field, folder, settings)
    if mine:
        _remove_figures(folder)
    write_score(score, field, settings)
    draw_scores(
        score.images,
        score.reliability,
        folder,
        headline=field.judge.headline,
        ranges=lookers[0].trained.card.ranges,
    )
    examples = _examples(field)
    draw_examples(examples, folder, headline=field.judge.headline)
    if len(lookers) > 1:
        draw_disagreement(examples, folder, headline=field.judge.headline)
    return score


def choose_out(model: str | Path, testset: str | Path) -> Path:
    """Choose the folder of a score where none was given: beside the model, or here for one of the zoo.

    Parameters
    ----------
    model, testset : str or Path
        As `score_model` takes them.

    Returns
    -------
    Path
        score-MODEL-TESTSET, beside the model where that is a folder.

    Examples
    --------
    >>> choose_out("au-ceo2-mask", "sets/au").name
    'score-au-ceo2-mask-au'
    """
    folder = Path(testset).resolve()
    name = folder.name
    if (folder / "images.zarr").exists():
        several = "" if name == _USUAL else f"-{name}"
        name = f"{folder.parents[1].name}{several}"
    if Path(model).is_dir():
        path = Path(model).resolve()
        return path.parent / f"score-{path.name}-{name}"
    return Path(f"score-{Path(model).name}-{name}")


def _check_folder(folder: Path) -> bool:
    """Say whether a folder holds an earlier score; refuse one that holds something else, or is none."""
    check_folder(folder)
    for name in _OF_OTHERS:
        if (folder / name).exists():
            raise SettingsError(f"{folder}: holds what another command made ({name}); choose another folder")
    path = folder / "provenance.json"
    if not path.exists():
        return False
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or not {"testset", "models"} <= record.keys():
        raise SettingsError(f"{folder}: holds what another command made ({path.name}); choose another folder")
    return True


def _remove_figures(folder: Path) -> None:
    """Take away the figures of an earlier score, not all of which another score has."""
    with write_errors(folder):
        (folder / "reliability.csv").unlink(missing_ok=True)
        for name in _FIGURES:
            for ending in ("png", "svg"):
                (folder / f"{name}.{ending}").unlink(missing_ok=True)


def _open_models(models: Sequence[str | Path], shots: Shots, settings: ScoreSettings) -> list[Looker]:
    lookers = []
    for one in models:
        trained = load_model(one)
        check_fit(trained, shots.task, shots.folder)
        lookers.append(Looker(trained, Predictor(trained, runtime=settings.runtime)))
    return lookers


def _set_up(
    shots: Shots,
    chosen: list[Shot],
    lookers: list[Looker],
    validation: Validation,
    settings: ScoreSettings,
    tell: Progress,
) -> Field:
    names: dict[str, Looker] = {}
    for looker in lookers:
        name, number = looker.trained.card.name, 2
        while name in names:
            name, number = f"{looker.trained.card.name} ({number})", number + 1
        names[name] = looker
    classical, nulls = None, None
    if settings.baselines:
        if validation.images:
            tell("tuning the classical method", 0, 1)
        classical = tune_classical(
            shots, validation, told=lambda done, total: tell("tuning the classical method", done, total)
        )
        nulls = make_nulls(shots, chosen, validation, seed=settings.seed)
    tell("fitting the temperature", 0, 1)
    calibration = CalibrationCount(shots.task, lookers[0], validation, seed=settings.seed)
    judges = [_choose_judge(looker, shots, settings) for looker in lookers]
    field = Field(shots, chosen, names, judges[0], calibration, nulls, classical, validation, settings)
    field.judges.update(zip(names, judges, strict=True))
    return field


def _choose_judge(looker: Looker, shots: Shots, settings: ScoreSettings) -> Judge:
    """Choose what judges a model: at the threshold that was asked for, or at its own."""
    return choose_judge(
        shots.task,
        spotsize_A=shots.spotsize_A,
        threshold=choose_reading(looker.trained, threshold=settings.threshold).threshold,
        boundary_A=settings.boundary,
    )


def _examples(field: Field) -> list[dict[str, Any]]:
    """Look again at the best, the median and the worst image."""
    rows, headline = [row for row in field.rows if row["method"] == field.name], field.judge.headline
    best_first = sorted(rows, key=lambda row: row[headline], reverse=field.judge.headline != "rmse")
    by_row = {shot.drawn["row"]: shot for shot in field.chosen}
    examples = []
    for name, row in (
        ("best", best_first[0]),
        ("median", best_first[len(best_first) // 2]),
        ("worst", best_first[-1]),
    ):
        image, truth = field.shots.read(by_row[row["row"]])
        seen = [look(image, truth.sampling_A) for look in field.lookers.values()]
        maps = seen[0]
        found = field.judge.find(maps, truth.sampling_A)
        deviation = map_disagreement(seen)[0] if len(seen) > 1 else None
        examples.append(
            {
                "name": name,
                "score": row[headline],
                "drawn": by_row[row["row"]].drawn,
                "image": image[0],
                "truth": truth.label,
                "maps": maps,
                "disagreement": deviation,
                "sampling_A": truth.sampling_A,
                **_matched(truth, found),
                "background": field.shots.task.has_background,
                "classes": field.shots.task.channels[: -1 if field.shots.task.has_background else None],
            }
        )
    return examples


def _matched(truth: Truth, found: Found) -> dict[str, Any]:
    """Tell which columns are right; nothing where there are none."""
    columns = (truth.xy_A, truth.classes, found.xy_A, found.classes)
    if any(array is None for array in columns):
        return {}
    true_xy_A, true_class, found_xy_A, found_class = map(np.asarray, columns)
    pairs, _ = match_columns(found_xy_A, found_class, true_xy_A, true_class)
    right_found, right_true = np.zeros(len(found_xy_A), bool), np.zeros(len(true_xy_A), bool)
    right_found[pairs[:, 0]], right_true[pairs[:, 1]] = True, True
    return {
        "true": (true_xy_A, true_class, right_true),
        "found": (found_xy_A, found_class, right_found),
    }


def _no_progress(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
