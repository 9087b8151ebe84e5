"""What is decided once all frames are done, on tables alone: lasting numbers, hops, counts, strain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...base.errors import DataError
from ...base.tables import Columns
from ...measure.columns.hops import ColumnEvents, find_hops
from ...measure.columns.strain import fit_lattice, local_strain
from ...measure.columns.tracks import column_spacing, event_rate, link_columns
from .evidence import Measure, borne_out, sites_of_hops
from .motion import where_seen

# A step that is at least this much of the spacing is to another site.
_STEP_OF_SPACING = 0.45
_LONE_SPACING_WIDTHS = 4.0
_GAP_STEPS = 2.5
_HOP_ALPHA, _MISSED_TOLD = 1e-3, 0.02
# Planted columns that are missed more often compete with neighbours: which one is seen changes by chance.
_MISSED_DOUBTED = 0.1
BLOB_CLASS = "column"
_STRAIN = ("exx", "eyy", "exy", "rotation_deg")
_LENGTHS = ("y", "x", "y_error", "x_error", "width", "width_error", "displacement_y", "displacement_x")
_SEEN = ("network_y", "network_x")


@dataclass(frozen=True)
class MovieAxes:
    """What tables need to know of a movie.

    Parameters
    ----------
    frames : array (k,), int64
        Frames that were looked at and could be used, ascending.
    looked_at : array (m,), int64
        Frames that were looked at.
    times_s : array (T,), float64
        Time of every frame of the movie [s]; NaN where not known.
    pixel_nm : float or None
        Side of a pixel [nm].
    readable : array (T,), bool, or None
        A filter of frames that can be read, where one was made.
    """

    frames: np.ndarray
    looked_at: np.ndarray
    times_s: np.ndarray
    pixel_nm: float | None
    readable: np.ndarray | None = None

    @property
    def gaps(self) -> np.ndarray:
        """Frames (of those used) with a gap in time before them, (g,)."""
        times = self.times_s[self.frames]
        steps = np.diff(times) if np.isfinite(times).all() else np.diff(self.frames).astype(np.float64)
        if len(steps) < 2:
            return np.zeros(0, np.int64)
        return self.frames[1:][steps > _GAP_STEPS * np.median(steps)]

    def counts(self, frame: np.ndarray) -> np.ndarray:
        """Say which of some frames count towards counts and rates."""
        return np.ones(len(frame), bool) if self.readable is None else self.readable[frame]


@dataclass(frozen=True)
class LinkedColumns:
    """The tables of a movie's columns.

    Parameters
    ----------
    columns, hops, counts, lattices : pandas.DataFrame
        One row per column and frame; per hop; per frame and class; per frame (and particle) with a lattice.
    facts : dict
        Spacing, rates with their limits, how many.
    notes : tuple of str
        What a user should know.
    """

    columns: pd.DataFrame
    hops: pd.DataFrame
    counts: pd.DataFrame
    lattices: pd.DataFrame
    facts: dict[str, Any]
    notes: tuple[str, ...]


def link_all(
    found: Columns,
    axes: MovieAxes,
    *,
    spacing_px: float | None,
    memory: int,
    classes: Sequence[str],
    motion_px: np.ndarray | None = None,
    measure: Measure | None = None,
) -> LinkedColumns:
    """Link a movie's columns over time and tell what they did.

    Parameters
    ----------
    found : dict of arrays (n,)
        Columns of all frames, by frame: frame, y_px, x_px, width_px, class (index, -1 of blobs) and what
        else is to be kept; `particle` where particles are known.
    axes : MovieAxes
        Frames, times and pixel size.
    spacing_px : float or None
        Distance of neighbouring columns [px]; measured where None.
    memory : int
        Frames that a column may be missed for.
    classes : sequence of str
        Names of the classes; empty for blobs.
    motion_px : array (n, 2) or None
        What the particle of each column has moved by since its first frame, along y and x [px]: a particle
        that moves by half a spacing from frame to frame could not be followed by its columns alone.
    measure : callable or None
        Measures the amplitudes at sites: hops that they do not bear out are left out; None trusts all.

    Returns
    -------
    LinkedColumns
        The tables.
    """
    notes: list[str] = []
    particle = found.get("particle")
    if spacing_px is None:
        spacing_px = column_spacing(found["frame"], found["y_px"], found["x_px"])
        if math.isnan(spacing_px):
            spacing_px = _LONE_SPACING_WIDTHS * float(np.median(found["width_px"]))
            notes.append("columns stand alone, so their spacing is taken as four widths; give --spacing-nm")
    told, events, n_left_out = _follow(found, axes, motion_px, spacing_px, memory, measure)
    if n_left_out:
        notes.append(
            f"{n_left_out} hop{'s' if n_left_out > 1 else ''} left out: the counts at both sites do not say "
            "that a column left one and came to the other"
        )
    names = np.array([*classes, BLOB_CLASS])[found["class"]]
    table = pd.DataFrame({**found, "class": names, "column": told.column})
    kinds = table.groupby("column")["class"].agg(lambda one: one.mode().iloc[0])
    events["frame"] = axes.frames[events["frame"].to_numpy(np.int64)]
    events["class"] = kinds.reindex(events["column"]).to_numpy()
    if particle is not None:
        events["particle"] = table.groupby("column")["particle"].first().reindex(events["column"]).to_numpy()
    strain, lattices = _strain(table, spacing_px)
    table = pd.concat([table, strain], axis=1)
    hops = _hops(events[events["kind"] == "hop"], axes)
    counts = _counts(table, events, axes, tuple(classes) or (BLOB_CLASS,))
    facts = {"spacing_px": spacing_px, "missed_share": told.missed, **_rates(table, hops, axes)}
    if told.missed > _MISSED_TOLD:
        stay = math.ceil(math.log(_HOP_ALPHA) / math.log(min(told.missed, 0.99)))
        which = (
            "no hops can be told"
            if stay > len(axes.frames) / 2
            else (f"only hops between stays of about {stay} frames or more are told")
        )
        doubt = "; look at the frames before you trust one" if told.missed > _MISSED_DOUBTED else ""
        share = 100 * told.missed
        notes.append(f"a column that is there is missed in {share:.0f} % of frames: {which}{doubt}")
    if len(axes.gaps):
        notes.append(
            f"{len(axes.gaps)} gap{'s' if len(axes.gaps) > 1 else ''} in time: hops across are listed but "
            "count in no rate"
        )
    facts["spacing_nm"] = None if axes.pixel_nm is None else spacing_px * axes.pixel_nm
    columns = _in_units(table, axes)
    return LinkedColumns(columns, hops, counts, _lattices(lattices, axes), facts, tuple(notes))


def _follow(
    found: Columns,
    axes: MovieAxes,
    motion_px: np.ndarray | None,
    spacing_px: float,
    memory: int,
    measure: Measure | None,
) -> tuple[ColumnEvents, pd.DataFrame, int]:
    """Link columns and tell their hops; frames of the events are numbers of the frames that could be used."""
    # Frames that could not be used do not exhaust the memory.
    turn = np.searchsorted(axes.frames, found["frame"])
    motion = np.zeros((len(turn), 2)) if motion_px is None else motion_px
    y, x = found["y_px"] - motion[:, 0], found["x_px"] - motion[:, 1]
    step, group = _STEP_OF_SPACING * spacing_px, found.get("particle")
    visit, drift_y, drift_x = link_columns(turn, y, x, max_step=step, memory=memory, group=group)
    told = find_hops(
        turn,
        y - drift_y,
        x - drift_x,
        visit,
        spacing=spacing_px,
        memory=memory,
        alpha=_HOP_ALPHA,
        last_frame=len(axes.frames) - 1,
    )
    moved = motion + np.stack([drift_y, drift_x], axis=1)
    events = pd.DataFrame(told.events)
    is_hop = (events["kind"] == "hop").to_numpy()
    left_out = np.zeros(len(events), bool)
    if measure is not None and is_hop.any():
        of_row = np.zeros(len(turn), np.int64) if group is None else np.asarray(group, np.int64)
        of_column = pd.Series(of_row).groupby(told.column).first()
        hops = events[is_hop].assign(group=of_column.reindex(events["column"][is_hop]).to_numpy())
        sites = sites_of_hops(hops, axes.frames, turn, of_row, moved)
        sign = 1 if np.nanmedian(found["amplitude"]) > 0 else -1
        left_out[is_hop] = ~borne_out(sites, *measure(sites), n_hops=len(hops), sign=sign)
    seen = where_seen(events, turn, told.column, moved)[~left_out].reset_index(drop=True)
    return told, seen, int(left_out.sum())


def _hops(hops: pd.DataFrame, axes: MovieAxes) -> pd.DataFrame:
    """List hops with times and lengths."""
    length, unit = (1.0, "px") if axes.pixel_nm is None else (axes.pixel_nm, "nm")
    step = hops[["to_y", "to_x"]].to_numpy(float) - hops[["from_y", "from_x"]].to_numpy(float)
    frame = hops["frame"].to_numpy(np.int64)
    unseen = hops["frames_unseen"].to_numpy(np.int64)
    gaps = axes.gaps
    # Seen last some frames before: a gap anywhere on the way counts.
    turn = np.searchsorted(axes.frames, frame)
    began = axes.frames[np.maximum(turn - unseen - 1, 0)] if len(frame) else frame
    table = {"frame": frame, "time_s": axes.times_s[frame], "column": hops["column"].to_numpy()}
    if "particle" in hops:
        table["particle"] = hops["particle"].to_numpy()
    table |= {"class": hops["class"].to_numpy(), "frames_unseen": unseen}
    table |= {f"{name}_{unit}": hops[name].to_numpy(float) * length for name in _FROM_TO}
    table[f"distance_{unit}"] = np.hypot(step[:, 0], step[:, 1]) * length
    table["direction_deg"] = np.rad2deg(np.arctan2(-step[:, 0], step[:, 1]))
    across = (began[:, None] < gaps) & (gaps <= frame[:, None])
    table["across_gap"] = across.any(axis=1)
    return pd.DataFrame(table)


_FROM_TO = ("from_y", "from_x", "to_y", "to_x")


def _counts(
    table: pd.DataFrame, events: pd.DataFrame, axes: MovieAxes, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Count columns and what happened to them, a row per frame and class."""
    index = pd.MultiIndex.from_product([axes.looked_at.tolist(), classes], names=["frame", "class"])
    counted = table.groupby(["frame", "class"]).size().reindex(index, fill_value=0)
    counts = pd.DataFrame({"columns": counted})
    for kind, name in (("appear", "appeared"), ("vanish", "vanished"), ("hop", "hops")):
        own = events[events["kind"] == kind].groupby(["frame", "class"]).size()
        counts[name] = own.reindex(index, fill_value=0)
    counts = counts.reset_index()
    frame = counts["frame"].to_numpy()
    counts.insert(1, "time_s", axes.times_s[frame])
    counts["usable"] = np.isin(frame, axes.frames)
    if axes.readable is not None:
        counts["readable"] = axes.readable[frame]
    return counts


