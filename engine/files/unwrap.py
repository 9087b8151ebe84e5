"""Lazy arrays of RosettaSciIO, unwrapped to where their pixels lie in the file.

A lazy array costs a page fault every 4 KiB and drags a task graph along. Where the graph says no more than
"these bytes of that file", the bytes are read directly; any other graph is computed by its reader.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.stack import Frames
from .hierarchical import HDF5Frames
from .raw import PerProcess, RawFrames


@dataclass(frozen=True)
class ReaderFrames:
    """Frames that RosettaSciIO computes, for layouts that are not plain bytes in a file.

    Parameters
    ----------
    path : str
        The file.
    reader : str
        RosettaSciIO's module for the format, such as `rsciio.mrc`.
    index : int
        Which of the file's datasets.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel.
    """

    path: str
    reader: str
    index: int
    shape: tuple[int, int, int]
    stored: str
    _array: PerProcess = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_array", PerProcess(_open_array, self.path, self.reader, self.index, self.shape)
        )

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self.stored)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Compute frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        return self._array.use(
            lambda array: np.asarray(array[start:stop].compute(scheduler="synchronous"), self.dtype)
        )


def unwrap(lazy: Any, shape: tuple[int, int, int]) -> Frames | None:
    """Find the bytes behind a lazy array.

    Parameters
    ----------
    lazy : dask.array.Array
        What a reader returned.
    shape : (int, int, int)
        Frames, rows and columns (T, Y, X) that the array holds, axes of length 1 aside.

    Returns
    -------
    Frames or None
        None where the graph does more than say where the pixels lie.
    """
    tasks = [_plain(task) for task in dict(lazy.__dask_graph__()).values()]
    names = {name for name, _, _ in tasks}
    slices = [kwargs for name, _, kwargs in tasks if name == "slice_memmap"]
    if slices and names <= {"slice_memmap", "getitem", "ndarray", "alias", "concatenate_axes"}:
        picks = [args[1] for name, args, _ in tasks if name == "getitem"]
        return _from_memmap_call(slices, picks, shape)
    datasets = [args for name, args, _ in tasks if name == "Dataset"]
    if len(datasets) == 1 and names <= {"Dataset", "getter", "transpose", "getitem", "alias"}:
        dataset = datasets[0]
        last = "transpose" in names
        frames = HDF5Frames(dataset.file.filename, dataset.name, shape, dataset.dtype.str, 2 if last else 0)
        stored = dataset.shape if not last else (dataset.shape[2], *dataset.shape[:2])
        return frames if tuple(stored) == shape else None
    return None


def _plain(task: Any) -> tuple[str, Any, dict[str, Any]]:
    """Name a task; its arguments, or the thing itself where it is data."""
    function = getattr(task, "func", None)
    if function is not None:
        return getattr(function, "__name__", "?"), task.args, task.kwargs
    value = getattr(task, "value", task)
    name = type(value).__name__
    return ("alias" if name in ("Alias", "tuple", "TaskRef") else name), value, {}


def _from_memmap_call(
    slices: list[dict[str, Any]], picks: list[Any], shape: tuple[int, int, int]
) -> RawFrames | None:
    call = slices[0]
    record = np.dtype(call["dtypes"])
    if call.get("positions") or call.get("order") != "C":
        return None
    offset, pixels = int(call["offset"]), record
    if record.names is not None:
        pixels, inside = record.fields[call["key"]][:2]
        offset += inside
    held = tuple(int(n) for n in (*call["shape"], *pixels.shape))
    if tuple(n for n in held if n > 1) != tuple(n for n in shape if n > 1):
        return None
    flip_rows = False
    for pick in picks:
        parts = pick if isinstance(pick, tuple) else (pick,)
        for part in parts:
            if part == 0 or part == slice(None):
                continue
            if part == slice(-1, -shape[1] - 1, -1) and parts.index(part) == len(parts) - 2:
                flip_rows = True
                continue
            return None
    whole_frame = shape[1] * shape[2] * pixels.base.itemsize
    stride = record.itemsize if record.names is not None else whole_frame
    return RawFrames(str(call["file"]), shape, pixels.base.str, offset, stride, flip_rows)


def _open_array(path: str, reader: str, index: int, shape: tuple[int, int, int]) -> Any:
    return importlib.import_module(reader).file_reader(path, lazy=True)[index]["data"].reshape(shape)
