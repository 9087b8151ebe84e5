"""The summary of a batch: one table and one page over all its movies, written from the ledger."""

from __future__ import annotations

from pathlib import Path

from temflux.engine.report import writing
from temflux.engine.report.page import write_index

from .ledger import Entry, Ledger


def write_summary(out: Path) -> None:
    """Write summary.csv and index.html over all movies of a batch, those of earlier runs too.

    Parameters
    ----------
    out : Path
        Folder of the batch, with its ledger.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    path = out / "ledger.sqlite"
    if not path.exists():
        return
    rows = [_row(entry) for entry in Ledger(path).entries()]
    writing.write_summary(out / "summary.csv", rows)
    write_index(out, rows)


def _row(entry: Entry) -> dict[str, object]:
    return {**entry.facts, "movie": entry.name, "status": entry.status, "reason": entry.why}
