"""What the user selected in the window, as the engine's stacks; what the engine has, as layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from temflux.engine.base.errors import DataError
from temflux.engine.base.stack import DaskFrames, Frames, Stack
from temflux.engine.base.units import square_pixel_nm, to_seconds

from ..selection import Particle, Selection

if TYPE_CHECKING:
    import dask.array
    import napari
    from napari.layers import Layer

# Under which name a layer's metadata keep where its pixels come from.
ORIGIN = "temflux"


@dataclass(frozen=True)
class Origin:
    """Where a layer's pixels come from.

    Parameters
    ----------
    stack : Stack
        The movie; of labels, what they were found in.
    array_name : str
        Name of the lazy array made of `stack`; another one in the layer has other pixels.
    folder : str
        Folder of the results that the layer is one of; empty for none.
    """

    stack: Stack
    array_name: str = ""
    folder: str = ""


@dataclass(frozen=True)
class LayerFrames:
    """Frames of a layer's array, (T, Y, X) or (Y, X)."""

    array: Any

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        shape = tuple(int(size) for size in self.array.shape)
        return shape if len(shape) == 3 else (1, *shape)  # type: ignore[return-value]

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self.array.dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        return np.asarray(self.array[start:stop] if len(self.array.shape) == 3 else self.array[np.newaxis])


@dataclass(frozen=True)
class PaintedFrames:
    """Frames that are painted when they are asked for.

    Parameters
    ----------
    paint : callable
        A frame's number to the frame (Y, X).
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    dtype : dtype
        Type of a pixel.
    """

    paint: Callable[[int], np.ndarray]
    shape: tuple[int, int, int]
    dtype: np.dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """Paint frames start (included) to stop (excluded), an array (stop - start, Y, X)."""
        return np.stack([self.paint(frame) for frame in range(start, stop)])


@dataclass(frozen=True)
class SlicedFrames:
    """Frames that are read by slicing, as Dask asks for them."""

    frames: Frames
    ndim: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return self.frames.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.frames.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        numbers = np.arange(self.shape[0])[first]
        if numbers.ndim == 0:
            return self.frames.read(int(numbers), int(numbers) + 1)[(0, *rest)]
        if not numbers.size:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        low, high = int(numbers.min()), int(numbers.max()) + 1
        frames = self.frames.read(low, high)
        whole = np.array_equal(numbers, np.arange(low, high))
        return (frames if whole else frames[numbers - low])[(slice(None), *rest)]


def lazy_array(stack: Stack) -> dask.array.Array:
    """Make an array (T, Y, X) of a movie whose frames are read when they are looked at, a chunk each."""
    import dask.array

    frames, rows, columns = stack.shape
    return dask.array.from_array(
        SlicedFrames(stack.frames),
        chunks=((1,) * frames, (rows,), (columns,)),
        # Made of the frames otherwise, by going through all that they hold.
        name=f"temflux-{uuid4().hex}",
        meta=np.empty((0, 0, 0), stack.dtype),
    )


def calibration_of(stack: Stack) -> dict[str, Any]:
    """Give a layer's scale and units, time in s and lengths in nm; where they are not known, pixels."""
    pixel_nm, frame_s = stack.pixel_nm, stack.frame_s
    length = "pixel" if pixel_nm is None else "nm"
    return {
        "scale": (frame_s or 1.0, pixel_nm or 1.0, pixel_nm or 1.0),
        "units": ("s" if frame_s else "pixel", length, length),
        "axis_labels": ("t", "y", "x"),
    }


def stack_of(array: Any, state: Mapping[str, Any]) -> Stack:
    """Make a stack of a layer's array, without reading it.

    Parameters
    ----------
    array : array (T, Y, X) or (Y, X)
        The layer's pixels; of several resolutions the finest.
    state : mapping
        The layer's name, scale, units and metadata.

    Returns
    -------
    Stack
        Calibrated as the layer is, with what is known of the movie that it was read from.

    Raises
    ------
    DataError
        If it is no movie of grey values or labels.
    CalibrationError
        If its pixels are not square.
    """
    name = str(state["name"])
    if state.get("rgb") or len(array.shape) not in (2, 3):
        raise DataError(
            f"{name}: expected frames of one channel (T, Y, X), got {tuple(array.shape)}; split it first"
        )
    stack = _known_stack(array, state["metadata"].get(ORIGIN), name)
    units = [f"{unit:~}" if hasattr(unit, "dimensionality") else str(unit) for unit in state["units"]]
    scale = [float(step) for step in state["scale"]]
    pixel_nm = square_pixel_nm((scale[-2], units[-2]), (scale[-1], units[-1]), name)
    frame_s = to_seconds(scale[0], units[0]) if len(array.shape) == 3 else None
    if not _same(pixel_nm, stack.pixel_nm):
        stack = replace(stack, pixel_nm=pixel_nm)
    if frame_s is None:
        return replace(stack, times_s=None)
    # Times that the file told may have gaps, which a layer's one step from frame to frame has not.
    return stack if _same(frame_s, stack.frame_s) else stack.with_calibration(frame_s=frame_s)


