"""What tracking decides once all blocks are done: identities, events and peak numbers, on tables alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ...base.errors import CalibrationError
from ...base.stack import Stack
from ...base.tables import Columns, to_dataframe
from ...files.dose import dose_from_vacuum
from ...files.logs import join_log, read_log
from ...measure.tracks import link_instances
from ...report.tables import EVENT_COLUMNS, TRACK_COLUMNS
from .settings import TrackSettings


def link(
    instances: Columns, overlaps: Columns, stack: Stack, settings: TrackSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every instance its particle's identity, and say what happened to the particles.

    Parameters
    ----------
    instances : dict of arrays
        One row per instance, sorted by frame and label.
    overlaps : dict of arrays
        One row per pair of overlapping instances of two frames.
    stack : Stack
        The movie, for its time stamps.
    settings : TrackSettings
        The rule of linking.

    Returns
    -------
    tracks : pandas.DataFrame
        In the order of `instances`, with the contract's columns.
    events : pandas.DataFrame
        With the contract's columns.
    """
    linked = {name: instances[name] for name in ("frame", "label")} | {"area_px": instances["area_px2"]}
    particle, events = link_instances(
        linked,
        overlaps,
        n_frames=stack.n_frames,
        min_overlap=settings.overlap,
        overlap_of=settings.overlap_of,
        memory=settings.memory,
    )
    times_s = frame_times(stack)
    tracks = to_dataframe({**instances, "particle": particle, "time_s": times_s[instances["frame"]]})
    tracks["pair_ratio"] = np.nan
    happened = to_dataframe({**events, "time_s": times_s[events["frame"]]})
    return tracks[list(TRACK_COLUMNS)], happened[list(EVENT_COLUMNS)]


def frame_times(stack: Stack) -> np.ndarray:
    """Time of each frame (T,) [s]; NaN where the movie has no time stamps."""
    return np.full(stack.n_frames, np.nan) if stack.times_s is None else np.asarray(stack.times_s, float)


def with_pair_ratio(tracks: pd.DataFrame, ratios: np.ndarray) -> pd.DataFrame:
    """Fill in the brightest over the dimmest symmetric pair of each particle and frame.

    Parameters
    ----------
    tracks : pandas.DataFrame
        One row per particle and frame.
    ratios : array (n, 3)
        Frame, particle and pair ratio of those whose spectra were followed.

    Returns
    -------
    pandas.DataFrame
        The tracks with their `pair_ratio`.
    """
    n_particles = int(tracks["particle"].max() if len(tracks) else 0) + 1
    ratio = pd.Series(ratios[:, 2], index=(ratios[:, 0] * n_particles + ratios[:, 1]).astype(np.int64))
    return tracks.assign(pair_ratio=(tracks["frame"] * n_particles + tracks["particle"]).map(ratio))


def join_to_frames(stack: Stack, settings: TrackSettings) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Join a log to the frames by time.

    Parameters
    ----------
    stack : Stack
        The movie, for its time stamps.
    settings : TrackSettings
        Where the log is, and by how much its clock is off.

    Returns
    -------
    logged : pandas.DataFrame
        The log's columns, one row per frame; no columns where there is no log.
    notes : tuple of str
        How the clocks were aligned.

    Raises
    ------
    CalibrationError
        If the movie has no time stamps to join by.
    ReadError, DataError
        If the log cannot be read.
    """
    if settings.log is None:
        return pd.DataFrame(index=range(stack.n_frames)), ()
    if stack.times_s is None:
        raise CalibrationError(
            f"{stack.source}: a log is joined by time, and no frame times are known; give --frame-s"
        )
    columns, note = join_log(
        read_log(settings.log), stack.times_s, stack.start, offset_s=settings.log_offset_s
    )
    logged = to_dataframe(columns)
    logged.columns = [f"log_{name}" if name in TRACK_COLUMNS else name for name in logged.columns]
    return logged, (note,)


def with_log(tracks: pd.DataFrame, logged: pd.DataFrame) -> pd.DataFrame:
    """Put the log's columns at each frame beside the tracks."""
    if not len(logged.columns):
        return tracks
    at_instances = logged.iloc[tracks["frame"].to_numpy()].reset_index(drop=True)
    return pd.concat([tracks, at_instances], axis=1)


def frame_table(stack: Stack, logged: pd.DataFrame) -> pd.DataFrame:
    """Make the table with a row per frame: its time, its dose and the log's columns."""
    frames = pd.DataFrame({"frame": np.arange(stack.n_frames), "time_s": frame_times(stack)})
    if stack.dose_e_per_A2 is not None:
        frames["dose_e_per_A2"] = stack.dose_e_per_A2
    return pd.concat([frames, logged], axis=1)


def with_vacuum_dose(stack: Stack, settings: TrackSettings, checks: Columns) -> Stack:
    """Give a movie the dose of each frame that its vacuum shows, where the settings ask for it.

    Parameters
    ----------
    stack : Stack
        The movie, with a pixel size.
    settings : TrackSettings
        Counts that one electron gives.
    checks : dict of arrays
        Mean counts of the vacuum in each frame (`vacuum_counts`).

    Returns
    -------
    Stack
        With a dose for each frame [e⁻/Å²]; NaN for frames that could not be read.
    """
    if settings.counts_per_electron is None or stack.pixel_nm is None:
        return stack
    dose = [
        dose_from_vacuum(counts, counts_per_electron=settings.counts_per_electron, pixel_nm=stack.pixel_nm)
        if np.isfinite(counts)
        else np.nan
        for counts in checks["vacuum_counts"].tolist()
    ]
    return replace(stack, dose_e_per_A2=np.array(dose))
