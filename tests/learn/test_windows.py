"""Windows of a frame: they cover it, blend to what the whole frame gives, and hold little memory."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve, uniform_filter

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.windows import blend_windows, plan_windows


@given(
    shape=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    window=st.integers(64, 300),
    overlap=st.integers(0, 15),
    multiple=st.sampled_from([1, 2, 8, 16]),
    halo=st.integers(0, 16),
    least=st.sampled_from([1, 11, 41]),
)
@example(shape=(31, 31), window=30, overlap=1, multiple=1, halo=3, least=21)
@settings(max_examples=200, deadline=None)
def test_windows_cover_the_frame(shape, window, overlap, multiple, halo, least):
    plan = plan_windows(shape, window=window, overlap=overlap, multiple=multiple, halo=halo, least=least)
    for axis in (0, 1):
        starts, side, padded = plan.starts[axis], plan.window[axis], plan.padded[axis]
        assert padded >= max(shape[axis], least)
        assert padded < max(shape[axis], least) + multiple
        assert least <= side <= max(window, least + multiple)
        assert side % multiple == 0
        assert all(start % multiple == 0 for start in starts)
        assert (starts[0], starts[-1] + side) == (0, padded)
        total = np.zeros(padded)
        for number, (start, share) in enumerate(zip(starts, plan.shares[axis], strict=True)):
            total[start : start + side] += share
            assert number == 0 or not share[:halo].any()
            assert number == len(starts) - 1 or not share[side - halo :].any()
        np.testing.assert_allclose(total, 1, atol=1e-6)
        for one, other in pairwise(starts):
            assert one + side - other >= 2 * halo + overlap


def mean_of_neighbours(windows):
    """A network of known receptive field: 3 px to each side; edges mirrored."""
    return uniform_filter(windows, (1, 7, 7, 1), mode="mirror")


@pytest.mark.parametrize("shape", [(97, 130), (20, 200), (64, 64), (5, 9)])
@pytest.mark.parametrize("batch", [1, 3, 50])
def test_a_halo_of_the_receptive_field_gives_the_whole_frame(shape, batch):
    frame = np.random.default_rng(0).normal(size=(*shape, 2)).astype(np.float32)
    plan = plan_windows(shape, window=40, overlap=6, halo=3)
    blended = blend_windows(frame, plan, mean_of_neighbours, batch=batch)
    np.testing.assert_allclose(blended, mean_of_neighbours(frame[np.newaxis])[0], atol=1e-6)
    assert blended.dtype == np.float32


def test_without_the_halo_seams_would_show():
    frame = np.random.default_rng(0).normal(size=(97, 130, 1)).astype(np.float32)
    whole = mean_of_neighbours(frame[np.newaxis])[0]
    bare = blend_windows(frame, plan_windows((97, 130), window=40, overlap=0), mean_of_neighbours)
    soft = blend_windows(frame, plan_windows((97, 130), window=40, overlap=12), mean_of_neighbours)
    assert np.abs(bare - whole).max() > 0.05
    assert np.abs(soft - whole).max() < 0.5 * np.abs(bare - whole).max()


def halve_and_double(windows):
    """A network that works at half resolution, as a U-Net does: it sees whether windows start odd."""
    low = windows.reshape(len(windows), windows.shape[1] // 4, 4, windows.shape[2] // 4, 4, -1).max(
        axis=(2, 4)
    )
    kernel = np.ones((1, 3, 3, 1), np.float32) / 9
    low = convolve(low, kernel, mode="constant")
    return low.repeat(4, axis=1).repeat(4, axis=2)


def test_networks_of_lower_resolution_see_the_grid_of_the_whole_frame():
    frame = np.random.default_rng(0).normal(size=(128, 96, 1)).astype(np.float32)
    whole = halve_and_double(frame[np.newaxis])[0]
    for window in (44, 60, 72):
        plan = plan_windows((128, 96), window=window, overlap=4, halo=8, multiple=4)
        np.testing.assert_allclose(blend_windows(frame, plan, halve_and_double), whole, atol=1e-6)


def test_one_shape_for_all_windows():
    shapes = set()

    def infer(windows):
        shapes.add((windows.shape, windows.dtype, windows.flags.c_contiguous))
        return windows

    frame = np.zeros((130, 90, 1))
    blend_windows(frame, plan_windows((130, 90), window=40, overlap=4, multiple=8), infer, batch=4)
    assert len(shapes) == 1
    assert shapes.pop()[0][0] == 4


def test_a_frame_smaller_than_the_network_takes_is_mirrored():
    plan = plan_windows((3, 1), window=64, overlap=0, multiple=4, least=10)
    assert plan.window == (12, 12)
    frame = np.arange(3, dtype=np.float32).reshape(3, 1, 1)
    seen = []
    result = blend_windows(frame, plan, lambda windows: seen.append(windows) or windows)
    assert result.shape == (3, 1, 1)
    np.testing.assert_array_equal(seen[0][0, :, 5, 0], [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1])


def test_refusals():
    with pytest.raises(SettingsError, match="more than 36 px"):
        plan_windows((100, 100), window=36, overlap=4, halo=16)
    with pytest.raises(SettingsError, match="overlap"):
        plan_windows((100, 100), window=36, overlap=-1)
    with pytest.raises(DataError, match="pixels"):
        plan_windows((0, 100), window=36, overlap=1)
    plan = plan_windows((10, 10), window=8, overlap=1)
    with pytest.raises(DataError, match="expected a frame"):
        blend_windows(np.zeros((10, 11, 1)), plan, lambda windows: windows)
    with pytest.raises(DataError, match="expected maps"):
        blend_windows(np.zeros((10, 10, 1)), plan, lambda windows: windows[:, :2])
    with pytest.raises(SettingsError, match="batch"):
        blend_windows(np.zeros((10, 10, 1)), plan, lambda windows: windows, batch=0)
