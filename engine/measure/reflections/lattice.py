"""Which lattice planes reflections may be, and whether they are those of one lattice or of two twins."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ...base.errors import DataError
from ...base.tables import Columns

_HIGHEST_INDEX = 2
_SURELY_SIGMAS = 3.0
_STRONGEST = 8
# Two reflections closer in direction than this span no lattice.
_LEAST_SPAN_DEG = 10.0


@dataclass(frozen=True, eq=False)
class Lattices:
    """One lattice, or two that are turned or mirrored copies of each other, found in a set of reflections.

    Parameters
    ----------
    lattice : array (n,), int64
        Of each reflection: 0 none, 1 the first lattice, 2 the second, 3 both.
    index : array (n, 2), int64
        Its two indices in the lattice that it belongs to (the first where both); 0, 0 for none.
    basis : array (k, 2, 2), float64
        Two reflections (rows, columns) that span each of k = 0, 1 or 2 lattices [unit of q].
    rotation_deg : float
        Angle that turns the first lattice into the second (counter-clockwise on the screen); NaN where there
        is no second, or it is not a turned one.
    mirror_deg : float
        Direction of the line that mirrors the first into the second, likewise.
    """

    lattice: np.ndarray
    index: np.ndarray
    basis: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 2)))
    rotation_deg: float = math.nan
    mirror_deg: float = math.nan

    @property
    def count(self) -> int:
        """Number of lattices."""
        return len(self.basis)


def candidate_planes(d: np.ndarray, d_error: np.ndarray, planes_d: np.ndarray) -> Columns:
    """Hold spacings against those of a crystal's planes.

    Parameters
    ----------
    d, d_error : arrays (n,), float
        Spacings measured and their standard errors [nm].
    planes_d : array (m,), float
        Spacings of the crystal's planes [nm], at least one.

    Returns
    -------
    dict of arrays (n,)
        plane (index of the nearest), deviation_percent and deviation_sigmas (measured - plane's), next_plane
        (the second nearest, -1 where there is one alone) and next_deviation_percent.

    Raises
    ------
    DataError
        If there is no plane.

    Notes
    -----
    Errors of single measurements are far below those of a pixel size, which is often wrong by 1 or 2 %:
    a deviation of many sigmas that is the same for all planes is one of the calibration.

    Examples
    --------
    >>> found = candidate_planes(np.array([0.236]), np.array([0.001]), np.array([0.2039, 0.2355]))
    >>> found["plane"].tolist(), found["deviation_percent"].round(2).tolist()
    ([1], [0.21])
    """
    planes_d = np.asarray(planes_d, np.float64)
    if not planes_d.size:
        raise DataError("expected the spacings of a crystal's planes, got none")
    ratio = np.asarray(d, np.float64)[:, None] / planes_d
    order = np.argsort(np.abs(np.log(np.maximum(ratio, 1e-300))), axis=1, kind="stable")
    nearest = order[:, 0]
    rows = np.arange(len(nearest))
    following = order[:, 1] if planes_d.size > 1 else np.full(len(nearest), -1)
    deviation = 100 * (ratio[rows, nearest] - 1)
    beside = 100 * (ratio[rows, following] - 1) if planes_d.size > 1 else np.full(len(nearest), math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = (np.asarray(d) - planes_d[nearest]) / np.asarray(d_error, np.float64)
    return {
        "plane": nearest,
        "deviation_percent": deviation,
        "deviation_sigmas": sigmas,
        "next_plane": following,
        "next_deviation_percent": beside,
    }


def explained_share(d: np.ndarray, planes_d: np.ndarray, *, tolerance: float = 0.03) -> tuple[float, float]:
    """Say how much of a set of spacings a crystal explains, and how much any set would be explained.

    Parameters
    ----------
    d : array (n,), float
        Spacings measured [nm].
    planes_d : array (m,), float
        Spacings of the crystal's planes [nm].
    tolerance : float
        Relative deviation that is still an agreement.

    Returns
    -------
    explained : float
        Share of the spacings within the tolerance of a plane; NaN where there are none.
    by_chance : float
        Share that spacings drawn evenly in ln d from the longest plane to the shortest spacing would have.

    Examples
    --------
    >>> explained_share(np.array([0.235, 0.3]), np.array([0.2355, 0.2039]))[0]
    0.5
    """
    d, planes_d = np.asarray(d, np.float64), np.sort(np.asarray(planes_d, np.float64))
    if not d.size or not planes_d.size:
        return math.nan, math.nan
    near = np.abs(np.log(d[:, None] / planes_d)).min(axis=1) <= math.log1p(tolerance)
    low = min(float(d.min()), float(planes_d[-1])) / (1 + tolerance)
    high = max(float(d.max()), float(planes_d[-1])) * (1 + tolerance)
    grid = np.exp(np.linspace(math.log(low), math.log(high), 2000))
    covered = np.abs(np.log(grid[:, None] / planes_d)).min(axis=1) <= math.log1p(tolerance)
    return float(near.mean()), float(covered.mean())


def find_lattices(
    places: np.ndarray, errors: np.ndarray, power: np.ndarray, *, tolerance: float = 0.02
) -> Lattices:
    """Explain reflections by one lattice, and what is left by a turned or mirrored copy of it.

    Parameters
    ----------
    places : array (n, 2), float
        One member of each pair, rows before columns [any unit of q].
    errors : array (n,), float
        Standard error of each place, in the same unit.
    power : array (n,), float
        Power of each over noise: strong ones are explained first.
    tolerance : float
        Deviation, as a fraction of q, that strain and overlap leave on top of three errors.

    Returns
    -------
    Lattices
        None where all reflections run in one direction.

    Notes
    -----
    Every two of the strongest reflections may be a basis; the best one explains most reflections by indices
    up to 2, and of those that explain as many, the one with the largest cell. Each reflection left over
    is then taken for each of the first lattice's reflections that is as long: that fixes an angle of rotation
    and a mirror line. A twin needs two reflections of its own, or one and one that both lattices share.

    Examples
    --------
    >>> angles = np.radians([0.0, 54.7, -54.7])
    >>> places = np.array([4.9, 4.25, 4.25])[:, None] * np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    >>> find_lattices(places, np.full(3, 0.01), np.ones(3)).lattice.tolist()
    [1, 1, 1]
    """
    count = len(places)
    nothing = Lattices(np.zeros(count, np.int64), np.zeros((count, 2), np.int64))
    if count < 2:
        return nothing
    allowed = _SURELY_SIGMAS * np.asarray(errors) + tolerance * np.hypot(*np.asarray(places).T)
    strongest = np.argsort(-np.asarray(power), kind="stable")[:_STRONGEST]
    best: tuple[tuple[int, float], np.ndarray] | None = None
    for place, one in enumerate(strongest.tolist()):
        for other in strongest[place + 1 :].tolist():
            basis = np.stack([places[one], places[other]])
            if not _spans(basis):
                continue
            explained, _ = _explain(places, allowed, basis)
            rank = (int(explained.sum()), abs(float(np.linalg.det(basis))))
            if best is None or rank > best[0]:
                best = rank, basis
    if best is None:
        return nothing
    first, index = _explain(places, allowed, best[1])
    one_lattice = Lattices(first.astype(np.int64), index, best[1][np.newaxis])
    twin = _find_twin(places, allowed, first, best[1])
    if twin is None:
        return one_lattice
    second, other_index, basis, rotation, mirror = twin
    index = np.where(first[:, None], index, other_index)
    return Lattices(first + 2 * second, index, np.stack([best[1], basis]), rotation, mirror)


def _spans(basis: np.ndarray) -> bool:
    sine = abs(float(np.linalg.det(basis))) / float(np.prod(np.hypot(*basis.T)))
    return sine > math.sin(math.radians(_LEAST_SPAN_DEG))


def _explain(places: np.ndarray, allowed: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the indices of each place in a lattice, and whether it lies where they put it."""
    index = np.rint(places @ np.linalg.inv(basis)).astype(np.int64)
    off = np.hypot(*(places - index @ basis).T)
    low = (np.abs(index).max(axis=1) <= _HIGHEST_INDEX) & index.any(axis=1)
    explained = low & (off <= allowed)
    return explained, np.where(explained[:, None], index, 0)


def _find_twin(
    places: np.ndarray, allowed: np.ndarray, first: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float] | None:
    """Find the copy of a lattice that explains most of the rest: which, indices, basis, rotation, mirror."""
    rest = np.flatnonzero(~first)
    if not rest.size:
        return None
    spots = _low_spots(basis)
    lengths, directions = np.hypot(*spots.T), np.arctan2(-spots[:, 0], spots[:, 1])
    best: tuple[tuple[int, int, int], tuple[np.ndarray, ...], float, float] | None = None
    for row in rest.tolist():
        q, direction = math.hypot(*places[row]), math.atan2(-places[row, 0], places[row, 1])
        for spot in np.flatnonzero(np.abs(lengths - q) <= allowed[row]).tolist():
            turn, line = direction - directions[spot], (direction + directions[spot]) / 2
            for copy, rotation, mirror in (
                (basis @ _turned(turn), _half_turn(turn), math.nan),
                (basis @ _mirrored(line), math.nan, _half_turn(line)),
            ):
                second, index = _explain(places, allowed, copy)
                own, shared = int(second[rest].sum()), int((second & first).sum())
                # A mirror is what a twin is: it goes before an equal rotation.
                rank = (own, shared, int(math.isnan(rotation)))
                if own + min(shared, 1) >= 2 and (best is None or rank > best[0]):
                    best = rank, (second, index, copy), rotation, mirror
    if best is None:
        return None
    second, index, copy = best[1]
    return second, index, copy, best[2], best[3]


def _low_spots(basis: np.ndarray) -> np.ndarray:
    """Reflections of a lattice with indices up to the highest, of each pair both."""
    steps = np.arange(-_HIGHEST_INDEX, _HIGHEST_INDEX + 1)
    index = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    return index[index.any(axis=1)] @ basis


def _turned(angle: float) -> np.ndarray:
    """Matrix that turns (row, column) vectors, from the right, counter-clockwise on the screen."""
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _mirrored(angle: float) -> np.ndarray:
    """Matrix that mirrors (row, column) vectors in a line of this direction."""
    return np.array(
        [[-math.cos(2 * angle), -math.sin(2 * angle)], [-math.sin(2 * angle), math.cos(2 * angle)]]
    )


def _half_turn(angle: float) -> float:
    """Angle [°] between -90 and 90: lattices are the same after half a turn."""
    return (math.degrees(angle) + 90.0) % 180.0 - 90.0
