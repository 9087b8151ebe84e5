"""What else is measured as soon as a movie is tracked: the same as by the commands afterwards."""

import pytest

from temflux.batch.cli import main
from temflux.engine.base.errors import SettingsError
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import save_movie

N_FRAMES = 48


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    return save_movie(tmp_path_factory.mktemp("movie") / "discs.npz", n_frames=N_FRAMES)


def test_they_are_as_the_commands_find_them(movie, tmp_path):
    plain = ["track", str(movie), "--jobs", "1", "--spectra", "none", "--min-separation-nm", "0.8"]
    assert main([*plain, "--out", str(tmp_path / "at-once"), "--with", "events,peaks"]) == 0
    assert main([*plain, "--out", str(tmp_path / "afterwards")]) == 0
    assert main(["peaks", str(tmp_path / "afterwards" / "discs")]) == 0
    assert main(["events", str(tmp_path / "afterwards" / "discs"), "--on", "area"]) == 0
    names = ("reflections.csv", "zone_axis.csv", "readable_frames.csv", "onsets.csv", "onsets_watched.csv")
    for name in names:
        one, other = (tmp_path / how / "discs" / name for how in ("at-once", "afterwards"))
        assert one.read_bytes() == other.read_bytes(), name
    text = (tmp_path / "at-once" / "discs" / "page.html").read_text()
    assert text.index("<!-- section peaks -->") < text.index("<!-- section onsets -->")


def test_what_cannot_be_measured_is_a_note(tmp_path):
    settings = TrackSettings(with_="events", spectra="none", min_separation_nm=0.8)
    short = save_movie(tmp_path / "short.npz", n_frames=3)
    result = track(short, settings, out=tmp_path / "out")
    assert any(note.startswith("events: none of") for note in result.notes)
    assert len(result.tracks)
    assert not (result.folder / "onsets.csv").exists()


def test_only_what_is_known_can_be_asked_for():
    assert TrackSettings(with_="events, peaks").further() == ("peaks", "events")
    assert TrackSettings.model_validate({"with": "columns"}).further() == ("columns",)
    with pytest.raises(SettingsError, match="expected some of peaks, columns, events"):
        check_settings(TrackSettings, {"with": "strain"})
