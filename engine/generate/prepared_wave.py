"""Exit waves transformed once for all of their images, in their cell or with vacuum added to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..base.errors import DataError, SettingsError
from .image_grid import ImageGrid

# What a wave holds above its band, as a share of its intensity.
_BEYOND_BAND = 1e-12


@dataclass(frozen=True)
class PreparedWave:
    """The exit waves of a system, transformed once for all of its images; `prepare_wave` makes it.

    Parameters
    ----------
    scattered : array (P, Y, X), complex64
        Waves less the 1 of vacuum.
    spectrum : array (P, R, C), complex64
        Fourier coefficients of the waves inside their band, frequency 0 in the middle.
    extent_A : (float, float)
        Sides of the cell along x and y [Å].
    band_per_A : float
        Highest spatial frequency that the waves hold [1/Å].

    Examples
    --------
    >>> prepare_wave(np.ones((8, 8), np.complex64), (4.0, 4.0)).spectrum.shape
    (1, 1, 1)
    """

    scattered: np.ndarray
    spectrum: np.ndarray
    extent_A: tuple[float, float]
    band_per_A: float


def prepare_wave(waves: np.ndarray, extent_A: tuple[float, float]) -> PreparedWave:
    """Transform exit waves once, for all images that are made of them.

    Parameters
    ----------
    waves : array (Y, X) or (P, Y, X), complex
        Exit wave, or those of P frozen phonons; 1 in vacuum.
    extent_A : (float, float)
        Sides of the cell along x and y [Å].

    Returns
    -------
    PreparedWave
        What `form_image`, `form_focal_series` and `resample_wave` take in place of waves.

    Raises
    ------
    DataError
        If the waves are not finite complex arrays of 2 or 3 axes.
    SettingsError
        If the extent is not above 0.

    Examples
    --------
    >>> prepare_wave(np.ones((8, 8), np.complex64), (4.0, 4.0)).band_per_A
    0.0
    """
    array = np.asarray(waves)
    if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind != "c":
        raise DataError(
            f"expected complex exit waves (Y, X) or (P, Y, X), got {array.dtype} of shape {array.shape}"
        )
    if len(extent_A) != 2 or not all(0 < side < math.inf for side in extent_A):
        raise SettingsError(f"extent_A: expected two sides above 0 Å, x and y, got {extent_A}")
    scattered = np.subtract(array if array.ndim == 3 else array[np.newaxis], 1, dtype=np.complex64)
    full = fft.fft2(scattered, norm="forward", workers=1)
    if not np.isfinite(full[:, 0, 0]).all():
        raise DataError("expected finite exit waves, got some that are not")
    extent = (float(extent_A[0]), float(extent_A[1]))
    band = _find_band(full, extent)
    spectrum = full
    for axis, half in zip((1, 2), _halves(scattered.shape[1:], extent, band), strict=True):
        spectrum = _centre(spectrum, half, axis)
    _add_vacuum(spectrum)
    return PreparedWave(scattered, spectrum, extent, band)


def as_prepared(waves: np.ndarray | PreparedWave, extent_A: tuple[float, float] | None) -> PreparedWave:
    """Prepare waves unless they are.

    Parameters
    ----------
    waves : array (Y, X) or (P, Y, X), complex, or PreparedWave
        Exit waves, 1 in vacuum.
    extent_A : (float, float) or None
        Sides of the cell along x and y [Å]; None for a PreparedWave.

    Returns
    -------
    PreparedWave
        The waves' transforms.

    Raises
    ------
    DataError
        If the waves are not finite complex arrays of 2 or 3 axes.
    SettingsError
        If waves come without an extent, or the extent is not above 0.

    Examples
    --------
    >>> as_prepared(np.ones((8, 8), np.complex64), (4.0, 4.0)).extent_A
    (4.0, 4.0)
    """
    if isinstance(waves, PreparedWave):
        return waves
    if extent_A is None:
        raise SettingsError("extent_A: expected the sides of the cell along x and y [Å] with waves, got none")
    return prepare_wave(waves, extent_A)


def padded_band(prepared: PreparedWave, grid: ImageGrid) -> float:
    """Find the highest spatial frequency that waves hold once vacuum is added.

    Parameters
    ----------
    prepared : PreparedWave
        The waves.
    grid : ImageGrid
        How far the cell is padded.

    Returns
    -------
    float
        The waves' own band; with vacuum, the Nyquist frequency of their samples, since a wave that does not
        fade towards the cell's sides ends there in a step [1/Å].

    Examples
    --------
    >>> from .image_grid import plan_grid
    >>> prepared = prepare_wave(np.ones((8, 8), np.complex64), (4.0, 4.0))
    >>> padded_band(prepared, plan_grid((8, 8), (4.0, 4.0), shape=(9, 9), sampling_A=0.5))
    1.0
    """
    if grid.padded == prepared.scattered.shape[1:]:
        return prepared.band_per_A
    steps = (side / n for side, n in zip(grid.extent_A, grid.padded[::-1], strict=True))
    return max(prepared.band_per_A, 0.5 / min(steps))


def padded_spectra(prepared: PreparedWave, grid: ImageGrid, band_per_A: float) -> np.ndarray:
    """Give the spectra of waves in a cell that vacuum is added to.

    Parameters
    ----------
    prepared : PreparedWave
        The waves.
    grid : ImageGrid
        How far the cell is padded.
    band_per_A : float
        Highest spatial frequency that is wanted [1/Å].

    Returns
    -------
    array (P, R, C), complex64
        Fourier coefficients inside the band, and the waves' own where nothing is added, frequency 0 in the
        middle.

    Examples
    --------
    >>> from .image_grid import plan_grid
    >>> prepared = prepare_wave(np.ones((8, 8), np.complex64), (4.0, 4.0))
    >>> grid = plan_grid((8, 8), (4.0, 4.0), shape=(8, 8), sampling_A=1.0)
    >>> padded_spectra(prepared, grid, 9.0).tolist()
    [[[(1+0j)]]]
    """
    half_y, half_x = _halves(grid.padded, grid.extent_A, band_per_A)
    rows, columns = prepared.spectrum.shape[1:]
    if grid.padded == prepared.scattered.shape[1:]:
        half_y, half_x = min(half_y, rows // 2), min(half_x, columns // 2)
        top, left = rows // 2 - half_y, columns // 2 - half_x
        return prepared.spectrum[:, top : rows - top, left : columns - left]
    spectra = np.empty((len(prepared.scattered), 2 * half_y + 1, 2 * half_x + 1), np.complex64)
    for scattered, spectrum in zip(prepared.scattered, spectra, strict=True):
        # Rows of vacuum need no transform; frequencies beyond the band neither.
        across = _centre(fft.fft(scattered, n=grid.padded[1], norm="forward", workers=1), half_x, 1)
        down = fft.fft(across, n=grid.padded[0], axis=0, norm="forward", workers=1)
        spectrum[:] = _centre(down, half_y, 0)
    _add_vacuum(spectra)
    return spectra


def _find_band(spectra: np.ndarray, extent_A: tuple[float, float]) -> float:
    """Find the frequency above which the waves hold next to nothing [1/Å]."""
    rows, columns = spectra.shape[1:]
    q_y = np.fft.fftfreq(rows, extent_A[1] / rows)[:, np.newaxis]
    q_x = np.fft.fftfreq(columns, extent_A[0] / columns)
    ring_per_A = 1 / max(extent_A)
    ring = (np.sqrt(q_y**2 + q_x**2) / ring_per_A).astype(np.int64)
    power = np.zeros(int(ring.max()) + 1)
    for spectrum in spectra:
        intensity = spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2
        power += np.bincount(ring.ravel(), intensity.ravel())
    total = (np.abs(spectra[:, 0, 0] + 1) ** 2).sum() + power[1:].sum()
    beyond = np.cumsum(power[::-1])[::-1]
    rings = np.count_nonzero(beyond > _BEYOND_BAND * total)
    # Half a ring more, so that rounding leaves out none of the last.
    return float((rings + 0.5) * ring_per_A) if rings else 0.0


def _halves(shape: Sequence[int], extent_A: tuple[float, float], band: float) -> tuple[int, int]:
    """Highest orders along y and x inside a band; the Nyquist frequency, whose sign is unknown, is not."""
    half_y, half_x = (
        min(math.floor(min(band * side, n) + 1e-9), (n - 1) // 2)
        for n, side in zip(shape, extent_A[::-1], strict=True)
    )
    return half_y, half_x


def _centre(spectrum: np.ndarray, half: int, axis: int) -> np.ndarray:
    """Take orders −half to half of an axis in the transform's order."""
    moved = np.moveaxis(spectrum, axis, 0)
    negative = moved[len(moved) - half :]
    return np.moveaxis(np.concatenate([negative, moved[: half + 1]]), 0, axis)


def _add_vacuum(spectra: np.ndarray) -> None:
    spectra[:, spectra.shape[1] // 2, spectra.shape[2] // 2] += 1
