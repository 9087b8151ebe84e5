"""Poisson numbers, exactly distributed and quickly drawn, from uniform ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from ..base.compiled import use_compiled
from ..base.errors import DataError

# A mean is written in digits of base 64, of which the last counts 1/16; the rest is below 1/16.
_BASE = 64
_UNIT = 1 / 16
# Beyond, counts would leave the integers that float32 holds.
_LARGEST_MEAN = 1e7
_GUIDES = 256
# Counts above this have a probability below 1e-23 where the mean is below 1/16.
_LARGEST_REST = 12
_CHUNK = 1 << 18


@dataclass(frozen=True)
class _Level:
    """Inverse distribution functions of the means that one digit stands for."""

    step: float
    first: np.ndarray  # (D,) int64: where a digit's table starts
    least: np.ndarray  # (D,) int64: its smallest count
    cumulative: np.ndarray  # (n,) float64: probability of a count or less
    guide: np.ndarray  # (D, 256) int64: where to start looking, by the first eight bits of the uniform


def poisson(rng: np.random.Generator, mean: np.ndarray, *, compiled: bool | None = None) -> np.ndarray:
    """Draw Poisson numbers of given means, several times quicker than NumPy does.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the uniform numbers come from.
    mean : array of any shape, real
        Means, from 0 to 10⁷.
    compiled : bool or None
        True asks for numba, False for NumPy alone (the same numbers), None takes numba where it is installed.

    Returns
    -------
    array of the same shape, int32
        Counts.

    Raises
    ------
    DataError
        If a mean is negative, not finite, or above 10⁷.

    Notes
    -----
    A sum of independent Poisson numbers is one of the summed mean (thesis, Eq. 1.27). So a mean is split into
    multiples of 1/16, 4, 256, …, each inverted by a table of its distribution function, and a rest below 1/16
    that is inverted by summing its probabilities. Every part takes one uniform number of 53 bits.

    Examples
    --------
    >>> counts = poisson(np.random.default_rng(0), np.full((100, 100), 3.7))
    >>> abs(counts.mean() - 3.7) < 0.1, abs(counts.var() - 3.7) < 0.2
    (np.True_, np.True_)
    """
    means = np.ascontiguousarray(mean)
    if means.dtype != np.float32:
        means = means.astype(np.float64)
    largest = float(means.max(initial=0))
    if not (largest <= _LARGEST_MEAN and float(means.min(initial=0)) >= 0):
        raise DataError(
            f"expected means of 0 to {_LARGEST_MEAN:g} electrons, got {means.min():g} to {largest:g}"
        )
    levels = _make_levels(largest)
    draw = _draw_compiled if use_compiled(compiled) else _draw_plainly
    counts = np.empty(means.size, np.int32)
    flat = means.ravel()
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        uniforms = rng.random((len(levels) + 1, len(flat[part])))
        draw(flat[part], uniforms, levels, counts[part])
    return counts.reshape(means.shape)


def _make_levels(largest: float) -> list[_Level]:
    """Tables for all digits of means up to the largest, the highest first."""
    levels = []
    step = _UNIT
    while largest >= step:
        levels.append(_make_level(step, min(_BASE, int(largest / step) + 1)))
        step *= _BASE
    return levels[::-1]


def _make_level(step: float, digits: int) -> _Level:
    first, least = np.zeros(digits, np.int64), np.zeros(digits, np.int64)
    # A digit of 0 adds 0.
    tables = [np.ones(1)]
    guides = [np.zeros(_GUIDES, np.int64)]
    at = 1
    for digit in range(1, digits):
        mean = digit * step
        # What lies beyond has a probability below 1e-17, less than a uniform number resolves.
        width = 9 * math.sqrt(mean)
        counts = np.arange(max(0, int(mean - width)), int(mean + width) + 20)
        cumulative = np.cumsum(np.exp(counts * math.log(mean) - mean - gammaln(counts + 1)))
        cumulative /= cumulative[-1]
        first[digit], least[digit] = at, counts[0]
        guides.append(at + np.searchsorted(cumulative, np.arange(_GUIDES) / _GUIDES, side="right"))
        tables.append(cumulative)
        at += len(cumulative)
    return _Level(step, first, least, np.concatenate(tables), np.stack(guides))


def _draw_compiled(means: np.ndarray, uniforms: np.ndarray, levels: list[_Level], counts: np.ndarray) -> None:
    from .kernels_poisson import add_rest, add_tabled

    rest = means.astype(np.float64)
    counts[:] = 0
    for level, uniform in zip(levels, uniforms, strict=False):
        add_tabled(rest, uniform, level.step, level.first, level.least, level.cumulative, level.guide, counts)
    add_rest(rest, uniforms[-1], counts, _LARGEST_REST)


def _draw_plainly(means: np.ndarray, uniforms: np.ndarray, levels: list[_Level], counts: np.ndarray) -> None:
    rest = means.astype(np.float64)
    counts[:] = 0
    for level, uniform in zip(levels, uniforms, strict=False):
        digit = np.minimum((rest / level.step).astype(np.int64), len(level.first) - 1)
        rest -= digit * level.step
        at = level.guide[digit, (uniform * _GUIDES).astype(np.int64)]
        while (short := level.cumulative[at] <= uniform).any():
            at[short] += 1
        counts += (level.least[digit] + at - level.first[digit]).astype(np.int32)
    share = np.exp(-rest)
    cumulative = share.copy()
    for count in range(1, _LARGEST_REST + 1):
        counts += cumulative <= uniforms[-1]
        share *= rest / count
        cumulative += share
