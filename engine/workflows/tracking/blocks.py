"""What tracking does to a block of frames: find instances, paint identities, follow spectra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...base.blocks import Block
from ...base.stack import Stack
from ...base.tables import Columns, stack_columns
from ...files.atomic import write_errors
from ...files.labels import open_labels
from ...files.spectra import open_spectra
from ...images.clean import finite_frame
from ...measure.connectivity import overlaps_in_frame
from ...measure.fourier import pair_ratio, particle_spectrum
from ...measure.instances import instance_runs
from ...measure.peaks import find_peaks
from ...measure.properties import measure_runs
from ...measure.runs import labels_of_runs, relabel_runs
from ..resumable import KeptOnDisk
from .segmentation import Segmentation, read_frames

_NO_RUNS = np.zeros((0, 4), np.int32)


@dataclass(frozen=True)
class FindInstances:
    """Frames of a block to runs of instances, their properties, and overlaps with the frames before."""

    stack: Stack
    segmentation: Segmentation
    min_separation_px: float
    neck: float
    memory: int
    vacuum_box: tuple[slice, slice] | None = None

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Find the instances of a block of frames."""
        before: list[np.ndarray] = []
        kept_runs, instances, overlaps, checks = [], [], [], []
        frames = read_frames(self.stack, block.halo_start, block.stop)
        for index, frame in enumerate(frames, start=block.halo_start):
            runs, image, n_replaced = _NO_RUNS, None, 0
            if frame is not None:
                image, n_replaced = finite_frame(frame)
                mask = self.segmentation.mask(index, image)
                runs = instance_runs(mask, min_separation_px=self.min_separation_px, neck=self.neck)
            if index >= block.start:
                kept_runs.append(_with_frame(index, runs))
                instances.append(_with_frame_column(index, self._measure(runs, image)))
                for lag, earlier in enumerate(reversed(before), start=1):
                    overlaps.append(overlaps_in_frame(index, lag, earlier, runs))
                checks.append(self._check(index, image, n_replaced))
            before = [*before, runs][-(self.memory + 1) :]
        return {
            "runs/runs": np.concatenate(kept_runs),
            **_named("instances", stack_columns(instances)),
            **_named("overlaps", stack_columns([overlaps_in_frame(0, 1, _NO_RUNS, _NO_RUNS), *overlaps])),
            **_named("checks", stack_columns(checks)),
        }

    def _check(self, index: int, image: np.ndarray | None, n_replaced: int) -> Columns:
        """Say what is wrong with a frame, and how bright its vacuum is."""
        vacuum = np.nan if image is None or self.vacuum_box is None else image[self.vacuum_box].mean()
        return {
            "frame": np.array([index]),
            "unreadable": np.array([image is None]),
            "blank": np.array([image is not None and bool(image.min() == image.max())]),
            "replaced_px": np.array([n_replaced]),
            "vacuum_counts": np.array([vacuum]),
        }

    def _measure(self, runs: np.ndarray, image: np.ndarray | None) -> Columns:
        return measure_runs(runs, self.stack.shape[1:], image, pixel_nm=self.stack.pixel_nm)


@dataclass(frozen=True)
class Identities:
    """Identity of every instance, kept on disk so that workers map only the rows of their frames."""

    folder: Path

    @classmethod
    def save(cls, folder: Path, n_frames: int, tracks: pd.DataFrame) -> Identities:
        """Write the identities of tracks, in the order of their instances, and where each frame begins."""
        first_row = np.searchsorted(tracks["frame"].to_numpy(), np.arange(n_frames + 1))
        with write_errors(folder):
            np.save(folder / "particle.npy", tracks["particle"].to_numpy())
            np.save(folder / "first_row.npy", first_row)
        return cls(folder)

    def of_frame(self, index: int) -> np.ndarray:
        """Look up the identities of a frame's instances, in the order of their labels from 1."""
        first_row = np.load(self.folder / "first_row.npy", mmap_mode="r")
        particle = np.load(self.folder / "particle.npy", mmap_mode="r")
        return np.asarray(particle[first_row[index] : first_row[index + 1]])