def _rates(table: pd.DataFrame, hops: pd.DataFrame, axes: MovieAxes) -> dict[str, Any]:
    """Give rates of hops: per time, and per time and column that was there to hop."""
    times = axes.times_s[axes.frames]
    timed = bool(np.isfinite(times).all()) and len(times) > 1
    steps = np.diff(times) if timed else np.ones(max(len(times) - 1, 0))
    late = np.isin(axes.frames[1:], axes.gaps)
    watched = ~late & axes.counts(axes.frames[1:]) & axes.counts(axes.frames[:-1])
    there = table.groupby("frame").size().reindex(axes.frames, fill_value=0).to_numpy()
    duration = float(steps[watched].sum())
    column_time = float((steps * there[:-1])[watched].sum())
    seen = np.isin(hops["frame"].to_numpy(), axes.frames[1:][watched]) & ~hops["across_gap"].to_numpy(bool)
    count = int(seen.sum())
    per = "s" if timed else "frame"
    facts: dict[str, Any] = {"hops": len(hops), "hops_in_rate": count, f"watched_{per}": duration}
    for name, exposure in (("hop_rate", duration), ("hop_rate_per_column", column_time)):
        if exposure > 0:
            rate, low, high = event_rate(count, exposure=exposure)
            facts[f"{name}_per_{per}"] = rate
            facts[f"{name}_95_percent_per_{per}"] = [low, high]
    return facts


