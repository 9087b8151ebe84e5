"""How particles carry their columns with them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...base.tables import Columns
from ..tracking.finished import TrackedMovie


def particle_motion(tracked: TrackedMovie, found: Columns) -> np.ndarray:
    """Say what the particle of each column has moved by since its first frame.

    Parameters
    ----------
    tracked : TrackedMovie
        Knows the particles' places.
    found : dict of arrays (n,)
        Columns: frame and particle.

    Returns
    -------
    array (n, 2), float64
        Along y and x [px]; 0 where the particle's place is not known.
    """
    places = tracked.tracks.set_index(["particle", "frame"])[["y_px", "x_px"]].sort_index()
    moved = places - places.groupby(level="particle").transform("first")
    wanted = pd.MultiIndex.from_arrays([found["particle"], found["frame"]])
    return moved.reindex(wanted).fillna(0.0).to_numpy(np.float64)


def where_seen(events: pd.DataFrame, turn: np.ndarray, column: np.ndarray, moved: np.ndarray) -> pd.DataFrame:
    """Put what happened to columns where it is seen in its frame.

    Parameters
    ----------
    events : pandas.DataFrame
        From `find_hops`, motion taken off: frame (a number of `turn`), column, from_y, from_x, to_y, to_x.
    turn, column : arrays (n,), int
        Frame and lasting number of each column found.
    moved : array (n, 2), float64
        What was taken off its place [px].

    Returns
    -------
    pandas.DataFrame
        The same, motion put on again; where the column is not there in that frame, as it was.
    """
    where = pd.DataFrame({"turn": turn, "column": column, "y": moved[:, 0], "x": moved[:, 1]})
    by_column = where.groupby(["turn", "column"]).first()
    at = by_column.reindex(pd.MultiIndex.from_frame(events[["frame", "column"]])).fillna(0.0)
    shifted = {
        f"{end}_{axis}": events[f"{end}_{axis}"].to_numpy() + at[axis].to_numpy()
        for end in ("from", "to")
        for axis in ("y", "x")
    }
    return events.assign(**shifted)
