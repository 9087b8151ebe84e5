"""What is shown of a movie's columns: a few frames with them, their number and hops over time, strain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...base.stack import Stack
from ...images.clean import finite_frame
from ...report.columns import ColumnsFrame, columns_over_time, frames_with_columns, strain_map
from ...report.page_sections import put_section
from ...report.pictures import Picture, drawn
from ...report.shown import show
from ..tracking.segmentation import read_frames
from .tables import LinkedColumns

_FRAMES_SHOWN = 3
# Columns seen in fewer frames than this share have no mean to speak of.
_OFTEN = 0.3


def write_figures(folder: Path, stack: Stack, linked: LinkedColumns) -> list[Picture]:
    """Draw a movie's columns into `figures/`.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    stack : Stack
        The movie.
    linked : LinkedColumns
        The tables.

    Returns
    -------
    list of Picture
        The figures, for a page.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    facts = {
        "movie": stack.name,
        "frames": stack.n_frames,
        "pixel_nm": stack.pixel_nm,
        "times_s": stack.times_s,
    }
    shown = show(facts, pd.DataFrame())
    frames = _few_frames(stack, linked)
    pictures = [
        drawn(
            lambda width: frames_with_columns(frames, shown, width_in=width),
            folder,
            "columns",
            alt="Frames with the columns found in them.",
        ),
        drawn(
            lambda width: columns_over_time(linked.counts, shown, width_in=width),
            folder,
            "columns_over_time",
            alt="Number of columns, and hops added up, against time.",
        ),
    ]
    strained = linked.columns.dropna(subset=["exx"])
    if len(strained):
        names = ["y_px", "x_px", "exx", "eyy", "rotation_deg"]
        often = strained.groupby("column")[names].agg("mean")
        seen = strained.groupby("column").size()
        often = often[seen >= _OFTEN * seen.max()]
        pictures.append(
            drawn(
                lambda width: strain_map(often, width_in=width),
                folder,
                "strain",
                alt="Mean strain and rotation of each column against the lattice fitted to each frame.",
            )
        )
    return pictures


def show_beside_tracks(
    folder: Path, pictures: Sequence[Picture], linked: LinkedColumns, notes: Sequence[str]
) -> None:
    """Put the columns into a tracked movie's page.

    Parameters
    ----------
    folder : Path
        The tracked movie's folder.
    pictures : sequence of Picture
        As from `write_figures`.
    linked : LinkedColumns
        The tables.
    notes : sequence of str
        What a user should know.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    put_section(
        folder,
        "columns",
        title="Atomic columns",
        caption=" ".join([describe(linked.columns, linked.facts), *(f"Note: {note}." for note in notes)]),
        pictures=pictures,
        table=linked.hops,
        files=["columns.csv", "columns.parquet", "hops.csv", "column_counts.csv"],
    )


def describe(columns: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    """Say in a sentence what was found.

    Parameters
    ----------
    columns : pandas.DataFrame
        Their table.
    facts : mapping
        Number of hops, and their rate.

    Returns
    -------
    str
        How many columns and hops, and the rate of hops with its limits.
    """
    n_columns, n_frames = columns["column"].nunique(), columns["frame"].nunique()
    counts = ((n_columns, "column"), (n_frames, "frame"), (facts["hops"], "hop"))
    columns_, frames, hops = (f"{number:,} {what}{'' if number == 1 else 's'}" for number, what in counts)
    said = f"{columns_} in {frames}, {hops}"
    for per in ("s", "frame"):
        if f"hop_rate_per_{per}" in facts:
            rate, (low, high) = facts[f"hop_rate_per_{per}"], facts[f"hop_rate_95_percent_per_{per}"]
            said += f": {rate:.3g} per {per} (95 % limits {low:.3g} to {high:.3g})"
    return f"{said}."


def _few_frames(stack: Stack, linked: LinkedColumns) -> list[ColumnsFrame]:
    """Take the first, the middle and the last frame with columns."""
    there = np.unique(linked.columns["frame"].to_numpy())
    chosen = np.unique(there[np.rint(np.linspace(0, len(there) - 1, _FRAMES_SHOWN)).astype(int)])
    frames = []
    for index in chosen.tolist():
        frame = next(read_frames(stack, index, index + 1))
        if frame is not None:
            own = linked.columns[linked.columns["frame"] == index]
            frames.append(ColumnsFrame(index, finite_frame(frame)[0], own, linked.hops))
    return frames
