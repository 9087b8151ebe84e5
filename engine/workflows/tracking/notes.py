"""What a user should know of a tracked movie: assumptions made, frames not used, wishes not met."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...base.stack import Stack
from ...base.tables import Columns
from .settings import TrackSettings

_FRAMES_NAMED = 8


def gather_notes(
    stack: Stack, settings: TrackSettings, tracks: pd.DataFrame, checks: Columns
) -> tuple[str, ...]:
    """Gather one sentence for each thing that a user should know.

    Parameters
    ----------
    stack : Stack
        The movie.
    settings : TrackSettings
        How it was tracked.
    tracks : pandas.DataFrame
        What was found.
    checks : dict of arrays
        What was wrong with each frame: `unreadable`, `blank`, `replaced_px`.

    Returns
    -------
    tuple of str
        Sentences without a full stop; none where all went as a user would expect.
    """
    return (
        *stack.notes,
        *stack.unknown,
        *_separation_note(stack, settings),
        *_unseen_note(tracks, settings),
        *_nothing_note(tracks),
        *_fault_notes(checks, stack, settings),
    )


def _separation_note(stack: Stack, settings: TrackSettings) -> tuple[str, ...]:
    if stack.pixel_nm is not None:
        return ()
    separation = f"{settings.min_separation_px:g} px"
    return (
        f"particles are kept {separation} apart (--min-separation-px); the rule in nm needs a pixel size",
    )


def _nothing_note(tracks: pd.DataFrame) -> tuple[str, ...]:
    if len(tracks):
        return ()
    return ("no particle was found; try --polarity, a smaller --min-separation-nm, or --segment masks:PATH",)


def _unseen_note(tracks: pd.DataFrame, settings: TrackSettings) -> tuple[str, ...]:
    unseen = sorted(settings.named_particles() - set(tracks["particle"].tolist()))
    return (
        (f"no spectra of particle {', '.join(map(str, unseen))}: there is no such particle",)
        if unseen
        else ()
    )


def _fault_notes(checks: Columns, stack: Stack, settings: TrackSettings) -> tuple[str, ...]:
    """Say which frames could not be used, or only in part, beyond those known when the movie was opened."""
    unreadable = np.setdiff1d(checks["frame"][checks["unreadable"]], stack.missing)
    blank = checks["frame"][checks["blank"]]
    replaced = checks["frame"][checks["replaced_px"] > 0]
    said = []
    if len(unreadable):
        said.append(f"could not be read, counted as empty: {_frames(unreadable)}")
    if len(blank):
        said.append(f"one value everywhere, counted as empty: {_frames(blank)}")
    if len(replaced):
        n_px = int(checks["replaced_px"].sum())
        said.append(f"pixels that are not finite, set to their frame's median: {n_px} in {_frames(replaced)}")
    if settings.memory == 0 and (len(blank) or len(unreadable) or stack.missing):
        said.append("particles end at an empty frame and begin anew behind it; --memory 1 or more bridges it")
    return tuple(said)


def _frames(indices: np.ndarray) -> str:
    named = ", ".join(str(index) for index in indices[:_FRAMES_NAMED].tolist())
    more = f" and {len(indices) - _FRAMES_NAMED} more" if len(indices) > _FRAMES_NAMED else ""
    return f"frame{'s' if len(indices) > 1 else ''} {named}{more}"
