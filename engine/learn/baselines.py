"""What a network must beat: predictions that know nothing, and classical segmentations tuned beforehand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft, ndimage
from skimage.filters import threshold_otsu

from ..base.errors import DataError, SettingsError
from .scores import count_pixels


def predict_vacuum(label: np.ndarray, *, kind: str, has_background: bool = False) -> np.ndarray:
    """Predict that there is nothing.

    Parameters
    ----------
    label : array (Y, X, C)
        A label, for its shape.
    kind : str
        What it is: "Exitwave" is 1 + 0i in vacuum, all others are 0.
    has_background : bool
        Whether the last channel is the background, which is 1 in vacuum.

    Returns
    -------
    array (Y, X, C), float32
        The prediction.

    Examples
    --------
    >>> predict_vacuum(np.zeros((1, 1, 2)), kind="Exitwave").tolist()
    [[[1.0, 0.0]]]
    """
    nothing = np.zeros(np.shape(label), np.float32)
    if kind == "Exitwave":
        nothing[..., 0] = 1
    elif has_background:
        nothing[..., -1] = 1
    return nothing


def predict_mean(labels: Sequence[np.ndarray]) -> np.ndarray:
    """Predict each channel's mean over training labels everywhere.

    Parameters
    ----------
    labels : sequence of arrays (Y, X, C)
        Training labels, of one shape.

    Returns
    -------
    array (Y, X, C), float32
        The same for every image.

    Raises
    ------
    DataError
        If there are none, or their shapes differ.

    Examples
    --------
    >>> predict_mean([np.zeros((1, 2, 1)), np.ones((1, 2, 1))]).ravel().tolist()
    [0.5, 0.5]
    """
    shapes = {np.shape(label) for label in labels}
    if len(shapes) != 1:
        raise DataError(
            f"labels: expected one or more of one shape, got {len(labels)} of {len(shapes)} shapes"
        )
    means = np.mean([np.mean(label, axis=(0, 1), dtype=np.float64) for label in labels], axis=0)
    return np.broadcast_to(means, shapes.pop()).astype(np.float32)


def scramble(groups: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Pair each image with the label of another structure.

    Parameters
    ----------
    groups : array (n,), integer or str
        Structure of each image.
    rng : numpy.random.Generator
        Draws the order.

    Returns
    -------
    array (n,), int64
        A permutation: image i is scored against label `order[i]`.

    Raises
    ------
    DataError
        If one structure has more than half of the images, so that there is no such order.

    Examples
    --------
    >>> scramble(np.array([0, 0, 1, 1]), rng=np.random.default_rng(0)).tolist() in (
    ...     [2, 3, 0, 1],
    ...     [3, 2, 0, 1],
    ...     [2, 3, 1, 0],
    ...     [3, 2, 1, 0],
    ... )
    True
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(index, minlength=1)
    if len(names) < 2 or 2 * sizes.max() > len(index):
        raise DataError(
            f"groups: expected no structure with over half of {len(index)} images, got {sizes.max()}"
        )
    # Structures in a random order, each in one run: moved on by the longest run, none meets itself.
    rank = rng.permutation(len(names))[index]
    order = np.lexsort((rng.random(len(index)), rank))
    partner = np.empty(len(order), np.int64)
    partner[order] = np.roll(order, -int(sizes.max()))
    return partner


def segment_by_variance(
    image: np.ndarray, *, window_px: float, smooth_px: float, separation: float = 0.0
) -> np.ndarray:
    """Mark where an image varies more, as with lattice fringes: local variance, Gaussian, Otsu.

    Parameters
    ----------
    image : array (Y, X), real
        One frame.
    window_px : float
        Standard deviation of the Gaussian window that the variance is taken in [px].
    smooth_px : float
        Standard deviation of the Gaussian that smooths the variance's root [px]; 0 for none.
    separation : float
        Least share of that map's variance that the two sides of the threshold must explain, 0 to 1; where
        they explain less nothing is marked. A Gaussian's halves explain 0.64.

    Returns
    -------
    array (Y, X), bool
        The mask.

    Raises
    ------
    DataError
        If the image is no finite real (Y, X).
    SettingsError
        If a length or the separation is outside its range.

    Examples
    --------
    >>> image = np.zeros((32, 32))
    >>> image[:, 16:] = np.indices((32, 16)).sum(axis=0) % 2
    >>> segment_by_variance(image, window_px=2, smooth_px=1)[16, [4, 28]].tolist()
    [False, True]
    """
    pixels = _check_image(image)
    _check_lengths(window_px=window_px)
    pixels = pixels - pixels.mean()
    mean = ndimage.gaussian_filter(pixels, window_px)
    variance = ndimage.gaussian_filter(pixels * pixels, window_px) - mean * mean
    return _split(np.sqrt(np.maximum(variance, 0)), smooth_px, separation)


def segment_by_background(
    image: np.ndarray,
    *,
    background_px: float,
    smooth_px: float,
    polarity: str = "dark",
    separation: float = 0.0,
) -> np.ndarray:
    """Mark what is darker or brighter than its surroundings: background subtracted, Gaussian, Otsu.

    Parameters
    ----------
    image : array (Y, X), real
        One frame.
    background_px : float
        Standard deviation of the Gaussian that makes the background [px].
    smooth_px : float
        Standard deviation of the Gaussian that quiets noise [px]; 0 for none.
    polarity : {"dark", "bright"}
        What is marked.
    separation : float
        As in `segment_by_variance`.

    Returns
    -------
    array (Y, X), bool
        The mask.

    Raises
    ------
    DataError, SettingsError
        As `segment_by_variance` does.

    Examples
    --------
    >>> image = np.pad(np.zeros((8, 8)), 12, constant_values=5.0)
    >>> int(segment_by_background(image, background_px=20, smooth_px=0).sum())
    64
    """
    pixels = _check_image(image)
    _check_lengths(background_px=background_px)
    if polarity not in ("dark", "bright"):
        raise SettingsError(f"polarity: expected dark or bright, got {polarity!r}")
    sign = 1 if polarity == "bright" else -1
    return _split(sign * (pixels - ndimage.gaussian_filter(pixels, background_px)), smooth_px, separation)


def segment_by_lattice(
    image: np.ndarray, *, periods_px: tuple[float, float], smooth_px: float, separation: float = 0.0
) -> np.ndarray:
    """Mark where lattice fringes are: energy in a band of periods, Gaussian, Otsu.

    Parameters
    ----------
    image : array (Y, X), real
        One frame.
    periods_px : (float, float)
        Shortest and longest period of the fringes [px].
    smooth_px : float
        Standard deviation of the Gaussian that smooths the energy [px]; some periods.
    separation : float
        As in `segment_by_variance`, for the energy's root.

    Returns
    -------
    array (Y, X), bool
        The mask.

    Raises
    ------
    DataError, SettingsError
        As `segment_by_variance` does.

    Examples
    --------
    >>> image = np.zeros((64, 64))
    >>> image[:, 32:] = np.cos(2 * np.pi * np.arange(32) / 4)
    >>> segment_by_lattice(image, periods_px=(3, 5), smooth_px=4)[32, [8, 56]].tolist()
    [False, True]
    """
    energy = band_energy(image, periods_px=periods_px, smooth_px=smooth_px)
    return _split(np.sqrt(energy), 0.0, separation)


def band_energy(image: np.ndarray, *, periods_px: tuple[float, float], smooth_px: float) -> np.ndarray:
    """Find how much of an image's energy near each pixel is in a band of periods.

    Parameters
    ----------
    image, periods_px, smooth_px
        As `segment_by_lattice` takes them.

    Returns
    -------
    array (Y, X), float64
        Energy, 0 or more, in the square of the image's unit.

    Raises
    ------
    DataError, SettingsError
        As `segment_by_variance` does.

    Examples
    --------
    >>> wave = np.tile(np.cos(2 * np.pi * np.arange(32) / 4), (32, 1))
    >>> band_energy(wave, periods_px=(3, 5), smooth_px=8).mean().round(3)
    np.float64(0.5)
    """
    pixels = _check_image(image)
    shortest, longest = periods_px
    if not 0 < shortest < longest < math.inf:
        raise SettingsError(f"periods_px: expected two lengths above 0 in order, got {periods_px}")
    _check_lengths(smooth_px=smooth_px)
    q = np.hypot(fft.fftfreq(pixels.shape[0])[:, np.newaxis], fft.rfftfreq(pixels.shape[1]))
    band = (q >= 1 / longest) & (q <= 1 / shortest)
    fringes = fft.irfft2(fft.rfft2(pixels) * band, s=pixels.shape)
    energy: np.ndarray = np.maximum(ndimage.gaussian_filter(fringes * fringes, smooth_px), 0)
    return energy


@dataclass(frozen=True)
class Tuned:
    """The settings that score best on validation data.

    Parameters
    ----------
    settings : dict
        Keywords of the method.
    score : float
        Their mean score.

    Examples
    --------
    >>> Tuned({"smooth_px": 4}, 0.95).settings
    {'smooth_px': 4}
    """

    settings: dict[str, Any]
    score: float


def tune(
    method: Callable[..., Any],
    images: Sequence[Any],
    labels: Sequence[Any],
    grid: Mapping[str, Sequence[Any]],
    *,
    score: Callable[[Any, Any], float] | None = None,
) -> Tuned:
    """Find the settings of a classical method that score best on validation data, never on the test's.

    Parameters
    ----------
    method : callable
        From an image, and keywords, to a prediction.
    images, labels : sequences
        Validation images, whatever the method takes; true masks (Y, X), or whatever the score takes.
    grid : mapping from keyword to sequence of values
        All combinations are tried; of equals the first one is kept.
    score : callable or None
        From a label and a prediction to a number, larger for better; None is the F1 of masks, 1 where an
        empty frame stays empty.

    Returns
    -------
    Tuned
        Best settings and their mean score.

    Raises
    ------
    DataError
        If there are no images, or labels are not as many.
    SettingsError
        If the grid has a keyword without values.

    Examples
    --------
    >>> image, label = np.array([[1.0, 2.0, 3.0]]), np.array([[False, True, True]])
    >>> tune(lambda frame, level: frame > level, [image], [label], {"level": [0, 1, 2]}).settings
    {'level': 1}
    """
    if len(images) == 0 or len(images) != len(labels):
        raise DataError(f"expected a label for each of 1 or more images, got {len(labels)} for {len(images)}")
    for name, values in grid.items():
        if len(values) == 0:
            raise SettingsError(f"grid: expected one or more values of {name}, got none")
    measure, tried = score or mask_f1, []
    for chosen in itertools.product(*grid.values()):
        settings = dict(zip(grid, chosen, strict=True))
        scores = [measure(y, method(x, **settings)) for x, y in zip(images, labels, strict=True)]
        tried.append(Tuned(settings, float(np.mean(scores))))
    return max(tried, key=lambda one: one.score)


def mask_f1(label: np.ndarray, mask: np.ndarray) -> float:
    """Score one mask by its F1 (thesis, Eq. 3.5); 1 where both are empty."""
    return float(count_pixels(label, mask).counts.f1[0])


def _split(values: np.ndarray, smooth_px: float, separation: float) -> np.ndarray:
    """Smooth a map and mark what lies above Otsu's threshold, if both sides are far enough apart."""
    if not smooth_px >= 0 or not 0 <= separation <= 1:
        raise SettingsError(
            f"expected smooth_px of 0 or more and a separation from 0 to 1, got {smooth_px} and {separation}"
        )
    smooth = ndimage.gaussian_filter(values, smooth_px) if smooth_px else values
    spread = float(smooth.var())
    if spread <= 1e-12 * max(float(np.abs(smooth).max()) ** 2, 1e-30):
        return np.zeros(smooth.shape, bool)
    mask = smooth > threshold_otsu(smooth)
    share = float(mask.mean())
    if not 0 < share < 1:
        return np.zeros(smooth.shape, bool)
    explained = share * (1 - share) * (float(smooth[mask].mean()) - float(smooth[~mask].mean())) ** 2 / spread
    return mask if explained >= separation else np.zeros(smooth.shape, bool)


def _check_image(image: np.ndarray) -> np.ndarray:
    pixels = np.asarray(image)
    if pixels.ndim != 2 or pixels.size == 0 or pixels.dtype.kind not in "buif":
        raise DataError(f"expected a real image (Y, X), got {pixels.dtype} of shape {pixels.shape}")
    result = pixels.astype(np.float64)
    if not np.isfinite(result).all():
        raise DataError("expected finite pixels, got NaN or infinity; clean the frame first")
    return result


def _check_lengths(**lengths: float) -> None:
    for name, value in lengths.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"{name}: expected above 0 px, got {value}")
