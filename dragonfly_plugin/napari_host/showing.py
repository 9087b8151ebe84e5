"""What the engine gives, as layers and docks of the window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temflux.engine.base.stack import Stack
from temflux.engine.base.tables import Columns
from temflux.engine.images.clean import finite_frame

from ..results import LabelledMovie, SpectraMovie, Table
from .layers import ORIGIN, Origin, PaintedFrames, calibration_of, lazy_array
from .track_graph import cut_tracks

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

LayerData = tuple[Any, dict[str, Any], str]

# Of the pixels, so that a hot pixel does not darken the rest.
_DARKEST, _BRIGHTEST = 0.1, 99.9
# Told apart with any colour vision.
_EVENT_COLOURS = {"birth": "#009E73", "death": "#D55E00", "split": "#56B4E9", "merge": "#CC79A7"}
_EVENT_SYMBOLS = {"birth": "disc", "death": "x", "split": "triangle_up", "merge": "triangle_down"}
_EVENT_SIZE_PX = 10


def movie_layer(stack: Stack) -> LayerData:
    """Give a movie as an image layer, read when it is looked at; a movie of masks as labels."""
    if stack.dtype.kind == "b":
        return labels_layer(stack.name, stack)
    frame = finite_frame(stack.read(stack.n_frames // 2, stack.n_frames // 2 + 1)[0])[0]
    low, high = np.percentile(frame, (_DARKEST, _BRIGHTEST)).tolist()
    array = lazy_array(stack)
    state = {
        "name": stack.name,
        **calibration_of(stack),
        "colormap": "gray",
        "contrast_limits": (low, high if high > low else low + 1),
        "metadata": {ORIGIN: Origin(stack, array.name), **_facts(stack)},
    }
    return array, state, "image"


def labels_layer(name: str, stack: Stack, folder: Path | None = None) -> LayerData:
    """Give a movie of labels as a labels layer, read or painted when it is looked at."""
    array = lazy_array(stack)
    if stack.dtype.kind == "b":
        # As which napari would take them anyway, read whole.
        array = array.astype(np.uint8)
    origin = Origin(stack, array.name, "" if folder is None else str(folder))
    state = {"name": name, **calibration_of(stack), "metadata": {ORIGIN: origin, **_facts(stack)}}
    return array, state, "labels"


def tracks_layer(name: str, instances: Columns, events: Columns, like: Stack) -> LayerData:
    """Give particles over time as a tracks layer, with the graph of their splits and merges."""
    vertices, rows, graph = cut_tracks(instances, events)
    features = {"particle": np.asarray(instances["particle"])[rows]}
    areas = [column for column in ("area_nm2", "area_px2") if column in instances]
    features |= {column: np.asarray(instances[column])[rows] for column in areas}
    state = {
        "name": name,
        **calibration_of(like),
        "features": features,
        "graph": graph,
        "color_by": "particle",
        "colormaps_dict": {"particle": _label_colours()},
        "tail_length": min(like.n_frames, 50),
        "tail_width": 3,
        "metadata": {ORIGIN: Origin(like)},
    }
    return vertices, state, "tracks"


def events_layer(name: str, table: Columns, like: Stack) -> LayerData:
    """Give events with their places as a points layer, a sign and colour for each kind."""
    kinds = [str(kind) for kind in table["event"]]
    features = {name: table[name] for name in ("event", "particle", "other")}
    state = {
        "name": name,
        **calibration_of(like),
        "features": features,
        "face_color": [_EVENT_COLOURS[kind] for kind in kinds],
        "symbol": [_EVENT_SYMBOLS[kind] for kind in kinds],
        "border_color": "white",
        "size": _EVENT_SIZE_PX,
        "metadata": {ORIGIN: Origin(like)},
    }
    places = np.column_stack([table["frame"], table["y_px"], table["x_px"]]).astype(float)
    return places, state, "points"


def labelled_layers(movie: LabelledMovie) -> list[LayerData]:
    """Give a labelled movie as labels, tracks and, where there are any, events."""
    frames = PaintedFrames(movie.paint, movie.like.shape, np.dtype(np.int32))
    like = replace(movie.like, frames=frames, name=movie.name, fingerprint="", missing=())
    return [
        labels_layer(movie.name, like),
        *history_layers(movie.name, movie.instances, movie.events, like),
    ]


def history_layers(name: str, instances: Columns, events: Columns, like: Stack) -> list[LayerData]:
    """Give what happens to particles: tracks, and events where there are any."""
    # At the call: this brings SciPy, which a drag of a movie need not wait for.
    from temflux.engine.measure.connectivity import place_events

    layers = [tracks_layer(f"{name}, tracks", instances, events, like)] if len(instances["frame"]) else []
    if len(events["frame"]):
        y, x = place_events(instances, events)
        layers.append(events_layer(f"{name}, events", {**events, "y_px": y, "x_px": x}, like))
    return layers


def spectra_layer(movie: SpectraMovie) -> LayerData:
    """Give spectra as an image layer in 1/nm, zero frequency at 0."""
    step, size = movie.reciprocal_pixel_per_nm, movie.spectra.shape[1]
    calibration = calibration_of(movie.like)
    state = {
        "name": movie.name,
        "scale": (calibration["scale"][0], step, step),
        "units": (calibration["units"][0], "1/nm", "1/nm"),
        "translate": (0.0, -(size // 2) * step, -(size // 2) * step),
        "axis_labels": ("t", "ky", "kx"),
        "colormap": "inferno",
        "contrast_limits": (0.0, 1.0),
        "metadata": {ORIGIN: Origin(movie.like)},
    }
    return movie.spectra, state, "image"


def make_layers(layers: list[LayerData]) -> list[Layer]:
    """Make layers; in the work's thread, since that of long tracks takes a while."""
    from napari.layers import Layer

    return [Layer.create(*layer) for layer in layers]


