"""The command that follows reflections: words, flags and what it refuses."""

import numpy as np
import pytest
from cyclopts import App

from temflux.batch.exit_codes import GOOD
from temflux.batch.following import peaks
from temflux.engine.base.errors import SettingsError
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import disc_movie


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tracked movie of three discs, the first of which has fringes along the rows."""
    out = tmp_path_factory.mktemp("following")
    frames, masks = disc_movie(n_frames=2)
    fringes = 30 * np.cos(2 * np.pi * np.arange(200) / 5)
    frames = np.where(masks & (np.arange(200) < 90), np.maximum(frames + fringes, 0), frames)
    np.savez(out / "movie.npz", frames=frames.astype(np.uint16), pixel_nm=0.1, frame_s=0.5)
    np.savez(out / "masks.npz", masks=masks)
    settings = TrackSettings(segment=f"masks:{out / 'masks.npz'}", spectra="none")
    return track(out / "movie.npz", settings, out=out / "out" / "movie").folder


def run(*arguments):
    app = App(result_action="return_value")
    app.command(peaks)
    return app(["peaks", *map(str, arguments)], exit_on_error=False, print_error=False)


def test_it_says_what_was_found(folder, capsys):
    assert run(folder, "--alpha", "1e-4", "--crystal", "Si") == GOOD
    said = capsys.readouterr().out
    assert "pairs of reflections of 2 particles, 0 of 2 frames can be read" in said
    assert "note: Si cannot explain the reflections" in said


def test_flags_are_those_of_the_settings(folder, capsys):
    assert run(folder, "--particles", "1", "--most-ratio", "5", "--contrast", "0.1") == GOOD
    assert "1 pair of reflections of 1 particle" in capsys.readouterr().out
    with pytest.raises(SettingsError, match="no particle 99"):
        run(folder, "--particles", "99")
