"""One door out: a Stack to a file that ImageJ, napari and GMS open with its calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from ..base.stack import Stack
from .atomic import atomic_file


def write_movie(stack: Stack, path: str | Path) -> Path:
    """Write a movie as OME-TIFF, frame by frame, with pixel size and the time of every frame.

    Parameters
    ----------
    stack : Stack
        The movie; it is never held in memory.
    path : path
        The file to make or replace; its name should end in .ome.tif.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    WriteError
        If the system refuses to write; nothing is left behind.

    Notes
    -----
    A stack with a fingerprint gives the same bytes at every write.

    Examples
    --------
    >>> import tempfile
    >>> stack = Stack.from_array(np.zeros((2, 32, 32), np.uint16), pixel_nm=0.1, frame_s=0.5)
    >>> write_movie(stack, Path(tempfile.mkdtemp()) / "movie.ome.tif").name
    'movie.ome.tif'
    """
    import tifffile

    path = Path(path)
    metadata: dict[str, Any] = {"axes": "TYX", "Name": stack.name}
    if stack.pixel_nm is not None:
        metadata |= {"PhysicalSizeX": stack.pixel_nm, "PhysicalSizeXUnit": "nm"}
        metadata |= {"PhysicalSizeY": stack.pixel_nm, "PhysicalSizeYUnit": "nm"}
    if stack.times_s is not None:
        times_s = np.asarray(stack.times_s, float).tolist()
        metadata["Plane"] = {"DeltaT": times_s, "DeltaTUnit": ["s"] * stack.n_frames}
        if stack.frame_s is not None:
            metadata |= {"TimeIncrement": stack.frame_s, "TimeIncrementUnit": "s"}
    if stack.fingerprint:
        # Otherwise drawn anew at every write, and the same movie would never be the same bytes.
        metadata["UUID"] = str(uuid5(NAMESPACE_OID, f"{stack.fingerprint} {stack.shape} {metadata}"))
    frames = (stack.read(index, index + 1)[0] for index in range(stack.n_frames))
    with atomic_file(path) as temporary:
        tifffile.imwrite(
            temporary,
            frames,
            shape=stack.shape,
            dtype=stack.dtype,
            ome=True,
            photometric="minisblack",
            metadata=metadata,
        )
    return path
