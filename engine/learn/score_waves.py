"""Scores of regressions, as exit waves: mean squared errors, whole and in bands of spatial frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..base.errors import DataError, SettingsError

BANDS = ("low", "transferred", "beyond")


@dataclass(frozen=True)
class ErrorSums:
    """Sums of squared errors; those of more images are added with `+`.

    Parameters
    ----------
    squared : array (C,), float64
        Sum of squared errors of each channel.
    pixels : int
        Pixels that were summed.
    squared_in_bands : array (C, 3), float64, or None
        Shares of that sum in the bands of spatial frequency named by `BANDS`; None where they were not asked
        for.

    Examples
    --------
    >>> sums = sum_errors(np.zeros((2, 2)), np.full((2, 2), 3.0))
    >>> (sums + sums).scores()["rmse"]
    3.0
    """

    squared: np.ndarray
    pixels: int
    squared_in_bands: np.ndarray | None = None

    def __add__(self, other: ErrorSums) -> ErrorSums:
        mine, others = self.squared_in_bands, other.squared_in_bands
        if self.squared.shape != other.squared.shape or (mine is None) != (others is None):
            raise DataError("expected errors of the same channels, both with bands or both without")
        bands = None if mine is None or others is None else mine + others
        return ErrorSums(self.squared + other.squared, self.pixels + other.pixels, bands)

    def scores(self) -> dict[str, float]:
        """Mean squared error and its root over pixels and channels, `rmse_low` and so on for the bands."""
        mse = float(self.squared.mean()) / self.pixels
        table = {"mse": mse, "rmse": math.sqrt(mse)}
        if self.squared_in_bands is not None:
            parts = self.squared_in_bands.mean(axis=0) / self.pixels
            table |= {f"rmse_{name}": math.sqrt(part) for name, part in zip(BANDS, parts, strict=True)}
        return table

    @property
    def channel_rmse(self) -> np.ndarray:
        """Root mean squared error of each channel, an array (C,)."""
        return np.sqrt(self.squared / self.pixels)


def sum_errors(
    truth: np.ndarray,
    prediction: np.ndarray,
    *,
    sampling_A: float | None = None,
    limits_per_A: tuple[float, float] | None = None,
) -> ErrorSums:
    """Sum the squared errors of one prediction.

    Parameters
    ----------
    truth, prediction : arrays (Y, X) or (Y, X, C), real, or (Y, X), complex
        Of one shape; a complex wave counts as its real and imaginary part.
    sampling_A : float or None
        Side of a pixel [Å]; needed for the bands.
    limits_per_A : (float, float) or None
        Where the transferred band begins and ends [1/Å]: 1/√(2λΔf) of the focal range below, the information
        limit above; both frequencies belong to it. None for no bands.

    Returns
    -------
    ErrorSums
        They add up over images.

    Raises
    ------
    DataError
        If the shapes differ, or a value is not finite.
    SettingsError
        If the limits are not in order, or the sampling is missing or not above 0.

    Notes
    -----
    The bands are of the error's Fourier transform, so that their mean squared errors add up to the whole
    (Parseval). The error's average belongs to the low band.

    References
    ----------
    Thesis, Eq. 2.6.

    Examples
    --------
    >>> wave = np.cos(2 * np.pi * np.arange(64) / 4) * np.ones((64, 1))
    >>> sums = sum_errors(wave, 0 * wave, sampling_A=0.5, limits_per_A=(0.3, 1.0))
    >>> {name: round(value, 3) for name, value in sums.scores().items()}
    {'mse': 0.5, 'rmse': 0.707, 'rmse_low': 0.0, 'rmse_transferred': 0.707, 'rmse_beyond': 0.0}
    """
    if np.shape(truth) != np.shape(prediction) or np.iscomplexobj(truth) != np.iscomplexobj(prediction):
        raise DataError(
            f"expected truth and prediction of one shape, both real or both complex, got {np.shape(truth)} "
            f"and {np.shape(prediction)}"
        )
    error = _as_channels(prediction, "prediction") - _as_channels(truth, "truth")
    squared = np.einsum("yxc,yxc->c", error, error)
    pixels = error.shape[0] * error.shape[1]
    if limits_per_A is None:
        return ErrorSums(squared, pixels)
    low, high = limits_per_A
    if not 0 <= low < high:
        raise SettingsError(f"limits_per_A: expected two limits of 0 or more in order, got {limits_per_A}")
    if sampling_A is None or not 0 < sampling_A < math.inf:
        raise SettingsError(f"sampling_A: expected above 0 Å/pixel for the bands, got {sampling_A}")
    rows, columns = error.shape[:2]
    q = np.hypot(fft.fftfreq(rows, sampling_A)[:, np.newaxis], fft.rfftfreq(columns, sampling_A))
    # A millionth takes rounding in at the limits.
    band = (q >= low * (1 - 1e-6)).astype(np.int64) + (q > high * (1 + 1e-6))
    band[0, 0] = 0
    spectrum = fft.rfft2(error, axes=(0, 1))
    power = (spectrum.real**2 + spectrum.imag**2) / pixels
    # The half spectrum holds one of each pair of opposite frequencies.
    power[:, 1 : (columns + 1) // 2] *= 2
    parts = [np.bincount(band.ravel(), plane.ravel(), 3) for plane in np.moveaxis(power, 2, 0)]
    return ErrorSums(squared, pixels, np.stack(parts))


def _as_channels(values: np.ndarray, name: str) -> np.ndarray:
    """Give an array (Y, X, C), float64."""
    array = np.asarray(values)
    if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind not in "buifc":
        raise DataError(
            f"{name}: expected numbers (Y, X) or (Y, X, C), got {array.dtype} of shape {array.shape}"
        )
    if array.dtype.kind == "c":
        array = np.concatenate([np.atleast_3d(array.real), np.atleast_3d(array.imag)], axis=2)
    result = np.atleast_3d(array).astype(np.float64)
    if not np.isfinite(result).all():
        raise DataError(f"{name}: expected finite values, got NaN or infinity")
    return result
