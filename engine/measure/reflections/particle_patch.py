"""One particle's pixels made ready for Fourier work: softly cut out, its thickness profile taken off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...base.errors import DataError, SettingsError
from .plain import reflection_kernels

# A Gaussian is cut where it has fallen to 1 % of its height: no step is left that could ring.
_REACH_SIGMAS = 3.0
_FEWEST_PX = 16.0


@dataclass(frozen=True, eq=False)
class ParticlePatch:
    """A particle's weighted counts, and the moments of its window that errors follow from.

    Parameters
    ----------
    flat : array (h, w), float32
        w·(k - s): counts k above the surface s of second order that fits them best, times the weights w.
    centre : (float, float)
        Row and column of the window's centroid in the patch [px].
    weight, energy : float
        Σw within the mask, and Σw² everywhere [px²]: what a fringe of the particle and what noise goes with.
    mean_counts : float
        Mean counts within the mask.
    spread : array (2, 2), float64
        Σw·x·xᵀ within the mask about the centroid, rows before columns [px⁴].
    spread_of_squares : array (2, 2), float64
        Σw²·x·xᵀ everywhere.
    """

    flat: np.ndarray
    centre: tuple[float, float]
    weight: float
    energy: float
    mean_counts: float
    spread: np.ndarray
    spread_of_squares: np.ndarray

    @property
    def area_px2(self) -> float:
        """Area of a sharp window with as many independent frequencies [px²]."""
        return self.weight**2 / self.energy


def cut_patch(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    label: int | None = None,
    box: tuple[int, int, int, int] | None = None,
    soften_px: float = 2.0,
    compiled: bool | None = None,
) -> ParticlePatch | None:
    """Cut one particle out of a frame by its softened mask, and take its thickness profile off.

    Parameters
    ----------
    image : array (Y, X), any real dtype
        The frame [counts]. Pixels that are not finite count as outside the particle.
    mask : array (Y, X), bool, or int with `label`
        The particle's mask, or a whole frame's instances.
    label : int or None
        The particle's number where `mask` holds instances.
    box : four int or None
        First row, first column, end row, end column of the particle (ends excluded) where known [px].
    soften_px : float
        Standard deviation of the Gaussian that softens the mask's edge [px].
    compiled : bool or None
        True asks for numba, False for plain NumPy, None takes numba where it is installed; the result is the
        same to rounding.

    Returns
    -------
    ParticlePatch or None
        None where the particle has fewer than 16 px.

    Raises
    ------
    DataError
        If image and mask are not two-dimensional, of one shape and real.
    SettingsError
        If the softening is negative or not finite.

    Notes
    -----
    A sharp cut is best for one fringe in white noise; 2 px of softening cost 3 % of a fringe's power and of
    its position (disc of 30 px radius), and take the ripples of the outline down to a quarter at 8 widths of
    the central spot. The surface, fitted by weighted least squares, takes off what a particle's thickness
    would spread over the lattice's peaks.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64] - 32
    >>> patch = cut_patch(100.0 + y + x * x, y * y + x * x < 400)
    >>> bool(np.abs(patch.flat).max() < 1e-3)
    True
    """
    if image.ndim != 2 or image.shape != mask.shape or np.iscomplexobj(image):
        raise DataError(
            f"expected a real image (Y, X) and a mask of the same shape, got {image.shape} of {image.dtype} "
            f"and {mask.shape}"
        )
    if not (math.isfinite(soften_px) and soften_px >= 0):
        raise SettingsError(f"expected a softening of 0 px or more, got {soften_px}")
    reach = math.ceil(_REACH_SIGMAS * soften_px)
    window = _window(mask, label, box, reach)
    if window is None:
        return None
    inside = mask[window] != 0 if label is None else mask[window] == label
    pixels = image[window].astype(np.float64)
    if image.dtype.kind == "f" and not (finite := np.isfinite(pixels)).all():
        inside, pixels = inside & finite, np.where(finite, pixels, 0.0)
    if np.count_nonzero(inside) < _FEWEST_PX:
        return None
    kernel = np.exp(-0.5 * (np.arange(reach + 1) / soften_px) ** 2) if reach else np.ones(1)
    kernel = (kernel / (kernel[0] + 2 * kernel[1:].sum())).astype(np.float32)
    return _weigh(inside, pixels, kernel, compiled)


def _window(
    mask: np.ndarray, label: int | None, box: tuple[int, int, int, int] | None, reach: int
) -> tuple[slice, slice] | None:
    if box is None:
        inside = mask != 0 if label is None else mask == label
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not rows.size:
            return None
        box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    top, left, bottom, right = box
    height, width = mask.shape
    return (
        slice(max(0, top - reach), min(height, bottom + reach)),
        slice(max(0, left - reach), min(width, right + reach)),
    )


def _weigh(
    inside: np.ndarray, pixels: np.ndarray, kernel: np.ndarray, compiled: bool | None
) -> ParticlePatch | None:
    kernels = reflection_kernels(compiled)
    weights = kernels.soften(inside, kernel)
    cy, cx = (weights.shape[0] - 1) / 2, (weights.shape[1] - 1) / 2
    # Counts far from zero lose digits in their moments.
    base = float(pixels.mean())
    pixels -= base
    of_weight, of_counts, counts_inside = kernels.moments(weights, inside, pixels, cy, cx)
    surface = _fit_surface(of_weight[0], of_counts)
    if surface is None:
        return None
    flat = kernels.flatten(weights, pixels, cy, cx, surface)
    energy, weight = float(of_weight[1, 0, 0]), float(of_weight[2, 0, 0])
    shift = np.array([of_weight[2, 1, 0], of_weight[2, 0, 1]]) / weight
    spread_of_squares, spread = (_about(sums, shift) for sums in of_weight[1:])
    return ParticlePatch(
        flat=flat,
        centre=(cy + float(shift[0]), cx + float(shift[1])),
        weight=weight,
        energy=energy,
        mean_counts=base + float(counts_inside) / weight,
        spread=spread,
        spread_of_squares=spread_of_squares,
    )


def _fit_surface(of_weight: np.ndarray, of_counts: np.ndarray) -> np.ndarray | None:
    """Fit 1, y, x, y², yx, x² by weighted least squares from the moments; None for a window without width."""
    down, across = np.array([0, 1, 0, 2, 1, 0]), np.array([0, 0, 1, 0, 1, 2])
    normal = of_weight[down[:, None] + down, across[:, None] + across]
    scale = 1 / np.sqrt(np.maximum(normal.diagonal(), np.finfo(np.float64).tiny))
    try:
        return scale * np.linalg.solve(normal * scale[:, None] * scale, scale * of_counts[down, across])
    except np.linalg.LinAlgError:
        return None


def _about(sums: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Move second moments to another origin."""
    first = np.array([sums[1, 0], sums[0, 1]])
    second = np.array([[sums[2, 0], sums[1, 1]], [sums[1, 1], sums[0, 2]]])
    cross = np.outer(shift, first)
    return second - cross - cross.T + sums[0, 0] * np.outer(shift, shift)
