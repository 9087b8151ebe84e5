"""Folders of frames: time order, gaps that stay gaps, and damaged files that cost one frame each."""

import pickle

import numpy as np
import pytest
import tifffile

from temflux.engine.base.errors import DataError, ReadError
from temflux.engine.files import microscope
from temflux.engine.files.folder import natural_key
from temflux.engine.files.read import movies_below, open_movie

from .dm4 import write_dm4, write_in_situ

# Two frames a second, the beam off for a minute, and an hour that turns.
CLOCK = [(0, 58, 59, 0), (0, 58, 59, 1), (0, 59, 59, 0), (0, 59, 59, 1), (1, 0, 0, 0), (1, 0, 0, 1)]
TIMES_S = [0, 0.5, 60, 60.5, 61, 61.5]


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 999, (6, 4, 5)).astype(np.uint16)


@pytest.fixture
def in_situ(tmp_path, frames):
    folder = tmp_path / "in situ ü"
    write_in_situ(folder, frames, CLOCK, rate_hz=2, pixel_nm=0.1)
    return folder


def _files(folder):
    return sorted(folder.rglob("*.dm4"), key=lambda path: natural_key(path.name))


def test_one_movie_in_time_order_with_its_gap(in_situ, frames):
    assert movies_below(in_situ.parent) == [in_situ]
    stack = pickle.loads(pickle.dumps(open_movie(in_situ)))
    np.testing.assert_array_equal(stack.read(0, 6), frames)
    np.testing.assert_array_equal(stack.read(2, 4), frames[2:4])
    np.testing.assert_allclose(stack.times_s, TIMES_S)
    assert stack.pixel_nm == pytest.approx(0.1)
    assert stack.one_file_a_frame
    assert stack.missing == ()


def test_a_part_of_the_recording_keeps_its_times(in_situ, frames):
    np.testing.assert_allclose(open_movie(in_situ / "Hour_00").times_s, [0, 0.5, 60, 60.5])
    second = open_movie(in_situ / "Hour_01" / "Minute_00" / "Second_00")
    np.testing.assert_array_equal(second.read(0, 2), frames[4:])
    np.testing.assert_allclose(second.times_s, [0, 0.5])


def test_only_the_first_file_is_parsed(in_situ, monkeypatch):
    parsed = []
    inner = microscope.open_microscope_file
    monkeypatch.setattr(
        microscope, "open_microscope_file", lambda path, *rest: parsed.append(path.name) or inner(path, *rest)
    )
    open_movie(in_situ)
    assert parsed == [_files(in_situ)[0].name]


def test_without_a_frame_rate_the_seconds_are_counted(tmp_path, frames):
    write_in_situ(tmp_path / "a", frames, CLOCK)
    stack = open_movie(tmp_path / "a")
    np.testing.assert_allclose(stack.times_s, TIMES_S)
    assert any("2 frames in most seconds are taken as 2 Hz" in note for note in stack.notes)


def test_a_truncated_an_empty_and_a_broken_file_cost_one_frame_each(in_situ, frames):
    files = _files(in_situ)
    files[0].write_bytes(b"")
    files[2].write_bytes(files[2].read_bytes()[:-200])
    files[4].write_bytes(b"not a dm4 file" * 100)
    stack = open_movie(in_situ)
    assert stack.missing == (0, 2, 4)
    expected = frames.copy()
    expected[[0, 2, 4]] = 0
    np.testing.assert_array_equal(stack.read(0, 6), expected)
    np.testing.assert_allclose(stack.times_s, TIMES_S)
    assert any("3 of 6 files cannot be read" in note and files[2].name in note for note in stack.notes)


def test_a_file_with_a_longer_tag_tree_is_read_at_its_own_offset(in_situ, frames):
    path = _files(in_situ)[3]
    write_dm4(
        path, frames[3], pixel_nm=0.1, units="nm", tags={"Comment": "a longer tree", "More": {"a": 1.0}}
    )
    stack = open_movie(in_situ)
    assert stack.missing == ()
    np.testing.assert_array_equal(stack.read(0, 6), frames)


def test_no_readable_file_is_an_error(in_situ):
    for path in _files(in_situ):
        path.write_bytes(b"")
    with pytest.raises(ReadError, match="none of 6 files can be read"):
        open_movie(in_situ)


def test_frames_that_differ_in_shape_are_named(in_situ):
    path = _files(in_situ)[3]
    write_dm4(path, np.zeros((4, 6), np.uint16), pixel_nm=0.1)
    with pytest.raises(DataError, match=r"4 x 5 uint16.*Frame_0001\.dm4 is 4 x 6"):
        open_movie(in_situ)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".png", ".dm4"])
def test_single_images_in_natural_order(tmp_path, frames, suffix):
    from PIL import Image

    for index, frame in zip((1, 2, 3, 10, 20, 100), frames, strict=True):
        path = tmp_path / f"frame {index}{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(path, frame)
        elif suffix == ".npy":
            np.save(path, frame)
        elif suffix == ".dm4":
            write_dm4(path, frame)
        else:
            Image.fromarray(frame).save(path)
    (tmp_path / "notes.txt").write_text("x")
    assert movies_below(tmp_path) == [tmp_path]
    stack = pickle.loads(pickle.dumps(open_movie(tmp_path)))
    np.testing.assert_array_equal(stack.read(0, 6), frames)
    np.testing.assert_array_equal(stack.read(3, 4), frames[3:4])


def test_a_file_that_vanishes_after_opening_is_named(tmp_path, frames):
    for index, frame in enumerate(frames):
        np.save(tmp_path / f"{index}.npy", frame)
    stack = open_movie(tmp_path)
    (tmp_path / "3.npy").unlink()
    np.testing.assert_array_equal(stack.read(0, 3), frames[:3])
    with pytest.raises(ReadError, match=r"3\.npy"):
        stack.read(3, 4)


def test_nanorod_pictures_are_one_movie(real_data):
    assert movies_below(real_data / "nanorod_movie") == [real_data / "nanorod_movie" / "frames"]
    stack = open_movie(real_data / "nanorod_movie" / "frames")
    assert stack.shape == (50, 1024, 1024)
    assert stack.read(49, 50).std() > 0


def test_unlike_pictures_stay_apart(real_data):
    folder = real_data / "stem_supports" / "dataset" / "images"
    assert len(movies_below(folder)) == 33
