"""How likely a column is: the likelihood of counts that its model has not seen, with it and without."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...base.errors import DataError, SettingsError
from ...base.tables import Columns
from .noise import Noise, check_frame
from .scene import LEAST_RATE, ColumnScene, parts_of

_NEWTON_STEPS = 12


def thin_counts(
    frame: np.ndarray, rng: np.random.Generator, *, counts_per_electron: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Split a frame's electrons in two by chance, as two frames of half the dose would have them.

    Parameters
    ----------
    frame : array (Y, X), real
        A frame whose pixels are Poisson counts of electrons times `counts_per_electron`.
    rng : numpy.random.Generator
        Where the chance comes from.
    counts_per_electron : float
        Grey levels of one electron.

    Returns
    -------
    array (Y, X), array (Y, X), float64
        Two frames whose sum is the frame, in its grey levels, independent of each other.

    Raises
    ------
    DataError
        If pixels are negative.

    Notes
    -----
    A binomial share of a Poisson count and the rest are independent Poisson counts.

    Examples
    --------
    >>> half, other = thin_counts(np.full((2, 2), 9), np.random.default_rng(0))
    >>> (half + other).tolist()
    [[9.0, 9.0], [9.0, 9.0]]
    """
    electrons = np.rint(np.asarray(frame, np.float64) / counts_per_electron)
    if electrons.min(initial=0) < 0:
        raise DataError("expected counts of 0 or more, got negative pixels; take the offset off first")
    half = rng.binomial(electrons.astype(np.int64), 0.5).astype(np.float64)
    return half * counts_per_electron, (electrons - half) * counts_per_electron


def held_out_likelihood(
    frame: np.ndarray, columns: Mapping[str, np.ndarray], *, noise: Noise, exposure: float = 1.0
) -> Columns:
    """Compare each column with vacuum on counts that the columns were not fitted to.

    Parameters
    ----------
    frame : array (Y, X), real, finite
        Counts that are independent of those fitted: the other half of `thin_counts`, or another frame.
    columns : mapping of arrays (n,)
        y_px, x_px, amplitude, background and width_px, as `fit_columns` returns them.
    noise : Noise
        The noise of the frame's pixels.
    exposure : float
        Exposure of this frame over that of the frame fitted.

    Returns
    -------
    dict of arrays (n,)
        log_likelihood_ratio: Σ[ln p(k; λ_column) - ln p(k; λ_vacuum)] over the pixels within 2.8 widths;
        log_likelihood_ratio_mean: the same per pixel.

    Raises
    ------
    DataError
        If the frame is no finite real image.
    SettingsError
        If the exposure is not above 0.

    Notes
    -----
    λ_vacuum is the flat background that explains these very counts best, beside the same neighbours; λ_column
    has seen none of them. Where there is vacuum, exp(log_likelihood_ratio) is therefore at most 1 on average,
    and it exceeds 1/α with a probability of at most α (the split likelihood ratio of Wasserman, Ramdas and
    Balakrishnan, PNAS 117, 16880 (2020)). A ratio on the counts that were fitted would never be below 0.

    Examples
    --------
    >>> y, x = np.mgrid[:32, :32]
    >>> frame = 50 + 40 * np.exp(-((y - 16) ** 2 + (x - 16) ** 2) / 8)
    >>> column = {"y_px": 16, "x_px": 16, "amplitude": 40, "background": 50, "width_px": 2}
    >>> column = {name: np.array([float(value)]) for name, value in column.items()}
    >>> held_out_likelihood(frame, column, noise=Noise())["log_likelihood_ratio"].round().tolist()
    [79.0]
    """
    if not 0 < exposure < math.inf:
        raise SettingsError(f"expected an exposure above 0, got {exposure}")
    image = noise.scaled(check_frame(frame))
    state = np.stack(
        [
            np.asarray(columns["y_px"], np.float64),
            np.asarray(columns["x_px"], np.float64),
            np.asarray(columns["amplitude"], np.float64) * (exposure / noise.unit),
            np.asarray(columns["background"], np.float64) * (exposure / noise.unit),
            np.log(np.asarray(columns["width_px"], np.float64)),
        ],
        axis=1,
    )
    total, mean = np.zeros(len(state)), np.zeros(len(state))
    if len(state):
        scene = ColumnScene.around(image, state, noise.is_poisson)
        others = scene.others(state)
        vacuum = state.copy()
        vacuum[:, 2] = 0.0
        vacuum[:, 3] = _best_background(scene, state[:, 3], others)
        total = scene.likelihood(state, others) - scene.likelihood(vacuum, others)
        pixels = scene.inside.sum(axis=(1, 2))
        mean = total / np.maximum(pixels, 1)
    return {"log_likelihood_ratio": total, "log_likelihood_ratio_mean": mean}


def _best_background(scene: ColumnScene, start: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Find the flat background beside the neighbours that explains each window best, (n,)."""
    found = start.copy()
    for part in parts_of(len(found)):
        near, values, beside = scene.inside[part], scene.pixels[part], others[part]
        count = near.sum(axis=(1, 2))
        level = (near * (values - beside)).sum(axis=(1, 2)) / count
        if scene.is_poisson:
            level = np.maximum(level, LEAST_RATE)
            for _ in range(_NEWTON_STEPS):
                rate = np.maximum(level[:, None, None] + beside, LEAST_RATE)
                slope = (near * (values / rate - 1)).sum(axis=(1, 2))
                curve = (near * values / rate**2).sum(axis=(1, 2))
                step = slope / np.maximum(curve, 1e-12)
                level = np.clip(level + step, 0.5 * level, 2 * level + LEAST_RATE)
        found[part] = level
    return found
