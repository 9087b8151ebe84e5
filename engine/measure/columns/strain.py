"""Strain of columns against a reference lattice that is fitted robustly to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ...base.errors import DataError, SettingsError
from ...base.tables import Columns

_FEWEST_COLUMNS = 6
# Difference vectors up to here hold the two shortest of any lattice, also with a basis of two.
_REACH_SPACINGS = 2.3
_BINS_PER_SPACING, _PEAK_SPACINGS = 12, 0.22
# A vector of the lattice leads from (nearly) every column to another; one within a basis from half of them.
_LEAST_SHARE, _LEAST_SINE = 0.66, 0.35
_ON_LATTICE = 0.25
_MOST_SUBLATTICES = 4
_FEWEST_NEIGHBOURS = 3
_REFINEMENTS = 4


@dataclass(frozen=True)
class Lattice:
    """A lattice fitted to columns; columns of several sublattices share its vectors.

    Parameters
    ----------
    a, b : arrays (2,), float64
        Vectors (y, x); a nearest to the direction of growing columns, b counter-clockwise of it on screen.
    sublattice : array (n,), int64
        Sublattice of each column, from 0; -1 where it lies on none.
    displacement : array (n, 2), float64
        Position (y, x) less the site of its sublattice; NaN where it lies on none.
    """

    a: np.ndarray
    b: np.ndarray
    sublattice: np.ndarray
    displacement: np.ndarray


def fit_lattice(y: np.ndarray, x: np.ndarray, *, spacing: float | None = None) -> Lattice:
    """Fit a lattice to columns, some of which may be missing, too many, or of another sublattice.

    Parameters
    ----------
    y, x : arrays (n,), float
        Positions [any length]; 6 columns or more.
    spacing : float or None
        About the distance of neighbours [length]; the median one where None.

    Returns
    -------
    Lattice
        Its vectors, and how far each column is from its site.

    Raises
    ------
    DataError
        If there are too few columns, or they lie on no lattice.
    SettingsError
        If the spacing is not above 0.

    Notes
    -----
    The differences of near columns cluster at vectors of the lattice; the two shortest that lead from most
    columns to another, and are not along one line, begin. Sites are then counted outwards from the middle,
    the vectors fitted anew by least squares as the reach doubles, so that strain does not let it slip.

    Examples
    --------
    >>> y, x = (4.0 * axis.ravel() for axis in np.mgrid[:5, :5])
    >>> lattice = fit_lattice(y, x)
    >>> [round(float(np.hypot(*vector)), 6) for vector in (lattice.a, lattice.b)]
    [4.0, 4.0]
    """
    places = np.stack([np.asarray(y, np.float64), np.asarray(x, np.float64)], axis=1)
    if len(places) < _FEWEST_COLUMNS or not np.isfinite(places).all():
        raise DataError(
            f"expected {_FEWEST_COLUMNS} columns or more for a lattice, each with a place, got {len(places)}"
        )
    if spacing is None:
        spacing = float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))
    if not 0 < spacing < math.inf:
        raise SettingsError(f"expected a spacing above 0, got {spacing}")
    vectors = _first_vectors(places, spacing)
    sublattice, displacement = np.full(len(places), -1), np.full(places.shape, np.nan)
    for number in range(_MOST_SUBLATTICES):
        rest = np.flatnonzero(sublattice < 0)
        if len(rest) < (3 if number else _FEWEST_COLUMNS - 2):
            break
        on, index, grown = _grow(places[rest], vectors, refine=number == 0)
        if number == 0:
            vectors = grown
        if on.sum() < 3:
            break
        gap = places[rest[on]] - index[on] @ vectors
        sublattice[rest[on]] = number
        displacement[rest[on]] = gap - np.median(gap, axis=0)
    a, b = _ordered(vectors)
    return Lattice(a, b, sublattice, displacement)


def local_strain(y: np.ndarray, x: np.ndarray, *, a: np.ndarray, b: np.ndarray) -> Columns:
    """Find strain and rotation at each column from where its neighbours are.

    Parameters
    ----------
    y, x : arrays (n,), float
        Positions [any length].
    a, b : arrays (2,), float
        Vectors (y, x) of the reference lattice [length].

    Returns
    -------
    dict of arrays (n,), float64
        exx, eyy, exy (strain along x, along y, shear), rotation_deg (counter-clockwise on the screen);
        NaN where fewer than three neighbours were found.

    Raises
    ------
    SettingsError
        If a and b lie along one line.

    Notes
    -----
    Neighbours are the columns nearest to ±a, ±b and the shorter diagonal from a column. The deformation F is
    the least-squares map of the reference's vectors to those measured (Hÿtch and Minor, MRS Bull. 39, 138
    (2014)); strain is (F + Fᵀ)/2 - 1, rotation (F - Fᵀ)/2, each to first order.

    Examples
    --------
    >>> y, x = (axis.ravel() for axis in np.mgrid[:3.0, :3.0])
    >>> strain = local_strain(y, 1.02 * x, a=np.array([0.0, 1.0]), b=np.array([-1.0, 0.0]))
    >>> strain["exx"].round(3)[4].item(), strain["eyy"].round(3)[4].item()
    (0.02, 0.0)
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if abs(_sine(a, b)) < 1e-3:
        raise SettingsError(f"expected two vectors that are not along one line, got {a} and {b}")
    places = np.stack([np.asarray(y, np.float64), np.asarray(x, np.float64)], axis=1)
    diagonal = a + b if np.hypot(*(a + b)) < np.hypot(*(a - b)) else a - b
    reference = np.array([a, b, diagonal, -a, -b, -diagonal])
    most = _ON_LATTICE * min(np.hypot(*a), np.hypot(*b))
    moments, products = np.zeros((len(places), 2, 2)), np.zeros((len(places), 2, 2))
    found = np.zeros(len(places), np.int64)
    if len(places):
        tree = cKDTree(places)
        for vector in reference:
            distance, nearest = tree.query(places + vector, distance_upper_bound=most)
            there = np.isfinite(distance)
            step = places[nearest[there]] - places[there]
            moments[there] += np.outer(vector, vector)
            products[there] += step[:, :, None] * vector
            found += there
    enough = (found >= _FEWEST_NEIGHBOURS) & (np.linalg.det(moments) > 1e-6 * np.hypot(*a) ** 4)
    deformation = np.full((len(places), 2, 2), np.nan)
    deformation[enough] = products[enough] @ np.linalg.inv(moments[enough])
    (yy, yx), (xy, xx) = np.moveaxis(deformation, 0, 2)
    return {
        "exx": xx - 1,
        "eyy": yy - 1,
        "exy": (xy + yx) / 2,
        # Rows grow downwards on the screen: what turns x into -y is counter-clockwise.
        "rotation_deg": np.rad2deg((xy - yx) / 2),
    }


