"""Folders that are one movie: the in situ folder that cameras write, and folders of single images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError
from ..base.stack import Frames, Stack
from .calibration import Found, finish_stack
from .raw import RawFrames

_BEFORE_BYTES, _AFTER_BYTES = 256, 128
_IN_SITU = re.compile(r"Hour_(\d+)[/\\]Minute_(\d+)[/\\]Second_(\d+)", re.IGNORECASE)
_FRAME_NUMBER = re.compile(r"(\d+)\D*$")
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class FolderFrames:
    """Frames that lie in files of their own.

    Parameters
    ----------
    folder : str
        The movie's folder.
    names : tuple of str
        Path of each frame's file inside the folder, in order of time.
    like : RawFrames or another single frame with a path
        How a file is read; the path is replaced by each frame's.
    own : tuple of (int, Frames)
        Frames whose files are laid out differently from `like`.
    missing : tuple of int
        Frames that read as zeros.
    """

    folder: str
    names: tuple[str, ...]
    like: Any
    own: tuple[tuple[int, Frames], ...] = ()
    missing: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return len(self.names), self.like.shape[1], self.like.shape[2]

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self.like.dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        start, stop, _ = slice(start, stop).indices(len(self.names))
        frames = np.zeros((max(0, stop - start), *self.shape[1:]), self.dtype)
        own, missing = dict(self.own), set(self.missing)
        for index in range(start, stop):
            if index not in missing:
                one = own.get(index) or replace(self.like, path=str(Path(self.folder) / self.names[index]))
                frames[index - start] = one.read(0, 1)[0]
        return frames


def open_frame_files(folder: Path, paths: Sequence[Path], open_one: Callable[[Path], Stack]) -> Stack:
    """Open files of one frame each as one movie, without parsing all of them.

    The first readable file is parsed in full. Of every other file of a raw layout only the size, the 256
    bytes before the pixels (which hold the data tag with its type and length) and the 128 after them are
    compared with the first's; a file that differs is parsed in full. A file that cannot be read is a
    missing frame.

    Parameters
    ----------
    folder : Path
        The movie's folder.
    paths : sequence of Path
        Its files in order of time.
    open_one : callable
        Opens a single file.

    Returns
    -------
    Stack
        With `one_file_a_frame` set. In an in situ folder (…/Hour_HH/Minute_MM/Second_SS/) the time of a frame
        is HH:MM:SS + k/rate, where k is the frame's number within its second and rate is the file's frame
        rate or, where the file has none, the most frequent number of frames in a second; gaps stay gaps.

    Raises
    ------
    ReadError
        If no file can be read.
    DataError
        If a file holds more than one frame, or frames differ in shape or type.
    """
    first, first_index, missing = _first_readable(folder, paths, open_one)
    if first.n_frames != 1:
        raise DataError(
            f"{folder}: {paths[first_index].name} alone holds {first.n_frames} frames; expected one "
            "frame a file: give each file as a movie of its own"
        )
    like: Any = first.frames
    same = _layout_check(like, paths[first_index])
    own: list[tuple[int, Frames]] = []
    notes: list[str] = []
    for index, path in enumerate(paths):
        if index <= first_index or same(path):
            continue
        try:
            one = open_one(path)
        except ReadError:
            missing.append(index)
            continue
        if one.shape != first.shape or one.dtype != first.dtype:
            raise DataError(
                f"{folder}: frames differ in shape or type: {paths[first_index].name} is "
                f"{_described(first)}, {path.name} is {_described(one)}; expected one shape"
            )
        if one.pixel_nm != first.pixel_nm and not notes:
            notes.append(f"the pixel size changes at {path.name}; that of {paths[first_index].name} is used")
        own.append((index, one.frames))
    if missing:
        shown = ", ".join(paths[index].name for index in missing[:_NAMES_SHOWN])
        more = f" and {len(missing) - _NAMES_SHOWN} more" if len(missing) > _NAMES_SHOWN else ""
        notes.append(
            f"{len(missing)} of {len(paths)} files cannot be read and count as missing: {shown}{more}"
        )
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    frames = FolderFrames(str(folder), names, like, tuple(own), tuple(missing))
    found = Found(
        pixel_nm=first.pixel_nm, start=first.start if first_index == 0 else None, metadata=first.metadata
    )
    found.notes = [*first.notes, *notes]
    _take_times(found, [path.absolute().as_posix() for path in paths])
    return replace(finish_stack(frames, found, folder, one_file_a_frame=True), missing=tuple(missing))


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort names as people count: frame 2 before frame 10.

    Parameters
    ----------
    name : str
        A file's name or path.

    Returns
    -------
    tuple
        A key for `sorted`.

    Examples
    --------
    >>> sorted(["a10", "a2"], key=natural_key)
    ['a2', 'a10']
    """
    pieces = re.split(r"(\d+)", name.lower())
    return tuple((0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces if piece)


def in_situ_clock_s(name: str) -> float | None:
    """Time of the second that an in situ file lies in.

    Parameters
    ----------
    name : str
        Path of the file, with its Hour_HH/Minute_MM/Second_SS folders.

    Returns
    -------
    float or None
        Seconds since the recording began; None where the path has no such folders.

    Examples
    --------
    >>> in_situ_clock_s("Hour_00/Minute_01/Second_05/a_Frame_0003.dm4")
    65.0
    """
    match = _IN_SITU.search(name)
    if match is None:
        return None
    hour, minute, second = (int(part) for part in match.groups())
    return 3600.0 * hour + 60.0 * minute + second


def _first_readable(
    folder: Path, paths: Sequence[Path], open_one: Callable[[Path], Stack]
) -> tuple[Stack, int, list[int]]:
    missing: list[int] = []
    reason = "it holds no files"
    for index, path in enumerate(paths):
        try:
            return open_one(path), index, missing
        except ReadError as error:
            missing.append(index)
            reason = str(error) if index == 0 else reason
    raise ReadError(f"{folder}: none of {len(paths)} files can be read; the first: {reason}")


def _layout_check(like: Any, first: Path) -> Callable[[Path], bool]:
    if isinstance(like, RawFrames):
        size = first.stat().st_size
        around = _around(first, like)

        def same_bytes(path: Path) -> bool:
            try:
                return path.stat().st_size == size and _around(path, like) == around
            except OSError:
                return False

        return same_bytes
    # At the call: the formats bring what the door must load without.
    from .images import ImageFrames, probe_image

    if isinstance(like, ImageFrames):

        def same_header(path: Path) -> bool:
            try:
                probed = probe_image(path)[0]
            except ReadError:
                return False
            return (probed.shape, probed.stored) == (like.shape, like.stored)

        return same_header
    return lambda _path: False


def _around(path: Path, like: RawFrames) -> tuple[bytes, bytes]:
    before = min(_BEFORE_BYTES, like.offset)
    with path.open("rb", buffering=0) as file:
        file.seek(like.offset - before)
        head = file.read(before)
        file.seek(like.offset + like.frame_bytes)
        return head, file.read(_AFTER_BYTES)


def _take_times(found: Found, names: Sequence[str]) -> None:
    clock = [in_situ_clock_s(name) for name in names]
    seconds = [second for second in clock if second is not None]
    if len(seconds) != len(names) or len(names) < 2:
        return
    numbers = [_FRAME_NUMBER.search(Path(name).stem) for name in names]
    k = np.array([int(match.group(1)) if match else -1 for match in numbers])
    base = np.array(seconds)
    # Numbers that run on over the seconds, or are absent, are replaced by the rank within the second.
    counted = Counter(seconds)
    ranks = np.concatenate([np.arange(count) for count in counted.values()])
    rate = found.metadata.get("frame_rate_hz")
    if not rate:
        full = [count for second, count in counted.items() if second not in (seconds[0], seconds[-1])]
        rate = Counter(full or list(counted.values())).most_common(1)[0][0]
        found.notes.append(
            f"frame rate not in the files: {rate} frames in most seconds are taken as {rate} Hz"
        )
    if (k < 0).any() or k.max() > max(2.0 * rate, rate + 1):
        k = ranks
    found.take_times(base + k / rate)
    if found.times_s is None:
        found.notes.append("frame numbers and seconds in the folder's names contradict each other")


def _described(stack: Stack) -> str:
    return f"{stack.shape[1]} x {stack.shape[2]} {stack.dtype}"
