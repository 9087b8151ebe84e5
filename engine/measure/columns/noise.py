"""The noise of frames, and how far a blob must stand out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage
from scipy.special import ndtri

from ...base.errors import DataError, SettingsError

# A Laplacian of Gaussian sees a Gaussian blob best in white noise where it is this much wider.
SCALE_PER_WIDTH = math.sqrt(3)
# The normal law of a maximum is off by the third cumulant; a saddle point mends it down to very few counts.
_BACKGROUNDS, _HALVINGS, _KERNEL_LEVELS = 16, 30, 256
_KERNEL_REACH = 4.5
_MAD = 1 / float(ndtri(0.75))


@dataclass(frozen=True)
class Noise:
    """The noise of a frame's pixels: electrons that are counted, or a deviation that was measured.

    Parameters
    ----------
    counts_per_electron : float or None
        Grey levels that one electron gives, where pixels are Poisson counts of electrons times this; None
        where they are not.
    deviation : float
        Standard deviation of a pixel [grey levels] where they are not: that of the white noise which
        disturbs a blob as much as the movie's noise does.

    Examples
    --------
    >>> Noise(counts_per_electron=1.0).is_poisson, Noise(None, deviation=2.0).is_poisson
    (True, False)
    """

    counts_per_electron: float | None = 1.0
    deviation: float = math.nan

    def __post_init__(self) -> None:
        value = self.deviation if self.counts_per_electron is None else self.counts_per_electron
        if not 0 < value < math.inf:
            raise SettingsError(
                f"expected counts per electron, or a deviation of the noise, above 0, got {value}"
            )

    @property
    def is_poisson(self) -> bool:
        """Whether pixels count electrons."""
        return self.counts_per_electron is not None

    def scaled(self, frame: np.ndarray) -> np.ndarray:
        """Give a frame in electrons, or in deviations of its noise, float64."""
        return np.asarray(frame, np.float64) / self.unit

    @property
    def unit(self) -> float:
        """Grey levels of one electron, or of one deviation."""
        return self.deviation if self.counts_per_electron is None else self.counts_per_electron


def measure_deviation(frames: Sequence[np.ndarray], *, scale_px: float = 1.5) -> float:
    """Measure the noise of pixels as it disturbs blobs of a scale.

    Parameters
    ----------
    frames : sequence of array (Y, X)
        Consecutive frames; of one alone the noise is taken to be white.
    scale_px : float
        Scale of the blobs [px].

    Returns
    -------
    float
        Standard deviation of white noise that gives a Laplacian of that scale as much noise [grey levels];
        0 where frames do not differ.

    Notes
    -----
    What lies still is gone from the difference of two frames; the median of its absolute values leaves out
    what moved. Frames that are repeated are left out. Of one frame: a kernel that is blind to slopes and
    edges (Immerkær 1996).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frames = 5 * rng.standard_normal((2, 128, 128)) + np.arange(128) ** 2
    >>> 4.5 < measure_deviation(frames) < 5.5
    True
    """
    norm = math.sqrt(float((_kernel(scale_px) ** 2).sum()))
    deviations = []
    for before, after in pairwise(frames):
        change = np.asarray(after, np.float64) - np.asarray(before, np.float64)
        response = ndimage.gaussian_laplace(change, scale_px, truncate=_KERNEL_REACH)
        size = _MAD * float(np.median(np.abs(response - np.median(response)))) / norm / math.sqrt(2)
        if size > 0:
            deviations.append(size)
    if deviations:
        return float(np.median(deviations))
    if len(frames) != 1:
        return 0.0
    blind = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    response = ndimage.convolve(np.asarray(frames[0], np.float64), blind, mode="reflect")
    return float(_MAD * np.median(np.abs(response)) / 6)


def least_contrast(*, background: float, width_px: float, noise: Noise, alpha: float, n_px: int) -> float:
    """Say from which contrast on a column of some width can be told from noise at all.

    Parameters
    ----------
    background : float
        Grey level around it.
    width_px : float
        Its width, the standard deviation of a Gaussian [px].
    noise : Noise
        The noise of the pixels.
    alpha : float
        Probability that a frame of noise alone shows any.
    n_px : int
        Pixels of the frame.

    Returns
    -------
    float
        Height over background, above which it is found in half of all frames or more; it falls as one over
        the root of the dose where pixels are counts.

    Examples
    --------
    >>> round(least_contrast(background=4.0, width_px=3.0, noise=Noise(), alpha=0.01, n_px=65536), 2)
    0.49
    """
    scale_px = max(SCALE_PER_WIDTH * width_px, 0.7)
    kernel = _kernel(scale_px)
    reach = kernel.shape[0] // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    seen = float((kernel * np.exp(-(y**2 + x**2) / (2 * width_px**2))).sum())
    seen /= math.sqrt(float((kernel**2).sum()))
    level = background / noise.unit
    deviation = math.sqrt(level) if noise.is_poisson else 1.0
    return _normal_threshold(kernel, n_px, alpha) * deviation / seen / level


def check_frame(frame: np.ndarray, scale_px: float = 1.0) -> np.ndarray:
    """Refuse what is no finite real frame of enough pixels for a scale [px].

    Parameters
    ----------
    frame : array (Y, X)
        A frame.
    scale_px : float
        Scale of blobs [px].

    Returns
    -------
    array (Y, X)
        The frame.

    Raises
    ------
    DataError
        If it cannot be used.
    """
    frame = np.asarray(frame)
    if frame.ndim != 2 or frame.dtype.kind not in "buif" or min(frame.shape) < 8 * scale_px:
        raise DataError(
            f"expected a real frame (Y, X) of {math.ceil(8 * scale_px)} pixels a side or more for blobs of "
            f"{scale_px:.3g} px, got {frame.dtype} of shape {frame.shape}; give a smaller --width-px"
        )
    if frame.dtype.kind == "f" and not np.isfinite(frame).all():
        raise DataError("expected finite pixels, got NaN or infinity; fill them first")
    return frame


def _kernel(scale_px: float) -> np.ndarray:
    """Kernel of minus the Laplacian of a Gaussian: positive in its middle, its sum 0."""
    reach = int(_KERNEL_REACH * scale_px + 0.5)
    impulse = np.zeros((2 * reach + 1, 2 * reach + 1))
    impulse[reach, reach] = 1.0
    kernel = -ndimage.gaussian_laplace(impulse, scale_px, truncate=_KERNEL_REACH)
    return kernel - kernel.mean()


def significance(
    image: np.ndarray, *, scale_px: float, sign: int, alpha: float, counts: bool
) -> tuple[np.ndarray, np.ndarray | float]:
    """Compare a frame with the Laplacian of a Gaussian, in deviations of its noise.

    Parameters
    ----------
    image : array (Y, X), float64
        The frame in electrons, or in deviations of its pixels' noise.
    scale_px : float
        Scale of the Gaussian [px].
    sign : {1, -1}
        1 for bright blobs, -1 for dark ones.
    alpha : float
        Probability that a frame of noise alone exceeds what is needed anywhere.
    counts : bool
        Whether the pixels are electrons that are counted.

    Returns
    -------
    level : array (Y, X), float64
        Deviations of the noise, of mean 0 and variance 1 where there is nothing.
    needed : array (Y, X) or float
        Deviations that a maximum needs; more for few counts, whose noise has a long tail.

    Notes
    -----
    As in `columns.find_blobs`.

    Examples
    --------
    >>> level, needed = significance(np.eye(64), scale_px=1.0, sign=1, alpha=0.01, counts=False)
    >>> level.shape, 4 < needed < 5
    ((64, 64), True)
    """
    kernel = _kernel(scale_px)
    norm = math.sqrt(float((kernel**2).sum()))
    response = ndimage.gaussian_laplace(image, scale_px, truncate=_KERNEL_REACH) * (-sign / norm)
    normal = _normal_threshold(kernel, image.size, alpha)
    if not counts:
        return response, normal
    # Wide enough to see past a column, with a floor for frames that are all but empty.
    local = ndimage.gaussian_filter(image, 2 * scale_px, mode="nearest")
    background = np.maximum(local, 1.0 / (4 * math.pi * (2 * scale_px) ** 2))
    low, high = float(background.min()), float(background.max())
    grid = np.geomspace(low, max(high, low * 1.001), _BACKGROUNDS)
    needed = _count_thresholds(*_levels(kernel.ravel() * sign / norm), grid, normal)
    return response / np.sqrt(background), np.interp(background, grid, needed)


def _normal_threshold(kernel: np.ndarray, n_px: int, alpha: float) -> float:
    """Deviations that a maximum of smooth normal noise exceeds alpha times a frame, on average."""
    slope = np.gradient(kernel, axis=1)
    rate = n_px * float((slope**2).sum() / (kernel**2).sum()) / (2 * math.pi) ** 1.5
    low, high = 1.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rate * middle * math.exp(-(middle**2) / 2) > alpha else (low, middle)
    return min(high, -float(ndtri(alpha / n_px)))


def _levels(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum a kernel up as a few values and how often each comes."""
    low, high = float(kernel.min()), float(kernel.max())
    at = np.minimum(((kernel - low) / (high - low) * _KERNEL_LEVELS).astype(np.int64), _KERNEL_LEVELS - 1)
    count = np.bincount(at, minlength=_KERNEL_LEVELS).astype(np.float64)
    total = np.bincount(at, kernel, _KERNEL_LEVELS)
    return total[count > 0] / count[count > 0], count[count > 0]


