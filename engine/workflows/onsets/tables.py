"""The tables of onsets: one row an onset, and one row a series that was watched or could not be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...measure.onsets.false_discovery import adjust_for_false_discovery
from ...measure.onsets.find import Watched
from .series import Series

ONSET_COLUMNS = (
    "series",
    "particle",
    "reflection",
    "frame",
    "time_s",
    "onset_frame",
    "onset_low",
    "onset_high",
    "onset_time_s",
    "kind",
    "direction",
    "size",
    "size_error",
    "unit",
    "size_sigmas",
    "size_sigmas_error",
    "slope_change_per_frame",
    "confidence",
    "p",
    "q",
    "sure",
    "method",
    "frames_per_false_alarm",
    "s_per_false_alarm",
)
WATCHED_COLUMNS = (
    "series",
    "particle",
    "reflection",
    "first_frame",
    "last_frame",
    "frames_seen",
    "frames_watched",
    "onsets",
    "noise",
    "unit",
    "correlation",
    "slope_per_frame",
    "reason",
)


def tell_onsets(
    found: Sequence[tuple[Series, Watched]],
    times_s: np.ndarray,
    *,
    method: str,
    run_length: float,
    false_share: float,
) -> pd.DataFrame:
    """Tell every onset of all series, with its chance adjusted for all that was watched.

    Parameters
    ----------
    found : sequence of (Series, Watched)
        What was watched, and what that gave.
    times_s : array (T,), float64
        Time of each frame [s]; NaN where it is not known.
    method : str
        The chart.
    run_length : float
        Frames per false alarm.
    false_share : float
        Onsets whose q is at most this are called sure.

    Returns
    -------
    pandas.DataFrame
        As in `ONSET_COLUMNS`, by frame, then series, particle and reflection. `q` is adjusted over all
        stretches of the same kind of series: of those without an alarm p counts as 1.
    """
    parts = []
    for kind in dict.fromkeys(series.kind for series, _ in found):
        own = [(series, watched) for series, watched in found if series.kind == kind]
        p = np.concatenate([watched.onsets["p"] for _, watched in own])
        quiet = sum(int((~watched.stretches["alarm"]).sum()) for _, watched in own)
        q = adjust_for_false_discovery(np.concatenate([p, np.ones(quiet)]))[: p.size]
        told = 0
        for series, watched in own:
            count = len(watched.onsets["p"])
            parts.append(_told(series, watched.onsets, times_s, q[told : told + count]))
            told += count
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if table.empty:
        return pd.DataFrame({name: pd.Series(dtype=_type_of(name)) for name in ONSET_COLUMNS})
    table["sure"] = table["q"] <= false_share
    table["method"] = method
    table["frames_per_false_alarm"] = float(run_length)
    table["s_per_false_alarm"] = run_length * frame_s(times_s)
    order = ["frame", "series", "particle", "reflection"]
    return table.sort_values(order, kind="stable", ignore_index=True)[list(ONSET_COLUMNS)]


def frame_s(times_s: np.ndarray) -> float:
    """Find the usual time from frame to frame.

    Parameters
    ----------
    times_s : array (T,), float64
        Time of each frame [s]; NaN where it is not known.

    Returns
    -------
    float
        Median step [s]; NaN where it is not known.

    Examples
    --------
    >>> frame_s(np.array([0.0, 0.5, 1.0, 9.0]))
    0.5
    """
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else math.nan


def tell_watched(found: Sequence[tuple[Series, Watched]]) -> pd.DataFrame:
    """Tell of every series how it was watched, or why it could not be.

    Parameters
    ----------
    found : sequence of (Series, Watched)
        What was watched, and what that gave.

    Returns
    -------
    pandas.DataFrame
        As in `WATCHED_COLUMNS`. Noise, its correlation from frame to frame and the slope are of the longest
        stretch.
    """
    rows: list[dict[str, Any]] = []
    for series, watched in found:
        stretches = watched.stretches
        longest = int(np.argmax(stretches["stop"] - stretches["start"])) if stretches["stop"].size else None
        known = {
            name: np.nan if longest is None else float(stretches[name][longest])
            for name in ("noise", "correlation", "slope")
        }
        rows.append(
            {
                "series": series.kind,
                "particle": series.particle,
                "reflection": series.reflection,
                "first_frame": series.first,
                "last_frame": series.first + len(series.values) - 1,
                "frames_seen": int(np.isfinite(series.values).sum()),
                "frames_watched": int(stretches["watched"].sum()),
                "onsets": len(watched.onsets["p"]),
                "noise": known["noise"],
                "unit": series.unit,
                "correlation": known["correlation"],
                "slope_per_frame": known["slope"],
                "reason": series.reason or watched.reason,
            }
        )
    return pd.DataFrame(rows, columns=list(WATCHED_COLUMNS))


def _told(series: Series, onsets: dict[str, np.ndarray], times_s: np.ndarray, q: np.ndarray) -> pd.DataFrame:
    frames = {
        name: onsets[name] + series.first for name in ("frame", "onset_frame", "onset_low", "onset_high")
    }
    same = ("kind", "direction", "size", "size_error", "size_sigmas", "size_sigmas_error", "p")
    return pd.DataFrame(
        {
            "series": series.kind,
            "particle": series.particle,
            "reflection": series.reflection,
            **frames,
            "time_s": times_s[frames["frame"]],
            "onset_time_s": times_s[frames["onset_frame"]],
            "unit": series.unit,
            **{name: onsets[name] for name in same},
            "slope_change_per_frame": onsets["slope_change"],
            "confidence": 1 - onsets["p"],
            "q": q,
        },
        index=range(len(q)),
    )


def _type_of(name: str) -> str:
    if name in ("particle", "reflection", "frame", "onset_frame", "onset_low", "onset_high"):
        return "int64"
    if name in ("series", "kind", "direction", "unit", "method"):
        return "str"
    return "bool" if name == "sure" else "float64"
