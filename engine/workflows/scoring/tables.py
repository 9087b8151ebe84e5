"""What scoring found, as tables: one row a method, one row an image and method, and where it came from."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...base.seeds import generator
from ...files.atomic import atomic_file
from .calibration import summarise_disagreement
from .field import Field
from .settings import ScoreSettings

# What a short table shows of a method, by the kind of label.
_SHOWN = {
    "f1": {
        "f1": "pixel F1",
        "iou": "IoU",
        "boundary_f1": "boundary",
        "instance_f1": "instances",
        "false_area": "false area",
    },
    "atomic_f1": {
        "atomic_f1": "atomic F1",
        "perfect_share": "perfect",
        "atomic_f1_p10": "10th pct.",
        "detection_f1": "any class",
        "position_rms_A": "rms [Å]",
    },
    "rmse": {"rmse": "RMSE", "median_rmse": "median RMSE"},
}


@dataclass(frozen=True)
class Score:
    """What scoring found.

    Parameters
    ----------
    folder : Path
        Where the tables and figures are.
    methods : list of dict
        One row a method and set of images: method, images_of, n_images, scores with bounds.
    images : list of dict
        One row an image and method.
    reliability : list of dict
        Bins of the model's probabilities; none where it gives none.
    calibration, disagreement : dict of float
        Calibration errors and temperature; differences to other models.
    notes : list of str
        What a user should know, one sentence each.
    headings : dict from name to str
        Scores of the short table, and what they are called.
    """

    folder: Path
    methods: list[dict[str, Any]]
    images: list[dict[str, Any]]
    reliability: list[dict[str, float]]
    calibration: dict[str, float]
    disagreement: dict[str, float]
    notes: list[str]
    headings: dict[str, str]


def summarise(field: Field, folder: Path, settings: ScoreSettings) -> Score:
    """Sum up over images: each method on all it saw, the model inside and outside of its ranges as well.

    Parameters
    ----------
    field : Field
        All that was scored.
    folder : Path
        Where it is to be written.
    settings : ScoreSettings
        Seed of the intervals.

    Returns
    -------
    Score
        Nothing is written yet.
    """
    methods = []
    by_method: dict[str, list[dict[str, Any]]] = {}
    for row in field.rows:
        by_method.setdefault(row["method"], []).append(row)
    mine = by_method[field.name]
    sets: list[tuple[str, str, list[dict[str, Any]]]] = [
        (method, "all", rows) for method, rows in by_method.items()
    ]
    inside = [row for row in mine if not row["outside_trained"]]
    if 0 < len(inside) < len(mine):
        beyond = [row for row in mine if row["outside_trained"]]
        sets[1:1] = [(field.name, "inside", inside), (field.name, "outside", beyond)]
    seen = {row["row"] for row in by_method.get("tuned classical", [])}
    if 0 < len(seen) < len(mine):
        sets.insert(1, (field.name, "those of classical", [row for row in mine if row["row"] in seen]))
    for method, images_of, rows in sets:
        groups = np.array([row["system"] for row in rows])
        rng = generator(settings.seed, "bootstrap")
        scores = field.judge.summarise(rows, groups, rng)
        methods.append({"method": method, "images_of": images_of, "n_images": len(rows), **scores})
    return Score(
        folder,
        methods,
        field.rows,
        field.calibration.table(),
        field.calibration.summarise(),
        summarise_disagreement(mine, field.judge.headline),
        _notes(field, mine, len(inside), seen),
        _SHOWN[field.judge.headline],
    )


def write_score(score: Score, field: Field, settings: ScoreSettings) -> None:
    """Write scores.csv, images.csv, reliability.csv and provenance.json.

    Parameters
    ----------
    score : Score
        What was found.
    field : Field
        What was scored.
    settings : ScoreSettings
        How.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    write_table(score.folder / "scores.csv", score.methods)
    write_table(score.folder / "images.csv", score.images)
    if score.reliability:
        write_table(score.folder / "reliability.csv", score.reliability)
    classical = field.classical
    record = {
        "made_with": {name: version(name) for name in ("temflux", "numpy", "scipy")},
        "models": {
            name: {
                "name": looker.trained.card.name,
                "version": looker.trained.card.version,
                "fingerprint": looker.trained.fingerprint,
                "card_sha256": card_sha256(looker.trained.card),
            }
            for name, looker in field.lookers.items()
        },
        "testset": {
            "folder": str(field.shots.folder),
            "sha256": file_sha256(field.shots.folder / "images.jsonl"),
            "images": len(field.chosen),
            "of": len(field.shots.shots),
        },
        "tuned_on": {"folder": str(field.validation.folder), "images": len(field.validation.images)}
        if field.validation.images
        else None,
        "classical": classical.describe() if classical else None,
        "settings": json.loads(settings.model_dump_json()),
        "calibration": score.calibration,
        "disagreement": score.disagreement,
        "notes": score.notes,
    }
    with atomic_file(score.folder / "provenance.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    r"""Write rows as a CSV file whose columns are those of any row, in the order in which they come.

    Parameters
    ----------
    path : Path
        The file.
    rows : sequence of dict
        Numbers and text; what a row lacks, and NaN, is left empty.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> write_table(path, [{"a": 1}, {"a": 0.25, "b": float("nan")}])
    >>> path.read_text()
    'a,b\n1,\n0.25,\n'
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in rows)


def card_sha256(card: Any) -> str:
    """Compute the sha256 of a model's card.

    Parameters
    ----------
    card : ModelCard
        The card.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(card.as_json(), sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file's bytes; of none, an empty text."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _notes(field: Field, mine: list[dict[str, Any]], n_inside: int, seen: set[int]) -> list[str]:
    notes = []
    if n_inside < len(mine):
        names = sorted({name for row in mine for name in row["outside_trained"].split(";") if name})
        notes.append(
            f"{len(mine) - n_inside} of {len(mine)} images lie outside of what {field.card.name} was trained "
            f"on ({', '.join(names)}); images.csv says which, rows inside and outside tell them apart"
        )
    takes = field.lookers[field.name].trained.spec.in_channels
    if takes < field.shots.task.in_channels:
        notes.append(
            f"{field.card.name} takes {takes} of the {field.shots.task.in_channels} images of a series"
        )
    if not field.settings.baselines:
        notes.append("no baselines were scored (--no-baselines); a score alone says little")
    elif field.classical is None and field.validation.images:
        notes.append(f"there is no classical method for {field.shots.task.label} here")
    elif field.classical is None:
        notes.append(
            "no classical method and no temperature: the test set has no train images beside it, give "
            "--tune-on DATASET"
        )
    if 0 < len(seen) < len(mine):
        notes.append(
            f"the classical method was scored on {len(seen)} of {len(mine)} images (--baseline-limit); the "
            'row "those of classical" is the model on the same'
        )
    return notes
