"""Files and folders dragged onto the window: movies, and what temflux found in them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from temflux.engine.base.errors import ReadError, TemfluxError
from temflux.engine.base.stack import ArrayFrames, Stack
from temflux.engine.files.read import is_movie_file, movies_below, open_movie

from .showing import LayerData, history_layers, labels_layer, movie_layer, tracks_layer

if TYPE_CHECKING:
    import pandas as pd

Reader = Callable[[str | Sequence[str]], list[LayerData] | list[tuple[None]]]
_RESULT = "provenance.json"
_NEEDED = {"frame", "particle", "y_px", "x_px"}


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Choose how files are read, from their names alone.

    Parameters
    ----------
    path : str or sequence of str
        What was dragged onto the window.

    Returns
    -------
    callable or None
        Reads them; None where they are nothing for temflux.
    """
    good = all(_is_table(one) or one.is_dir() or is_movie_file(one) for one in _paths(path))
    return read_layers if good else None


def read_layers(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """Read movies, labels and tracks as layers; pixels are read when they are looked at.

    Parameters
    ----------
    path : str or sequence of str
        Files or folders.

    Returns
    -------
    list of layers' data
        One that says "none", which napari does not take for a failure, after a message.
    """
    from napari.utils.notifications import show_error, show_warning

    layers: list[LayerData] = []
    for one in _paths(path):
        try:
            layers += _read(one)
        except TemfluxError as error:
            show_error(str(error))
    for layer in layers:
        for note in layer[1]["metadata"].get("notes", ()):
            show_warning(f"{layer[1]['name']}: {note}")
    return layers or [(None,)]


def read_demo() -> list[LayerData]:
    """Simulate the demo's movie, and read it."""
    from temflux.engine.workflows.demo import make_demo_movie

    demo = make_demo_movie(tempfile.mkdtemp(prefix="temflux-"))
    return [movie_layer(open_movie(demo.path).with_calibration(dose_e_per_A2=demo.dose_e_per_A2))]


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and "tracks" in path.stem.lower()


def _read(path: Path) -> list[LayerData]:
    if _is_table(path):
        return _read_tracks(path)
    if path.is_dir() and (path / _RESULT).is_file() and (path / "labels.zarr").is_dir():
        labels = _open_labels(path / "labels.zarr")
        name = path.resolve().name
        layers = [labels_layer(f"{name}, labels", labels, path)]
        return layers + (_read_tracks(path / "tracks.csv", labels) if (path / "tracks.csv").is_file() else [])
    if _is_label_store(path):
        stack = _open_labels(path)
        return [labels_layer(stack.name, stack)]
    movies = movies_below(path) if path.is_dir() else [path]
    # A folder that holds none says what was expected in it.
    return [movie_layer(open_movie(movie)) for movie in movies or [path]]


def _is_label_store(path: Path) -> bool:
    """Tell whether a folder is a label movie, as OME-Zarr marks one."""
    try:
        attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        return "image-label" in attributes["ome"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _open_labels(path: Path) -> Stack:
    stack = open_movie(path, painted=True)
    if stack.dtype.kind not in "iub":
        raise ReadError(f"{path}: expected labels, whole numbers, got {stack.dtype}")
    return stack


def _read_tracks(path: Path, like: Stack | None = None) -> list[LayerData]:
    """Read a tracks.csv, with the labels' calibration where they are known, else with its own."""
    import pandas as pd

    from .tracking import columns_of

    name = path.resolve().parent.name if path.stem == "tracks" else path.stem
    try:
        table = pd.read_csv(path, dtype={"parents": str})
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: expected a table of tracks ({error}); run track again") from None
    missing = sorted(_NEEDED - set(table.columns))
    if missing:
        raise ReadError(
            f"{path}: expected columns {', '.join(sorted(_NEEDED))}, {', '.join(missing)} missing"
        )
    if table.empty:
        raise ReadError(f"{path}: holds no particle; run track with other settings")
    like = like or _like_of(table, path)
    events = path.with_name("events.csv")
    if path.stem == "tracks" and events.is_file():
        return history_layers(name, columns_of(table), columns_of(pd.read_csv(events)), like)
    return [_plain_tracks(name, table, like)]


def _plain_tracks(name: str, table: pd.DataFrame, like: Stack) -> LayerData:
    """Tracks with the graph that they were saved with, if any."""
    from .tracking import columns_of

    nothing = {column: np.empty(0, np.int64) for column in ("frame", "event", "particle", "other")}
    vertices, state, kind = tracks_layer(name, columns_of(table), nothing, like)
    if {"track", "parents"} <= set(table.columns):
        rows = table.sort_values(["track", "frame"], kind="stable")
        vertices = rows[["track", "frame", "y_px", "x_px"]].to_numpy(float)
        firsts = rows.drop_duplicates("track").dropna(subset="parents")
        state["graph"] = {
            int(track): [int(parent) for parent in str(parents).split()]
            for track, parents in zip(firsts["track"], firsts["parents"], strict=True)
        }
        state["features"] = {"particle": rows["particle"].to_numpy()}
    return vertices, state, kind


def _like_of(table: pd.DataFrame, path: Path) -> Stack:
    """Make up the movie that a table tells of, without its pixels."""
    n_frames = int(table["frame"].max()) + 1
    shape = (n_frames, int(table["y_px"].max()) + 1, int(table["x_px"].max()) + 1)
    frames = ArrayFrames(np.broadcast_to(np.uint8(0), shape))
    stack = Stack(frames, name=path.stem, source=str(path))
    if {"area_nm2", "area_px2"} <= set(table.columns):
        pixel_nm = float(np.sqrt(np.nanmedian(table["area_nm2"] / table["area_px2"])))
    elif "y_nm" in table.columns and (table["y_px"] > 0).any():
        pixel_nm = float(np.nanmedian((table["y_nm"] / table["y_px"])[table["y_px"] > 0]))
    else:
        pixel_nm = float("nan")
    stack = replace(stack, pixel_nm=pixel_nm if np.isfinite(pixel_nm) and pixel_nm > 0 else None)
    if "time_s" in table.columns:
        times = table.drop_duplicates("frame").sort_values("frame")
        steps = np.diff(times["time_s"]) / np.diff(times["frame"])
        if len(steps) and np.isfinite(steps).all() and np.median(steps) > 0:
            stack = stack.with_calibration(frame_s=float(np.median(steps)))
    return stack
