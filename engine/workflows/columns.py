"""Columns: a movie in; every atomic column's place, intensity and hops over time out."""

from __future__ import annotations

import json
import platform
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..base.blocks import Block, Runner, plan_blocks, run_serial
from ..base.errors import DataError, SettingsError
from ..base.stack import Stack
from ..base.tables import Columns
from ..files.atomic import replace_folder
from ..files.read import open_movie
from ..learn.model_files import load_model
from ..report.writing import write_csv, write_record, write_whole_table
from .locating.evidence import MeasureSites, Sites
from .locating.frames import FindColumns
from .locating.motion import particle_motion
from .locating.network import Places, predict_places
from .locating.report import show_beside_tracks, write_figures
from .locating.settings import BLOBS, ColumnsSettings
from .locating.sizing import Sizing, in_pixels, say_limit, say_too_few, size_columns
from .locating.tables import LinkedColumns, MovieAxes, link_all
from .resumable import KeptOnDisk, claim_folder
from .tracking.finished import TrackedMovie, open_tracked
from .tracking.tables import frame_times

Progress = Callable[[str, int, int], None]

FRAMES_PER_BLOCK = 16
RECORD = "columns.json"
_READABLE = "readable_frames.csv"
_LIBRARIES = ("numpy", "scipy", "pandas")


@dataclass(frozen=True)
class ColumnsResult:
    """A movie's atomic columns; the same tables lie in `folder`.

    Parameters
    ----------
    folder : Path
        Folder of the outputs: columns.csv and .parquet, hops.csv, column_counts.csv, lattices.csv, figures/
        and the record.
    columns, hops, counts, lattices : pandas.DataFrame
        One row per column and frame; per hop; per frame and class; per frame with a lattice.
    notes : tuple of str
        What a user should know of assumptions made and frames not used.
    facts : mapping
        Spacing, and rates of hops with their limits.
    provenance : mapping
        Version, settings, input, what was looked for.
    """

    folder: Path
    columns: pd.DataFrame
    hops: pd.DataFrame
    counts: pd.DataFrame
    lattices: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]


def follow_columns(
    source: str | Path | Stack | None,
    out: str | Path | None = None,
    settings: ColumnsSettings | None = None,
    *,
    after: str | Path | None = None,
    runner: Runner = run_serial,
    progress: Progress | None = None,
    frames_per_block: int = FRAMES_PER_BLOCK,
) -> ColumnsResult:
    """Find a movie's atomic columns, fit them to its counts, and follow them through its frames.

    Parameters
    ----------
    source : path or Stack, or None
        A movie's file or folder, or a movie already opened; None takes the one that `after` tracked.
    out : path or None
        Folder of the results, written whole or not at all; not needed with `after`.
    settings : ColumnsSettings or None
        Defaults where None.
    after : path or None
        Folder of the movie's tracked particles: columns outside of them are left out, the others bear their
        particle's number, and results go beside the tracking and into its page.
    runner : callable
        Runs a function over blocks of frames: serially or in processes; the result is the same.
    progress : callable or None
        Called with the stage's name, frames done and frames in all.
    frames_per_block : int
        Frames that a worker takes at a time; the result does not depend on it.

    Returns
    -------
    ColumnsResult
        Tables in memory, everything in the result's folder.

    Raises
    ------
    TemfluxError
        If movie or model cannot be used, no column stands out of the noise, or results cannot be written.

    Notes
    -----
    Blobs are tested against the noise (`measure.columns.blobs`), fitted by maximum likelihood
    (`measure.columns.fit`), tested on counts held out (`measure.columns.likelihood`), linked
    (`measure.columns.tracks`) and held against a lattice (`measure.columns.strain`).
    """
    settings = settings or ColumnsSettings()
    tracked = None if after is None else open_tracked(after)
    stack = _open(source, settings, tracked)
    folder = _choose_folder(out, tracked)
    work = folder.with_name(f".{folder.name}.columns-work")
    claim_folder(work, _work_key(stack, settings, tracked))
    watch = progress or _no_progress
    places = None
    if settings.model != BLOBS:
        places = predict_places(stack, settings, work / "predicted", watch)
    sizing = size_columns(stack, settings, None if places is None else places.columns)
    labels = None if tracked is None else tracked.folder / "labels.zarr"
    per_block = FindColumns(stack, settings, sizing, None if places is None else places.columns, labels)
    found, checks = _find(per_block, work / "columns", runner, watch, frames_per_block)
    if len(found["frame"]) == 0:
        raise DataError(say_too_few(stack, settings, sizing))
    axes = _axes(stack, checks, places, tracked)
    spacing_px = in_pixels(stack, settings, "spacing")
    classes = () if places is None else places.classes
    linked = link_all(
        found,
        axes,
        spacing_px=spacing_px,
        memory=settings.memory,
        classes=classes,
        motion_px=None if tracked is None else particle_motion(tracked, found),
        measure=partial(_measure, per_block, work / "sites", runner, watch, frames_per_block),
    )
    notes = _notes(stack, settings, sizing, places, linked, checks)
    provenance = _provenance(stack, settings, sizing, places, tracked)
    provenance |= {"found": linked.facts, "notes": list(notes)}
    result = folder if tracked is not None else work / "result"
    _write(result, linked, provenance, RECORD if tracked is not None else "provenance.json")
    pictures = write_figures(result, stack, linked)
    if tracked is not None:
        show_beside_tracks(result, pictures, linked, notes)
    else:
        replace_folder(result, folder)
    shutil.rmtree(work, ignore_errors=True)
    tables = (linked.columns, linked.hops, linked.counts, linked.lattices)
    return ColumnsResult(folder, *tables, notes, linked.facts, provenance)


