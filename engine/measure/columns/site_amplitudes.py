"""How much of a column there is at a place where none may have been found."""

from __future__ import annotations

import math

import numpy as np

from ...base.errors import DataError, SettingsError
from .noise import Noise

_REACH_WIDTHS = 2.5


def site_amplitudes(
    image: np.ndarray, y: np.ndarray, x: np.ndarray, *, width_px: float, noise: Noise
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the amplitude of Gaussians of a known width at known places.

    Parameters
    ----------
    image : array (Y, X), any real dtype
        The frame, all pixels finite.
    y, x : arrays (n,), float
        Places [px].
    width_px : float
        Standard deviation of a column [px].
    noise : Noise
        Of the pixels.

    Returns
    -------
    amplitude, error : arrays (n,), float64
        Height above a level background [grey levels], and its standard deviation; NaN where the place is
        not in the image.

    Raises
    ------
    DataError
        If the image has not two axes.
    SettingsError
        If the width is not above 0.

    Notes
    -----
    Least squares of A·g + b in a window of 2.5 widths: A = Σ(g - ḡ)k / Σ(g - ḡ)². Nothing is searched, so
    that an empty place gives 0 on average. Neighbours add the same to both sides of a comparison over time.

    Examples
    --------
    >>> y, x = np.mgrid[:32, :32] - 16.0
    >>> image = 5 + 3 * np.exp(-(y**2 + x**2) / 8)
    >>> amplitude, _ = site_amplitudes(
    ...     image, np.array([16.0]), np.array([16.0]), width_px=2.0, noise=Noise(None, 1.0)
    ... )
    >>> amplitude.round(6).tolist()
    [3.0]
    """
    if image.ndim != 2:
        raise DataError(f"expected an image (Y, X), got {image.shape}")
    if not (math.isfinite(width_px) and width_px > 0):
        raise SettingsError(f"expected a width above 0 px, got {width_px}")
    y, x = np.asarray(y, np.float64), np.asarray(x, np.float64)
    reach = math.ceil(_REACH_WIDTHS * width_px)
    offsets = np.arange(-reach, reach + 1)
    rows = np.rint(y).astype(int)[:, None] + offsets
    columns = np.rint(x).astype(int)[:, None] + offsets
    inside = ((rows >= 0) & (rows < image.shape[0]))[:, :, None] & (
        (columns >= 0) & (columns < image.shape[1])
    )[:, None, :]
    pixels = image[
        np.clip(rows, 0, image.shape[0] - 1)[:, :, None], np.clip(columns, 0, image.shape[1] - 1)[:, None, :]
    ].astype(np.float64)
    squared = (rows - y[:, None])[:, :, None] ** 2 + (columns - x[:, None])[:, None, :] ** 2
    inside &= squared <= (reach + 0.5) ** 2
    shape = np.exp(-squared / (2 * width_px**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        count = inside.sum(axis=(1, 2))
        shape = np.where(
            inside, shape - (inside * shape).sum(axis=(1, 2), keepdims=True) / count[:, None, None], 0
        )
        energy = (shape**2).sum(axis=(1, 2))
        mean = (inside * pixels).sum(axis=(1, 2)) / count
        amplitude = (shape * pixels).sum(axis=(1, 2)) / energy
        if noise.counts_per_electron is None:
            variance = np.full(len(y), noise.deviation**2)
        else:
            variance = noise.counts_per_electron * np.maximum(mean, noise.counts_per_electron)
        error = np.sqrt(variance / energy)
    there = (count > 0) & (energy > 0)
    return np.where(there, amplitude, np.nan), np.where(there, error, np.nan)
