"""Movies inside HDF5 and Zarr: HyperSpy's own files, OME-Zarr, and arrays under any name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError
from ..base.stack import Frames, Stack
from ..base.units import to_nm, to_seconds
from .calibration import Found, finish_stack, read_errors
from .choose import choose_array
from .raw import PerProcess, RawFrames

_OME_UNITS = {
    "nanometer": "nm",
    "micrometer": "um",
    "angstrom": "angstrom",
    "picometer": "pm",
    "millimeter": "mm",
    "meter": "m",
    "second": "s",
    "millisecond": "ms",
    "microsecond": "us",
}


@dataclass(frozen=True)
class HDF5Frames:
    """Frames of one dataset of an HDF5 file.

    Parameters
    ----------
    path : str
        The file.
    key : str
        The dataset's name inside it.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel as it lies in the file.
    time_axis : int
        Which of the dataset's axes counts frames: 0, or 2 where frames come last; -1 for a single frame.
    """

    path: str
    key: str
    shape: tuple[int, int, int]
    stored: str
    time_axis: int = 0
    _dataset: PerProcess = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_dataset", PerProcess(_open_hdf5, self.path, self.key))

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel in memory, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        with read_errors(Path(self.path), "an HDF5 file"):
            return self._dataset.use(lambda dataset: self._cut(dataset, start, stop))

    def _cut(self, dataset: Any, start: int, stop: int) -> np.ndarray:
        if self.time_axis != 2:
            index: Any = slice(start, stop) if self.time_axis == 0 else ...
            frames = np.asarray(dataset[index]).reshape(-1, *self.shape[1:])
            return frames[: stop - start].astype(self.dtype, copy=False)
        frames = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        # Frame by frame: cameras store one frame a chunk, and h5py is slow on strided runs of them.
        for index in range(start, stop):
            frames[index - start] = dataset[:, :, index]
        return frames


@dataclass(frozen=True)
class ZarrFrames:
    """Frames of one array of a Zarr store.

    Parameters
    ----------
    path : str
        The store's folder.
    key : str
        The array's name inside it; empty where the store is the array.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel.
    time_axis : int
        The array's axis that counts frames; all others but the last two have length 1. -1 where none does.
    """

    path: str
    key: str
    shape: tuple[int, int, int]
    stored: str
    time_axis: int = 0
    _array: PerProcess = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_array", PerProcess(_open_zarr, self.path, self.key))

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel in memory, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        index = (slice(None),) * max(self.time_axis, 0) + (slice(start, stop),)
        with read_errors(Path(self.path), "a Zarr store"):
            frames = self._array.use(lambda array: np.asarray(array[index if self.time_axis >= 0 else ...]))
        frames = frames.reshape(-1, *self.shape[1:])[: max(0, stop - start)]
        return frames.astype(self.dtype, copy=False)


def open_hdf5(path: Path, found: Found, dataset: str | None = None) -> Stack:
    """Open a movie inside an HDF5 file, HyperSpy's .hspy among them.

    Parameters
    ----------
    path : Path
        The file.
    found : Found
        Receives what the file says; carries a pixel size given by the user.
    dataset : str or None
        Name of the array; None takes the one that is most likely the movie, and says so.

    Returns
    -------
    Stack
        Lazy; calibrated where HyperSpy's axes, or attributes of the array, say so.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.
    """
    import h5py

    with read_errors(path, "an HDF5 file"), h5py.File(path, "r") as file:
        found_arrays: dict[str, Any] = {}
        file.visititems(
            lambda name, item: found_arrays.update({name: item}) if isinstance(item, h5py.Dataset) else None
        )
        key = choose_array(
            {name: (item.shape, item.dtype) for name, item in found_arrays.items()},
            dataset,
            path,
            found.notes,
        )
        array = found_arrays[key]
        time_axis, shape = frame_axes(array.shape, path, key)
        _calibrate(found, array, lambda name: file.get(name), key, path, shape[0])
        contiguous = array.chunks is None and array.id.get_offset() is not None and time_axis <= 0
        frames: Frames = HDF5Frames(str(path), key, shape, array.dtype.str, time_axis)
        if contiguous and array.dtype.kind in "iuf":
            stride = shape[1] * shape[2] * array.dtype.itemsize
            raw = RawFrames(str(path), shape, array.dtype.str, array.id.get_offset(), stride)
            raw.check_length()
            frames = raw
        return finish_stack(frames, found, path)


def open_zarr(path: Path, found: Found, dataset: str | None = None) -> Stack:
    """Open a movie inside a Zarr store: OME-Zarr, HyperSpy's .zspy, or plain arrays.

    Parameters
    ----------
    path : Path
        The store's folder.
    found : Found
        Receives what the file says; carries a pixel size given by the user.
    dataset : str or None
        Name of the array; None takes the one that is most likely the movie, and says so.

    Returns
    -------
    Stack
        Lazy; calibrated where OME metadata or HyperSpy's axes say so.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.
    """
    import zarr

    with read_errors(path, "a Zarr store"):
        store = zarr.open(str(path), mode="r")
        if isinstance(store, zarr.Array):
            key, array = "", store
        else:
            arrays = {
                name: item for name, item in store.members(max_depth=None) if isinstance(item, zarr.Array)
            }
            scales = _ome_scales(store.attrs)
            if dataset is None and scales is not None and scales["datasets"][0]["path"] in arrays:
                key = scales["datasets"][0]["path"]
            else:
                choices = {name: (item.shape, item.dtype) for name, item in arrays.items()}
                key = choose_array(choices, dataset, path, found.notes)
            array = arrays[key]
            parent, _, leaf = key.rpartition("/")
            if parent:
                scales = _ome_scales(store[parent].attrs) or scales
            if scales is not None:
                _take_ome(found, scales, leaf or key, array.shape, path)
        time_axis, shape = frame_axes(array.shape, path, key or path.name)
        if found.pixel_nm is None and found.times_s is None:
            _calibrate(found, array, lambda name: _member(store, name), key, path, shape[0])
        return finish_stack(ZarrFrames(str(path), key, shape, array.dtype.str, time_axis), found, path)


def frame_axes(shape: tuple[int, ...], path: Path, key: str) -> tuple[int, tuple[int, int, int]]:
    """Find which axis of an array counts frames.

    Parameters
    ----------
    shape : tuple of int
        The array's shape; the last two axes are rows and columns.
    path, key
        Where the array lies, for the message.

    Returns
    -------
    axis : int
        The axis that counts frames; -1 where the array is a single frame.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).

    Raises
    ------
    DataError
        If the array is not a movie.

    Examples
    --------
    >>> frame_axes((5, 1, 8, 9), Path("a.zarr"), "0")
    (0, (5, 8, 9))
    """
    if len(shape) < 2:
        raise DataError(f"{path}: {key} has shape {shape}; expected frames (T, Y, X) or one frame (Y, X)")
    long = [axis for axis, n in enumerate(shape[:-2]) if n != 1]
    if len(long) > 1:
        raise DataError(
            f"{path}: {key} has shape {shape}; expected a movie (T, Y, X) or one frame: choose one channel, "
            "plane or scan position and save it as a movie of its own"
        )
    axis = long[0] if long else (0 if len(shape) == 3 else -1)
    return axis, (shape[axis] if axis >= 0 else 1, shape[-2], shape[-1])


def _calibrate(
    found: Found, array: Any, member: Callable[[str], Any], key: str, path: Path, n_frames: int
) -> None:
    parent = key.rpartition("/")[0]
    axes = []
    for index in range(len(array.shape)):
        group = member(f"{parent}/axis-{index}" if parent else f"axis-{index}")
        if group is not None:
            axes.append({name: _text(value) for name, value in dict(group.attrs).items()})
    if len(axes) == len(array.shape) and len(axes) >= 2:
        pairs = [(axis.get("scale"), axis.get("units")) for axis in axes]
        found.take_pixel(pairs[-2], pairs[-1], path)
        if len(axes) == 3 and pairs[0][0] is not None:
            found.take_frame_s(to_seconds(float(pairs[0][0]), str(pairs[0][1])), n_frames)
        return
    plain = {name: _text(value) for name, value in dict(array.attrs).items()}
    take_plain_numbers(found, plain, n_frames, path)


def take_plain_numbers(found: Found, numbers: Mapping[str, Any], n_frames: int, path: Path) -> None:
    """Take calibration from numbers under names that carry their unit, such as pixel_nm, nm_per_px or dt_s.

    Parameters
    ----------
    found : Found
        Filled with what is there; a sentence in its notes says what was taken.
    numbers : mapping
        Scalars (or, for times_s, one number a frame) by name.
    n_frames : int
        Frames of the movie.
    path : Path
        The file, for messages.
    """
    for name in ("pixel_nm", "nm_per_px", "nm_per_pixel", "pixel_size_nm"):
        if name in numbers and np.size(numbers[name]) == 1:
            side = float(np.asarray(numbers[name]).item())
            found.take_pixel((side, "nm"), (side, "nm"), path)
            if found.pixel_nm is not None:
                found.notes.append(f"pixel size {side:g} nm taken from {name}")
            break
    if "times_s" in numbers and np.size(numbers["times_s"]) == n_frames > 1:
        found.take_times(np.asarray(numbers["times_s"], np.float64).ravel())
        if found.times_s is not None:
            found.notes.append("frame times taken from times_s")
            return
    for name in ("frame_s", "dt_s", "frame_time_s"):
        if name in numbers and np.size(numbers[name]) == 1:
            found.take_frame_s(float(np.asarray(numbers[name]).item()), n_frames)
            if found.times_s is not None:
                found.notes.append(f"time from frame to frame taken from {name}")
            return


def _ome_scales(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    # OME-Zarr 0.5 keeps its metadata under "ome", 0.4 at the top.
    holder = attributes.get("ome", attributes)
    scales = holder.get("multiscales") if isinstance(holder, Mapping) else None
    return dict(scales[0]) if scales else None


def _take_ome(found: Found, scales: Mapping[str, Any], leaf: str, shape: tuple[int, ...], path: Path) -> None:
    entry = next((item for item in scales["datasets"] if item["path"] == leaf), None)
    names = [axis if isinstance(axis, str) else axis["name"] for axis in scales.get("axes", [])]
    if entry is None or len(names) != len(shape):
        return
    units = ["" if isinstance(axis, str) else axis.get("unit", "") for axis in scales["axes"]]
    scale = [1.0] * len(names)
    for transform in (*scales.get("coordinateTransformations", []), *entry["coordinateTransformations"]):
        if transform.get("type") == "scale":
            scale = [a * b for a, b in zip(scale, transform["scale"], strict=True)]
    axes = {
        name: (size, _OME_UNITS.get(unit, unit)) for name, size, unit in zip(names, scale, units, strict=True)
    }
    if "y" in axes and "x" in axes and to_nm(1.0, axes["y"][1]) is not None:
        found.take_pixel(axes["y"], axes["x"], path)
    if "t" in axes:
        found.take_frame_s(to_seconds(*axes["t"]), shape[names.index("t")])


def _member(store: Any, name: str) -> Any:
    try:
        return store[name]
    except (KeyError, TypeError, IndexError, ValueError):
        return None


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _open_hdf5(path: str, key: str) -> Any:
    import h5py

    return h5py.File(path, "r")[key]


def _open_zarr(path: str, key: str) -> Any:
    import zarr

    store: Any = zarr.open(path, mode="r")
    return store[key] if key else store
