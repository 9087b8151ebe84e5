"""Sampling, crop and padding keep their promises for any cell and image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.image_grid import plan_grid


@pytest.mark.parametrize("sampling_A", np.linspace(0.07, 0.2, 53).round(5))
@pytest.mark.parametrize("side", [256, 512])
def test_sampling_of_a_60_angstrom_cell_is_as_asked(sampling_A, side):
    grid = plan_grid((540, 540), (60.0, 60.0), shape=(side, side), sampling_A=sampling_A)
    assert abs(grid.sampling_A / sampling_A - 1) < 0.004
    fits = side * sampling_A <= 60
    if fits and abs(side * sampling_A / 60 - 1) > 0.004:
        assert grid.padded == (540, 540)
    assert grid.padded[0] < 1.25 * max(540, side * sampling_A * 9) + 10


lengths = st.integers(64, 700)
sides = st.floats(8.0, 90.0)


@given(
    wave_shape=st.tuples(lengths, lengths),
    extent_A=st.tuples(sides, sides),
    shape=st.tuples(lengths, lengths),
    sampling_A=st.floats(0.05, 0.25),
)
@settings(max_examples=60, deadline=None)
def test_grids_hold_image_and_cell_with_square_pixels(wave_shape, extent_A, shape, sampling_A):
    grid = plan_grid(wave_shape, extent_A, shape=shape, sampling_A=sampling_A)
    across = zip(
        grid.padded, wave_shape, grid.points, shape, grid.extent_A[::-1], extent_A[::-1], strict=True
    )
    for padded, samples, points, size, side, cell in across:
        assert padded >= samples
        assert points >= size
        assert side == pytest.approx(padded * cell / samples)
        assert side / points == pytest.approx(grid.sampling_A, rel=5e-4)
        if padded != samples:
            assert fft.next_fast_len(padded) == padded
    for origin, size, cell in zip(grid.origin_A[::-1], shape, extent_A[::-1], strict=True):
        assert origin + size * grid.sampling_A / 2 == pytest.approx(cell / 2)
    if min(side / sampling_A for side in extent_A) > 150:
        assert abs(grid.sampling_A / sampling_A - 1) < 0.004


def test_a_plan_depends_on_nothing_else():
    plans = {plan_grid((500, 540), (60.0, 55.0), shape=(512, 300), sampling_A=0.123) for _ in range(3)}
    assert len(plans) == 1


def test_a_tiny_image_still_has_a_grid():
    grid = plan_grid((9, 9), (1.0, 1.0), shape=(1, 2), sampling_A=0.3)
    assert grid.points[0] >= 2 or grid.points[1] >= 2


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"shape": (5,)}, "shape: expected rows and columns of 1 px or more"),
        ({"sampling_A": -0.1}, "sampling_A: expected above 0 Å/pixel, got -0.1"),
        ({"sampling_A": np.inf}, "sampling_A: expected above 0 Å/pixel, got inf"),
        ({"extent_A": (5.0, np.nan)}, "extent_A: expected two sides above 0"),
    ],
)
def test_bad_settings_are_refused(settings, line):
    asked = {"extent_A": (6.0, 6.0), "shape": (40, 40), "sampling_A": 0.1} | settings
    with pytest.raises(SettingsError, match=line):
        plan_grid((54, 54), asked.pop("extent_A"), **asked)
