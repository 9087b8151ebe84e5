"""Frames that lie uncompressed in a file, and frames strung together from several files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..base.errors import ReadError
from ..base.stack import Frames


@dataclass(frozen=True)
class RawFrames:
    """Frames that lie uncompressed in one file, a fixed number of bytes apart.

    Nothing stays open and nothing is mapped: a process that receives a copy opens the file itself, and pixels
    go from the system's cache straight into the array that is handed out.

    Parameters
    ----------
    path : str
        The file.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel as it lies in the file, with its byte order, such as `>u2`.
    offset : int
        Byte at which the first frame begins.
    stride_bytes : int
        Bytes from the begin of a frame to the begin of the next.
    flip_rows : bool
        True where the file stores the last row first.

    Examples
    --------
    >>> RawFrames("a.raw", (2, 4, 5), "<u2", 0, 40).frame_bytes
    40
    """

    path: str
    shape: tuple[int, int, int]
    stored: str
    offset: int
    stride_bytes: int
    flip_rows: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel in memory, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's pixels."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        frames = np.empty((max(0, stop - start), *self.shape[1:]), np.dtype(self.stored))
        one_run = self.stride_bytes == self.frame_bytes
        try:
            # Unbuffered: the pixels are copied once, from the system's cache to the array.
            with Path(self.path).open("rb", buffering=0) as file:
                for first, run in [(start, frames)] if one_run else list(enumerate(frames, start)):
                    file.seek(self.offset + first * self.stride_bytes)
                    _read_all(file, run, self.path)
        except OSError as error:
            raise ReadError(f"cannot read {self.path}: {error.strerror or error}") from error
        if self.flip_rows:
            frames = frames[:, ::-1]
        return frames.astype(self.dtype, copy=False)

    def check_length(self) -> None:
        """Refuse a file that ends before its last frame.

        Raises
        ------
        ReadError
            Saying how many frames the file holds whole.
        """
        size = Path(self.path).stat().st_size
        needed = self.offset + (self.shape[0] - 1) * self.stride_bytes + self.frame_bytes
        if size < needed:
            whole = max(0, (size - self.offset + self.stride_bytes - self.frame_bytes) // self.stride_bytes)
            raise ReadError(
                f"{self.path} is truncated: expected {needed} bytes for {self.shape[0]} frames, got {size} "
                f"({whole} whole frames); copy the file again"
            )


@dataclass(frozen=True)
class ChainedFrames:
    """Frames of several parts, one after the other, as a camera splits a long movie."""

    parts: tuple[Frames, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.parts[0].dtype

    def check_length(self) -> None:
        """Refuse files that end before their last frame; raises ReadError."""
        for part in self.parts:
            if isinstance(part, RawFrames):
                part.check_length()

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        pieces = [np.empty((0, *self.shape[1:]), self.dtype)]
        first = 0
        for part in self.parts:
            low, high = max(start - first, 0), min(stop - first, part.shape[0])
            if low < high:
                pieces.append(part.read(low, high))
            first += part.shape[0]
        return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)


class PerProcess:
    """Something opened on first use in each process; a pickled copy carries the recipe, not the handle.

    Parameters
    ----------
    make : callable
        Opens it; must be picklable.
    *arguments : object
        What `make` is called with.

    Examples
    --------
    >>> PerProcess(int, "3").use(lambda value: value + 1)
    4
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self._recipe = (make, arguments)
        self._forget()

    def _forget(self) -> None:
        self._process: int | None = None
        self._value: Any = None
        self._lock = threading.Lock()

    def use(self, read: Callable[[Any], Any]) -> Any:
        """Call `read` with the opened thing; one thread at a time."""
        with self._lock:
            # A forked child must not share a file position with its parent.
            if self._process != os.getpid():
                make, arguments = self._recipe
                self._value = make(*arguments)
                self._process = os.getpid()
            return read(self._value)

    def __getstate__(self) -> dict[str, Any]:
        return {"_recipe": self._recipe}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PerProcess) and self._recipe == other._recipe

    def __hash__(self) -> int:
        return hash(self._recipe)


def _read_all(file: BinaryIO, frames: np.ndarray, path: str) -> None:
    remaining = memoryview(frames.reshape(-1).view(np.uint8).data)
    while remaining:
        # One call hands out at most about 2 GiB, and fewer bytes at any time.
        count = file.readinto(remaining)  # type: ignore[attr-defined]
        if not count:
            raise ReadError(f"{path} ends {len(remaining)} bytes before its last frame; copy the file again")
        remaining = remaining[count:]
