"""Tables as files: CSV and Parquet, the same bytes for the same table, written a part at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..files.atomic import atomic_file
from .tables import EVENT_COLUMNS, PEAK_COLUMNS, SUMMARY_COLUMNS, TRACK_COLUMNS, as_table, in_order

_DIGITS = 6
# Milliseconds must survive in a movie of days.
_MORE_DIGITS = {"time_s": 12, "duration_s": 12}
_ROWS_AT_ONCE = 1 << 15


def write_tables(
    folder: Path,
    *,
    tracks: pd.DataFrame,
    events: pd.DataFrame,
    peaks: pd.DataFrame | Iterable[pd.DataFrame] | None,
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
    peaks : pandas.DataFrame, iterable of them, or None
        As in `PEAK_COLUMNS`, whole or in parts that follow each other; None writes a table without rows.

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
    tracks = in_order(tracks, TRACK_COLUMNS)
    _write_csv_parts(folder / "tracks.csv", _parts(tracks, TRACK_COLUMNS))
    _write_parquet(folder / "tracks.parquet", tracks, TRACK_COLUMNS)
    write_csv(folder / "events.csv", as_table(events, EVENT_COLUMNS))
    if peaks is None or isinstance(peaks, pd.DataFrame):
        peaks = _parts(in_order(peaks, PEAK_COLUMNS), PEAK_COLUMNS)
    typed = (as_table(part, PEAK_COLUMNS) for part in peaks)
    _write_csv_parts(folder / "peaks.csv", chain([as_table(None, PEAK_COLUMNS)], typed))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    r"""Write one table as CSV, the same bytes for the same table.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    table : pandas.DataFrame
        Numbers are rounded to 6 significant digits, times to 12; missing values are left empty.

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
    _write_csv_parts(path, _parts(table, None))


def write_whole_table(path: Path, table: pd.DataFrame) -> None:
    """Write one table as CSV, and beside it as Parquet with every digit.

    Parameters
    ----------
    path : Path
        The CSV file to make or replace; the other one ends in .parquet.
    table : pandas.DataFrame
        As `write_csv` takes it.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> write_whole_table(path, pd.DataFrame({"a": [1.0]}))
    >>> sorted(one.name for one in path.parent.iterdir())
    ['a.csv', 'a.parquet']
    """
    write_csv(path, table)
    with atomic_file(path.with_suffix(".parquet")) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write what a result was made with, as JSON.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    record : mapping
        Version, settings, input; what JSON has no form for is written as text.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "provenance.json"
    >>> write_record(path, {"temflux": "1"})
    >>> json.loads(path.read_text())
    {'temflux': '1'}
    """
    with atomic_file(path) as temporary:
        text = json.dumps(dict(record), indent=2, ensure_ascii=False, default=str)
        temporary.write_text(f"{text}\n", encoding="utf-8")


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


def _write_csv_parts(path: Path, parts: Iterable[pd.DataFrame]) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        for number, part in enumerate(parts):
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
