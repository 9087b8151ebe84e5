"""The quiet course of a series, learnt from its own frames: level, slope, noise and its correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri, stdtr

from ...base.errors import SettingsError

# A score beyond this is as rare as 1 in 2,000: a single wild frame is no onset, and must not teach either.
MOST_SCORE = 3.5
_MOST_CORRELATION = 0.99
# The correlation is estimated again whenever the quiet frames have grown by this factor.
_GROWTH = 1.25
_LEAST_NOISE = 1e-9
# Standard deviation of rounding to steps of 1.
ROUNDING = 1 / math.sqrt(12)


@dataclass(frozen=True)
class QuietFit:
    """The quiet course of a series by least squares, its noise an autoregressive process of first order.

    Parameters
    ----------
    beta : array (p,), float64
        Level at the first frame and, where a trend is allowed, slope per unit of time.
    inverse : array (p, p), float64
        (XᵀX)⁻¹ of the whitened regression: times noise², the covariance of `beta`.
    squares : float
        Sum of squared residuals, in which the noise has `freedom` degrees of freedom.
    freedom : int
        Frames minus parameters.
    correlation : float
        Of the noise, from one frame to the next, 0..0.99.
    """

    beta: np.ndarray
    inverse: np.ndarray
    squares: float
    freedom: int
    correlation: float

    @property
    def noise(self) -> float:
        """Standard deviation of a frame's noise about the course."""
        return math.sqrt(self.squares / self.freedom)


def fit_quiet(
    times: np.ndarray, values: np.ndarray, *, trend: bool = True, correlation: float | None = None
) -> QuietFit:
    """Fit the quiet course of a series: a level or a line, in noise that is correlated in time.

    Parameters
    ----------
    times : array (n,), float
        Times of the frames in steps of a frame, ascending; gaps are larger steps.
    values : array (n,), float
        Their values, all finite.
    trend : bool
        True fits a line, False a level.
    correlation : float or None
        Of the noise from frame to frame; None estimates it.

    Returns
    -------
    QuietFit
        Course, noise and correlation.

    Raises
    ------
    SettingsError
        If there are too few frames.

    Notes
    -----
    Frames g steps apart are whitened by (yₜ − φᵍ·yₜ₋g)/√(1 − φ²ᵍ), course and values alike (D. Cochrane and
    G. H. Orcutt, J. Am. Stat. Assoc. 44, 32). φ is the correlation of neighbouring residuals, corrected for
    what fitting takes away of it (M. G. Kendall, Biometrika 41, 403), and at least 0.

    Examples
    --------
    >>> times = np.arange(200.0)
    >>> noise = np.random.default_rng(0).standard_normal(200)
    >>> bool(abs(fit_quiet(times, 3 + 0.1 * times + noise).beta[1] - 0.1) < 0.01)
    True
    """
    times, values = np.asarray(times, np.float64), np.asarray(values, np.float64)
    design = _design(times - times[0], trend) if times.size else np.empty((0, 1 + trend))
    if times.size < design.shape[1] + 2:
        raise SettingsError(f"expected at least {design.shape[1] + 2} frames to fit, got {times.size}")
    if correlation is None:
        correlation = _estimate_correlation(times, values, design)
    design, values = whitened(design, times, correlation), whitened(values, times, correlation)
    inverse = np.linalg.inv((design[:, :, None] * design[:, None, :]).sum(axis=0))
    beta = (inverse * (design * values[:, None]).sum(axis=0)).sum(axis=1)
    residuals = values - (design * beta).sum(axis=1)
    freedom = times.size - beta.size
    return QuietFit(beta, inverse, float((residuals**2).sum()), freedom, correlation)


