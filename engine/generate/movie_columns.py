"""Atomic columns at the surface of a movie's particle that hop between neighbouring sites at a known rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from ..base.errors import SettingsError
from ..base.tables import Columns
from .movie_crystals import Crystal
from .sites import find_columns

# Seen along the beam, neighbouring columns are no farther apart than neighbouring atoms.
_NEIGHBOUR_REACH = 1.02
# Sites of two hopping columns keep this many neighbour distances apart, so that each can be told.
_APART = 1.6
_FEWEST_NEIGHBOURS = 2
_FEWEST_ATOMS = 3
_SHARE = 2 / 3


@dataclass(frozen=True)
class HopColumn:
    """A column of atoms and the sites that it can lie at, each next to the one before.

    Parameters
    ----------
    atoms_A : array (S, M, 3), float64
        Its M atoms at each of S sites, in the crystal's frame [Å].
    """

    atoms_A: np.ndarray = field(repr=False)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.atoms_A)

    @property
    def middle_A(self) -> np.ndarray:
        """Middle of the column at each site, an array (S, 3), float64 [Å]."""
        return self.atoms_A.mean(axis=1)


def find_hop_columns(
    rng: np.random.Generator, crystal: Crystal, *, n_atoms: int, n_columns: int, n_sites: int = 3
) -> tuple[HopColumn, ...]:
    """Find places at the rim of a particle where columns can be added, and hop along a facet.

    A site is a column of the lattice just outside of the particle with at least two neighbouring columns in
    it. Two thirds of a column's length lie there, in the middle of what the neighbours reach over.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws where along the rim.
    crystal : Crystal
        Grown beyond `n_atoms`: the sites are columns of its later atoms.
    n_atoms : int
        Atoms of the particle.
    n_columns : int
        Columns wanted; fewer are found where the rim is short.
    n_sites : int
        Sites that each can lie at, 2 or more.

    Returns
    -------
    tuple of HopColumn
        No two of them come near each other.

    Raises
    ------
    SettingsError
        If the crystal has no later atoms, or fewer than two sites are asked for.

    Examples
    --------
    >>> from temflux.engine.generate.movie_crystals import bulk_lattice, grow_crystal
    >>> rng = np.random.default_rng(0)
    >>> crystal = grow_crystal(rng, bulk_lattice("Au", reach_A=20), n_atoms=500)
    >>> [column.n_sites for column in find_hop_columns(rng, crystal, n_atoms=300, n_columns=2)]
    [3, 3]
    """
    if n_sites < 2 or not 0 < n_atoms < len(crystal.positions_A):
        raise SettingsError(
            f"expected 2 sites or more and fewer than the crystal's {len(crystal.positions_A)} atoms, got "
            f"{n_sites} sites and {n_atoms} atoms"
        )
    candidates = _candidates(crystal, n_atoms)
    if not candidates:
        return ()
    xy_A = np.array([atoms[0, :2] for atoms in candidates])
    near = cKDTree(xy_A).query_ball_point(xy_A, _NEIGHBOUR_REACH * crystal.neighbour_A)
    free = np.ones(len(candidates), bool)
    found: list[HopColumn] = []
    for start in rng.permutation(len(candidates)).tolist():
        path = _path(rng, start, near, free, n_sites)
        if len(found) == n_columns or path is None:
            continue
        length = min(len(candidates[site]) for site in path)
        found.append(HopColumn(np.stack([candidates[site][:length] for site in path])))
        apart = np.linalg.norm(xy_A[:, np.newaxis] - xy_A[path], axis=-1).min(axis=1)
        free &= apart > _APART * crystal.neighbour_A
    return tuple(found)


def draw_hops(
    rng: np.random.Generator, columns: Sequence[HopColumn], *, rate_per_s: float, beam_s: float
) -> Columns:
    """Draw when columns hop: a Poisson process for each, as long as the beam is on.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    columns : sequence of HopColumn
        All begin at their site 0.
    rate_per_s : float
        Hops of a column per second under the beam, whichever site it is at [1/s].
    beam_s : float
        How long the beam is on [s]; with the beam off nothing hops.

    Returns
    -------
    dict of arrays (n,)
        beam_s (time under the beam), column, from_site, to_site; in the order of time. A hop leads to one
        of the sites beside, each as likely as the other.

    Raises
    ------
    SettingsError
        If rate or time is negative.

    Examples
    --------
    >>> column = HopColumn(np.zeros((2, 3, 3)))
    >>> hops = draw_hops(np.random.default_rng(0), [column], rate_per_s=1.0, beam_s=4.0)
    >>> hops["from_site"].tolist(), hops["to_site"].tolist()
    ([0, 1], [1, 0])
    """
    if not (0 <= rate_per_s < math.inf and 0 <= beam_s < math.inf):
        raise SettingsError(
            f"hop_rate_per_s: expected a rate and a time of 0 or more, got {rate_per_s} /s for {beam_s} s"
        )
    rows: list[tuple[float, int, int, int]] = []
    for index, column in enumerate(columns):
        site = 0
        for time in np.sort(rng.uniform(0, beam_s, rng.poisson(rate_per_s * beam_s))).tolist():
            beside = [s for s in (site - 1, site + 1) if 0 <= s < column.n_sites]
            other = beside[int(rng.integers(len(beside)))]
            rows.append((time, index, site, other))
            site = other
    rows.sort()
    table = np.array(rows, np.float64).reshape(-1, 4)
    names = ("column", "from_site", "to_site")
    whole = {name: table[:, place].astype(np.int64) for place, name in enumerate(names, start=1)}
    return {"beam_s": table[:, 0], **whole}


def sites_over_time(hops: Columns, *, n_columns: int, beam_s: np.ndarray) -> np.ndarray:
    """Find the site of every column at given times.

    Parameters
    ----------
    hops : dict of arrays (n,)
        As from `draw_hops`.
    n_columns : int
        Columns K.
    beam_s : array (T,), float
        Times under the beam [s].

    Returns
    -------
    array (T, K), int64
        Sites.

    Examples
    --------
    >>> hops = {"beam_s": np.array([1.5]), "column": np.array([0]), "to_site": np.array([1])}
    >>> sites_over_time(hops, n_columns=1, beam_s=np.array([0.0, 1.0, 2.0])).ravel().tolist()
    [0, 0, 1]
    """
    sites = np.zeros((len(beam_s), n_columns), np.int64)
    for column in range(n_columns):
        own = hops["column"] == column
        reached = np.concatenate([[0], hops["to_site"][own]])
        sites[:, column] = reached[np.searchsorted(hops["beam_s"][own], beam_s, side="right")]
    return sites


def _candidates(crystal: Crystal, n_atoms: int) -> list[np.ndarray]:
    """List the columns that can be added at the rim: atoms (m, 3) each, from their middle outwards."""
    positions_A = crystal.positions_A
    column = find_columns(positions_A[:, :2])
    inside, later = column[:n_atoms], column[n_atoms:]
    lengths = np.bincount(inside, minlength=column.max() + 1)
    heights = np.bincount(inside, positions_A[:n_atoms, 2], minlength=len(lengths))
    xy_A = np.zeros((len(lengths), 2))
    xy_A[column] = positions_A[:, :2]
    taken = np.flatnonzero(lengths)
    tree = cKDTree(xy_A[taken])
    found = []
    for candidate in np.setdiff1d(later, taken).tolist():
        beside = taken[tree.query_ball_point(xy_A[candidate], _NEIGHBOUR_REACH * crystal.neighbour_A)]
        if len(beside) < _FEWEST_NEIGHBOURS:
            continue
        middle = heights[beside].sum() / lengths[beside].sum()
        atoms = positions_A[n_atoms:][later == candidate]
        wanted = max(_FEWEST_ATOMS, round(lengths[beside].mean() * _SHARE))
        nearest = np.argsort(np.round(np.abs(atoms[:, 2] - middle), 6), kind="stable")[:wanted]
        if len(nearest) >= _FEWEST_ATOMS:
            found.append(atoms[nearest])
    return found


def _path(
    rng: np.random.Generator, start: int, near: Sequence[list[int]], free: np.ndarray, n_sites: int
) -> list[int] | None:
    """Walk from site to site beside it; None where the walk ends early."""
    path = [start]
    if not free[start]:
        return None
    while len(path) < n_sites:
        onward = sorted(site for site in near[path[-1]] if free[site] and site not in path)
        if not onward:
            return None
        path.append(onward[int(rng.integers(len(onward)))])
    return path
