"""What can go wrong in Dragonfly: each is told in one line, or nothing happens; nothing is left half-made."""

import numpy as np
import pytest

from temflux.dragonfly_plugin.dragonfly_host.progress import drive
from temflux.dragonfly_plugin.dragonfly_host.writing import make_multiroi
from temflux.dragonfly_plugin.results import LabelledMovie
from temflux.engine.base.errors import DataError
from tests.hosts import dragonfly_objects as objects
from tests.hosts.dragonfly_items import load_item
from tests.movies import disc_movie

PIXEL_M = 1e-10


@pytest.fixture(scope="module")
def movie():
    return disc_movie(n_frames=4)


@pytest.fixture
def loaded(dragonfly, movie):
    image = dragonfly.channel(movie[0], pixel_m=PIXEL_M)
    return image, dragonfly.roi(movie[1], image)


def told(host):
    """The one message, which must be of an error and one line."""
    ((icon, text),) = host.messages
    assert icon == "Critical"
    assert "\n" not in text
    return text


def made(host):
    """Objects of the host beside an image and a ROI."""
    return len(host.objects) - 2


@pytest.mark.parametrize("answer", [None, False, "", "  "])
def test_a_cancelled_question_does_nothing(dragonfly, extensions, loaded, answer):
    dragonfly.answers.append(answer)
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert made(dragonfly) == 0
    assert not dragonfly.messages
    assert not dragonfly.progresses


@pytest.mark.parametrize("typed", ["two", "0", "-1", "nan", "inf", "1,2,3"])
def test_what_is_no_number_is_told(dragonfly, extensions, loaded, typed):
    dragonfly.answers.append(typed)
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert f"expected a number above 0 [nm], got {typed!r}" in told(dragonfly)
    assert made(dragonfly) == 0


def test_a_decimal_comma_is_understood(dragonfly, extensions, loaded):
    dragonfly.answers.append("0,8")
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert made(dragonfly) == 1


@pytest.mark.parametrize("spacing", [1.0, 1e-3])
def test_an_uncalibrated_movie_is_asked_for_its_pixel_size(dragonfly, extensions, movie, spacing):
    image = dragonfly.channel(movie[0], pixel_m=spacing)
    roi = dragonfly.roi(movie[1], image)
    dragonfly.answers.extend(["0.1", "0.8"])
    assert dragonfly.choose(load_item(extensions, "label"), roi)
    labels = dragonfly.published(dragonfly.MultiROI)[-1]
    assert labels.getLabelCount() == 3
    assert dragonfly.asked[0] == ("entry", "marked is not calibrated: side of a pixel [nm]", "temflux", "")
    assert roi.getXSpacing() == labels.getXSpacing() == spacing


@pytest.mark.parametrize("answer", [None, ""])
def test_no_pixel_size_is_assumed(dragonfly, extensions, movie, answer):
    image = dragonfly.channel(movie[0], pixel_m=1.0)
    dragonfly.answers.append(answer)
    assert dragonfly.choose(load_item(extensions, "label"), dragonfly.roi(movie[1], image))
    assert made(dragonfly) == 0


def test_pixels_that_are_not_square_are_refused(dragonfly, extensions, loaded):
    loaded[1].setYSpacing(2 * PIXEL_M)
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert "expected square pixels, got 0.1 nm along X and 0.2 nm along Y" in told(dragonfly)


def test_two_pixel_sizes_are_refused(dragonfly, extensions, loaded):
    loaded[1].setXSpacing(2 * PIXEL_M)
    loaded[1].setYSpacing(2 * PIXEL_M)
    assert dragonfly.choose(load_item(extensions, "spectrum"), *loaded)
    assert "expected one pixel size" in told(dragonfly)


@pytest.mark.parametrize("key", ["label", "spectrum", "properties", "peaks"])
def test_an_empty_roi_is_told(dragonfly, extensions, loaded, movie, tmp_path, key):
    empty = dragonfly.roi(np.zeros_like(movie[1]), loaded[0], title="nothing")
    dragonfly.answers.extend({"label": ["0.8"], "spectrum": []}.get(key, [str(tmp_path)]))
    assert dragonfly.choose(load_item(extensions, key), empty, loaded[0])
    assert "is marked" in told(dragonfly)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["spectrum", "properties", "peaks"])
