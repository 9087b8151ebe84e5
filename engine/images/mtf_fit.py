"""A camera's modulation transfer and readout noise, from the noise of images of vacuum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import fft
from scipy.optimize import OptimizeResult, least_squares
from scipy.signal.windows import tukey

from ..base.errors import DataError, SettingsError
from ..base.mtf import nyquist_fractions, parametric_mtf

_MODELS = ("noise", "published")
_SMALLEST_BOX_PX = 32
_TAPER = 0.25  # share of each axis that the window's slopes take
_FIRST_RING = 2  # below it lie the mean, the slope of the illumination and what the window spreads of them
_C0_RANGE, _C3_RANGE = (0.01, 5.0), (0.2, 20.0)
_STARTS = tuple((c0, c3) for c0 in (0.1, 0.3, 0.7) for c3 in (2.0, 4.0))


@dataclass(frozen=True, eq=False)
class MtfFit:
    """Modulation transfer and noise floor of a camera, as `fit_mtf` finds them.

    Parameters
    ----------
    c0, c3 : float
        Half-width [fraction of Nyquist] and exponent of the modulation transfer.
    floor : float
        C, from 0 to 1: deviation of the noise at large q̃ over that at q̃ = 0.
    scale : float
        Variance that a pixel would have without modulation transfer [units of the image, squared]: N_D + N0
        for an image in electrons; scale·floor² is the readout noise's.
    r_squared : float
        Coefficient of determination of the fit on the azimuthal curve, rings counted equally.
    c0_error, c3_error : float
        Standard deviations of c0 and c3 that the number of spectral points leaves.
    q, measured, fitted : arrays (R,), float64
        Rings [fraction of Nyquist], their measured and their fitted amplitude [units of the image].

    Examples
    --------
    >>> MtfFit(c0=0.2, c3=2.57, floor=0.5, scale=0.04, r_squared=0.99).readout_variance
    0.01
    """

    c0: float
    c3: float
    floor: float
    scale: float
    r_squared: float
    c0_error: float = 0.0
    c3_error: float = 0.0
    q: np.ndarray = field(default_factory=lambda: np.zeros(0))
    measured: np.ndarray = field(default_factory=lambda: np.zeros(0))
    fitted: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def readout_variance(self) -> float:
        """Variance that the readout adds to a pixel: N0 for an image in electrons."""
        return self.scale * self.floor**2


@dataclass(frozen=True)
class ReadoutFit:
    """Readout noise of a camera, as `fit_readout` finds it.

    Parameters
    ----------
    n0 : float
        Readout noise N0 [electrons per pixel].
    r_squared : float
        Coefficient of determination of the floors.

    Examples
    --------
    >>> ReadoutFit(n0=0.01, r_squared=0.94).n0
    0.01
    """

    n0: float
    r_squared: float


@dataclass(frozen=True)
class _Rings:
    """The spectrum in rings: frequency, mean power, mean amplitude, independent points."""

    q: np.ndarray
    power: np.ndarray
    amplitude: np.ndarray
    points: np.ndarray


def fit_mtf(
    image: np.ndarray, vacuum: tuple[int, int, int, int] | None = None, *, model: str = "noise"
) -> MtfFit:
    """Find the modulation transfer and the noise floor of a camera from an image of vacuum.

    Parameters
    ----------
    image : array (Y, X), any real dtype
        Image in electrons or any unit proportional to them, square pixels.
    vacuum : four int or None
        Box of it without specimen: first row, first column, end row, end column (ends excluded) [px], at
        least 32 px a side; None takes the whole image.
    model : {"noise", "published"}
        "noise" tells shot from readout noise and returns the c0 and c3 of the camera; "published" is
        Publication II's Eq. A.1 as printed, whose c0 falls where C rises.

    Returns
    -------
    MtfFit
        c0, c3, C, R², the scale, errors and the curves. Noise that is alike at all frequencies (a counting
        camera) leaves c0 and c3 undetermined: R² is then near 0.

    Raises
    ------
    DataError
        If the image is not two-dimensional, not finite, or without counts or noise in the vacuum.
    SettingsError
        If the box is outside the image or too small, or the model unknown.

    Notes
    -----
    Electrons arrive as Poisson noise of N_D a pixel, the scintillator spreads them, and the readout adds
    Poisson noise of N0 that is not spread. The power of the noise is therefore

        P(q̃) = N_D·M(q̃)² + N0 = s·[(1 − C²)·M(q̃)² + C²],    M(q̃) = 1/(1 + (q̃/c0)^c3),

    with s = N_D + N0 and C = √(N0/(N_D + N0)), the readout's deviation over that of all noise (Publication
    II, Eq. 3 and Figure 5). The values of a periodogram are exponentially distributed about P, so this is
    fitted to the mean of each ring up to Nyquist by maximum likelihood (Whittle): least squares of the
    deviance 2·n·(p/P − 1 − ln(p/P)), n independent points a ring. Before, the mean and the slope of the
    illumination are subtracted, and a window keeps the strong low frequencies from leaking into the floor.

    "published" is a least-squares fit of (c1 − c2)/(1 + (q̃/c0)^c3) + c2 (Publication II, Eq. A.1) to the
    azimuthal mean of |FT|, C = c2/c1. It must have been the amplitude, not the power of the appendix: the
    printed c1, 4353 at 10 e⁻/Å² and 52887 at 1300, grow as the root of the dose. This model adds the two
    deviations where their squares add, hence the drift of c0 from 0.20 to 0.28 with dose in its Figure 4: a
    camera with c0 = 0.27 at every dose gives just that.

    Examples
    --------
    >>> noise = np.random.default_rng(0).poisson(5.0, (256, 256))
    >>> spread = np.fft.rfft2(noise) * parametric_mtf(nyquist_fractions((256, 256)), c0=0.4, c3=2.5)
    >>> fit = fit_mtf(np.fft.irfft2(spread))
    >>> round(fit.c0, 1), round(fit.c3, 1), round(fit.floor, 1)
    (0.4, 2.5, 0.0)
    """
    if model not in _MODELS:
        raise SettingsError(f"expected model to be one of {', '.join(_MODELS)}, got {model!r}")
    rings = _find_rings(_cut_vacuum(image, vacuum))
    return _fit_noise(rings) if model == "noise" else _fit_published(rings)


def readout_floor(electrons_per_px: np.ndarray | float, *, n0: float) -> np.ndarray:
    """Find the noise floor C that a readout noise leaves at a dose.

    Parameters
    ----------
    electrons_per_px : array or float
        Electrons N_D that a pixel gets, 0 or more.
    n0 : float
        Readout noise N0 [electrons per pixel], above 0.

    Returns
    -------
    array like `electrons_per_px`, float64
        C = √(N0/(N_D + N0)): 1 without electrons, towards 0 with many.

    Raises
    ------
    SettingsError
        If n0 is not above 0.

    Notes
    -----
    Publication II, Eq. 3 and Figure 5: the readout's share of the deviation of all noise.

    Examples
    --------
    >>> readout_floor(np.array([0.0, 0.03, 0.99]), n0=0.01).round(6).tolist()
    [1.0, 0.5, 0.1]
    """
    if not 0 < n0 < np.inf:
        raise SettingsError(f"n0 must be above 0 electrons per pixel, got {n0}")
    return np.sqrt(n0 / (np.asarray(electrons_per_px, np.float64) + n0))


def fit_readout(floor: np.ndarray, electrons_per_px: np.ndarray) -> ReadoutFit:
    """Find the readout noise of a camera from its noise floors at several doses.

    Parameters
    ----------
    floor : array (n,)
        Noise floors C as `fit_mtf` finds them, from 0 to 1; 3 or more.
    electrons_per_px : array (n,)
        Electrons that a pixel got in each image, above 0 (`dose_from_vacuum` and the pixel's area give them).

    Returns
    -------
    ReadoutFit
        N0 [electrons per pixel] and R²; R² is 0 where the floors do not change.

    Raises
    ------
    DataError
        If there are fewer than 3 values, unequal numbers, or values out of range.

    Notes
    -----
    Least squares of C = √(N0/(N_D + N0)), as in Publication II, Figure 5.

    Examples
    --------
    >>> electrons = np.array([0.05, 0.5, 5.0])
    >>> round(fit_readout(readout_floor(electrons, n0=0.01), electrons).n0, 6)
    0.01
    """
    floors, electrons = np.asarray(floor, np.float64), np.asarray(electrons_per_px, np.float64)
    if floors.ndim != 1 or floors.shape != electrons.shape or len(floors) < 3:
        raise DataError(f"expected 3 or more floors, one a dose, got {floors.shape} and {electrons.shape}")
    if not ((floors >= 0) & (floors <= 1)).all():
        raise DataError(f"expected floors from 0 to 1, got {floors.min()} to {floors.max()}")
    if not ((electrons > 0) & (electrons < np.inf)).all():
        raise DataError(f"expected electrons_per_px above 0, got {electrons.min()} to {electrons.max()}")

    def residual(x: np.ndarray) -> np.ndarray:
        return readout_floor(electrons, n0=float(np.exp(x[0]))) - floors

    # One floor alone gives N0 in closed form; their median is where the search starts.
    guess = np.median(electrons * floors**2 / np.maximum(1 - floors**2, 1e-6))
    lowest, highest = 1e-9 * electrons.min(), 1e9 * electrons.max()
    start = np.log(np.clip(guess, 1e3 * lowest, 1e-3 * highest))
    found = least_squares(residual, [start], bounds=(np.log(lowest), np.log(highest)))
    return ReadoutFit(float(np.exp(found.x[0])), _r_squared(floors, floors + found.fun))


def _cut_vacuum(image: np.ndarray, vacuum: tuple[int, int, int, int] | None) -> np.ndarray:
    """Check the image and take its vacuum, as float64."""
    frame = np.asarray(image)
    if frame.ndim != 2 or frame.dtype.kind not in "uifb":
        raise DataError(f"expected an image (Y, X) of real numbers, got shape {frame.shape}, {frame.dtype}")
    height, width = frame.shape
    y0, x0, y1, x1 = (0, 0, height, width) if vacuum is None else vacuum
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise SettingsError(
            f"expected a vacuum box y0, x0, y1, x1 inside the image of {height} × {width} px, "
            f"got {y0}, {x0}, {y1}, {x1}"
        )
    if min(y1 - y0, x1 - x0) < _SMALLEST_BOX_PX:
        raise SettingsError(
            f"expected a vacuum of at least {_SMALLEST_BOX_PX} px a side, got {y1 - y0} × {x1 - x0} px"
        )
    region = frame[y0:y1, x0:x1].astype(np.float64)
    if not np.isfinite(region).all():
        raise DataError("expected finite pixels in the vacuum, got NaN or infinity")
    if not region.any():
        raise DataError("expected counts in the vacuum, got only zeros")
    if region.min() == region.max():
        raise DataError(f"expected noise in the vacuum, got the constant {region.flat[0]:g}")
    return region


def _find_rings(region: np.ndarray) -> _Rings:
    """Power spectrum per pixel, averaged over rings one pixel of the shorter axis wide, up to Nyquist."""
    height, width = region.shape
    y, x = (np.linspace(-1, 1, n) for n in (height, width))
    level = region - region.mean()
    level -= y[:, np.newaxis] * (level.mean(axis=1) @ y / (y @ y))
    level -= x * (level.mean(axis=0) @ x / (x @ x))
    window_y, window_x = (tukey(n, _TAPER, sym=False) for n in (height, width))
    level *= window_y[:, np.newaxis] * window_x
    energy = (window_y @ window_y) * (window_x @ window_x)
    power = np.abs(fft.rfft2(level)) ** 2 / energy
    q = nyquist_fractions((height, width))
    ring = np.rint(q / 2 * min(height, width)).astype(np.int64).ravel()
    # Columns that the half spectrum leaves out are mirror images of the inner ones.
    count = np.full(power.shape, 2.0)
    count[:, 0] = 1
    if width % 2 == 0:
        count[:, -1] = 1
    count = count.ravel()
    points = np.bincount(ring, count)
    means = [np.bincount(ring, count * v.ravel()) / points for v in (q, power, np.sqrt(power))]
    use = (np.arange(len(points)) >= _FIRST_RING) & (means[0] <= 1)
    if not (means[1][use] > 0).all():
        raise DataError("expected noise at all frequencies of the vacuum, got an image without")
    # Half of the points repeat the other half; the window ties neighbours together.
    shared = np.prod([(w**4).sum() * len(w) / (w @ w) ** 2 for w in (window_y, window_x)])
    return _Rings(means[0][use], means[1][use], means[2][use], points[use] / 2 / shared)


def _fit_noise(rings: _Rings) -> MtfFit:
    q, p, n = rings.q, rings.power, rings.points
    low, high = p[:3].mean(), p[-5:].mean()

    def expected(x: np.ndarray) -> np.ndarray:
        mtf = parametric_mtf(q, c0=np.exp(x[1]), c3=np.exp(x[2]))
        return low * np.exp(x[0]) * ((1 - x[3] ** 2) * mtf**2 + x[3] ** 2)

    def residual(x: np.ndarray) -> np.ndarray:
        ratio = p / np.maximum(expected(x), 1e-12 * high)
        return np.sign(ratio - 1) * np.sqrt(2 * n * np.maximum(ratio - 1 - np.log(ratio), 0))

    floor = min(0.9, np.sqrt(high / low))
    lower = [-20, np.log(_C0_RANGE[0]), np.log(_C3_RANGE[0]), 0]
    upper = [20, np.log(_C0_RANGE[1]), np.log(_C3_RANGE[1]), 1]
    found = _best_fit(
        residual, [[0, np.log(c0), np.log(c3), floor] for c0, c3 in _STARTS], bounds=(lower, upper)
    )
    c0, c3 = float(np.exp(found.x[1])), float(np.exp(found.x[2]))
    # The residuals have unit variance, so their Jacobian gives the errors of ln c0 and ln c3.
    relative = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)))
    measured, fitted = np.sqrt(p), np.sqrt(expected(found.x))
    return MtfFit(
        c0=c0,
        c3=c3,
        floor=float(found.x[3]),
        scale=float(low * np.exp(found.x[0])),
        r_squared=_r_squared(measured, fitted),
        c0_error=c0 * float(relative[1]),
        c3_error=c3 * float(relative[2]),
        q=q,
        measured=measured,
        fitted=fitted,
    )


def _fit_published(rings: _Rings) -> MtfFit:
    q, a = rings.q, rings.amplitude
    low, high = a[:3].mean(), a[-5:].mean()

    def expected(x: np.ndarray) -> np.ndarray:
        return low * ((x[0] - x[1]) * parametric_mtf(q, c0=np.exp(x[2]), c3=np.exp(x[3])) + x[1])

    def residual(x: np.ndarray) -> np.ndarray:
        return (expected(x) - a) / low

    lower = [0, 0, np.log(_C0_RANGE[0]), np.log(_C3_RANGE[0])]
    upper = [1e6, 1e6, np.log(_C0_RANGE[1]), np.log(_C3_RANGE[1])]
    starts = [[1, high / low, np.log(c0), np.log(c3)] for c0, c3 in _STARTS]
    found = _best_fit(residual, starts, bounds=(lower, upper))
    c1, c2 = found.x[:2]
    c0, c3 = float(np.exp(found.x[2])), float(np.exp(found.x[3]))
    spread = 2 * found.cost / max(len(q) - 4, 1)
    relative = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)) * spread)
    fitted = expected(found.x)
    return MtfFit(
        c0=c0,
        c3=c3,
        floor=float(min(c2 / c1, 1.0)) if c1 > 0 else 1.0,
        scale=float(
            (low * c1) ** 2 * 4 / np.pi
        ),  # the mean modulus of complex noise is √(π/4) of its deviation
        r_squared=_r_squared(a, fitted),
        c0_error=c0 * float(relative[2]),
        c3_error=c3 * float(relative[3]),
        q=q,
        measured=a,
        fitted=fitted,
    )


def _best_fit(
    residual: Callable[[np.ndarray], np.ndarray],
    starts: list[list[float]],
    *,
    bounds: tuple[list[float], list[float]],
) -> OptimizeResult:
    """Take the least of the minima that several starts lead to."""
    return min((least_squares(residual, start, bounds=bounds) for start in starts), key=lambda fit: fit.cost)


def _r_squared(measured: np.ndarray, fitted: np.ndarray) -> float:
    total = ((measured - measured.mean()) ** 2).sum()
    return float(1 - ((measured - fitted) ** 2).sum() / total) if total > 0 else 0.0
