"""Judges: what is looked for in a network's maps, and how it is scored, by the kind of label."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..base.errors import SettingsError
from .atom_scores import count_columns, image_bounds
from .atoms import find_columns_in_maps
from .score_shapes import count_boundary, count_instances
from .score_waves import sum_errors
from .scores import Interval, bootstrap, count_pixels
from .task import Task

COLUMN_LABELS = ("Disk", "Blob", "Gaussian")
_PARTS = ("tp", "fp", "fn")
# Fewer draws than usual: each one sums over some hundred images again.
_DRAWS = 500

Rows = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Truth:
    """What an image shows.

    Parameters
    ----------
    label : array (Y, X, C), float32
        The label.
    sampling_A : float
        Side of a pixel [Å].
    xy_A, classes : arrays (n, 2), float, and (n,), int, or None
        Columns, pixel (0, 0) at the origin [Å]; None where the label has none.
    """

    label: np.ndarray
    sampling_A: float
    xy_A: np.ndarray | None = None
    classes: np.ndarray | None = None


@dataclass(frozen=True)
class Found:
    """What was found in an image.

    Parameters
    ----------
    maps : array (Y, X) of bool, (Y, X, C) of float, or None
        Mask, or maps; None where columns were found without any.
    xy_A, classes : arrays (n, 2), float, and (n,), int, or None
        Columns as in `Truth`.
    """

    maps: np.ndarray | None
    xy_A: np.ndarray | None = None
    classes: np.ndarray | None = None


class Judge(Protocol):
    """Finds what a label is about in maps, scores it image by image, and sums up over images."""

    @property
    def headline(self) -> str:
        """Name of the score of one image that the others are ordered by."""

    def find(self, maps: np.ndarray, sampling_A: float) -> Found:
        """Find what the label is about in maps (Y, X, C)."""

    def score(self, truth: Truth, found: Found) -> dict[str, float]:
        """Score one image: counts and scores by name."""

    def summarise(self, rows: Rows, groups: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
        """Sum up over images of some structures; _low and _high are bounds of 95 % over structures."""


@dataclass(frozen=True)
class MaskJudge:
    """Scores masks by pixels, boundaries and instances.

    Parameters
    ----------
    threshold : float
        Probabilities above this are inside.
    boundary_A : float
        Distance at which two boundaries agree [Å]; no less than 2 px.

    References
    ----------
    Thesis, Eqs. 3.5 to 3.7.

    Examples
    --------
    >>> judge = MaskJudge()
    >>> mask = np.pad(np.ones((8, 8, 1), np.float32), ((4, 4), (4, 4), (0, 0)))
    >>> judge.score(Truth(mask, 1.0), judge.find(mask, 1.0))["f1"]
    1.0
    """

    threshold: float = 0.5
    boundary_A: float = 2.0
    headline: str = "f1"

    def find(self, maps: np.ndarray, sampling_A: float) -> Found:  # noqa: ARG002
        """Mark the pixels whose probability is above the threshold."""
        return Found(maps[..., 0] > self.threshold)

    def score(self, truth: Truth, found: Found) -> dict[str, float]:
        """Score one mask."""
        there, mask = truth.label[..., 0] > 0.5, np.asarray(found.maps, bool)
        pixels = count_pixels(there, mask).counts
        tolerance_px = max(2.0, self.boundary_A / truth.sampling_A)
        edge = count_boundary(there, mask, tolerance_px=tolerance_px)
        instances = count_instances(there, mask)
        parts = (pixels.true_positive, pixels.false_positive, pixels.false_negative)
        matches = (instances.true_positive, instances.false_positive, instances.false_negative)
        return {
            **{name: float(getattr(pixels, name)[0]) for name in ("f1", "precision", "recall", "iou")},
            "boundary_f1": edge.f1,
            "instance_f1": float(instances.f1[0]),
            **{f"pixel_{name}": float(part[0]) for name, part in zip(_PARTS, parts, strict=True)},
            **{f"instance_{name}": float(part[0]) for name, part in zip(_PARTS, matches, strict=True)},
        }

    def summarise(self, rows: Rows, groups: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
        """Sum the counts of all images; means over images are named so."""
        pixels = _stack(rows, [f"pixel_{name}" for name in _PARTS])
        true, false, missed = pixels.sum(axis=0)
        table = {
            **_interval("f1", pixels, groups, rng, _pooled_f1),
            "precision": _share(true, true + false),
            "recall": _share(true, true + missed),
            **_interval("iou", pixels, groups, rng, _pooled_iou),
            **_interval("image_f1", _stack(rows, ["f1"])[:, 0], groups, rng),
            **_interval("image_iou", _stack(rows, ["iou"])[:, 0], groups, rng),
            "boundary_f1": float(np.mean(_stack(rows, ["boundary_f1"]))),
            "instance_f1": _pooled_f1(_stack(rows, [f"instance_{name}" for name in _PARTS])),
        }
        empty = [row["false_area"] for row in rows if "false_area" in row]
        if empty:
            table["false_area"] = float(np.mean(empty))
        return table


@dataclass(frozen=True)
class ColumnJudge:
    """Scores columns one to one within a distance, and the pixels of their spots by class.

    Parameters
    ----------
    names : tuple of str
        Classes, without the background.
    has_background : bool
        Whether the maps' last channel is the background.
    spotsize_A : float
        Size of the labels' spots [Å]; columns nearer to the image's edge are not counted.
    threshold : float
        Least confidence of a column; where there is a background, pixels are of the most probable class.
    within_A : float
        Largest distance of a match [Å].

    References
    ----------
    Thesis, 4.3; Publication III.

    Examples
    --------
    >>> judge = ColumnJudge(("Au",), has_background=False)
    >>> maps = np.zeros((40, 40, 1), np.float32)
    >>> maps[19:22, 9:12] = 1
    >>> truth = Truth(maps, 0.1, np.array([[1.0, 2.0]]), np.zeros(1, int))
    >>> judge.score(truth, judge.find(maps, 0.1))["atomic_f1"]
    1.0
    """

    names: tuple[str, ...]
    has_background: bool
    spotsize_A: float = 0.4
    threshold: float = 0.5
    within_A: float = 1.0
    headline: str = "atomic_f1"

    def find(self, maps: np.ndarray, sampling_A: float) -> Found:
        """Find the columns of all classes."""
        xy_A, classes, _ = find_columns_in_maps(
            maps,
            sampling_A=sampling_A,
            threshold=self.threshold,
            spotsize_A=self.spotsize_A,
            has_background=self.has_background,
        )
        return Found(maps, xy_A, classes)

    def score(self, truth: Truth, found: Found) -> dict[str, float]:
        """Score the columns of one image or focal series."""
        shape = (truth.label.shape[0], truth.label.shape[1])
        counted = count_columns(
            _known(found.xy_A),
            _known(found.classes),
            _known(truth.xy_A),
            _known(truth.classes),
            n_classes=len(self.names),
            within_A=self.within_A,
            bounds_A=image_bounds(shape, sampling_A=truth.sampling_A),
            edge_A=self.spotsize_A,
        )
        counts = counted.counts
        row = {
            "atomic_f1": float(counts.joined.f1[0]),
            "detection_f1": float(counted.detected.f1[0]),
            "squared_A2": float(counted.squared_A2.sum()),
        }
        parts = (counts.true_positive, counts.false_positive, counts.false_negative)
        for part, values in zip(_PARTS, parts, strict=True):
            row |= {f"{name}_{part}": float(one) for name, one in zip(self.names, values, strict=True)}
        if found.maps is None:
            return row
        pixels = count_pixels(truth.label, found.maps, threshold=None if self.has_background else 0.5).counts
        parts = (pixels.true_positive, pixels.false_positive, pixels.false_negative)
        for part, values in zip(_PARTS, parts, strict=True):
            row |= {
                f"{name}_pixel_{part}": float(one)
                for name, one in zip(self.names, values[: len(self.names)], strict=True)
            }
        return row

    def summarise(self, rows: Rows, groups: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
        """Sum up over series: the share that is perfect, the 10th percentile, and F1 by class."""
        by_series = _stack(rows, ["atomic_f1"])[:, 0]
        by_class = {name: _stack(rows, [f"{name}_{part}" for part in _PARTS]) for name in self.names}
        matched = sum(float(parts[:, 0].sum()) for parts in by_class.values())
        squared = float(_stack(rows, ["squared_A2"]).sum())
        perfect = (by_series == 1).astype(np.float64)
        table = {
            **_interval("atomic_f1", by_series, groups, rng),
            **_interval("perfect_share", perfect, groups, rng),
            **_interval("atomic_f1_p10", by_series, groups, rng, _tenth_percentile),
            "detection_f1": float(np.mean(_stack(rows, ["detection_f1"]))),
            "position_rms_A": math.sqrt(squared / matched) if matched else math.nan,
            **{f"atomic_f1_{name}": _pooled_f1(parts) for name, parts in by_class.items()},
        }
        if all(f"{self.names[0]}_pixel_tp" in row for row in rows):
            for name in self.names:
                pixels = _stack(rows, [f"{name}_pixel_{part}" for part in _PARTS])
                table[f"pixel_f1_{name}"] = _pooled_f1(pixels)
        return table


@dataclass(frozen=True)
class WaveJudge:
    """Scores values, as exit waves and occupancies, by their squared errors.

    References
    ----------
    Thesis, Eq. 2.6.

    Examples
    --------
    >>> wave = np.ones((4, 4, 2), np.float32)
    >>> WaveJudge().score(Truth(wave, 0.1), Found(wave + 0.5))["rmse"]
    0.5
    """

    headline: str = "rmse"

    def find(self, maps: np.ndarray, sampling_A: float) -> Found:  # noqa: ARG002
        """Take the maps as they are."""
        return Found(maps)

    def score(self, truth: Truth, found: Found) -> dict[str, float]:
        """Score one map."""
        return sum_errors(truth.label, np.asarray(found.maps)).scores()

    def summarise(self, rows: Rows, groups: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
        """Average the squared errors of all images, and find the median of their roots."""
        mse = _stack(rows, ["mse"])[:, 0]
        return {
            **_interval("rmse", mse, groups, rng, _root_of_mean),
            **_interval("median_rmse", np.sqrt(mse), groups, rng, _median),
            "mse": float(mse.mean()),
        }


def choose_judge(task: Task, *, spotsize_A: float, threshold: float, boundary_A: float = 2.0) -> Judge:
    """Choose the judge of a task.

    Parameters
    ----------
    task : Task
        What the labels teach.
    spotsize_A : float
        Size of the labels' spots [Å].
    threshold : float
        Least probability or confidence of what is found, from 0 to 1.
    boundary_A : float
        Distance at which boundaries of masks agree [Å].

    Returns
    -------
    Judge
        For masks, columns or values.

    Raises
    ------
    SettingsError
        If the threshold is outside 0 to 1.

    Examples
    --------
    >>> choose_judge(Task("Mask", 1, ("inside",), 12.0), spotsize_A=0.4, threshold=0.9).headline
    'f1'
    """
    if not 0 < threshold < 1:
        raise SettingsError(f"threshold: expected above 0, below 1, got {threshold}")
    if task.label == "Mask":
        return MaskJudge(threshold, boundary_A)
    if task.label in COLUMN_LABELS:
        names = task.channels[: task.n_classes]
        return ColumnJudge(
            names, has_background=task.has_background, spotsize_A=spotsize_A, threshold=threshold
        )
    return WaveJudge()


def _known(array: np.ndarray | None) -> np.ndarray:
    return np.zeros(0) if array is None else array


def _stack(rows: Rows, names: Sequence[str]) -> np.ndarray:
    return np.array([[row[name] for name in names] for row in rows], np.float64).reshape(-1, len(names))


def _interval(
    name: str,
    values: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    statistic: Callable[[Any], float] | None = None,
) -> dict[str, float]:
    """Estimate a score with its bounds, three columns of a table."""
    found: Interval = bootstrap(values, groups=groups, rng=rng, n=_DRAWS, statistic=statistic)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _pooled_f1(counts: np.ndarray) -> float:
    true, false, missed = counts.sum(axis=0)
    return _share(2 * true, 2 * true + false + missed)


def _pooled_iou(counts: np.ndarray) -> float:
    return _share(counts[:, 0].sum(), counts.sum())


def _tenth_percentile(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.1))


def _root_of_mean(values: np.ndarray) -> float:
    return math.sqrt(float(np.mean(values)))


def _median(values: np.ndarray) -> float:
    return float(np.median(values))


def _share(part: float, whole: float) -> float:
    """Divide; of nothing, all was found, as in `Counts`."""
    return float(part / whole) if whole > 0 else 1.0
