"""Layers to files: labels that the engine and other programs open calibrated, tracks as a table."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from temflux.engine.base.errors import WriteError
from temflux.engine.base.stack import Stack
from temflux.engine.files.atomic import atomic_file, replace_folder

from .layers import stack_of
from .running import telling_errors


def write_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a labels layer frame by frame.

    Parameters
    ----------
    path : str
        A `.zarr` folder that is not there yet, an `.ome.tif` or an `.npy` file.
    data : array (T, Y, X) or (Y, X)
        Labels.
    attributes : mapping
        The layer's name, scale, units and metadata.

    Returns
    -------
    list of str
        What was written; nothing where it failed, after a message.
    """
    with telling_errors():
        target, stack = Path(path), stack_of(data, attributes)
        if target.suffix.lower() == ".zarr":
            _write_store(target, stack)
        elif target.suffix.lower() == ".npy":
            _write_npy(target, stack)
        else:
            from temflux.engine.files.write import write_movie

            write_movie(stack, target)
        return [path]
    return []


def write_tracks(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a tracks layer as a table that reads back as it is.

    Parameters
    ----------
    path : str
        A `.csv` file.
    data : array (n, 4)
        Track, frame, y [px], x [px].
    attributes : mapping
        The layer's name, scale, units, features and graph.

    Returns
    -------
    list of str
        What was written; nothing where it failed, after a message.
    """
    import pandas as pd

    with telling_errors():
        vertices = np.asarray(data, float)
        like = stack_of(np.broadcast_to(np.uint8(0), (int(vertices[:, 1].max()) + 1, 1, 1)), attributes)
        frame = vertices[:, 1].astype(np.int64)
        features = attributes.get("features", {})
        track = vertices[:, 0].astype(np.int64)
        columns = {
            "frame": frame,
            "particle": np.asarray(features["particle"], np.int64) if "particle" in features else track,
            "track": track,
            "y_px": vertices[:, 2],
            "x_px": vertices[:, 3],
        }
        if like.times_s is not None:
            columns["time_s"] = like.times_s[frame]
        if like.pixel_nm is not None:
            columns |= {f"{axis}_nm": columns[f"{axis}_px"] * like.pixel_nm for axis in "yx"}
        table = pd.DataFrame(columns)
        graph = attributes.get("graph", {})
        told = {number: " ".join(str(parent) for parent in np.atleast_1d(of)) for number, of in graph.items()}
        table["parents"] = table["track"].map(told)
        with atomic_file(Path(path)) as temporary:
            table.to_csv(temporary, index=False)
        return [path]
    return []


def _write_store(path: Path, stack: Stack) -> None:
    from temflux.engine.files.labels import create_labels

    if path.exists():
        raise WriteError(f"{path} is there already; choose another name")
    new = path.with_name(f".{path.name}.partial")
    try:
        calibration = {"pixel_nm": stack.pixel_nm, "frame_s": stack.frame_s}
        store = create_labels(new, shape=stack.shape, name=path.stem, **calibration)
        for frame in range(stack.n_frames):
            store[frame] = stack.read(frame, frame + 1)[0]
        replace_folder(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write_npy(path: Path, stack: Stack) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        header = {"descr": stack.dtype.str, "fortran_order": False, "shape": stack.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for frame in range(stack.n_frames):
            file.write(np.ascontiguousarray(stack.read(frame, frame + 1)).tobytes())
