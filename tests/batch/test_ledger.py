"""The ledger keeps what became of each movie, and says when it cannot."""

import pytest

from temflux.batch.ledger import Entry, Ledger
from temflux.engine.base.errors import WriteError


def test_what_is_recorded_is_found_again(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record(Entry("b", "/b.dm4", "key", "failed", "too short"))
    ledger.record(Entry("a", "/a.dm4", "key", "done", facts={"frames": 3}))
    again = Ledger(tmp_path / "ledger.sqlite").entries()
    assert [(entry.name, entry.status, entry.why) for entry in again] == [
        ("a", "done", ""),
        ("b", "failed", "too short"),
    ]
    assert again[0].facts == {"frames": 3}
    assert ledger.done_keys() == {"a": "key"}


def test_a_later_end_replaces_an_earlier(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record(Entry("a", "/a.dm4", "key", "failed", "disk full"))
    ledger.record(Entry("a", "/a.dm4", "key", "done"))
    assert [entry.status for entry in ledger.entries()] == ["done"]


def test_a_file_that_is_no_ledger_is_said_in_one_line(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(WriteError, match=r"ledger\.sqlite"):
        Ledger(path)
