"""What is told of work under way: paces that are true, or none."""

import pytest
from rich.console import Console

from temflux.batch import progress
from temflux.batch.progress import StageProgress


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_pace_is_told_once_it_is_known(clock, monkeypatch):
    told = []
    monkeypatch.setattr(StageProgress, "_show", lambda _self, *what: told.append(what))
    hear = StageProgress(Console())
    for stage, done, seconds in [
        ("a", 1, 0),
        ("a", 1, 3),
        ("a", 3, 4),
        ("b", 0, 2),
        ("b", 5, 2),
        ("b", 0, 1),
        ("b", 2, 1),
    ]:
        clock[0] += seconds
        hear(stage, done, 110)
    assert told == [
        ("a", 1, 110, ""),
        ("a", 1, 110, ""),
        ("a", 3, 110, "0.286 a second, 0:06:14 left"),
        ("b", 0, 110, ""),
        ("b", 5, 110, "2.5 a second, 0:00:42 left"),
        ("b", 0, 110, ""),
        ("b", 2, 110, "2 a second, 0:00:54 left"),
    ]


def test_a_log_has_no_empty_pace(clock, capsys):
    hear = StageProgress(Console(force_terminal=False, width=80))
    for done in (1, 2):
        clock[0] += 40
        hear("epoch 1", done, 3)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1: 1 of 3",
        "epoch 1: 2 of 3, 0.025 a second, 0:00:40 left",
    ]
