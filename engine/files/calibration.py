"""What a file says of itself beside its pixels, and how that becomes a Stack with plain notes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError, TemfluxError
from ..base.stack import Frames, Stack
from ..base.units import square_pixel_nm, to_nm

_END_BYTES = 65536
_REFUSED = {
    "c": "complex numbers; save their modulus (np.abs) instead",
    "O": "Python objects; save an array of plain numbers instead",
    "V": "records of several values a pixel; save one of the fields instead",
    "S": "text; choose an array of numbers",
    "U": "text; choose an array of numbers",
    "M": "dates; choose an array of numbers",
    "m": "durations; choose an array of numbers",
}


@dataclass
class Found:
    """Calibration and metadata found in a file while it is being opened."""

    pixel_nm: float | None = None
    times_s: np.ndarray | None = None
    dose_e_per_A2: np.ndarray | None = None
    start: datetime | None = None
    notes: list[str] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    given_pixel_nm: float | None = None
    painted: bool = False

    def take_pixel(self, rows: tuple[Any, Any], columns: tuple[Any, Any], path: Path) -> None:
        """Take the pixel size from the scale and unit of two axes; impossible ones are noted and left out.

        Parameters
        ----------
        rows, columns : (number, unit)
            Scale and unit of the Y and X axis, as the file gives them.
        path : Path
            The file, for messages.

        Raises
        ------
        CalibrationError
            If the pixels are not square.
        """
        if self.given_pixel_nm is not None:
            return
        pairs = [(_as_float(scale), str(unit or "")) for scale, unit in (rows, columns)]
        for scale, unit in pairs:
            length_nm = to_nm(scale, unit)
            if length_nm is not None and not (np.isfinite(length_nm) and length_nm > 0):
                self.notes.append(f"the file's pixel size of {scale:g} {unit} is impossible and was ignored")
                return
        self.pixel_nm = square_pixel_nm(pairs[0], pairs[1], path.name)

    def take_frame_s(self, frame_s: float | None, n_frames: int) -> None:
        """Take the time from frame to frame [s]; None and values not above 0 leave the times unknown."""
        if frame_s is not None and np.isfinite(frame_s) and frame_s > 0:
            self.times_s = np.arange(n_frames) * float(frame_s)

    def take_times(self, times_s: Sequence[float] | np.ndarray) -> None:
        """Take one time stamp a frame [s]; stamps that do not grow say nothing and are left out."""
        times = np.asarray(times_s, np.float64)
        if times.size > 1 and np.isfinite(times).all() and (np.diff(times) > 0).all():
            self.times_s = times - times[0]


def finish_stack(frames: Frames, found: Found, path: Path, *, one_file_a_frame: bool = False) -> Stack:
    """Check the pixels and put frames and calibration together.

    Parameters
    ----------
    frames : Frames
        The frames of `path`.
    found : Found
        What the file said.
    path : Path
        The movie's file or folder.
    one_file_a_frame : bool
        As in `Stack`.

    Returns
    -------
    Stack
        Calibrated as far as the file says.

    Raises
    ------
    DataError
        If the pixels are not plain real numbers, or there are none.
    """
    refuse_pixels(frames.dtype, path)
    found.pixel_nm = found.given_pixel_nm or found.pixel_nm
    if min(frames.shape) < 1:
        raise DataError(
            f"{path} holds no frames: its shape is {frames.shape}; expected at least one of 1 x 1"
        )
    return Stack(
        frames,
        name=found.name or movie_name(path),
        pixel_nm=found.pixel_nm,
        times_s=found.times_s,
        dose_e_per_A2=found.dose_e_per_A2,
        start=found.start,
        source=str(path),
        one_file_a_frame=one_file_a_frame,
        notes=tuple(found.notes),
        metadata=found.metadata,
    )


def refuse_pixels(dtype: np.dtype, path: Path) -> None:
    """Refuse pixels that are not plain real numbers.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of a pixel.
    path : Path
        The file, for the message.

    Raises
    ------
    DataError
        Naming the kind and what to save instead.

    Examples
    --------
    >>> refuse_pixels(np.dtype("uint16"), Path("a.npy"))
    """
    if dtype.kind not in "biuf":
        came = _REFUSED.get(dtype.kind, f"pixels of type {dtype}")
        raise DataError(f"{path} holds {came}; expected real numbers")


def movie_name(path: Path) -> str:
    """Name a movie after its file without the suffix, or after its folder.

    Parameters
    ----------
    path : Path
        The movie's file or folder.

    Returns
    -------
    str
        A short name.

    Examples
    --------
    >>> movie_name(Path("day 1/film.ome.tif"))
    'film'
    """
    name = path.resolve().name if path.is_dir() else path.name
    for suffix in (".ome.zarr", ".ome.tif", ".ome.tiff"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem if path.suffix.lower() in (".zarr", ".zspy") or not path.is_dir() else name


@contextmanager
def read_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into one line.

    Parameters
    ----------
    path : Path
        What is being read.
    kind : str
        What it should be, for the message: "a TIFF file".

    Raises
    ------
    ReadError
        In place of any error inside the block that is not the project's own.

    Examples
    --------
    >>> with read_errors(Path("a.tif"), "a TIFF file"):
    ...     pass
    """
    try:
        yield
    except TemfluxError:
        raise
    except FileNotFoundError as error:
        raise ReadError(f"{error.filename or path} does not exist; check the name") from error
    except PermissionError as error:
        raise ReadError(f"cannot read {path}: no permission; change its rights or copy it") from error
    # Libraries raise anything on damaged input, from struct.error to AttributeError.
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ReadError(
            f"cannot read {path} as {kind}: {reason}; the file may be damaged or truncated"
        ) from error


def fingerprint(paths: Sequence[Path]) -> str:
    """Summarise files so that a change shows: size, time of change, and the bytes at both ends.

    Parameters
    ----------
    paths : sequence of Path
        One file, or the files of a folder in order; folders count by name only.

    Returns
    -------
    str
        32 hexadecimal digits. Of more than 16 files only the first and last 8 are opened; the others count
        with name, size and time of change, so that a folder of 100,000 frames costs no more than its listing.
    """
    digest = hashlib.blake2b(digest_size=16)
    for index, path in enumerate(paths):
        status = path.stat()
        digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        if path.is_file() and (index < 8 or index >= len(paths) - 8):
            with path.open("rb") as file:
                digest.update(file.read(_END_BYTES))
                file.seek(max(0, status.st_size - _END_BYTES))
                digest.update(file.read(_END_BYTES))
    return digest.hexdigest()


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
