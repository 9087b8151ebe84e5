"""A movie's facts, particles and events as rows of text for a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .shown import Shown, number
from .tables import EVENTS

ROWS_AT_MOST = 200
_MINUS = "−"


def headline(shown: Shown, events: pd.DataFrame) -> str:
    """Say in one or two sentences what was found.

    Parameters
    ----------
    shown : Shown
        The movie's axes.
    events : pandas.DataFrame
        As in `EVENT_COLUMNS`.

    Returns
    -------
    str
        Plain text.

    Examples
    --------
    >>> from .shown import show
    >>> headline(show({"movie": "a", "frames": 3}, pd.DataFrame()), pd.DataFrame())
    'No particle was found in 3 frames.'
    """
    frames = _counted(shown.n_frames, "frame")
    if not shown.n_particles:
        return f"No particle was found in {frames}."
    first = f"{_counted(shown.n_particles, 'particle')} followed through {frames}"
    if shown.time_unit is not None and shown.n_frames > 1:
        first += f" in {number(float(np.ptp(shown.times)))} {shown.time_unit}"
    later = events[(events["event"] != "birth") | (events["frame"] > 0)] if len(events) else events
    counts: dict[Any, int] = later["event"].value_counts().to_dict() if len(later) else {}
    found = [_counted(int(counts[kind]), kind) for kind in EVENTS if kind in counts]
    return f"{first}: {', '.join(found)}." if found else f"{first}; none appeared, vanished, split or merged."


def fact_rows(facts: Mapping[str, Any], shown: Shown, tracks: pd.DataFrame) -> list[tuple[str, str]]:
    """List what is known of a movie.

    Parameters
    ----------
    facts : mapping
        As in `write_report`.
    shown : Shown
        The movie's axes.
    tracks : pandas.DataFrame
        As in `TRACK_COLUMNS`.

    Returns
    -------
    list of (str, str)
        Name and value; what is unknown says so.

    Examples
    --------
    >>> from .shown import show
    >>> facts = {"movie": "a", "frames": 3, "shape": (4, 5)}
    >>> fact_rows(facts, show(facts, pd.DataFrame()), pd.DataFrame())[0]
    ('Frames', '3, each 5 × 4 px')
    """
    rows, columns = facts["shape"]
    pixel = shown.pixel_nm
    frames = f"{shown.n_frames:,}, each {columns:,} × {rows:,} px"
    size = "not calibrated" if pixel is None else f"{number(pixel)} nm"
    field = "" if pixel is None else f" (field {number(columns * pixel)} × {number(rows * pixel)} nm)"
    listed = [("Frames", frames), ("Pixel size", size + field), ("Time", _time_fact(shown))]
    dose = "unknown"
    if shown.doses is not None:
        middle, whole = number(float(np.median(shown.doses))), number(float(shown.doses.sum()))
        dose = f"{middle} e⁻/Å² a frame, {whole} in all"
    listed.append(("Dose", dose))
    if shown.n_particles:
        per_frame = len(tracks) / shown.n_frames
        listed.append(("Particles", f"{shown.n_particles:,}, on average {number(per_frame)} a frame"))
        area = tracks[shown.area_column]
        spread = (
            f" (middle half {number(float(area.quantile(0.25)))} to {number(float(area.quantile(0.75)))})"
        )
        listed.append(("Area", f"median {number(float(area.median()))} {shown.area_unit}" + spread))
    if facts.get("segmentation"):
        listed.append(("Segmentation", str(facts["segmentation"])))
    if facts.get("source"):
        listed.append(("Source", str(facts["source"])))
    return listed


def particle_rows(tracks: pd.DataFrame, shown: Shown) -> list[dict[str, str]]:
    """List particles by size and presence, the most outstanding first.

    Parameters
    ----------
    tracks : pandas.DataFrame
        As in `TRACK_COLUMNS`.
    shown : Shown
        The movie's axes and colours.

    Returns
    -------
    list of dict
        At most 200 rows: particle, colour, frames seen, first and last moment, mean area, its change between
        first and last tenth, mean diameter, distance between first and last position, share at the edge.

    Examples
    --------
    >>> from .shown import show
    >>> particle_rows(pd.DataFrame(), show({"movie": "a", "frames": 3}, pd.DataFrame()))
    []
    """
    if tracks.empty:
        return []
    unit = shown.length_unit
    ordered = tracks.sort_values(["particle", "frame"], kind="stable")
    by_particle = ordered.groupby("particle")
    listed = by_particle.agg(
        seen=("frame", "size"),
        first=("frame", "first"),
        last=("frame", "last"),
        area=(shown.area_column, "mean"),
        diameter=(f"equivalent_diameter_{unit}", "mean"),
        edge=("touches_edge", "mean"),
        weight=("area_px2", "sum"),
    )
    start, end = (
        by_particle[[f"y_{unit}", f"x_{unit}"]].first(),
        by_particle[[f"y_{unit}", f"x_{unit}"]].last(),
    )
    listed["drift"] = np.hypot(*(end - start).to_numpy().T)
    listed["change"] = _change(ordered, shown.area_column, listed["seen"])
    listed = listed.sort_values("weight", ascending=False, kind="stable").head(ROWS_AT_MOST)
    return [
        {
            "particle": str(row["particle"]),
            "colour": shown.colours.get(row["particle"], ""),
            "seen": f"{row['seen']:,}",
            "first": _moment(shown, row["first"]),
            "last": _moment(shown, row["last"]),
            "area": number(row["area"]),
            "change": _signed(row["change"]),
            "diameter": number(row["diameter"]),
            "drift": number(row["drift"]),
            "edge": f"{100 * row['edge']:.0f} %" if row["edge"] else "",
        }
        for row in listed.reset_index().to_dict("records")
    ]


def event_rows(events: pd.DataFrame, shown: Shown) -> tuple[list[dict[str, str]], int, int]:
    """List what happened after the first frame.

    Parameters
    ----------
    events : pandas.DataFrame
        As in `EVENT_COLUMNS`.
    shown : Shown
        The movie's axes.

    Returns
    -------
    list of dict, int, int
        At most 200 rows; how many more there are; how many particles were there from the first frame on.

    Examples
    --------
    >>> from .shown import show
    >>> event_rows(pd.DataFrame(), show({"movie": "a", "frames": 3}, pd.DataFrame()))
    ([], 0, 0)
    """
    if events.empty:
        return [], 0, 0
    at_start = (events["event"] == "birth") & (events["frame"] == 0)
    later = events[~at_start]
    rows = [
        {
            "frame": f"{row['frame']:,}",
            "time": "" if shown.time_unit is None else number(shown.times[row["frame"]]),
            "event": str(row["event"]),
            "particle": str(row["particle"]),
            "other": str(row["other"]) if row["other"] else "",
        }
        for row in later.head(ROWS_AT_MOST).to_dict("records")
    ]
    return rows, len(later) - len(rows), int(at_start.sum())


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _time_fact(shown: Shown) -> str:
    if shown.time_unit is None:
        return "unknown: shown by frame"
    steps = np.diff(shown.times)
    if not steps.size:
        return "a single frame"
    text = f"{number(float(np.ptp(shown.times)))} {shown.time_unit}, a frame every "
    step = float(np.median(steps))
    to_seconds = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3}[shown.time_unit]
    text += f"{number(step * to_seconds)} s"
    if shown.gaps:
        without = sum(end - start for start, end in shown.gaps)
        text += f", {_counted(len(shown.gaps), 'gap')} of {number(without)} {shown.time_unit} in all"
    return text


def _moment(shown: Shown, frame: int) -> str:
    return f"{frame:,}" if shown.time_unit is None else number(shown.times[frame])


def _change(ordered: pd.DataFrame, column: str, seen: pd.Series) -> pd.Series:
    """Relative change [%] from the mean of a particle's first tenth of frames to that of its last."""
    place = ordered.groupby("particle").cumcount()
    length = ordered["particle"].map(seen)
    tenth = np.maximum(1, length // 10)
    start = ordered[place < tenth].groupby("particle")[column].mean()
    end = ordered[place >= length - tenth].groupby("particle")[column].mean()
    return (100 * (end / start - 1)).where(seen > 1)


def _signed(percent: float) -> str:
    if not np.isfinite(percent):
        return "–"
    text = f"{abs(percent):.0f}" if abs(percent) >= 10 else f"{abs(percent):.1f}"
    return f"{_MINUS if percent < 0 else '+'}{text} %"
