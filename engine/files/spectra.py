"""Spectra of one particle over time, in an OME-Zarr store calibrated in reciprocal space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from ..base.errors import DataError
from .atomic import write_errors
from .labels import create_ome_group, one_scale, open_first_scale

# Spectra are noise in their low bits: level 1 gains nearly all that compression can.
_COMPRESSION = ZstdCodec(level=1)


def create_spectra(
    path: str | Path,
    *,
    n_frames: int,
    size: int,
    reciprocal_pixel_per_nm: float | None,
    reciprocal_pixel_per_px: float | None = None,
    frames_per_chunk: int = 8,
    name: str = "spectrum",
) -> zarr.Array:
    """Make a store for the spectra of one particle and hand it out for writing.

    All values start as NaN; a chunk in which the particle never appears occupies no disk. Processes that
    write at once must not share a chunk: give each whole runs of `frames_per_chunk` frames.

    Parameters
    ----------
    path : str or Path
        Folder to make or replace, named `….zarr`.
    n_frames : int
        Frames of the movie (T).
    size : int
        Rows and columns of a spectrum (N); its centre, q = 0, is at index N // 2.
    reciprocal_pixel_per_nm : float or None
        Side of a reciprocal pixel [1/nm], 1 / (N · pixel size); None where the movie is not calibrated.
    reciprocal_pixel_per_px : float or None
        Side of a reciprocal pixel [1/px]; 1 / N where None.
    frames_per_chunk : int
        Frames that are compressed together.
    name : str
        Name shown for the layer.

    Returns
    -------
    zarr.Array (T, N, N), float32
        Spectra to be assigned by frame. Attributes: `reciprocal_pixel_per_nm`, `reciprocal_pixel_per_px`,
        `centre_px`.

    Raises
    ------
    DataError
        If a size is below 1.
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> store = create_spectra(
    ...     Path(tempfile.mkdtemp()) / "1.zarr", n_frames=9, size=64, reciprocal_pixel_per_nm=0.1
    ... )
    >>> store.shape, store.attrs["reciprocal_pixel_per_nm"]
    ((9, 64, 64), 0.1)
    """
    if min(n_frames, size, frames_per_chunk) < 1:
        raise DataError(
            "expected at least 1 frame, 1 pixel and 1 frame a chunk, "
            f"got {n_frames}, {size} and {frames_per_chunk}"
        )
    per_px = 1.0 / size if reciprocal_pixel_per_px is None else float(reciprocal_pixel_per_px)
    step = per_px if reciprocal_pixel_per_nm is None else float(reciprocal_pixel_per_nm)
    # Viewers take a unit of px for a printer's length, so an uncalibrated axis has none.
    unit = {} if reciprocal_pixel_per_nm is None else {"unit": "1/nm"}
    space = [{"name": axis, "type": "space", **unit} for axis in "yx"]
    scale = one_scale(
        name=name,
        axes=[{"name": "t", "type": "time"}, *space],
        scale=[1.0, step, step],
        translation=[0.0, -(size // 2) * step, -(size // 2) * step],
    )
    with write_errors(Path(path)):
        group = create_ome_group(Path(path), {"multiscales": [scale]})
        return group.create_array(
            "0",
            shape=(n_frames, size, size),
            chunks=(min(frames_per_chunk, n_frames), size, size),
            dtype="float32",
            fill_value=np.nan,
            compressors=_COMPRESSION,
            dimension_names=("t", "y", "x"),
            attributes={
                "reciprocal_pixel_per_nm": reciprocal_pixel_per_nm,
                "reciprocal_pixel_per_px": per_px,
                "centre_px": [size // 2, size // 2],
            },
        )


def open_spectra(path: str | Path, *, writable: bool = False) -> zarr.Array:
    """Open the spectra of one particle made by `create_spectra`.

    Parameters
    ----------
    path : str or Path
        The `….zarr` folder.
    writable : bool
        True to assign spectra, from this or another process.

    Returns
    -------
    zarr.Array (T, N, N), float32
        Spectra, NaN in frames without the particle; slices are read when asked for.

    Raises
    ------
    ReadError
        If there is no such store at `path`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "1.zarr"
    >>> _ = create_spectra(folder, n_frames=2, size=8, reciprocal_pixel_per_nm=None)
    >>> bool(np.isnan(open_spectra(folder)[1]).all())
    True
    """
    return open_first_scale(Path(path), writable=writable, kind="the spectra of a particle")
