"""Zone-axis maps of a few frames: masks scaled by the score, as a file for napari and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ...base.stack import ArrayFrames, Stack
from ...files.write import write_movie
from ...images.clean import finite_frame
from ...measure.reflections.zone_axis import zone_axis_map
from ...report.canvas import save_figure
from ...report.pictures import Picture, photograph
from ...report.shown import Shown
from ...report.zone_axis_map import draw_zone_axis_map
from ..tracking.finished import TrackedMovie
from ..tracking.segmentation import read_frames

MAPS = "zone_axis_map.ome.tif"


def write_zone_axis_maps(
    tracked: TrackedMovie, stack: Stack, zone_axis: pd.DataFrame, shown: Shown
) -> Picture | None:
    """Write the zone-axis maps of the first, the middle and the last frame with particles.

    Parameters
    ----------
    tracked : TrackedMovie
        The movie's labels and folder; the maps go to zone_axis_map.ome.tif in it.
    stack : Stack
        The movie.
    zone_axis : pandas.DataFrame
        Scores of every particle and frame.
    shown : Shown
        The movie's axes.

    Returns
    -------
    Picture or None
        The frame of these in which most particles can be read, beside its map; None without particles.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    frames = np.unique(zone_axis["frame"])
    chosen = np.unique(frames[[0, len(frames) // 2, -1]]) if len(frames) else frames
    maps = []
    for index in chosen.tolist():
        scores = zone_axis[zone_axis["frame"] == index]
        ratio = scores["noise_floored_ratio"].to_numpy(np.float64)
        maps.append(zone_axis_map(np.asarray(tracked.labels[index]), scores["particle"].to_numpy(), ratio))
    if not maps:
        return None
    times_s = None if stack.times_s is None else np.asarray(stack.times_s)[chosen]
    kept = Stack(
        ArrayFrames(np.stack(maps)),
        name="zone_axis_map",
        pixel_nm=stack.pixel_nm,
        times_s=times_s,
        # Equal maps of the same movie are the same bytes.
        fingerprint=f"{stack.fingerprint} zone axis" if stack.fingerprint else "",
    )
    write_movie(kept, tracked.folder / MAPS)
    readable = [
        int(zone_axis.loc[zone_axis["frame"] == index, "readable"].sum()) for index in chosen.tolist()
    ]
    best = int(np.argmax(readable))
    return _picture(tracked.folder, stack, shown, int(chosen[best]), maps[best])


def _picture(folder: Path, stack: Stack, shown: Shown, index: int, scores: np.ndarray) -> Picture | None:
    frame = next(read_frames(stack, index, index + 1))
    if frame is None:
        return None
    figure = draw_zone_axis_map(
        finite_frame(frame)[0], scores, title=shown.at(index).split(" · ")[0], pixel_nm=stack.pixel_nm
    )
    png = save_figure(figure, folder / "figures", "zone_axis_map")
    alt = f"Frame {index} beside its particles, brighter the nearer to a zone axis"
    return Picture(alt, "figures/zone_axis_map", photograph(png))
