"""NumPy's own files, .npy and .npz, never unpickled."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from ..base.errors import DataError, ReadError
from ..base.stack import Frames, Stack
from .calibration import Found, finish_stack, read_errors, refuse_pixels
from .choose import choose_array
from .hierarchical import frame_axes, take_plain_numbers
from .raw import PerProcess, RawFrames

_LARGEST_NUMBERS = 10_000_000
_LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True)
class ArchivedFrames:
    """Frames of a compressed array in an .npz archive, or of an .npy file stored column by column.

    A compressed member cannot be entered in the middle: the first read unpacks it whole, once in each
    process, and keeps it. Save movies that do not fit in memory as .npy, or with np.savez: those are read
    in place.

    Parameters
    ----------
    path : str
        The archive.
    key : str
        The array's name.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel.
    """

    path: str
    key: str
    shape: tuple[int, int, int]
    stored: str
    _array: PerProcess = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_array", PerProcess(_load_member, self.path, self.key))

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel in memory, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start (included) to stop (excluded), an array (stop - start, Y, X)."""
        with read_errors(Path(self.path), "an .npz archive"):
            frames = self._array.use(lambda array: array.reshape(self.shape)[start:stop])
        return frames.astype(self.dtype, copy=False)


def open_npy(path: Path, found: Found) -> Stack:
    """Open a movie or a single frame in an .npy file.

    Parameters
    ----------
    path : Path
        The file.
    found : Found
        Receives what the file says; carries a pixel size given by the user.

    Returns
    -------
    Stack
        Read in place; without calibration, which the format cannot hold.

    Raises
    ------
    ReadError, DataError
        One line that says what is wrong.
    """
    with read_errors(path, "an .npy file"), path.open("rb") as file:
        shape, fortran, dtype = _header(file)
        return finish_stack(_frames(path, path.name, shape, dtype, file.tell(), fortran), found, path)


def open_npz(path: Path, found: Found, dataset: str | None = None) -> Stack:
    """Open a movie in an .npz archive.

    Parameters
    ----------
    path : Path
        The archive.
    found : Found
        Receives what the file says; carries a pixel size given by the user.
    dataset : str or None
        Name of the array; None takes the one that is most likely the movie, and says so.

    Returns
    -------
    Stack
        Read in place where the archive is uncompressed; calibrated by numbers beside the array such as
        pixel_nm, nm_per_px, frame_s or dt_s.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.
    """
    with read_errors(path, "an .npz archive"), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        arrays: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        for name, info in members.items():
            with archive.open(info) as member:
                shape, _, dtype = _header(member)
                arrays[name] = (shape, dtype)
        key = choose_array(arrays, dataset, path, found.notes)
        info, (shape, dtype) = members[key], arrays[key]
        small = {
            name: _load_member(str(path), name)
            for name, (other, kind) in arrays.items()
            if len(other) < 2 and kind.kind in "iuf" and np.prod(other) < _LARGEST_NUMBERS
        }
        refuse_pixels(dtype, path)
        n_frames = frame_axes(shape, path, key)[1][0]
        take_plain_numbers(found, small, n_frames, path)
        with archive.open(info) as member:
            fortran = _header(member)[1]
            header_bytes = member.tell()
        offset = None
        if info.compress_type == zipfile.ZIP_STORED:
            offset = _data_byte(path, info) + header_bytes
        return finish_stack(_frames(path, key, shape, dtype, offset, fortran), found, path)


def _frames(
    path: Path, key: str, shape: tuple[int, ...], dtype: np.dtype, offset: int | None, fortran: bool
) -> Frames:
    refuse_pixels(dtype, path)
    movie = frame_axes(shape, path, key)[1]
    if min(movie) < 1:
        raise DataError(f"{path} holds no frames: its shape is {shape}; expected at least one frame of 1 x 1")
    # Column by column, a frame's pixels lie all over the file, so it is read whole like a compressed one.
    if fortran or offset is None:
        return ArchivedFrames(str(path), key, movie, dtype.str)
    raw = RawFrames(str(path), movie, dtype.str, offset, movie[1] * movie[2] * dtype.itemsize)
    raw.check_length()
    return raw


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return tuple(int(n) for n in shape), bool(fortran), dtype


def _data_byte(path: Path, info: zipfile.ZipInfo) -> int:
    """Byte at which a member's data begins; the local header's lengths differ from the directory's."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES:
        raise ReadError(f"{path} is truncated inside {info.filename}; copy the file again")
    name_bytes, extra_bytes = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes


def _load_member(path: str, key: str) -> np.ndarray:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded as archive:
        return np.asarray(archive[key])
