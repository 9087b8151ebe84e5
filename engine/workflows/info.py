"""Info: what a movie's file or folder holds, in words and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..base.stack import Stack
from ..files.read import open_movie


def describe_movie(source: str | Path | Stack, *, dataset: str | None = None) -> dict[str, Any]:
    """Say what was read of a movie.

    Parameters
    ----------
    source : path or Stack
        A movie's file or folder, or a movie already opened.
    dataset : str or None
        Name of the array to read where a file holds several.

    Returns
    -------
    dict
        Facts by name, units in the values' text; what the file does not say is "not in the file".

    Raises
    ------
    TemfluxError
        If it cannot be read.

    Examples
    --------
    >>> describe_movie(Stack.from_array(np.zeros((3, 4, 5)), pixel_nm=0.1))["frames"]
    '3 of 4 by 5 pixels (rows by columns), float64'
    """
    stack = source if isinstance(source, Stack) else open_movie(source, dataset=dataset)
    n_frames, rows, columns = stack.shape
    n_bytes = n_frames * rows * columns * stack.dtype.itemsize
    field = (
        ""
        if stack.pixel_nm is None
        else f", field {columns * stack.pixel_nm:.4g} by {rows * stack.pixel_nm:.4g} nm"
    )
    facts: dict[str, Any] = {
        "movie": stack.name,
        "source": stack.source,
        "frames": f"{n_frames} of {rows} by {columns} pixels (rows by columns), {stack.dtype}",
        "size": f"{n_bytes / 1e6:,.1f} MB of pixels",
        "pixel size": "not in the file" if stack.pixel_nm is None else f"{stack.pixel_nm:.6g} nm{field}",
        "times": _times(stack),
        "dose": _dose(stack),
        "began": "not in the file" if stack.start is None else stack.start.isoformat(sep=" "),
    }
    if stack.missing:
        facts["missing frames"] = list(stack.missing)
    notes = (*stack.notes, *stack.unknown)
    facts |= {f"note {number}": note for number, note in enumerate(notes, start=1)}
    return facts | ({"metadata": dict(stack.metadata)} if stack.metadata else {})


def _times(stack: Stack) -> str:
    if stack.times_s is None:
        return "not in the file"
    if stack.frame_s is None:
        return "a single frame"
    gaps = int(np.count_nonzero(np.diff(stack.times_s) > 1.5 * stack.frame_s))
    said = f"{stack.frame_s:.6g} s a frame, {stack.times_s[-1] - stack.times_s[0]:.6g} s from first to last"
    return f"{said}, {gaps} gap{'s' if gaps > 1 else ''}" if gaps else said


def _dose(stack: Stack) -> str:
    if stack.dose_e_per_A2 is None:
        return "not in the file"
    least, most = float(np.min(stack.dose_e_per_A2)), float(np.max(stack.dose_e_per_A2))
    return f"{least:.4g} e⁻/Å² a frame" if least == most else f"{least:.4g} to {most:.4g} e⁻/Å² a frame"
