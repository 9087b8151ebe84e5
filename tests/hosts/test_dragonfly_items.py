"""The menu items in Dragonfly: chosen as the host chooses them, with the numbers of the batch."""

import csv
import webbrowser

import numpy as np
import pytest

from temflux.engine.base.stack import Stack
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.hosts.dragonfly_double import pretended_host
from tests.hosts.dragonfly_items import NAMES, load_item
from tests.hosts.light_half import make_movie
from tests.movies import FRAME_S, PIXEL_NM, disc_movie

SEPARATION = "0.8"
NM = 1e-9
# The host's metres are multiplied back; sizes agree to what a double then holds.
CLOSE = 1e-9


@pytest.fixture(scope="module")
def movie():
    return disc_movie(n_frames=6)


def batch_of(frames, masks, folder):
    """The batch's result for a movie and its masks."""
    np.save(folder / "masks.npy", masks)
    settings = TrackSettings(segment=f"masks:{folder / 'masks.npy'}", min_separation_nm=float(SEPARATION))
    stack = Stack.from_array(frames, pixel_nm=PIXEL_NM, frame_s=FRAME_S)
    return track(stack, settings, out=folder / "out")


@pytest.fixture(scope="module")
def tracked(movie, tmp_path_factory):
    return batch_of(*movie, tmp_path_factory.mktemp("tracked"))


@pytest.fixture
def opened(monkeypatch):
    """Addresses that were opened in the browser."""
    addresses = []
    monkeypatch.setattr(webbrowser, "open", lambda address: addresses.append(address) or True)
    return addresses


@pytest.fixture
def loaded(dragonfly, movie):
    """The movie and its ROI, as a user has them."""
    frames, masks = movie
    image = dragonfly.channel(frames, pixel_m=PIXEL_NM * NM)
    return image, dragonfly.roi(masks, image)


def labelled(host, extensions, roi):
    """Label a ROI; the new multi-ROI and its voxels."""
    host.answers.append(SEPARATION)
    assert host.choose(load_item(extensions, "label"), roi)
    made = host.published(host.MultiROI)[-1]
    return made, made._data[0].copy()


def read_table(folder, name):
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {column: np.array([float(row[column] or "nan") for row in rows]) for column in rows[0]}


def assert_same(table, frame, columns):
    for name in columns:
        np.testing.assert_allclose(table[name], frame[name], rtol=2e-5, atol=1e-6, err_msg=name)


def test_labels_are_the_batchs(dragonfly, extensions, loaded, tracked):
    made, labels = labelled(dragonfly, extensions, loaded[1])
    np.testing.assert_array_equal(labels, tracked.labels[:])
    assert (made.getTitle(), made.getLabelCount()) == ("marked: particles", 3)
    assert made.getHasSameShape(loaded[1])
    assert made._state.dirty
    assert not dragonfly.messages


def test_the_question_says_what_is_time(dragonfly, extensions, loaded):
    labelled(dragonfly, extensions, loaded[1])
    ((kind, label, title, default),) = dragonfly.asked
    assert (kind, title, default) == ("entry", "temflux", "2")
    assert label == "Least distance between particles' centres (6 frames along Z) [nm]"
    assert dragonfly.captions == [
        f"{stage} (6 frames along Z)" for stage in ("finding particles", "painting labels")
    ]
    assert dragonfly.updates == [*range(1, 7), *range(1, 7)]


def test_the_users_objects_stay_as_they_are(dragonfly, extensions, loaded, movie):
    labelled(dragonfly, extensions, loaded[1])
    np.testing.assert_array_equal(loaded[0]._data[0], movie[0])
    np.testing.assert_array_equal(loaded[1]._data[0], movie[1])
    assert not loaded[0]._state.dirty
    assert not loaded[1]._state.dirty


def test_time_steps_are_frames_too(dragonfly, extensions, movie, tracked):
    frames, masks = movie
    image = dragonfly.timed_channel(frames, pixel_m=PIXEL_NM * NM)
    made, labels = labelled(dragonfly, extensions, dragonfly.roi(masks, image))
    np.testing.assert_array_equal(labels, tracked.labels[:])
    assert made.getTitle() == "marked: particles (frames along Z)"
    assert made._xyzt == (200, 160, 6, 1)
    assert made.getXSpacing() == image.getXSpacing()
    assert "6 frames along T" in dragonfly.captions[0]


