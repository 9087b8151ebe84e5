"""The engine's whole job on a layer's movie, and its results as layers, a plot and a page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from temflux.engine.base.errors import DataError, ReadError
from temflux.engine.base.stack import Stack
from temflux.engine.base.tables import Columns

from ..results import Step, Table
from .layers import LayerFrames
from .showing import LayerData, history_layers, labels_layer

if TYPE_CHECKING:
    import pandas as pd

    from temflux.engine.workflows.track import TrackResult
    from temflux.engine.workflows.tracking.settings import TrackSettings

    from .running import Tell

# Few, so that the bar moves and a wish to stop is heard; the result does not depend on it.
_FRAMES_PER_BLOCK = 4
_NOT_IN_NAMES = re.compile(r"[^\w.\- ]+")


def track_stack(stack: Stack, settings: TrackSettings, folder: Path | None, tell: Tell) -> TrackResult:
    """Track a movie as the command line does.

    Parameters
    ----------
    stack : Stack
        The movie.
    settings : TrackSettings
        As on the command line.
    folder : Path or None
        Where a folder of results is made, under a name that is free; None for a temporary one.
    tell : callable
        Takes the steps; what it raises stops the work.

    Returns
    -------
    TrackResult
        As `track` gives it.
    """
    from temflux.engine.workflows.track import track

    name = _NOT_IN_NAMES.sub("-", stack.name).strip(". ") or "movie"
    return track(
        replace(stack, name=name),
        settings,
        out=None if folder is None else _free(folder / name),
        progress=lambda stage, done, total: tell(Step(stage, done, total)),
        frames_per_block=_FRAMES_PER_BLOCK,
    )


def result_layers(result: TrackResult, stack: Stack) -> list[LayerData]:
    """Give the labels, tracks and events of a tracked movie as layers."""
    frames = LayerFrames(result.labels)
    labels = replace(stack, frames=frames, name=f"{stack.name}, labels", fingerprint="", missing=())
    return [
        labels_layer(labels.name, labels, result.folder),
        *history_layers(stack.name, columns_of(result.tracks), columns_of(result.events), labels),
    ]


def area_table(result: TrackResult, stack: Stack) -> Table:
    """Give the properties of a tracked movie's particles, drawn as areas over time."""
    from ..menu import over_time

    columns = columns_of(result.tracks.sort_values(["particle", "frame"]))
    area, unit = ("area_px2", "px²") if stack.pixel_nm is None else ("area_nm2", "nm²")
    names = {number: f"particle {number}" for number in sorted(set(columns["particle"].tolist()))}
    curve = over_time(columns, area, "particle", f"area [{unit}]")
    return Table(f"{stack.name}: particle properties", columns, (curve,) if names else (), names)


def columns_of(frame: pd.DataFrame) -> Columns:
    """Give a table's columns as arrays."""
    return {str(name): frame[name].to_numpy() for name in frame.columns}


def page_of(folder: Path) -> Path:
    """Name the page of a folder of results; raise ReadError where it is gone."""
    page = folder / "page.html"
    if not page.is_file():
        raise ReadError(f"{page} is not there any more; track the movie again")
    return page


def open_in_browser(page: Path) -> None:
    """Show a page in the user's browser, and say where it lies."""
    from napari.utils.notifications import show_info
    from qtpy.QtCore import QUrl
    from qtpy.QtGui import QDesktopServices

    QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))
    show_info(f"the page: {page}")


def _free(folder: Path) -> Path:
    """Find a name that is not taken, since tracking replaces what bears its name."""
    if folder.parent.exists() and not folder.parent.is_dir():
        raise DataError(f"{folder.parent} is a file; choose a folder for the results")
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
