"""2+1D connectivity: the masks of a movie into particles that keep their label from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..base.errors import DataError
from ..base.tables import Columns, stack_columns
from .instances import instance_runs
from .properties import locate_runs
from .runs import labels_of_runs, relabel_runs
from .tracks import link_instances, overlap_runs, track_events

_NO_RUNS = np.zeros((0, 4), np.int32)


class MovieInstances:
    """Instances of a movie, taken up frame by frame and then linked into particles.

    It holds runs of pixels and small tables, never a frame.

    Parameters
    ----------
    min_separation_px : float
        Least distance of two particles' centres [px]; particles of an area below its square are dropped.
    neck : float or None
        Width of a neck that is not cut, as in `label_instances`.
    min_overlap : float
        Common area, as a fraction, above which two instances are the same particle.
    overlap_of : {"smaller", "previous", "current", "iou"}
        What the common area is a fraction of, as in `link_instances`.
    memory : int
        Frames that a particle may be missed for and keep its label.

    Notes
    -----
    Each frame is cut into instances by a watershed of distances, and those of consecutive frames are linked
    by the area that they have in common (thesis, section 3.5 and Menu Item 1 of section 6.1).

    Examples
    --------
    >>> movie = MovieInstances(min_separation_px=2)
    >>> movie.add(np.ones((4, 4), bool))
    >>> movie.link()[0]["particle"].tolist()
    [1]
    """

    def __init__(
        self,
        *,
        min_separation_px: float,
        neck: float | None = 0.8,
        min_overlap: float = 0.5,
        overlap_of: str = "smaller",
        memory: int = 0,
    ) -> None:
        self._separation, self._neck = min_separation_px, neck
        self._min_overlap, self._overlap_of, self._memory = min_overlap, overlap_of, memory
        self._shape: tuple[int, int] | None = None
        self._runs: list[np.ndarray] = []
        self._instances: list[Columns] = [_in_frame(0, locate_runs(_NO_RUNS))]
        self._overlaps: list[Columns] = [overlaps_in_frame(0, 1, _NO_RUNS, _NO_RUNS)]

    def add(self, mask: np.ndarray) -> None:
        """Take up the next frame.

        Parameters
        ----------
        mask : array (Y, X), bool or integer
            Foreground is True, or not 0.

        Raises
        ------
        DataError
            If it is not a mask, or of another shape than those before.
        SettingsError
            If the separation or the neck is not above 0.
        """
        runs = instance_runs(mask, min_separation_px=self._separation, neck=self._neck)
        shape = (int(mask.shape[0]), int(mask.shape[1]))
        if self._shape not in (None, shape):
            raise DataError(f"expected frames of one shape, got {self._shape} and {shape}")
        self._shape, frame = shape, len(self._runs)
        for lag, earlier in enumerate(reversed(self._runs[-(self._memory + 1) :]), start=1):
            self._overlaps.append(overlaps_in_frame(frame, lag, earlier, runs))
        self._runs.append(runs)
        self._instances.append(_in_frame(frame, locate_runs(runs)))

    def link(self) -> tuple[Columns, Columns]:
        """Link the instances of the frames taken up, and give them their particles' labels.

        Returns
        -------
        instances : dict of arrays (n,)
            frame, label (within its frame), area_px2, y_px, x_px, particle; by frame, then label.
        events : dict of arrays (k,)
            frame, event (birth, death, split, merge), particle, other; as `link_instances` tells them.

        Raises
        ------
        SettingsError
            If a setting of the linking is outside its range.
        """
        instances = stack_columns(self._instances)
        named = {name: instances[name] for name in ("frame", "label")} | {"area_px": instances["area_px2"]}
        overlaps = stack_columns(self._overlaps)
        particle, events = link_instances(
            named,
            overlaps,
            min_overlap=self._min_overlap,
            overlap_of=self._overlap_of,
            memory=self._memory,
            n_frames=len(self._runs),
        )
        return {**instances, "particle": particle}, events

    def paint(self, frame: int, instances: Columns) -> np.ndarray:
        """Paint a frame with its particles' labels.

        Parameters
        ----------
        frame : int
            Number of the frame, from 0.
        instances : dict of arrays (n,)
            As `link` returns them.

        Returns
        -------
        array (Y, X), int32
            Labels from 1; 0 is background.
        """
        if self._shape is None:
            raise DataError("expected at least one frame to have been added, got none")
        first, end = np.searchsorted(instances["frame"], [frame, frame + 1])
        lookup = np.concatenate([[0], instances["particle"][first:end]])
        return labels_of_runs(relabel_runs(self._runs[frame], lookup), self._shape)


def label_movie(
    masks: Iterable[np.ndarray],
    *,
    min_separation_px: float,
    neck: float | None = 0.8,
    min_overlap: float = 0.5,
    overlap_of: str = "smaller",
    memory: int = 0,
) -> np.ndarray:
    """Label the particles of a movie so that each keeps its label through the frames.

    Parameters
    ----------
    masks : array (T, Y, X), bool or integer, or an iterable of frames
        Foreground is True, or not 0.
    min_separation_px : float
        Least distance of two particles' centres [px], above 0; particles of an area below its square are
        dropped.
    neck : float or None
        Width of a neck that is not cut, as in `label_instances`.
    min_overlap : float
        Common area, as a fraction, above which two instances are the same particle.
    overlap_of : {"smaller", "previous", "current", "iou"}
        What the common area is a fraction of.
    memory : int
        Frames that a particle may be missed for and keep its label.

    Returns
    -------
    array (T, Y, X), int32
        Labels from 1, by first appearance; 0 is background.

    Raises
    ------
    DataError
        If there is no frame, or a frame is no mask or of another shape.
    SettingsError
        If a setting is outside its range.

    Notes
    -----
    Thesis, section 3.5 and Menu Item 1 of section 6.1; `MovieInstances` takes frames one at a time.

    Examples
    --------
    >>> masks = np.zeros((2, 8, 8), bool)
    >>> masks[:, 2:6, 2:6] = True
    >>> label_movie(masks, min_separation_px=2).max(axis=(1, 2)).tolist()
    [1, 1]
    """
    movie = MovieInstances(
        min_separation_px=min_separation_px,
        neck=neck,
        min_overlap=min_overlap,
        overlap_of=overlap_of,
        memory=memory,
    )
    n_frames = 0
    for mask in masks:
        movie.add(np.asarray(mask))
        n_frames += 1
    instances, _ = movie.link()
    first = movie.paint(0, instances)
    labels = np.empty((n_frames, *first.shape), np.int32)
    labels[0] = first
    for frame in range(1, n_frames):
        labels[frame] = movie.paint(frame, instances)
    return labels


def history_of_runs(runs: Sequence[np.ndarray]) -> tuple[Columns, Columns]:
    """Tell what happens to the particles of a movie of labels, given as runs.

    Parameters
    ----------
    runs : sequence of arrays (n, 4), integer
        For each frame row, first column, end column (excluded) and label of each run (`runs_of_labels`);
        labels are the same for the same particle in all frames.

    Returns
    -------
    instances : dict of arrays (n,)
        frame, label, area_px2, y_px, x_px, particle (the label); by frame, then label.
    events : dict of arrays (k,)
        frame, event (birth, death, split, merge), particle, other; as `link_instances` tells them.

    Raises
    ------
    DataError
        If a frame's runs are not of that form.

    Examples
    --------
    >>> from temflux.engine.measure.runs import runs_of_labels
    >>> frames = [np.array([[0, 1]]), np.array([[2, 0]])]
    >>> history_of_runs([runs_of_labels(labels) for labels in frames])[1]["event"].tolist()
    ['death', 'birth']
    """
    before = _NO_RUNS
    tables = [_in_frame(0, locate_runs(_NO_RUNS))]
    overlaps = [overlaps_in_frame(0, 1, _NO_RUNS, _NO_RUNS)]
    for frame, now in enumerate(runs):
        tables.append(_in_frame(frame, locate_runs(now)))
        overlaps.append(overlaps_in_frame(frame, 1, before, now))
        before = now
    instances = stack_columns(tables)
    named = {name: instances[name] for name in ("frame", "label")} | {"area_px": instances["area_px2"]}
    events = track_events(named, stack_columns(overlaps), n_frames=len(runs))
    return {**instances, "particle": instances["label"]}, events


def place_events(instances: Columns, events: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Say where events happen: at the particle, or where it was last seen.

    Parameters
    ----------
    instances : dict of arrays (n,): frame, particle, y_px, x_px
        Every particle in every frame that it is in, in any order.
    events : dict of arrays (k,): frame, particle
        When, and to which; no frame before the particle's first.

    Returns
    -------
    y_px, x_px : arrays (k,), float64
        Centres [px].

    Examples
    --------
    >>> where = {"y_px": np.array([4.0]), "x_px": np.array([5.0])}
    >>> seen = {"frame": np.array([0]), "particle": np.array([1]), **where}
    >>> place_events(seen, {"frame": np.array([1]), "particle": np.array([1])})[1].tolist()
    [5.0]
    """
    n_frames = 1 + max(int(table["frame"].max(initial=0)) for table in (instances, events))
    keys, wanted = (
        np.asarray(table["particle"], np.int64) * n_frames + table["frame"] for table in (instances, events)
    )
    order = np.argsort(keys)
    rows = order[np.searchsorted(keys[order], wanted, side="right") - 1]
    y, x = (np.asarray(instances[name], np.float64)[rows] for name in ("y_px", "x_px"))
    return y, x


def overlaps_in_frame(frame: int, lag: int, earlier: np.ndarray, runs: np.ndarray) -> Columns:
    """List the common pixels of a frame's instances and those of an earlier frame, for `link_instances`.

    Parameters
    ----------
    frame, lag : int
        Number of the frame, and of frames that the earlier one lies before it.
    earlier, runs : arrays (n, 4), integer
        Runs of the earlier frame's instances, and of this one's.

    Returns
    -------
    dict of arrays (n,), int64
        frame, lag, previous, current, overlap_px.

    Examples
    --------
    >>> overlaps_in_frame(1, 1, np.array([[0, 0, 2, 1]]), np.array([[0, 1, 3, 3]]))["overlap_px"].tolist()
    [1]
    """
    common = overlap_runs(earlier, runs)
    count = len(common["previous"])
    return {"frame": np.full(count, frame, np.int64), "lag": np.full(count, lag, np.int64), **common}


def _in_frame(frame: int, columns: Columns) -> Columns:
    return {"frame": np.full(len(columns["label"]), frame, np.int64), **columns}