@dataclass(frozen=True)
class FoundFrames:
    """Instances with their identities, from what `FindInstances` kept on disk."""

    kept: KeptOnDisk
    blocks: tuple[Block, ...]
    identities: Identities
    frame_shape: tuple[int, int]

    def read(self, start: int, stop: int) -> Iterator[tuple[np.ndarray, Columns]]:
        """Go through frames start to stop: labels (Y, X) of identities, and a row for each instance."""
        for block in self.blocks:
            if block.start >= stop or block.stop <= start:
                continue
            all_runs = self.kept.load(block, "runs")["runs"]
            rows = self.kept.load(block, "instances")
            for index in range(max(start, block.start), min(stop, block.stop)):
                particle = self.identities.of_frame(index)
                lookup = np.concatenate([[0], particle])
                runs = relabel_runs(all_runs[all_runs[:, 0] == index, 1:], lookup)
                in_frame = rows["frame"] == index
                instances = {name: values[in_frame] for name, values in rows.items()}
                yield labels_of_runs(runs, self.frame_shape), {**instances, "particle": particle}


@dataclass(frozen=True)
class PaintLabels:
    """Runs of a block to frames of the label store, with identities as labels."""

    found: FoundFrames
    path: Path

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Paint a block of frames into the store."""
        store = open_labels(self.path, writable=True)
        for index, (labels, _) in enumerate(self.found.read(block.start, block.stop), start=block.start):
            with write_errors(self.path):
                store[index] = labels
        return {}


@dataclass(frozen=True)
class FollowSpectra:
    """Frames of a block to the spectra of the particles wanted, and the peaks in each."""

    stack: Stack
    found: FoundFrames
    sizes: Mapping[int, int]
    folder: Path

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Follow the spectra of a block of frames."""
        spectra: dict[int, np.ndarray] = {}
        peaks, ratios = [_no_peaks()], [np.zeros((0, 3))]
        frames = read_frames(self.stack, block.start, block.stop)
        painted = self.found.read(block.start, block.stop)
        for index, (frame, (labels, instances)) in enumerate(
            zip(frames, painted, strict=True), start=block.start
        ):
            if frame is None:
                continue
            image, _ = finite_frame(frame)
            for row, particle in enumerate(instances["particle"].tolist()):
                if particle not in self.sizes:
                    continue
                centre = (float(instances["y_px"][row]), float(instances["x_px"][row]))
                size = self.sizes[particle]
                spectrum = particle_spectrum(image, labels, centre=centre, size=size, label=particle)
                if particle not in spectra:
                    spectra[particle] = np.full((block.stop - block.start, size, size), np.nan, np.float32)
                spectra[particle][index - block.start] = spectrum
                found = find_peaks(spectrum, area_px2=float(instances["area_px2"][row]))
                peaks.append(_compact(index, particle, found))
                ratios.append(np.array([[index, particle, pair_ratio(found["intensity"], found["pair"])]]))
        for particle, run in spectra.items():
            path = self.folder / f"{particle}.zarr"
            with write_errors(path):
                open_spectra(path, writable=True)[block.start : block.stop] = run
        return {**_named("peaks", stack_columns(peaks)), "ratios/rows": np.concatenate(ratios)}


def _no_peaks() -> Columns:
    return _compact(0, 0, find_peaks(np.zeros((64, 64), np.float32), area_px2=1.0))


def _named(name: str, columns: Columns) -> dict[str, np.ndarray]:
    return {f"{name}/{column}": values for column, values in columns.items()}


def _with_frame(index: int, runs: np.ndarray) -> np.ndarray:
    return np.column_stack([np.full(len(runs), index, np.int32), runs]).astype(np.int32)


def _with_frame_column(index: int, columns: Columns) -> Columns:
    n_rows = len(columns["label"])
    return {"frame": np.full(n_rows, index, np.int64), **columns}


def _compact(index: int, particle: int, peaks: Columns) -> Columns:
    """Small types: of all tables, that of the peaks has by far the most rows."""
    n_rows = len(peaks["peak"])
    return {
        "frame": np.full(n_rows, index, np.int32),
        "particle": np.full(n_rows, particle, np.int32),
        **{name: peaks[name].astype(np.int32) for name in ("peak", "pair")},
        **{name: peaks[name].astype(np.float32) for name in ("q", "angle_deg", "intensity")},
    }
