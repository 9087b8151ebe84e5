"""TIA series (.ser, and .emi that names them), read in place with the time stamp of each frame."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..base.errors import DataError, ReadError
from ..base.stack import Stack
from .calibration import Found, finish_stack, read_errors
from .raw import ChainedFrames, RawFrames

_PIXELS = {
    1: "<u1",
    2: "<u2",
    3: "<u4",
    4: "<i1",
    5: "<i2",
    6: "<i4",
    7: "<f4",
    8: "<f8",
    9: "<c8",
    10: "<c16",
}
_IMAGES = 0x4122
_LITTLE_ENDIAN = 0x4949
_FIRST_64_BIT_VERSION = 0x220
_ELEMENT = np.dtype(
    [
        ("offset_x", "<f8"),
        ("delta_x", "<f8"),
        ("element_x", "<i4"),
        ("offset_y", "<f8"),
        ("delta_y", "<f8"),
        ("element_y", "<i4"),
        ("kind", "<u2"),
        ("columns", "<u4"),
        ("rows", "<u4"),
    ]
)


def open_tia(path: Path, found: Found) -> Stack:
    """Open a TIA series.

    Parameters
    ----------
    path : Path
        The .ser file, or the .emi file beside it.
    found : Found
        Receives what the file says; carries a pixel size given by the user.

    Returns
    -------
    Stack
        Read in place. Time stamps have a precision of one second, so they are used only where they grow from
        frame to frame. The pixel size is the file's; none where the .emi says that these are diffraction
        patterns.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.

    References
    ----------
    .. [1] C. Boothroyd, "FEI TIA .emi/.ser file format".
    """
    series = path
    if path.suffix.lower() == ".emi":
        listed = sorted(path.parent.glob("*.[sS][eE][rR]"))
        listed = [p for p in listed if re.fullmatch(re.escape(path.stem) + r"_\d+", p.stem)]
        if not listed:
            raise ReadError(f"{path} names no series: expected {path.stem}_1.ser beside it")
        series = listed[0]
    with read_errors(series, "a TIA series"), series.open("rb") as file:
        if path.suffix.lower() == ".emi" and len(listed) > 1:
            found.notes.append(f"frames taken from {series.name}, the first of {len(listed)} series")
        elements, tags = _offsets(file, series)
        heads = [_element(file, at) for at in elements]
        first = heads[0]
        if any((head["rows"], head["columns"]) != (first["rows"], first["columns"]) for head in heads):
            raise DataError(f"{series} holds frames of different shapes; expected one shape")
        if int(first["kind"]) not in _PIXELS:
            raise ReadError(f"{series} has pixels of an unknown type {int(first['kind'])}")
        frames = _frames(str(series), elements, first)
        frames.check_length()
        _calibrate(found, file, series, first, tags)
        return finish_stack(frames, found, path)


def _offsets(file: BinaryIO, path: Path) -> tuple[list[int], list[int]]:
    order, _, version, data_type, _, total, valid = (
        int(v) for v in np.frombuffer(file.read(22), "<u2,<u2,<u2,<u4,<u4,<u4,<u4")[0].item()
    )
    if order != _LITTLE_ENDIAN:
        raise ReadError(f"{path} does not begin as a TIA series; the file may be damaged")
    if data_type != _IMAGES:
        raise DataError(f"{path} holds spectra; expected frames (T, Y, X)")
    if valid == 0:
        raise DataError(f"{path} holds no frames: the recording was stopped before the first")
    word = "<u8" if version >= _FIRST_64_BIT_VERSION else "<u4"
    size = np.dtype(word).itemsize
    file.seek(int(np.frombuffer(file.read(size), word)[0]))
    table = np.frombuffer(file.read(2 * total * size), word)
    if table.size < total + valid:
        raise ReadError(f"{path} is truncated: its table of frames is cut short; copy the file again")
    return table[:valid].tolist(), table[total : total + valid].tolist()


def _element(file: BinaryIO, at: int) -> np.void:
    file.seek(at)
    return np.frombuffer(file.read(_ELEMENT.itemsize), _ELEMENT)[0]


def _frames(path: str, elements: list[int], first: np.void) -> RawFrames | ChainedFrames:
    stored = _PIXELS[int(first["kind"])]
    rows, columns = int(first["rows"]), int(first["columns"])
    one = rows * columns * np.dtype(stored).itemsize
    steps = np.diff(elements)
    # TIA stores the lowest row first.
    if len(elements) == 1 or (steps == steps[0]).all():
        stride = int(steps[0]) if len(elements) > 1 else one
        shape = (len(elements), rows, columns)
        return RawFrames(path, shape, stored, elements[0] + _ELEMENT.itemsize, stride, flip_rows=True)
    return ChainedFrames(
        tuple(
            RawFrames(path, (1, rows, columns), stored, at + _ELEMENT.itemsize, one, flip_rows=True)
            for at in elements
        )
    )


def _calibrate(found: Found, file: BinaryIO, path: Path, first: np.void, tags: list[int]) -> None:
    stem = path.stem.rpartition("_")[0]
    sidecar = path.with_name(f"{stem}.emi")
    text = sidecar.read_bytes().decode("latin-1") if stem and sidecar.is_file() else ""
    mode = re.search(r"<Label>Mode</Label>\s*<Value>([^<]*)</Value>", text)
    if mode is not None and "diffraction" in mode.group(1).lower():
        found.notes.append("the .emi file says these are diffraction patterns")
    elif float(first["delta_x"]) < 1:
        found.take_pixel((float(first["delta_y"]), "m"), (float(first["delta_x"]), "m"), path)
    else:
        # A pixel of metres is one of reciprocal metres.
        found.notes.append(f"the file's pixel size of {float(first['delta_x']):g} m is impossible; ignored")
    date = re.search(r"<AcquireDate>([^<]*)</AcquireDate>", text)
    if date is not None:
        try:
            found.start = datetime.strptime(" ".join(date.group(1).split()), "%a %b %d %H:%M:%S %Y")
        except ValueError:
            found.start = None
    times = []
    for at in tags:
        file.seek(at)
        stamp = file.read(8)
        if len(stamp) < 8:
            return
        times.append(float(np.frombuffer(stamp[4:8], "<u4")[0]))
    found.take_times(times)
    if found.times_s is None and len(times) > 1 and times[-1] > times[0]:
        # Stamps of whole seconds on faster frames: the mean step is known, the single ones are not.
        found.take_frame_s((times[-1] - times[0]) / (len(times) - 1), len(times))
        found.notes.append("frame times spread evenly: the file's stamps are of whole seconds")
