"""What `peaks` does to a block of frames: measure its noise, find the reflections of its particles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...base.blocks import Block
from ...base.stack import Stack
from ...base.tables import Columns, stack_columns
from ...images.clean import finite_frame
from ...measure.reflections.find import Reflections, find_reflections
from ...measure.reflections.noise_spectrum import background_noise, no_noise, pool_noise
from ...measure.reflections.particle_patch import ParticlePatch, cut_patch
from ..tracking.finished import TrackedMovie
from ..tracking.segmentation import read_frames

_FRAMES_OF_NOISE = 24
_MOST_PAIRS = 12
_ROW_COLUMNS = (
    "q_per_px",
    "q_error_per_px",
    "angle_error_deg",
    "power",
    "intensity",
    "intensity_error",
)


@dataclass(frozen=True, eq=False)
class Instances:
    """Where the wanted particles are: one row for each particle and frame, by frame."""

    frame: np.ndarray
    particle: np.ndarray
    box: np.ndarray
    at_edge: np.ndarray

    @classmethod
    def of_tracks(cls, tracks: pd.DataFrame) -> Instances:
        """Take what is needed of the tracks, small enough to travel to workers."""
        rows = tracks.sort_values(["frame", "particle"], kind="stable")
        box = rows[[f"bbox_{side}_px" for side in ("y0", "x0", "y1", "x1")]]
        return cls(
            rows["frame"].to_numpy(np.int32),
            rows["particle"].to_numpy(np.int32),
            box.to_numpy(np.int32),
            rows["touches_edge"].to_numpy(bool),
        )

    def of_frame(self, index: int) -> slice:
        """Rows of one frame."""
        start, stop = np.searchsorted(self.frame, [index, index + 1])
        return slice(int(start), int(stop))


def measure_noise(
    stack: Stack, tracked: TrackedMovie, progress: Callable[[str, int, int], None]
) -> tuple[Columns, int]:
    """Measure the noise of a movie between its particles, in frames from all over it.

    Parameters
    ----------
    stack : Stack
        The movie.
    tracked : TrackedMovie
        Its labels.
    progress : callable
        Called with the stage's name, frames done and frames in all.

    Returns
    -------
    noise : dict of arrays (R,)
        From `pool_noise`; without rows where there is no vacuum.
    n_frames : int
        Frames in which there was vacuum.
    """
    usable = np.setdiff1d(np.arange(stack.n_frames), stack.missing)
    places = np.linspace(0, max(usable.size - 1, 0), min(usable.size, _FRAMES_OF_NOISE)).round().astype(int)
    labels, found = tracked.labels, []
    for done, index in enumerate(usable[places].tolist()):
        progress("measuring noise", done, len(places))
        for frame in read_frames(stack, index, index + 1):
            if frame is not None and frame.min() != frame.max():
                found.append(background_noise(finite_frame(frame)[0], np.asarray(labels[index])))
    progress("measuring noise", len(places), len(places))
    return pool_noise([no_noise(), *found]), sum(part["q_per_px"].size > 0 for part in found)


@dataclass(frozen=True, eq=False)
class FollowReflections:
    """Frames of a block to the reflections of their particles, and what could have been seen in each."""

    stack: Stack
    tracked: TrackedMovie
    instances: Instances
    noise: Columns
    alpha: float

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Find the reflections of a block of frames."""
        rows, searches = [_reflection_rows(0, 0, None)], [_search_row(0, 0, None, False)]
        for index, row, found in self.search(block, None):
            particle = int(self.instances.particle[row])
            rows.append(_reflection_rows(index, particle, found))
            searches.append(_search_row(index, particle, found, bool(self.instances.at_edge[row])))
        return {**_named("rows", stack_columns(rows)), **_named("searches", stack_columns(searches))}

    def search(self, block: Block, wanted: Absent | None) -> Iterator[tuple[int, int, Reflections]]:
        """Go through the particles of a block: frame, row of the instances, what was found.

        With places that are wanted, only through the particles and frames that have some.
        """
        for index, row, patch, at in self.patches(block, wanted):
            found = find_reflections(
                patch, noise=self.noise, false_alarm=self.alpha, most_pairs=_MOST_PAIRS, at=at
            )
            yield index, row, found

    def patches(
        self, block: Block, wanted: Absent | None = None
    ) -> Iterator[tuple[int, int, ParticlePatch, np.ndarray | None]]:
        """Cut the particles of a block out: frame, row of the instances, patch, places that are wanted."""
        labels = self.tracked.labels
        for index, frame in enumerate(read_frames(self.stack, block.start, block.stop), start=block.start):
            here = self.instances.of_frame(index)
            if frame is None:
                continue
            rows = [
                (row, None if wanted is None else wanted.places(index, int(self.instances.particle[row])))
                for row in range(here.start, here.stop)
            ]
            rows = [(row, at) for row, at in rows if wanted is None or (at is not None and len(at))]
            if not rows:
                continue
            image, painted = finite_frame(frame)[0], np.asarray(labels[index])
            for row, at in rows:
                top, left, bottom, right = self.instances.box[row].tolist()
                particle = int(self.instances.particle[row])
                patch = cut_patch(image, painted, label=particle, box=(top, left, bottom, right))
                if patch is not None:
                    yield index, row, patch, at


