"""Local standardisation: each pixel's deviation from its surroundings, in their standard deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

from ..base.compiled import use_compiled
from ..base.errors import DataError, SettingsError

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
        grid = _Grid.over(series.shape[1:], sigma_px)
        result = _standardise_blocks(images, offset, width, grid, floor, use_compiled(compiled))
    if unknown is not None:
        result[unknown] = 0
    return result.reshape(np.shape(image))


@dataclass(frozen=True)
class _Axis:
    """Blocks of equal, not always whole, length along one axis, and interpolation between their centres."""

    first: np.ndarray
    weights: np.ndarray
    lower: np.ndarray
    part: np.ndarray
    sigma: float

    @classmethod
    def over(cls, length: int, sigma_px: float) -> _Axis:
        count = max(1, int(np.ceil(length * _BLOCKS_PER_SIGMA / sigma_px)))
        size = length / count
        edges = np.arange(count + 1) * size
        edges[-1] = length
        first = np.minimum(np.floor(edges[:-1]).astype(np.int64), length - 1)
        pixels = first[:, None] + np.arange(int(np.ceil(size)) + 1)
        covered = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
        weights = np.clip(covered, 0, None) / size
        weights[(pixels >= length) | (weights < 1e-9)] = 0
        place = np.clip((np.arange(length) + 0.5) / size - 0.5, 0, count - 1)
        lower = np.minimum(place.astype(np.int64), max(count - 2, 0))
        # Averaging over a block adds size²/12 to the variance, linear interpolation size²/6.
        variance = (sigma_px / size) ** 2 - 1 / 4
        return cls(
            first, weights.astype(np.float32), lower, (place - lower).astype(np.float32), variance**0.5
        )

    def averaging(self) -> csr_array:
        """Blocks of pixels: array (blocks, length)."""
        blocks, steps = np.nonzero(self.weights)
        values = self.weights[blocks, steps]
        return csr_array((values, (blocks, self.first[blocks] + steps)), (len(self.first), len(self.lower)))

    def interpolating(self) -> csr_array:
        """Pixels between blocks: array (length, blocks)."""
        pixels = np.arange(len(self.lower))
        upper = np.minimum(self.lower + 1, len(self.first) - 1)
        values = np.concatenate([1 - self.part, self.part])
        places = (np.tile(pixels, 2), np.concatenate([self.lower, upper]))
        return csr_array((values, places), (len(pixels), len(self.first)))


@dataclass(frozen=True)
class _Grid:
    """Blocks along both axes."""

    rows: _Axis
    columns: _Axis

    @classmethod
    def over(cls, shape: tuple[int, ...], sigma_px: float) -> _Grid:
        return cls(_Axis.over(shape[0], sigma_px), _Axis.over(shape[1], sigma_px))

    def blur(self, row_means: np.ndarray) -> np.ndarray:
        """Average blocks of rows (B, X) along columns too, and filter: array (B, C), float64."""
        means = (self.columns.averaging() @ row_means.T.astype(np.float64)).T
        return gaussian_filter(means, (self.rows.sigma, self.columns.sigma), mode="reflect")

    def widen(self, blocks: np.ndarray) -> np.ndarray:
        """Interpolate blocks (B, C) along columns: array (B, X), float32."""
        wide = (self.columns.interpolating() @ blocks.T).T
        return np.ascontiguousarray(wide, dtype=np.float32)


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
        grid = _Grid.over(image.shape, sigma_px)
        average, back = grid.rows.averaging(), grid.rows.interpolating()
        total, weight = (back @ grid.widen(grid.blur(average @ part)) for part in (image, known))
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


def _standardise_blocks(
    images: np.ndarray, offset: float, width: float, grid: _Grid, floor: float, compiled: bool
) -> np.ndarray:
    passes = _CompiledPasses(grid, offset) if compiled else _PlainPasses(grid, offset)
    mean = np.zeros((len(grid.rows.first), len(grid.columns.first)))
    spread = np.zeros_like(mean)
    for image in images:
        own = grid.blur(passes.average(image))
        mean = mean + own / len(images)
        variance = grid.blur(passes.average_squares(image, grid.widen(own)))
        spread = spread + np.sqrt(np.maximum(variance, 0)) / len(images)
    least = max(floor * float(np.sqrt(np.mean(spread**2))), 1e-30)
    limits = np.array([least, _ROUNDING * width], np.float32)
    wide_mean, wide_spread = grid.widen(mean), grid.widen(spread)
    return np.stack([passes.divide(image, wide_mean, wide_spread, limits) for image in images])


class _PlainPasses:
    """The passes over an image's pixels in NumPy and SciPy."""

    def __init__(self, grid: _Grid, offset: float) -> None:
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

    def __init__(self, grid: _Grid, offset: float) -> None:
        from . import kernels

        self.kernels = kernels
        self.rows = grid.rows
        self.offset = np.float32(offset)

    def average(self, image: np.ndarray) -> np.ndarray:
        """Average blocks of rows."""
        return self.kernels.reduce_rows(image, self.offset, self.rows.first, self.rows.weights)

    def average_squares(self, image: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Average squared deviations over blocks of rows."""
        axis = self.rows
        return self.kernels.reduce_squares(
            image, self.offset, axis.first, axis.weights, mean, axis.lower, axis.part
        )

    def divide(
        self, image: np.ndarray, mean: np.ndarray, spread: np.ndarray, limits: np.ndarray
    ) -> np.ndarray:
        """Divide deviations by the local standard deviation."""
        axis = self.rows
        return self.kernels.divide_deviation(image, self.offset, mean, spread, axis.lower, axis.part, limits)