def one_particle(host, multiroi, label):
    """Take one label out of a multi-ROI as a ROI, as a user does in the host."""
    roi = host.ROI()
    roi.copyShapeFromStructuredGrid(multiroi)
    multiroi.addToVolumeROI(roi, label)
    roi.setTitle(f"particle {label}")
    roi.publish()
    return roi


def test_spectra_are_the_batchs(dragonfly, extensions, loaded, tracked):
    made, _ = labelled(dragonfly, extensions, loaded[1])
    roi = one_particle(dragonfly, made, 2)
    assert dragonfly.choose(load_item(extensions, "spectrum"), roi, loaded[0])
    spectra = dragonfly.published(dragonfly.Channel)[-1]
    theirs = tracked.spectra(2)[:]
    np.testing.assert_array_equal(spectra.getNDArray(0), theirs)
    assert spectra.getTitle() == "particle 2: spectra (its X and Y axes are in 1/nm, shown as nm)"
    np.testing.assert_allclose(spectra.getXSpacing() / NM, 1 / (theirs.shape[1] * PIXEL_NM), rtol=CLOSE)
    assert spectra.getYSpacing() == spectra.getXSpacing()


def test_frames_without_the_particle_are_black(dragonfly, extensions, loaded, movie):
    masks = movie[1].copy()
    masks[2] = False
    image = loaded[0]
    assert dragonfly.choose(load_item(extensions, "spectrum"), dragonfly.roi(masks, image), image)
    spectra = dragonfly.published(dragonfly.Channel)[-1].getNDArray(0)
    assert np.isfinite(spectra).all()
    assert [bool(frame.any()) for frame in spectra] == [True, True, False, True, True, True]


def test_properties_are_the_batchs(dragonfly, extensions, loaded, tracked, tmp_path, opened):
    made, _ = labelled(dragonfly, extensions, loaded[1])
    dragonfly.answers.append(str(tmp_path))
    assert dragonfly.choose(load_item(extensions, "properties"), made, loaded[0])
    table = read_tables_of(tmp_path)
    theirs = tracked.tracks.sort_values(["particle", "frame"])
    columns = (set(table) & set(theirs.columns)) - {"time_s", "touches_edge"}
    assert {"area_nm2", "mean_intensity"} <= columns
    assert_same(table, theirs, columns)
    assert np.isnan(table["time_s"]).all()
    ((icon, text),) = dragonfly.messages
    assert icon == "Information"
    assert text.startswith("particle properties: 18 rows of 6 frames along Z in ")
    assert "particle-properties.svg" in text
    assert opened == [(tmp_path / "particle-properties.png").as_uri()]
    assert not list(tmp_path.glob(".*"))


