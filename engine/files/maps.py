"""Maps of a movie: what a network gives at every pixel and frame, a Zarr store with named axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from ..base.errors import DataError, ReadError
from .atomic import write_errors

_LARGEST_CHUNK_PX = 2048
# As for labels: not Blosc, whose threads may order blocks differently from run to run.
_COMPRESSION = ZstdCodec(level=1)


def create_maps(
    path: str | Path,
    *,
    shape: tuple[int, ...],
    channels: tuple[str, ...] | None,
    dtype: str = "float16",
    pixel_nm: float | None = None,
    frame_s: float | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> zarr.Array:
    """Make a store for the maps of a movie and hand it out for writing.

    All values start as NaN, and frames that are never written occupy no disk. Every frame has chunks of its
    own.

    Parameters
    ----------
    path : str or Path
        Folder to make or replace, named `….zarr`.
    shape : tuple of int
        Number of frames, rows, columns and channels (T, Y, X, C), or (T, Y, X) of one map a frame.
    channels : tuple of str or None
        Names of the channels; None where there is no such axis.
    dtype : {"float16", "float32"}
        Type of the values. float16 steps by at most 0.0005 between 0 and 1: for probabilities.
    pixel_nm : float or None
        Side of a square pixel [nm].
    frame_s : float or None
        Time from one frame to the next [s].
    attributes : mapping or None
        What else the store shall carry, as JSON.

    Returns
    -------
    zarr.Array (T, Y, X, C) or (T, Y, X)
        To be assigned frame by frame. Attributes: `axes` (name, unit and scale of each), `channels` where
        there are some, `pixel_nm`, and those given.

    Raises
    ------
    DataError
        If the shape is not of numbers above 0, or there is not a name for each channel.
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "maps.zarr"
    >>> create_maps(path, shape=(2, 8, 8, 1), channels=("inside",), pixel_nm=0.1).attrs["axes"][1]
    {'name': 'y', 'type': 'space', 'scale': 0.1, 'unit': 'nanometer'}
    """
    tail = () if channels is None else (len(channels),)
    if len(shape) != 3 + len(tail) or min(shape) < 1 or shape[3:] != tail:
        named = f"(T, Y, X, C), {len(channels)} of them channels," if channels else "(T, Y, X)"
        raise DataError(f"expected maps {named} with at least 1 of each, got {shape}")
    axes: list[dict[str, Any]] = [
        _axis("t", "time", frame_s, "second"),
        _axis("y", "space", pixel_nm, "nanometer"),
        _axis("x", "space", pixel_nm, "nanometer"),
        *({"name": "c", "type": "channel"} for _ in tail),
    ]
    path = Path(path)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return zarr.create_array(
            str(path),
            shape=shape,
            chunks=(1, _chunk_px(shape[1]), _chunk_px(shape[2]), *tail),
            dtype=dtype,
            fill_value=np.nan,
            compressors=_COMPRESSION,
            dimension_names=[axis["name"] for axis in axes],
            attributes={
                "axes": axes,
                **({} if channels is None else {"channels": list(channels)}),
                "pixel_nm": pixel_nm,
                **(attributes or {}),
            },
            zarr_format=3,
            overwrite=True,
        )


def open_maps(path: str | Path, *, writable: bool = False) -> zarr.Array:
    """Open maps made by `create_maps`.

    Parameters
    ----------
    path : str or Path
        The `….zarr` folder.
    writable : bool
        True to assign frames of it.

    Returns
    -------
    zarr.Array (T, Y, X, C) or (T, Y, X)
        Slices are read when asked for; NaN where nothing was predicted.

    Raises
    ------
    ReadError
        If there are no maps at `path`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "maps.zarr"
    >>> _ = create_maps(path, shape=(2, 8, 8, 1), channels=("inside",))
    >>> open_maps(path).shape
    (2, 8, 8, 1)
    """
    try:
        array = zarr.open_array(str(path), mode="r+" if writable else "r", zarr_format=3)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(f"expected maps at {path}, found no array; run temflux predict again") from error
    if array.ndim not in (3, 4):
        raise ReadError(f"{path}: expected maps (T, Y, X, C) or (T, Y, X), got shape {array.shape}")
    return array


def _axis(name: str, kind: str, scale: float | None, unit: str) -> dict[str, Any]:
    """Describe an axis; without a scale it is counted in frames or pixels, and has no unit."""
    known: dict[str, Any] = {} if scale is None else {"unit": unit}
    return {"name": name, "type": kind, "scale": 1.0 if scale is None else float(scale), **known}


def _chunk_px(side: int) -> int:
    return math.ceil(side / math.ceil(side / _LARGEST_CHUNK_PX))