def test_other_shapes_are_told_before_anything_is_asked(dragonfly, extensions, loaded, movie, key):
    smaller = dragonfly.channel(movie[0][:, :80], pixel_m=PIXEL_M)
    assert dragonfly.choose(load_item(extensions, key), loaded[1], smaller)
    assert "one shape (frames, rows, columns), got (4, 80, 200) and (4, 160, 200)" in told(dragonfly)
    assert not dragonfly.asked


def test_slices_and_time_steps_at_once_are_refused(dragonfly, extensions):
    volume = dragonfly.ROI()
    volume.setXYZTSize(8, 8, 3, 2)
    volume.setTitle("tomogram")
    volume.publish()
    assert dragonfly.choose(load_item(extensions, "label"), volume)
    assert "tomogram: expected frames along T or along Z, got 2 time steps of 3 slices" in told(dragonfly)


@pytest.mark.parametrize("answer", [None, "", False])
def test_a_roi_whose_image_is_not_chosen(dragonfly, extensions, loaded, answer):
    dragonfly.answers.append(answer)
    assert dragonfly.choose(load_item(extensions, "spectrum"), loaded[1])
    assert made(dragonfly) == 0
    assert not dragonfly.messages


def test_an_image_may_be_chosen_by_its_identifier(dragonfly, extensions, loaded):
    dragonfly.answers.append(loaded[0].getGUID())
    assert dragonfly.choose(load_item(extensions, "spectrum"), loaded[1])
    assert made(dragonfly) == 1


@pytest.mark.parametrize("after", [1, 3, 4, 5, 8])
def test_a_cancelled_label_leaves_nothing(dragonfly, extensions, loaded, after):
    dragonfly.answers.append("0.8")
    dragonfly.cancel_after = after
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert dragonfly.pumped == after
    assert made(dragonfly) == 0
    assert not dragonfly.messages


@pytest.mark.parametrize("after", [2, 6, 9, 12])
def test_a_cancelled_spectrum_leaves_nothing(dragonfly, extensions, loaded, after):
    dragonfly.cancel_after = after
    assert dragonfly.choose(load_item(extensions, "spectrum"), *loaded)
    assert made(dragonfly) == 0


@pytest.mark.parametrize("key", ["properties", "peaks"])
def test_a_cancelled_folder_or_measurement_writes_nothing(dragonfly, extensions, loaded, tmp_path, key):
    dragonfly.answers.append("")
    assert dragonfly.choose(load_item(extensions, key), *loaded)
    assert not dragonfly.progresses
    dragonfly.answers.append(str(tmp_path))
    dragonfly.cancel_after = 2
    assert dragonfly.choose(load_item(extensions, key), *loaded)
    assert not list(tmp_path.iterdir())
    assert not dragonfly.messages


def test_a_folder_that_cannot_be_written_to_is_told(dragonfly, extensions, loaded, tmp_path):
    (tmp_path / "file").write_text("mine")
    dragonfly.answers.append(str(tmp_path / "file"))
    assert dragonfly.choose(load_item(extensions, "properties"), *loaded)
    assert "cannot write" in told(dragonfly)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_separation_that_drops_all_is_told(dragonfly, extensions, loaded):
    dragonfly.answers.append("50")
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert "give a smaller one" in told(dragonfly)


def test_more_particles_than_labels_are_refused(dragonfly, loaded):
    movie = LabelledMovie("many", None, 70_000, np.zeros, {}, {})
    with pytest.raises(
        DataError, match="70000 particles were found, a multi-ROI made here holds at most 65535"
    ):
        drive(make_multiroi(movie, loaded[1]), "")
    assert made(dragonfly) == 0


def test_the_last_label_survives(loaded):
    def paint(frame):
        return np.full((160, 200), 65_535 if frame == 3 else 0, np.int32)

    labels = drive(make_multiroi(LabelledMovie("many", None, 65_535, paint, {}, {}), loaded[1]), "")
    assert labels.getLabelCount() == labels._data[0, 3].min() == 65_535


