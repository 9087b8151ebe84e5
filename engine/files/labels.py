"""Label movies: the particle at every pixel and frame, an OME-Zarr store that opens calibrated in napari."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import ZstdCodec

from ..base.errors import DataError, ReadError
from .atomic import write_errors

OME_VERSION = "0.5"
_LARGEST_CHUNK_PX = 2048
# Level 1 already packs labels to well under 1 % of their size. Not Blosc: its threads may order blocks
# differently from run to run, and equal labels must give equal bytes.
_COMPRESSION = ZstdCodec(level=1)


def create_labels(
    path: str | Path,
    *,
    shape: tuple[int, int, int],
    pixel_nm: float | None,
    frame_s: float | None,
    name: str = "labels",
) -> zarr.Array:
    """Make an empty label movie and hand it out for writing.

    Every frame has chunks of its own, so several processes may write different frames at once and the
    bytes do not depend on who wrote first. Frames without a particle occupy no disk.

    Parameters
    ----------
    path : str or Path
        Folder to make or replace, named `….zarr`.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    pixel_nm : float or None
        Side of a square pixel [nm]; None leaves Y and X in pixels, without a unit.
    frame_s : float or None
        Time from one frame to the next [s]; None leaves T in frames, without a unit.
    name : str
        Name shown for the layer.

    Returns
    -------
    zarr.Array (T, Y, X), int32
        Particle identities to be assigned frame by frame; 0 is background.

    Raises
    ------
    DataError
        If the shape is not three numbers above 0.
    WriteError
        If the system refuses to write.

    References
    ----------
    .. [1] OME-NGFF 0.5: multiscales and image-label metadata on Zarr version 3.

    Examples
    --------
    >>> import tempfile
    >>> create_labels(Path(tempfile.mkdtemp()) / "a.zarr", shape=(2, 8, 8), pixel_nm=0.1, frame_s=None).chunks
    (1, 8, 8)
    """
    if len(shape) != 3 or min(shape) < 1:
        raise DataError(f"expected labels (T, Y, X) with at least 1 of each, got shape {tuple(shape)}")
    axes = [
        _axis("t", "time", None if frame_s is None else "second"),
        _axis("y", "space", None if pixel_nm is None else "nanometer"),
        _axis("x", "space", None if pixel_nm is None else "nanometer"),
    ]
    scale = [frame_s or 1.0, pixel_nm or 1.0, pixel_nm or 1.0]
    metadata = {"image-label": {}, "multiscales": [one_scale(name=name, axes=axes, scale=scale)]}
    with write_errors(Path(path)):
        group = create_ome_group(Path(path), metadata)
        return group.create_array(
            "0",
            shape=shape,
            chunks=(1, _chunk_px(shape[1]), _chunk_px(shape[2])),
            dtype="int32",
            fill_value=0,
            compressors=_COMPRESSION,
            dimension_names=("t", "y", "x"),
        )


def open_labels(path: str | Path, *, writable: bool = False) -> zarr.Array:
    """Open a label movie made by `create_labels`.

    Parameters
    ----------
    path : str or Path
        The `….zarr` folder.
    writable : bool
        True to assign frames of it, from this or another process.

    Returns
    -------
    zarr.Array (T, Y, X), int32
        Particle identities; 0 is background. Slices are read when asked for.

    Raises
    ------
    ReadError
        If there is no label movie of this kind at `path`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "a.zarr"
    >>> _ = create_labels(folder, shape=(2, 8, 8), pixel_nm=0.1, frame_s=0.5)
    >>> open_labels(folder)[0].max().item()
    0
    """
    return open_first_scale(Path(path), writable=writable, kind="a label movie")


def create_ome_group(path: Path, metadata: dict[str, Any]) -> zarr.Group:
    """Make an empty Zarr version 3 group that carries OME metadata.

    Parameters
    ----------
    path : Path
        Folder to make or replace.
    metadata : dict
        What stands beside the version in the attribute `ome`.

    Returns
    -------
    zarr.Group
        The group, open for writing.

    Examples
    --------
    >>> import tempfile
    >>> create_ome_group(Path(tempfile.mkdtemp()) / "a.zarr", {}).attrs["ome"]
    {'version': '0.5'}
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return zarr.create_group(
        str(path), zarr_format=3, overwrite=True, attributes={"ome": {"version": OME_VERSION, **metadata}}
    )


def one_scale(
    *, name: str, axes: list[dict[str, str]], scale: list[float], translation: list[float] | None = None
) -> dict[str, Any]:
    """Describe an array in dataset `0` with its axes and calibration, as OME-NGFF 0.5 wants it.

    Parameters
    ----------
    name : str
        Name shown for the layer.
    axes : list of dict
        Name, type and unit of each axis.
    scale : list of float
        Size of a step along each axis, in the axis's unit.
    translation : list of float or None
        Position of the first element along each axis, in the axis's unit.

    Returns
    -------
    dict
        One entry of `multiscales`.

    Examples
    --------
    >>> one_scale(name="a", axes=[], scale=[1.0])["datasets"][0]["path"]
    '0'
    """
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": [float(step) for step in scale]}]
    if translation is not None:
        transformations.append({"type": "translation", "translation": [float(at) for at in translation]})
    return {
        "name": name,
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }


def open_first_scale(path: Path, *, writable: bool, kind: str) -> zarr.Array:
    """Open dataset `0` of an OME-Zarr group.

    Parameters
    ----------
    path : Path
        The `….zarr` folder.
    writable : bool
        True to assign parts of it.
    kind : str
        What was expected there, for the error's text.

    Returns
    -------
    zarr.Array
        The array, read when sliced.

    Raises
    ------
    ReadError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "a.zarr"
    >>> _ = create_labels(folder, shape=(2, 8, 8), pixel_nm=None, frame_s=None)
    >>> open_first_scale(folder, writable=False, kind="a label movie").shape
    (2, 8, 8)
    """
    try:
        return zarr.open_array(str(path / "0"), mode="r+" if writable else "r", zarr_format=3)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(f"expected {kind} at {path}, found no array; run track again") from error


def _axis(name: str, kind: str, unit: str | None) -> dict[str, str]:
    return {"name": name, "type": kind} | ({} if unit is None else {"unit": unit})


def _chunk_px(side: int) -> int:
    return math.ceil(side / math.ceil(side / _LARGEST_CHUNK_PX))
