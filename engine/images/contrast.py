"""A frame's contrast: its smoothed deviation from the background, in standard deviations of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, percentile_filter

from .grid import Grid

# Values that the robust estimates are made of; more would not change them.
_SAMPLE = 20_000
_ROUNDS = 3
_TILE_SAMPLES = 12
# The background's spread is taken to be at least this share of the range: frames may be free of noise.
_LEAST_SPREAD = 1e-4


@dataclass(frozen=True)
class Contrast:
    """Contrast on a grid of blocks.

    Parameters
    ----------
    values : array (B, C), float64
        Deviation from the background in standard deviations of the background; zeros where that is flat.
    spread : float
        The least of those standard deviations over the frame, in units of the frame.
    grid : Grid
        The blocks.
    """

    values: np.ndarray
    spread: float
    grid: Grid


def smooth_onto_grid(frame: np.ndarray, *, smooth_px: float) -> tuple[np.ndarray, Grid]:
    """Filter a frame with a Gaussian and sample it as finely as that needs.

    Parameters
    ----------
    frame : array (Y, X), real
        One frame; pixels that are not finite take the median.
    smooth_px : float
        Standard deviation of the Gaussian [px].

    Returns
    -------
    blocks : array (B, C), float64
        The filtered frame, less a quadratic surface through most of it.
    grid : Grid
        The blocks that it is sampled on.

    Examples
    --------
    >>> smooth_onto_grid(np.ones((64, 64)), smooth_px=8.0)[0].shape
    (13, 13)
    """
    block_px = max(1, int(smooth_px / 1.5))
    grid = Grid.over(frame.shape, block_px)
    known = np.isfinite(frame)
    if not known.all():
        frame = np.where(known, frame, np.median(frame[known]) if known.any() else 0)
    shifted = np.subtract(frame, frame.min(), dtype=np.float64 if frame.dtype.itemsize > 2 else np.float32)
    means = grid.average(shifted)
    # Mirrors at the frame's edges would bend a slope, so the slope goes before the blur.
    return grid.blur(means - _robust_surface(means), smooth_px), grid


def measure_contrast(blocks: np.ndarray, grid: Grid, *, background_px: float | None) -> Contrast:
    """Subtract the background from a smoothed frame and divide by the background's standard deviation.

    Parameters
    ----------
    blocks, grid
        As from `smooth_onto_grid`.
    background_px : float or None
        Scale of the background's variation [px]; None where a quadratic surface describes it.

    Returns
    -------
    Contrast
        Positive where the frame is brighter than its background.

    Notes
    -----
    The background is fitted to what is left when outliers, the particles, are put aside, in turns.

    Examples
    --------
    >>> blocks, grid = smooth_onto_grid(np.eye(64), smooth_px=1.0)
    >>> measure_contrast(blocks, grid, background_px=None).values.shape
    (64, 64)
    """
    size = (grid.rows.size + grid.columns.size) / 2
    scale = min(blocks.shape) / 8 if background_px is None else background_px / size
    # The background needs no finer grid than its own scale: large frames gain by it.
    coarse = Grid.over(blocks.shape, max(1.0, min(scale / 6, max(blocks.shape) / 384)))
    background = _find_background(
        coarse.average(blocks), None if background_px is None else scale / coarse.rows.size
    )
    rest = blocks - coarse.interpolate(background)
    middle, least = _mode_and_spread(rest)
    least = max(least, _LEAST_SPREAD * float(np.ptp(rest)))
    if least <= 1e-6 * float(np.abs(blocks).max()):
        return Contrast(np.zeros(blocks.shape), 0.0, grid)
    rest -= middle
    local = _local_spread(rest, least, scale)
    rest /= local if np.any(local > least) else least
    return Contrast(rest, least, grid)


def _find_background(blocks: np.ndarray, scale: float | None) -> np.ndarray:
    """Fit a surface, and what varies on a scale [blocks], to what is left when outliers are put aside."""
    empty = np.ones(blocks.shape, bool)
    background = np.zeros(blocks.shape)
    coarse = Grid.over(blocks.shape, max(1.0, (scale or 1.0) / 4))
    for turn in range(_ROUNDS):
        # The frame came without its surface: only what particles did to that is left to mend.
        background = _quadratic_surface(blocks, empty) if turn > 0 else np.zeros(blocks.shape)
        if scale is not None:
            weight = coarse.blur(coarse.average(empty), scale)
            total = coarse.blur(coarse.average((blocks - background) * empty), scale)
            background += coarse.interpolate(total / (weight + 1e-3))
        rest = blocks - background
        middle, least = _mode_and_spread(rest)
        spread: float | np.ndarray = least
        if turn > 0:
            spread = _local_spread(rest - middle, least, scale or min(blocks.shape) / 8)
        empty = ~binary_dilation(np.abs(rest - middle) > 3 * spread, iterations=2)
    return background


def _local_spread(deviation: np.ndarray, least: float, scale: float) -> np.ndarray:
    """Give the standard deviation around each place, particles put aside: array of the same shape."""
    tiles = Grid.over(deviation.shape, max(8.0, scale))
    picks = []
    for axis in (tiles.rows, tiles.columns):
        inside = (np.arange(_TILE_SAMPLES) + 0.5) / _TILE_SAMPLES
        picks.append(((np.arange(len(axis.first))[:, None] + inside) * axis.size).astype(np.int64))
    rows, columns = picks
    sample = deviation[np.ix_(rows.ravel(), columns.ravel())]
    sample = sample.reshape(len(rows), _TILE_SAMPLES, len(columns), _TILE_SAMPLES)
    sample = sample.transpose(0, 2, 1, 3).reshape(len(rows), len(columns), -1)
    used = np.abs(sample) <= 3 * least
    # Where hardly anything is empty, a support or a large particle fills the tile: its own noise counts.
    used = used | (used.mean(axis=2, keepdims=True) < 0.25)
    middle = _masked_median(sample, used)
    spread = 1.4826 * _masked_median(np.abs(sample - middle), used)[..., 0]
    # Tiles across a large particle's edge are too wide; of nine neighbours the third least is not.
    spread = percentile_filter(spread, 30, size=3, mode="nearest")
    # Only clearly wider noise counts as such: the local estimate itself is noisy.
    spread = np.minimum(np.maximum(least, 2 * spread - 3 * least), np.maximum(least, spread))
    return (
        tiles.interpolate(spread) if np.any(spread > least) else np.full(deviation.shape, least, np.float32)
    )


def _masked_median(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Median along the last axis, kept with length 1, of the values in use, which are never none."""
    ordered = np.sort(np.where(used, values, np.inf), axis=-1)
    middle = (np.count_nonzero(used, axis=-1, keepdims=True) - 1) // 2
    return np.take_along_axis(ordered, middle, axis=-1)


