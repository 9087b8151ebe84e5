"""Grids of pixel blocks: average an image onto one, filter there, interpolate back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array


@dataclass(frozen=True)
class Axis:
    """Blocks of equal, not always whole, length along one axis, and interpolation between their centres.

    Parameters
    ----------
    size : float
        Length of a block [px].
    first : array (B,), int64
        First pixel that each block covers.
    weights : array (B, R), float32
        Share of the block that falls on each of its R pixels; zeros at the end where it has fewer.
    lower : array (N,), int64
        Block whose centre lies before each pixel; the block after it is the next.
    part : array (N,), float32
        Weight of that next block, 0 to 1.
    """

    size: float
    first: np.ndarray
    weights: np.ndarray
    lower: np.ndarray
    part: np.ndarray

    @classmethod
    def over(cls, length: int, block_px: float) -> Axis:
        """Divide `length` pixels into blocks of `block_px` or a little less."""
        count = max(1, int(np.ceil(length / block_px)))
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
        part = (place - lower).astype(np.float32)
        return cls(size, first, weights.astype(np.float32), lower, part)

    def sigma(self, sigma_px: float) -> float:
        """Give the sigma in blocks that, averaging and interpolation included, makes `sigma_px`."""
        if self.size == 1:
            return sigma_px
        # Averaging over a block adds size²/12 to the variance, linear interpolation size²/6.
        return float(max((sigma_px / self.size) ** 2 - 1 / 4, 0)) ** 0.5

    def averaging(self) -> csr_array:
        """Matrix (B, N) that averages pixels into blocks."""
        blocks, steps = np.nonzero(self.weights)
        values = self.weights[blocks, steps]
        return csr_array((values, (blocks, self.first[blocks] + steps)), (len(self.first), len(self.lower)))

    def interpolating(self) -> csr_array:
        """Matrix (N, B) that interpolates blocks at pixels, linearly."""
        pixels = np.arange(len(self.lower))
        upper = np.minimum(self.lower + 1, len(self.first) - 1)
        values = np.concatenate([1 - self.part, self.part])
        places = (np.tile(pixels, 2), np.concatenate([self.lower, upper]))
        return csr_array((values, places), (len(pixels), len(self.first)))


@dataclass(frozen=True)
class Grid:
    """Blocks along rows and columns; the frame's edges are mirrors, as in SciPy's mode "reflect"."""

    rows: Axis
    columns: Axis

    @classmethod
    def over(cls, shape: tuple[int, ...], block_px: float) -> Grid:
        """Divide an image of this shape into blocks of `block_px` or a little less."""
        return cls(Axis.over(shape[0], block_px), Axis.over(shape[1], block_px))

    def average(self, image: np.ndarray) -> np.ndarray:
        """Average an image (Y, X) into blocks (B, C), float64."""
        return self.average_columns(self.rows.averaging() @ image.astype(np.float32, copy=False))

    def average_columns(self, rows: np.ndarray) -> np.ndarray:
        """Average blocks of rows (B, X) along columns too: array (B, C), float64."""
        return (self.columns.averaging() @ rows.T.astype(np.float64)).T

    def blur(self, blocks: np.ndarray, sigma_px: float) -> np.ndarray:
        """Filter blocks (B, C) so that, once interpolated, the image is filtered with `sigma_px`."""
        return gaussian_filter(
            blocks, (self.rows.sigma(sigma_px), self.columns.sigma(sigma_px)), mode="reflect"
        )

    def widen(self, blocks: np.ndarray) -> np.ndarray:
        """Interpolate blocks (B, C) along columns: array (B, X), float32."""
        wide = (self.columns.interpolating() @ blocks.T).T
        return np.ascontiguousarray(wide, dtype=np.float32)

    def interpolate(self, blocks: np.ndarray) -> np.ndarray:
        """Interpolate blocks (B, C) at all pixels: array (Y, X), float32."""
        return self.rows.interpolating() @ self.widen(blocks)