def whitened(rows: np.ndarray, times: np.ndarray, correlation: float) -> np.ndarray:
    """Take from each frame what correlated noise carries over from the frame before it.

    Parameters
    ----------
    rows : array (n,) or (n, p), float64
        Values or regressors by frame.
    times : array (n,), float64
        Times in steps of a frame, ascending.
    correlation : float
        Of the noise from frame to frame.

    Returns
    -------
    array, float64
        The same with noise of the same standard deviation that is independent from frame to frame.

    Examples
    --------
    >>> whitened(np.ones(2), np.arange(2.0), 0.6).tolist()
    [1.0, 0.5]
    """
    carried, left = _carried(np.diff(times), correlation)
    shape = (-1, *[1] * (rows.ndim - 1))
    new = (rows[1:] - carried.reshape(shape) * rows[:-1]) / left.reshape(shape)
    return np.concatenate([rows[:1], new])


@dataclass
class QuietCourse:
    """Learns a series' quiet course while it runs, and scores each new frame against it.

    Parameters
    ----------
    frames : int
        Quiet frames at the start, which are learnt and not scored.
    trend : bool
        True learns a line, False a level.
    resolution : float
        Smallest step of the values; rounding to it is the least noise there is.
    times, values : list of float
        State: frames learnt so far, wild values drawn in.

    Notes
    -----
    The score is the whitened value minus its prediction from the frames before, over the standard error of
    that prediction (recursive residual: R. L. Brown, J. Durbin, J. M. Evans, J. R. Stat. Soc. B 37, 149),
    turned from Student's t into a standard normal (self-starting chart: D. M. Hawkins, The Statistician 36,
    299). In quiet frames scores are independent and normal however few frames the course was learnt
    from; so a chart keeps its rate of false alarms, which one with an estimated level and noise put in
    for the true ones does not. Quiet frames go on teaching. Scores are cut at ±3.5.

    Examples
    --------
    >>> course = QuietCourse(frames=20)
    >>> noise = np.random.default_rng(0).standard_normal(100)
    >>> scores = [course.step(float(t), value) for t, value in enumerate(noise)]
    >>> bool(np.isnan(scores[:20]).all()), bool(abs(np.std(scores[20:]) - 1) < 0.15)
    (True, True)
    """

    frames: int
    trend: bool = True
    resolution: float = 0.0
    times: list[float] = field(default_factory=list, init=False, repr=False)
    values: list[float] = field(default_factory=list, init=False, repr=False)
    _now: _Running | None = field(default=None, init=False, repr=False)
    _learnt: int = field(default=0, init=False, repr=False)
    _least_noise: float = field(default=0.0, init=False, repr=False)

    @property
    def fit(self) -> QuietFit | None:
        """What the frames learnt so far tell; None while there are too few."""
        return None if self._now is None else self._now.as_fit(self.trend)

    @property
    def has_noise(self) -> bool:
        """Whether the frames learnt differ from the course by more than rounding."""
        return self._now is not None and self._now.noise(self.resolution) > self._least_noise

    def step(self, time: float, value: float) -> float:
        """Take a frame [time in steps of a frame]; give its score, NaN where there is none."""
        if math.isnan(value):
            return math.nan
        score = math.nan
        if self._now is not None and self.has_noise:
            score, value = self._score(self._now, time, value)
        self.times.append(time)
        self.values.append(value)
        self._least_noise = max(self._least_noise, _LEAST_NOISE * abs(value))
        count = len(self.times)
        noisy_now = self._learnt and not self.has_noise and value != self.values[-2]
        if count >= self.frames and (noisy_now or count >= _GROWTH * self._learnt):
            fit = fit_quiet(np.array(self.times), np.array(self.values), trend=self.trend)
            self._now = _Running.of(fit)
            self._learnt = count
        return score

    def _score(self, now: _Running, time: float, value: float) -> tuple[float, float]:
        """Score a value and learn it; give it back drawn in where it was wild."""
        first, last, carried, left = self.times[0], self.times[-1], 0.0, 1.0
        if now.correlation > 0:
            carried = now.correlation ** (time - last)
            left = math.sqrt(1 - carried**2)
        one = (1 - carried) / left
        elapsed = ((time - first) - carried * (last - first)) / left if self.trend else 0.0
        predicted = one * now.level + elapsed * now.slope
        gain = now.p00 * one + now.p01 * elapsed
        gain_slope = now.p01 * one + now.p11 * elapsed
        spread = 1 + one * gain + elapsed * gain_slope
        stretch, noise = math.sqrt(spread), now.noise(self.resolution)
        residual = ((value - carried * self.values[-1]) / left - predicted) / stretch
        score = _normal_score(residual / noise, now.freedom)
        if abs(score) > MOST_SCORE:
            score = math.copysign(MOST_SCORE, score)
            residual = score * noise
            value = (predicted + residual * stretch) * left + carried * self.values[-1]
        now.level += gain * residual / stretch
        now.slope += gain_slope * residual / stretch
        now.p00 -= gain * gain / spread
        now.p01 -= gain * gain_slope / spread
        now.p11 -= gain_slope * gain_slope / spread
        now.squares += residual**2
        now.freedom += 1
        return score, value


