"""Any run of frames read in place equals the same slice of the array; copies carry no pixels."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import ReadError
from temflux.engine.files.raw import ChainedFrames, RawFrames


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 6),
    start=st.integers(0, 7),
    stop=st.integers(0, 8),
    gap=st.sampled_from([0, 3, 64]),
    offset=st.sampled_from([0, 7, 512]),
    stored=st.sampled_from(["<u2", ">u2", "<f4", ">i4", "|u1"]),
    flip=st.booleans(),
)
def test_slices_equal_the_array(tmp_path_factory, n, start, stop, gap, offset, stored, flip):
    path = tmp_path_factory.mktemp("raw") / "a b é.raw"
    array = np.random.default_rng(n).integers(0, 100, (n, 3, 4)).astype(stored)
    held = array[:, ::-1] if flip else array
    path.write_bytes(b"h" * offset + b"".join(frame.tobytes() + b"g" * gap for frame in held))
    frames = RawFrames(str(path), (n, 3, 4), stored, offset, 12 * array.itemsize + gap, flip)
    frames.check_length()
    read = pickle.loads(pickle.dumps(frames)).read(start, stop)
    np.testing.assert_array_equal(read, array[start:stop])
    assert read.dtype == frames.dtype
    assert read.dtype.isnative


def test_parts_follow_each_other(tmp_path):
    whole = np.arange(5 * 2 * 3, dtype="<u2").reshape(5, 2, 3)
    parts = []
    for index, part in enumerate((whole[:1], whole[1:4], whole[4:])):
        path = tmp_path / f"{index}.raw"
        part.tofile(path)
        parts.append(RawFrames(str(path), part.shape, "<u2", 0, 12))
    frames = ChainedFrames(tuple(parts))
    for start in range(6):
        for stop in range(6):
            np.testing.assert_array_equal(frames.read(start, stop), whole[start:stop])


def test_a_copy_carries_no_pixels(tmp_path):
    path = tmp_path / "a.raw"
    np.zeros((10, 100, 100)).tofile(path)
    assert len(pickle.dumps(RawFrames(str(path), (10, 100, 100), "<f8", 0, 80000))) < 1000


def test_a_file_that_shrinks_after_opening_is_named(tmp_path):
    path = tmp_path / "a.raw"
    np.zeros((2, 4, 4), "<u2").tofile(path)
    frames = RawFrames(str(path), (2, 4, 4), "<u2", 0, 32)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ReadError, match=r"a\.raw"):
        frames.read(0, 2)
    Path(path).unlink()
    with pytest.raises(ReadError, match=r"a\.raw"):
        frames.read(0, 1)
