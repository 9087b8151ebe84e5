"""Logs of heaters, gas cells and holders, read as columns over time and joined to frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import ReadError
from ..base.tables import Columns
from .calibration import read_errors
from .microscope import silence

_LONGEST_GAP_STEPS = 5.0
_DAY_S = 86400.0
_CLOCK = re.compile(r"^(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?)$")
_DATE_IN_HEAD = re.compile(r"(\d{1,2})/(\d{1,2})/'?(\d{2,4})\s+(\d{1,2}):(\d{2})")
_TIME_NAMES = ("time", "time_s", "t", "timestamp", "experiment_time", "elapsed", "seconds", "clock")
_TIME_UNITS = {"ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0, "s": 1.0}
_COUNTER_NAMES = ("sample", "index", "row", "no")


@dataclass(frozen=True)
class Log:
    """A log as columns.

    Parameters
    ----------
    table : dict of arrays (N,)
        `time_s` since the log's first row [s], growing, and one column a quantity; units stand in the names.
    start : datetime or None
        Clock time of the first row; None where the log has none.
    name : str
        The file's name.
    """

    table: Columns
    start: datetime | None = None
    name: str = "log"


def read_log(path: str | Path) -> Log:
    r"""Read a log: Protochips, DENS or Impulse, or a plain CSV or TSV with a header.

    Parameters
    ----------
    path : str or Path
        The file. In a plain table the header is the first line with a column of time; rows before it and
        columns of text are passed over; clock times may cross midnight.

    Returns
    -------
    Log
        Columns over time, without the rows whose time is not a number.

    Raises
    ------
    ReadError
        If the file is missing, unreadable, or has no column of time or no numbers.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = file.write_text("time [s],T [C]\n0,20\n2,30\n")
    >>> read_log(file).table["T_C"].tolist()
    [20.0, 30.0]
    """
    path = Path(path)
    if not path.is_file():
        raise ReadError(f"{path} is not a file; expected a log")
    with read_errors(path, "a log"), silence():
        if path.stat().st_size == 0:
            raise ReadError(f"{path} is an empty log; expected a header and rows")
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        lines = text.splitlines()
        first = lines[0] if lines else ""
        if path.suffix.lower() == ".csv" and first.startswith("Time") and "Notes" in first:
            return _read_protochips(path)
        if path.suffix.lower() == ".csv" and "TimeStamp" in first and "Experiment time" in first:
            return _read_impulse(path)
        return _read_table(path, lines)


def join_log(
    log: Log,
    times_s: np.ndarray,
    start: datetime | None = None,
    *,
    offset_s: float = 0.0,
) -> tuple[Columns, str]:
    """Find each quantity of a log at the time of each frame.

    Parameters
    ----------
    log : Log
        The log.
    times_s : array (T,), float64
        Time of each frame since the first [s].
    start : datetime or None
        Clock time of the first frame.
    offset_s : float
        Added to the frames' times on the log's axis [s]: positive if the movie began later than assumed.

    Returns
    -------
    columns : dict of arrays (T,), float64
        The log's columns without its time, interpolated linearly between rows; NaN outside the log and inside
        gaps longer than 5 median steps.
    note : str
        How the two were aligned: by their clocks if both are known, else both begin at 0.

    Examples
    --------
    >>> log = Log({"time_s": np.array([0.0, 2.0]), "T_C": np.array([20.0, 30.0])})
    >>> join_log(log, np.array([1.0]))[0]["T_C"].tolist()
    [25.0]
    """
    rows_s = log.table["time_s"]
    frames_s = np.asarray(times_s, np.float64) + offset_s
    if log.start is not None and start is not None:
        lead_s = (start - log.start).total_seconds()
        frames_s = frames_s + lead_s
        note = f"{log.name} joined by the clock: the movie begins {lead_s:g} s after the log"
    else:
        missing = " and ".join(
            word for word, clock in (("the log", log.start), ("the movie", start)) if clock is None
        )
        note = f"{log.name} joined with both beginning at 0 s, as {missing} has no clock time"
    if offset_s:
        note += f", shifted by {offset_s:g} s"
    joined: Columns = {}
    for name, values in log.table.items():
        if name != "time_s":
            joined[name] = _interpolate(frames_s, rows_s, values)
    outside = int(np.sum((frames_s < rows_s[0]) | (frames_s > rows_s[-1])))
    if outside:
        note += f"; {outside} of {frames_s.size} frames lie outside the log"
    return joined, note


def safe_name(name: str) -> str:
    """Make a column's name safe for tables and code, units kept.

    Parameters
    ----------
    name : str
        As the log spells it.

    Returns
    -------
    str
        Letters, digits and underscores.

    Examples
    --------
    >>> safe_name("Tset[C]"), safe_name("Pheat [mW]"), safe_name("T (°C)")
    ('Tset_C', 'Pheat_mW', 'T_C')
    """
    spelled = (
        name.replace("°", "").replace("%", "percent").replace("µ", "u").replace("μ", "u").replace("Ω", "ohm")
    )
    spelled = re.sub(r"\s*/\s*", "_per_", spelled)
    return re.sub(r"\W+", "_", spelled, flags=re.ASCII).strip("_") or "column"


def _interpolate(at_s: np.ndarray, rows_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    if not known.any():
        return np.full(at_s.shape, np.nan)
    rows_s, values = rows_s[known], values[known]
    result = np.interp(at_s, rows_s, values, left=np.nan, right=np.nan)
    if rows_s.size > 2:
        steps_s = np.diff(rows_s)
        after = np.clip(np.searchsorted(rows_s, at_s, side="left"), 1, rows_s.size - 1)
        in_gap = steps_s[after - 1] > _LONGEST_GAP_STEPS * np.median(steps_s)
        result[in_gap & ~np.isin(at_s, rows_s)] = np.nan
    return result


def _finish(columns: Mapping[str, np.ndarray], start: datetime | None, path: Path) -> Log:
    time_s = columns["time_s"]
    # Only rows that move on in time can be interpolated between.
    ahead = np.isfinite(time_s) & (
        time_s > np.concatenate([[-np.inf], np.fmax.accumulate(np.nan_to_num(time_s, nan=-np.inf))[:-1]])
    )
    if ahead.sum() < 1:
        raise ReadError(f"{path} has no rows with a time; expected a column of seconds or of clock times")
    kept = {name: np.asarray(values, np.float64)[ahead] for name, values in columns.items()}
    numeric = {name: values for name, values in kept.items() if np.isfinite(values).any()}
    if len(numeric) < 2:
        raise ReadError(f"{path} has no column of numbers beside its time")
    first = numeric["time_s"][0]
    if start is not None:
        start = start + timedelta(seconds=float(first))
    numeric["time_s"] = numeric["time_s"] - first
    return Log(numeric, start, path.name)


def _read_table(path: Path, lines: Sequence[str]) -> Log:
    at, delimiter, names, time_at = _header(path, lines)
    rows = [row for row in csv.reader(lines[at + 1 :], delimiter=delimiter) if len(row) > time_at]
    if not rows:
        raise ReadError(f"{path} has a header but no rows; expected numbers below it")
    clock = _CLOCK.match(rows[0][time_at].strip()) is not None
    factor = _time_factor(names[time_at])
    read_time: Callable[[str], float] = _clock_s if clock else lambda word: _number(word) * factor
    time_s = np.array([read_time(row[time_at].strip()) for row in rows])
    if clock:
        # Half a day back means that midnight was crossed; a small step back is a clock being set.
        time_s = time_s + _DAY_S * np.cumsum(np.concatenate([[0], np.diff(time_s) < -_DAY_S / 2]))
    start = None
    if not clock and not np.isfinite(time_s).any():
        stamps = [_stamp(row[time_at]) for row in rows]
        first = next((stamp for stamp in stamps if stamp is not None), None)
        if first is not None:
            time_s = np.array([np.nan if s is None else (s - first).total_seconds() for s in stamps])
            start = first
    columns: dict[str, np.ndarray] = {"time_s": time_s}
    for index, name in enumerate(names):
        safe = safe_name(name)
        if index == time_at or not name.strip() or safe.lower() in _COUNTER_NAMES:
            continue
        values = np.array([_number(row[index]) if index < len(row) else np.nan for row in rows])
        while safe in columns:
            safe += "_2"
        columns[safe] = values
    if clock:
        start = _midnight(lines[:at])
    return _finish(columns, start, path)


def _header(path: Path, lines: Sequence[str]) -> tuple[int, str, list[str], int]:
    for at, line in enumerate(lines):
        for delimiter in ("\t", ";", ","):
            names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
            plain = [re.sub(r"[\[(].*", "", name).strip().lower().replace(" ", "_") for name in names]
            found = [index for index, name in enumerate(plain) if name in _TIME_NAMES or name == "time_ms"]
            if len(names) > 1 and found:
                return at, delimiter, names, found[0]
    raise ReadError(
        f"{path} is not a log that can be read: expected a header with a column named time "
        "and one quantity or more"
    )


def _time_factor(name: str) -> float:
    unit = re.search(r"(?:[\[(]\s*(\w+)\s*[\])]|_(ms|us|min|h|s))\s*$", name.strip())
    word = (unit.group(1) or unit.group(2)) if unit else "s"
    return _TIME_UNITS.get(word.lower(), 1.0)


def _clock_s(word: str) -> float:
    match = _CLOCK.match(word)
    if match is None:
        return float("nan")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))


def _number(word: str) -> float:
    try:
        return float(word.strip().replace(",", "."))
    except ValueError:
        return float("nan")


def _stamp(word: str) -> datetime | None:
    try:
        return datetime.fromisoformat(word.strip().removesuffix("Z")).replace(tzinfo=None)
    except ValueError:
        return None


def _midnight(head: Sequence[str]) -> datetime | None:
    """Begin of the day that a log's first lines name, day before month as its makers write."""
    for line in head:
        match = _DATE_IN_HEAD.search(line)
        if match is not None:
            day, month, year = (int(part) for part in match.groups()[:3])
            try:
                return datetime(year + 2000 if year < 100 else year, month, day)
            except ValueError:
                return None
    return None


