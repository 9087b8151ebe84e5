"""From exit waves to micrographs: contrast transfer, resampling, crop or padding, no noise yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from ..base.compiled import use_compiled
from ..base.errors import SettingsError
from .image_grid import ImageGrid, plan_grid
from .prepared_wave import PreparedWave, as_prepared, find_bands, padded_spectra, prepare_wave
from .transfer import Microscope, transfer_wave

__all__ = [
    "Micrograph",
    "PreparedWave",
    "form_focal_series",
    "form_image",
    "prepare_wave",
    "resample_wave",
]


@dataclass(frozen=True)
class Micrograph:
    """An image and where its samples lie.

    Parameters
    ----------
    image : array (Y, X) or (F, Y, X), float32
        Intensity, 1 in vacuum.
    sampling_A : float
        Distance of the samples [Å].
    origin_A : (float, float)
        x and y in the cell of sample (0, 0) [Å]; negative where vacuum was added.

    Examples
    --------
    >>> Micrograph(np.ones((2, 2), np.float32), 0.1, (0.0, 0.0)).image.shape
    (2, 2)
    """

    image: np.ndarray
    sampling_A: float
    origin_A: tuple[float, float]


def form_image(
    waves: np.ndarray | PreparedWave,
    *,
    extent_A: tuple[float, float] | None = None,
    microscope: Microscope,
    shape: tuple[int, int],
    sampling_A: float,
    compiled: bool | None = None,
) -> Micrograph:
    """Image exit waves (thesis, Eq. 1.23).

    Parameters
    ----------
    waves : array (Y, X) or (P, Y, X), complex, or PreparedWave
        Exit wave, 1 in vacuum; of P frozen phonons the intensities are averaged.
    extent_A : (float, float) or None
        Sides of the cell along x and y [Å]; not needed for a PreparedWave.
    microscope : Microscope
        Aberrations, aperture and spreads.
    shape : (int, int)
        Rows and columns (Y, X) of the image.
    sampling_A : float
        Sampling asked for [Å/pixel]; the one taken is within 0.4 % of it and returned.
    compiled : bool or None
        True asks for numba, False for NumPy alone (equal to 1e-5), None takes numba where it is installed.

    Returns
    -------
    Micrograph
        Image (Y, X) of the middle of the cell; a cell smaller than the image lies in vacuum.

    Raises
    ------
    DataError
        If the waves are not finite complex arrays of 2 or 3 axes.
    SettingsError
        If the shape, the extent or the sampling is not above 0.

    Notes
    -----
    Vacuum is added before the transfer, so that fringes spread into it. The intensity, whose band is twice
    the wave's, is computed where it does not alias, and cut at the image's Nyquist frequency in Fourier
    space; the little that this takes below 0 is set to 0.

    Examples
    --------
    >>> wave = np.ones((32, 32), np.complex64)
    >>> made = form_image(
    ...     wave, extent_A=(4, 4), microscope=Microscope(energy_eV=3e5), shape=(20, 30), sampling_A=0.1
    ... )
    >>> made.image.shape, made.image.min().item()
    ((20, 30), 1.0)
    """
    made = form_focal_series(
        waves,
        extent_A=extent_A,
        microscope=microscope,
        shape=shape,
        sampling_A=sampling_A,
        defoci_A=(microscope.defocus_A,),
        compiled=compiled,
    )
    return replace(made, image=made.image[0])


def form_focal_series(
    waves: np.ndarray | PreparedWave,
    *,
    extent_A: tuple[float, float] | None = None,
    microscope: Microscope,
    shape: tuple[int, int],
    sampling_A: float,
    defoci_A: Sequence[float],
    compiled: bool | None = None,
) -> Micrograph:
    """Image exit waves at several defoci, on one grid.

    Parameters
    ----------
    waves, extent_A, microscope, shape, sampling_A, compiled
        As in `form_image`; the microscope's own defocus is not used.
    defoci_A : sequence of float
        Defocus of each image [Å].

    Returns
    -------
    Micrograph
        Images (F, Y, X) in the order of the defoci.

    Raises
    ------
    DataError
        If the waves are not finite complex arrays of 2 or 3 axes.
    SettingsError
        If there is no defocus, one is not finite, or the shape, extent or sampling is not above 0.

    Examples
    --------
    >>> wave = np.ones((32, 32), np.complex64)
    >>> form_focal_series(
    ...     wave,
    ...     extent_A=(4, 4),
    ...     microscope=Microscope(energy_eV=3e5),
    ...     shape=(16, 16),
    ...     sampling_A=0.2,
    ...     defoci_A=(0, 50),
    ... ).image.shape
    (2, 16, 16)
    """
    if len(defoci_A) == 0:
        raise SettingsError("defoci_A: expected one defocus or more, got none")
    prepared = as_prepared(waves, extent_A)
    grid = plan_grid(prepared.scattered.shape[1:], prepared.extent_A, shape=shape, sampling_A=sampling_A)
    bands = find_bands(prepared, grid, microscope)
    spectra = padded_spectra(prepared, grid, bands[0])
    kernels = use_compiled(compiled)
    images = np.empty((len(defoci_A), *grid.shape), np.float32)
    for defocus, image in zip(defoci_A, images, strict=True):
        image[:] = _image(spectra, grid, replace(microscope, defocus_A=float(defocus)), bands, kernels)
    return Micrograph(images, grid.sampling_A, grid.origin_A)


def resample_wave(
    wave: np.ndarray | PreparedWave,
    *,
    extent_A: tuple[float, float] | None = None,
    shape: tuple[int, int],
    sampling_A: float,
    smooth_A: float = 0.15,
) -> np.ndarray:
    """Give the exit wave on the samples of the image that `form_image` makes of the same arguments.

    Parameters
    ----------
    wave : array (Y, X) or (P, Y, X), complex, or PreparedWave
        Exit wave, 1 in vacuum; those of frozen phonons are averaged.
    extent_A : (float, float) or None
        Sides of the cell along x and y [Å]; not needed for a PreparedWave.
    shape : (int, int)
        Rows and columns (Y, X) of the image.
    sampling_A : float
        Sampling asked for [Å/pixel].
    smooth_A : float
        Standard deviation of the Gaussian that smooths the wave [Å].

    Returns
    -------
    array (Y, X), complex64
        The wave, without frequencies above the image's Nyquist frequency.

    Raises
    ------
    DataError
        If the waves are not finite complex arrays of 2 or 3 axes.
    SettingsError
        If `smooth_A` is below 0, or the shape, the extent or the sampling is not above 0.

    Examples
    --------
    >>> wave = np.full((32, 32), 1, np.complex64)
    >>> resample_wave(wave, extent_A=(4, 4), shape=(16, 24), sampling_A=0.1).shape
    (16, 24)
    """
    if not 0 <= smooth_A < math.inf:
        raise SettingsError(f"smooth_A: expected 0 Å or more, got {smooth_A}")
    prepared = as_prepared(wave, extent_A)
    grid = plan_grid(prepared.scattered.shape[1:], prepared.extent_A, shape=shape, sampling_A=sampling_A)
    result = padded_spectra(prepared, grid, 0.5 / grid.sampling_A).mean(axis=0)
    for axis, points in enumerate(grid.points):
        half = min(result.shape[axis] // 2, (points - 1) // 2)
        middle = result.shape[axis] // 2
        k = np.arange(-half, half + 1)
        q = k / grid.extent_A[1 - axis]
        phase = 2j * np.pi * q * grid.origin_A[1 - axis]
        factor = np.exp(phase - 2 * np.pi**2 * smooth_A**2 * q**2).astype(np.complex64)
        kept = np.moveaxis(result, axis, -1)[..., middle - half : middle + half + 1] * factor
        # The transform takes its input's first element for frequency 0.
        carrier = np.exp(-2j * np.pi * half / points * np.arange(grid.shape[axis])).astype(np.complex64)
        wide = fft.ifft(kept, n=points, axis=-1, norm="forward", workers=1)[..., : grid.shape[axis]]
        result = np.moveaxis(wide * carrier, -1, axis)
    return np.ascontiguousarray(result)


def _image(
    spectra: np.ndarray,
    grid: ImageGrid,
    microscope: Microscope,
    bands: tuple[float, float],
    kernels: bool,
) -> np.ndarray:
    """Image spectra of frozen phonons: transfer, intensity, and the crop to the image's samples."""
    orders = [size // 2 for size in spectra.shape[1:]]
    sides = grid.extent_A[::-1]
    q_y, q_x = (np.arange(-half, half + 1) / side for half, side in zip(orders, sides, strict=True))
    # Orders that the intensity holds, and those of them that the image takes, below its Nyquist frequency.
    held = [min(2 * half, math.ceil(bands[1] * side)) for half, side in zip(orders, sides, strict=True)]
    kept = [min(most, (points - 1) // 2) for most, points in zip(held, grid.points, strict=True)]
    direct = held == kept
    if direct:
        lengths, size = grid.points, grid.shape
    else:
        # What wraps round must not reach what is kept.
        free = [
            fft.next_fast_len(max(2 * half, most + keep) + 1)
            for half, most, keep in zip(orders, held, kept, strict=True)
        ]
        lengths = size = (free[0], free[1])
    intensity = np.zeros(size, np.float32)
    weight = np.float32(1 / len(spectra))
    for spectrum in spectra:
        filtered = transfer_wave(
            spectrum, q_y, q_x, microscope, shift_A=grid.origin_A, band_per_A=bands[0], compiled=kernels
        )
        # Frequency 0 is not the first element: the waves differ by a phase, which the intensity forgets.
        down = fft.ifft(filtered, n=lengths[0], axis=0, norm="forward", workers=1)[: size[0]]
        wave = fft.ifft(down, n=lengths[1], axis=1, norm="forward", workers=1)
        _add_intensity(wave, weight, intensity, kernels)
    return intensity if direct else _resample(intensity, (kept[0], kept[1]), grid)


def _add_intensity(wave: np.ndarray, weight: np.float32, intensity: np.ndarray, kernels: bool) -> None:
    if kernels:
        from .kernels_transfer import add_intensity

        add_intensity(wave, weight, intensity)
    else:
        part = wave[:, : intensity.shape[1]]
        intensity += weight * (part.real**2 + part.imag**2)


def _resample(intensity: np.ndarray, kept: tuple[int, int], grid: ImageGrid) -> np.ndarray:
    """Cut an intensity over the padded cell in Fourier space, and sample the image's part of it."""
    half_y, half_x = kept
    across = fft.rfft(intensity, axis=1, norm="forward", workers=1)[:, : half_x + 1]
    down = fft.fft(across, axis=0, norm="forward", workers=1)
    spectrum = np.zeros((grid.points[0], half_x + 1), np.complex64)
    spectrum[: half_y + 1] = down[: half_y + 1]
    if half_y:
        spectrum[-half_y:] = down[-half_y:]
    rows = fft.ifft(spectrum, axis=0, norm="forward", overwrite_x=True, workers=1)[: grid.shape[0]]
    image = fft.irfft(rows, n=grid.points[1], axis=1, norm="forward", workers=1)[:, : grid.shape[1]]
    return np.maximum(image, 0)
