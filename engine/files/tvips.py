"""TVIPS recordings (.tvips, often in parts), read in place with the time stamp of each frame."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ..base.errors import DataError, ReadError
from ..base.stack import Frames, Stack
from .calibration import Found, finish_stack, read_errors
from .raw import ChainedFrames, RawFrames

_FILE_HEADER = np.dtype(
    [
        ("size", "<u4"),
        ("version", "<u4"),
        ("columns", "<u4"),
        ("rows", "<u4"),
        ("bits", "<u4"),
        ("offset_x", "<u4"),
        ("offset_y", "<u4"),
        ("bin_x", "<u4"),
        ("bin_y", "<u4"),
        ("pixel_nm", "<u4"),
        ("voltage_kV", "<u4"),
        ("magnification", "<u4"),
        ("frame_header_bytes", "<u4"),
    ]
)
_FIRST_VERSION_HEADER_BYTES = 12
_MODE_BYTE, _DIFFRACTION = 24, 2


def open_tvips(path: Path, found: Found) -> Stack:
    """Open a TVIPS recording with all of its parts.

    The reader of RosettaSciIO loads the pixels of such files when it opens them; a recording is often larger
    than memory, so the few header fields are read here.

    Parameters
    ----------
    path : Path
        The first part, `…_000.tvips`, or the only one.
    found : Found
        Receives what the file says; carries a pixel size given by the user.

    Returns
    -------
    Stack
        Read in place; times are the frames' own stamps.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.
    """
    with read_errors(path, "a TVIPS recording"):
        part = re.search(r"_(\d{3})$", path.stem)
        if part is not None and int(part.group(1)) > 0:
            raise ReadError(f"{path} is a later part of a recording; give the first, …_000.tvips")
        with path.open("rb") as file:
            head = file.read(_FILE_HEADER.itemsize)
        if len(head) < _FILE_HEADER.itemsize:
            raise ReadError(f"{path} is truncated: its header is cut short; copy the file again")
        header = np.frombuffer(head, _FILE_HEADER)[0]
        version, bits = int(header["version"]), int(header["bits"])
        if version not in (1, 2) or bits not in (8, 16, 32):
            raise ReadError(
                f"{path} is not a TVIPS recording of version 1 or 2 (version {version}, {bits} bits)"
            )
        gap = _FIRST_VERSION_HEADER_BYTES if version == 1 else int(header["frame_header_bytes"])
        shape = int(header["rows"]), int(header["columns"])
        parts: list[RawFrames] = []
        for index, file_path in enumerate(_parts(path)):
            # Only the first part begins with the file's header.
            begin = 0 if index else int(header["size"])
            part_frames = _part(file_path, shape, f"<u{bits // 8}", gap, begin)
            if part_frames.shape[0] > 0:
                parts.append(part_frames)
        if not parts:
            raise DataError(f"{path} holds no whole frame; expected at least one")
        frames: Frames = parts[0] if len(parts) == 1 else ChainedFrames(tuple(parts))
        _calibrate(found, parts, gap, int(header["pixel_nm"]), path)
        found.metadata = {name: int(header[name]) for name in _FILE_HEADER.names or ()}
        return finish_stack(frames, found, path)


def _parts(path: Path) -> list[Path]:
    if not path.stem.endswith("_000"):
        return [path]
    parts: list[Path] = []
    while (part := path.with_name(f"{path.stem[:-3]}{len(parts):03d}{path.suffix}")).exists():
        parts.append(part)
    return parts


def _part(path: Path, shape: tuple[int, int], stored: str, gap: int, begin: int) -> RawFrames:
    stride = gap + shape[0] * shape[1] * np.dtype(stored).itemsize
    held = path.stat().st_size - begin
    if held % stride:
        raise ReadError(
            f"{path} is truncated: {held} bytes are not a whole number of frames of {stride}; "
            "copy the file again"
        )
    return RawFrames(str(path), (max(held // stride, 0), *shape), stored, begin + gap, stride)


def _calibrate(found: Found, parts: list[RawFrames], gap: int, pixel_nm: int, path: Path) -> None:
    times: list[float] = []
    diffraction = False
    for part in parts:
        with Path(part.path).open("rb") as file:
            for index in range(part.shape[0]):
                # Each frame's header: its number, seconds since 1970, milliseconds, …
                file.seek(part.offset + index * part.stride_bytes - gap)
                head = file.read(min(gap, _MODE_BYTE + 4))
                seconds, milliseconds = np.frombuffer(head[4:12], "<u4")
                times.append(float(seconds) + float(milliseconds) / 1000)
                if len(times) == 1 and len(head) >= _MODE_BYTE + 4:
                    diffraction = int(np.frombuffer(head[_MODE_BYTE:], "<u4")[0]) == _DIFFRACTION
    if diffraction:
        found.notes.append("the file says these are diffraction patterns")
    elif pixel_nm > 0:
        found.take_pixel((pixel_nm, "nm"), (pixel_nm, "nm"), path)
    found.take_times(times)
    if times[0] > 0:
        found.start = datetime.fromtimestamp(times[0], timezone.utc).replace(tzinfo=None)
