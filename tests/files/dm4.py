"""A minimal writer of DM4 files: no camera's recording may be part of the project."""

import struct
from pathlib import Path

import numpy as np

_DATA_TYPES = {
    "int16": (1, 2),
    "float32": (2, 6),
    "uint8": (6, 10),
    "int32": (7, 3),
    "uint16": (10, 4),
    "uint32": (11, 5),
}


def write_dm4(path, pixels, *, pixel_nm=None, frame_s=None, tags=None, units="nm"):
    """Write a frame (Y, X) or stack (T, Y, X); `pixels` may be (shape, dtype), for a hole to be filled."""
    shape, dtype = (pixels.shape, pixels.dtype) if isinstance(pixels, np.ndarray) else pixels
    scales = [(pixel_nm or 1.0, units if pixel_nm else "")] * 2 + [(frame_s or 1.0, "s" if frame_s else "")]
    sizes = shape[::-1]
    data_type, element = _DATA_TYPES[np.dtype(dtype).name]
    n = int(np.prod(shape))
    dimensions = [
        _group("", [_number("Origin", 0.0), _number("Scale", scale), _text("Units", unit)])
        for scale, unit in scales[: len(shape)]
    ]
    brightness = [_number("Origin", 0.0), _number("Scale", 1.0), _text("Units", "")]
    calibrations = _group("Calibrations", [_group("Brightness", brightness), _group("Dimension", dimensions)])
    data_head = (
        _tag_head(21, "Data", 4 + 32 + n * np.dtype(dtype).itemsize)
        + b"%%%%"
        + struct.pack(">4q", 3, 20, element, n)
    )
    after = _number("DataType", data_type) + _group("Dimensions", [_number("", size) for size in sizes])
    after += _number("PixelDepth", np.dtype(dtype).itemsize)
    image_tags = _tree("ImageTags", tags or {})
    name = _text("Name", Path(path).stem)
    data_bytes = n * np.dtype(dtype).itemsize

    image_data = _group_head("ImageData", 5) + calibrations + data_head
    head = (
        struct.pack(">iqi", 4, 0, 1)
        + struct.pack(">bbq", 1, 0, 1)
        + _group_head("ImageList", 1)
        + _group_head("", 3)
    )
    with Path(path).open("wb") as file:
        file.write(head + image_data)
        offset = file.tell()
        if isinstance(pixels, np.ndarray):
            np.ascontiguousarray(pixels).tofile(file)
        else:
            file.truncate(offset + data_bytes)
            file.seek(offset + data_bytes)
        file.write(after + image_tags + name + b"\0" * 8)
    return offset


def write_in_situ(folder, frames, clock, *, rate_hz=None, pixel_nm=0.1, more_tags=None):
    """Write frames (T, Y, X) at (hour, minute, second, number) each, as cameras do."""
    for frame, (hour, minute, second, number) in zip(frames, clock, strict=True):
        below = Path(folder) / f"Hour_{hour:02d}" / f"Minute_{minute:02d}" / f"Second_{second:02d}"
        below.mkdir(parents=True, exist_ok=True)
        stem = f"film_Hour_{hour:02d}_Minute_{minute:02d}_Second_{second:02d}_Frame_{number:04d}"
        tags = {"In-situ": {"Frame rate": float(rate_hz)}} if rate_hz else {}
        tags |= more_tags or {}
        write_dm4(below / f"{stem}.dm4", frame, pixel_nm=pixel_nm, tags=tags)


def _tag_head(kind, name, size=0):
    return struct.pack(">bh", kind, len(name)) + name.encode("latin-1") + struct.pack(">q", size)


def _number(name, value):
    kind, packed = (
        (7, struct.pack("<d", value)) if isinstance(value, float) else (5, struct.pack("<I", value))
    )
    return _tag_head(21, name, 20 + len(packed)) + b"%%%%" + struct.pack(">2q", 1, kind) + packed


def _text(name, value):
    packed = value.encode("utf-16-le")
    return _tag_head(21, name, 36 + len(packed)) + b"%%%%" + struct.pack(">4q", 3, 20, 4, len(value)) + packed


def _group_head(name, count):
    return _tag_head(20, name) + struct.pack(">bbq", 1, 0, count)


def _group(name, members):
    return _group_head(name, len(members)) + b"".join(members)


def _tree(name, tags):
    members = [
        _tree(key, value)
        if isinstance(value, dict)
        else _text(key, value)
        if isinstance(value, str)
        else _number(key, value)
        for key, value in tags.items()
    ]
    return _group(name, members)
