"""Tables of a fixed form: the columns, types and order of rows that users build on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..base.errors import DataError

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


def in_order(table: pd.DataFrame | None, columns: tuple[str, ...]) -> pd.DataFrame:
    """Sort a table by its columns of order, without a copy where it is sorted.

    Parameters
    ----------
    table : pandas.DataFrame or None
        Rows in any order.
    columns : tuple of str
        As in `as_table`.

    Returns
    -------
    pandas.DataFrame
        The table itself where it is sorted; values and types as they were.
    """
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


def _typed(values: pd.Series, wanted: str) -> pd.Series:
    if wanted == "str":
        return values.astype(object).where(values.notna(), "").astype(str)
    if wanted == "int64" and values.dtype.kind == "f" and (values != np.floor(values)).any():
        raise ValueError("not all are whole numbers")
    return values.astype(np.dtype(wanted) if wanted != "Int64" else pd.Int64Dtype())