@pytest.mark.parametrize("key", ["label", "spectrum"])
def test_a_full_host_is_told(dragonfly, extensions, loaded, key):
    dragonfly.answers.extend(["0.8"] if key == "label" else [])
    dragonfly.is_full = True
    assert dragonfly.choose(load_item(extensions, key), loaded[1], loaded[0])
    assert "Dragonfly has no room for a channel of" in told(dragonfly)
    assert made(dragonfly) == 0


def test_a_failure_while_the_result_is_named_leaves_nothing(dragonfly, extensions, loaded, monkeypatch):
    def refuse(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(dragonfly.MultiROI, "publish", refuse, raising=False)
    dragonfly.answers.append("0.8")
    with pytest.raises(RuntimeError):
        dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert made(dragonfly) == 0
    assert "temflux cannot go on in this Dragonfly: RuntimeError: no" in told(dragonfly)


def test_a_host_without_a_module_is_told(dragonfly, extensions, loaded, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "OrsHelpers.datasethelper", None)
    dragonfly.answers.append("0.8")
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert "this Dragonfly has no OrsHelpers.datasethelper.DatasetHelper" in told(dragonfly)
    assert made(dragonfly) == 0


def test_a_host_that_gives_no_time_steps_of_rois_is_told(dragonfly, extensions, movie, monkeypatch):
    image = dragonfly.timed_channel(movie[0], pixel_m=PIXEL_M)
    roi = dragonfly.roi(movie[1], image)
    monkeypatch.setattr(dragonfly.ROI, "getAsNDArray", lambda self: self._data[0], raising=False)
    dragonfly.answers.append("0.8")
    assert dragonfly.choose(load_item(extensions, "label"), roi)
    assert "does not hand out a ROI's time steps; import the movie with its frames along Z" in told(dragonfly)


def test_a_host_that_gives_other_voxels_is_told(dragonfly, extensions, loaded, monkeypatch):
    monkeypatch.setattr(dragonfly.ROI, "getAsNDArray", lambda self: self._data[0, :, 1:], raising=False)
    dragonfly.answers.append("0.8")
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert "marked: expected voxels (4, 160, 200), got (4, 159, 200)" in told(dragonfly)


@pytest.mark.parametrize("memory", [np.zeros((4, 200, 160), np.uint16), np.zeros((4, 160, 200), np.uint8)])
def test_a_host_whose_memory_is_other_is_told(dragonfly, extensions, loaded, monkeypatch, memory):
    monkeypatch.setattr(dragonfly.Channel, "getNDArray", lambda *_: memory, raising=False)
    dragonfly.answers.append("0.8")
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert "expected (4, 160, 200) writable voxels of uint16" in told(dragonfly)
    assert made(dragonfly) == 0


def test_a_channel_without_a_method_is_told(dragonfly, extensions, loaded, monkeypatch):
    monkeypatch.delattr(objects.Channel, "initializeDataForUSHORT")
    dragonfly.answers.append("0.8")
    assert dragonfly.choose(load_item(extensions, "label"), loaded[1])
    assert "this Dragonfly's Channel has no initializeDataForUSHORT" in told(dragonfly)
    assert made(dragonfly) == 0


def test_an_unknown_name_of_the_double_raises(loaded):
    with pytest.raises(AttributeError, match="is known of the host"):
        loaded[0].getFrames()
    with pytest.raises(AttributeError, match="cannot be set"):
        loaded[0].title = "other"
    with pytest.raises(ImportError):
        from ORSModel import Graph  # noqa: F401
    with pytest.raises(TypeError, match="float64"):
        from ORSModel import createChannelFromNumpyArray

        createChannelFromNumpyArray(np.zeros((2, 3, 4)))


def test_the_doubles_memory_is_not_ours(dragonfly, movie):
    channel = dragonfly.channel(movie[0])
    view = channel.getNDArray(0)
    view[0] = 5
    assert (channel.getNDArray(0)[0] == 5).all()
    channel.deleteObject()
    assert not (view[0] == 5).any()
    with pytest.raises(RuntimeError, match="was deleted"):
        channel.getNDArray(0)
