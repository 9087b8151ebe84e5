"""The menu items in napari: chosen by the commands of its menus, with the numbers of the batch."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

from temflux.engine.base.stack import Stack
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.hosts.napari_window import SCALE, UNITS, begin, calibrated, choose, messages, units_of, wait_for
from tests.movies import PIXEL_NM, disc_movie

N_FRAMES = 6
SEPARATION_NM = 0.8


@pytest.fixture(scope="module")
def movie():
    return disc_movie(n_frames=N_FRAMES)


@pytest.fixture(scope="module")
def tracked(movie, tmp_path_factory):
    """The batch's result for the same masks."""
    folder = tmp_path_factory.mktemp("tracked")
    np.save(folder / "masks.npy", movie[1])
    settings = TrackSettings(segment=f"masks:{folder / 'masks.npy'}", min_separation_nm=SEPARATION_NM)
    return track(calibrated(movie[0], "discs"), settings, out=folder / "out")


@pytest.fixture
def answers(monkeypatch):
    """What the user types into the dialogs, None to cancel, and the units that were asked for."""
    from temflux.dragonfly_plugin.napari_host import commands

    user = SimpleNamespace(given=[], asked=[])

    def ask(_title, questions):
        if not questions:
            return []
        user.asked.append([question.unit for question in questions])
        return user.given.pop(0)

    monkeypatch.setattr(commands, "ask_numbers", ask)
    return user


@pytest.fixture
def window(viewer, movie):
    """The window with the movie and its masks, the latter selected."""
    viewer.add_image(movie[0], name="discs", scale=SCALE, units=UNITS)
    masks = viewer.add_labels(movie[1].astype(np.uint8), name="marked", scale=SCALE, units=UNITS)
    viewer.layers.selection = {masks}
    return viewer


@pytest.fixture
def labelled(window, tracked):
    """The same with the batch's labels, selected."""
    labels = window.add_labels(tracked.labels[:], name="labels", scale=SCALE, units=UNITS)
    window.layers.selection = {labels}
    return window


def test_labels_and_tracks_are_the_batchs(window, tracked, answers, qtbot):
    answers.given += [[SEPARATION_NM], [SEPARATION_NM]]
    choose("temflux.label", qtbot)
    assert answers.asked == [["nm"]]
    labels, tracks = window.layers["marked: particles"], window.layers["marked: particles, tracks"]
    np.testing.assert_array_equal(np.asarray(labels.data), tracked.labels[:])
    for layer in (labels, tracks):
        assert layer.scale.tolist() == list(SCALE)
        assert units_of(layer) == list(UNITS)
    theirs = tracked.tracks.sort_values(["particle", "frame"])[["particle", "frame", "y_px", "x_px"]]
    np.testing.assert_allclose(tracks.data, theirs.to_numpy(), rtol=1e-6)
    # What is there keeps its name and its pixels.
    labels.data = np.zeros(labels.data.shape, np.int32)
    choose_again = window.layers["marked"]
    window.layers.selection = {choose_again}
    choose("temflux.label", qtbot)
    assert not np.asarray(window.layers["marked: particles"].data).any()
    assert np.asarray(window.layers["marked: particles [1]"].data).any()


def test_a_cancelled_dialog_does_nothing(window, answers, qtbot):
    before = list(window.layers)
    answers.given.append(None)
    assert choose("temflux.label", qtbot) is None
    assert list(window.layers) == before
    assert messages() == []