def _read_protochips(path: Path) -> Log:
    from rsciio.protochips import file_reader

    signals = file_reader(str(path))
    header = signals[0]["original_metadata"]["Protochips_header"]
    axis = header["Time axis"]
    scale = 1e-3 if axis["units"] == "Milliseconds" else 1.0
    columns = {"time_s": np.asarray(axis["value"], np.float64) * scale}
    for signal in signals:
        columns[safe_name(signal["metadata"]["General"]["title"])] = np.asarray(signal["data"], np.float64)
    start = np.datetime64(header["Start time"]).astype("datetime64[us]").item()
    return _finish(columns, start if isinstance(start, datetime) else None, path)


def _read_impulse(path: Path) -> Log:
    from rsciio.impulse import file_reader

    signals: list[dict[str, Any]] = file_reader(str(path))
    # The reader keeps one mean step; the file has the time of every row.
    with path.open(encoding="latin-1", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"time_s": np.array([_number(row["Experiment time"]) for row in rows])}
    for signal in signals:
        data = np.asarray(signal["data"])
        if data.dtype.kind in "iuf" and data.shape == columns["time_s"].shape:
            columns[safe_name(signal["metadata"]["General"]["title"])] = data.astype(np.float64)
    general = signals[0]["metadata"]["General"]
    return _finish(columns, _stamp(f"{general.get('date')}T{general.get('time')}"), path)
