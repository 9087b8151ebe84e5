"""The noise of a movie against frequency, measured where there is no particle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import fft
from scipy.special import gammaincinv

from ...base.errors import DataError, SettingsError
from ...base.tables import Columns

# Below it lie the mean, the slope of the illumination and what the window spreads of them.
_FIRST_RING = 2
# Hann windows leave 4/9 of the frequencies independent, and medians know less than means.
_INDEPENDENT_SHARE = 0.25
_SMALLEST_TILE_PX = 16
# Powers of Hann windows at half overlap are correlated by 1/36: each is worth this much of one apart.
_TILES_APART = 0.9
# Fewer windows than this are given up for smaller ones.
_ENOUGH_TILES = 8
# Rings are drawn together until each rests on so many values, which leave 5 %.
_ENOUGH_VALUES = 400.0
# What noise exceeds once in a thousand frequencies is taken for a lattice.
_SURELY_NOISE = 0.999
_CLIPPINGS = 3


def background_noise(
    image: np.ndarray,
    occupied: np.ndarray,
    *,
    tile_px: int = 64,
    margin_px: int = 8,
    most_tiles: int = 64,
) -> Columns:
    """Measure the noise power of one frame in windows that hold no particle.

    Parameters
    ----------
    image : array (Y, X), any real dtype
        The frame [counts], all pixels finite.
    occupied : array (Y, X), bool or int
        Where particles are: not 0.
    tile_px : int
        Side of the windows [px], even; smaller ones are tried where none fits between the particles.
    margin_px : int
        Distance that windows keep from the particles [px]: fringes of a defocused lens reach beyond them.
    most_tiles : int
        At most this many windows are used, evenly chosen.

    Returns
    -------
    dict of arrays (R,)
        q_per_px (middle of the ring), power (variance density: for white noise the variance of a pixel),
        values (independent values that it rests on), mean_counts (of the windows). Without rows where
        no window fits: there is no vacuum.

    Raises
    ------
    DataError
        If the shapes differ or are not two-dimensional.
    SettingsError
        If a number is outside its range.

    Notes
    -----
    Hann windows at half overlap, each about its mean. The mean over windows of |FFT|²/Σw² has a Gamma
    distribution at each frequency; a ring's level is the median over its angles, divided by that
    distribution's, without the frequencies that noise does not reach: a lattice in the background is bright
    at the same few in all windows.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(50, (256, 256))
    >>> noise = background_noise(image, np.zeros((256, 256), bool))
    >>> round(float(noise["power"].mean()))
    50
    """
    if image.ndim != 2 or image.shape != occupied.shape:
        raise DataError(
            f"expected an image (Y, X) and a mask of the same shape, got {image.shape} and {occupied.shape}"
        )
    if tile_px < _SMALLEST_TILE_PX or tile_px % 2 or margin_px < 0 or most_tiles < 1:
        raise SettingsError(
            f"expected an even window of at least {_SMALLEST_TILE_PX} px, a margin of 0 px or more and at "
            f"least 1 window, got {tile_px}, {margin_px} and {most_tiles}"
        )
    taken = np.asarray(occupied) != 0
    best, best_px = _free_tiles(taken, tile_px, margin_px), tile_px
    while len(best) < _ENOUGH_TILES and tile_px // 2 >= _SMALLEST_TILE_PX:
        tile_px = tile_px // 4 * 2
        corners = _free_tiles(taken, tile_px, margin_px)
        if len(corners) >= _ENOUGH_TILES or not len(best):
            best, best_px = corners, tile_px
    if not len(best):
        return no_noise()
    chosen = np.unique(np.linspace(0, len(best) - 1, min(most_tiles, len(best))).astype(int))
    return _ring_medians(image, best[chosen], best_px)


def no_noise() -> Columns:
    """Make the table of a frame without vacuum: all columns of `background_noise`, no rows."""
    return {name: np.zeros(0) for name in ("q_per_px", "power", "values", "mean_counts")}


def pool_noise(frames: Sequence[Columns]) -> Columns:
    """Average the noise power of several frames of one movie.

    Parameters
    ----------
    frames : sequence of dict of arrays (R,)
        From `background_noise`; those without rows are left out.

    Returns
    -------
    dict of arrays (R,)
        The same columns, on the rings of the frames with the largest windows, of which neighbours are drawn
        together where they rest on few values; power and mean counts are means weighted by the number of
        values, which add up.

    Examples
    --------
    >>> one = {"q_per_px": np.array([0.1]), "power": np.array([4.0]), "values": np.array([10.0])}
    >>> one["mean_counts"] = np.array([5.0])
    >>> pool_noise([one, one])["values"].tolist()
    [20.0]
    """
    measured = [frame for frame in frames if frame["q_per_px"].size]
    if not measured:
        return no_noise()
    rings = max((frame["q_per_px"] for frame in measured), key=len)
    values = np.zeros(rings.size)
    sums = {"power": np.zeros(rings.size), "mean_counts": np.zeros(rings.size)}
    for frame in measured:
        weight = np.interp(rings, frame["q_per_px"], frame["values"])
        values += weight
        for name, total in sums.items():
            total += weight * np.interp(rings, frame["q_per_px"], frame[name])
    sums["q_per_px"] = rings * values
    group, filled = np.zeros(rings.size, np.int64), 0.0
    for place, count in enumerate(values.tolist()):
        group[place] = group[place - 1] + int(filled >= _ENOUGH_VALUES) if place else 0
        filled = (0.0 if filled >= _ENOUGH_VALUES else filled) + count
    if filled < _ENOUGH_VALUES and group[-1] > 0:
        group[group == group[-1]] -= 1
    together = np.bincount(group, weights=values)
    means = {name: np.bincount(group, weights=total) / together for name, total in sums.items()}
    return {
        "q_per_px": means["q_per_px"],
        "power": means["power"],
        "values": together,
        "mean_counts": means["mean_counts"],
    }


def noise_power(noise: Columns, q_per_px: np.ndarray, *, mean_counts: float = math.nan) -> np.ndarray:
    """Look up the noise power expected at a frequency, in a region of another brightness.

    Parameters
    ----------
    noise : dict of arrays (R,)
        From `background_noise` or `pool_noise`, with at least one row.
    q_per_px : array, float
        Spatial frequencies [1/px].
    mean_counts : float
        Mean of the region [counts]: shot noise goes with it. NaN, or a mean that is not above 0 here or in
        the background, takes the power as it was measured.

    Returns
    -------
    array, float64
        Power a pixel.

    Notes
    -----
    Between rings the logarithm of the power is drawn linearly; beyond them it stays that of the last ring.

    Examples
    --------
    >>> noise = {"q_per_px": np.array([0.1, 0.2]), "power": np.array([4.0, 1.0])}
    >>> noise |= {"values": np.ones(2), "mean_counts": np.full(2, 10.0)}
    >>> noise_power(noise, np.array([0.15]), mean_counts=5.0).round(6).tolist()
    [1.0]
    """
    least = 1e-12 * max(float(noise["power"].max()), np.finfo(np.float64).tiny)
    logarithm = np.log(np.maximum(noise["power"], least))
    power = np.exp(np.interp(q_per_px, noise["q_per_px"], logarithm))
    there = float(noise["mean_counts"].mean())
    return power * (mean_counts / there) if mean_counts > 0 and there > 0 else power


def _free_tiles(occupied: np.ndarray, tile_px: int, margin_px: int) -> np.ndarray:
    """Find corners (n, 2) of windows on a half-overlapping grid that keep clear of particles."""
    rows, columns = occupied.shape
    counts = np.zeros((rows + 1, columns + 1), np.int64)
    np.cumsum(np.cumsum(occupied, axis=0), axis=1, out=counts[1:, 1:])
    tops = np.arange(0, rows - tile_px + 1, tile_px // 2)
    lefts = np.arange(0, columns - tile_px + 1, tile_px // 2)
    above, below = np.maximum(tops - margin_px, 0), np.minimum(tops + tile_px + margin_px, rows)
    before, behind = np.maximum(lefts - margin_px, 0), np.minimum(lefts + tile_px + margin_px, columns)
    inside = (
        counts[np.ix_(below, behind)]
        - counts[np.ix_(above, behind)]
        - counts[np.ix_(below, before)]
        + counts[np.ix_(above, before)]
    )
    free_row, free_column = np.nonzero(inside == 0)
    return np.stack([tops[free_row], lefts[free_column]], axis=1)


def _ring_medians(image: np.ndarray, corners: np.ndarray, tile_px: int) -> Columns:
    line = np.hanning(tile_px + 1)[:-1].astype(np.float64)
    window = line[:, None] * line
    tiles = np.stack([image[y : y + tile_px, x : x + tile_px] for y, x in corners]).astype(np.float64)
    means = (tiles * window).sum(axis=(1, 2)) / window.sum()
    half = fft.rfft2((tiles - means[:, None, None]) * window, workers=1)
    power = ((half.real**2 + half.imag**2) / (window**2).sum()).mean(axis=0)
    down, across = fft.fftfreq(tile_px, 1 / tile_px)[:, None], np.arange(tile_px // 2 + 1)
    ring = np.rint(np.hypot(down, across)).astype(int)
    rings = np.arange(_FIRST_RING, tile_px // 2 + 1)
    found = [power[ring == number] for number in rings]
    return {
        "q_per_px": rings / tile_px,
        "power": np.array([_level(part, len(tiles)) for part in found]),
        "values": np.array([_INDEPENDENT_SHARE * len(tiles) * part.size for part in found]),
        "mean_counts": np.full(rings.size, means.mean()),
    }


def _level(power: np.ndarray, n_tiles: int) -> float:
    """Mean noise of a ring, from powers that are each a mean over windows; outliers are no noise."""
    count = max(1.0, _TILES_APART * n_tiles)
    middle, most = gammaincinv(count, [0.5, _SURELY_NOISE]) / count
    level = float(np.median(power)) / middle
    for _ in range(_CLIPPINGS):
        power = power[power <= most * level]
        level = float(np.median(power)) / middle
    return level
