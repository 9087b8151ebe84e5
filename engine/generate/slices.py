"""Planes for a multislice calculation, placed where the atoms are."""

from __future__ import annotations

import math

import numpy as np

from ..base.errors import SettingsError

# Bins of this share of the spread are grouped instead of single atoms; planes lie at the atoms' true mean.
_BIN = 0.5
# A slice is never wider than this many times the width that evenly spread atoms would get.
_WIDEST = 4.0


def plan_slices(
    z_A: np.ndarray, weights: np.ndarray, *, spread_A: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Group atoms along the beam into as few planes as keep them close to where they are.

    The error of a slice grows with the distance of its atoms from the plane that stands for them. So the
    planes are not evenly spaced: they minimise Σ w (z − z_plane)² plus a price for each plane, by dynamic
    programming over the sorted heights. A crystal on its zone axis gets one plane a layer, exactly.

    Parameters
    ----------
    z_A : array (n,), float
        Heights along the beam [Å].
    weights : array (n,), float
        How much an atom counts, as the square of its atomic number.
    spread_A : float
        Weighted r.m.s. distance from the planes that evenly spread atoms would have [Å].

    Returns
    -------
    plane : array (n,), int64
        Plane of each atom.
    plane_z_A : array (k,), float64
        Weighted mean height of each plane, growing [Å].

    Raises
    ------
    SettingsError
        If there is no atom, or the spread is not above 0.

    Examples
    --------
    >>> plane, z_A = plan_slices(np.array([0.0, 1.9, 0.01]), np.ones(3))
    >>> plane.tolist(), z_A.round(3).tolist()
    ([0, 1, 0], [0.005, 1.9])
    """
    z = np.asarray(z_A, np.float64)
    if not (math.isfinite(spread_A) and spread_A > 0):
        raise SettingsError(f"spread_A: expected a distance above 0 Å, got {spread_A}")
    if z.size == 0:
        raise SettingsError("no atoms: expected at least one to slice")
    _, group = np.unique(np.floor(z / (_BIN * spread_A)).astype(np.int64), return_inverse=True)
    weight = np.bincount(group, weights)
    first = np.bincount(group, weights * z)
    second = np.bincount(group, weights * z**2)
    ends = _cheapest_ends(first / weight, np.stack([weight, first, second]), spread_A)
    plane_of_group = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    plane = plane_of_group[group]
    return plane, np.bincount(plane, weights * z) / np.bincount(plane, weights)


def _cheapest_ends(z: np.ndarray, moments: np.ndarray, spread_A: float) -> np.ndarray:
    """Return where the planes of sorted groups begin and end, from the groups' weighted moments."""
    width = math.sqrt(12) * spread_A
    # Evenly spread atoms of density ρ in slices of width w cost ρ w³/12 a slice; this price makes w the best.
    height = max(float(z[-1] - z[0]), width)
    price = moments[0].sum() / height * width**3 / 6
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(moments, axis=1)], axis=1)
    earliest = np.searchsorted(z, z - _WIDEST * width)
    best = np.zeros(len(z) + 1)
    begins = np.zeros(len(z) + 1, np.int64)
    for end in range(1, len(z) + 1):
        begin = np.arange(earliest[end - 1], end)
        weight, first, second = sums[:, end, np.newaxis] - sums[:, begin]
        total = best[begin] + np.maximum(second - first**2 / weight, 0)
        chosen = int(np.argmin(total))
        best[end] = total[chosen] + price
        begins[end] = begin[chosen]
    ends = [len(z)]
    while ends[-1] > 0:
        ends.append(int(begins[ends[-1]]))
    return np.array(ends[::-1])
