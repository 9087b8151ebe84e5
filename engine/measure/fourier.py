"""The Fourier transform of one particle, isolated by its mask, and its peaks followed over its track."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import fft

from ..base.errors import CalibrationError, DataError, SettingsError
from .peaks import central_radius, find_peaks

__all__ = [
    "MOST_STEP_PER_PX",
    "central_radius",
    "crop_size",
    "find_peaks",
    "link_peaks",
    "pair_ratio",
    "particle_spectrum",
    "reciprocal_pixel",
]

# Farthest that a reflection moves from frame to frame [1/px]: an eighth of the way to Nyquist.
MOST_STEP_PER_PX = 0.06
_SMALLEST_CROP_PX = 64
# A Gaussian is cut where it has fallen to 1 % of its height: no step is left that could ring.
_REACH_SIGMAS = 3.0


def crop_size(height_px: int, width_px: int, *, soften_px: float = 4.0) -> int:
    """Choose one crop for all frames of a track, so that its spectra share one reciprocal pixel.

    Parameters
    ----------
    height_px, width_px : int
        Largest height and width of the particle's bounding box over its track [px].
    soften_px : float
        Standard deviation of the mask's softening [px]; room for it is left on every side.

    Returns
    -------
    int
        Side of the square crop [px]: even, at least 64, and of a length that transforms fast. It may
        exceed the frame: what lies outside counts as background.

    Raises
    ------
    SettingsError
        If the box is empty, or the softening is negative or not finite.

    Examples
    --------
    >>> crop_size(90, 120)
    144
    """
    if min(height_px, width_px) < 1 or not (math.isfinite(soften_px) and soften_px >= 0):
        raise SettingsError(
            f"expected a box of at least 1 by 1 px and a softening of 0 px or more, "
            f"got {height_px} by {width_px} px and {soften_px} px"
        )
    needed = max(height_px, width_px) + 2 * _reach(soften_px)
    return max(_SMALLEST_CROP_PX, 2 * fft.next_fast_len((int(needed) + 1) // 2, real=True))


def reciprocal_pixel(size: int, *, pixel: float) -> float:
    """Find the step of a spectrum's frequencies.

    Parameters
    ----------
    size : int
        Side of the spectrum, which is that of the crop [px].
    pixel : float
        Side of an image pixel [nm], or 1 for frequencies in 1/px.

    Returns
    -------
    float
        Frequency from one point of the spectrum to the next [1/unit of pixel].

    Raises
    ------
    CalibrationError
        If the pixel is not finite and above 0.

    Examples
    --------
    >>> reciprocal_pixel(200, pixel=0.05)
    0.1
    """
    if not (math.isfinite(pixel) and pixel > 0):
        raise CalibrationError(f"expected a pixel size above 0, got {pixel}; give the movie's pixel size")
    return 1.0 / (size * pixel)


def particle_spectrum(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    centre: tuple[float, float],
    size: int,
    label: int | None = None,
    soften_px: float = 4.0,
) -> np.ndarray:
    """Fourier transform one particle, isolated from its surroundings by its own mask.

    Parameters
    ----------
    image : array (Y, X), any real type
        The frame. Pixels that are not finite count as outside the particle.
    mask : array (Y, X), bool, or int with `label`
        The particle's mask, or a whole frame's instances: only the crop is read, so that no
        whole-frame mask need be made for each particle.
    centre : (float, float)
        Row and column of the particle [px]; the crop is centred on the nearest pixel.
    size : int
        Side of the crop [px], even; see `crop_size`.
    label : int or None
        The particle's number where `mask` holds instances; None where it is a mask.
    soften_px : float
        Standard deviation of the Gaussian that softens the mask's edge [px].

    Returns
    -------
    array (size, size), float32
        |FFT|, zero frequency at [size // 2, size // 2], rows and columns growing with those of the
        image, divided by its largest value outside the central disc (`central_radius`), whose values
        may exceed 1. All zeros where the mask is empty or the particle has no contrast.

    Raises
    ------
    DataError
        If image and mask are not two-dimensional, of one shape and real.
    SettingsError
        If the size is odd or below 8, or the softening is negative or not finite.

    Notes
    -----
    Thesis 6.1, Menu Item 2: crop by the mask, soften its edge by a Gaussian (apodisation), transform.
    The mean over the softened mask is subtracted first: otherwise the mask's own transform, the
    brightest part of all, would spread over the lattice peaks.

    Examples
    --------
    >>> fringes = np.cos(2 * np.pi * np.arange(64) / 8) * np.ones((64, 1))
    >>> spectrum = particle_spectrum(fringes, fringes < 2, centre=(32, 32), size=64)
    >>> np.argwhere(spectrum == spectrum.max()).tolist()
    [[32, 24], [32, 40]]
    """
    _check(image, mask, size, soften_px)
    window = _crop_of(image.shape, centre, size)
    if window is None:
        return np.zeros((size, size), np.float32)
    rows, columns, top, left = window
    inside = mask[rows, columns]
    inside = inside.astype(bool, copy=False) if label is None else inside == label
    pixels = image[rows, columns]
    if not np.issubdtype(image.dtype, np.integer) and image.dtype != bool:
        finite = np.isfinite(pixels)
        if not finite.all():
            inside, pixels = inside & finite, np.where(finite, pixels, 0)
    box = _bounds(inside, _reach(soften_px))
    if box is None:
        return np.zeros((size, size), np.float32)
    weights = _soften(inside[box], soften_px)
    weighted = _remove_mean(pixels[box], weights)
    if weighted is None:
        return np.zeros((size, size), np.float32)
    crop = np.zeros((size, size), np.float32)
    top, left = top + box[0].start, left + box[1].start
    crop[top : top + weighted.shape[0], left : left + weighted.shape[1]] = weighted
    half = fft.rfft2(crop, workers=1)
    spectrum = _unfold(np.sqrt(half.real**2 + half.imag**2))
    _normalise(spectrum, central_radius(float(weights.sum()), size=size))
    return spectrum


def pair_ratio(intensity: np.ndarray, pair: np.ndarray) -> float:
    """Divide the brightest pair's intensity by the dimmest pair's.

    Parameters
    ----------
    intensity : array (n,), float
        Intensity of each peak.
    pair : array (n,), int
        Pair of each peak.

    Returns
    -------
    float
        1 or more; near 1 on a zone axis. NaN where there are fewer than two pairs.

    Examples
    --------
    >>> pair_ratio(np.array([0.8, 0.8, 0.4, 0.4]), np.array([1, 1, 2, 2]))
    2.0
    """
    numbers, inverse = np.unique(pair, return_inverse=True)
    if numbers.size < 2:
        return math.nan
    means = np.bincount(inverse, weights=intensity) / np.bincount(inverse)
    return float(means.max() / means.min()) if means.min() > 0 else math.nan


def link_peaks(peaks: Mapping[str, np.ndarray], *, max_step: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the same reflection of one particle the same number in all frames.

    Parameters
    ----------
    peaks : mapping with columns frame, pair, q, angle_deg, intensity (n,)
        Peaks of one particle; in every frame each pair has its two members.
    max_step : float
        Farthest that a peak may move from where it was last seen [unit of q]; a good one is half
        the distance between neighbouring reflections.

    Returns
    -------
    peak, pair : arrays (n,), int64
        New numbers of the rows: pairs from 1 by first appearance (within a frame by descending
        intensity), peaks 2·pair - 1 and 2·pair for its members. A member keeps its number while it
        turns past 180°.

    Raises
    ------
    SettingsError
        If the step is not above 0.

    Notes
    -----
    Nearest first, one to one, against the last place each reflection was seen in, however long ago: peaks
    that are missing in some frames are found again.

    Examples
    --------
    >>> columns = {"frame": [0, 0, 3, 3], "pair": [1, 1, 1, 1], "q": [4, 4, 4, 4]}
    >>> columns |= {"angle_deg": [179, -1, -179, 1], "intensity": [1, 1, 1, 1]}
    >>> link_peaks({k: np.array(v) for k, v in columns.items()}, max_step=0.5)[0].tolist()
    [2, 1, 2, 1]
    """
    if not 0 < max_step < math.inf:
        raise SettingsError(f"expected a finite step above 0, got {max_step}")
    frame, pair = np.asarray(peaks["frame"]), np.asarray(peaks["pair"])
    if frame.size == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    angle = np.deg2rad(np.asarray(peaks["angle_deg"], np.float64))
    q = np.asarray(peaks["q"], np.float64)
    place = np.stack([q * np.cos(angle), q * np.sin(angle)], axis=1)
    new_pair, second = np.zeros(frame.size, np.int64), np.zeros(frame.size, bool)
    last = np.empty((0, 2))
    order = np.lexsort((-np.asarray(peaks["intensity"], np.float64), frame))
    for rows in np.split(order, np.flatnonzero(np.diff(frame[order])) + 1):
        _, first = np.unique(pair[rows], return_index=True)
        lead = place[rows[np.sort(first)]]
        lead[(lead[:, 0] < 0) | ((lead[:, 0] == 0) & (lead[:, 1] < 0))] *= -1
        numbers = _nearest(lead, last, max_step)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = len(last) + np.arange(new.size)
        last = np.concatenate([last, lead[new]])
        old = np.setdiff1d(np.arange(len(lead)), new)
        turned = np.sum(lead[old] * last[numbers[old]], axis=1) < 0
        last[numbers[old]] = np.where(turned[:, None], -lead[old], lead[old])
        of_row = numbers[np.argmax(pair[rows][:, None] == pair[rows[np.sort(first)]], axis=1)]
        new_pair[rows] = of_row + 1
        second[rows] = np.sum(place[rows] * last[of_row], axis=1) < 0
    return 2 * new_pair - 1 + second, new_pair


def _check(image: np.ndarray, mask: np.ndarray, size: int, soften_px: float) -> None:
    if image.ndim != 2 or image.shape != mask.shape:
        raise DataError(
            f"expected an image (Y, X) and a mask of the same shape, got {image.shape} and {mask.shape}"
        )
    if np.iscomplexobj(image):
        raise DataError("expected real pixels, got complex ones; give the amplitude or the intensity")
    if size < 8 or size % 2:
        raise SettingsError(f"expected an even crop of at least 8 px, got {size}; see crop_size")
    if not (math.isfinite(soften_px) and soften_px >= 0):
        raise SettingsError(f"expected a softening of 0 px or more, got {soften_px}")


def _reach(soften_px: float) -> int:
    return math.ceil(_REACH_SIGMAS * soften_px)


def _crop_of(
    shape: tuple[int, ...], centre: tuple[float, float], size: int
) -> tuple[slice, slice, int, int] | None:
    """Find the part of the frame under the crop, and its offset in the crop; None where there is none."""
    if not np.isfinite(centre).all():
        raise DataError(f"expected a finite centre (row, column), got {centre}")
    starts = [math.floor(c + 0.5) - size // 2 for c in centre]
    spans = [slice(max(0, s), min(n, s + size)) for s, n in zip(starts, shape, strict=True)]
    if any(span.start >= span.stop for span in spans):
        return None
    return spans[0], spans[1], spans[0].start - starts[0], spans[1].start - starts[1]


def _bounds(inside: np.ndarray, reach: int) -> tuple[slice, slice] | None:
    """Find the box of a mask with room for its softening, cut at the crop; None where it is empty."""
    box = []
    for axis in (1, 0):
        filled = np.flatnonzero(inside.any(axis=axis))
        if filled.size == 0:
            return None
        box.append(
            slice(max(0, int(filled[0]) - reach), min(inside.shape[1 - axis], int(filled[-1]) + reach + 1))
        )
    return box[0], box[1]


def _soften(inside: np.ndarray, soften_px: float) -> np.ndarray:
    """Blur a mask; sums of shifted copies in a fixed order give the same bytes on every machine."""
    soft = inside.astype(np.float32)
    reach = _reach(soften_px)
    if reach == 0:
        return soft
    kernel = np.exp(-0.5 * (np.arange(reach + 1) / soften_px) ** 2)
    kernel = (kernel / (kernel[0] + 2 * kernel[1:].sum())).astype(np.float32)
    for axis in (0, 1):
        length = soft.shape[axis]
        blurred = soft * kernel[0]
        for shift in range(1, min(reach, length - 1) + 1):
            ahead = (slice(shift, None),) if axis == 0 else (slice(None), slice(shift, None))
            behind = (slice(None, -shift),) if axis == 0 else (slice(None), slice(None, -shift))
            step = soft * kernel[shift]
            blurred[ahead] += step[behind]
            blurred[behind] += step[ahead]
        soft = blurred
    return soft


def _remove_mean(pixels: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Weight pixels about their weighted mean, scaled to at most 1; None where they have no contrast."""
    # Counts far from zero lose their fringes in float32, so a first mean is taken in double precision.
    deviation = (pixels - pixels.mean(dtype=np.float64)).astype(np.float32)
    total = weights.sum(dtype=np.float64)
    if not total > 0:
        return None
    deviation -= np.float32((deviation * weights).sum(dtype=np.float64) / total)
    deviation *= weights
    largest = max(float(deviation.max()), -float(deviation.min()))
    if not (math.isfinite(largest) and largest > 0):
        return None
    deviation /= np.float32(largest)
    return deviation


def _unfold(half: np.ndarray) -> np.ndarray:
    """Lay out the half that a real transform returns as the whole, zero frequency in the middle."""
    size = half.shape[0]
    middle = size // 2
    whole = np.empty((size, size), half.dtype)
    whole[:middle, middle:] = half[middle:, :middle]
    whole[middle:, middle:] = half[:middle, :middle]
    whole[:middle, 0] = half[middle:, middle]
    whole[middle:, 0] = half[:middle, middle]
    # A real image has F(-q) = conj F(q): the other half is the first one turned by 180 degrees.
    whole[1:, 1:middle] = whole[:0:-1, :middle:-1]
    whole[0, 1:middle] = whole[0, :middle:-1]
    return whole


def _normalise(spectrum: np.ndarray, radius: float) -> None:
    """Divide a spectrum by its largest value outside the central disc, in place."""
    middle = spectrum.shape[0] // 2
    reach = int(radius)
    near = slice(middle - reach, middle + reach + 1)
    offsets = np.arange(-reach, reach + 1)
    disc = offsets[:, np.newaxis] ** 2 + offsets**2 <= radius**2
    centre = spectrum[near, near].copy()
    spectrum[near, near][disc] = 0
    largest = float(spectrum.max())
    spectrum[near, near] = centre
    if largest > 0:
        spectrum /= np.float32(largest)
    else:
        spectrum[:] = 0


def _nearest(lead: np.ndarray, last: np.ndarray, max_step: float) -> np.ndarray:
    """Assign pairs to known reflections, nearest first; -1 where none is near enough."""
    numbers = np.full(len(lead), -1, np.int64)
    if not len(last):
        return numbers
    apart = [np.hypot(*np.moveaxis(lead[:, None] - sign * last, 2, 0)) for sign in (1.0, -1.0)]
    distance = np.minimum(*apart)
    while distance.min() <= max_step:
        i, j = np.unravel_index(int(np.argmin(distance)), distance.shape)
        numbers[i] = j
        distance[i, :] = distance[:, j] = np.inf
    return numbers
