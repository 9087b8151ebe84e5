"""How a movie is shown: units of its axes, gaps, which particles have a colour, numbers as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .tables import TRACK_COLUMNS

# Told apart with any colour vision (after Okabe and Ito), and on white, grey and black alike.
IDENTITY_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#8C6D1F",
    "#7A5CC9",
)
_TIME_UNITS = ((3 * 3600.0, 3600.0, "h"), (300.0, 60.0, "min"), (1.0, 1.0, "s"), (0.0, 1e-3, "ms"))
_GAP_STEPS = 2.5
_UNITS = {
    "degC": "°C",
    "C": "°C",
    "K": "K",
    "s": "s",
    "nm": "nm",
    "nm2": "nm²",
    "per_nm": "1/nm",
    "px": "px",
    "px2": "px²",
    "per_px": "1/px",
    "per_s": "1/s",
    "deg": "°",
    "deg_per_s": "°/s",
    "e_per_A2": "e⁻/Å²",
    "mbar": "mbar",
    "Pa": "Pa",
    "kPa": "kPa",
    "torr": "Torr",
    "V": "V",
    "mV": "mV",
    "A": "A",
    "mA": "mA",
    "uA": "µA",
    "W": "W",
    "mW": "mW",
    "ohm": "Ω",
    "percent": "%",
    "sccm": "sccm",
    "ml_per_min": "ml/min",
}


@dataclass(frozen=True)
class Shown:
    """A movie's axes and colours, the same in all its figures.

    Parameters
    ----------
    name : str
        The movie's name.
    n_frames, n_particles : int
        What there is of each.
    pixel_nm : float or None
        Side of a pixel [nm].
    times : array (T,), float64
        Time of each frame in `time_unit`; the frame's number where the time is unknown.
    time_unit : str or None
        h, min, s or ms; None where the time is unknown.
    gaps : tuple of (float, float)
        Spans without frames, in `time_unit`.
    doses : array (T,), float64, or None
        Dose of each frame [e⁻/Å²].
    colours : mapping from int to str
        Colour of each particle that stands out, largest and longest first.
    log : mapping from str to array (T,), float64
        The log's columns by frame.
    """

    name: str
    n_frames: int
    n_particles: int
    pixel_nm: float | None
    times: np.ndarray
    time_unit: str | None
    gaps: tuple[tuple[float, float], ...]
    doses: np.ndarray | None
    colours: Mapping[int, str]
    log: Mapping[str, np.ndarray]

    @property
    def length_unit(self) -> str:
        """Unit of lengths, nm or px."""
        return "px" if self.pixel_nm is None else "nm"

    @property
    def area_column(self) -> str:
        """Column of the tracks that holds the area shown."""
        return f"area_{self.length_unit}2"

    @property
    def area_unit(self) -> str:
        """Unit of areas as text."""
        return f"{self.length_unit}²"

    @property
    def time_label(self) -> str:
        """Title of the time axis."""
        return "frame" if self.time_unit is None else f"time [{self.time_unit}]"

    @property
    def all_coloured(self) -> bool:
        """True where every particle has a colour of its own."""
        return len(self.colours) == self.n_particles

    def at(self, frame: int) -> str:
        """Say which frame, when, and after what dose."""
        parts = [f"frame {frame}"]
        if self.time_unit is not None:
            parts.append(f"{number(self.times[frame])} {self.time_unit}")
        if self.doses is not None:
            parts.append(f"{number(float(self.doses[: frame + 1].sum()))} e⁻/Å² so far")
        return " · ".join(parts)


def show(facts: Mapping[str, Any], tracks: pd.DataFrame) -> Shown:
    """Choose how a movie is shown.

    Parameters
    ----------
    facts : mapping
        `movie`, `frames`, and where known `pixel_nm`, `times_s` (T,), `dose_e_per_A2` (T,), `log` (column
        name to (T,)).
    tracks : pandas.DataFrame
        As in `TRACK_COLUMNS`; columns behind them are a log's, used where `facts` has no `log`.

    Returns
    -------
    Shown
        Units, gaps, colours.

    Examples
    --------
    >>> show({"movie": "a", "frames": 3, "times_s": [0.0, 60.0, 600.0]}, pd.DataFrame()).time_label
    'time [min]'
    """
    n_frames = int(facts["frames"])
    times_s, doses = facts.get("times_s"), facts.get("dose_e_per_A2")
    times, unit = np.arange(n_frames, dtype=np.float64), None
    if times_s is not None and len(times_s) and np.isfinite(times_s).all():
        times = np.asarray(times_s, np.float64)
        span = float(times[-1] - times[0])
        _, factor, unit = next(entry for entry in _TIME_UNITS if span >= entry[0])
        times = times / (factor if span > 0 else 1.0)
        unit = unit if span > 0 else "s"
    return Shown(
        name=str(facts["movie"]),
        n_frames=n_frames,
        n_particles=0 if tracks.empty else int(tracks["particle"].nunique()),
        pixel_nm=facts.get("pixel_nm"),
        times=times,
        time_unit=unit,
        gaps=_gaps(times),
        doses=None if doses is None else np.asarray(doses, np.float64),
        colours=_colours(tracks),
        log=_log(facts.get("log"), tracks, n_frames),
    )


def number(value: float | None) -> str:
    """Write a number for reading: three or four digits that count, thousands apart.

    Parameters
    ----------
    value : float or None
        Any number.

    Returns
    -------
    str
        Its text; an en dash for a value that is missing.

    Examples
    --------
    >>> number(12345.6), number(0.0236), number(None), number(2.0)
    ('12,346', '0.0236', '–', '2')
    """
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-4:
        digits, power = f"{value:.2e}".split("e")
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{digits.rstrip('0').rstrip('.')} × 10{raised}".replace("-", "−")
    places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4 if size < 0.1 else 3
    text = f"{value:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def label_of(column: str) -> str:
    """Turn a column's name into an axis title: the unit at its end stands in brackets.

    Parameters
    ----------
    column : str
        Such as temperature_degC.

    Returns
    -------
    str
        Such as temperature [°C].

    Examples
    --------
    >>> label_of("temperature_degC"), label_of("valve_state")
    ('temperature [°C]', 'valve state')
    """
    for unit in sorted(_UNITS, key=len, reverse=True):
        if column.endswith(f"_{unit}"):
            return f"{column[: -len(unit) - 1].replace('_', ' ')} [{_UNITS[unit]}]"
    return column.replace("_", " ")


def frames_by_particles(tracks: pd.DataFrame, column: str, particles: list[int], n_frames: int) -> np.ndarray:
    """Lay a column of the tracks out by frame and particle.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Columns frame, particle and `column`.
    column : str
        What to lay out.
    particles : list of int
        Which particles, in this order.
    n_frames : int
        Frames of the movie (T).

    Returns
    -------
    array (T, n), float64
        NaN where a particle is absent.

    Examples
    --------
    >>> table = pd.DataFrame({"frame": [0, 2], "particle": [5, 5], "a": [1.0, 2.0]})
    >>> frames_by_particles(table, "a", [5], 3).ravel().tolist()
    [1.0, nan, 2.0]
    """
    place = pd.Index(particles).get_indexer(pd.Index(tracks["particle"]))
    wanted = place >= 0
    grid = np.full((n_frames, len(particles)), np.nan)
    grid[tracks["frame"].to_numpy()[wanted], place[wanted]] = tracks[column].to_numpy()[wanted]
    return grid


def _gaps(times: np.ndarray) -> tuple[tuple[float, float], ...]:
    steps = np.diff(times)
    if len(steps) < 2:
        return ()
    late = np.flatnonzero(steps > _GAP_STEPS * np.median(steps))
    return tuple((float(times[i]), float(times[i + 1])) for i in late)


def _colours(tracks: pd.DataFrame) -> dict[int, str]:
    if tracks.empty:
        return {}
    # The area summed over frames: large particles that are seen for long.
    weight = tracks.groupby("particle")["area_px2"].sum().sort_values(ascending=False, kind="stable")
    chosen = weight.index[: len(IDENTITY_COLOURS)]
    by_identity = dict(zip(sorted(chosen), IDENTITY_COLOURS, strict=False))
    return {int(particle): by_identity[particle] for particle in chosen}


def _log(given: Mapping[str, Any] | None, tracks: pd.DataFrame, n_frames: int) -> dict[str, np.ndarray]:
    if given is not None:
        return {name: np.asarray(values, np.float64) for name, values in given.items()}
    log = {}
    for name in (name for name in tracks.columns if name not in TRACK_COLUMNS):
        if tracks[name].dtype.kind in "fiu" and len(tracks):
            by_frame = tracks.groupby("frame")[name].first()
            log[str(name)] = by_frame.reindex(range(n_frames)).to_numpy(np.float64)
    return log
