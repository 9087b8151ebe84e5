"""Fourier transforms of every pixel along time: which pixels change, and at which frequency."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

from ..base.errors import CalibrationError, DataError

# Pixels transformed at once: the work stays within a few MB however large the window is.
_PIXELS_AT_ONCE = 1 << 14


def even_step_s(times_s: np.ndarray, *, tolerance: float = 0.01) -> float:
    """Find the one time step of a run of frames.

    Parameters
    ----------
    times_s : array (T,), float
        Time stamps [s], ascending.
    tolerance : float
        Largest deviation of a single step, as a fraction of the median step.

    Returns
    -------
    float
        Mean step [s].

    Raises
    ------
    CalibrationError
        If there are fewer than two stamps, they do not ascend, or a step deviates.

    Examples
    --------
    >>> even_step_s(np.array([0.0, 0.4, 0.8]))
    0.4
    """
    times_s = np.asarray(times_s, np.float64)
    if times_s.ndim != 1 or times_s.size < 2 or not np.isfinite(times_s).all():
        raise CalibrationError(
            f"expected at least 2 finite time stamps, got shape {times_s.shape}; give the frame time"
        )
    steps = np.diff(times_s)
    typical = float(np.median(steps))
    worst = int(np.argmax(np.abs(steps - typical)))
    if not (steps > 0).all() or abs(steps[worst] - typical) > tolerance * typical:
        raise CalibrationError(
            f"expected even time stamps for a spectrum along time, got a step of {steps[worst]:g} s after "
            f"frame {worst} where {typical:g} s is usual; choose a run of frames without a gap"
        )
    return float((times_s[-1] - times_s[0]) / steps.size)


def temporal_spectrum(frames: np.ndarray, *, frame_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Transform every pixel along time.

    Parameters
    ----------
    frames : array (T, Y, X), any real type
        A run of evenly timed frames, at least 2; a window of pixels of them for large movies.
    frame_s : float
        Time from one frame to the next [s]; see `even_step_s`.

    Returns
    -------
    frequency_hz : array (K,), float64
        0 to the Nyquist frequency; K = T // 2 + 1.
    amplitude : array (K, Y, X), float32
        Amplitude about the pixel's mean, in the unit of the pixels: a cosine of amplitude a that fits
        the run a whole number of times gives a. NaN where a frame is NaN.

    Raises
    ------
    DataError
        If there are not three axes, fewer than two frames, or complex pixels.
    CalibrationError
        If the frame time is not finite and above 0.

    Notes
    -----
    Every pixel is on its own: the spectrum of a window is the window of the spectrum, to the byte, so a
    movie that does not fit in memory is worked through window by window. The result takes about
    2·T·Y·X bytes.

    Examples
    --------
    >>> frames = 3 * np.cos(2 * np.pi * np.arange(8) / 4)[:, None, None]
    >>> frequency_hz, amplitude = temporal_spectrum(frames, frame_s=0.5)
    >>> frequency_hz[2].item(), round(amplitude[2, 0, 0].item(), 5)
    (0.5, 3.0)
    """
    _check(frames, frame_s)
    n_frames, rows, columns = frames.shape
    frequency_hz = fft.rfftfreq(n_frames, frame_s)
    amplitude = np.empty((frequency_hz.size, rows, columns), np.float32)
    scale = _sides(n_frames)[:, np.newaxis, np.newaxis] / n_frames
    for band in _bands(rows, columns):
        amplitude[:, band] = np.abs(_transform(frames[:, band])) * scale
    return frequency_hz, amplitude


def dominant_frequency(frames: np.ndarray, *, frame_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the strongest frequency of every pixel along time, and how much of its change that is.

    Parameters
    ----------
    frames : array (T, Y, X), any real type
        A run of evenly timed frames, at least 2; a window of pixels of them for large movies.
    frame_s : float
        Time from one frame to the next [s]; see `even_step_s`.

    Returns
    -------
    frequency_hz : array (Y, X), float64
        Frequency of the highest term above 0 Hz; NaN where the pixel is constant or a frame is NaN.
    fraction : array (Y, X), float32
        Power of that term over all power but that of the mean, 0..1; 0 where there is none.

    Raises
    ------
    DataError
        If there are not three axes, fewer than two frames, or complex pixels.
    CalibrationError
        If the frame time is not finite and above 0.

    Notes
    -----
    The histogram of the frequency, weighted by the fraction, shows the common peaks by which the
    pixels that move are picked from those that do not (ultrafast microscopy, temporal FFT of the
    pixels' time profiles). Needs little memory beyond the frames; windows as in `temporal_spectrum`.

    Examples
    --------
    >>> frames = 3 * np.cos(2 * np.pi * np.arange(8) / 4)[:, None, None]
    >>> [array.item() for array in dominant_frequency(frames, frame_s=0.5)]
    [0.5, 1.0]
    """
    _check(frames, frame_s)
    n_frames, rows, columns = frames.shape
    terms_hz = fft.rfftfreq(n_frames, frame_s)
    frequency_hz = np.full((rows, columns), np.nan)
    fraction = np.zeros((rows, columns), np.float32)
    sides = _sides(n_frames)[1:, np.newaxis, np.newaxis]
    for band in _bands(rows, columns):
        series = frames[:, band]
        power = np.square(np.abs(_transform(series)[1:])) * sides
        total = power.sum(axis=0)
        best = np.argmax(power, axis=0)
        # Rounding leaves a trace of power in a constant pixel; only the pixels tell that it is none.
        changes = np.isfinite(total) & (total > 0) & (series != series[:1]).any(axis=0)
        highest = np.take_along_axis(power, best[np.newaxis], axis=0)[0]
        frequency_hz[band][changes] = terms_hz[1:][best[changes]]
        fraction[band][changes] = highest[changes] / total[changes]
    return frequency_hz, fraction


def _check(frames: np.ndarray, frame_s: float) -> None:
    if frames.ndim != 3 or frames.shape[0] < 2:
        raise DataError(f"expected frames (T, Y, X) with at least 2 frames, got shape {frames.shape}")
    if np.iscomplexobj(frames):
        raise DataError("expected real pixels, got complex ones; give the amplitude or the intensity")
    if not (math.isfinite(frame_s) and frame_s > 0):
        raise CalibrationError(f"expected a frame time above 0 s, got {frame_s}; give the frame time")


def _bands(rows: int, columns: int) -> list[slice]:
    step = max(1, _PIXELS_AT_ONCE // max(columns, 1))
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]


def _sides(n_frames: int) -> np.ndarray:
    """Count how often each term stands in a whole spectrum: twice, but for 0 Hz and Nyquist."""
    sides = np.full(n_frames // 2 + 1, 2.0)
    sides[0] = 1.0
    if n_frames % 2 == 0:
        sides[-1] = 1.0
    return sides


def _transform(frames: np.ndarray) -> np.ndarray:
    series = frames.astype(np.float64)
    series -= series.mean(axis=0)
    return fft.rfft(series, axis=0, workers=1)
