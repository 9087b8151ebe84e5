"""The tree of errors: every message says what was expected, what came, and what to do.

TemfluxError
├── ReadError          a file or folder that cannot be read as a movie
├── WriteError         an output that cannot be written (permissions, a full disk)
├── CalibrationError   a pixel size, time or dose that is missing, impossible or contradictory
├── DataError          pixels of a kind or shape that the step cannot use
└── SettingsError      a setting outside its range, or settings that exclude each other
"""

from __future__ import annotations


class TemfluxError(Exception):
    """Root of all errors that temflux raises on purpose; its text is one line for the user."""


class ReadError(TemfluxError):
    """A file or folder cannot be read as a movie."""


class WriteError(TemfluxError):
    """An output cannot be written."""


class CalibrationError(TemfluxError):
    """A pixel size, time or dose is missing, impossible or contradictory."""


class DataError(TemfluxError):
    """Pixels are of a kind or shape that the step cannot use."""


class SettingsError(TemfluxError):
    """A setting is outside its range, or settings exclude each other."""
