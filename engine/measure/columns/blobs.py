"""Atomic columns as blobs that stand out of a frame's own noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ...base.errors import DataError, SettingsError
from ...base.tables import Columns
from .noise import Noise, check_frame, significance

# Nearer to the frame's edge than this many scales, what lies beyond it would be needed.
_MARGIN_SCALES = 2.0
# Ridges (fringes, edges of a particle) curve across alone; of a blob in noise the weaker curvature is half.
_LEAST_ROUNDNESS = 0.2
_APART_SCALES = 1.2
_WIDTHS_OF_SCALE, _WIDTHS_TRIED = (0.35, 1.3), 16
_SMALLEST_SCALE, _SCALE_STEP, _MOST_SCALES = 1.0, 2 ** (1 / 3), 12


def find_blobs(
    frame: np.ndarray,
    *,
    scale_px: float,
    noise: Noise,
    sign: int = 1,
    alpha: float = 0.01,
    apart_px: float | None = None,
) -> Columns:
    """Find the blobs of one size that noise alone would not show.

    Parameters
    ----------
    frame : array (Y, X), real, finite
        One frame as recorded.
    scale_px : float
        Standard deviation of the Gaussian whose Laplacian the frame is compared with [px], 0.7 or more;
        `SCALE_PER_WIDTH` times a column's width sees it best, less where its neighbours are near.
    noise : Noise
        The noise of its pixels.
    sign : {1, -1}
        1 for bright blobs, -1 for dark ones.
    alpha : float
        Probability, at most, that a frame of noise alone shows any blob.
    apart_px : float or None
        Of two blobs nearer to each other than this the weaker is left out [px]; 1.2 scales where None.

    Returns
    -------
    dict of arrays (n,)
        y_px, x_px (float64, whole pixels), significance (deviations of the noise that the blob stands out
        by); by y, then x.

    Raises
    ------
    DataError
        If the frame is no finite real image of at least 8 scales.
    SettingsError
        If a number is outside its range.

    Notes
    -----
    Smooth noise has Area·κ·u·exp(-u²/2)/(2π)^(3/2) maxima above u deviations, κ = Σ(∂h/∂x)²/Σh² of the
    kernel h (Adler, The Geometry of Random Fields, 1981), at most as many as it has pixels above u: u is
    where that is alpha. For counts the level above which a maximum is as rare is taken from the saddle point
    of Σhk at the local background (Lugannani and Rice 1980), for a few electrons a pixel make tails longer.
    Columns within two scales of the frame's edge are not looked for.

    Examples
    --------
    >>> y, x = np.mgrid[:40, :40]
    >>> mean = 20 + 60 * np.exp(-((y - 12) ** 2 + (x - 25) ** 2) / 8)
    >>> frame = np.random.default_rng(0).poisson(mean)
    >>> blobs = find_blobs(frame, scale_px=3.0, noise=Noise())
    >>> blobs["y_px"].tolist(), blobs["x_px"].tolist()
    ([12.0], [25.0])
    """
    if sign not in (1, -1) or not 0 < alpha < 1 or not 0.7 <= scale_px < math.inf:
        raise SettingsError(
            f"expected sign 1 or -1, alpha between 0 and 1 and a scale of 0.7 px or more, got {sign}, "
            f"{alpha} and {scale_px}"
        )
    image = noise.scaled(check_frame(frame, scale_px))
    level, needed = significance(image, scale_px=scale_px, sign=sign, alpha=alpha, counts=noise.is_poisson)
    tops = (level > needed) & (level == ndimage.maximum_filter(level, size=3, mode="nearest"))
    margin = math.ceil(_MARGIN_SCALES * scale_px)
    tops[:margin] = tops[-margin:] = tops[:, :margin] = tops[:, -margin:] = False
    rows, columns = np.nonzero(tops)
    round_ = _roundness(image, scale_px, rows, columns) > _LEAST_ROUNDNESS
    rows, columns = rows[round_], columns[round_]
    height = level[rows, columns]
    kept = _keep_apart(rows, columns, height, _APART_SCALES * scale_px if apart_px is None else apart_px)
    return {
        "y_px": rows[kept].astype(np.float64),
        "x_px": columns[kept].astype(np.float64),
        "significance": height[kept],
    }


def find_scale(
    frames: Sequence[np.ndarray],
    *,
    noise: Noise,
    contrast: str = "auto",
    alpha: float = 0.01,
    scales_px: Sequence[float] | None = None,
) -> tuple[float, int, int]:
    """Find the size of a movie's columns, and whether they are bright or dark.

    Parameters
    ----------
    frames : sequence of array (Y, X)
        A few frames of the movie.
    noise : Noise
        Their noise.
    contrast : {"auto", "bright", "dark"}
        What is looked for.
    alpha : float
        Probability, at most, that frames of noise alone give any scale.
    scales_px : sequence of float or None
        Scales to choose from, ascending [px]; 1 px to a sixteenth of the frame where None.

    Returns
    -------
    scale_px : float
        Scale for `find_blobs` [px]; NaN where nothing stands out.
    sign : int
        1 for bright columns, -1 for dark ones.
    votes : int
        Blobs that chose them.

    Raises
    ------
    DataError, SettingsError
        As for `find_blobs`; also for another contrast.

    Notes
    -----
    A blob's scale is where it stands out most, a maximum over place and scale alike (Lindeberg 1998); each
    votes once, so that one particle does not outvote its columns, and the scale with most votes wins. Both
    columns and the gaps or rings between them stand out; columns are fewer and stand out more, so of bright
    and dark the greater sum of squares wins.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> lattice = 50 - 30 * (np.cos(y / 2) ** 8 * np.cos(x / 2) ** 8)
    >>> frame = np.random.default_rng(0).poisson(lattice)
    >>> scale_px, sign, votes = find_scale([frame], noise=Noise())
    >>> sign, votes > 9
    (-1, True)
    """
    signs = {"auto": (1, -1), "bright": (1,), "dark": (-1,)}.get(contrast)
    if signs is None:
        raise SettingsError(f"contrast: expected auto, bright or dark, got {contrast!r}")
    if not len(frames):
        raise DataError("expected at least one frame that can be read")
    scales = _scales(min(frames[0].shape)) if scales_px is None else np.asarray(scales_px, np.float64)
    # Each scale, sign and frame is another chance for noise to be seen.
    share = alpha / (len(scales) * len(signs) * len(frames))
    found = {sign: [_votes(frame, scales, sign, share, noise) for frame in frames] for sign in signs}
    choices = []
    for sign, of_frames in found.items():
        chosen = np.concatenate([at for at, _ in of_frames])
        heights = np.concatenate([height for _, height in of_frames])
        if len(chosen) == 0:
            continue
        count = np.bincount(chosen, minlength=len(scales)).astype(np.float64)
        # A blob between two scales votes for either.
        best = int(np.argmax(np.convolve(np.pad(count, 1), [0.5, 1.0, 0.5], "valid")))
        near = np.abs(chosen - best) <= 1
        choices.append((float((heights[near] ** 2).sum()), scales[best], sign, int(near.sum())))
    if not choices:
        return math.nan, signs[0], 0
    _, scale_px, sign, votes = max(choices)
    return float(scale_px), sign, votes


def measure_width(
    frames: Sequence[np.ndarray], *, scale_px: float, noise: Noise, sign: int = 1, alpha: float = 0.01
) -> float:
    """Measure how wide a movie's columns are, on the mean of many.

    Parameters
    ----------
    frames : sequence of array (Y, X)
        A few frames of the movie.
    scale_px : float
        Scale that its blobs are found at [px].
    noise : Noise
        Their noise.
    sign : {1, -1}
        1 for bright blobs, -1 for dark ones.
    alpha : float
        As for `find_blobs`.

    Returns
    -------
    float
        Standard deviation of a Gaussian [px]; NaN where no blob is found.

    Raises
    ------
    DataError, SettingsError
        As for `find_blobs`.

    Notes
    -----
    In the middle of a Gaussian blob of width ρ on a flat background the scale-normalised Laplacian σ²∇²G_σ
    is largest at σ = ρ (Lindeberg 1998). Rings around a column, which the transfer function makes, and
    neighbours change that less than they change a fit.

    Examples
    --------
    >>> y, x = np.mgrid[:40, :40]
    >>> frame = np.random.default_rng(0).poisson(20 + 90 * np.exp(-((y - 20) ** 2 + (x - 19) ** 2) / 18))
    >>> 2.5 < measure_width([frame], scale_px=4.0, noise=Noise()) < 3.5
    True
    """
    places = []
    for frame in frames:
        blobs = find_blobs(frame, scale_px=scale_px, noise=noise, sign=sign, alpha=alpha)
        places.append((blobs["y_px"], blobs["x_px"]))
    low, high = (scale_px * one for one in _WIDTHS_OF_SCALE)
    width_px, found = width_at(frames, places, least_px=low, most_px=high, sign=sign)
    return width_px if found else math.nan


def width_at(
    frames: Sequence[np.ndarray],
    places: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    least_px: float,
    most_px: float,
    sign: int = 0,
) -> tuple[float, int]:
    """Measure how wide columns are, and of which sign, where they are known to be.

    Parameters
    ----------
    frames : sequence of array (Y, X)
        A few frames.
    places : sequence of (array (n,), array (n,))
        y and x of the columns of each frame [px].
    least_px, most_px : float
        Widths to choose from [px].
    sign : {0, 1, -1}
        1 for bright columns, -1 for dark ones, 0 for whichever there are.

    Returns
    -------
    width_px : float
        Standard deviation of a Gaussian [px].
    sign : int
        1 or -1; 0 where no frame has a column.

    Notes
    -----
    As for `measure_width`, with the sign of the mean over the columns where none is given.

    Examples
    --------
    >>> y, x = np.mgrid[:40, :40]
    >>> frame = 20 - 9 * np.exp(-((y - 20) ** 2 + (x - 19) ** 2) / 18)
    >>> width_px, sign = width_at([frame], [(np.array([20]), np.array([19]))], least_px=1, most_px=9)
    >>> 2.7 < width_px < 3.3, sign
    (True, -1)
    """
    scales = np.geomspace(max(least_px, 0.5), most_px, _WIDTHS_TRIED)
    total, count = np.zeros(len(scales)), 0
    for frame, (y_px, x_px) in zip(frames, places, strict=True):
        at = tuple(np.rint(one).astype(np.int64) for one in (y_px, x_px))
        count += len(at[0])
        image = np.asarray(frame, np.float64)
        for place, scale in enumerate(scales):
            total[place] -= scale**2 * ndimage.gaussian_laplace(image, scale)[at].sum()
    if count == 0:
        return math.nan, 0
    sized = total * sign if sign else np.abs(total)
    best = int(np.argmax(sized))
    return float(scales[best]), sign or (1 if total[best] > 0 else -1)


def _scales(side_px: int) -> np.ndarray:
    count = 1 + int(math.log(max(side_px / 16, 1.0)) / math.log(_SCALE_STEP))
    return _SMALLEST_SCALE * _SCALE_STEP ** np.arange(min(max(count, 2), _MOST_SCALES))


def _roundness(image: np.ndarray, scale_px: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Weaker over stronger curvature of the smoothed frame at some places; below 0 at saddles."""
    if len(rows) == 0:
        return np.zeros(0)
    yy, xx, yx = (
        ndimage.gaussian_filter(image, scale_px, order=order)[rows, columns]
        for order in ((2, 0), (0, 2), (1, 1))
    )
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return (np.abs(middle) - half) / (np.abs(middle) + half)