def test_spectra_are_the_batchs(labelled, tracked, make_napari_viewer, monkeypatch, qtbot):
    from temflux.dragonfly_plugin.napari_host import showing

    made = []
    monkeypatch.setattr(showing, "new_window", lambda _: made.append(make_napari_viewer()) or made[0])
    labelled.layers["labels"].selected_label = 2
    labelled.dims.set_current_step(0, 4)
    choose("temflux.spectrum", qtbot)
    (spectra,) = made[0].layers
    np.testing.assert_array_equal(spectra.data, tracked.spectra(2)[:])
    size = spectra.data.shape[1]
    step = 1 / (size * PIXEL_NM)
    np.testing.assert_allclose(spectra.scale, (SCALE[0], step, step))
    assert units_of(spectra) == ["s", "1 / nm", "1 / nm"]
    assert spectra.data_to_world((0, size // 2, size // 2))[1:] == pytest.approx((0, 0))
    assert made[0].dims.current_step[0] == 4
    made[0].dims.set_current_step(0, 1)
    assert labelled.dims.current_step[0] == 1
    made[0].close()
    labelled.dims.set_current_step(0, 3)
    assert labelled.dims.current_step[0] == 3


def test_properties_are_the_batchs(labelled, tracked, tmp_path, monkeypatch, qtbot):
    from qtpy.QtWidgets import QFileDialog

    choose("temflux.properties", qtbot)
    dock = labelled.window.dock_widgets["particle properties"]
    theirs = tracked.tracks.sort_values(["particle", "frame"])
    for name in ("frame", "time_s", "particle", "area_nm2", "mean_intensity", "y_nm"):
        np.testing.assert_array_equal(dock.table.columns[name], theirs[name].to_numpy(), err_msg=name)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    dock.ask_and_save()
    dock.ask_and_save()
    names = sorted(path.name for path in tmp_path.iterdir())
    stems = ("particle-properties-2", "particle-properties")
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("csv", "png", "svg")]
    choose("temflux.properties", qtbot)
    assert "particle properties [2]" in labelled.window.dock_widgets


def test_peaks_are_drawn(viewer, qtbot):
    y, x = np.mgrid[:96, :96] - 48.0
    inside = np.hypot(y, x) < 30
    rng = np.random.default_rng(1)
    frames = rng.poisson(100 + 40 * np.cos(2 * np.pi * x / 8) * inside, (3, 96, 96))
    viewer.add_image(frames, scale=SCALE, units=UNITS)
    viewer.add_labels(np.stack([inside] * 3).astype(np.uint8), name="Au", scale=SCALE, units=UNITS)
    choose("temflux.peaks", qtbot)
    (dock,) = viewer.window.dock_widgets.values()
    assert dock.table.name == "Au 1: Fourier peaks"
    assert np.allclose(dock.table.columns["d_nm"][:2], 8 * PIXEL_NM, rtol=0.05)
    assert dock.findChild(type(dock), "") is None
    assert [curve.y for curve in dock.table.curves] == ["intensity", "angle_deg"]


def test_events_are_shown_where_they_happen(viewer, qtbot):
    frames = np.zeros((4, 20, 20), np.int32)
    frames[:2, 2:6, 2:6], frames[2:, 10:14, 10:14] = 7, 3
    viewer.add_labels(frames, name="made", scale=SCALE, units=UNITS)
    choose("temflux.events", qtbot)
    (dock,) = viewer.window.dock_widgets.values()
    assert dock.table.columns["event"].tolist() == ["birth", "death"]
    points = viewer.layers["made: events"]
    assert points.data.tolist() == [[2, 11.5, 11.5], [2, 3.5, 3.5]]
    assert points.scale.tolist() == list(SCALE)
    assert points.features["event"].tolist() == ["birth", "death"]


def test_an_uncalibrated_layer_is_asked_about_once(viewer, movie, answers, qtbot):
    masks = viewer.add_labels(movie[1].astype(np.uint8), name="marked")
    answers.given += [[SEPARATION_NM, PIXEL_NM], [SEPARATION_NM]]
    choose("temflux.label", qtbot)
    viewer.layers.selection = {masks}
    choose("temflux.label", qtbot)
    assert answers.asked == [["nm", "nm"], ["nm"]]
    assert units_of(masks) == ["pixel", "nm", "nm"]
    assert viewer.layers["marked: particles"].scale.tolist() == [1, PIXEL_NM, PIXEL_NM]


def test_labels_on_a_calibrated_image_have_its_pixels(viewer, movie, answers, qtbot):
    viewer.add_image(movie[0], scale=SCALE, units=UNITS)
    masks = viewer.add_labels(movie[1].astype(np.uint8), name="marked")
    viewer.layers.selection = {masks}
    answers.given.append([SEPARATION_NM])
    choose("temflux.label", qtbot)
    assert answers.asked == [["nm"]]
    assert masks.scale.tolist() == list(SCALE)


def test_what_cannot_be_done_is_told_in_one_line(window, answers, qtbot):
    image, masks = window.layers
    window.layers.selection = {image}
    assert choose("temflux.label", qtbot) is None
    window.layers.selection = {masks}
    other = window.add_labels(np.zeros((2, 5, 5), np.uint8), name="other", scale=SCALE, units=UNITS)
    window.layers.selection = {masks, other, image}
    choose("temflux.properties", qtbot)
    window.layers.selection = {masks}
    masks.selected_label = 9
    choose("temflux.spectrum", qtbot)
    answers.given.append([50.0])
    choose("temflux.label", qtbot)
    told = messages()
    assert [kind for kind, _ in told] == ["error"] * 4
    for (_, text), said in zip(
        told, ("a labels layer", "one shape", "no pixel is marked", "smaller"), strict=True
    ):
        assert said in text
        assert "\n" not in text
        assert "Traceback" not in text
    assert [layer.name for layer in window.layers] == ["discs", "marked", "other"]


def test_work_is_stopped_by_its_bar(window, answers, qtbot, monkeypatch):
    from napari.utils import progress

    from temflux.dragonfly_plugin import menu

    read = Stack.read

    def slowly(stack, start, stop):
        qtbot.wait(1)
        return read(stack, start, stop)

    monkeypatch.setattr(
        menu.Particle, "mask", lambda self, frame: slowly(self.masks, frame, frame + 1)[0] > 0
    )
    answers.given.append([SEPARATION_NM])
    running = begin("temflux.label")
    (bar,) = progress._all_instances
    bar.cancel()
    wait_for(running, qtbot)
    assert [layer.name for layer in window.layers] == ["discs", "marked"]
    assert messages() == [("info", "Label by 2+1D Connectivity: stopped")]
    assert not progress._all_instances


@pytest.mark.usefixtures("window")
def test_what_nobody_foresaw_is_one_line_too(answers, qtbot, monkeypatch):
    from temflux.dragonfly_plugin import menu

    monkeypatch.setattr(menu.Particle, "mask", lambda *_: 1 / 0)
    answers.given.append([SEPARATION_NM])
    choose("temflux.label", qtbot)
    ((kind, text),) = messages()
    assert kind == "error"
    assert "ZeroDivisionError: division by zero" in text
    assert "\n" not in text


def test_a_model_marks_what_it_marks_in_the_batch(window, monkeypatch, qtbot):
    from temflux.dragonfly_plugin.napari_host import commands
    from temflux.engine.workflows.tracking import segmentation

    asked = []
    monkeypatch.setattr(commands, "ask_choice", lambda *_: asked.append(_) or "stand-in")
    chosen = segmentation.Segmentation(threshold={"threshold": 0.5})
    stands_in = SimpleNamespace(
        mask=lambda _index, frame: frame < 80, notes=("dose of 3 e⁻/Å²: outside",), describe=chosen.describe
    )
    monkeypatch.setattr(
        segmentation, "choose_segmentation", lambda _stack, name: (asked.append(name), stands_in)[1]
    )
    choose("temflux.segment", qtbot)
    assert "Mask" not in asked[0][2]
    assert "au-ceo2-mask" in asked[0][2]
    assert asked[1] == "model:stand-in"
    masks = window.layers["discs, stand-in"]
    np.testing.assert_array_equal(np.asarray(masks.data), window.layers["discs"].data < 80)
    assert masks.scale.tolist() == list(SCALE)
    assert messages() == [("warning", "dose of 3 e⁻/Å²: outside")]


@pytest.mark.usefixtures("window")
def test_the_page_is_opened(monkeypatch, answers, qtbot):
    from qtpy.QtGui import QDesktopServices

    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True)
    answers.given.append([SEPARATION_NM])
    choose("temflux.page", qtbot)
    assert opened[0].endswith("discs/page.html")
    assert "<html" in Path(opened[0]).read_text(encoding="utf-8").lower()


