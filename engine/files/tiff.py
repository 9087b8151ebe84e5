"""TIFF stacks and OME-TIFF."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError
from ..base.stack import Frames, Stack
from ..base.units import to_seconds
from .calibration import Found, finish_stack, read_errors, refuse_pixels
from .microscope import silence
from .raw import PerProcess, RawFrames

_COLOUR_MODES = (2, 3, 5, 6, 8)
_LARGEST_PIXEL_NM = 1000.0
_RESOLUTION_UNITS = {2: (2.54e7, "inch"), 3: (1e7, "centimetre")}
_DM_UNIT_TAGS, _DM_SCALE_TAGS = (65004, 65003), (65010, 65009)


@dataclass(frozen=True)
class TiffFrames:
    """Frames of a TIFF file that are compressed, in strips or scattered.

    Parameters
    ----------
    path : str
        The file.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel.
    samples : int
        Values a pixel: 1, or 3 and 4 for grey images stored as colour.
    pages : bool
        True where each frame is a page; False where one page holds the whole series.
    """

    path: str
    shape: tuple[int, int, int]
    stored: str
    samples: int = 1
    pages: bool = True
    _series: PerProcess = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_series", PerProcess(_open_series, self.path, self.pages))

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel in memory, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        with read_errors(Path(self.path), "a TIFF file"), silence():
            frames = self._series.use(lambda series: self._cut(series, start, stop))
        return frames.astype(self.dtype, copy=False)

    def _cut(self, series: Any, start: int, stop: int) -> np.ndarray:
        if not self.pages:
            return series.reshape(self.shape)[start:stop]
        frames = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        for index in range(start, stop):
            frame = np.squeeze(series.pages[index].asarray())
            frames[index - start] = self._grey(frame) if self.samples > 1 else frame
        return frames

    def _grey(self, frame: np.ndarray) -> np.ndarray:
        # Colour planes come first or last.
        planes = np.moveaxis(frame, -1, 0) if frame.shape[0] != self.samples else frame
        return grey_of(planes[:3], Path(self.path))


def open_tiff(path: Path, found: Found) -> Stack:
    """Open a TIFF stack, an OME-TIFF or a single TIFF image.

    Parameters
    ----------
    path : Path
        The file.
    found : Found
        Receives what the file says; carries a pixel size given by the user.

    Returns
    -------
    Stack
        Read in place where the frames lie uncompressed one after the other. Pixel size and frame interval
        come from OME, ImageJ or DigitalMicrograph metadata; the plain resolution tags count only where they
        say less than 1 µm a pixel, for otherwise they are a printer's.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.
    """
    import tifffile

    with read_errors(path, "a TIFF file"), silence():
        if path.stat().st_size == 0:
            raise ReadError(f"{path} is empty; copy the file again")
        with tifffile.TiffFile(path) as tiff:
            if not len(tiff.pages):
                raise DataError(f"{path} holds no frames; expected at least one")
            series = _series(tiff, path, found)
            frames = _frames(path, series, found)
            if isinstance(frames, RawFrames):
                frames.check_length()
            else:
                frames.read(frames.shape[0] - 1, frames.shape[0])
            _calibrate(found, tiff, frames.shape[0], path)
        return finish_stack(frames, found, path)


def grey_of(planes: np.ndarray, path: Path) -> np.ndarray:
    """Take the grey values of an image stored as colour.

    Parameters
    ----------
    planes : array (3, Y, X)
        Red, green and blue.
    path : Path
        The file, for the message.

    Returns
    -------
    array (Y, X)
        The common value of the three planes.

    Raises
    ------
    DataError
        If the planes differ by more than 2 levels, which is more than JPEG's rounding.

    Examples
    --------
    >>> grey_of(np.ones((3, 2, 2), np.uint8), Path("a.png")).shape
    (2, 2)
    """
    low, high = planes.min(axis=0), planes.max(axis=0)
    if np.any(high - low > 2):
        raise DataError(
            f"{path} is a colour image; expected grey values: export it as grey, without overlays"
        )
    return planes[1]


def _series(tiff: Any, path: Path, found: Found) -> Any:
    every = list(tiff.series)
    shapes = {tuple(series.shape) for series in every}
    if len(every) > 1 and len(shapes) == len(every) and all(len(series.pages) == 1 for series in every):
        listed = ", ".join("x".join(map(str, shape)) for shape in sorted(shapes)[:4])
        raise DataError(f"{path} holds frames of different shapes ({listed}); expected one shape")
    chosen = max(every, key=lambda series: (len(series.pages), np.prod(series.shape)))
    if len(every) > 1:
        found.notes.append(f"frames taken from the largest of {len(every)} series in the file")
    return chosen


def _frames(path: Path, series: Any, found: Found) -> Frames:
    dtype = np.dtype(series.dtype)
    refuse_pixels(dtype, path)
    axes, shape = series.axes, tuple(int(n) for n in series.shape)
    # Three or four frames are what tifffile, and napari with it, writes as planes of colour.
    planes = axes == "SYX" and series.kind == "shaped"
    axes = "QYX" if planes else axes
    samples = shape[axes.index("S")] if "S" in axes else 1
    if samples not in (1, 3, 4):
        raise DataError(f"{path} holds {samples} values a pixel; expected grey values")
    plain = [n for axis, n in zip(axes, shape, strict=True) if axis != "S"]
    if int(series.keyframe.photometric) in _COLOUR_MODES and samples == 1 and not planes:
        raise DataError(
            f"{path} holds colours of a palette or a print; expected grey values: export it as grey"
        )
    long = [n for n in plain[:-2] if n != 1]
    if len(long) > 1:
        raise DataError(
            f"{path} has axes {axes} of {shape}; expected a movie (T, Y, X): choose one channel or plane and "
            "save it as a movie of its own"
        )
    movie = (long[0] if long else 1, plain[-2], plain[-1])
    if samples > 1:
        found.notes.append("grey values stored as colour were read as grey")
        return TiffFrames(str(path), movie, dtype.str, samples)
    if series.dataoffset is not None:
        frame_bytes = movie[1] * movie[2] * dtype.itemsize
        stored = dtype.newbyteorder(series.keyframe.parent.byteorder).str
        return RawFrames(str(path), movie, stored, int(series.dataoffset), frame_bytes)
    return TiffFrames(str(path), movie, dtype.str, 1, len(series.pages) == movie[0])


def _calibrate(found: Found, tiff: Any, n_frames: int, path: Path) -> None:
    page = tiff.pages[0]
    if tiff.is_ome and tiff.ome_metadata:
        _take_ome(found, tiff.ome_metadata, n_frames, path)
        return
    imagej = tiff.imagej_metadata or {}
    resolution = [_ratio(page.tags.get(name)) for name in ("YResolution", "XResolution")]
    if imagej:
        unit = str(imagej.get("unit", "")).encode("latin-1", "replace").decode("unicode_escape", "replace")
        if resolution[0] and resolution[1]:
            found.take_pixel((1 / resolution[0], unit), (1 / resolution[1], unit), path)
        interval = imagej.get("finterval")
        if isinstance(interval, (int, float)):
            unit = str(imagej.get("tunit", "s"))
            found.take_frame_s(to_seconds(interval, unit if to_seconds(1, unit) else "s"), n_frames)
        found.metadata = {name: value for name, value in imagej.items() if np.size(value) < 100}
    elif all(tag in page.tags for tag in (*_DM_UNIT_TAGS, *_DM_SCALE_TAGS)):
        pairs = [
            (page.tags[scale].value, str(page.tags[unit].value).strip("\0 "))
            for scale, unit in zip(_DM_SCALE_TAGS, _DM_UNIT_TAGS, strict=True)
        ]
        found.take_pixel(pairs[0], pairs[1], path)
    elif resolution[0] and resolution[1]:
        unit_tag = page.tags.get("ResolutionUnit")
        unit_nm, word = _RESOLUTION_UNITS.get(int(unit_tag.value) if unit_tag else 1, (0.0, ""))
        sides = [unit_nm / value for value in resolution if value]
        if word and 0 < max(sides) < _LARGEST_PIXEL_NM:
            found.take_pixel((sides[0], "nm"), (sides[1], "nm"), path)
            found.notes.append(f"pixel size taken from the resolution tags (pixels a {word}): check it")
    stamp = page.tags.get("DateTime")
    if stamp is not None:
        try:
            found.start = datetime.strptime(str(stamp.value).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            found.start = None


def _take_ome(found: Found, text: str, n_frames: int, path: Path) -> None:
    root = ElementTree.fromstring(text)
    space = re.match(r"\{.*\}", root.tag)
    image = root.find(f"{space.group() if space else ''}Image")
    pixels = None if image is None else image.find(f"{space.group() if space else ''}Pixels")
    if image is None or pixels is None:
        return
    got = pixels.attrib
    if "PhysicalSizeX" in got and "PhysicalSizeY" in got:
        # OME's units where none is written: µm and s.
        rows = (got["PhysicalSizeY"], got.get("PhysicalSizeYUnit", "µm"))
        found.take_pixel(rows, (got["PhysicalSizeX"], got.get("PhysicalSizeXUnit", "µm")), path)
    if "TimeIncrement" in got:
        found.take_frame_s(
            to_seconds(float(got["TimeIncrement"]), got.get("TimeIncrementUnit", "s")), n_frames
        )
    stamps: dict[int, float] = {}
    for plane in pixels:
        if plane.tag.endswith("Plane") and "DeltaT" in plane.attrib:
            seconds = to_seconds(float(plane.attrib["DeltaT"]), plane.attrib.get("DeltaTUnit", "s"))
            if seconds is not None:
                stamps[int(plane.attrib.get("TheT", len(stamps)))] = seconds
    if len(stamps) == n_frames:
        found.take_times([stamps[index] for index in sorted(stamps)])
    date = image.find(f"{space.group() if space else ''}AcquisitionDate")
    if date is not None and date.text:
        found.start = datetime.fromisoformat(date.text.strip().removesuffix("Z")[:26]).replace(tzinfo=None)


def _ratio(tag: Any) -> float | None:
    if tag is None:
        return None
    value = tag.value
    number = value[0] / value[1] if isinstance(value, tuple) and value[1] else 0.0
    return float(number) if number > 0 else None


def _open_series(path: str, pages: bool) -> Any:
    import tifffile

    tiff = tifffile.TiffFile(path)
    series = max(tiff.series, key=lambda one: (len(one.pages), np.prod(one.shape)))
    # One page that holds a whole compressed series can only be unpacked whole.
    return series if pages else series.asarray()
