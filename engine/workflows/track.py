"""Track: a movie in; every particle's identity, area, position and spectrum over time out."""

from __future__ import annotations

import platform
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..base.blocks import Block, Runner, plan_blocks, run_serial
from ..base.errors import CalibrationError, DataError, SettingsError, WriteError
from ..base.stack import Stack
from ..files.atomic import replace_folder, write_errors
from ..files.calibration import fingerprint
from ..files.labels import create_labels, open_labels
from ..files.read import open_movie
from ..files.spectra import create_spectra, open_spectra
from ..learn.model_files import load_model
from ..measure.fourier import crop_size
from ..report.tables import summary_row
from .resumable import KeptOnDisk, claim_folder
from .tracking.blocks import FindInstances, FollowSpectra, FoundFrames, Identities, PaintLabels
from .tracking.further import measure_further
from .tracking.notes import gather_notes
from .tracking.peaks import FollowedPeaks, number_peaks
from .tracking.report import Findings, movie_facts, write_findings
from .tracking.segmentation import Segmentation, choose_segmentation
from .tracking.settings import TrackSettings
from .tracking.tables import (
    frame_table,
    join_to_frames,
    link,
    with_log,
    with_pair_ratio,
    with_vacuum_dose,
)

Progress = Callable[[str, int, int], None]

FRAMES_PER_BLOCK = 16
# One chunk of a spectra store, so that no two workers write the same file.
_FRAMES_PER_SPECTRA_BLOCK = 8
_MOST_ASPECT = 16
_BYTES_PER_AMPLITUDE = 4


@dataclass(frozen=True)
class TrackResult:
    """What tracking a movie gave; the same tables and arrays lie in `folder`.

    Parameters
    ----------
    folder : Path
        Folder of all outputs; `page.html` shows them.
    tracks : pandas.DataFrame
        One row per particle and frame.
    events : pandas.DataFrame
        Births, deaths, splits and merges.
    notes : tuple of str
        What a user should know of assumptions made and frames not used.
    facts : mapping
        The movie's row of the summary.
    provenance : mapping
        Version, settings, input, segmentation.
    """

    folder: Path
    tracks: pd.DataFrame
    events: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def peaks(self) -> pd.DataFrame:
        """Fourier peaks per particle and frame, read from `peaks.csv` when asked for: often millions."""
        return pd.read_csv(self.folder / "peaks.csv")

    @property
    def labels(self) -> Any:
        """Label image (T, Y, X) of identities, a Zarr array that reads when sliced."""
        return open_labels(self.folder / "labels.zarr")

    def spectra(self, particle: int) -> Any:
        """Spectra (T, N, N) of a particle, a Zarr array that reads when sliced."""
        return open_spectra(self.folder / "spectra" / f"{particle}.zarr")


def track(
    source: str | Path | Stack,
    settings: TrackSettings | None = None,
    *,
    out: str | Path | None = None,
    runner: Runner = run_serial,
    progress: Progress | None = None,
    frames_per_block: int = FRAMES_PER_BLOCK,
) -> TrackResult:
    """Track every particle of a movie through its frames.

    Parameters
    ----------
    source : path or Stack
        A movie's file or folder, or a movie already opened.
    settings : TrackSettings or None
        Defaults where None.
    out : path or None
        Folder of the outputs, written whole or not at all; a temporary folder where None.
    runner : callable
        Runs a function over blocks of frames: serially, in processes, on a cluster; the result is the same.
    progress : callable or None
        Called with the stage's name, frames done and frames in all.
    frames_per_block : int
        Frames that a worker takes at a time; the result does not depend on it.

    Returns
    -------
    TrackResult
        Tables in memory, everything else in the result's folder.

    Raises
    ------
    TemfluxError
        If the movie, the masks or the log cannot be used, or the outputs cannot be written.

    References
    ----------
    Larsen, PhD thesis, DTU (2023), section 3.5 and Chapter 6.

    Examples
    --------
    >>> from temflux.engine.generate.phantom import phantom_movie
    >>> len(track(phantom_movie(n_frames=2, shape=(128, 128), n_particles=1).stack).tracks) > 0
    True
    """
    settings = settings or TrackSettings()
    stack = open_calibrated(source, settings)
    _refuse_slivers(stack)
    logged, log_notes = join_to_frames(stack, settings)
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="temflux-")) / stack.name
    work = folder.with_name(f".{folder.name}.work")
    claim_folder(work, work_key(stack, settings))
    job = Job(stack, settings, work, runner, progress or _no_progress, frames_per_block)

    segmentation = choose_segmentation(stack, settings.segment, polarity=settings.polarity)
    kept, blocks = find_instances(job, segmentation)
    checks = kept.load_all(blocks, "checks")
    stack = with_vacuum_dose(stack, settings, checks)
    tracks, events = link(
        kept.load_all(blocks, "instances"), kept.load_all(blocks, "overlaps"), stack, settings
    )
    identities = Identities.save(work, stack.n_frames, tracks)
    found = FoundFrames(kept, tuple(blocks), identities, stack.shape[1:])
    paint_labels(job, found)
    peaks = follow_spectra(job, found, tracks)
    tracks = with_pair_ratio(tracks, peaks.pair_ratios())
    tracks = tracks.sort_values(["frame", "particle"], kind="stable", ignore_index=True)
    tracks, frames = with_log(tracks, logged), frame_table(stack, logged)
    notes = (*gather_notes(stack, settings, tracks, checks), *segmentation.notes, *log_notes)
    provenance = _provenance(stack, settings, segmentation)
    findings = Findings(tracks, events, peaks, frames, notes, provenance)
    write_findings(job.result, stack, found, findings)
    if settings.further():
        further = measure_further(
            job.result, stack, settings.further(), runner=job.runner, progress=job.progress
        )
        notes = (*notes, *further)
    replace_folder(job.result, folder)
    shutil.rmtree(work, ignore_errors=True)
    facts = summary_row(movie_facts(stack, frames), tracks, events)
    return TrackResult(folder, tracks, events, notes, facts, provenance)


