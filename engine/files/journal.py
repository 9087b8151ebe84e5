"""Journals: one JSON object a line, only ever added to, whole up to the last finished line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..base.errors import ReadError
from .atomic import write_errors


def read_journal(path: str | Path) -> list[dict[str, Any]]:
    """Read the finished lines of a journal.

    Parameters
    ----------
    path : str or Path
        The journal; one that does not exist has no lines.

    Returns
    -------
    list of dict
        In the order in which they were added; a last line that was cut short is not among them.

    Raises
    ------
    ReadError
        If a finished line is not a JSON object.

    Examples
    --------
    >>> read_journal("nothing-here.jsonl")
    []
    """
    path = Path(path)
    if not path.exists():
        return []
    try:
        text = path.read_bytes()
        lines = text[: text.rfind(b"\n") + 1].decode("utf-8").splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: expected one JSON object a line, {error}") from None
    if not all(isinstance(record, dict) for record in records):
        raise ReadError(f"{path}: expected one JSON object a line")
    return records


class Journal:
    """A journal open for adding; what a stopped run left half-written is cut off.

    Parameters
    ----------
    path : Path
        The journal; made where it is missing.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "systems.jsonl"
    >>> with Journal(path) as journal:
    ...     journal.add({"system": 0})
    >>> read_journal(path)
    [{'system': 0}]
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if path.exists() else "w+b")
            whole = self._file.read().rfind(b"\n") + 1
            self._file.truncate(whole)
            self._file.seek(whole)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *ended: object) -> None:
        self._file.close()

    def add(self, record: Mapping[str, Any]) -> None:
        """Add one line and see it to the disk; what it speaks of must be there already."""
        line = json.dumps(record, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
        with write_errors(self._path):
            self._file.write(line.encode("utf-8"))
            self._file.flush()
            os.fsync(self._file.fileno())