def _find(
    per_block: FindColumns, work: Path, runner: Runner, progress: Progress, frames_per_block: int
) -> tuple[Columns, Columns]:
    """Find the columns of all frames that are wanted; blocks done before a stop are not done again."""
    chosen = per_block.settings.chosen_frames(per_block.stack.n_frames)
    kept = KeptOnDisk(per_block, work)
    blocks = [
        Block(block.start + chosen.start, block.stop + chosen.start, block.halo_start + chosen.start)
        for block in plan_blocks(len(chosen), frames_per_block=frames_per_block, halo=1)
    ]
    done = 0
    progress("finding columns", 0, len(chosen))
    for block in runner(kept, blocks):
        done += block.stop - block.start
        progress("finding columns", done, len(chosen))
    return kept.load_all(blocks, "columns"), kept.load_all(blocks, "checks")


def _measure(
    found_by: FindColumns, work: Path, runner: Runner, progress: Progress, frames_per_block: int, sites: Sites
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the amplitudes at sites, and their errors; NaN where a frame could not be read."""
    shutil.rmtree(work, ignore_errors=True)
    n_frames = found_by.stack.n_frames
    blocks, done = plan_blocks(n_frames, frames_per_block=frames_per_block), 0
    kept = KeptOnDisk(MeasureSites(found_by.stack, found_by.sizing, sites), work)
    progress("looking at the sites of hops", 0, n_frames)
    for block in runner(kept, blocks):
        done += block.stop - block.start
        progress("looking at the sites of hops", done, n_frames)
    measured = kept.load_all(blocks, "sites")
    amplitude, error = np.full((2, len(sites.frame)), np.nan)
    amplitude[measured["row"]], error[measured["row"]] = measured["amplitude"], measured["error"]
    return amplitude, error


def _open(
    source: str | Path | Stack | None, settings: ColumnsSettings, tracked: TrackedMovie | None
) -> Stack:
    """Open the movie; with tracking it must be the one that was tracked."""
    if isinstance(source, Stack):
        stack = source
    elif source is not None:
        stack = open_movie(source, dataset=settings.dataset, pixel_nm=settings.pixel_nm)
    elif tracked is not None:
        stack = tracked.open_movie()
    else:
        raise SettingsError("expected a movie, or --after with the folder of a tracked one; give either")
    if tracked is not None and source is not None:
        shape = tuple(tracked.provenance["shape"])
        if stack.shape != shape:
            raise SettingsError(
                f"{tracked.folder}: tracked a movie of shape {shape}, got one of {stack.shape}; give the one "
                "that was tracked"
            )
        if stack.fingerprint and stack.fingerprint != tracked.provenance["fingerprint"]:
            raise SettingsError(
                f"{tracked.folder}: tracked another movie than {stack.source}; give the one that was tracked"
            )
        times_s = tracked.times_s if stack.times_s is None else stack.times_s
        stack = replace(stack, pixel_nm=stack.pixel_nm or tracked.pixel_nm, times_s=times_s)
    return stack.with_calibration(pixel_nm=settings.pixel_nm, frame_s=settings.frame_s)


def _choose_folder(out: str | Path | None, tracked: TrackedMovie | None) -> Path:
    """Say where results go, and refuse to put them over something else."""
    if tracked is not None:
        return tracked.folder.absolute()
    if out is None:
        raise SettingsError("expected a folder for the results; give --out, or --after with a tracked movie")
    folder = Path(out).absolute()
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / "column_counts.csv").exists()
    ):
        raise SettingsError(f"{folder}: holds something else than columns; give another --out")
    return folder


def _axes(
    stack: Stack, checks: Mapping[str, np.ndarray], places: Places | None, tracked: TrackedMovie | None
) -> MovieAxes:
    looked_at, usable = checks["frame"], checks["usable"].astype(bool)
    if places is not None:
        # A focal series is named by its first frame.
        looked_at, usable = looked_at[:: places.n_images], usable[:: places.n_images]
    readable = None if tracked is None else _readable(tracked, stack.n_frames)
    return MovieAxes(looked_at[usable], looked_at, frame_times(stack), stack.pixel_nm, readable)


def _readable(tracked: TrackedMovie, n_frames: int) -> np.ndarray | None:
    """Read which frames can be read, as `temflux peaks` says, (T,) bool; None where it was not run."""
    there = (tracked.folder / _READABLE).exists()
    table = tracked.table(_READABLE) if there else tracked.frames
    if "readable" not in table:
        return None
    readable = np.zeros(n_frames, bool)
    readable[table["frame"].to_numpy(np.int64)] = table["readable"].fillna(False).to_numpy(bool)
    return readable


def _notes(
    stack: Stack,
    settings: ColumnsSettings,
    sizing: Sizing,
    places: Places | None,
    linked: LinkedColumns,
    checks: Mapping[str, np.ndarray],
) -> tuple[str, ...]:
    unusable = int((~checks["usable"].astype(bool)).sum())
    notes = [*stack.notes, *stack.unknown, *sizing.notes, *linked.notes]
    if unusable:
        notes.append(f"{unusable} frame{'s' if unusable > 1 else ''} blank or unreadable: no columns in them")
    if places is not None:
        notes += places.notes
        if places.n_images > 1:
            notes.append(
                f"series of {places.n_images} images are named by their first, which fits are made to"
            )
    empty = len(np.setdiff1d(linked.counts["frame"], linked.columns["frame"])) - unusable
    if empty > 0 and places is None:
        notes.append(f"{empty} frame{'s' if empty > 1 else ''} in which no column stands out of the noise")
        if 2 * empty > len(np.unique(linked.counts["frame"])):
            notes.append(say_limit(stack, settings, sizing))
    return tuple(dict.fromkeys(notes))


def _write(folder: Path, linked: LinkedColumns, provenance: Mapping[str, Any], record: str) -> None:
    write_whole_table(folder / "columns.csv", linked.columns)
    write_csv(folder / "hops.csv", linked.hops)
    write_csv(folder / "column_counts.csv", linked.counts)
    if len(linked.lattices):
        write_csv(folder / "lattices.csv", linked.lattices)
    write_record(folder / record, provenance)


def _work_key(stack: Stack, settings: ColumnsSettings, tracked: TrackedMovie | None) -> dict[str, Any]:
    """Say what half-done work must agree in to be gone on with; frames in memory never are the same."""
    return {
        "version": version("temflux"),
        "source": stack.source,
        "fingerprint": stack.fingerprint or uuid.uuid4().hex,
        "pixel_nm": stack.pixel_nm,
        "settings": settings.model_dump(mode="json"),
        "model": "" if settings.model == BLOBS else load_model(settings.model).fingerprint,
        "after": None if tracked is None else json.dumps(tracked.provenance, sort_keys=True),
    }


def _provenance(
    stack: Stack,
    settings: ColumnsSettings,
    sizing: Sizing,
    places: Places | None,
    tracked: TrackedMovie | None,
) -> dict[str, Any]:
    return {
        "temflux": version("temflux"),
        "source": stack.source,
        "fingerprint": stack.fingerprint,
        "shape": list(stack.shape),
        "dtype": str(stack.dtype),
        "pixel_nm": stack.pixel_nm,
        "settings": settings.model_dump(mode="json"),
        "looked_for": sizing.describe(),
        "model": None if places is None else places.origin,
        "after": None if tracked is None else str(tracked.folder),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
