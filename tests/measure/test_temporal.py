"""Spectra along time: amplitudes, dominant terms, windows and time stamps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.measure.temporal import dominant_frequency, even_step_s, temporal_spectrum


@pytest.mark.parametrize("n_frames", [2, 15, 16])
def test_cosine_gives_its_amplitude_at_its_frequency(n_frames):
    terms = np.arange(1, n_frames // 2 + 1)
    phase = 2 * np.pi * terms * np.arange(n_frames)[:, None] / n_frames
    frames = (5 + 3 * np.cos(phase))[:, None, :]
    frequency_hz, amplitude = temporal_spectrum(frames, frame_s=0.25)
    np.testing.assert_allclose(frequency_hz, np.arange(n_frames // 2 + 1) / (n_frames * 0.25))
    expected = np.zeros((frequency_hz.size, 1, terms.size))
    expected[terms, 0, terms - 1] = 3
    np.testing.assert_allclose(amplitude, expected, atol=1e-6)
    dominant_hz, fraction = dominant_frequency(frames, frame_s=0.25)
    np.testing.assert_allclose(dominant_hz[0], frequency_hz[terms])
    np.testing.assert_allclose(fraction, 1)


@pytest.mark.parametrize("n_frames", [31, 32])
def test_power_is_the_variance_along_time(n_frames):
    frames = np.random.default_rng(0).normal(3, 2, (n_frames, 4, 5))
    _, amplitude = temporal_spectrum(frames, frame_s=1.0)
    power = amplitude.astype(float) ** 2 / 2
    if n_frames % 2 == 0:
        power[-1] *= 2
    np.testing.assert_allclose(power.sum(axis=0), frames.var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_windows_give_the_whole_to_the_byte(dtype):
    frames = np.random.default_rng(1).integers(0, 255, (37, 41, 53)).astype(dtype)
    _, whole = temporal_spectrum(frames, frame_s=1.0)
    whole_hz, whole_fraction = dominant_frequency(frames, frame_s=1.0)
    for rows in (slice(0, 7), slice(7, 8), slice(8, 41)):
        for columns in (slice(0, 1), slice(1, 30), slice(30, 53)):
            window = frames[:, rows, columns]
            np.testing.assert_array_equal(temporal_spectrum(window, frame_s=1.0)[1], whole[:, rows, columns])
            hz, fraction = dominant_frequency(window, frame_s=1.0)
            np.testing.assert_array_equal(hz, whole_hz[rows, columns])
            np.testing.assert_array_equal(fraction, whole_fraction[rows, columns])


def test_pixels_that_move_are_told_from_those_that_do_not():
    rng = np.random.default_rng(2)
    frames = rng.poisson(50, (128, 20, 20)).astype(float)
    frames[:, 5:10, 5:10] += 15 * np.sin(2 * np.pi * 20 * np.arange(128) / 128)[:, None, None]
    hz, fraction = dominant_frequency(frames, frame_s=0.01)
    moving = (np.abs(hz - 20 / 1.28) < 1e-9) & (fraction > 0.3)
    assert moving[5:10, 5:10].all()
    moving[5:10, 5:10] = False
    assert not moving.any()


def test_constant_and_broken_pixels_have_no_frequency():
    frames = np.random.default_rng(3).normal(size=(16, 2, 2))
    frames[:, 0, 0], frames[4, 1, 1] = 0.1, np.nan
    hz, fraction = dominant_frequency(frames, frame_s=1.0)
    assert np.isnan([hz[0, 0], hz[1, 1]]).all()
    assert fraction[0, 0] == fraction[1, 1] == 0
    assert np.isfinite([hz[0, 1], hz[1, 0]]).all()


@given(st.integers(2, 200), st.floats(1e-6, 1e4), st.floats(-1e3, 1e3))
def test_even_stamps_give_their_step(n_frames, step_s, start_s):
    times_s = start_s + np.arange(n_frames) * step_s
    if step_s > 1e-6 * abs(start_s):
        assert even_step_s(times_s) == pytest.approx(step_s, rel=1e-4)


@given(st.integers(3, 100), st.data())
def test_a_gap_is_refused_and_named(n_frames, data):
    after = data.draw(st.integers(0, n_frames - 2))
    times_s = np.arange(n_frames) * 0.4
    times_s[after + 1 :] += 20
    if n_frames == 3:
        with pytest.raises(CalibrationError, match="even time stamps"):
            even_step_s(times_s)
        return
    with pytest.raises(CalibrationError, match=f"20.4 s after frame {after} where 0.4 s"):
        even_step_s(times_s)


def test_refuses_what_it_cannot_use():
    for stamps in ([0.0], [0.0, np.nan], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]):
        with pytest.raises(CalibrationError):
            even_step_s(np.array(stamps))
    frames = np.zeros((4, 3, 3))
    for step in (0.0, -1.0, np.nan):
        with pytest.raises(CalibrationError, match="frame time"):
            temporal_spectrum(frames, frame_s=step)
    for bad in (frames[0], frames[:1], frames * 1j):
        with pytest.raises(DataError):
            dominant_frequency(bad, frame_s=1.0)
