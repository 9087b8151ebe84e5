"""A twinned particle with planted angles and amplitudes, for checking what is read from a spectrum."""

from __future__ import annotations

import math

import numpy as np

from ..base.errors import SettingsError
from .phantom import fringes


def twin_particle(
    *,
    size: int = 512,
    radius_px: float = 180.0,
    period_px: float = 4.7,
    plane_deg: float = 0.0,
    lattice_deg: float = 35.0,
    amplitudes: tuple[float, float] = (0.1, 0.1),
    counts: float | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a disc of two halves whose fringes are mirrored about the twin plane.

    Parameters
    ----------
    size : int
        Side of the image [px]; the disc is centred on [size // 2, size // 2].
    radius_px : float
        Radius of the disc [px].
    period_px : float
        Distance of the fringes in both halves [px].
    plane_deg : float
        Direction of the twin plane, counter-clockwise on the screen from growing columns.
    lattice_deg : float
        Angle from the plane to the fringes' normal: plane + lattice in the half to the plane's left,
        plane - lattice in the other.
    amplitudes : (float, float)
        Contrast of the fringes in the left and in the other half.
    counts : float or None
        Mean electrons per pixel of Poisson noise; None: no noise, mean 1.
    seed : int
        Seed of the noise.

    Returns
    -------
    image : array (size, size), float32
        Counts; the particle is 0.8 as bright as its surroundings.
    mask : array (size, size), bool
        The disc.

    Raises
    ------
    SettingsError
        If the disc does not fit, or a length or the counts are not above 0.

    Examples
    --------
    >>> image, mask = twin_particle(size=128, radius_px=50, amplitudes=(0.1, 0.2))
    >>> image.shape, mask.sum().item()
    ((128, 128), 7825)
    """
    if not 0 < radius_px <= size / 2 or not period_px > 0 or (counts is not None and not counts > 0):
        raise SettingsError(
            f"expected a disc within {size} px, a period and counts above 0, got radius {radius_px} px, "
            f"period {period_px} px and {counts} counts"
        )
    offset = np.arange(size) - size // 2
    plane = math.radians(plane_deg)
    left = -offset[:, np.newaxis] * math.cos(plane) - offset * math.sin(plane) > 0
    mask = offset[:, np.newaxis] ** 2 + offset**2 < radius_px**2
    halves = [
        fringes(offset, offset, period_px=period_px, angle_deg=plane_deg + sign * lattice_deg, depth=depth)
        for sign, depth in zip((1, -1), amplitudes, strict=True)
    ]
    image = np.where(mask, 0.8 + np.where(left, *halves), 1.0).astype(np.float32)
    if counts is not None:
        image = np.random.default_rng([seed, 3]).poisson(image * counts).astype(np.float32)
    return image, mask
