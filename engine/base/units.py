"""Units as files spell them, turned into the project's own: nm and s."""

from __future__ import annotations

import numpy as np

from .errors import CalibrationError

_NM = {
    "m": 1e9,
    "mm": 1e6,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,
    "micron": 1e3,
    "nm": 1.0,
    "å": 0.1,
    "angstrom": 0.1,
    "a": 0.1,
    "pm": 1e-3,
}
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
}
_SQUARE_TOLERANCE = 0.01


def to_nm(value: float, unit: str) -> float | None:
    """Turn a length into nm.

    Parameters
    ----------
    value : float
        The length in `unit`.
    unit : str
        As a file spells it: m, mm, um, µm, nm, Å, angstrom, pm (any case but m).

    Returns
    -------
    float or None
        The length [nm]; None where the unit is none of length.

    Examples
    --------
    >>> to_nm(2.0, "Å")
    0.2
    """
    factor = _NM.get(unit.strip().lower())
    return None if factor is None else value * factor


def to_seconds(value: float, unit: str) -> float | None:
    """Turn a duration into s.

    Parameters
    ----------
    value : float
        The duration in `unit`.
    unit : str
        As a file spells it: s, sec, ms, us, µs.

    Returns
    -------
    float or None
        The duration [s]; None where the unit is none of time.

    Examples
    --------
    >>> to_seconds(400, "ms")
    0.4
    """
    factor = _SECONDS.get(unit.strip().lower())
    return None if factor is None else value * factor


def square_pixel_nm(rows: tuple[float, str], columns: tuple[float, str], name: str) -> float | None:
    """Find the side of a pixel [nm] from a file's two image axes.

    Parameters
    ----------
    rows, columns : (float, str)
        Scale and unit of the Y and of the X axis.
    name : str
        What the axes belong to, for the error's text.

    Returns
    -------
    float or None
        Side of a pixel [nm]; None where an axis has no unit of length or no scale above 0.

    Raises
    ------
    CalibrationError
        If both axes are lengths and differ by more than 1 %.

    Examples
    --------
    >>> square_pixel_nm((0.1, "nm"), (1.0, "Å"), "movie")
    0.1
    """
    side_y, side_x = to_nm(*rows), to_nm(*columns)
    if (
        side_y is None
        or side_x is None
        or not (np.isfinite([side_y, side_x]).all() and min(side_y, side_x) > 0)
    ):
        return None
    if abs(side_y - side_x) > _SQUARE_TOLERANCE * max(side_y, side_x):
        raise CalibrationError(
            f"{name}: expected square pixels, got {side_y:g} nm (y) by {side_x:g} nm (x); "
            "resample the movie, or give --pixel-nm if the file is wrong"
        )
    return side_y
