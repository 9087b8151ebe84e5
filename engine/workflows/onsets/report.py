"""What the search for onsets shows on a movie's page: the series that changed most surely, and all onsets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...measure.onsets.charts import ewma
from ...measure.onsets.find import Watched
from ...report.onsets import WatchedSeries, onset_charts
from ...report.page_sections import put_section
from ...report.pictures import drawn
from ...report.shown import number
from ..tracking.finished import TrackedMovie
from .series import Series
from .settings import EventSettings
from .tables import frame_s

_SERIES_DRAWN = 3
_FILES = ("onsets.csv", "onsets_watched.csv", "onsets.json")
_UNITS = {
    "nm2": "nm²",
    "px2": "px²",
    "deg": "°",
    "share": "of maximum",
    "contrast2": "contrast²",
    "columns": "columns",
}
_METHODS = {
    "cusum": "cumulative sum (CUSUM)",
    "ewma": "moving average (EWMA)",
    "slope": "time derivative of the moving average (EWMA)",
    "glr": "likelihood ratio of counts",
}


def show_onsets(
    movie: TrackedMovie,
    found: Sequence[tuple[Series, Watched]],
    onsets: pd.DataFrame,
    settings: EventSettings,
    notes: Sequence[str],
) -> None:
    """Draw the series that changed most surely, and put a section into the movie's page.

    Parameters
    ----------
    movie : TrackedMovie
        Where the page is.
    found : sequence of (Series, Watched)
        What was watched, and what that gave.
    onsets : pandas.DataFrame
        All onsets.
    settings : EventSettings
        How they were found.
    notes : sequence of str
        What a user should know.

    Raises
    ------
    DataError, ReadError, WriteError
        If the page cannot be used, or figures and page not be written.
    """
    shown = movie.shown()
    chosen = [
        _as_drawn(one, watched, onsets, shown.n_frames, settings) for one, watched in _most_telling(found)
    ]
    picture = drawn(
        lambda width: onset_charts(chosen, shown, width_in=width),
        movie.folder,
        "onsets",
        alt=f"{len(chosen)} series against {shown.time_label} with their onsets, and the chart of each",
    )
    put_section(
        movie.folder,
        "onsets",
        title="Onsets of instability",
        pictures=[picture],
        caption=_caption(onsets, len(found), len(chosen), settings, movie.times_s, notes),
        table=_table(onsets) if len(onsets) else None,
        files=_FILES,
    )


def false_alarms(settings: EventSettings, times_s: np.ndarray | None) -> str:
    """State the rate of false alarms: per frame, and per second where times are known.

    Parameters
    ----------
    settings : EventSettings
        Its run length.
    times_s : array (T,) or None
        Times of the frames [s].

    Returns
    -------
    str
        A phrase.

    Examples
    --------
    >>> false_alarms(EventSettings(), np.array([0.0, 0.5, 1.0]))
    'one false alarm in 1,000 quiet frames (500 s) of a series'
    """
    step_s = math.nan if times_s is None else frame_s(times_s)
    seconds = f" ({settings.run_length * step_s:,.4g} s)" if math.isfinite(step_s) else ""
    return f"one false alarm in {settings.run_length:,.0f} quiet frames{seconds} of a series"


def _most_telling(found: Sequence[tuple[Series, Watched]]) -> list[tuple[Series, Watched]]:
    """Choose the series with the surest onsets; of those without one, where the chart came closest."""

    def rank(one: tuple[Series, Watched]) -> tuple[float, float]:
        watched = one[1]
        closest = float(np.nanmax(np.abs(watched.statistic), initial=0.0))
        return float(watched.onsets["p"].min(initial=2.0)), -closest

    return sorted((one for one in found if len(one[1].stretches["stop"])), key=rank)[:_SERIES_DRAWN]


def _as_drawn(
    series: Series, watched: Watched, onsets: pd.DataFrame, n_frames: int, settings: EventSettings
) -> WatchedSeries:
    span = slice(series.first, series.first + len(series.values))

    def over_all(values: np.ndarray) -> np.ndarray:
        laid = np.full(n_frames, np.nan)
        laid[span] = values
        return laid

    average = ewma(series.values, weight=settings.weight)
    average[np.isnan(series.values)] = np.nan
    own = (onsets["series"] == series.kind) & (onsets["particle"] == series.particle)
    own &= onsets["reflection"] == series.reflection
    parts = [series.kind]
    if series.particle:
        parts.append(f"particle {series.particle}")
    if series.reflection:
        parts.append(f"reflection {series.reflection}")
    return WatchedSeries(
        title=" · ".join(parts),
        label=series.kind if series.kind == series.unit else f"{series.kind} [{_UNITS[series.unit]}]",
        particle=series.particle,
        values=over_all(series.values),
        average=over_all(average),
        expected=over_all(watched.expected),
        noise=over_all(watched.noise),
        statistic=over_all(watched.statistic),
        onsets=onsets[own],
    )


def _caption(
    onsets: pd.DataFrame,
    n_series: int,
    n_drawn: int,
    settings: EventSettings,
    times_s: np.ndarray | None,
    notes: Sequence[str],
) -> str:
    sure = int(onsets["sure"].sum())
    chart = _METHODS[settings.method]
    of = "" if settings.change == "level" else " of fluctuations"
    told = [
        f"{len(onsets):,} onset{'' if len(onsets) == 1 else 's'}{of} in {n_series:,} series, {sure:,} of "
        f"them sure: at most {100 * settings.false_share:g} % false among these.",
        f"Chart: {chart}, {false_alarms(settings, times_s)}.",
        f"Drawn: the {n_drawn} that changed most surely; dots are values, the coloured line their moving "
        "average, the grey line the quiet course with its noise. A full line marks a sure onset, a dotted "
        "one another, the shade its 95 % interval; the dot on the chart marks the frame of the alarm. "
        "The chart is empty where the quiet course is learnt.",
        *(f"{note[0].upper()}{note[1:]}." for note in notes),
    ]
    return " ".join(told)


def _table(onsets: pd.DataFrame) -> pd.DataFrame:
    """Choose what a reader wants of the onsets, the surest first."""
    rows = onsets.sort_values(["q", "frame"], kind="stable")
    shown = rows[["series", "particle", "reflection", "onset_frame"]].copy()
    shown["interval"] = rows["onset_low"].astype(str) + " to " + rows["onset_high"].astype(str)
    shown["onset_time_s"] = rows["onset_time_s"]
    shown["alarm"] = rows["frame"]
    shown["change"] = rows["kind"] + " " + rows["direction"]
    shown["size"] = [
        f"{number(size)} ± {number(error)} {_UNITS[unit]}"
        for size, error, unit in zip(rows["size"], rows["size_error"], rows["unit"], strict=True)
    ]
    shown["sigmas"] = rows["size_sigmas"]
    shown[["q", "sure"]] = rows[["q", "sure"]]
    absent = [name for name in ("reflection", "particle") if not (rows[name] > 0).any()]
    if rows["onset_time_s"].isna().all():
        absent.append("onset_time_s")
    return shown.drop(columns=absent)
