"""A particle's power over noise by spatial frequency and direction: turning the particle shifts it along."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from ...base.errors import CalibrationError, SettingsError

# Finer than the grid, so that no peak falls between its points: then the largest of each group is kept.
_FINER_Q, _FINER_ANGLE = 2, 4
_LEAST_Q_SHARE = 1 / 16


def polar_spectrum(
    power: np.ndarray, *, pixel_nm: float, most_q_per_nm: float = 8.0, size: int = 64
) -> np.ndarray:
    """Lay the power spectrum of one particle out by spatial frequency and direction.

    Parameters
    ----------
    power : array (N, N // 2 + 1), float
        Power over noise, whose mean is 1, as `normalised_power` gives it.
    pixel_nm : float
        Side of an image pixel [nm].
    most_q_per_nm : float
        Highest spatial frequency of the map [1/nm]; the map starts at a sixteenth of it.
    size : int
        Frequencies, and directions over half a turn: rows and columns of the map.

    Returns
    -------
    array (size, size), float32
        ln(1 + P), the largest within each cell; rows by growing frequency, columns by direction from that of
        growing image columns towards that of growing rows, half a turn. 0 beyond the limit of the pixels.

    Raises
    ------
    CalibrationError
        If the pixel size is not above 0.
    SettingsError
        If a number is outside its range.

    Examples
    --------
    >>> power = np.ones((64, 33))
    >>> power[0, 20] = 1000.0  # 20 periods across 64 pixels of 0.05 nm: 6.25/nm along the columns
    >>> row, column = np.unravel_index(polar_spectrum(power, pixel_nm=0.05).argmax(), (64, 64))
    >>> int(row), int(column)
    (49, 0)
    """
    if not (math.isfinite(pixel_nm) and pixel_nm > 0):
        raise CalibrationError(f"expected a pixel size above 0, got {pixel_nm}; give the movie's pixel size")
    if size < 8 or not most_q_per_nm > 0:
        raise SettingsError(
            f"expected at least 8 frequencies and a highest one above 0, got {size}, {most_q_per_nm}"
        )
    side = power.shape[0]
    least = _LEAST_Q_SHARE * most_q_per_nm
    q = least + (np.arange(_FINER_Q * size) + 0.5) / (_FINER_Q * size) * (most_q_per_nm - least)
    radius = q * side * pixel_nm
    angle = np.arange(_FINER_ANGLE * size) * math.pi / (_FINER_ANGLE * size)
    down, across = radius[:, None] * np.sin(angle), radius[:, None] * np.cos(angle)
    # A real image has P(-q) = P(q), and its transform is kept for frequencies across of 0 or more alone.
    down, across = np.where(across < 0, -down, down), np.abs(across)
    values = ndimage.map_coordinates(
        np.asarray(power, np.float32), (down % side, across), order=1, mode="grid-wrap"
    )
    values[radius > side / 2 - 1] = 0.0
    cells = values.reshape(size, _FINER_Q, size, _FINER_ANGLE).max(axis=(1, 3))
    return np.log1p(np.maximum(cells, 0.0)).astype(np.float32)
