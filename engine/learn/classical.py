"""Classical methods tuned on validation images alone: what a network is measured against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np

from ..base.errors import DataError, SettingsError
from .atom_scores import image_bounds
from .baselines import (
    band_energy,
    mask_f1,
    segment_by_background,
    segment_by_lattice,
    segment_by_variance,
    tune,
)
from .column_baselines import find_columns_by_blobs, score_columns

# Masks need no finer pixels; the shortest fringes that matter have a period of 2 Å.
_COARSE_A = 0.34
# From here on no lattice fringe can be seen.
_LATTICE_A = 0.9
_SEPARATIONS = (0.0, 0.6, 0.7, 0.8)
_LEVELS = (1.3, 1.6, 2.0, 2.5, 3.5, 5.0)
_PERIODS_A = ((1.9, 2.5), (2.2, 2.6), (1.9, 3.4))
_MOST_CLASSES = 4


@dataclass(frozen=True)
class ClassicalMasks:
    """A classical segmentation with the settings that were best on validation images.

    Parameters
    ----------
    method : {"variance", "background", "lattice", "fringes"}
        One of `segment_by_variance`, `segment_by_background`, `segment_by_lattice`, `segment_by_fringes`.
    settings : dict
        Its keywords; lengths in pixels of an image binned to 0.34 Å a pixel or less, `periods_A` in Å.
    score : float
        Mean F1 on the validation images.

    Examples
    --------
    >>> image = np.pad(np.zeros((8, 8)), 12, constant_values=5.0)
    >>> classical = ClassicalMasks("background", {"background_px": 20, "smooth_px": 0}, 1.0)
    >>> int(classical(image, sampling_A=1.0).sum())
    64
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    score: float = float("nan")

    def __call__(self, image: np.ndarray, *, sampling_A: float) -> np.ndarray:
        """Segment an image (Y, X), or the mean of a focal series (F, Y, X): a mask (Y, X) of bool."""
        coarse, factor = _bin(_plane(image), sampling_A)
        mask = _segment((coarse, sampling_A * factor), method=self.method, **self.settings)
        rows, columns = np.shape(image)[-2:]
        return mask.repeat(factor, axis=0).repeat(factor, axis=1)[:rows, :columns]

    def __str__(self) -> str:
        return f"{self.method} ({', '.join(f'{key} {value}' for key, value in self.settings.items())})"