def _count_thresholds(
    kernel: np.ndarray, times: np.ndarray, background: np.ndarray, normal: float
) -> np.ndarray:
    """Deviations that Σhk of Poisson counts exceeds as rarely as a normal variable exceeds `normal`.

    `kernel` (n,), each value of it so many `times`, with Σh² = 1 and Σh = 0; `background` (m,) electrons.
    """
    low, high = np.zeros(len(background)), 20.0 * normal / (np.sqrt(background) + 1.0)
    for _ in range(_HALVINGS):
        tilt = (low + high) / 2
        product = tilt[:, np.newaxis] * kernel
        growth = np.expm1(np.minimum(product, 500.0))
        generating = background * (times * (growth - product)).sum(axis=1)
        mean = background * (times * growth * kernel).sum(axis=1)
        spread = background * (times * (growth + 1) * kernel**2).sum(axis=1)
        root = np.sqrt(np.maximum(2 * (tilt * mean - generating), 1e-300))
        rare = root + np.log(tilt * np.sqrt(spread) / root) / root > normal
        low, high = np.where(rare, low, tilt), np.where(rare, tilt, high)
    growth = np.expm1(np.minimum(high[:, np.newaxis] * kernel, 500.0))
    return np.sqrt(background) * (times * growth * kernel).sum(axis=1)
