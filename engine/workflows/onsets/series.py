"""The series of a tracked movie that can be watched: areas, reflections, numbers of atomic columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...base.errors import DataError
from ..tracking.finished import TrackedMovie

_HALF_TURN_DEG = 180.0
_COLUMN = {"intensity": "intensity", "angle": "angle_deg"}
# In a spectrum of tracking, of its strongest peak; the contrast of the fringe where `temflux peaks` ran.
_UNIT = {
    ("intensity", "peaks.csv"): "share",
    ("intensity", "reflections.csv"): "contrast2",
    ("angle", "peaks.csv"): "deg",
    ("angle", "reflections.csv"): "deg",
}


@dataclass(frozen=True)
class Series:
    """One quantity of one particle over time.

    Parameters
    ----------
    kind : str
        area, intensity, angle or columns.
    particle : int
        Whose; 0 where it is of whole frames.
    reflection : int
        Number of the lattice reflection (pair of peaks); 0 of what is no reflection's.
    first : int
        Frame of the first value.
    values : array (n,), float64
        A value a frame from there on; NaN where it is missing.
    unit : str
        Unit of the values.
    resolution : float
        Smallest step of the values.
    reason : str
        Why there are no values to watch; empty where it is not known before.
    """

    kind: str
    particle: int
    reflection: int
    first: int
    values: np.ndarray
    unit: str
    resolution: float = 0.0
    reason: str = ""


def gather_series(movie: TrackedMovie, kind: str, *, least_frames: int) -> tuple[list[Series], list[str]]:
    """Gather all series of one kind.

    Parameters
    ----------
    movie : TrackedMovie
        The tables.
    kind : str
        area, intensity, angle or columns.
    least_frames : int
        Reflections seen in fewer frames are counted, not listed.

    Returns
    -------
    list of Series
        By particle and reflection.
    list of str
        What a user should know of them.

    Raises
    ------
    DataError
        If the tables hold no such series.
    ReadError
        If a table cannot be read.
    """
    if kind == "area":
        return _areas(movie)
    if kind == "columns":
        return _column_counts(movie)
    return _reflections(movie, kind, least_frames)


def table_of(movie: TrackedMovie, kind: str) -> str:
    """Name the table that a kind of series is read from.

    Parameters
    ----------
    movie : TrackedMovie
        The tables.
    kind : str
        area, intensity, angle or columns.

    Returns
    -------
    str
        A file in the movie's folder; reflections.csv goes before peaks.csv where `temflux peaks` left it.
    """
    if kind in _COLUMN:
        return "reflections.csv" if (movie.folder / "reflections.csv").is_file() else "peaks.csv"
    return "tracks.parquet" if kind == "area" else "columns.csv"


def _areas(movie: TrackedMovie) -> tuple[list[Series], list[str]]:
    if movie.tracks.empty:
        raise DataError(
            f"{movie.folder}: no particle was found in this movie, so there is none to watch; track it again "
            "with another --segment, --polarity or --min-separation-nm"
        )
    unit = movie.shown().area_column.removeprefix("area_")
    pixel = 1.0 if unit == "px2" else (movie.pixel_nm or 0.0) ** 2
    series, at_edge = [], 0
    for particle, rows in movie.tracks.groupby("particle", sort=True):
        cut = rows["touches_edge"].to_numpy(bool)
        at_edge += int(cut.any())
        # The area of what the frame cuts off is not the particle's.
        values = np.where(cut, np.nan, rows[f"area_{unit}"].to_numpy(np.float64))
        reason = "cut by the frame's edge in all frames" if cut.all() else ""
        first, values = _by_frame(rows["frame"].to_numpy(), values)
        series.append(Series("area", int(str(particle)), 0, first, values, unit, pixel, reason))
    notes = []
    if at_edge:
        one = at_edge == 1
        notes.append(
            f"area: frames in which {at_edge} particle{'' if one else 's'} touch{'es' if one else ''} the "
            "frame's edge are left out"
        )
    return series, notes


def _reflections(movie: TrackedMovie, kind: str, least_frames: int) -> tuple[list[Series], list[str]]:
    table = table_of(movie, kind)
    peaks = movie.table(table)
    if not len(peaks):
        raise DataError(
            f"{movie.folder}: expected Fourier peaks to watch the {kind} of, got none in {table}; track "
            "with spectra of particles that show a lattice, or choose --on area"
        )
    # Of a pair of symmetric peaks one tells all.
    one_of_pair = peaks["peak"] == peaks.groupby(["particle", "pair"])["peak"].transform("min")
    series, short = [], 0
    for key, rows in peaks[one_of_pair].groupby(["particle", "pair"], sort=True):
        particle, reflection = (int(str(part)) for part in key)
        if len(rows) < least_frames:
            short += 1
            continue
        first, values = _by_frame(rows["frame"].to_numpy(), rows[_COLUMN[kind]].to_numpy(np.float64))
        if kind == "angle":
            seen = np.isfinite(values)
            values[seen] = np.unwrap(values[seen], period=_HALF_TURN_DEG)
        series.append(Series(kind, particle, reflection, first, values, _UNIT[kind, table]))
    notes = []
    if short:
        notes.append(
            f"{kind}: {short:,} reflection{'' if short == 1 else 's'} seen in fewer than {least_frames} "
            "frames could not be watched"
        )
    return series, notes


def _column_counts(movie: TrackedMovie) -> tuple[list[Series], list[str]]:
    if not (movie.folder / "columns.csv").is_file():
        raise DataError(
            f"{movie.folder}: has no columns.csv to count atomic columns in; run temflux columns "
            f"--after {movie.folder} first"
        )
    columns = movie.table("columns.csv")
    if columns.empty:
        raise DataError(f"{movie.folder}: columns.csv holds no column; run temflux columns again")
    if "particle" not in columns:
        columns = columns.assign(particle=0)
    counts = columns.groupby(["particle", "frame"]).size().rename("columns").reset_index()
    notes = ["columns: frames in which none was found are taken as missing, not as 0"]
    if (movie.folder / "zone_axis.csv").is_file():
        filtered = movie.table("zone_axis.csv")[["particle", "frame", "readable"]]
        counts = counts.merge(filtered, on=["particle", "frame"], how="left")
        hidden = ~counts["readable"].fillna(True).astype(bool)
        counts.loc[hidden, "columns"] = np.nan
        notes.append(f"columns: {int(hidden.sum()):,} counts are left out, of frames that cannot be read")
    series = []
    for particle, rows in counts.groupby("particle", sort=True):
        first, values = _by_frame(rows["frame"].to_numpy(), rows["columns"].to_numpy(np.float64))
        series.append(Series("columns", int(str(particle)), 0, first, values, "columns", 1.0))
    return series, notes


def _by_frame(frames: np.ndarray, values: np.ndarray) -> tuple[int, np.ndarray]:
    """Lay values out by frame from the first to the last: NaN where there is none."""
    first = int(frames.min())
    laid = np.full(int(frames.max()) - first + 1, np.nan)
    laid[frames - first] = values
    return first, laid


def frame_steps(movie: TrackedMovie) -> np.ndarray:
    """Give the times of all frames in steps of a frame; their numbers where no times are known.

    Parameters
    ----------
    movie : TrackedMovie
        Its frames.csv.

    Returns
    -------
    array (T,), float64
        Ascending; a gap in time is a larger step.
    """
    times_s = movie.times_s
    numbers = movie.frames["frame"].to_numpy(np.float64)
    if times_s is None or len(times_s) < 2 or not np.isfinite(times_s).all():
        return numbers
    steps = np.diff(times_s)
    return numbers if (steps <= 0).any() else (times_s - times_s[0]) / np.median(steps)
