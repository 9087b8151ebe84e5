"""The commands that judge: scores of models on simulated images, and the doses where they fail."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from temflux.engine.workflows.dose_limit import choose_study_folder, study_dose
from temflux.engine.workflows.dose_study.settings import DoseLimitSettings
from temflux.engine.workflows.score import score_model
from temflux.engine.workflows.scoring.settings import ScoreSettings

from .exit_codes import GOOD
from .progress import StageProgress
from .quiet import quieten_tensorflow
from .runner import process_runner, usable_jobs
from .words import count, flag, note, say


def score(
    model: str,
    testset: Path,
    /,
    *,
    out: Path | None = None,
    settings: Annotated[ScoreSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Score a model on simulated images, beside nulls and a tuned classical method.

    Parameters
    ----------
    model : str
        Folder of a model, or the name of one of the zoo.
    testset : Path
        Folder of a dataset, whose test images are meant, or of images.
    out : Path or None
        Folder for tables and figures; score-MODEL-TESTSET, beside the model where that is a folder, where
        not given.
    settings : ScoreSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    quieten_tensorflow()
    console = Console()
    began = time.perf_counter()
    with StageProgress(console) as progress:
        result = score_model(model, testset, out, settings or ScoreSettings(), progress=progress)
    _print_table(console, result.methods, result.headings)
    if result.calibration:
        say(console, _in_words(result.calibration))
    if result.disagreement:
        say(console, _in_words(result.disagreement))
    for line in result.notes:
        note(console, line)
    seconds = time.perf_counter() - began
    line = f"{count(result.methods[0]['n_images'], 'image')} in {seconds:.0f} s: {result.folder}"
    say(console, line)
    return GOOD


def doselimit(
    model: str,
    /,
    *,
    out: Path | None = None,
    jobs: int | None = None,
    settings: Annotated[DoseLimitSettings | None, Parameter(name="*", name_transform=flag)] = None,
) -> int:
    """Find the doses from which on a model of masks finds half and all of a particle.

    Parameters
    ----------
    model : str
        Folder of a model, or the name of one of the zoo.
    out : Path or None
        Folder of the study, which goes on where it was stopped; doselimit-MODEL where not given.
    jobs : int or None
        Processes that simulate systems; all cores where not given.
    settings : DoseLimitSettings or None
        The settings below.

    Returns
    -------
    int
        0.
    """
    quieten_tensorflow()
    console = Console()
    began = time.perf_counter()
    with StageProgress(console) as progress:
        study = study_dose(
            model,
            out or choose_study_folder(model),
            settings or DoseLimitSettings(),
            runner=process_runner(usable_jobs(jobs)),
            progress=progress,
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for words in ("method", "half the area", "full ±10 %", "F1 of 0.9", "F1", "false area"):
        table.add_column(words)
    for method, found in study.limits.items():
        limits = [_limit(found[name]) for name in ("half", "full", "f1_0.9")]
        f1 = f"{found['f1_lowest']:.2f} to {found['f1_highest']:.2f}"
        table.add_row(method, *limits, f1, f"{100 * found['false_area']:.2f} %")
    console.print(
        "doses [e⁻/Å²] from which on it finds, with bounds of 95 % over systems; F1 at the ends",
        markup=False,
        highlight=False,
    )
    console.print(table)
    for line in study.notes:
        note(console, line)
    systems = len({row["system"] for row in study.rows})
    line = f"{count(systems, 'system')} in {time.perf_counter() - began:.0f} s: {study.folder}"
    say(console, line)
    return GOOD


def _print_table(console: Console, rows: list[dict[str, Any]], headings: dict[str, str]) -> None:
    """Print one row a method; the first score with its interval over structures."""
    shown = {name: words for name, words in headings.items() if any(name in row for row in rows)}
    first = next(iter(shown))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True)
    table.add_column("images", justify="right", no_wrap=True)
    for name, words in shown.items():
        table.add_column(words, justify="right", no_wrap=name == first)
        if name == first:
            table.add_column("95 %", no_wrap=True)
    for row in rows:
        name = row["method"] if row["images_of"] == "all" else f"  {row['images_of']}"
        cells = [_number(row.get(score)) for score in shown]
        cells.insert(1, f"{_number(row.get(f'{first}_low'))} to {_number(row.get(f'{first}_high'))}")
        table.add_row(name, str(row["n_images"]), *cells)
    console.print(table)


def _limit(found: dict[str, Any]) -> str:
    """Write a dose with its bounds; what lies beyond the doses that were tried, by a sign."""
    highest = f"> {found['highest_e_per_A2']:,.0f}"
    if found["dose_e_per_A2"] is None:
        return highest
    sign = "≤ " if found["kind"] == "always" else ""
    dose = f"{sign}{_dose(found['dose_e_per_A2'])}"
    if "low" not in found:
        return dose
    low, high = (highest if found[name] is None else _dose(found[name]) for name in ("low", "high"))
    return f"{dose} ({low} to {high})"


def _dose(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _in_words(values: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values.items())