@dataclass(frozen=True)
class ClassicalColumns:
    """Columns by blobs with the settings that were best on validation images.

    Parameters
    ----------
    settings : dict
        Keywords of `find_columns_by_blobs`.
    score : float
        Mean atomic F1 on the validation images.

    Examples
    --------
    >>> image = np.zeros((40, 40))
    >>> image[10, 20] = 1
    >>> ClassicalColumns({"sigma_A": 0.2, "min_distance_A": 0.5}, 1.0)(image, sampling_A=0.1)[0].round(2)
    array([[2., 1.]])
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    score: float = float("nan")

    def __call__(self, image: np.ndarray, *, sampling_A: float) -> tuple[np.ndarray, np.ndarray]:
        """Find positions (n, 2) [Å] and classes (n,) in an image (Y, X) or series (F, Y, X)."""
        return find_columns_by_blobs(image, sampling_A=sampling_A, **self.settings)

    def __str__(self) -> str:
        return f"blobs ({', '.join(f'{key} {value}' for key, value in self.settings.items())})"


def segment_by_fringes(
    image: np.ndarray, *, periods_px: tuple[float, float], smooth_px: float, level: float
) -> np.ndarray:
    """Mark where the energy in a band of periods is some times what it is in most of the frame.

    Parameters
    ----------
    image : array (Y, X), real
        One frame, less than half of it with fringes.
    periods_px : (float, float)
        Shortest and longest period of the fringes [px].
    smooth_px : float
        Standard deviation of the Gaussian that smooths the energy [px]; some periods.
    level : float
        Energy above this many medians is marked: unlike Otsu's threshold it leaves vacuum empty.

    Returns
    -------
    array (Y, X), bool
        The mask.

    Raises
    ------
    DataError
        If the image is no finite real (Y, X).
    SettingsError
        If periods are not in order, or a length or the level is not above 0.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> image[:, 40:] += np.cos(2 * np.pi * np.arange(24) / 4)
    >>> segment_by_fringes(image, periods_px=(3, 5), smooth_px=3, level=4)[32, [8, 52]].tolist()
    [False, True]
    """
    if not 0 < level < math.inf:
        raise SettingsError(f"level: expected above 0, got {level}")
    energy = band_energy(image, periods_px=periods_px, smooth_px=smooth_px)
    mask: np.ndarray = energy > level * np.median(energy)
    return mask


def tune_masks(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    samplings_A: Sequence[float],
    *,
    told: Callable[[int, int], None] | None = None,
) -> ClassicalMasks:
    """Choose the classical segmentation, and its settings, that is best on validation images.

    Parameters
    ----------
    images : sequence of arrays (Y, X) or (F, Y, X), real
        Validation images, some of them empty.
    masks : sequence of arrays (Y, X), bool
        True masks.
    samplings_A : sequence of float
        Sides of their pixels [Å].
    told : callable or None
        Told (done, total) methods.

    Returns
    -------
    ClassicalMasks
        By the mean F1, 1 where an empty frame stays empty.

    Raises
    ------
    DataError
        If there are no images, or masks are not as many.

    Examples
    --------
    >>> image = np.pad(np.zeros((32, 32)), 16, constant_values=5.0)
    >>> tune_masks([image], [image < 1], [1.0]).method
    'background'
    """
    _check_counts(images, masks, samplings_A)
    coarse, truths = [], []
    for image, mask, sampling_A in zip(images, masks, samplings_A, strict=True):
        plane, factor = _bin(_plane(image), sampling_A)
        coarse.append((plane, sampling_A * factor))
        truths.append(_bin(np.asarray(mask, np.float64), sampling_A)[0] > 0.5)
    grids = _mask_grids(min(plane.shape[0] for plane, _ in coarse), max(step for _, step in coarse))
    best: ClassicalMasks | None = None
    for done, (method, grid) in enumerate(grids.items(), start=1):
        tuned = tune(_segment, coarse, truths, {"method": [method], **grid}, score=mask_f1)
        settings = {key: value for key, value in tuned.settings.items() if key != "method"}
        if best is None or tuned.score > best.score:
            best = ClassicalMasks(method, settings, tuned.score)
        if told is not None:
            told(done, len(grids))
    assert best is not None
    return best


def tune_columns(
    images: Sequence[np.ndarray],
    columns: Sequence[tuple[np.ndarray, np.ndarray]],
    samplings_A: Sequence[float],
    *,
    n_classes: int,
    edge_A: float = 0.0,
    told: Callable[[int, int], None] | None = None,
) -> ClassicalColumns:
    """Choose the settings of blobs that are best on validation images.

    Parameters
    ----------
    images : sequence of arrays (Y, X) or (F, Y, X), real
        Validation images or focal series.
    columns : sequence of (xy_A, classes)
        True columns in them, arrays (n, 2) [Å] and (n,), pixel (0, 0) at the origin.
    samplings_A : sequence of float
        Sides of their pixels [Å].
    n_classes : int
        Classes, without the background.
    edge_A : float
        Columns outside an image, or within this of its edge [Å], are not counted, as judges do not.
    told : callable or None
        Told (done, total) stages.

    Returns
    -------
    ClassicalColumns
        First where columns are is tuned, then which blobs are of which class.

    Raises
    ------
    DataError
        If there are no images, or columns are not as many.

    Examples
    --------
    >>> image = np.zeros((60, 60))
    >>> image[20:23, 30:33] = 1
    >>> truth = np.array([[3.1, 2.1]]), np.zeros(1, int)
    >>> tune_columns([image], [truth], [0.1], n_classes=1).score
    1.0
    """
    _check_counts(images, columns, samplings_A)
    inputs = list(zip(images, samplings_A, strict=True))
    truths = []
    for image, (xy_A, classes), sampling_A in zip(images, columns, samplings_A, strict=True):
        rows, sides = np.shape(image)[-2:]
        truths.append((xy_A, classes, image_bounds((rows, sides), sampling_A=sampling_A)))
    places = [(xy_A, np.zeros_like(classes), bounds_A) for xy_A, classes, bounds_A in truths]
    grid: dict[str, list[Any]] = {
        "sigma_A": [0.2, 0.35, 0.55],
        "min_distance_A": [0.8, 1.3],
        "polarity": ["bright", "dark", "either"],
        "threshold": [0.5, 1.0, 2.0],
    }
    found = tune(_blobs, inputs, places, grid, score=score_columns(n_classes=1, edge_A=edge_A))
    if told is not None:
        told(1, 2)
    if n_classes == 1:
        return ClassicalColumns(found.settings, found.score)
    fixed = {key: [value] for key, value in found.settings.items()}
    orders = list(permutations(range(n_classes))) if n_classes <= _MOST_CLASSES else [tuple(range(n_classes))]
    # All as the commonest class is better than wrong guesses.
    most = int(np.bincount(np.concatenate([kinds for _, kinds in columns]), minlength=n_classes).argmax())
    tuned = tune(
        _blobs,
        inputs,
        truths,
        {**fixed, "order": [*orders, (most,)]},
        score=score_columns(n_classes=n_classes, edge_A=edge_A),
    )
    if told is not None:
        told(2, 2)
    return ClassicalColumns(tuned.settings, tuned.score)


def _mask_grids(side_px: int, sampling_A: float) -> dict[str, dict[str, list[Any]]]:
    """List the settings to try on images of a side and of a sampling."""
    lengths = [length for length in (2.0, 4.0, 8.0, 16.0) if length <= max(side_px / 8, 2)]
    wide = [side_px / 16, side_px / 8, side_px / 4]
    separations = list(_SEPARATIONS)
    grids: dict[str, dict[str, list[Any]]] = {
        "variance": {
            "window_px": [length / 2 for length in lengths],
            "smooth_px": lengths,
            "separation": separations,
        },
        "background": {
            "background_px": wide,
            "smooth_px": [0.0, 1.0, *lengths[:2], lengths[-1]],
            "polarity": ["dark", "bright"],
            "separation": separations,
        },
    }
    if sampling_A <= _LATTICE_A:
        grids["lattice"] = {
            "periods_A": list(_PERIODS_A),
            "smooth_px": [2 * length for length in lengths],
            "separation": separations,
        }
        grids["fringes"] = {
            "periods_A": list(_PERIODS_A),
            "smooth_px": [2 * length for length in lengths],
            "level": list(_LEVELS),
        }
    return grids


def _segment(item: tuple[np.ndarray, float], *, method: str, **settings: Any) -> np.ndarray:
    image, sampling_A = item
    if method == "variance":
        return segment_by_variance(image, **settings)
    if method == "background":
        return segment_by_background(image, **settings)
    shortest, longest = settings.pop("periods_A")
    periods_px = (shortest / sampling_A, longest / sampling_A)
    by_period = segment_by_lattice if method == "lattice" else segment_by_fringes
    return by_period(image, periods_px=periods_px, **settings)


def _blobs(item: tuple[np.ndarray, float], **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    image, sampling_A = item
    return find_columns_by_blobs(image, sampling_A=sampling_A, **settings)


def _plane(image: np.ndarray) -> np.ndarray:
    array = np.asarray(image)
    return array.astype(np.float64) if array.ndim == 2 else array.mean(axis=0, dtype=np.float64)


def _bin(plane: np.ndarray, sampling_A: float) -> tuple[np.ndarray, int]:
    """Average whole blocks of pixels, the last ones filled up by repeating the edge."""
    factor = max(1, int(_COARSE_A / sampling_A))
    if factor == 1:
        return plane, 1
    rows, columns = (-side % factor for side in plane.shape)
    padded = np.pad(plane, ((0, rows), (0, columns)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return blocks.mean(axis=(1, 3)), factor


def _check_counts(*sequences: Sequence[Any]) -> None:
    counts = [len(sequence) for sequence in sequences]
    if counts[0] == 0 or len(set(counts)) > 1:
        raise DataError(f"expected a truth and a sampling for each of 1 or more images, got {counts}")