@dataclass
class _Running:
    """A fit that takes frames in one by one, in plain numbers: they are faster than small arrays."""

    level: float
    slope: float
    p00: float
    p01: float
    p11: float
    squares: float
    freedom: int
    correlation: float

    @classmethod
    def of(cls, fit: QuietFit) -> _Running:
        """Begin with a fit of many frames."""
        if fit.beta.size == 1:
            numbers = (float(fit.beta[0]), 0.0, float(fit.inverse[0, 0]), 0.0, 0.0)
        else:
            (p00, p01), (_, p11) = fit.inverse.tolist()
            numbers = (float(fit.beta[0]), float(fit.beta[1]), p00, p01, p11)
        return cls(*numbers, fit.squares, fit.freedom, fit.correlation)

    def as_fit(self, trend: bool) -> QuietFit:
        """Give the fit in the form of `fit_quiet`."""
        count = 1 + trend
        beta = np.array([self.level, self.slope][:count])
        inverse = np.array([[self.p00, self.p01], [self.p01, self.p11]])[:count, :count]
        return QuietFit(beta, inverse, self.squares, self.freedom, self.correlation)

    def noise(self, resolution: float) -> float:
        """Noise of a frame, at least that of rounding to steps of `resolution`."""
        return max(math.sqrt(self.squares / self.freedom), resolution * ROUNDING)


def _design(times: np.ndarray, trend: bool) -> np.ndarray:
    return np.stack([np.ones_like(times), times], axis=1) if trend else np.ones((times.size, 1))


def _carried(steps: np.ndarray, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Share of the noise that is carried over a step of time, and standard deviation of what is new."""
    carried = np.power(correlation, steps) if correlation > 0 else np.zeros(np.shape(steps))
    return carried, np.sqrt(1 - carried**2)


def _normal_score(ratio: float, freedom: int) -> float:
    """Turn Student's t into the normal deviate of the same tail."""
    return math.copysign(-float(ndtri(max(stdtr(freedom, -abs(ratio)), 1e-300))), ratio)


def _estimate_correlation(times: np.ndarray, values: np.ndarray, design: np.ndarray) -> float:
    square = (design[:, :, None] * design[:, None, :]).sum(axis=0)
    beta = np.linalg.solve(square, (design * values[:, None]).sum(axis=0))
    residuals = values - (design * beta).sum(axis=1)
    neighbours = np.diff(times) < 1.5
    pairs, power = int(neighbours.sum()), float((residuals**2).mean())
    if pairs < 4 or power == 0:
        return 0.0
    found = float((residuals[1:] * residuals[:-1])[neighbours].sum()) / (pairs + 1) / power
    parameters = design.shape[1]
    corrected = (found * values.size + parameters) / max(values.size - 1 - 3 * parameters, 1)
    return min(max(corrected, 0.0), _MOST_CORRELATION)