def test_a_window_may_be_closed_while_work_runs(window, answers, qtbot, monkeypatch):
    from temflux.dragonfly_plugin.napari_host import commands

    begun, go_on = Event(), Event()

    def wait(*given):
        begun.set()
        go_on.wait()
        return drive(*given)

    drive = commands.drive
    monkeypatch.setattr(commands, "drive", wait)
    answers.given.append([SEPARATION_NM])
    running = begin("temflux.label")
    assert begun.wait(60)
    window.close()
    with qtbot.waitSignal(running.ended, timeout=60_000):
        go_on.set()
    assert messages() == [("info", "Label by 2+1D Connectivity: stopped")]


@pytest.mark.usefixtures("viewer")
def test_napari_can_name_work_that_is_gone(qtbot):
    import shiboken6

    from temflux.dragonfly_plugin.napari_host.running import Running

    running = Running("Label", lambda _: None, lambda _: None)
    task = running._worker._func
    wait_for(running, qtbot)
    qtbot.waitUntil(lambda: not shiboken6.isValid(running))
    assert repr(task) == "Label"


@pytest.mark.usefixtures("viewer")
def test_the_dialog_takes_numbers_above_nought_alone(qtbot):
    from qtpy.QtWidgets import QDialogButtonBox, QLabel

    from temflux.dragonfly_plugin.menu import Question
    from temflux.dragonfly_plugin.napari_host.asking import NumbersDialog, ask_numbers

    questions = [Question("Least distance", "nm", 2.0), Question("Side of a pixel", "nm", 0.1)]
    dialog = NumbersDialog(None, "Label", questions)
    qtbot.addWidget(dialog)
    assert [label.text() for label in dialog.findChildren(QLabel)] == [
        "Least distance [nm]",
        "Side of a pixel [nm]",
    ]
    assert dialog.numbers() == [2.0, 0.1]
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.Ok)
    for text, good in (("0.0123", True), ("0", False), ("-1", False), ("", False), ("1e-2", True)):
        dialog.fields[1].setText(text)
        assert ok.isEnabled() == good, text
    assert dialog.numbers() == [2.0, 0.01]
    assert ask_numbers("Nothing", []) == []
