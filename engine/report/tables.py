"""Tables as files: fixed columns, types, order of rows and bytes, in CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..base.errors import DataError
from ..files.atomic import atomic_file

TRACK_COLUMNS = (
    "frame",
    "time_s",
    "particle",
    "y_nm",
    "x_nm",
    "y_px",
    "x_px",
    "area_nm2",
    "perimeter_nm",
    "equivalent_diameter_nm",
    "eccentricity",
    "orientation_deg",
    "solidity",
    "mean_intensity",
    "touches_edge",
    "bbox_y0_px",
    "bbox_x0_px",
    "bbox_y1_px",
    "bbox_x1_px",
    "area_px2",
    "perimeter_px",
    "equivalent_diameter_px",
    "pair_ratio",
)
EVENT_COLUMNS = ("frame", "time_s", "event", "particle", "other")
PEAK_COLUMNS = (
    "frame",
    "time_s",
    "particle",
    "peak",
    "q_per_nm",
    "d_nm",
    "angle_deg",
    "intensity",
    "pair",
    "q_per_px",
)
SUMMARY_COLUMNS = (
    "movie",
    "status",
    "reason",
    "frames",
    "duration_s",
    "pixel_nm",
    "dose_e_per_A2",
    "particles",
    "mean_particles_per_frame",
    "mean_area_nm2",
    "mean_area_px2",
    "births",
    "deaths",
    "splits",
    "merges",
)
EVENTS = ("birth", "death", "split", "merge")

_TYPES = (
    dict.fromkeys(("frame", "particle", "other", "peak", "pair"), "int64")
    | dict.fromkeys(("bbox_y0_px", "bbox_x0_px", "bbox_y1_px", "bbox_x1_px"), "int64")
    | dict.fromkeys(("event", "movie", "status", "reason"), "str")
    | dict.fromkeys(("frames", "particles", "births", "deaths", "splits", "merges"), "Int64")
    | {"touches_edge": "bool"}
)
_ROW_ORDER = ("frame", "particle", "peak", "event", "other")
_DIGITS = 6
# Milliseconds must survive in a movie of days.
_MORE_DIGITS = {"time_s": 12, "duration_s": 12}
_ROWS_AT_ONCE = 1 << 15


def as_table(table: pd.DataFrame | Mapping[str, Any] | None, columns: tuple[str, ...]) -> pd.DataFrame:
    """Give a table its fixed columns, types and order of rows.

    Parameters
    ----------
    table : pandas.DataFrame, mapping from column name to array, or None
        Rows in any order; columns beyond the fixed ones (a log's) are kept behind them. None is an empty
        table.
    columns : tuple of str
        `TRACK_COLUMNS`, `EVENT_COLUMNS`, `PEAK_COLUMNS` or `SUMMARY_COLUMNS`. Numbers that are missing
        become NaN.

    Returns
    -------
    pandas.DataFrame
        Rows of frames stand by frame, then particle, then peak or event; the table itself where it is so.

    Raises
    ------
    DataError
        If a column that has no empty value is missing, or has values of another type.

    Examples
    --------
    >>> as_table({"frame": [1, 0], "event": ["death", "birth"], "particle": [1, 1], "other": [0, 0]},
    ...          EVENT_COLUMNS)["event"].tolist()
    ['birth', 'death']
    """
    if isinstance(table, pd.DataFrame) and _is_finished(table, columns):
        return table
    given = pd.DataFrame(dict(table)) if table is not None else pd.DataFrame()
    if not len(given.columns):
        given = pd.DataFrame(columns=list(columns))
    typed = {}
    for name in (*columns, *(name for name in given.columns if name not in columns)):
        wanted = _TYPES.get(name, "float64") if name in columns else None
        if name not in given:
            if wanted in ("int64", "bool"):
                raise DataError(f"expected the column {name}, got {', '.join(given.columns)}")
            given[name] = None
        try:
            typed[name] = given[name] if wanted is None else _typed(given[name], wanted)
        except (TypeError, ValueError) as error:
            raise DataError(f"expected values of type {wanted} in the column {name}: {error}") from error
    result = pd.DataFrame(typed)
    order = [name for name in _ROW_ORDER if name in columns]
    return result.sort_values(order, kind="stable", ignore_index=True) if order else result


def write_tables(
    folder: Path, *, tracks: pd.DataFrame, events: pd.DataFrame, peaks: pd.DataFrame | None
) -> None:
    r"""Write tracks.csv, tracks.parquet, events.csv and peaks.csv.

    Equal tables give equal bytes. CSV is UTF-8 with line feeds; numbers have 6 significant digits (times 12),
    missing ones are empty. Parquet keeps every digit.

    Parameters
    ----------
    folder : Path
        Where the files go.
    tracks, events : pandas.DataFrame
        As in `TRACK_COLUMNS` (a log's columns may follow) and `EVENT_COLUMNS`.
    peaks : pandas.DataFrame or None
        As in `PEAK_COLUMNS`; None writes a table without rows.

    Raises
    ------
    DataError
        If a table lacks a column that it must have.
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_tables(folder, tracks=pd.DataFrame(), events=pd.DataFrame(), peaks=None)
    >>> (folder / "events.csv").read_text()
    'frame,time_s,event,particle,other\n'
    """
    tracks, peaks = _in_order(tracks, TRACK_COLUMNS), _in_order(peaks, PEAK_COLUMNS)
    write_csv(folder / "tracks.csv", tracks, columns=TRACK_COLUMNS)
    _write_parquet(folder / "tracks.parquet", tracks, TRACK_COLUMNS)
    write_csv(folder / "events.csv", as_table(events, EVENT_COLUMNS))
    write_csv(folder / "peaks.csv", peaks, columns=PEAK_COLUMNS)


def write_csv(path: Path, table: pd.DataFrame, *, columns: tuple[str, ...] | None = None) -> None:
    r"""Write one table as CSV, the same bytes for the same table.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    table : pandas.DataFrame
        Numbers are rounded to 6 significant digits, times to 12; missing values are left empty.
    columns : tuple of str or None
        Fixed columns that the rows are given, a part of the table at a time; None takes it as it is.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> write_csv(path, pd.DataFrame({"a": [1 / 3, np.nan], "b": [1, 2]}))
    >>> path.read_text()
    'a,b\n0.333333,1\n,2\n'
    """
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        for number, part in enumerate(_parts(table, columns)):
            if number == 0:
                header = io.StringIO()
                csv.writer(header, lineterminator="\n").writerow(part.columns)
                out.write(header.getvalue().encode())
            rows = _rounded(part)
            quoting = "needed" if _wants_quotes(rows) else "none"
            options = pa.csv.WriteOptions(include_header=False, quoting_style=quoting)
            pa.csv.write_csv(pa.Table.from_pandas(rows, preserve_index=False), out, options)


def _write_parquet(path: Path, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    with atomic_file(path) as temporary:
        parts = (pa.Table.from_pandas(part, preserve_index=False) for part in _parts(table, columns))
        first = next(parts)
        with pa.parquet.ParquetWriter(temporary, first.schema, compression="zstd") as writer:
            writer.write_table(first)
            for part in parts:
                writer.write_table(part)


def _parts(table: pd.DataFrame, columns: tuple[str, ...] | None) -> Iterator[pd.DataFrame]:
    """Hand a table out a part at a time, so that what is written is never held twice as a whole."""
    for start in range(0, max(len(table), 1), _ROWS_AT_ONCE):
        part = table.iloc[start : start + _ROWS_AT_ONCE]
        yield part if columns is None else as_table(part, columns)


def _in_order(table: pd.DataFrame | None, columns: tuple[str, ...]) -> pd.DataFrame:
    """Sort a table by its columns of order, without a copy where it is sorted."""
    if table is None or not len(table):
        return as_table(table, columns)
    order = [name for name in _ROW_ORDER if name in columns and name in table]
    return table if _is_sorted(table, order) else table.sort_values(order, kind="stable", ignore_index=True)


def _is_finished(table: pd.DataFrame, columns: tuple[str, ...]) -> bool:
    if tuple(table.columns[: len(columns)]) != columns or not len(table):
        return False
    wanted = {name: _TYPES.get(name, "float64") for name in columns}
    typed = all(
        kind in ("int64", "float64", "bool") and table[name].dtype == kind for name, kind in wanted.items()
    )
    return typed and _is_sorted(table, [name for name in _ROW_ORDER if name in columns])


def _is_sorted(table: pd.DataFrame, order: list[str]) -> bool:
    tied = np.ones(max(len(table) - 1, 0), bool)
    for name in order:
        values = table[name].to_numpy()
        if np.any(tied & (values[1:] < values[:-1])):
            return False
        tied &= values[1:] == values[:-1]
    return True


def as_trackpy(tracks: pd.DataFrame, *, unit: str = "px") -> pd.DataFrame:
    """Hand tracks to trackpy or anything else that knows its columns.

    Parameters
    ----------
    tracks : pandas.DataFrame
        As in `TRACK_COLUMNS`.
    unit : {"px", "nm"}
        Unit of the positions; trackpy itself wants px and the pixel size beside it (`mpp`).

    Returns
    -------
    pandas.DataFrame
        Columns particle, frame, y, x and everything else of the tracks, one row per particle and frame.

    Examples
    --------
    >>> tracks = pd.DataFrame({"frame": [0], "particle": [1], "y_px": [2.0], "x_px": [3.0]})
    >>> as_trackpy(tracks).columns.tolist()
    ['particle', 'frame', 'y', 'x']
    """
    renamed = tracks.rename(columns={f"y_{unit}": "y", f"x_{unit}": "x"})
    first = ["particle", "frame", "y", "x"]
    return renamed[first + [name for name in renamed.columns if name not in first]]


def summary_row(facts: Mapping[str, Any], tracks: pd.DataFrame, events: pd.DataFrame) -> dict[str, Any]:
    """Sum a movie up in one row.

    Parameters
    ----------
    facts : mapping
        `movie`, `frames`, `pixel_nm`, `times_s` (T,) and `dose_e_per_A2` (T,), each None where unknown.
    tracks, events : pandas.DataFrame
        As in `TRACK_COLUMNS` and `EVENT_COLUMNS`.

    Returns
    -------
    dict
        One value for each of `SUMMARY_COLUMNS`; the dose is the sum over all frames, areas are means over
        particles and frames.

    Examples
    --------
    >>> summary_row({"movie": "a", "frames": 5}, pd.DataFrame(), pd.DataFrame())["particles"]
    0
    """
    tracks, events = as_table(tracks, TRACK_COLUMNS), as_table(events, EVENT_COLUMNS)
    times_s, dose = facts.get("times_s"), facts.get("dose_e_per_A2")
    frames = int(facts["frames"])
    counts = events["event"].value_counts()
    return {
        "movie": facts["movie"],
        "status": "done",
        "reason": "",
        "frames": frames,
        "duration_s": None if times_s is None or not len(times_s) else float(times_s[-1] - times_s[0]),
        "pixel_nm": facts.get("pixel_nm"),
        "dose_e_per_A2": None if dose is None else float(np.sum(dose)),
        "particles": int(tracks["particle"].nunique()),
        "mean_particles_per_frame": len(tracks) / max(frames, 1),
        "mean_area_nm2": None if tracks.empty else float(tracks["area_nm2"].mean()),
        "mean_area_px2": None if tracks.empty else float(tracks["area_px2"].mean()),
        **{f"{event}s": int(counts.get(event, 0)) for event in EVENTS},
    }


def write_summary(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write summary.csv, one row a movie.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    rows : iterable of mapping
        As from `summary_row`; of a failed movie `movie`, `status` and `reason` are enough.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "summary.csv"
    >>> write_summary(path, [{"movie": "a", "status": "failed", "reason": "empty file"}])
    >>> path.read_text().splitlines()[1]
    'a,failed,empty file,,,,,,,,,,,,'
    """
    listed = [{name: row.get(name) for name in SUMMARY_COLUMNS} for row in rows]
    write_csv(path, as_table(pd.DataFrame(listed, columns=list(SUMMARY_COLUMNS)), SUMMARY_COLUMNS))


def _typed(values: pd.Series, wanted: str) -> pd.Series:
    if wanted == "str":
        return values.astype(object).where(values.notna(), "").astype(str)
    if wanted == "int64" and values.dtype.kind == "f" and (values != np.floor(values)).any():
        raise ValueError("not all are whole numbers")
    return values.astype(np.dtype(wanted) if wanted != "Int64" else pd.Int64Dtype())


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        **{
            name: round_significant(table[name].to_numpy(), _MORE_DIGITS.get(name, _DIGITS))
            for name in table.columns
            if table[name].dtype.kind == "f"
        }
    )


def round_significant(values: np.ndarray, digits: int) -> np.ndarray:
    """Round to significant digits, so that the shortest text of a number has no more than these.

    Parameters
    ----------
    values : array, float64
        Numbers; NaN and infinity stay.
    digits : int
        Significant digits to keep.

    Returns
    -------
    array, float64
        Each the float nearest to its decimal.

    Examples
    --------
    >>> round_significant(np.array([1 / 3, 123456.7, -0.0]), 3).tolist()
    [0.333, 123000.0, 0.0]
    """
    values = np.asarray(values, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(values)))
        # Powers of ten up to 22 are exact, and one exact division rounds to the nearest float.
        power = 10.0 ** np.minimum(np.abs(places), 22)
        rounded = np.where(places >= 0, np.rint(values * power) / power, np.rint(values / power) * power)
    return np.where(np.isfinite(rounded), rounded, values) + 0.0


def _wants_quotes(table: pd.DataFrame) -> bool:
    texts = [name for name in table.columns if table[name].dtype.kind not in "fiub"]
    return any(table[name].astype(str).str.contains('[",\r\n]').any() for name in texts)