def _keep_apart(rows: np.ndarray, columns: np.ndarray, height: np.ndarray, apart_px: float) -> np.ndarray:
    """Choose maxima, the highest first, none too near to one before: indices in their own order."""
    order = np.lexsort((columns, rows, -height))
    places = np.stack([rows, columns], axis=1)[order].astype(np.float64)
    kept = np.ones(len(order), bool)
    pairs = cKDTree(places).query_pairs(apart_px, output_type="ndarray") if len(places) else np.empty((0, 2))
    for earlier, later in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].tolist():
        if kept[earlier]:
            kept[later] = False
    return np.sort(order[kept])


def _votes(
    frame: np.ndarray, scales: np.ndarray, sign: int, alpha: float, noise: Noise
) -> tuple[np.ndarray, np.ndarray]:
    """Find blobs over place and scale: index of each one's scale, and how far it stands out."""
    image = noise.scaled(check_frame(frame, float(scales[0])))
    usable = [scale for scale in scales if min(image.shape) >= 8 * scale]
    levels, excess = [], []
    for scale in usable:
        level, needed = significance(
            image, scale_px=float(scale), sign=sign, alpha=alpha, counts=noise.is_poisson
        )
        margin = math.ceil(_MARGIN_SCALES * scale)
        inner = np.full(level.shape, -np.inf)
        inner[margin:-margin, margin:-margin] = level[margin:-margin, margin:-margin]
        levels.append(inner)
        excess.append(level > needed)
    volume = np.stack(levels)
    tops = np.stack(excess) & (volume == ndimage.maximum_filter(volume, size=3, mode="nearest"))
    tops &= np.isfinite(volume)
    at, rows, columns = np.nonzero(tops)
    return at, volume[at, rows, columns]