def _strain(table: pd.DataFrame, spacing_px: float) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Find strain of the columns of each frame and particle against the lattice fitted to them."""
    strain = pd.DataFrame(
        np.nan, index=table.index, columns=["displacement_y_px", "displacement_x_px", *_STRAIN]
    )
    lattices: list[dict[str, Any]] = []
    keys = ["frame", "particle"] if "particle" in table else ["frame"]
    for key, rows in table.groupby(keys).indices.items():
        y, x = (table[name].to_numpy()[rows] for name in ("y_px", "x_px"))
        try:
            lattice = fit_lattice(y, x, spacing=spacing_px)
        except DataError:
            continue
        found = local_strain(y, x, a=lattice.a, b=lattice.b)
        strain.iloc[rows, :2] = lattice.displacement
        for place, name in enumerate(_STRAIN, start=2):
            strain.iloc[rows, place] = found[name]
        squared = np.sum(lattice.displacement**2, axis=1)
        rms = float(np.sqrt(np.nanmean(squared))) if np.isfinite(squared).any() else np.nan
        named = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        on = int((lattice.sublattice >= 0).sum())
        lattices.append({**named, "a": lattice.a, "b": lattice.b, "columns": on, "rms": rms})
    return strain, lattices


def _lattices(lattices: Sequence[Mapping[str, Any]], axes: MovieAxes) -> pd.DataFrame:
    """List the lattices: lengths, angles, and how far columns are from their sites."""
    length, unit = (1.0, "px") if axes.pixel_nm is None else (axes.pixel_nm, "nm")
    rows = []
    for one in lattices:
        a, b = one["a"], one["b"]
        turned = [math.degrees(math.atan2(-vector[0], vector[1])) for vector in (a, b)]
        rows.append(
            {
                **{name: one[name] for name in ("frame", "particle") if name in one},
                "time_s": axes.times_s[one["frame"]],
                f"a_{unit}": float(np.hypot(*a)) * length,
                f"b_{unit}": float(np.hypot(*b)) * length,
                "a_angle_deg": turned[0],
                "between_deg": (turned[1] - turned[0]) % 360,
                "columns": one["columns"],
                f"rms_displacement_{unit}": one["rms"] * length,
            }
        )
    return pd.DataFrame(rows)


def _in_units(table: pd.DataFrame, axes: MovieAxes) -> pd.DataFrame:
    """Put the columns' table in its order, lengths in nm before those in px where the pixel size is known."""
    if axes.pixel_nm is not None:
        own = [name for name in (*_LENGTHS, *_SEEN) if f"{name}_px" in table]
        table = table.assign(**{f"{name}_nm": table[f"{name}_px"] * axes.pixel_nm for name in own})
    table = table.assign(time_s=axes.times_s[table["frame"].to_numpy()])
    first = ["frame", "time_s", "column", "particle", "class"]
    lengths = [f"{name}_{unit}" for unit in ("nm", "px") for name in _LENGTHS]
    rest = [name for name in table.columns if name not in first and name not in lengths]
    order = [name for name in (*first, *lengths[:4], *lengths[8:12]) if name in table]
    order += [name for name in (*lengths[4:6], *lengths[12:14]) if name in table]
    strain = [name for name in rest if name in _STRAIN]
    order += [name for name in rest if name not in _STRAIN]
    order += [name for name in (*lengths[6:8], *lengths[14:16]) if name in table] + strain
    order = [name for name in order if name != "probability" or table[name].notna().any()]
    order = [name for name in order if name != "significance" or table[name].notna().any()]
    return table[order].sort_values(["frame", "column"], kind="stable", ignore_index=True)
