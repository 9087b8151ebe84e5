"""The user's objects as movies: which axis is time, the pixel size, and frames read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from temflux.dragonfly_plugin.selection import Particle, Selection
from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.base.stack import Frames, Stack

from .host import HostError, from_host

# Object, time step and (slices, rows, columns) to its voxels.
Load = Callable[[Any, int, tuple[int, int, int]], np.ndarray]

_NM_PER_M = 1e9
_SQUARE_TOLERANCE = 0.01
# The host gives 1 m where nothing is known, importers 1 mm: no microscope's pixel is that wide.
_CALIBRATED_BELOW_M = 1e-3


@dataclass(frozen=True)
class Chosen:
    """The objects that the user selected, by their kind.

    Parameters
    ----------
    rois, multirois, channels : tuple of the host's objects
        In the order of the selection.
    n_others : int
        Objects of other kinds.
    """

    rois: tuple[Any, ...] = ()
    multirois: tuple[Any, ...] = ()
    channels: tuple[Any, ...] = ()
    n_others: int = 0

    @property
    def marked(self) -> tuple[Any, ...]:
        """What is marked: ROIs, then multi-ROIs."""
        return (*self.rois, *self.multirois)


def sort_objects(objects: Iterable[Any]) -> Chosen:
    """Sort the selected objects by their kind.

    Parameters
    ----------
    objects : iterable of the host's objects
        What is selected.

    Returns
    -------
    Chosen
        The same by kind.
    """
    kinds = [from_host("ORSModel", name) for name in ("ROI", "MultiROI", "Channel")]
    found: tuple[list[Any], ...] = ([], [], [], [])
    for one in objects:
        number = next((at for at, kind in enumerate(kinds) if isinstance(one, kind)), len(kinds))
        found[number].append(one)
    rois, multirois, channels, others = found
    return Chosen(tuple(rois), tuple(multirois), tuple(channels), len(others))


def selection_of(chosen: Chosen) -> Selection:
    """Turn the selected objects into the engine's words; no pixel is read.

    Parameters
    ----------
    chosen : Chosen
        ROIs and multi-ROIs, and at most one channel.

    Returns
    -------
    Selection
        Pixel sizes are None where the host has no calibration.

    Raises
    ------
    DataError
        If an object has both slices and time steps, or more than one channel is selected.
    CalibrationError
        If pixels are not square.
    """
    if len(chosen.channels) > 1:
        raise DataError(f"expected one image, got {len(chosen.channels)}; select the one that was marked")
    particles = [
        *(_particle(roi, roi_frames(roi)) for roi in chosen.rois),
        *(_particle(multiroi, label_frames(multiroi)) for multiroi in chosen.multirois),
    ]
    image = stack_of(chosen.channels[0], ChannelFrames(chosen.channels[0])) if chosen.channels else None
    return Selection(tuple(particles), image)


def calibrate(selection: Selection, pixel_nm: float) -> Selection:
    """Give a pixel size [nm] to the movies of a selection that have none."""

    def known(stack: Stack) -> Stack:
        return stack if stack.pixel_nm is not None else stack.with_calibration(pixel_nm=pixel_nm)

    particles = tuple(replace(one, masks=known(one.masks)) for one in selection.particles)
    return Selection(particles, None if selection.image is None else known(selection.image))


def stack_of(grid: Any, frames: Frames) -> Stack:
    """Make a movie of an object's frames, with its title and pixel size."""
    return Stack(frames, name=grid.getTitle() or "movie", pixel_nm=_pixel_nm(grid))


def time_axis(grid: Any) -> str:
    """Say along which axis an object's frames lie: T where it has time steps, else Z."""
    return "T" if grid.getTSize() > 1 else "Z"


def movie_shape(grid: Any) -> tuple[int, int, int]:
    """Give frames, rows and columns of an object; raise DataError where it has slices and time steps."""
    columns, rows, slices, steps = (getattr(grid, f"get{axis}Size")() for axis in "XYZT")
    if steps > 1 and slices > 1:
        raise DataError(
            f"{grid.getTitle()}: expected frames along T or along Z, got {steps} time steps of {slices} "
            "slices"
        )
    return (steps if steps > 1 else slices), rows, columns


