"""Results as the host's own objects; whatever is half-made when work ends early is deleted."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from temflux.dragonfly_plugin.results import LabelledMovie, SpectraMovie, Step
from temflux.engine.base.errors import DataError

from .host import HostError, from_host
from .reading import movie_shape, time_axis

# Labels travel through a channel of 16 bits: the host makes multi-ROIs of nothing wider.
_MOST_LABELS = 65535
_M_PER_NM = 1e-9

Making = Generator[Step, None, Any]


def make_multiroi(movie: LabelledMovie, like: Any) -> Making:
    """Make a multi-ROI whose labels are the particles.

    Parameters
    ----------
    movie : LabelledMovie
        What is painted.
    like : the host's object
        The segmentation that it lies on.

    Yields
    ------
    Step
        Frames painted.

    Returns
    -------
    MultiROI
        Published.

    Raises
    ------
    DataError
        If there are more particles than the host has labels.
    """
    if movie.n_particles > _MOST_LABELS:
        raise DataError(
            f"{movie.n_particles} particles were found, a multi-ROI made here holds at most {_MOST_LABELS}; "
            "give a larger least distance, or use `temflux track`"
        )
    with _temporary_channel(like) as channel:
        yield from _fill(channel, movie.paint, "painting labels")
        helper = from_host("OrsHelpers.datasethelper", "DatasetHelper")
        made = _made(helper.createMultiROIFromDataset(channel, None), "multi-ROI")
        with _whole_or_deleted(made):
            if made.getLabelCount() < movie.n_particles:
                made.setLabelCount(movie.n_particles)
            _publish(made, movie.name, like)
        return made


def make_roi(masks: Callable[[int], np.ndarray], name: str, like: Any) -> Making:
    """Make a ROI of masks.

    Parameters
    ----------
    masks : callable
        Frame's number to mask (Y, X), bool.
    name : str
        What it is called.
    like : the host's object
        The image that it lies on.

    Yields
    ------
    Step
        Frames marked.

    Returns
    -------
    ROI
        Published.
    """
    with _temporary_channel(like) as channel:
        yield from _fill(channel, lambda frame: masks(frame) != 0, "marking particles")
        made = from_host("ORSModel", "ROI")()
        with _whole_or_deleted(made):
            made.copyShapeFromStructuredGrid(channel)
            channel.getAsROIWithinRange(1, 1, None, made)
            _publish(made, name, like)
        return made


def make_spectra(movie: SpectraMovie) -> Making:
    """Make a channel of spectra, a frame a slice; what the host calls nm along X and Y is 1/nm.

    Parameters
    ----------
    movie : SpectraMovie
        What is shown; frames without the particle are 0.

    Yields
    ------
    Step
        Frames written.

    Returns
    -------
    Channel
        Published.
    """
    made = from_host("ORSModel", "Channel")()
    with _whole_or_deleted(made):
        frames, rows, columns = movie.spectra.shape
        made.setXYZTSize(columns, rows, frames, 1)
        _set_spacing(made, movie.reciprocal_pixel_per_nm * _M_PER_NM)
        _initialize(made, "initializeDataForFLOAT", np.dtype(np.float32))
        yield from _fill(made, lambda frame: np.nan_to_num(movie.spectra[frame]), "writing spectra")
        made.setTitle(f"{movie.name} (its X and Y axes are in 1/nm, shown as nm)")
        made.setDataDirty()
        made.publish()
    return made


@contextmanager
def _temporary_channel(like: Any) -> Iterator[Any]:
    """Make a channel of 16 bits on the grid of a movie, its frames along Z; it goes in any case."""
    channel = from_host("ORSModel", "Channel")()
    try:
        if time_axis(like) == "Z":
            channel.copyShapeFromStructuredGrid(like)
        else:
            # That labels can be written at time steps is not certain: their frames lie along Z.
            frames, rows, columns = movie_shape(like)
            channel.setXYZTSize(columns, rows, frames, 1)
            _set_spacing(channel, like.getXSpacing())
        _initialize(channel, "initializeDataForUSHORT", np.dtype(np.uint16))
        yield channel
    finally:
        channel.deleteObject()


@contextmanager
def _whole_or_deleted(made: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        made.deleteObject()
        raise


def _initialize(channel: Any, method: str, dtype: np.dtype) -> None:
    """Have the host allocate a channel; that it hands out its own memory is seen, and checked here."""
    initialize = getattr(channel, method, None)
    if initialize is None:
        raise HostError(f"this Dragonfly's Channel has no {method}; report what `temflux menus check` says")
    if not initialize():
        size = np.prod(movie_shape(channel)) * dtype.itemsize / 1e9
        raise HostError(f"Dragonfly has no room for a channel of {size:.3g} GB; close other objects first")
    memory = channel.getNDArray(0)
    if memory.shape != movie_shape(channel) or memory.dtype != dtype or not memory.flags.writeable:
        raise HostError(
            f"expected {movie_shape(channel)} writable voxels of {dtype}, Dragonfly gives {memory.shape} of "
            f"{memory.dtype}; report what `temflux menus check` says"
        )


def _fill(channel: Any, paint: Callable[[int], np.ndarray], stage: str) -> Generator[Step, None, None]:
    n_frames = movie_shape(channel)[0]
    for frame in range(n_frames):
        channel.getNDArray(0)[frame] = paint(frame)
        yield Step(stage, frame + 1, n_frames)
    channel.setDataDirty()


def _publish(made: Any, name: str, like: Any) -> None:
    made.setTitle(name if time_axis(like) == "Z" else f"{name} (frames along Z)")
    made.setDataDirty()
    made.publish()


def _set_spacing(grid: Any, metres: float) -> None:
    for axis in "XYZ":
        getattr(grid, f"set{axis}Spacing")(float(metres))


def _made(made: Any, what: str) -> Any:
    if made is None:
        raise HostError(f"Dragonfly made no {what}; report what `temflux menus check` says")
    return made