def open_calibrated(source: str | Path | Stack, settings: TrackSettings) -> Stack:
    """Open a movie, with the calibration that the settings override or supply.

    Parameters
    ----------
    source : path or Stack
        A movie's file or folder, or a movie already opened.
    settings : TrackSettings
        Calibration given by the user.

    Returns
    -------
    Stack
        The movie.
    """
    stack = source if isinstance(source, Stack) else _open(source, settings)
    return stack.with_calibration(
        pixel_nm=settings.pixel_nm, frame_s=settings.frame_s, dose_e_per_A2=settings.dose_e_per_A2
    )


def _vacuum_box(stack: Stack, settings: TrackSettings) -> tuple[slice, slice] | None:
    box = settings.vacuum_box()
    if box is None:
        return None
    if stack.pixel_nm is None:
        raise CalibrationError(f"{stack.source}: a dose per area needs a pixel size; give --pixel-nm")
    if any(not side.start < side.stop <= size for side, size in zip(box, stack.shape[1:], strict=True)):
        raise SettingsError(
            f"vacuum_box_px: expected a rectangle within {stack.shape[1]} by {stack.shape[2]} pixels, "
            f"got {settings.vacuum_box_px}"
        )
    return box


def _refuse_slivers(stack: Stack) -> None:
    """Refuse what was saved as an array but is no image: tables and line scans."""
    rows, columns = stack.shape[1:]
    if max(rows, columns) > _MOST_ASPECT * min(rows, columns):
        raise DataError(
            f"{stack.source}: expected frames at most {_MOST_ASPECT} times as long as wide, got {rows} by "
            f"{columns}: a table or a line scan? Choose another array with #NAME"
        )


def _open(source: str | Path, settings: TrackSettings) -> Stack:
    return open_movie(source, dataset=settings.dataset, pixel_nm=settings.pixel_nm)


@dataclass(frozen=True)
class Job:
    """One movie being tracked: what is read, how, where it is kept and who runs it."""

    stack: Stack
    settings: TrackSettings
    work: Path
    runner: Runner
    progress: Progress
    frames_per_block: int

    @property
    def result(self) -> Path:
        """Folder in which the outputs gather until all are whole."""
        return self.work / "result"

    def run(
        self, stage: str, per_block: Callable[[Block], Mapping[str, np.ndarray]], blocks: Sequence[Block]
    ) -> KeptOnDisk:
        """Run a stage over its blocks; those done before a stop are not done again."""
        kept = KeptOnDisk(per_block, self.work / stage.replace(" ", "-"))
        done = 0
        self.progress(stage, 0, self.stack.n_frames)
        for block in self.runner(kept, blocks):
            done += block.stop - block.start
            self.progress(stage, done, self.stack.n_frames)
        return kept


def find_instances(job: Job, segmentation: Segmentation) -> tuple[KeptOnDisk, list[Block]]:
    """Find the instances of all frames; say in which blocks they are kept."""
    stack, settings = job.stack, job.settings
    per_block = FindInstances(
        stack=stack,
        segmentation=segmentation,
        min_separation_px=_min_separation_px(stack, settings),
        neck=settings.neck,
        memory=settings.memory,
        vacuum_box=_vacuum_box(stack, settings),
    )
    blocks = plan_blocks(stack.n_frames, frames_per_block=job.frames_per_block, halo=settings.memory + 1)
    return job.run("finding particles", per_block, blocks), blocks


