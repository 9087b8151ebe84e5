"""Peaks: a tracked movie in; each particle's reflections over time, and which frames can be read, out."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..base.blocks import Block, Runner, plan_blocks, run_serial
from ..base.errors import CalibrationError, SettingsError
from ..base.stack import Stack
from ..base.tables import Columns, to_dataframe
from ..learn.trained import TrainedModel
from ..report.writing import write_csv, write_record, write_whole_table
from .following.absent import find_absent, with_absent
from .following.blocks import FollowReflections, Instances, MeasureAbsent, measure_noise
from .following.classes import classify_spectra, map_spectra, open_classifier
from .following.crystal import Crystal, open_crystal
from .following.maps import write_zone_axis_maps
from .following.notes import gather_notes
from .following.pairs import crystal_notes, pair_table, with_lattices, with_planes
from .following.report import put_peaks_section
from .following.settings import PeaksSettings
from .following.tables import (
    Calibration,
    frame_table,
    number_reflections,
    reflection_table,
    rotation_table,
    zone_axis_table,
)
from .predicting.notes import range_notes
from .resumable import KeptOnDisk, claim_folder
from .tracking.finished import TrackedMovie, open_tracked

Progress = Callable[[str, int, int], None]

FRAMES_PER_BLOCK = 16
# Every crystal has planes with spacings above this, so that there is something to hold reflections against.
_LONGEST_LEAST_D_NM = 0.1


@dataclass(frozen=True)
class PeaksResult:
    """What following the reflections of a movie gave; the same tables lie in `folder`.

    Parameters
    ----------
    folder : Path
        The movie's folder, which `track` made.
    reflections : pandas.DataFrame
        One row for each peak and frame, both members of a pair; where a lasting pair was not found its
        intensity is measured at the place where it would lie.
    pairs : pandas.DataFrame
        One row for each lasting pair: its mean place, lattice and candidate plane.
    zone_axis : pandas.DataFrame
        One row per particle and frame: scores, whether it can be read, and why not.
    rotation : pandas.DataFrame
        One row per particle.
    readable_frames : pandas.DataFrame
        One row per frame.
    notes : tuple of str
        What a user should know of assumptions made and wishes not met.
    provenance : mapping
        Version, settings, input, noise.
    """

    folder: Path
    reflections: pd.DataFrame
    pairs: pd.DataFrame
    zone_axis: pd.DataFrame
    rotation: pd.DataFrame
    readable_frames: pd.DataFrame
    notes: tuple[str, ...]
    provenance: Mapping[str, Any]


def follow_peaks(
    folder: str | Path | TrackedMovie,
    settings: PeaksSettings | None = None,
    *,
    runner: Runner = run_serial,
    progress: Progress | None = None,
    frames_per_block: int = FRAMES_PER_BLOCK,
) -> PeaksResult:
    """Follow the Fourier reflections of each particle of a tracked movie.

    Parameters
    ----------
    folder : str, Path or TrackedMovie
        The movie's folder within the output of `temflux track`, or what `open_tracked` gave.
    settings : PeaksSettings or None
        Defaults where None.
    runner : callable
        Runs a function over blocks of frames; the result is the same for any.
    progress : callable or None
        Called with the stage's name, frames done and frames in all.
    frames_per_block : int
        Frames that a worker takes at a time; the result does not depend on it.

    Returns
    -------
    PeaksResult
        The tables, which lie as reflections.csv (and .parquet), pairs.csv, zone_axis.csv, rotation.csv,
        readable_frames.csv, noise_spectrum.csv and zone_axis_map.ome.tif in the movie's folder too; its page
        has a section of them.

    Raises
    ------
    ReadError, DataError
        If the folder holds no tracked movie, or the movie has gone or changed.
    SettingsError
        If there is no such particle or crystal.
    CalibrationError
        If a crystal is given and the pixel size is not known.
    WriteError
        If the results cannot be written; finished blocks stay and are used again.
    """
    settings = settings or PeaksSettings()
    tracked = folder if isinstance(folder, TrackedMovie) else open_tracked(folder)
    stack = tracked.open_movie()
    tracks = _wanted(tracked, settings)
    _check_crystal(stack, settings)
    report = progress or _no_progress
    noise, n_measured = measure_noise(stack, tracked, report)
    classifier = None if settings.classifier is None else open_classifier(settings.classifier, stack, noise)
    work = tracked.folder / ".peaks.work"
    claim_folder(work, _work_key(tracked, settings, noise))
    # Opened anew, so that no table travels to the workers.
    there = TrackedMovie(tracked.folder)
    follow = FollowReflections(stack, there, Instances.of_tracks(tracks), noise, settings.alpha)
    blocks = plan_blocks(stack.n_frames, frames_per_block=frames_per_block)
    job = _Job(work, blocks, stack.n_frames, runner, report)
    kept = job.run("following reflections", follow)
    searches = kept.load_all(blocks, "searches")
    rows = number_reflections(kept.load_all(blocks, "rows"))
    absent = find_absent(rows, searches)
    measured = job.run("measuring absent reflections", MeasureAbsent(follow, absent)).load_all(blocks, "rows")

    calibration = Calibration(stack.pixel_nm, stack.times_s)
    reflections = reflection_table(with_absent(rows, absent, measured), calibration)
    zone_axis = zone_axis_table(rows, searches, settings, calibration)
    if classifier is not None:
        zone_axis = _with_classes(zone_axis, job, follow, classifier)
    crystal = _crystal(settings, stack, reflections)
    if crystal is not None:
        reflections = with_planes(reflections, crystal)
    pairs, lattices = pair_table(rows, searches, calibration, crystal)
    rotation = with_lattices(rotation_table(rows, searches, calibration), lattices)
    frames = frame_table(zone_axis, calibration, stack.n_frames)
    notes = gather_notes(stack, settings, zone_axis, n_measured)
    if crystal is not None:
        notes = (*notes, *crystal_notes(pairs, crystal))
    if classifier is not None:
        notes = (*notes, *range_notes(classifier.card, stack, range(stack.n_frames)))
    provenance = _provenance(tracked, settings, noise, notes)
    result = PeaksResult(tracked.folder, reflections, pairs, zone_axis, rotation, frames, notes, provenance)
    _write(result, noise)
    shown = tracked.shown()
    put_peaks_section(
        tracked.folder,
        shown,
        reflections=reflections,
        pairs=pairs,
        zone_axis=zone_axis,
        zone_axis_map=write_zone_axis_maps(tracked, stack, zone_axis, shown),
        notes=notes,
    )
    shutil.rmtree(work, ignore_errors=True)
    return result


@dataclass(frozen=True)
class _Job:
    """Where blocks are kept, how they are run, and who is told."""

    work: Path
    blocks: Sequence[Block]
    n_frames: int
    runner: Runner
    progress: Progress

    def run(self, stage: str, per_block: Callable[[Block], Mapping[str, np.ndarray]]) -> KeptOnDisk:
        """Run a stage over the blocks; those done before a stop are not done again."""
        kept, done = KeptOnDisk(per_block, self.work / stage.replace(" ", "-")), 0
        self.progress(stage, 0, self.n_frames)
        for block in self.runner(kept, self.blocks):
            done += block.stop - block.start
            self.progress(stage, done, self.n_frames)
        return kept


def _with_classes(
    zone_axis: pd.DataFrame, job: _Job, follow: FollowReflections, classifier: TrainedModel
) -> pd.DataFrame:
    """Put beside the scores what a network makes of each spectrum."""
    mapped = job.run("mapping spectra", map_spectra(follow, classifier))
    classes = classify_spectra(mapped, job.blocks, classifier)
    return zone_axis.merge(classes, how="left", on=["frame", "particle"])


def _crystal(settings: PeaksSettings, stack: Stack, reflections: pd.DataFrame) -> Crystal | None:
    """Open the crystal that reflections are held against, down to the shortest spacing seen."""
    if settings.crystal is None:
        return None
    shortest = float(reflections["d_nm"].min()) if len(reflections) else 2 * (stack.pixel_nm or 0.1)
    return open_crystal(settings.crystal, least_d_nm=min(0.95 * shortest, _LONGEST_LEAST_D_NM))


def _check_crystal(stack: Stack, settings: PeaksSettings) -> None:
    """Refuse a crystal that cannot be used before the work, not after it."""
    if settings.crystal is None:
        return
    if stack.pixel_nm is None:
        raise CalibrationError(
            f"{stack.source}: spacings of a crystal need a pixel size; give --pixel-nm to temflux track"
        )
    open_crystal(settings.crystal, least_d_nm=_LONGEST_LEAST_D_NM)


def _wanted(tracked: TrackedMovie, settings: PeaksSettings) -> pd.DataFrame:
    """Take the rows of the particles that are wanted."""
    tracks, named = tracked.tracks, settings.named_particles()
    unseen = sorted(named - set(tracks["particle"].tolist()))
    if unseen:
        raise SettingsError(
            f"particles: {tracked.folder} has no particle {', '.join(map(str, unseen))}; its numbers are in "
            "tracks.csv"
        )
    return tracks[tracks["particle"].isin(named)] if named else tracks


def _work_key(tracked: TrackedMovie, settings: PeaksSettings, noise: Columns) -> dict[str, Any]:
    return {
        "version": version("temflux"),
        "fingerprint": tracked.provenance["fingerprint"] or uuid.uuid4().hex,
        "tracking": tracked.provenance["settings"],
        "settings": settings.model_dump(mode="json"),
        "noise": {name: values.tolist() for name, values in noise.items()},
    }


def _write(result: PeaksResult, noise: Columns) -> None:
    folder = result.folder
    write_whole_table(folder / "reflections.csv", result.reflections)
    write_csv(folder / "pairs.csv", result.pairs)
    write_csv(folder / "zone_axis.csv", result.zone_axis)
    write_csv(folder / "rotation.csv", result.rotation)
    write_csv(folder / "readable_frames.csv", result.readable_frames)
    write_csv(folder / "noise_spectrum.csv", to_dataframe(noise))
    write_record(folder / "peaks_provenance.json", result.provenance)


def _provenance(
    tracked: TrackedMovie, settings: PeaksSettings, noise: Columns, notes: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "temflux": version("temflux"),
        "source": tracked.provenance["source"],
        "fingerprint": tracked.provenance["fingerprint"],
        "pixel_nm": tracked.pixel_nm,
        "settings": settings.model_dump(mode="json"),
        "noise": "background" if noise["q_per_px"].size else "each particle's own spectrum",
        "notes": list(notes),
    }


def _no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