def read_tables_of(folder):
    with (folder / "particle-properties.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    words = {"True": "1", "False": "0", "": "nan"}
    return {name: np.array([float(words.get(row[name], row[name])) for row in rows]) for name in rows[0]}


def test_without_matplotlib_the_table_is_written(
    dragonfly, extensions, loaded, tmp_path, opened, monkeypatch
):
    from temflux.dragonfly_plugin import tables

    monkeypatch.setattr(tables, "find_spec", {}.get)
    dragonfly.answers.append(str(tmp_path))
    assert dragonfly.choose(load_item(extensions, "properties"), *loaded)
    assert [path.name for path in tmp_path.iterdir()] == ["particle-properties.csv"]
    ((icon, text),) = dragonfly.messages
    assert (icon, text.endswith("for pictures, matplotlib is missing in this Python")) == (
        "Information",
        True,
    )
    assert not opened


def test_many_rois_are_particles_each(dragonfly, extensions, loaded, tmp_path, opened):
    made, labels = labelled(dragonfly, extensions, loaded[1])
    rois = [one_particle(dragonfly, made, label) for label in (3, 1)]
    dragonfly.answers.append(str(tmp_path))
    assert dragonfly.choose(load_item(extensions, "properties"), *rois)
    table = read_tables_of(tmp_path)
    first = table["area_px2"][table["particle"] == 1]
    np.testing.assert_array_equal(first, (labels == 3).sum((1, 2)))
    assert np.isnan(table["mean_intensity"]).all()
    assert opened


def test_peaks_are_the_batchs(dragonfly, extensions, tmp_path, opened):
    frames, masks = make_movie()
    masks[:, :, 100:] = False
    theirs = batch_of(frames, masks, tmp_path).peaks.sort_values(["peak", "frame"])
    image = dragonfly.channel(frames, pixel_m=PIXEL_NM * NM)
    roi = dragonfly.roi(masks, image, title="Au")
    # No image is selected: the item asks for it.
    dragonfly.answers.extend([image, str(tmp_path / "tables")])
    assert dragonfly.choose(load_item(extensions, "peaks"), roi)
    assert dragonfly.asked[0] == ("choose", [dragonfly.Channel], "Track Fourier peaks: the image of Au")
    table = read_table(tmp_path / "tables", "Au-Fourier-peaks")
    assert len(theirs) >= 2 * len(frames)
    assert_same(table, theirs, {"frame", "peak", "pair", "angle_deg", "intensity", "q_per_nm"})
    assert opened == [(tmp_path / "tables" / "Au-Fourier-peaks.png").as_uri()]


def test_events_are_told(dragonfly, extensions, tmp_path, opened):
    labels = np.zeros((3, 12, 12), np.uint16)
    labels[:2, 2:6, 2:6] = 7
    like = dragonfly.channel(labels)
    dragonfly.answers.append(str(tmp_path))
    assert dragonfly.choose(load_item(extensions, "events"), dragonfly.multiroi(labels, like))
    with (tmp_path / "particles-events.csv").open(encoding="utf-8") as file:
        (event,) = csv.DictReader(file)
    assert [event[name] for name in ("frame", "event", "particle")] == ["2", "death", "7"]
    assert not opened


def test_no_event_is_said_and_writes_nothing(dragonfly, extensions, tmp_path):
    labels = np.zeros((3, 12, 12), np.uint16)
    labels[:, 2:6, 2:6] = 7
    like = dragonfly.channel(labels)
    dragonfly.answers.append(str(tmp_path / "new"))
    assert dragonfly.choose(load_item(extensions, "events"), dragonfly.multiroi(labels, like))
    assert dragonfly.messages == [("Information", "particles: events: none in 3 frames along Z")]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("qt", ["PyQt5", "PyQt6"])
def test_either_qt_will_do(extensions, movie, qt):
    with pretended_host(qt=qt) as host:
        image = host.channel(movie[0], pixel_m=PIXEL_NM * NM)
        labelled(host, extensions, host.roi(movie[1], image))
        assert host.pumped == 12


def test_an_item_that_is_not_told_its_place_finds_the_rest(dragonfly, extensions, loaded):
    path = extensions / "GenericMenuItems" / f"{load_item(extensions, 'label').__name__}.py"
    names = {"__name__": "menu"}
    exec(path.read_text(encoding="utf-8"), names)
    assert names["HOME"] == extensions / "temflux"
    dragonfly.answers.append(SEPARATION)
    assert dragonfly.choose(names[path.stem], loaded[1])
    assert dragonfly.published(dragonfly.MultiROI)


def test_items_are_there_for_what_they_take(dragonfly, extensions, movie):
    frames, masks = movie
    image = dragonfly.channel(frames)
    roi, other = dragonfly.roi(masks, image), dragonfly.roi(masks, image)
    labels = dragonfly.multiroi(masks.astype(np.uint16), image)
    selections = {
        "nothing": [],
        "a ROI": [roi],
        "two ROIs": [roi, other],
        "a ROI and its image": [roi, image],
        "labels": [labels],
        "labels and image": [labels, image],
        "a ROI and labels": [roi, labels],
        "an image": [image],
        "two images": [image, image],
        "a ROI and a bar": [roi, object()],
    }
    offered = {
        key: {
            name
            for name, chosen in selections.items()
            if load_item(extensions, key).getIsSelectionValid(chosen, None)
        }
        for key in NAMES
    }
    one_roi = {"a ROI", "a ROI and its image"}
    marked = one_roi | {"two ROIs", "labels", "labels and image", "a ROI and labels"}
    assert offered == {
        "label": one_roi,
        "spectrum": one_roi,
        "properties": marked,
        "peaks": one_roi,
        "events": {"labels"},
        "segment": {"an image"},
        "page": {"an image", "a ROI and its image"},
    }
    assert not load_item(extensions, "label").getIsSelectionValid(None, None)
