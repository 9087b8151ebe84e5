"""Stack: a lazy run of frames with calibrated axes, time stamps, dose and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .errors import CalibrationError, DataError


@runtime_checkable
class Frames(Protocol):
    """Anything that hands out runs of frames; it must survive pickling without its pixels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""


@dataclass(frozen=True)
class ArrayFrames:
    """Frames that already lie in memory."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        frames, rows, columns = self.array.shape
        return frames, rows, columns

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.array.dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start (included) to stop (excluded), an array (stop - start, Y, X)."""
        return self.array[start:stop]


@dataclass(frozen=True)
class Stack:
    """A movie: lazy frames (T, Y, X) with calibration, time stamps, dose and provenance.

    Parameters
    ----------
    frames : Frames
        Where runs of frames are read from.
    name : str
        Short name, used for the movie's output folder and titles.
    pixel_nm : float or None
        Side of a square pixel [nm]; None where the file does not say.
    times_s : array (T,), float64, or None
        Time of each frame [s] since the first; gaps with the beam off stay gaps. None where unknown.
    dose_e_per_A2 : array (T,), float64, or None
        Dose of each frame [e⁻/Å²]; None where unknown.
    start : datetime or None
        Clock time of the first frame, for joining logs.
    source : str
        Path (or word) that the frames came from.
    fingerprint : str
        Changes when the source changes; empty for frames in memory.
    one_file_a_frame : bool
        True where frames lie in files of their own, so that one unreadable file costs one frame.
    missing : tuple of int
        Frames known when opened to be unreadable; they read as zeros.
    notes : tuple of str
        Sentences a user should see: what the file said that is impossible or had to be assumed.
    metadata : mapping
        What the file said of microscope, detector and exposure.

    Examples
    --------
    >>> stack = Stack.from_array(np.zeros((3, 4, 5)), pixel_nm=0.1)
    >>> stack.shape
    (3, 4, 5)
    """

    frames: Frames
    name: str = "movie"
    pixel_nm: float | None = None
    times_s: np.ndarray | None = None
    dose_e_per_A2: np.ndarray | None = None
    start: datetime | None = None
    source: str = "memory"
    fingerprint: str = ""
    one_file_a_frame: bool = False
    missing: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.frames.shape) != 3:
            raise DataError(f"{self.name}: expected frames (T, Y, X), got shape {self.frames.shape}")
        if self.pixel_nm is not None and not (np.isfinite(self.pixel_nm) and self.pixel_nm > 0):
            raise CalibrationError(f"{self.name}: the pixel size must be above 0 nm, got {self.pixel_nm}")
        for label, values in (("time stamp", self.times_s), ("dose", self.dose_e_per_A2)):
            if values is not None and np.shape(values) != (self.n_frames,):
                raise CalibrationError(
                    f"{self.name}: expected one {label} for each of {self.n_frames} frames, "
                    f"got {np.size(values)}"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return self.frames.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.frames.dtype

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.frames.shape[0]

    @property
    def frame_s(self) -> float | None:
        """Usual time from one frame to the next [s]; None where unknown, or with a single frame."""
        if self.times_s is None or self.n_frames < 2:
            return None
        return float(np.median(np.diff(self.times_s)))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Say in a sentence each what is not known of pixel size and time stamps."""
        said = []
        if self.pixel_nm is None:
            said.append("no pixel size is known: every length and area is in pixels; give --pixel-nm")
        if self.times_s is None and self.n_frames > 1:
            said.append("no frame times are known: frames are counted, not timed; give --frame-s")
        return tuple(said)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        return self.frames.read(start, stop)

    def with_calibration(
        self,
        *,
        pixel_nm: float | None = None,
        frame_s: float | None = None,
        dose_e_per_A2: float | None = None,
    ) -> Stack:
        """Override or supply calibration; arguments left None keep what the file said.

        Parameters
        ----------
        pixel_nm : float or None
            Side of a square pixel [nm].
        frame_s : float or None
            Time from one frame to the next [s]; replaces all time stamps.
        dose_e_per_A2 : float or None
            Dose of every frame [e⁻/Å²].

        Returns
        -------
        Stack
            The same frames with the calibration given.

        Raises
        ------
        CalibrationError
            If a value is not finite and above 0.

        Examples
        --------
        >>> Stack.from_array(np.zeros((3, 4, 5))).with_calibration(frame_s=0.5).times_s.tolist()
        [0.0, 0.5, 1.0]
        """
        given = {"pixel size [nm]": pixel_nm, "frame time [s]": frame_s, "dose [e⁻/Å²]": dose_e_per_A2}
        for label, value in given.items():
            if value is not None and not (np.isfinite(value) and value > 0):
                raise CalibrationError(f"{self.name}: the {label} must be above 0, got {value}")
        changes: dict[str, Any] = {}
        if pixel_nm is not None:
            changes["pixel_nm"] = float(pixel_nm)
        if frame_s is not None:
            changes["times_s"] = np.arange(self.n_frames) * float(frame_s)
        if dose_e_per_A2 is not None:
            changes["dose_e_per_A2"] = np.full(self.n_frames, float(dose_e_per_A2))
        return replace(self, **changes)

    @classmethod
    def from_array(
        cls,
        array: np.ndarray,
        *,
        pixel_nm: float | None = None,
        frame_s: float | None = None,
        dose_e_per_A2: float | None = None,
        name: str = "movie",
    ) -> Stack:
        """Make a Stack of frames in memory.

        Parameters
        ----------
        array : array (T, Y, X), or (Y, X) for a single frame
            Pixels of any real type.
        pixel_nm, frame_s, dose_e_per_A2 : float or None
            Calibration, as in `with_calibration`.
        name : str
            Short name.

        Returns
        -------
        Stack
            A stack that refers to the array without copying it.

        Raises
        ------
        DataError
            If the array has neither two nor three axes.

        Examples
        --------
        >>> Stack.from_array(np.zeros((4, 5))).shape
        (1, 4, 5)
        """
        array = np.asarray(array)
        if array.ndim == 2:
            array = array[np.newaxis]
        if array.ndim != 3:
            raise DataError(f"{name}: expected frames (T, Y, X), got an array of shape {array.shape}")
        return cls(ArrayFrames(array), name=name).with_calibration(
            pixel_nm=pixel_nm, frame_s=frame_s, dose_e_per_A2=dose_e_per_A2
        )

    @classmethod
    def from_signal(cls, signal: Any, *, name: str | None = None) -> Stack:
        """Make a Stack of a HyperSpy signal: one navigation axis at most, two signal axes.

        Parameters
        ----------
        signal : hyperspy Signal2D, lazy or not
            A movie (T | X, Y) or a single frame (| X, Y).
        name : str or None
            Short name; the signal's title where None.

        Returns
        -------
        Stack
            Lazy where the signal is lazy; calibrated where its axes have units of length and time.

        Raises
        ------
        DataError
            If the signal has more than one navigation axis or not two signal axes.
        CalibrationError
            If its pixels are not square.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> Stack.from_signal(hs.signals.Signal2D(np.zeros((3, 4, 5)))).shape
        (3, 4, 5)
        """
        from .units import square_pixel_nm, to_seconds

        manager = signal.axes_manager
        if manager.signal_dimension != 2 or manager.navigation_dimension > 1:
            raise DataError(
                f"expected a signal with 2 signal axes and at most 1 navigation axis, got "
                f"{manager.signal_dimension} and {manager.navigation_dimension}; "
                "use .as_signal2D() or .inav[] first"
            )
        title = name or signal.metadata.get_item("General.title") or "signal"
        columns, rows = manager.signal_axes
        pixel_nm = square_pixel_nm((rows.scale, str(rows.units)), (columns.scale, str(columns.units)), title)
        data = signal.data if signal.data.ndim == 3 else signal.data[np.newaxis]
        times_s = None
        if manager.navigation_dimension == 1:
            axis = manager.navigation_axes[0]
            # The axis' own values: one that is not uniform has gaps, and no scale.
            unit_s = to_seconds(1.0, str(axis.units))
            elapsed = np.asarray(axis.axis, np.float64) - axis.axis[0]
            times_s = None if unit_s is None or not elapsed.any() else elapsed * unit_s
        return cls(
            DaskFrames(data) if hasattr(data, "compute") else ArrayFrames(data),
            name=title,
            pixel_nm=pixel_nm,
            times_s=times_s,
            metadata=signal.metadata.as_dictionary(),
        )

    def to_signal(self) -> Any:
        """Hand the movie over as a lazy HyperSpy signal with calibrated axes.

        Returns
        -------
        hyperspy LazySignal2D (T | X, Y)
            Axes in nm and s where known; frames are read when HyperSpy asks for them.

        Examples
        --------
        >>> Stack.from_array(np.zeros((3, 4, 5)), pixel_nm=0.1).to_signal().data.shape
        (3, 4, 5)
        """
        # Imported by name at the call: this room must load where HyperSpy is not installed.
        signals = import_module("hyperspy.api").signals
        dask = import_module("dask.array")
        data = dask.map_blocks(
            _read_dask_block,
            frames=self.frames,
            chunks=((1,) * self.n_frames, (self.shape[1],), (self.shape[2],)),
            dtype=self.dtype,
            meta=np.empty((0, 0, 0), self.dtype),
        )
        steps_s = np.diff(self.times_s) if self.times_s is not None and self.n_frames > 1 else None
        pixel = {"scale": self.pixel_nm or 1.0, "units": "nm" if self.pixel_nm else "px"}
        time: dict[str, Any] = {"name": "time", "navigate": True}
        if steps_s is None:
            time |= {"size": self.n_frames, "scale": 1.0, "units": "frame"}
        elif np.allclose(steps_s, steps_s[0], rtol=1e-6):
            time |= {"size": self.n_frames, "scale": float(steps_s.mean()), "units": "s"}
        else:
            # Gaps stay gaps: an axis that lists every time.
            time |= {"axis": self.times_s, "units": "s"}
        axes = [
            time,
            {"name": "y", "size": self.shape[1], "navigate": False, **pixel},
            {"name": "x", "size": self.shape[2], "navigate": False, **pixel},
        ]
        metadata = {"General": {"title": self.name}}
        return signals.Signal2D(data, axes=axes, metadata=metadata).as_lazy()


@dataclass(frozen=True)
class DaskFrames:
    """Frames of a Dask array (T, Y, X), computed as they are asked for."""

    array: Any

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        frames, rows, columns = self.array.shape
        return frames, rows, columns

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self.array.dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Compute frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        return np.asarray(self.array[start:stop].compute(scheduler="synchronous"))


def _read_dask_block(frames: Frames, block_info: Mapping[Any, Any] | None = None) -> np.ndarray:
    assert block_info is not None
    start, stop = block_info[None]["array-location"][0]
    return frames.read(start, stop)
