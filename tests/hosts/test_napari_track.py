"""The dock "temflux track": drawn from the settings' model, and running what the command line runs."""

import doctest
import importlib

import numpy as np
import pytest

from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.hosts.napari_window import SCALE, UNITS, calibrated, messages, units_of, wait_for
from tests.movies import FRAME_S, PIXEL_NM, disc_movie

SEPARATION_NM = 0.8


@pytest.fixture
def dock(viewer):
    """The dock as the menu opens it."""
    wrapper, widget = viewer.window.add_plugin_dock_widget("temflux", "temflux track")
    assert wrapper.name.startswith("temflux track")
    return widget


@pytest.fixture(scope="module")
def frames():
    return disc_movie()[0]


def test_every_setting_is_drawn_from_the_model(dock):
    from qtpy.QtWidgets import QFormLayout

    form = dock.form
    assert list(form.fields) == list(TrackSettings.model_fields)
    labels = form.findChild(QFormLayout)
    for name, field in TrackSettings.model_fields.items():
        assert field.description in form.fields[name].toolTip()
        text = labels.labelForField(form.fields[name]).text()
        assert text == {
            "min_separation_nm": "min separation [nm]",
            "dose_e_per_A2": "dose [e⁻/Å²]",
            "frame_s": "frame [s]",
        }.get(name, text)
    assert form.values() == {}
    assert form.settings(TrackSettings) == TrackSettings()
    neck, memory = form.fields["neck"], form.fields["memory"]
    assert (neck.maximum(), memory.minimum(), memory.maximum()) == (1, 0, 100)
    assert 0 < neck.minimum() < 0.001
    assert "above 0, 1 or less" in neck.toolTip().lower()
    choices = form.fields["overlap_of"]
    assert [choices.itemText(i) for i in range(choices.count())] == ["smaller", "previous", "current", "iou"]
    segment = form.fields["segment"]
    assert {"threshold", "model:au-ceo2-mask"} <= {segment.itemText(i) for i in range(segment.count())}


def test_values_go_through_the_model(dock):
    form = dock.form
    form.set_value("pixel_nm", "0.05")
    form.set_value("memory", 3)
    form.set_value("overlap_of", "iou")
    form.set_value("log", "heater.csv")
    given = {"pixel_nm": 0.05, "memory": 3, "overlap_of": "iou", "log": "heater.csv"}
    assert form.settings(TrackSettings) == TrackSettings(**given)
    form.set_value("pixel_nm", "none of it")
    assert dock.message.text().startswith("pixel_nm: ")
    assert not dock.start_button.isEnabled()
    form.set_value("pixel_nm", "")
    assert dock.message.text() == ""
    assert dock.start_button.isEnabled()


def test_a_movie_is_tracked_as_the_command_line_does(viewer, dock, frames, tmp_path, qtbot):
    theirs = track(
        calibrated(frames, "discs"), TrackSettings(min_separation_nm=SEPARATION_NM), out=tmp_path / "batch"
    )
    viewer.add_image(frames, name="discs", scale=SCALE, units=UNITS)
    assert dock.movie.currentText() == "discs"
    dock.form.set_value("min_separation_nm", SEPARATION_NM)
    dock.folder.setText(str(tmp_path / "mine"))
    seen = []
    running = dock.start()
    running.stepped.connect(lambda step: seen.append((step.stage, dock.stop_button.isEnabled())))
    wait_for(running, qtbot)
    labels, tracks = viewer.layers["discs, labels"], viewer.layers["discs, tracks"]
    np.testing.assert_array_equal(np.asarray(labels.data), theirs.labels[:])
    assert len(tracks.data) == len(theirs.tracks)
    assert units_of(labels) == list(UNITS)
    assert ("finding particles", True) in seen
    assert {"painting labels", "following spectra"} <= {stage for stage, _ in seen}
    table = viewer.window.dock_widgets["discs: particle properties"].table
    expected = theirs.tracks.sort_values(["particle", "frame"])["area_nm2"]
    np.testing.assert_array_equal(table.columns["area_nm2"], expected)
    for name in ("tracks.csv", "peaks.csv", "events.csv"):
        assert (tmp_path / "mine" / "discs" / name).read_bytes() == (theirs.folder / name).read_bytes()
    assert dock.start_button.isEnabled()
    assert not dock.stop_button.isEnabled()
    assert str(tmp_path / "mine" / "discs") in dock.message.text()
    assert messages() == []
    # A second time the results stand beside the first.
    wait_for(dock.start(), qtbot)
    assert (tmp_path / "mine" / "discs-2" / "page.html").is_file()


def test_tracking_is_stopped(viewer, dock, frames, qtbot):
    viewer.add_image(frames, name="discs", scale=SCALE, units=UNITS)
    running = dock.start()
    dock.stop()
    wait_for(running, qtbot)
    assert [layer.name for layer in viewer.layers] == ["discs"]
    assert messages() == [("info", "temflux track: stopped")]
    assert dock.start_button.isEnabled()


def test_calibration_given_in_the_dock_is_the_movies(viewer, dock, frames, qtbot):
    image = viewer.add_image(frames, name="discs")
    dock.form.set_value("pixel_nm", str(PIXEL_NM))
    dock.form.set_value("frame_s", str(FRAME_S))
    dock.form.set_value("spectra", "none")
    wait_for(dock.start(), qtbot)
    for layer in (image, viewer.layers["discs, labels"]):
        assert layer.scale.tolist() == list(SCALE)
        assert units_of(layer) == list(UNITS)


def test_without_a_movie_it_says_so(dock):
    assert dock.start() is None
    ((kind, text),) = messages()
    assert kind == "error"
    assert "drag a movie" in text


@pytest.mark.usefixtures("qtbot")
@pytest.mark.parametrize("name", ["preparing", "settings_form"])
def test_examples_run(name):
    module = importlib.import_module(f"temflux.dragonfly_plugin.napari_host.{name}")
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
