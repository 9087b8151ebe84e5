"""Publication II's study for a model of masks: what it finds as the dose falls, and where it fails."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..base.blocks import Runner, run_serial
from ..base.errors import DataError
from ..base.seeds import generator
from ..files.atomic import atomic_file
from ..files.journal import Journal, read_journal
from ..generate.detector import detect
from ..learn.baselines import mask_f1
from ..learn.classical import ClassicalMasks, tune_masks
from ..learn.dose_series import dose_series
from ..learn.model_files import load_model
from ..learn.predict import Predictor, choose_sampling
from ..learn.reading import choose_reading
from ..learn.trained import TrainedModel
from ..report.dose_limit import draw_dose_examples, draw_dose_limit
from .dose_study.null import NULL, null_rows
from .dose_study.scenes import Scene, Systems, find_systems, form_scene, read_microscope
from .dose_study.settings import DoseLimitSettings
from .dose_study.summary import sum_up
from .scoring.images import evenly, outside_trained
from .scoring.tables import card_sha256, write_table
from .simulating.parameters import ImageParameters

Progress = Callable[[str, int, int], None]
Segment = Callable[[np.ndarray, float], np.ndarray]
_CLASSICAL = "tuned classical"
_EXAMPLES = 6
_DOSES_TO_TUNE_AT = 4
_COLUMNS = ("dose_e_per_A2", "repeat", "area", "recall", "f1", "false_area")


@dataclass(frozen=True)
class DoseStudy:
    """What the study found.

    Parameters
    ----------
    folder : Path
        Where doselimit.csv, summary.json and the figures are.
    rows : list of dict
        One row a method, system, dose and repeat.
    limits : dict from method to dict
        half and full dose with bounds, false_area, and by_dose, one row a dose.
    notes : list of str
        What a user should know, one sentence each.
    """

    folder: Path
    rows: list[dict[str, Any]]
    limits: dict[str, dict[str, Any]]
    notes: list[str]


def study_dose(
    model: str | Path,
    out: str | Path,
    settings: DoseLimitSettings,
    *,
    runner: Runner = run_serial,
    progress: Progress | None = None,
) -> DoseStudy:
    """Find the doses where a model of masks, a classical method and a null mark half and all of a particle.

    Parameters
    ----------
    model : str or Path
        Folder of a model, or the name of one of the zoo.
    out : str or Path
        Folder of the study; systems and dose series that are there are kept.
    settings : DoseLimitSettings
        Systems, doses, threshold, …
    runner : Runner
        Where systems are simulated.
    progress : callable or None
        Told (what is going on, done, total).

    Returns
    -------
    DoseStudy
        Limits, and where everything is.

    Raises
    ------
    DataError
        If the model finds no masks, or takes series.
    SettingsError
        If a setting is impossible.
    ReadError, WriteError
        If something is broken, or cannot be written.

    References
    ----------
    Publication II; thesis, 4.2.
    """
    tell = progress or _no_progress
    trained = load_model(model)
    _check_model(trained)
    doses, parameters, out = settings.chosen_doses(), read_microscope(settings), Path(out)
    systems, others = find_systems(settings, out, runner=runner, told=tell)
    predictor = Predictor(trained, runtime=settings.runtime)
    threshold = choose_reading(trained, threshold=settings.threshold).threshold
    methods: dict[str, tuple[str, Segment]] = {
        trained.card.name: (
            f"{trained.fingerprint} {threshold}",
            lambda image, step: predictor(image, sampling_A=step)[..., 0] > threshold,
        )
    }
    classical = None
    if settings.baselines and others is not None:
        classical = _tune(others, parameters, doses, settings, tell)
        tuned = classical
        methods[_CLASSICAL] = (str(tuned), lambda image, step: tuned(image, sampling_A=step))
    rows: list[dict[str, Any]] = []
    drawn: dict[int, dict[str, Any]] = {}
    truths: dict[int, np.ndarray] = {}
    with Journal(out / "series.jsonl") as journal:
        kept = {record["key"]: record for record in read_journal(out / "series.jsonl")}
        for done, number in enumerate(systems.numbers, start=1):
            scene = form_scene(systems, number, parameters, seed=settings.seed)
            drawn[number], truths[number] = scene.drawn, scene.mask
            for method, (identity, segment) in methods.items():
                key = _series_key(identity, scene, doses, settings)
                if key not in kept:
                    series = _series(scene, segment, doses, settings)
                    kept[key] = {"key": key, "method": method, "system": number, "rows": series}
                    journal.add(kept[key])
                rows += _with_names(method, number, kept[key]["rows"])
            tell("dose series of systems", done, len(systems.numbers))
    if settings.baselines:
        rows += null_rows(truths, doses)
    known = dict.fromkeys(row["method"] for row in rows)
    limits = {method: sum_up(rows, method, seed=settings.seed) for method in known}
    study = DoseStudy(out, rows, limits, _notes(trained, drawn, settings, classical))
    _write(study, trained, classical, drawn, settings)
    draw_dose_limit(limits, out, nulls=(NULL,))
    example = form_scene(systems, _typical(limits[trained.card.name]), parameters, seed=settings.seed)
    draw_dose_examples(_examples(example, methods, doses, settings), out)
    return study


def choose_study_folder(model: str | Path) -> Path:
    """Choose the folder of a study where none was given: beside the model, or here for one of the zoo.

    Parameters
    ----------
    model : str or Path
        As `study_dose` takes it.

    Returns
    -------
    Path
        doselimit beside the model's folder, or doselimit-MODEL.

    Examples
    --------
    >>> choose_study_folder("au-ceo2-mask").name
    'doselimit-au-ceo2-mask'
    """
    if Path(model).is_dir():
        return Path(model).resolve().parent / f"doselimit-{Path(model).resolve().name}"
    return Path(f"doselimit-{Path(model).name}")


def _check_model(trained: TrainedModel) -> None:
    card = trained.card
    if card.label != "Mask":
        raise DataError(f"{card.name} finds {card.label}; the study of dose needs a model of masks")
    if trained.spec.in_channels != 1:
        raise DataError(
            f"{card.name} takes a focal series of {trained.spec.in_channels} images; the study of dose needs "
            "a model of single images"
        )


def _tune(
    systems: Systems,
    parameters: ImageParameters,
    doses: list[float],
    settings: DoseLimitSettings,
    tell: Progress,
) -> ClassicalMasks:
    """Tune the classical method on other systems at some of the doses, and on empty frames."""
    images, masks, samplings_A = [], [], []
    for number in systems.numbers:
        scene = form_scene(systems, number, parameters, seed=settings.seed)
        for step, dose in enumerate(evenly(doses, _DOSES_TO_TUNE_AT)):
            rng = generator(settings.seed, "tune", number, step)
            camera = replace(scene.camera, dose_e_per_A2=dose)
            images.append(detect(rng, scene.image, sampling_A=scene.sampling_A, detector=camera))
            masks.append(scene.mask)
            samplings_A.append(scene.sampling_A)
            if step == number % _DOSES_TO_TUNE_AT:
                vacuum = np.ones_like(scene.image)
                images.append(detect(rng, vacuum, sampling_A=scene.sampling_A, detector=camera))
                masks.append(np.zeros_like(scene.mask))
                samplings_A.append(scene.sampling_A)
    return tune_masks(images, masks, samplings_A, told=partial(tell, "tuning the classical method"))


def _series(
    scene: Scene, segment: Segment, doses: list[float], settings: DoseLimitSettings
) -> dict[str, list[float]]:
    rows = dose_series(
        lambda image: segment(image, scene.sampling_A),
        scene.image,
        scene.mask,
        doses,
        rng=generator(settings.seed, "noise", scene.system),
        sampling_A=scene.sampling_A,
        camera=scene.camera,
        repeats=settings.repeats,
    )
    return {name: [float(value) for value in rows[name]] for name in _COLUMNS}


def _series_key(identity: str, scene: Scene, doses: list[float], settings: DoseLimitSettings) -> str:
    """Say by a hash what a series depends on: method, image, camera, doses, noise."""
    digest = hashlib.sha256(np.ascontiguousarray(scene.image).tobytes())
    rest = [identity, str(scene.camera), doses, settings.repeats, settings.seed, scene.system]
    digest.update(json.dumps(rest).encode())
    return digest.hexdigest()[:24]


def _with_names(method: str, system: int, series: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    return [
        {"method": method, "system": system, **dict(zip(_COLUMNS, values, strict=True))}
        for values in zip(*(series[name] for name in _COLUMNS), strict=True)
    ]


def _typical(limits: Mapping[str, Any]) -> int:
    """Choose the system whose dose of half the area is the median one."""
    by_system = limits["half_of_systems"]
    ranked = sorted(by_system, key=lambda system: by_system[system] or math.inf)
    return int(ranked[len(ranked) // 2])


def _examples(
    scene: Scene,
    methods: Mapping[str, tuple[str, Segment]],
    doses: list[float],
    settings: DoseLimitSettings,
) -> list[dict[str, Any]]:
    examples = []
    for number, dose in enumerate(evenly(doses, _EXAMPLES)):
        camera = replace(scene.camera, dose_e_per_A2=dose)
        rng = generator(settings.seed, "example", number)
        image = detect(rng, scene.image, sampling_A=scene.sampling_A, detector=camera)
        masks = {name: segment(image, scene.sampling_A) for name, (_, segment) in methods.items()}
        examples.append(
            {
                "dose_e_per_A2": dose,
                "image": image,
                "truth": scene.mask,
                "masks": masks,
                "f1": {name: mask_f1(scene.mask, mask) for name, mask in masks.items()},
                "sampling_A": scene.sampling_A,
            }
        )
    return examples


def _notes(
    trained: TrainedModel,
    drawn: Mapping[int, Mapping[str, Any]],
    settings: DoseLimitSettings,
    classical: ClassicalMasks | None,
) -> list[str]:
    notes = []
    card = trained.card
    names = [name for one in drawn.values() for name in outside_trained(trained, one)]
    beyond = [f"{name} of {names.count(name)}" for name in sorted(set(names)) if name != "dose_e_per_A2"]
    if beyond:
        notes.append(
            f"outside of what {card.name} was trained on, of {len(drawn)} systems: {', '.join(beyond)}"
        )
    samplings_A = {float(one["sampling_A"]) for one in drawn.values()}
    seen_A = {choose_sampling(trained, sampling_A) for sampling_A in samplings_A} - samplings_A
    if seen_A:
        notes.append(f"frames were resampled to {min(seen_A):.3g} Å, which {card.name} was trained on")
    if not settings.baselines:
        notes.append("neither a null nor a classical method was studied (--no-baselines)")
        return notes
    if len(drawn) > 1:
        notes.append(
            f"{NULL}: marks where the other particles are without a look at the image; its area is about "
            "right on average, so that an area counts only with F1 beside it"
        )
    else:
        notes.append("no null: one system has no others to take the mean of; give --count 2 or more")
    if classical is None:
        notes.append("no classical method: the dataset has no other systems to tune on")
    return notes


def _write(
    study: DoseStudy,
    trained: TrainedModel,
    classical: ClassicalMasks | None,
    drawn: Mapping[int, Mapping[str, Any]],
    settings: DoseLimitSettings,
) -> None:
    write_table(study.folder / "doselimit.csv", study.rows)
    record = {
        "made_with": {name: version(name) for name in ("temflux", "abtem", "numpy", "scipy")},
        "model": {
            "name": trained.card.name,
            "version": trained.card.version,
            "fingerprint": trained.fingerprint,
            "card_sha256": card_sha256(trained.card),
        },
        "classical": None if classical is None else {"method": str(classical), "score": classical.score},
        "settings": json.loads(settings.model_dump_json()),
        "microscopes": {str(system): values for system, values in drawn.items()},
        "limits": study.limits,
        "notes": study.notes,
    }
    with atomic_file(study.folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _no_progress(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