@dataclass(frozen=True)
class ChannelFrames:
    """Frames of a channel, read from the host's memory one run at a time."""

    channel: Any

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return movie_shape(self.channel)

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self.channel.getNDArray(0).dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Copy frames start (included) to stop (excluded): the host's array is its own memory."""
        if time_axis(self.channel) == "Z":
            return np.array(self.channel.getNDArray(0)[start:stop])
        return np.stack([self.channel.getNDArray(step)[0] for step in range(start, stop)])


class HeldSteps:
    """Frames of an object whose voxels the host hands out a whole time step at a time.

    The step last read is held: where Z is time, that is the movie, once, as the host gives it.

    Parameters
    ----------
    grid : the host's object
        ROI or multi-ROI.
    load : callable
        Object, time step and (slices, rows, columns) to the voxels of that shape.
    dtype : dtype
        Type of a pixel as it is read.
    """

    def __init__(self, grid: Any, load: Load, dtype: np.dtype) -> None:
        self._grid, self._load, self._dtype = grid, load, dtype
        self._held: tuple[int, np.ndarray] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return movie_shape(self._grid)

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self._dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        if time_axis(self._grid) == "Z":
            return self._as_read(self._step(0)[start:stop])
        return self._as_read(np.concatenate([self._step(step) for step in range(start, stop)]))

    def _as_read(self, voxels: np.ndarray) -> np.ndarray:
        return voxels != 0 if self._dtype.kind == "b" else voxels

    def _step(self, step: int) -> np.ndarray:
        if self._held is None or self._held[0] != step:
            self._held = None
            self._held = (step, self._load(self._grid, step, self._size()))
        return self._held[1]

    def _size(self) -> tuple[int, int, int]:
        """Slices, rows and columns of a time step."""
        frames, rows, columns = self.shape
        return (frames if time_axis(self._grid) == "Z" else 1), rows, columns


def roi_frames(roi: Any) -> HeldSteps:
    """Give the frames of a ROI as masks."""
    return HeldSteps(roi, _load_roi, np.dtype(bool))


def label_frames(multiroi: Any) -> HeldSteps:
    """Give the frames of a multi-ROI as labels, from 1."""
    return HeldSteps(multiroi, _load_labels, np.dtype(np.uint16))


def _load_roi(roi: Any, step: int, size: tuple[int, int, int]) -> np.ndarray:
    marked = _roi_array(roi, step)
    if marked.shape == (0,):
        # So the host says that nothing is marked.
        return np.zeros(size, bool)
    if marked.shape != size:
        raise HostError(f"{roi.getTitle()}: expected voxels {size}, got {marked.shape}")
    return marked


def _load_labels(multiroi: Any, step: int, size: tuple[int, int, int]) -> np.ndarray:
    handle = multiroi.getAsArray(step, None)
    try:
        # A copy: the handle's memory is not ours once it is deleted.
        return np.array(handle.getAsNDArray(), np.uint16).reshape(size)
    finally:
        handle.deleteObject()


def _particle(grid: Any, frames: Frames) -> Particle:
    stack = stack_of(grid, frames)
    return Particle(stack, name=stack.name)


def _roi_array(roi: Any, step: int) -> np.ndarray:
    """Voxels (Z, Y, X) of a ROI at a time step; of steps but the first, the call is not certain."""
    try:
        return np.asarray(roi.getAsNDArray() if roi.getTSize() == 1 else roi.getAsNDArray(step))
    except TypeError:
        raise HostError(
            f"{roi.getTitle()}: this Dragonfly does not hand out a ROI's time steps; "
            "import the movie with its frames along Z"
        ) from None


def _pixel_nm(grid: Any) -> float | None:
    across, down = grid.getXSpacing(), grid.getYSpacing()
    if not (0 < across < _CALIBRATED_BELOW_M and 0 < down < _CALIBRATED_BELOW_M):
        return None
    if abs(across - down) > _SQUARE_TOLERANCE * max(across, down):
        raise CalibrationError(
            f"{grid.getTitle()}: expected square pixels, got {across * _NM_PER_M:g} nm along X and "
            f"{down * _NM_PER_M:g} nm along Y; mend its spacing in Dragonfly, or resample it"
        )
    return float(across) * _NM_PER_M
