"""A tracked movie opened again from its folder, and sections put into its page."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from temflux.engine.base.errors import DataError, ReadError
from temflux.engine.report.page_sections import put_section
from temflux.engine.report.pictures import Picture
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.finished import open_tracked
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import disc_movie


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked")
    movie = folder / "discs.tif"
    tifffile.imwrite(movie, disc_movie(n_frames=3)[0].astype(np.float32), photometric="minisblack")
    settings = TrackSettings(pixel_nm=0.1, frame_s=0.5, dose_e_per_A2=20.0, min_separation_nm=0.8)
    return movie, track(movie, settings, out=folder / "out" / "discs")


def test_what_was_left_is_what_was_found(tracked):
    movie, result = tracked
    again = open_tracked(result.folder)
    pd.testing.assert_frame_equal(again.tracks, result.tracks, check_dtype=False)
    pd.testing.assert_frame_equal(again.peaks, result.peaks)
    np.testing.assert_array_equal(again.labels[:], result.labels[:])
    assert again.pixel_nm == 0.1
    np.testing.assert_allclose(again.times_s, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(again.dose_e_per_A2, 20.0)
    assert again.shown().time_unit == "s"
    stack = again.open_movie()
    np.testing.assert_array_equal(stack.read(0, 3), tifffile.imread(movie))
    assert stack.pixel_nm == 0.1
    np.testing.assert_allclose(stack.times_s, [0.0, 0.5, 1.0])


def test_the_movie_is_found_from_any_folder(tracked, tmp_path, monkeypatch):
    movie, result = tracked
    monkeypatch.chdir(movie.parent)
    track(movie.name, TrackSettings(pixel_nm=0.1, spectra="none"), out=tmp_path / "discs")
    monkeypatch.chdir(tmp_path)
    assert open_tracked("discs").open_movie().shape == (3, *result.labels.shape[1:])


def test_the_output_of_one_movie_will_do(tracked):
    assert open_tracked(tracked[1].folder.parent).folder == tracked[1].folder


def test_what_is_not_there_is_said(tracked, tmp_path):
    with pytest.raises(ReadError, match="run temflux track"):
        open_tracked(tmp_path)
    movie, result = tracked
    whole = movie.read_bytes()
    try:
        tifffile.imwrite(movie, np.zeros((3, 16, 16), np.float32), photometric="minisblack")
        with pytest.raises(DataError, match="changed since"):
            open_tracked(result.folder).open_movie()
        movie.unlink()
        with pytest.raises(ReadError, match="put the movie back"):
            open_tracked(result.folder).open_movie()
    finally:
        movie.write_bytes(whole)


def test_a_section_is_put_once(tracked):
    folder = tracked[1].folder
    before = (folder / "page.html").read_text()
    for size in (1.0, 2.5):
        table = pd.DataFrame({"particle": [1], "size_nm2": [size], "kind": ["<step>"]})
        put_section(folder, "onsets", title="Onsets", caption="Of area.", table=table, files=["onsets.csv"])
    text = (folder / "page.html").read_text()
    assert text.count("<h2>Onsets</h2>") == 1
    assert "2.5" in text
    assert "&lt;step&gt;" in text
    assert '<span class="unit">[nm²]</span>' in text
    put_section(folder, "peaks", title="Peaks", caption="Followed.")
    text = (folder / "page.html").read_text()
    assert text.index("<h2>Onsets</h2>") < text.index("<h2>Peaks</h2>") < text.index("<h2>Files</h2>")
    assert len(before) < len(text)


def test_wide_figures_take_the_width_and_small_ones_share_it(tracked):
    folder = tracked[1].folder
    pictures = [
        Picture("small", "figures/a", "data:image/svg+xml;base64,a"),
        Picture("wide", "figures/b", "data:image/svg+xml;base64,b", "data:image/svg+xml;base64,c"),
        Picture("small too", "figures/d", "data:image/svg+xml;base64,d"),
    ]
    put_section(folder, "shown", title="Shown", caption="", pictures=pictures)
    text = (folder / "page.html").read_text()
    section = text[text.index("<!-- section shown -->") : text.index("<!-- /section shown -->")]
    row = section[section.index('<div class="row">') :]
    assert 'alt="wide"' in section.removesuffix(row)
    assert 'alt="small"' in row
    assert 'alt="small too"' in row


def test_a_page_without_a_place_is_refused(tmp_path):
    (tmp_path / "page.html").write_text("<html></html>")
    with pytest.raises(DataError, match="run temflux track again"):
        put_section(tmp_path, "onsets", title="Onsets", caption="")
    with pytest.raises(ReadError):
        put_section(tmp_path / "none", "onsets", title="Onsets", caption="")
