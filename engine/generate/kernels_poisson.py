"""Compiled inversion of Poisson distributions; imported only inside functions."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def add_tabled(
    rest: np.ndarray,
    uniform: np.ndarray,
    step: float,
    first: np.ndarray,
    least: np.ndarray,
    cumulative: np.ndarray,
    guide: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Take one digit off each mean, and add a Poisson number of the digit's mean.

    Parameters
    ----------
    rest : array (n,), float64
        Means, in place less the digit's.
    uniform : array (n,), float64
        Uniform numbers in [0, 1).
    step : float
        What a digit of 1 stands for.
    first, least : arrays (D,), int64
        Start of each digit's table, and its smallest count.
    cumulative : array (m,), float64
        Probability of a count or less, for all digits one after the other.
    guide : array (D, G), int64
        Where to start looking, by the leading bits of the uniform number.
    counts : array (n,), int32
        What is added to.
    """
    last, guides = len(first) - 1, guide.shape[1]
    for index in range(len(rest)):
        digit = min(int(rest[index] / step), last)
        if digit > 0:
            rest[index] -= digit * step
            u = uniform[index]
            at = guide[digit, int(u * guides)]
            while cumulative[at] <= u:
                at += 1
            counts[index] += np.int32(least[digit] + at - first[digit])


@njit(cache=True, nogil=True)
def add_rest(rest: np.ndarray, uniform: np.ndarray, counts: np.ndarray, largest: int) -> None:
    """Add Poisson numbers of small means.

    Parameters
    ----------
    rest : array (n,), float64
        Means, well below 1.
    uniform : array (n,), float64
        Uniform numbers in [0, 1).
    counts : array (n,), int32
        What is added to.
    largest : int
        Largest count.
    """
    for index in range(len(rest)):
        mean, u = rest[index], uniform[index]
        # exp(-m) is above 1 - m: most means are done without it.
        if u < 1.0 - mean:
            continue
        share = math.exp(-mean)
        cumulative = share
        count = 0
        while count < largest and cumulative <= u:
            count += 1
            share *= mean / count
            cumulative += share
        counts[index] += np.int32(count)