def _robust_surface(blocks: np.ndarray) -> np.ndarray:
    """Fit a quadratic surface to most of the blocks: array of their shape."""
    means = Grid.over(blocks.shape, max(1.0, max(blocks.shape) / 32)).average(blocks)
    best, least = np.zeros(6), np.inf
    # Large particles pull a first fit with many terms towards them: of three starts the closest fit wins.
    for count in (1, 3, 6):
        terms = _surface_terms(means, np.ones(means.shape), count)
        for _ in range(12):
            rest = means - _surface(terms, means.shape)
            middle, spread = _mode_and_spread(rest)
            terms = _surface_terms(means, np.abs(rest - middle) <= spread)
        spread = _mode_and_spread(means - _surface(terms, means.shape))[1]
        if spread < 0.99 * least:
            best, least = terms, spread
    return _surface(best, blocks.shape)


def _quadratic_surface(blocks: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Fit a quadratic surface to the empty blocks: array of their shape."""
    coarse = Grid.over(blocks.shape, max(1.0, max(blocks.shape) / 48))
    weight = coarse.average(empty)
    means = coarse.average(blocks * empty) / np.maximum(weight, 1e-3)
    return _surface(_surface_terms(means, weight), blocks.shape)


def _surface_terms(means: np.ndarray, weight: np.ndarray, count: int = 6) -> np.ndarray:
    """Fit the first of constant, slopes and curvatures to weighted values on a unit square: array (6,)."""
    if np.count_nonzero(weight > 0.1) < 24:
        return np.array([np.median(means), 0, 0, 0, 0, 0])
    y, x = ((np.arange(length) + 0.5) / length - 0.5 for length in means.shape)
    yy, xx = (axis.ravel() for axis in np.meshgrid(y, x, indexing="ij"))
    terms = np.stack([np.ones_like(yy), yy, xx, yy * xx, yy**2, xx**2])[:count]
    weighted = terms * weight.ravel()
    # Scaled coordinates keep the normal equations well conditioned; a frame one pixel wide has fewer terms.
    fitted = np.linalg.pinv(weighted @ terms.T, rcond=1e-10, hermitian=True) @ (weighted @ means.ravel())
    return np.pad(fitted, (0, 6 - count))


def _surface(terms: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Evaluate a fitted surface: array of this shape."""
    a, b, c, d, e, f = terms
    y, x = ((np.arange(length) + 0.5) / length - 0.5 for length in shape)
    rows, columns = y[:, None], x[None, :]
    return (a + b * rows + e * rows**2) + (c + d * rows) * columns + f * columns**2


def _mode_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Give the most frequent value and the standard deviation around it, whatever lies far away."""
    flat = values.ravel()
    # An odd stride wanders over the columns of frames whose width is even.
    sample = np.sort(flat[:: max(1, flat.size // _SAMPLE) | 1])
    half = len(sample) // 2
    widths = sample[half:] - sample[: len(sample) - half]
    start = int(np.argmin(widths))
    middle, spread = float(np.median(sample[start : start + half + 1])), float(widths[start]) / (2 * 0.6745)
    for _ in range(12):
        near = sample[np.abs(sample - middle) <= 3 * spread]
        if len(near) < 3:
            break
        middle = float(np.median(near))
        # A normal distribution cut at 3 standard deviations has a median deviation 0.4 % too small.
        spread = 1.489 * float(np.median(np.abs(near - middle)))
    return middle, spread