@dataclass(frozen=True, eq=False)
class Absent:
    """Lasting pairs that were not found in a frame, by frame and particle: where they would lie [1/px]."""

    frame: np.ndarray
    particle: np.ndarray
    pair: np.ndarray
    place: np.ndarray

    def rows(self, index: int, particle: int) -> np.ndarray:
        """Rows of one particle in one frame."""
        start, stop = np.searchsorted(self.frame, [index, index + 1])
        return start + np.flatnonzero(self.particle[start:stop] == particle)

    def places(self, index: int, particle: int) -> np.ndarray:
        """Places of one particle in one frame, an array (n, 2)."""
        return self.place[self.rows(index, particle)]


@dataclass(frozen=True, eq=False)
class MeasureAbsent:
    """Frames of a block to the intensities of pairs that were not found in them."""

    follow: FollowReflections
    absent: Absent

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Measure the absent pairs of a block of frames."""
        names = ("power", "intensity", "intensity_error")
        rows, values = [np.zeros(0, np.int64)], {name: [np.zeros(0)] for name in names}
        for index, row, found in self.follow.search(block, self.absent):
            rows.append(self.absent.rows(index, int(self.follow.instances.particle[row])))
            for name in names:
                values[name].append(found.at[name])
        return {
            "rows/row": np.concatenate(rows),
            **{f"rows/{name}": np.concatenate(values[name]) for name in names},
        }


def _reflection_rows(index: int, particle: int, found: Reflections | None) -> Columns:
    """Both members of each pair: peaks 2k - 1 and 2k of pair k, by falling power."""
    rows = {} if found is None else found.rows
    count = 0 if found is None else found.rows["power"].size
    angle = rows.get("angle_deg", np.zeros(0))
    opposite = np.where(angle > 0, angle - 180.0, angle + 180.0)
    return {
        "frame": np.full(2 * count, index, np.int32),
        "particle": np.full(2 * count, particle, np.int32),
        "peak": np.arange(1, 2 * count + 1, dtype=np.int32),
        "pair": np.repeat(np.arange(1, count + 1, dtype=np.int32), 2),
        "angle_deg": np.stack([angle, opposite], axis=1).ravel(),
        **{name: np.repeat(rows.get(name, np.zeros(0)), 2) for name in _ROW_COLUMNS},
    }


def _search_row(index: int, particle: int, found: Reflections | None, at_edge: bool) -> Columns:
    """One row of what could have been seen; none where nothing was searched."""
    numbers = ("frequencies", "threshold", "electrons", "mean_counts", "area_px2")
    row = {
        "frame": np.array([index], np.int32),
        "particle": np.array([particle], np.int32),
        **{name: np.array([0.0 if found is None else getattr(found, name)]) for name in numbers},
        "cut_by_edge": np.array([at_edge]),
        "own_noise": np.array([found is not None and found.own_noise]),
    }
    return {name: values[: 0 if found is None else 1] for name, values in row.items()}


def _named(name: str, columns: Columns) -> dict[str, np.ndarray]:
    return {f"{name}/{column}": values for column, values in columns.items()}
