"""Local standardisation: each pixel's deviation from its surroundings, in their standard deviations."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ..base.compiled import use_compiled
from ..base.errors import DataError, SettingsError
from .grid import Grid

# A block is a sixth of sigma: finer costs time, coarser shows in the borders' error.
_BLOCKS_PER_SIGMA = 6
# Below this sigma blocks would be of few pixels, and exact filtering is cheap.
_EXACT_BELOW_PX = 24.0
# Deviations below this share of the frame's range are rounding of float32.
_ROUNDING = 2e-6


def standardise(
    image: np.ndarray,
    *,
    sigma_px: float,
    floor: float = 1e-3,
    compiled: bool | None = None,
    exact: bool | None = None,
) -> np.ndarray:
    """Subtract the local mean and divide by the local standard deviation.

    Parameters
    ----------
    image : array (Y, X) or (F, Y, X), any real type
        One image, or a focal series, whose images share one mean and one standard deviation.
    sigma_px : float
        Standard deviation of the Gaussian that weights the surroundings [px].
    floor : float
        Least local standard deviation to divide by, as a share of the whole image's.
    compiled : bool or None
        True for numba, False for NumPy and SciPy (equal to 1e-5), None for numba where it is installed.
    exact : bool or None
        True filters at every pixel; False on block means, within 1 % of the local contrast; None takes blocks
        from 24 px of sigma.

    Returns
    -------
    array of the same shape, float32
        Standardised pixels; 0 in constant and saturated areas and where a pixel is not finite.

    Raises
    ------
    DataError
        If the image is not a real array with 2 or 3 axes, or is empty.
    SettingsError
        If `sigma_px` or `floor` is not finite and above 0.

    Notes
    -----
    m = G∗I and s² = G∗(I − m)²; over a focal series m and s are averaged over its images. Edges are
    reflected as in SciPy. Pixels that are not finite take their surroundings' mean. A window cut with a
    halo of 4 sigma gives what the whole frame gives; a whole frame needs little more memory than its
    result, so windows are rarely needed.

    References
    ----------
    Thesis, Eq. 3.1, with the local mean subtracted before squaring.

    Examples
    --------
    >>> standardise(np.full((64, 64), 7.0), sigma_px=30).any()
    np.False_
    """
    for name, value in (("sigma_px", sigma_px), ("floor", floor)):
        if not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} must be finite and above 0, got {value}")
    series = _as_series(image)
    if exact is None:
        exact = sigma_px < _EXACT_BELOW_PX
    images, offset, width, unknown = _prepare(series, sigma_px, exact)
    if width == 0:
        return np.zeros(np.shape(image), np.float32)
    if exact:
        result = _standardise_exactly(images, sigma_px, floor, width)
    else:
        grid = Grid.over(series.shape[1:], sigma_px / _BLOCKS_PER_SIGMA)
        passes = (_CompiledPasses if use_compiled(compiled) else _PlainPasses)(grid, offset)
        result = _standardise_blocks(images, width, sigma_px, floor, passes)
    if unknown is not None:
        result[unknown] = 0
    return result.reshape(np.shape(image))


def _as_series(image: np.ndarray) -> np.ndarray:
    array = np.asarray(image)
    if array.ndim not in (2, 3) or array.size == 0:
        raise DataError(f"expected an image (Y, X) or a focal series (F, Y, X), got shape {array.shape}")
    if array.dtype.kind not in "buif":
        raise DataError(f"expected real pixels, got {array.dtype}; take the modulus or one channel first")
    return array if array.ndim == 3 else array[np.newaxis]


def _prepare(
    series: np.ndarray, sigma_px: float, exact: bool
) -> tuple[np.ndarray, float, float, np.ndarray | None]:
    """Give images that float32 can hold, their least value, their range, and where pixels were not finite."""
    lowest, highest = float(series.min()), float(series.max())
    unknown = None
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        unknown = ~np.isfinite(series)
        if unknown.all():
            return series, 0.0, 0.0, unknown
        known = series[~unknown]
        lowest, highest = float(known.min()), float(known.max())
    width = highest / 2 - lowest / 2
    fits = series.dtype in (np.uint8, np.uint16, np.float32) and 1e-12 < width < 1e12
    if (fits and unknown is None and not exact) or width == 0:
        return series, lowest, 2 * width, unknown
    # Halved first, so that the range of the largest floats does not overflow.
    scaled = ((series / 2 - lowest / 2) / width).astype(np.float32)
    if unknown is not None:
        scaled[unknown] = 0
        for image, gaps in zip(scaled, unknown, strict=True):
            _fill(image, gaps, sigma_px)
    return scaled, 0.0, 1.0, unknown


def _fill(image: np.ndarray, gaps: np.ndarray, sigma_px: float) -> None:
    """Set gaps to the local mean of the pixels around them, in place."""
    if not gaps.any():
        return
    known = (~gaps).astype(np.float32)
    if sigma_px < _EXACT_BELOW_PX:
        total, weight = gaussian_filter(image, sigma_px), gaussian_filter(known, sigma_px)
    else:
        grid = Grid.over(image.shape, sigma_px / _BLOCKS_PER_SIGMA)
        total, weight = (grid.interpolate(grid.blur(grid.average(part), sigma_px)) for part in (image, known))
    elsewhere = float(image.sum(dtype=np.float64) / max(known.sum(dtype=np.float64), 1.0))
    local = np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), elsewhere)
    image[gaps] = local[gaps]


def _standardise_exactly(images: np.ndarray, sigma_px: float, floor: float, width: float) -> np.ndarray:
    mean = np.zeros(images.shape[1:], np.float32)
    spread = np.zeros(images.shape[1:], np.float32)
    for image in images:
        own = gaussian_filter(image, sigma_px, mode="reflect")
        mean += own / len(images)
        variance = gaussian_filter((image - own) ** 2, sigma_px, mode="reflect")
        spread += np.sqrt(np.maximum(variance, 0)) / len(images)
    least = max(floor * float(np.sqrt(np.mean(spread.astype(np.float64) ** 2))), 1e-30)
    deviation = images - mean
    deviation[np.abs(deviation) <= _ROUNDING * width] = 0
    return deviation / np.maximum(spread, np.float32(least))


class _PlainPasses:
    """The passes over an image's pixels in NumPy and SciPy."""

    def __init__(self, grid: Grid, offset: float) -> None:
        self.grid = grid
        self.average_rows = grid.rows.averaging()
        self.interpolate_rows = grid.rows.interpolating()
        self.offset = np.float32(offset)

    def average(self, image: np.ndarray) -> np.ndarray:
        """Average blocks of rows."""
        return self.average_rows @ (image.astype(np.float32) - self.offset)

    def average_squares(self, image: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Average squared deviations over blocks of rows."""
        return self.average_rows @ self._deviation(image, mean) ** 2

    def divide(
        self, image: np.ndarray, mean: np.ndarray, spread: np.ndarray, limits: np.ndarray
    ) -> np.ndarray:
        """Divide deviations by the local standard deviation."""
        deviation = self._deviation(image, mean)
        deviation[np.abs(deviation) <= limits[1]] = 0
        return deviation / np.maximum(self.interpolate_rows @ spread, limits[0])

    def _deviation(self, image: np.ndarray, mean: np.ndarray) -> np.ndarray:
        return image.astype(np.float32) - self.offset - self.interpolate_rows @ mean


class _CompiledPasses:
    """The same passes as numba kernels, each reading the image once."""

    def __init__(self, grid: Grid, offset: float) -> None:
        from . import kernels

        self.grid = grid
        self.kernels = kernels
        self.offset = np.float32(offset)

    def average(self, image: np.ndarray) -> np.ndarray:
        """Average blocks of rows."""
        axis = self.grid.rows
        return self.kernels.reduce_rows(image, self.offset, axis.first, axis.weights)

    def average_squares(self, image: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Average squared deviations over blocks of rows."""
        axis = self.grid.rows
        return self.kernels.reduce_squares(
            image, self.offset, axis.first, axis.weights, mean, axis.lower, axis.part
        )

    def divide(
        self, image: np.ndarray, mean: np.ndarray, spread: np.ndarray, limits: np.ndarray
    ) -> np.ndarray:
        """Divide deviations by the local standard deviation."""
        axis = self.grid.rows
        result = np.empty(image.shape, np.float32)
        self.kernels.divide_deviation(image, self.offset, mean, spread, axis.lower, axis.part, limits, result)
        return result


def _standardise_blocks(
    images: np.ndarray,
    width: float,
    sigma_px: float,
    floor: float,
    passes: _PlainPasses | _CompiledPasses,
) -> np.ndarray:
    grid = passes.grid
    mean = np.zeros((len(grid.rows.first), len(grid.columns.first)))
    spread = np.zeros_like(mean)
    for image in images:
        own = grid.blur(grid.average_columns(passes.average(image)), sigma_px)
        mean += own / len(images)
        squares = grid.average_columns(passes.average_squares(image, grid.widen(own)))
        spread += np.sqrt(np.maximum(grid.blur(squares, sigma_px), 0)) / len(images)
    least = max(floor * float(np.sqrt(np.mean(spread**2))), 1e-30)
    limits = np.array([least, _ROUNDING * width], np.float32)
    wide_mean, wide_spread = grid.widen(mean), grid.widen(spread)
    results = [passes.divide(image, wide_mean, wide_spread, limits) for image in images]
    return results[0][np.newaxis] if len(results) == 1 else np.stack(results)