def _known_stack(array: Any, origin: Any, name: str) -> Stack:
    """Say what is known of an array: all, if it still is what was read; else what went with its shape."""
    lazy = hasattr(array, "compute")
    frames: Frames = LayerFrames(array)
    if lazy:
        frames = DaskFrames(array if array.ndim == 3 else array[np.newaxis])
    if not isinstance(origin, Origin) or origin.stack.shape != frames.shape:
        return Stack(frames, name=name)
    if lazy and array.name == origin.array_name:
        return origin.stack
    return replace(origin.stack, frames=frames, fingerprint="", one_file_a_frame=False, missing=())


def _same(one: float | None, other: float | None) -> bool:
    """Compare calibrations, which went through the layer's affine transform."""
    return one == other or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9))


def stack_of_layer(layer: Layer) -> Stack:
    """Make a stack of a layer, without reading it."""
    state = {name: getattr(layer, name) for name in ("name", "scale", "units", "metadata")}
    array = layer.data[0] if layer.multiscale else layer.data
    return stack_of(array, state | {"rgb": getattr(layer, "rgb", False)})


@dataclass(frozen=True)
class Chosen:
    """Layers that an item works on.

    Parameters
    ----------
    labels : tuple of Labels
        In the order of the list of layers.
    image : Image or None
        The movie that they lie on.
    """

    labels: tuple[Layer, ...]
    image: Layer | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All of them."""
        return self.labels if self.image is None else (*self.labels, self.image)

    def uncalibrated(self) -> list[Layer]:
        """Layers without a pixel size; one that lies on an image of its shape has the image's."""
        without = [layer for layer in self.layers if stack_of_layer(layer).pixel_nm is None]
        image = self.image
        if image is None or image in without:
            return without
        known = stack_of_layer(image)
        for layer in without:
            if stack_of_layer(layer).shape == known.shape:
                layer.scale, layer.units = image.scale[-layer.ndim :], image.units[-layer.ndim :]
        return [layer for layer in without if stack_of_layer(layer).pixel_nm is None]

    def selection(self, *, one_particle: bool) -> Selection:
        """Hand the layers to the engine; of one particle, it is the label that is selected in its layer."""
        particles = []
        for layer in self.labels:
            label = int(layer.selected_label) if one_particle else None
            name = layer.name if label is None else f"{layer.name} {label}"
            particles.append(Particle(stack_of_layer(layer), label, name))
        return Selection(tuple(particles), None if self.image is None else stack_of_layer(self.image))


def chosen_layers(viewer: napari.Viewer) -> Chosen:
    """Find the layers that an item works on.

    Parameters
    ----------
    viewer : napari.Viewer
        The window. Where no image is selected, the only one of the labels' shape is taken.

    Returns
    -------
    Chosen
        Selected labels, and the image.

    Raises
    ------
    DataError
        If several images are selected.
    """
    from napari.layers import Image, Labels

    selected = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    labels = tuple(layer for layer in selected if isinstance(layer, Labels))
    images = [layer for layer in selected if isinstance(layer, Image)]
    if len(images) > 1:
        raise DataError(f"expected at most one image among the selected layers, got {len(images)}")
    if not images:
        shapes = {layer.data.shape for layer in labels if not layer.multiscale}
        below = [layer for layer in viewer.layers if isinstance(layer, Image) and not layer.multiscale]
        images = [layer for layer in below if layer.data.shape in shapes or (not labels and len(below) == 1)]
    return Chosen(labels, images[0] if len(images) == 1 else None)


def calibrate(layer: Layer, *, pixel_nm: float | None = None, frame_s: float | None = None) -> None:
    """Give a layer a pixel size [nm] and a time from frame to frame [s]; None keeps what it has."""
    steps, units = list(layer.scale), list(layer.units)
    if pixel_nm is not None:
        steps[-2:], units[-2:] = [pixel_nm] * 2, ["nm"] * 2
    if frame_s is not None and layer.ndim > 2:
        steps[0], units[0] = frame_s, "s"
    layer.scale, layer.units = steps, units
