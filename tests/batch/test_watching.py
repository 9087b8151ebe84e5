"""The command for onsets: what is handed on, and what it says."""

import pandas as pd

from temflux.batch import watching
from temflux.engine.workflows.events import EventsResult
from temflux.engine.workflows.onsets.settings import EventSettings


def test_onsets_are_told_with_notes_and_the_page(tmp_path, capsys, monkeypatch):
    asked = []

    def find_events(folder, settings, *, progress):
        asked.append((folder, settings))
        progress("watching series", 3, 3)
        onsets, watched = pd.DataFrame({"sure": [True, False]}), pd.DataFrame({"particle": [1, 2, 3]})
        return EventsResult(tmp_path / "movie", onsets, watched, ("1 of 3 series [too short]",), {})

    monkeypatch.setattr(watching, "find_events", find_events)
    settings = EventSettings(on="angle")
    assert watching.events(tmp_path, settings=settings) == 0
    assert asked == [(tmp_path, settings)]
    said = capsys.readouterr().out
    assert "note: 1 of 3 series [too short]\n" in said
    assert "2 onsets, 1 sure, in 3 series (" in said
    assert said.rstrip().endswith(str(tmp_path / "movie" / "page.html"))
