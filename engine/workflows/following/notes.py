"""What a user should know of followed reflections: assumptions made, particles too faint, wishes not met."""

from __future__ import annotations

import pandas as pd

from ...base.stack import Stack
from .settings import PeaksSettings


def gather_notes(
    stack: Stack, settings: PeaksSettings, zone_axis: pd.DataFrame, frames_of_noise: int
) -> tuple[str, ...]:
    """Gather one sentence for each thing that a user should know.

    Parameters
    ----------
    stack : Stack
        The movie.
    settings : PeaksSettings
        What was asked for.
    zone_axis : pandas.DataFrame
        Scores of every particle and frame.
    frames_of_noise : int
        Frames whose vacuum the noise was measured in.

    Returns
    -------
    tuple of str
        Sentences without a full stop; none where all went as a user would expect.
    """
    said = list(stack.unknown)
    if stack.pixel_nm is None:
        said.append("the pixel size is unknown: q is in 1/px alone, and there are no spacings d")
    if frames_of_noise == 0:
        said.append(
            "no vacuum to measure noise: it was taken from rings of each particle's own spectrum, which "
            "finds fewer reflections"
        )
    if zone_axis.empty:
        return (*said, "no particle was followed; see the page of the tracked movie")
    faint = zone_axis["reason"].str.startswith("too few counts")
    if faint.any():
        limit = float(zone_axis.loc[faint, "contrast_limit"].median())
        said.append(
            f"too few counts for fringes of contrast {settings.contrast:g} in {int(faint.sum())} of "
            f"{len(zone_axis)} spectra: {limit:.2g} could be seen there; zone_axis.csv names the dose that "
            "it would take"
        )
    cut = int((zone_axis["reason"] == "cut by the edge").sum())
    if cut:
        said.append(f"cut by the frame's edge, not counted as readable: {cut} of {len(zone_axis)} spectra")
    return tuple(said)