def add_layers(viewer: napari.Viewer, layers: list[Layer]) -> None:
    """Add layers to the window, which gives a name that is taken a number."""
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    for layer in layers:
        viewer.add_layer(layer)
        # Each takes a tenth of a second of the window's thread: it draws in between.
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)


def show_spectra(viewer: napari.Viewer, layer: Layer) -> napari.Viewer:
    """Show spectra in a window of their own, since they do not lie in the space of the image.

    Parameters
    ----------
    viewer : napari.Viewer
        The window of the image; both windows show the same frame.
    layer : Image
        The spectra.

    Returns
    -------
    napari.Viewer
        The new window.
    """
    other = new_window(layer.name)
    other.add_layer(layer)
    other.canvas.overlays.scale_bar.visible = True

    def follow(leader: napari.Viewer, led: napari.Viewer) -> None:
        frame = leader.dims.current_step[0]
        if leader.dims.ndim == led.dims.ndim and led.dims.current_step[0] != frame:
            led.dims.set_current_step(0, frame)

    viewer.dims.events.current_step.connect(lambda: follow(viewer, other))
    other.dims.events.current_step.connect(lambda: follow(other, viewer))
    follow(viewer, other)
    return other


def new_window(title: str) -> napari.Viewer:
    """Open another window."""
    import napari

    return napari.Viewer(title=title)


def show_table(viewer: napari.Viewer, table: Table) -> Any:
    """Show a table in a dock at the bottom, behind those that are there.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    table : Table
        What is shown.

    Returns
    -------
    QDockWidget
        The dock.
    """
    from .table_dock import TableDock

    taken, name, number = set(viewer.window.dock_widgets), table.name, 1
    while name in taken:
        number += 1
        name = f"{table.name} [{number}]"
    return viewer.window.add_dock_widget(
        TableDock(table), name=name, area="bottom", tabify=True, add_vertical_stretch=False
    )


def _facts(stack: Stack) -> dict[str, Any]:
    """Gather what a user may look up in a layer's metadata."""
    return {"source": stack.source, "notes": stack.notes}


def _label_colours() -> Any:
    """Give the colours of a labels layer, so that a track has its particle's."""
    from napari.utils.colormaps import label_colormap

    return label_colormap()
