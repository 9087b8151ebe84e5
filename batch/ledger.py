"""The ledger of a batch: which movies are done, which failed and why, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from temflux.engine.base.errors import WriteError

Status = Literal["done", "failed"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS movies (
    name TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    work_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'failed')),
    why TEXT NOT NULL,
    facts TEXT NOT NULL,
    finished TEXT NOT NULL DEFAULT (datetime('now'))
)
"""


@dataclass(frozen=True)
class Entry:
    """What became of one movie.

    Parameters
    ----------
    name : str
        Name of its output folder.
    source : str
        Path that it was read from.
    work_key : str
        Input, settings and version that the outputs belong to.
    status : "done" or "failed"
        How it ended.
    why : str
        One line, empty where it is done.
    facts : mapping
        Its row of the summary.
    """

    name: str
    source: str
    work_key: str
    status: Status
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """The record of a batch, safe against being stopped at any moment.

    Parameters
    ----------
    path : Path
        The SQLite file; made where it is missing.

    Raises
    ------
    WriteError
        If the file cannot be opened or is no ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as connection:
            connection.execute(_SCHEMA)

    def record(self, entry: Entry) -> None:
        """Write what became of a movie, in place of what was written of it before."""
        row = (
            entry.name,
            entry.source,
            entry.work_key,
            entry.status,
            entry.why,
            json.dumps(dict(entry.facts), default=str),
        )
        with self._open() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO movies (name, source, work_key, status, why, facts) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

    def entries(self) -> list[Entry]:
        """List what is recorded, by name."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT name, source, work_key, status, why, facts FROM movies ORDER BY name"
            ).fetchall()
        return [
            Entry(name, source, key, status, why, json.loads(facts))
            for name, source, key, status, why, facts in rows
        ]

    def done_keys(self) -> dict[str, str]:
        """Look up the work key of every movie that is done."""
        return {entry.name: entry.work_key for entry in self.entries() if entry.status == "done"}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise WriteError(
                f"cannot write the ledger {self.path}: {error}; free some space, or choose another --out"
            ) from error
