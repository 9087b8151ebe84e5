"""Gaussian columns fitted to counts by maximum likelihood, all columns of a frame at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...base.errors import DataError, SettingsError
from ...base.tables import Columns
from .noise import Noise, check_frame
from .scene import LEAST_RATE, ColumnScene

_WANDER_WIDTHS = 1.5
# Half way to a neighbour its own column begins; faint ones would change places.
_WANDER_APART = 0.4
# The width found may be this much off the one given: rings around columns look like wider columns.
_WIDER = math.log(1.3)
_COMMON_ROUNDS, _DAMPING = 12, 1e-3
_SETTLED = 1e-3
# Of neighbours that overlap, a full step each would overshoot.
_RELAXATION = 0.8
_DARKEST = 0.98


def fit_columns(
    frame: np.ndarray,
    y_px: np.ndarray,
    x_px: np.ndarray,
    *,
    width_px: float,
    noise: Noise,
    width_spread: float = 0.15,
    iterations: int = 40,
) -> Columns:
    """Fit a Gaussian on a local background to every column, neighbours together.

    Parameters
    ----------
    frame : array (Y, X), real, finite
        One frame as recorded.
    y_px, x_px : arrays (n,), float
        Where the columns are, to within about a width [px].
    width_px : float
        About how wide they are: standard deviation of a Gaussian [px]; the frame's common width is fitted.
    noise : Noise
        The noise of its pixels: Poisson counts, or normal of one deviation.
    width_spread : float
        Standard deviation of the columns' widths about the common one, relative; 0 gives all the same.
    iterations : int
        At most so many steps.

    Returns
    -------
    dict of arrays (n,), float64
        y_px, x_px, y_error_px, x_error_px; amplitude (below 0 for dark columns), background and their errors
        [grey levels]; width_px, width_error_px. In the order given. Errors are standard deviations.

    Raises
    ------
    DataError
        If the frame is no finite real image, or a column lies outside of it.
    SettingsError
        If a number is outside its range.

    Notes
    -----
    The expected counts are λ(r) = b + A·exp(-|r - r0|²/2ρ²) + the neighbours' Gaussians; the likelihood
    Σ(k ln λ - λ) within 2.8ρ is climbed by Fisher scoring, damped (Levenberg) so that it never falls, the
    neighbours' Gaussians renewed at each step. ln ρ has a normal prior about the common width, which keeps
    faint columns from swallowing noise and says nothing to strong ones. Errors come from the Fisher matrix of
    a column's five parameters: of one with contrast c on the dose D they reach σ_x = 0.80/(|c|·√D).

    Examples
    --------
    >>> y, x = np.mgrid[:24, :24]
    >>> frame = 50 + 400 * np.exp(-((y - 11.3) ** 2 + (x - 12.6) ** 2) / 8)
    >>> fit = fit_columns(frame, np.array([11.0]), np.array([12.0]), width_px=1.8, noise=Noise())
    >>> [round(fit[name].item(), 3) for name in ("y_px", "x_px", "amplitude", "background", "width_px")]
    [11.3, 12.6, 400.0, 50.0, 2.0]
    """
    y_px, x_px = np.asarray(y_px, np.float64), np.asarray(x_px, np.float64)
    image = noise.scaled(check_frame(frame))
    _check(image, y_px, x_px, width_px, width_spread, iterations)
    state = np.zeros((len(y_px), 5))
    state[:, 0], state[:, 1], state[:, 4] = y_px, x_px, math.log(width_px)
    if len(state) == 0:
        return _table(state, np.zeros((0, 5)), noise)
    scene = ColumnScene.around(image, state, noise.is_poisson)
    bounds = _Bounds.around(state, noise.is_poisson)
    state = scene.first_guess(state)
    common = min(_COMMON_ROUNDS, iterations)
    for _ in range(common):
        state = bounds.keep(_common_step(scene, state))
    scene = ColumnScene.around(image, state, noise.is_poisson)
    state, errors = _climb(scene, state, bounds, width_spread, iterations - common)
    return _table(state, errors, noise)


@dataclass(frozen=True)
class _Bounds:
    """How far columns may go from where they began."""

    start: np.ndarray
    wander: np.ndarray
    is_poisson: bool

    @classmethod
    def around(cls, state: np.ndarray, is_poisson: bool) -> _Bounds:
        """Let columns wander by their width, but not half way to a neighbour: faint ones would swap."""
        wander = _WANDER_WIDTHS * np.exp(state[:, 4])
        if len(state) > 1:
            apart = cKDTree(state[:, :2]).query(state[:, :2], k=2)[0][:, 1]
            wander = np.minimum(wander, _WANDER_APART * apart)
        return cls(state.copy(), wander[:, None], is_poisson)

    def keep(self, state: np.ndarray) -> np.ndarray:
        """Keep columns near to where they began, and expected counts above 0."""
        state, start = state.copy(), self.start
        state[:, :2] = np.clip(state[:, :2], start[:, :2] - self.wander, start[:, :2] + self.wander)
        state[:, 4] = np.clip(state[:, 4], start[:, 4] - _WIDER, start[:, 4] + _WIDER)
        if self.is_poisson:
            state[:, 3] = np.maximum(state[:, 3], LEAST_RATE)
            state[:, 2] = np.maximum(state[:, 2], -_DARKEST * state[:, 3])
        return state


def _common_step(scene: ColumnScene, state: np.ndarray) -> np.ndarray:
    """One step of all columns and of the one width that they share."""
    slope, fisher = scene.normal_equations(state, scene.others(state))
    own = _damped(fisher[:, :4, :4], np.full(len(state), _DAMPING))
    both = np.concatenate([slope[:, :4, None], fisher[:, :4, 4:]], axis=2)
    step, lean = np.moveaxis(np.linalg.solve(own, both), 2, 0)
    cross = fisher[:, 4, :4]
    rise = float((slope[:, 4] - (cross * step).sum(axis=1)).sum())
    curve = float((fisher[:, 4, 4] - (cross * lean).sum(axis=1)).sum())
    wider = float(np.clip(rise / curve if curve > 0 else 0.0, -0.2, 0.2))
    moved = state.copy()
    moved[:, :4] += _RELAXATION * _short(step - lean * wider, state)
    moved[:, 4] += _RELAXATION * wider
    return moved


def _climb(
    scene: ColumnScene, state: np.ndarray, bounds: _Bounds, width_spread: float, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Climb each column's likelihood with a width of its own; give states and standard errors (n, 5)."""
    middle = state[:, 4].copy()
    # A spread of nought is a prior that nothing moves.
    stiffness = 1.0 / max(width_spread, 1e-6) ** 2
    damping = np.full(len(state), _DAMPING)

    def prior(one: np.ndarray) -> np.ndarray:
        return -0.5 * stiffness * (one[:, 4] - middle) ** 2

    for _ in range(iterations):
        others = scene.others(state)
        before = scene.likelihood(state, others) + prior(state)
        slope, fisher = scene.normal_equations(state, others)
        slope[:, 4] -= stiffness * (state[:, 4] - middle)
        fisher[:, 4, 4] += stiffness
        step = _short(np.linalg.solve(_damped(fisher, damping), slope[:, :, None])[:, :, 0], state)
        tried = bounds.keep(state + _RELAXATION * step)
        better = scene.likelihood(tried, others) + prior(tried) >= before - 1e-9 * np.abs(before)
        damping = np.where(better, np.maximum(damping / 5, 1e-7), np.minimum(damping * 10, 1e7))
        moved = np.abs(tried[:, :2] - state[:, :2]).max(axis=1) / np.exp(state[:, 4])
        state = np.where(better[:, None], tried, state)
        if moved.max() < _SETTLED and better.all():
            break
    _, fisher = scene.normal_equations(state, scene.others(state))
    fisher[:, 4, 4] += stiffness
    inverse = np.linalg.inv(_damped(fisher, np.zeros(len(state))))
    return state, np.sqrt(np.maximum(np.diagonal(inverse, axis1=1, axis2=2), 0.0))


