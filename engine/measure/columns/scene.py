"""A frame cut into windows around its columns, and what models of the columns expect there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Beyond 2.8 widths lie 0.3 % of what a column tells of its position, and rings that are no Gaussian.
REACH_WIDTHS = 2.8
# Fewer electrons a pixel are never expected, or a single one would refute any model.
LEAST_RATE = 1e-3
_COLUMNS_AT_ONCE = 256


@dataclass(frozen=True)
class ColumnScene:
    """A frame cut into a window around each column, for models of columns in it.

    A model's state (n, 5) is y, x, amplitude, background and ln width of each column [px, frame's unit].

    Parameters
    ----------
    image : array (Y, X), float64
        The frame in electrons, or in deviations of its pixels' noise.
    corner : array (n, 2), int64
        First row and column of each window.
    size : int
        Side of the windows [px].
    anchor : array (n, 5), float64
        State that the windows were cut around.
    is_poisson : bool
        Whether pixels are counts of electrons.
    """

    image: np.ndarray
    corner: np.ndarray
    size: int
    anchor: np.ndarray
    is_poisson: bool

    @classmethod
    def around(cls, image: np.ndarray, state: np.ndarray, is_poisson: bool) -> ColumnScene:
        """Cut windows around columns."""
        reach = math.ceil(REACH_WIDTHS * float(np.exp(np.median(state[:, 4])))) + 1
        size = min(2 * reach + 1, *image.shape)
        corner = np.rint(state[:, :2]).astype(np.int64) - size // 2
        corner = np.clip(corner, 0, np.array(image.shape) - size)
        return cls(image, corner, size, state.copy(), is_poisson)

    def windows(self, whole: np.ndarray, part: slice) -> np.ndarray:
        """Cut windows (m, size, size) out of an image."""
        rows, columns = self._axes(part)
        return whole[rows[:, :, np.newaxis], columns[:, np.newaxis, :]]

    def _axes(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        steps = np.arange(self.size)
        return self.corner[part, :1] + steps, self.corner[part, 1:] + steps

    def shapes(self, state: np.ndarray, part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distances in widths, (m, size) down and across, and the Gaussians (m, size, size)."""
        rows, columns = self._axes(part)
        width = np.exp(state[part, 4:])
        down, across = (rows - state[part, :1]) / width, (columns - state[part, 1:2]) / width
        gaussian = np.exp(-0.5 * down**2)[:, :, np.newaxis] * np.exp(-0.5 * across**2)[:, np.newaxis, :]
        return down, across, gaussian

    @cached_property
    def inside(self) -> np.ndarray:
        """Which pixels of the windows belong to a fit, (n, size, size), bool."""
        found = np.empty((len(self.corner), self.size, self.size), bool)
        for part in parts_of(len(found)):
            down, across, _ = self.shapes(self.anchor, part)
            found[part] = down[:, :, np.newaxis] ** 2 + across[:, np.newaxis, :] ** 2 <= REACH_WIDTHS**2
        return found

    @cached_property
    def pixels(self) -> np.ndarray:
        """The frame's pixels in the windows, (n, size, size)."""
        return self.windows(self.image, slice(None))

    def painted(self, state: np.ndarray) -> np.ndarray:
        """Add up the Gaussians of all columns, (Y, X)."""
        total = np.zeros(self.image.size)
        for part in parts_of(len(state)):
            rows, columns = self._axes(part)
            at = rows[:, :, np.newaxis] * self.image.shape[1] + columns[:, np.newaxis, :]
            values = state[part, 2, np.newaxis, np.newaxis] * self.shapes(state, part)[2]
            total += np.bincount(at.ravel(), values.ravel(), total.size)
        return total.reshape(self.image.shape)

    def first_guess(self, state: np.ndarray) -> np.ndarray:
        """Take background and amplitude by least squares over each window."""
        state = state.copy()
        for part in parts_of(len(state)):
            near = self.inside[part]
            values, gaussian = self.pixels[part], self.shapes(state, part)[2]
            count = near.sum(axis=(1, 2))
            mean_g, mean_k = ((near * one).sum(axis=(1, 2)) / count for one in (gaussian, values))
            centred = near * (gaussian - mean_g[:, np.newaxis, np.newaxis])
            state[part, 2] = (centred * values).sum(axis=(1, 2)) / (centred**2).sum(axis=(1, 2))
            state[part, 3] = mean_k - state[part, 2] * mean_g
        if self.is_poisson:
            state[:, 3] = np.maximum(state[:, 3], LEAST_RATE)
        return state

    def likelihood(self, state: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Log likelihood of each window (n,), but for what does not depend on the state."""
        found = np.empty(len(state))
        for part in parts_of(len(state)):
            near, values = self.inside[part], self.pixels[part]
            rate = self.rate(state, others, part)[0]
            each = values * np.log(rate) - rate if self.is_poisson else -0.5 * (values - rate) ** 2
            found[part] = (near * each).sum(axis=(1, 2))
        return found

    def rate(
        self, state: np.ndarray, others: np.ndarray, part: slice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Give expected pixels of windows (m, size, size), and `shapes`; `others` (n, size, size)."""
        down, across, gaussian = self.shapes(state, part)
        rate = state[part, 3, None, None] + state[part, 2, None, None] * gaussian + others[part]
        return (np.maximum(rate, LEAST_RATE) if self.is_poisson else rate), down, across, gaussian

    def others(self, state: np.ndarray) -> np.ndarray:
        """Gaussians of all columns but a window's own, (n, size, size)."""
        painted = self.painted(state)
        found = np.empty((len(state), self.size, self.size))
        for part in parts_of(len(state)):
            own = state[part, 2, None, None] * self.shapes(state, part)[2]
            found[part] = self.windows(painted, part) - own
        return found

    def normal_equations(self, state: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slope of the log likelihood (n, 5), and Fisher matrices (n, 5, 5).

        All of their sums are moments of the weights with Gaussians, which fall apart into rows and columns.
        """
        slope, fisher = np.empty((len(state), 5)), np.empty((len(state), 5, 5))
        for part in parts_of(len(state)):
            near, values = self.inside[part], self.pixels[part]
            rate, down, across, _ = self.rate(state, others, part)
            weight = near / rate if self.is_poisson else near.astype(np.float64)
            rows, columns = _powers(down, 1, 3), _powers(across, 1, 3)
            first = rows @ weight @ columns.transpose(0, 2, 1)
            second = _powers(down, 2, 5) @ weight @ _powers(across, 2, 5).transpose(0, 2, 1)
            excess = weight * (values - rate)
            moment = rows @ excess @ columns.transpose(0, 2, 1)
            height, steep = state[part, 2], state[part, 2] / np.exp(state[part, 4])
            slope[part] = np.stack(
                [
                    steep * moment[:, 1, 0],
                    steep * moment[:, 0, 1],
                    moment[:, 0, 0],
                    excess.sum(axis=(1, 2)),
                    height * (moment[:, 2, 0] + moment[:, 0, 2]),
                ],
                axis=1,
            )
            fisher[part] = _fisher(first, second, weight.sum(axis=(1, 2)), height, steep)
        return slope, fisher


def _powers(distance: np.ndarray, gaussians: int, count: int) -> np.ndarray:
    """Give a Gaussian (to a power) times powers 0, 1, … of the distance in widths, (m, count, size)."""
    gaussian = np.exp(-0.5 * gaussians * distance**2)
    return np.stack([gaussian * distance**power for power in range(count)], axis=1)


def _fisher(
    first: np.ndarray, second: np.ndarray, total: np.ndarray, height: np.ndarray, steep: np.ndarray
) -> np.ndarray:
    """Put Fisher matrices (m, 5, 5) together from moments of the weights with one and two Gaussians."""
    fisher = np.empty((len(total), 5, 5))
    values = (
        (0, 0, steep**2 * second[:, 2, 0]),
        (0, 1, steep**2 * second[:, 1, 1]),
        (1, 1, steep**2 * second[:, 0, 2]),
        (0, 2, steep * second[:, 1, 0]),
        (1, 2, steep * second[:, 0, 1]),
        (2, 2, second[:, 0, 0]),
        (0, 3, steep * first[:, 1, 0]),
        (1, 3, steep * first[:, 0, 1]),
        (2, 3, first[:, 0, 0]),
        (3, 3, total),
        (0, 4, height * steep * (second[:, 3, 0] + second[:, 1, 2])),
        (1, 4, height * steep * (second[:, 2, 1] + second[:, 0, 3])),
        (2, 4, height * (second[:, 2, 0] + second[:, 0, 2])),
        (3, 4, height * (first[:, 2, 0] + first[:, 0, 2])),
        (4, 4, height**2 * (second[:, 4, 0] + 2 * second[:, 2, 2] + second[:, 0, 4])),
    )
    for row, column, value in values:
        fisher[:, row, column] = fisher[:, column, row] = value
    return fisher


def parts_of(count: int) -> list[slice]:
    """Cut columns into runs whose windows fit in a few MB.

    Parameters
    ----------
    count : int
        Columns.

    Returns
    -------
    list of slice
        In order.

    Examples
    --------
    >>> parts_of(300)
    [slice(0, 256, None), slice(256, 512, None)]
    """
    return [slice(start, start + _COLUMNS_AT_ONCE) for start in range(0, count, _COLUMNS_AT_ONCE)]
