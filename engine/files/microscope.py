"""Microscope vendors' files through RosettaSciIO: DM3/DM4, MRC, Velox EMD, Merlin, blockfile."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError
from ..base.stack import Frames, Stack
from ..base.units import to_seconds
from .calibration import Found, finish_stack, read_errors, refuse_pixels
from .raw import RawFrames
from .unwrap import ReaderFrames, unwrap

READERS = {
    ".dm3": "rsciio.digitalmicrograph",
    ".dm4": "rsciio.digitalmicrograph",
    ".mrc": "rsciio.mrc",
    ".mrcs": "rsciio.mrc",
    ".ali": "rsciio.mrc",
    ".emd": "rsciio.emd",
    ".mib": "rsciio.quantumdetector",
    ".blo": "rsciio.blockfile",
}
_DATES = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
_RATE_TAGS = ("frame rate", "frames per second", "frame rate (hz)", "frame rate (fps)", "fps")
_PERIOD_TAGS = ("frame time (s)", "time per frame (s)", "frame interval (s)", "frame period (s)")


def open_microscope_file(path: Path, found: Found, dataset: str | None = None) -> Stack:
    """Open a movie or single frame in a vendor's format.

    Parameters
    ----------
    path : Path
        The file.
    found : Found
        Receives what the file says; carries a pixel size given by the user.
    dataset : str or None
        Title or number (from 0) of the dataset where the file holds several; None takes the largest movie.

    Returns
    -------
    Stack
        Read in place wherever the pixels lie uncompressed; calibrated where the file says so.

    Raises
    ------
    ReadError, DataError, CalibrationError
        One line that says what is wrong.
    """
    reader = READERS[path.suffix.lower()]
    with read_errors(path, f"a {path.suffix[1:].upper()} file"), silence():
        if path.stat().st_size == 0:
            raise ReadError(f"{path} is empty; copy the file again")
        if reader == "rsciio.mrc":
            _refuse_short_mrc(path)
        try:
            signals = importlib.import_module(reader).file_reader(str(path), lazy=True)
        except ValueError as error:
            if "RGB" in str(error):
                raise DataError(
                    f"{path} is a colour image; expected grey values: export it as grey"
                ) from error
            raise
        index = _choose_signal(signals, dataset, path, found)
        signal = signals[index]
        shape = _movie_shape(signal, path)
        # Checked before unwrapping, so that a structured pixel is named as such.
        refuse_pixels(np.dtype(signal["data"].dtype), path)
        frames = unwrap(signal["data"], shape) or ReaderFrames(
            str(path), reader, index, shape, np.dtype(signal["data"].dtype).str
        )
        if isinstance(frames, RawFrames):
            frames.check_length()
        _calibrate(found, signal, frames, path)
        return finish_stack(frames, found, path)


@contextmanager
def silence() -> Iterator[None]:
    """Keep the libraries' own warnings and log lines from the user's terminal.

    Examples
    --------
    >>> with silence():
    ...     pass
    """
    # All loggers at once: a library that is imported within sets its own level anew.
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def find_tag(tags: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    """Find the first number above 0 under one of several tag names, anywhere in a tree.

    Parameters
    ----------
    tags : mapping
        A file's tag tree.
    names : tuple of str
        Names in lower case.

    Returns
    -------
    float or None
        The number; None where no such tag holds one.

    Examples
    --------
    >>> find_tag({"In-situ": {"Frame rate": 20.0}}, ("frame rate",))
    20.0
    """
    for name, value in tags.items():
        if isinstance(value, Mapping):
            number = find_tag(value, names)
            if number is not None:
                return number
        elif isinstance(value, (int, float)) and str(name).strip().lower() in names and 0 < value < np.inf:
            return float(value)
    return None


def _choose_signal(signals: list[dict[str, Any]], wanted: str | None, path: Path, found: Found) -> int:
    images = [i for i, signal in enumerate(signals) if np.ndim(signal["data"]) >= 2]
    titles = [str(s["metadata"].get("General", {}).get("title") or i) for i, s in enumerate(signals)]
    if not images:
        raise DataError(f"{path} holds no image; expected frames (T, Y, X)")
    if wanted is not None:
        for index in images:
            if wanted in (titles[index], str(index)):
                return index
        listed = ", ".join(f"{index} ({titles[index]})" for index in images)
        raise ReadError(f"{path} holds no dataset {wanted}; choose one of: {listed}")
    chosen = max(images, key=lambda i: (signals[i]["data"].ndim == 3, signals[i]["data"].size, -i))
    if len(images) > 1:
        others = ", ".join(titles[index] for index in images if index != chosen)
        found.notes.append(
            f"frames taken from {titles[chosen]}; also there: {others} (choose with PATH#NAME)"
        )
    return chosen


def _movie_shape(signal: dict[str, Any], path: Path) -> tuple[int, int, int]:
    shape = tuple(int(n) for n in signal["data"].shape)
    long = [n for n in shape[:-2] if n != 1]
    if len(shape) < 2 or len(long) > 1:
        kind = "a scan of diffraction patterns (4D-STEM)" if len(shape) == 4 else "an array"
        raise DataError(
            f"{path} holds {kind} of shape {shape}; expected a movie (T, Y, X) or one frame (Y, X)"
        )
    navigate = [axis.get("navigate") for axis in signal["axes"]]
    units = [str(axis.get("units") or "") for axis in signal["axes"]]
    signal_type = signal["metadata"].get("Signal", {}).get("signal_type", "")
    if signal_type in ("EELS", "EDS_TEM", "CL") or any(unit in ("eV", "keV") for unit in units):
        raise DataError(f"{path} holds spectra ({signal_type or 'energy axis'}); expected frames (T, Y, X)")
    if navigate and navigate[-2] is True:
        raise DataError(f"{path} holds spectra or a line scan of shape {shape}; expected frames (T, Y, X)")
    return (long[0] if long else 1), shape[-2], shape[-1]


def _calibrate(found: Found, signal: dict[str, Any], frames: Frames, path: Path) -> None:
    axes, original = signal["axes"], signal.get("original_metadata", {})
    general = signal["metadata"].get("General", {})
    header = original.get("std_header")
    rows, columns = ((axis.get("scale"), axis.get("units")) for axis in axes[-2:])
    if header is not None and "fei_header" not in original and not (header["Xlen"] and header["MX"]):
        # The reader fills in 1 nm where an MRC header has no cell size.
        rows = columns = (None, None)
    found.take_pixel(rows, columns, path)
    if header is not None and found.pixel_nm is not None and abs(found.pixel_nm - 0.1) < 1e-9:
        found.notes.append("pixel size 0.1 nm is what MRC writers put where none is known: check it")
    n_frames = frames.shape[0]
    navigation = [axis for axis in axes[:-2] if axis.get("size") != 1]
    if navigation:
        try:
            frame_s = to_seconds(float(navigation[0].get("scale")), str(navigation[0].get("units") or ""))
        except (TypeError, ValueError):
            frame_s = None
        found.take_frame_s(frame_s, n_frames)
        if navigation[0].get("units") in ("°", "deg", "degrees"):
            found.notes.append("the frames are a tilt series by the file's own axis, not a series in time")
    tags = original.get("ImageList", {}).get("TagGroup0", {}).get("ImageTags", {})
    if found.times_s is None and tags:
        rate, period = find_tag(tags, _RATE_TAGS), find_tag(tags, _PERIOD_TAGS)
        found.take_frame_s(period or (1 / rate if rate else None), n_frames)
    found.start = _start(general, tags)
    found.metadata = {
        "general": dict(general),
        "instrument": signal["metadata"].get("Acquisition_instrument", {}),
        "tags": tags,
        "frame_rate_hz": find_tag(tags, _RATE_TAGS) or _inverse(find_tag(tags, _PERIOD_TAGS)),
    }


def _inverse(value: float | None) -> float | None:
    return None if value is None else 1 / value


def _start(general: Mapping[str, Any], tags: Mapping[str, Any]) -> datetime | None:
    bar = tags.get("DataBar", {})
    texts = [
        (general.get("date"), general.get("time")),
        (bar.get("Acquisition Date"), bar.get("Acquisition Time")),
    ]
    for date, time in texts:
        if not date or not time:
            continue
        text = f"{date} {time}".strip()
        try:
            # Nanoseconds, as Merlin writes them, are more than datetime takes.
            return datetime.fromisoformat(text.replace(" ", "T")[:26]).replace(tzinfo=None)
        except ValueError:
            pass
        for pattern in _DATES:
            try:
                return datetime.strptime(text, pattern)
            except ValueError:
                continue
    return None


def _refuse_short_mrc(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(1024)
    if len(header) < 1024:
        raise ReadError(f"{path} is truncated: expected an MRC header of 1024 bytes, got {len(header)}")
    mode = int(np.frombuffer(header[12:16], "<u4")[0])
    if mode > 255:
        raise ReadError(
            f"{path} is not a little-endian MRC file (mode {mode}); convert it, for example to TIFF"
        )
    if not np.frombuffer(header[:12], "<u4").all():
        raise DataError(
            f"{path} holds no frames: its header says {np.frombuffer(header[:12], '<u4').tolist()}"
        )
