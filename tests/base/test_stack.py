"""A Stack keeps its calibration, refuses impossible ones, and passes through HyperSpy and back unchanged."""

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.base.stack import Stack


@pytest.fixture
def movie():
    return np.random.default_rng(0).integers(0, 99, (4, 5, 6), np.uint16)


@pytest.mark.parametrize("times_s", [None, [0.0, 0.5, 1.0, 1.5], [0.0, 0.5, 60.0, 60.5]])
def test_through_hyperspy_and_back(movie, times_s):
    from dataclasses import replace

    stack = Stack.from_array(movie, pixel_nm=0.12, name="film")
    stack = replace(stack, times_s=None if times_s is None else np.array(times_s))
    signal = stack.to_signal()
    assert signal._lazy
    back = Stack.from_signal(signal)
    np.testing.assert_array_equal(back.read(1, 3), movie[1:3])
    assert back.shape == stack.shape
    assert back.dtype == stack.dtype
    assert back.name == "film"
    assert back.pixel_nm == pytest.approx(0.12)
    if times_s is None:
        assert back.times_s is None
    else:
        np.testing.assert_allclose(back.times_s, times_s)


def test_an_uncalibrated_signal_gives_an_uncalibrated_stack(movie):
    import hyperspy.api as hs

    stack = Stack.from_signal(hs.signals.Signal2D(movie))
    assert stack.pixel_nm is None
    assert stack.times_s is None
    single = Stack.from_signal(hs.signals.Signal2D(movie[0]))
    assert single.shape == (1, 5, 6)


def test_a_signal_of_spectra_and_one_with_oblong_pixels_are_refused(movie):
    import hyperspy.api as hs

    with pytest.raises(DataError, match="2 signal axes"):
        Stack.from_signal(hs.signals.Signal1D(movie))
    signal = hs.signals.Signal2D(movie)
    for axis, scale in zip(signal.axes_manager.signal_axes, (0.1, 0.2), strict=True):
        axis.scale, axis.units = scale, "nm"
    with pytest.raises(CalibrationError, match="square"):
        Stack.from_signal(signal)


@pytest.mark.parametrize("wrong", [0, -1, np.nan, np.inf])
@pytest.mark.parametrize("name", ["pixel_nm", "frame_s", "dose_e_per_A2"])
def test_impossible_calibration_is_refused(movie, name, wrong):
    with pytest.raises(CalibrationError, match="above 0"):
        Stack.from_array(movie, **{name: wrong})
