"""Segmentation without a network: contrast against the background, thresholded at half its usual value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation, label

from ..base.errors import DataError, SettingsError
from .contrast import Contrast, measure_contrast, smooth_onto_grid

# Half the contrast should stand this many standard deviations above the background: noise then stays out.
_WANTED_CONTRAST = 9.0
# A particle must somewhere exceed the background by this many standard deviations.
_CERTAIN = 5.0
# No threshold lies lower, however faint the particles are.
_LEAST_THRESHOLD = 2.5
# Sample frames looked at; more would not change the choice.
_FRAMES = 4
# Holes of this share of the area say that a background's scale is too small.
_HOLLOW = 0.15
# Fine scales are tried on a window this wide at the frame's centre, coarse ones on the whole frame.
_WINDOW_PX = 768
_WINDOW_BACKGROUND_PX = 32.0
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class _Trial:
    """What thresholding at one pair of scales finds."""

    polarity: str
    smooth_px: float
    background_px: float | None
    contrast: float
    depth: float
    area: float
    hollow: float
    view: int = 0


def choose_threshold(
    frames: np.ndarray,
    *,
    polarity: str = "auto",
    smooth_px: float | None = None,
    background_px: float | None = None,
) -> dict[str, Any]:
    """Choose the settings of `segment_by_threshold` for a movie from a few of its frames.

    Parameters
    ----------
    frames : array (n, Y, X) or (Y, X), real
        Sample frames; of more than 4, 4 are taken evenly.
    polarity : {"auto", "dark", "bright"}
        Whether particles are darker or brighter than their background.
    smooth_px, background_px : float or None
        Scales to use instead of choosing them [px].

    Returns
    -------
    dict
        Plain keyword settings: polarity, smooth_px, background_px, threshold, certainty, min_area_px.

    Raises
    ------
    DataError
        If the frames are not real arrays (n, Y, X), or are empty.
    SettingsError
        If a setting is outside its range.

    Notes
    -----
    The blur is the least that lifts half the particles' contrast to 4.5 standard deviations of the
    background. The background's scale is the least from which on the particles' area and contrast grow
    no further. Settings refer to the background's standard deviation, so a change of gain or offset
    leaves masks as they are.

    Examples
    --------
    >>> frame = np.pad(np.full((20, 20), 9.0), 40)
    >>> choose_threshold(frame)["polarity"]
    'bright'
    """
    stack = _as_frames(frames)
    if polarity not in ("auto", "dark", "bright"):
        raise SettingsError(f"polarity must be auto, dark or bright, got {polarity!r}")
    for name, value in (("smooth_px", smooth_px), ("background_px", background_px)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} must be finite and above 0, got {value}")
    picked = stack[np.unique(np.linspace(0, len(stack) - 1, _FRAMES).round().astype(int))]
    polarities = ("dark", "bright") if polarity == "auto" else (polarity,)
    trials = []
    for view, sample in enumerate(_views(picked)):
        smooths, backgrounds = _candidate_scales(sample, view, len(_views(picked)))
        trials += _try_scales(
            sample,
            view,
            polarities,
            smooths if smooth_px is None else [float(smooth_px)],
            backgrounds if background_px is None else [float(background_px)],
        )
    best = _pick(trials)
    if best is None:
        blur = max(2.0, _blur_of_counts(picked)) if smooth_px is None else float(smooth_px)
        best = _Trial(polarities[0], blur, background_px, _WANTED_CONTRAST, 0.0, 0.0, 0.0)
    threshold = max(best.contrast / 2, _LEAST_THRESHOLD)
    return {
        "polarity": best.polarity,
        "smooth_px": round(best.smooth_px, 3),
        "background_px": None if best.background_px is None else round(best.background_px, 3),
        "threshold": round(threshold, 3),
        "certainty": round(max(threshold, _CERTAIN), 3),
        "min_area_px": _resolved_area(best.smooth_px),
    }


def segment_by_threshold(
    frame: np.ndarray,
    *,
    polarity: str = "dark",
    smooth_px: float = 2.0,
    background_px: float | None = None,
    threshold: float = 4.5,
    certainty: float = 5.0,
    min_area_px: int = 20,
) -> np.ndarray:
    """Mark the particles in a frame by their contrast against the background.

    Parameters
    ----------
    frame : array (Y, X), real
        One frame; pixels that are not finite count as background.
    polarity : {"dark", "bright"}
        Whether particles are darker or brighter than the background.
    smooth_px : float
        Standard deviation of the Gaussian that quiets noise [px].
    background_px : float or None
        Scale of the background's variation [px]; None where a quadratic surface describes it.
    threshold : float
        Contrast at a particle's edge, in standard deviations of the background.
    certainty : float
        Contrast that a particle must reach somewhere, in the same unit.
    min_area_px : int
        Least area of a particle [px].

    Returns
    -------
    array (Y, X), bool
        True on particles.

    Raises
    ------
    DataError
        If the frame is not a real array (Y, X), or is empty.
    SettingsError
        If a setting is outside its range.

    Examples
    --------
    >>> segment_by_threshold(np.pad(np.full((20, 20), 9.0), 40), polarity="bright").sum() > 300
    np.True_
    """
    if np.ndim(frame) != 2:
        raise DataError(f"expected a frame (Y, X), got shape {np.shape(frame)}")
    (pixels,) = _as_frames(frame)
    if polarity not in ("dark", "bright"):
        raise SettingsError(f"polarity must be dark or bright, got {polarity!r}")
    positive = {"smooth_px": smooth_px, "background_px": background_px, "threshold": threshold}
    for name, value in positive.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} must be finite and above 0, got {value}")
    blocks, grid = smooth_onto_grid(pixels, smooth_px=smooth_px)
    contrast = measure_contrast(blocks, grid, background_px=background_px)
    values = contrast.values if polarity == "bright" else -contrast.values
    least_blocks = min_area_px / (grid.rows.size * grid.columns.size)
    kept = _keep_certain(values, threshold, max(certainty, threshold), least_blocks)
    if not kept.any():
        return np.zeros(pixels.shape, bool)
    # Edges are found between blocks, so what lies next to a kept block must stay as it is.
    values = np.where(binary_dilation(kept, _EIGHT), values, np.minimum(values, 0))
    return grid.interpolate(values) > threshold


def _as_frames(frames: np.ndarray) -> np.ndarray:
    array = np.asarray(frames)
    array = array[np.newaxis] if array.ndim == 2 else array
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"expected frames (n, Y, X), got shape {array.shape}")
    if array.dtype.kind not in "buif":
        raise DataError(f"expected real pixels, got {array.dtype}; take the modulus or one channel first")
    return array


def _views(frames: np.ndarray) -> list[np.ndarray]:
    """Give what scales are tried on: of large frames a window first, then the whole."""
    rows, columns = frames.shape[1:]
    if max(rows, columns) <= _WINDOW_PX:
        return [frames]
    top, left = (max(0, (length - _WINDOW_PX) // 2) for length in (rows, columns))
    return [frames[:, top : top + _WINDOW_PX, left : left + _WINDOW_PX], frames[:2]]


def _candidate_scales(frames: np.ndarray, view: int, n_views: int) -> tuple[list[float], list[float | None]]:
    """List the blurs and background scales worth trying on these frames."""
    rows, columns = frames.shape[1:]
    side = min(rows, columns)
    finest = max(1.0, max(rows, columns) / _WINDOW_PX, _blur_of_counts(frames))
    smooths = [finest * 2 ** (k / 2) for k in range(16)]
    few = [scale for scale in smooths if scale <= side / 16] or smooths[:1]
    scales = [8 * 2.0**k for k in range(12) if 8 * 2.0**k <= side / 4]
    if n_views == 1:
        return few, [*scales, None]
    if view == 0:
        return few, [scale for scale in scales if scale <= _WINDOW_BACKGROUND_PX]
    return few, [scale for scale in scales if scale > _WINDOW_BACKGROUND_PX] + [None]


def _blur_of_counts(frames: np.ndarray) -> float:
    """Give the blur that gathers 20 counts where frames hold few, so that noise is nearly normal; else 0."""
    sample = frames[:, ::3, ::3]
    mean = float(np.mean(sample[np.isfinite(sample)])) if np.isfinite(sample).any() else 0.0
    if not 0 < mean < 5 or np.any(sample < 0) or np.any(sample != np.floor(sample)):
        return 0.0
    return min((20 / (4 * np.pi * mean)) ** 0.5, min(frames.shape[1:]) / 16)


def _try_scales(
    frames: np.ndarray,
    view: int,
    polarities: tuple[str, ...],
    smooths: list[float],
    backgrounds: list[float | None],
) -> list[_Trial]:
    """Find for each background scale the least blur that suffices, or else the one with most contrast."""
    smoothed: dict[float, list[Any]] = {}

    def try_blurs(background_px: float | None, first: float) -> _Trial | None:
        best: _Trial | None = None
        for smooth_px in smooths:
            too_wide = background_px is not None and smooth_px > background_px / 2.9
            if len(smooths) > 1 and (smooth_px < first or too_wide):
                continue
            if smooth_px not in smoothed:
                smoothed[smooth_px] = [smooth_onto_grid(frame, smooth_px=smooth_px) for frame in frames]
            contrasts = [
                measure_contrast(blocks, grid, background_px=background_px)
                for blocks, grid in smoothed[smooth_px]
            ]
            for polarity in polarities:
                trial = _try_polarity(contrasts, polarity, smooth_px, background_px)
                if trial is not None and (best is None or trial.contrast > 1.1 * best.contrast):
                    best = trial
            if best is not None and best.contrast >= _WANTED_CONTRAST:
                break
        return best

    trials: list[_Trial] = []
    for background_px in backgrounds:
        # The blur that a background scale needs differs little from what the scale before needed.
        first = trials[-1].smooth_px / 2 if trials else 0.0
        best = try_blurs(background_px, first)
        if best is not None and best.contrast > 2 * _WANTED_CONTRAST and best.smooth_px > smooths[0]:
            best = try_blurs(background_px, 0.0)
        if best is not None:
            trials.append(replace(best, view=view))
    return trials


def _try_polarity(
    contrasts: list[Contrast], polarity: str, smooth_px: float, background_px: float | None
) -> _Trial | None:
    """Measure what stands out with one polarity; None where nothing does in any frame."""
    sign = 1 if polarity == "bright" else -1
    found = []
    for contrast in contrasts:
        values = sign * contrast.values
        typical = _typical_contrast(values)
        if typical is None:
            continue
        threshold = max(typical / 2, _LEAST_THRESHOLD)
        least = _resolved_area(smooth_px) / (contrast.grid.rows.size * contrast.grid.columns.size)
        kept = _keep_certain(values, threshold, max(threshold, _CERTAIN), least)
        if kept.any():
            area = np.count_nonzero(kept)
            hollow = _area_of_holes(kept) / area
            found.append((typical, typical * contrast.spread, area / kept.size, hollow))
    if not found:
        return None
    middle = np.median(np.array(found), axis=0)
    contrast_sd, depth, area_share, hollow_share = (float(value) for value in middle)
    return _Trial(polarity, smooth_px, background_px, contrast_sd, depth, area_share, hollow_share)


def _typical_contrast(values: np.ndarray) -> float | None:
    """Median contrast of what lies above half of it; None where nothing is certain."""
    certain = values[values > _CERTAIN]
    if certain.size < 4:
        return None
    outliers = values[values > 4]
    typical = float(np.median(certain))
    for _ in range(6):
        typical = float(np.median(outliers[outliers > min(typical / 2, outliers.max() / 2)]))
    return typical


def _pick(trials: list[_Trial]) -> _Trial | None:
    """Take the scale from which on particles grow no further."""
    if not trials:
        return None
    enough = 0.85 * max(min(trial.contrast, _WANTED_CONTRAST) for trial in trials)
    trials = [trial for trial in trials if trial.contrast >= enough]
    # Rings are the rims of particles wider than the background's scale.
    trials = [trial for trial in trials if trial.hollow < _HOLLOW] or trials
    for trial, wider in pairwise(trials):
        spread_out = wider.area > 1.25 * trial.area and wider.view == trial.view
        grown = spread_out or wider.depth > 1.15 * trial.depth
        if wider.polarity == trial.polarity and not grown:
            return wider
    return trials[-1]


def _area_of_holes(kept: np.ndarray) -> int:
    """Count blocks that lie inside the kept areas without being kept."""
    gaps, count = label(~kept)
    sizes = np.bincount(gaps.ravel(), minlength=count + 1)
    sizes[0] = 0
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        sizes[edge] = 0
    return int(sizes.sum())


def _resolved_area(smooth_px: float) -> int:
    """Area of the least spot that noise blurred this far cannot easily fake [px]."""
    return max(20, round(2 * np.pi * smooth_px**2))


def _keep_certain(values: np.ndarray, threshold: float, certainty: float, least: float) -> np.ndarray:
    """Keep the connected areas above the threshold that are certain somewhere and large enough."""
    areas, count = label(values > threshold, _EIGHT)
    kept = np.bincount(areas.ravel(), minlength=count + 1) >= least
    certain = np.zeros(count + 1, bool)
    certain[areas[values > certainty]] = True
    certain[0] = False
    return (kept & certain)[areas]