def paint_labels(job: Job, found: FoundFrames) -> None:
    """Paint every frame's instances, with identities as labels, into the label store."""
    stack = job.stack
    path = job.result / "labels.zarr"
    shape, pixel_nm, frame_s = stack.shape, stack.pixel_nm, stack.frame_s
    _make_once(path, partial(create_labels, shape=shape, pixel_nm=pixel_nm, frame_s=frame_s, name=stack.name))
    job.run("painting labels", PaintLabels(found, path), found.blocks)


def follow_spectra(job: Job, found: FoundFrames, tracks: pd.DataFrame) -> FollowedPeaks:
    """Follow the spectra of the particles wanted, and number the peaks in them."""
    stack = job.stack
    wanted = {p: size for p, size in _spectrum_sizes(tracks).items() if job.settings.wants_spectrum(p)}
    _need_room(job.work, tracks, wanted)
    folder = job.result / "spectra"
    for particle, size in wanted.items():
        make = partial(
            create_spectra,
            n_frames=stack.n_frames,
            size=size,
            reciprocal_pixel_per_nm=None if stack.pixel_nm is None else 1.0 / (size * stack.pixel_nm),
            frames_per_chunk=_FRAMES_PER_SPECTRA_BLOCK,
        )
        _make_once(folder / f"{particle}.zarr", make)
    blocks = plan_blocks(stack.n_frames, frames_per_block=_FRAMES_PER_SPECTRA_BLOCK) if wanted else []
    kept = job.run("following spectra", FollowSpectra(stack, found, wanted, folder), blocks)
    return number_peaks(kept, tuple(blocks), stack)


def _make_once(path: Path, make: Callable[[Path], object]) -> None:
    """Make a store under a temporary name first: what bears the final name is whole."""
    if not path.exists():
        new = path.with_name(f".{path.name}")
        make(new)
        with write_errors(path):
            new.rename(path)


def _need_room(folder: Path, tracks: pd.DataFrame, sizes: Mapping[int, int]) -> None:
    """Say before hours of work, not after, that the spectra will not fit on the disk."""
    frames = tracks.groupby("particle").size()
    needed = sum(
        int(frames[particle]) * size * size * _BYTES_PER_AMPLITUDE for particle, size in sizes.items()
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WriteError(
            f"the spectra of {len(sizes)} particles need up to {needed / 1e9:.3g} GB, {folder} has "
            f"{free / 1e9:.3g} GB free; choose particles with --spectra 1,2,… or another --out"
        )


def _spectrum_sizes(tracks: pd.DataFrame) -> dict[int, int]:
    """One side [px] for all spectra of a particle, so that they share one reciprocal pixel."""
    heights = (tracks["bbox_y1_px"] - tracks["bbox_y0_px"]).groupby(tracks["particle"]).max()
    widths = (tracks["bbox_x1_px"] - tracks["bbox_x0_px"]).groupby(tracks["particle"]).max()
    return {int(p): crop_size(int(heights[p]), int(widths[p])) for p in heights.index}


def _min_separation_px(stack: Stack, settings: TrackSettings) -> float:
    if stack.pixel_nm is None:
        return settings.min_separation_px
    return settings.min_separation_nm / stack.pixel_nm


def work_key(stack: Stack, settings: TrackSettings) -> dict[str, Any]:
    """Say what half-done work must agree in to be gone on with; frames in memory never are the same."""
    return {
        "version": version("temflux"),
        "source": stack.source,
        "fingerprint": stack.fingerprint or uuid.uuid4().hex,
        "settings": settings.model_dump(mode="json"),
        "beside": _fingerprints_beside(settings),
    }


def _fingerprints_beside(settings: TrackSettings) -> dict[str, str]:
    """Summarise the masks and the log: other contents under the same name are other work."""
    found = {}
    kind, _, masks = settings.segment.partition(":")
    if kind == "masks":
        found["masks"] = open_movie(masks, painted=True).fingerprint
    if kind == "model":
        found["model"] = load_model(masks).fingerprint
    if settings.log is not None and settings.log.exists():
        found["log"] = fingerprint([settings.log])
    return found


def _provenance(stack: Stack, settings: TrackSettings, segmentation: Segmentation) -> dict[str, Any]:
    libraries = ("numpy", "scipy", "numba", "scikit-image", "zarr", "pandas", "rosettasciio", "tifffile")
    return {
        "temflux": version("temflux"),
        "source": stack.source,
        "working_folder": str(Path.cwd()),
        "fingerprint": stack.fingerprint,
        "shape": list(stack.shape),
        "dtype": str(stack.dtype),
        "pixel_nm": stack.pixel_nm,
        "settings": settings.model_dump(mode="json"),
        "segmentation": segmentation.describe(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in libraries},
    }


def _no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