def _sine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0]) / max(float(np.hypot(*a) * np.hypot(*b)), 1e-300)


def _first_vectors(places: np.ndarray, spacing: float) -> np.ndarray:
    """Find the two shortest vectors that lead from most columns to another: rows of an array (2, 2)."""
    pairs = cKDTree(places).query_pairs(_REACH_SPACINGS * spacing, output_type="ndarray")
    steps = places[pairs[:, 1]] - places[pairs[:, 0]]
    both = np.concatenate([steps, -steps])
    half = math.ceil(_REACH_SPACINGS * _BINS_PER_SPACING)
    edges = np.arange(-half - 0.5, half + 1) * spacing / _BINS_PER_SPACING
    density = np.histogram2d(both[:, 0], both[:, 1], bins=(edges, edges))[0]
    smooth = ndimage.gaussian_filter(density, 1.2, mode="constant")
    tops = (smooth == ndimage.maximum_filter(smooth, size=5)) & (smooth > 0)
    centres = (np.argwhere(tops) - half) * spacing / _BINS_PER_SPACING
    vectors, counts = [], []
    for centre in centres:
        near = np.hypot(*(both - centre).T) < _PEAK_SPACINGS * spacing
        if near.any():
            vectors.append(np.median(both[near], axis=0))
            counts.append(near.sum() / _whole(places, vectors[-1]))
    order = np.argsort([np.hypot(*vector) for vector in vectors], kind="stable")
    likely = [vectors[i] for i in order if counts[i] >= _LEAST_SHARE * max(counts)]
    for first in likely:
        for second in likely:
            if abs(_sine(first, second)) > _LEAST_SINE and np.hypot(*first) > 0.3 * spacing:
                return np.array([first, second])
    raise DataError("expected columns on a lattice, found no two vectors that lead from column to column")


def _whole(places: np.ndarray, vector: np.ndarray) -> float:
    """Count the columns from which a vector ends within the columns' box: those at its rim lead nowhere."""
    low, high = places.min(axis=0), places.max(axis=0)
    slack = 0.1 * np.hypot(*vector)
    ends = places + vector
    return max(float(((ends >= low - slack) & (ends <= high + slack)).all(axis=1).sum()), len(places) / 4)


def _grow(
    places: np.ndarray, vectors: np.ndarray, *, refine: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count sites outwards from the middle: which columns are on them (n,), where (n, 2), the vectors."""
    distance = np.hypot(*(places - np.median(places, axis=0)).T)
    origin = places[int(np.argmin(distance))]
    far = np.hypot(*(places - origin).T)
    reach = 2.5 * float(np.hypot(*vectors.T).max())
    while True:
        for _ in range(_REFINEMENTS):
            index = np.rint((places - origin) @ np.linalg.inv(vectors))
            gap = (places - origin) @ np.linalg.inv(vectors) - index
            on = (np.abs(gap).max(axis=1) < _ON_LATTICE) & (far <= reach)
            design = np.concatenate([np.ones((len(places), 1)), index], axis=1)[on]
            if not refine or np.linalg.matrix_rank(design) < 3:
                origin = origin + np.median(gap[on] @ vectors, axis=0) if on.any() else origin
                continue
            fit = np.linalg.lstsq(design, places[on], rcond=None)[0]
            origin, vectors = fit[0], fit[1:]
        if reach >= far.max():
            return on, index, vectors
        reach *= 2


def _ordered(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn two vectors so that the first points along columns as well as may be, the second onward left."""
    along = np.abs(vectors[:, 1]) / np.hypot(*vectors.T)
    # Equal lengths: the one nearer to the rows' direction; its sign makes x grow.
    a, b = vectors if along[0] >= along[1] - 1e-9 else vectors[::-1]
    a = a if a[1] > 0 or (a[1] == 0 and a[0] < 0) else -a
    return a, b if _sine(a, b) > 0 else -b