def _damped(fisher: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Lengthen the diagonals of matrices (n, m, m), and keep those without any information regular."""
    size = fisher.shape[1]
    diagonal = np.diagonal(fisher, axis1=1, axis2=2)
    more = diagonal * damping[:, None] + 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-30
    return fisher + more[:, :, None] * np.eye(size)


def _short(step: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Cut steps to what a parabola may be trusted for: half a width, and a fifth in width."""
    most = np.full(step.shape, np.inf)
    most[:, :2] = 0.5 * np.exp(state[:, 4:])
    if step.shape[1] == 5:
        most[:, 4] = 0.2
    return np.clip(step, -most, most)


def _check(
    image: np.ndarray,
    y_px: np.ndarray,
    x_px: np.ndarray,
    width_px: float,
    width_spread: float,
    iterations: int,
) -> None:
    if not 0.3 <= width_px < math.inf or not 0 <= width_spread < math.inf or iterations < 1:
        raise SettingsError(
            f"expected a width of 0.3 px or more, a spread of 0 or more and 1 step or more, got {width_px}, "
            f"{width_spread} and {iterations}"
        )
    rows, columns = image.shape
    inside = (y_px > -0.5) & (y_px < rows - 0.5) & (x_px > -0.5) & (x_px < columns - 0.5)
    if y_px.shape != x_px.shape or y_px.ndim != 1 or not inside.all():
        raise DataError(f"expected columns (n,) within the frame of {rows} by {columns} pixels")


def _table(state: np.ndarray, errors: np.ndarray, noise: Noise) -> Columns:
    width = np.exp(state[:, 4])
    return {
        "y_px": state[:, 0],
        "x_px": state[:, 1],
        "y_error_px": errors[:, 0],
        "x_error_px": errors[:, 1],
        "amplitude": state[:, 2] * noise.unit,
        "amplitude_error": errors[:, 2] * noise.unit,
        "background": state[:, 3] * noise.unit,
        "background_error": errors[:, 3] * noise.unit,
        "width_px": width,
        "width_error_px": width * errors[:, 4],
    }
