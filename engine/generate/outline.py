"""Random outlines that cut a piece out of a sheet, and its place and tilt in a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError, cKDTree

from ..base.errors import SettingsError

CLEAR_A = 2.0
_LEAST_WINDOW_A = 10.0
# Six standard deviations: atoms beyond are put there, so that the edge stays clear whatever is drawn.
_SIGMAS = 6.0
_TRIES = 1000


@dataclass(frozen=True)
class Room:
    """The part of a cell that atoms may be placed in.

    Parameters
    ----------
    sides_A : (float, float)
        The cell across the beam, x and y [Å].
    height_A : float or None
        The cell along the beam [Å]; None lets it follow from the atoms.
    window : (float, float, float, float)
        Lowest x and y, highest x and y before tilt and vibration [Å].

    Examples
    --------
    >>> make_room(60.0).window
    (2.0, 2.0, 58.0, 58.0)
    """

    sides_A: tuple[float, float]
    height_A: float | None
    window: tuple[float, float, float, float]


def make_room(
    cell_A: float | Sequence[float],
    *,
    thickness_A: float = 0.0,
    tilt_deg: float = 0.0,
    distort_A: float = 0.0,
) -> Room:
    """Find where a piece may lie so that it keeps 2 Å clear of every edge after tilt and vibration.

    Parameters
    ----------
    cell_A : float or sequence of two or three floats
        Side of the cell; x and y; or x, y and z [Å].
    thickness_A : float
        Height of the piece along the beam [Å].
    tilt_deg : float
        Largest tilt about the piece's centre [°].
    distort_A : float
        Standard deviation of the displacements of atoms, per coordinate [Å].

    Returns
    -------
    Room
        The cell and the window.

    Raises
    ------
    SettingsError
        If a number is outside its range, or the window is narrower than 10 Å.

    Examples
    --------
    >>> make_room((40, 50, 20), distort_A=0.01).height_A
    20.0
    """
    sides = [float(side) for side in np.atleast_1d(np.asarray(cell_A, np.float64))]
    sides = sides * 2 if len(sides) == 1 else sides
    if len(sides) not in (2, 3) or not all(math.isfinite(side) and side > 0 for side in sides):
        raise SettingsError(f"cell_A: expected one, two or three lengths above 0 Å, got {cell_A}")
    if not 0 <= tilt_deg <= 45:
        raise SettingsError(f"tilt_deg: expected 0° to 45°, got {tilt_deg}")
    if not 0 <= distort_A <= 1:
        raise SettingsError(f"distort_A: expected 0 to 1 Å, got {distort_A}")
    lean = thickness_A / 2 * math.sin(math.radians(tilt_deg))
    margin = CLEAR_A + lean + _SIGMAS * distort_A
    if min(sides[:2]) - 2 * margin < _LEAST_WINDOW_A:
        raise SettingsError(
            f"cell_A: expected sides of at least {_LEAST_WINDOW_A + 2 * margin:.1f} Å for a thickness of "
            f"{thickness_A:.1f} Å and a tilt of {tilt_deg}°, got {cell_A}"
        )
    window = (margin, margin, sides[0] - margin, sides[1] - margin)
    return Room((sides[0], sides[1]), sides[2] if len(sides) == 3 else None, window)


def random_outline(
    rng: np.random.Generator, room: Room, *, shares: tuple[float, float] = (0.15, 0.8)
) -> np.ndarray:
    """Draw the convex hull of random points, of a random size and place in the room.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws it.
    room : Room
        Cell and window.
    shares : (float, float)
        Smallest and largest area, as shares of the cell's; what does not fit in the window is made smaller.

    Returns
    -------
    array (k, 2), float64
        Corners, counter-clockwise [Å].

    Examples
    --------
    >>> random_outline(np.random.default_rng(0), make_room(60.0)).shape[1]
    2
    """
    x0, y0, x1, y1 = room.window
    free = np.array([x1 - x0, y1 - y0])
    area = room.sides_A[0] * room.sides_A[1]
    # Outlines are about as wide as long, so that a narrow window's short side says how large they can be.
    least = min(shares[0] * area, 0.4 * float(free.min()) ** 2)
    for _ in range(_TRIES):
        count = int(rng.integers(4, 17))
        angle, radius = rng.uniform(0, 2 * math.pi, count), np.sqrt(rng.uniform(0, 1, count))
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        hull = ConvexHull(points)
        corners = points[hull.vertices]
        wanted = math.sqrt(rng.uniform(least, max(least, shares[1] * area)) / hull.volume)
        scale = min(wanted, float((free / np.ptp(corners, axis=0)).min()))
        place = rng.uniform(0, 1, 2)
        if scale**2 * hull.volume < least:
            continue
        corners = corners * scale
        spare = np.maximum(free - np.ptp(corners, axis=0), 0)
        return corners - corners.min(axis=0) + (x0, y0) + place * spare
    raise SettingsError(f"cell_A: no outline of {least:.0f} Å² was found in a window of {free.tolist()} Å")


def hull_of_columns(corners: np.ndarray, centres: np.ndarray, room: Room) -> np.ndarray:
    """Find the columns within the convex hull of those nearest to an outline's corners.

    Parameters
    ----------
    corners : array (k, 2), float
        The outline [Å].
    centres : array (n, 2), float
        Columns in projection [Å].
    room : Room
        Columns outside its window are left alone.

    Returns
    -------
    array (n,), bool
        True for columns in the hull or on its edge.

    Raises
    ------
    SettingsError
        If no column lies in the window.

    Examples
    --------
    >>> corners = np.array([[9.0, 9], [21, 9], [21, 21], [9, 21]])
    >>> x = np.arange(5.0, 30, 5)
    >>> grid = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    >>> int(hull_of_columns(corners, grid, make_room(60.0)).sum())
    9
    """
    x0, y0, x1, y1 = room.window
    allowed = np.flatnonzero(np.all((centres >= (x0, y0)) & (centres <= (x1, y1)), axis=1))
    if len(allowed) == 0:
        raise SettingsError(f"cell_A: a cell of {room.sides_A} Å leaves no room for a column of this crystal")
    nearest = np.unique(cKDTree(centres[allowed]).query(corners)[1])
    inside = np.zeros(len(centres), bool)
    try:
        hull = ConvexHull(centres[allowed[nearest]])
    except (QhullError, ValueError):
        # Columns so far apart that fewer than three of them, or a line of them, are nearest.
        inside[allowed[nearest]] = True
        return inside
    heights = centres[allowed] @ hull.equations[:, :2].T + hull.equations[:, 2]
    inside[allowed] = np.all(heights <= 1e-6, axis=1)
    return inside


def tilted(positions: np.ndarray, *, tilt_deg: float, direction_deg: float, centre: np.ndarray) -> np.ndarray:
    """Tilt atoms about an axis across the beam.

    Parameters
    ----------
    positions : array (n, 3), float
        Atoms [Å].
    tilt_deg : float
        Angle between the beam and the axis that lay along it [°].
    direction_deg : float
        Where the upper end of that axis leans to, from x towards y [°].
    centre : array (3,), float
        What stays in place [Å].

    Returns
    -------
    array (n, 3), float64
        The tilted atoms [Å].

    Examples
    --------
    >>> top = np.array([[0.0, 0.0, 1.0]])
    >>> tilted(top, tilt_deg=90, direction_deg=0, centre=np.zeros(3)).round(6).tolist()
    [[1.0, 0.0, 0.0]]
    """
    tilt, lean = math.radians(tilt_deg), math.radians(direction_deg)
    toward = np.array([math.cos(lean), math.sin(lean), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    along = (positions - centre) @ toward
    height = (positions - centre) @ up
    change = (math.cos(tilt) - 1) * (np.outer(along, toward) + np.outer(height, up))
    return positions + change + math.sin(tilt) * (np.outer(height, toward) - np.outer(along, up))


def displaced(rng: np.random.Generator, positions: np.ndarray, sigma_A: float) -> np.ndarray:
    """Displace atoms by a Gaussian in every coordinate, by six standard deviations at most.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the displacements.
    positions : array (n, 3), float
        Atoms [Å].
    sigma_A : float
        Standard deviation of a coordinate [Å].

    Returns
    -------
    array (n, 3), float64
        The displaced atoms [Å].

    Examples
    --------
    >>> displaced(np.random.default_rng(0), np.zeros((1, 3)), 0.0).tolist()
    [[0.0, 0.0, 0.0]]
    """
    drawn = rng.standard_normal(positions.shape)
    return positions + sigma_A * np.clip(drawn, -_SIGMAS, _SIGMAS)


def check_share(name: str, value: float) -> None:
    """Refuse a share outside 0 to 1."""
    if not 0 <= value <= 1:
        raise SettingsError(f"{name}: expected a share from 0 to 1, got {value}")


def set_in_cell(positions: np.ndarray, room: Room) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Set atoms in the middle of their cell along the beam.

    Parameters
    ----------
    positions : array (n, 3), float
        Atoms at their places across the beam [Å].
    room : Room
        The cell; without a height it is made 2 Å higher than the atoms at either end.

    Returns
    -------
    positions : array (n, 3), float64
        The atoms in the cell [Å].
    cell : (float, float, float)
        Its sides [Å].

    Raises
    ------
    SettingsError
        If the height is too small for the atoms.

    Examples
    --------
    >>> positions, cell = set_in_cell(np.array([[30.0, 30.0, 7.0]]), make_room(60.0))
    >>> positions.tolist(), cell
    ([[30.0, 30.0, 2.0]], (60.0, 60.0, 4.0))
    """
    z = positions[:, 2]
    need = float(np.ptp(z)) + 2 * CLEAR_A
    height = need if room.height_A is None else room.height_A
    if height < need:
        raise SettingsError(f"cell_A: expected a height of at least {need:.1f} Å along z, got {height}")
    moved = positions + np.array([0.0, 0.0, height / 2 - float(z.min() + z.max()) / 2])
    return moved, (*room.sides_A, height)
