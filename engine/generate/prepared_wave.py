"""Exit waves transformed once for all of their images, in their cell or with vacuum added to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..base.errors import DataError, SettingsError
from .image_grid import ImageGrid
from .transfer import Microscope, round_envelope

# What waves hold beyond their band, as a share of all that is scattered: amplitudes of 3e-5 of an atom's.
_BEYOND_BAND = 1e-9
# What their intensity may hold beyond its band, on average, as a share of all that is scattered.
_BEYOND_INTENSITY = 1e-4
# Just below the largest block that teaches glibc anything when it is freed.
_LESSON_BYTES = (32 << 20) - (64 << 10)


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
    power : array (n,), float64
        Intensity scattered into the rings from i to i + 1 times `ring_per_A`; the beam's is 1.
    ring_per_A : float
        Width of a ring [1/Å].
    rim_per_A : float
        Scattered intensity along the cell's sides, integrated, by the cell's area [1/Å].

    Examples
    --------
    >>> prepare_wave(np.ones((8, 8), np.complex64), (4.0, 4.0)).spectrum.shape
    (1, 1, 1)
    """

    scattered: np.ndarray
    spectrum: np.ndarray
    extent_A: tuple[float, float]
    band_per_A: float
    power: np.ndarray
    ring_per_A: float
    rim_per_A: float


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
    _keep_freed_memory()
    scattered = np.subtract(array if array.ndim == 3 else array[np.newaxis], 1, dtype=np.complex64)
    full = fft.fft2(scattered, norm="forward", workers=1)
    if not np.isfinite(full[:, 0, 0]).all():
        raise DataError("expected finite exit waves, got some that are not")
    extent = (float(extent_A[0]), float(extent_A[1]))
    ring_per_A = 1 / max(extent)
    power = _ring_power(full, extent, ring_per_A)
    band = _end_of(_beyond(power), _BEYOND_BAND * power.sum()) * ring_per_A
    spectrum = full
    for axis, half in zip((1, 2), _halves(scattered.shape[1:], extent, band), strict=True):
        spectrum = _centre(spectrum, half, axis)
    _add_vacuum(spectrum)
    return PreparedWave(scattered, spectrum, extent, band, power, ring_per_A, _rim(scattered, extent))


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


def find_bands(prepared: PreparedWave, grid: ImageGrid, microscope: Microscope) -> tuple[float, float]:
    """Find the highest spatial frequencies that matter in the image wave and in its intensity.

    Parameters
    ----------
    prepared : PreparedWave
        The waves.
    grid : ImageGrid
        How far the cell is padded.
    microscope : Microscope
        Aperture and spreads, which damp high frequencies.

    Returns
    -------
    wave_per_A : float
        What lies above it in the image waves changes the image by less than 1e-4 [1/Å].
    intensity_per_A : float
        The same for the intensity; at most twice the waves' [1/Å].

    Notes
    -----
    The intensity at Q is a sum over pairs of frequencies at a distance of Q. One of them is above Q/2, both
    are above Q − B, so what lies above Q is on average at most 3·√(E(Q/2)·E(Q − B)), with E(q) the power of
    the image wave above q. A wave that does not fade towards the cell's sides ends in a step where vacuum is
    added; along a side of length l a step of height h adds h²·l/(2π²q) per area above q.

    Examples
    --------
    >>> from .image_grid import plan_grid
    >>> prepared = prepare_wave(np.ones((8, 8), np.complex64), (4.0, 4.0))
    >>> grid = plan_grid((8, 8), (4.0, 4.0), shape=(8, 8), sampling_A=0.5)
    >>> find_bands(prepared, grid, Microscope(energy_eV=3e5))
    (0.0, 0.0)
    """
    power, ring = prepared.power, prepared.ring_per_A
    scattered = power.sum()
    q = np.arange(len(power)) * ring
    if grid.padded != prepared.scattered.shape[1:]:
        # Sampling folds what is above the Nyquist frequency back: at most as much again.
        power = power + 2 * prepared.rim_per_A * ring / (2 * math.pi**2 * np.maximum(q, ring) ** 2)
    beyond = np.append(_beyond(power * round_envelope(q, microscope) ** 2), 0.0)
    wave = _end_of(beyond, _BEYOND_BAND * scattered)
    upper = np.arange(math.ceil(wave) + 1, 2 * math.ceil(wave))
    pairs = 3 * np.sqrt(beyond[upper // 2] * beyond[upper - math.ceil(wave)])
    small = np.flatnonzero(pairs <= _BEYOND_INTENSITY * scattered)
    intensity = upper[small[0]] if small.size else 2 * wave
    return wave * ring, float(min(intensity, 2 * wave)) * ring


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
    >>> padded_spectra(prepared, grid, 0.1).tolist()
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


def _keep_freed_memory() -> None:
    """Have freed memory kept for the next image: new pages for each step took half of the time.

    Once a block of this size was freed, glibc's allocator hands back no less than twice as much at a time.
    The block is never touched; other allocators take no notice.
    """
    block = np.empty(_LESSON_BYTES, np.uint8)
    del block


def _ring_power(spectra: np.ndarray, extent_A: tuple[float, float], ring_per_A: float) -> np.ndarray:
    """Sum the scattered intensity over rings of spatial frequency, averaged over the waves."""
    rows, columns = spectra.shape[1:]
    q_y = np.fft.fftfreq(rows, extent_A[1] / rows)[:, np.newaxis]
    q_x = np.fft.fftfreq(columns, extent_A[0] / columns)
    ring = (np.sqrt(q_y**2 + q_x**2) / ring_per_A).astype(np.int64)
    intensity = np.mean(spectra.real**2 + spectra.imag**2, axis=0)
    return np.bincount(ring.ravel(), intensity.ravel())


def _beyond(power: np.ndarray) -> np.ndarray:
    """Sum of each ring and all further ones."""
    return np.cumsum(power[::-1])[::-1]


def _end_of(beyond: np.ndarray, nothing: float) -> float:
    """Find the ring where next to nothing is left; half a ring more, so that rounding takes none away."""
    rings = np.count_nonzero(beyond > nothing)
    return rings + 0.5 if rings else 0.0


def _rim(scattered: np.ndarray, extent_A: tuple[float, float]) -> float:
    """Integrate the scattered intensity along the four sides, by the cell's area [1/Å]."""
    across = np.mean(np.abs(scattered[:, [0, -1], :]) ** 2) * 2 * extent_A[0]
    down = np.mean(np.abs(scattered[:, :, [0, -1]]) ** 2) * 2 * extent_A[1]
    return float((across + down) / (extent_A[0] * extent_A[1]))


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
