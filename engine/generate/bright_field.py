"""Simple bright-field images: dark particles on an amorphous support at low dose, drawn in a moment.

No electron is scattered: contrast follows a projected thickness, edges have a Fresnel rim, crystals have
fringes that are shifted out of them as defocus shifts them, and noise is that of counting, blurred by the
camera. They are many and varied, to start a network with; what it must be good at is real images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..base.errors import SettingsError

_SLOW_PX = 60.0
_SPECKS = 0.25


@dataclass(frozen=True)
class BrightField:
    """What images are drawn at random from; lengths in pixels, for the network sees no others.

    Parameters
    ----------
    radius_px : (float, float)
        Radii of particles, log-uniform [px].
    cover : (float, float)
        Share of the image that particles cover.
    contrast : (float, float)
        How much darker than the support a particle's middle is, as a share.
    electrons_per_px : (float, float)
        Electrons of a pixel of the support, log-uniform.
    blur_px : (float, float)
        Standard deviation of the camera's blur [px].
    empty_share : float
        Share of images without a particle.

    Raises
    ------
    SettingsError
        If a range is not rising, or a value below 0.

    Examples
    --------
    >>> BrightField().cover
    (0.02, 0.3)
    """

    radius_px: tuple[float, float] = (6.0, 60.0)
    cover: tuple[float, float] = (0.02, 0.3)
    contrast: tuple[float, float] = (0.05, 0.45)
    electrons_per_px: tuple[float, float] = (3.0, 200.0)
    blur_px: tuple[float, float] = (0.3, 1.3)
    empty_share: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for name in ("radius_px", "cover", "contrast", "electrons_per_px", "blur_px"):
            low, high = getattr(self, name)
            if not (math.isfinite(high) and 0 < low <= high):
                raise SettingsError(f"{name}: expected a rising range above 0, got {(low, high)}")
        if not 0 <= self.empty_share <= 1:
            raise SettingsError(f"empty_share: expected 0 to 1, got {self.empty_share}")


def draw_bright_field(
    rng: np.random.Generator, shape: tuple[int, int], *, how: BrightField | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image and its mask.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where everything comes from.
    shape : (int, int)
        Rows and columns [px].
    how : BrightField or None
        Ranges; None for the usual ones.

    Returns
    -------
    image : array (Y, X), float32
        Counts, as a camera blurs them.
    mask : array (Y, X), uint8
        1 inside particles.

    Examples
    --------
    >>> image, mask = draw_bright_field(np.random.default_rng(1), (64, 64))
    >>> bool(image[mask == 1].mean() < image[mask == 0].mean())
    True
    """
    ranges = how or BrightField()
    contrast = rng.uniform(*ranges.contrast)
    intensity = 1 + rng.uniform(0.005, 0.05) * _support(rng, shape)
    mask = np.zeros(shape, np.uint8)
    wanted = 0.0 if rng.random() < ranges.empty_share else rng.uniform(*ranges.cover)
    largest = math.exp(rng.uniform(math.log(2 * ranges.radius_px[0]), math.log(ranges.radius_px[1])))
    rim, width = rng.uniform(0, 0.35), rng.uniform(1.5, 4)
    for _ in range(400):
        if mask.mean() >= wanted:
            break
        low = max(ranges.radius_px[0], largest / 4)
        radius = math.exp(rng.uniform(math.log(low), math.log(max(largest, low))))
        if rng.random() < _SPECKS:
            radius = max(ranges.radius_px[0], radius / 3)
        box, depth = _particle(rng, shape, radius)
        # Most keep apart, some touch, none lies on another.
        gap = 2.0 if rng.random() < 0.1 else rng.uniform(4, 20)
        if (ndimage.grey_dilation(mask[box], (3, 3))[depth > -gap] > 0).any():
            continue
        mask[box][depth > 0] = 1
        darker = contrast * rng.uniform(0.6, 1.1)
        intensity[box] -= darker * _profile(rng, depth, radius, rim=rim, width=width)
    electrons = math.exp(rng.uniform(*np.log(ranges.electrons_per_px)))
    counts = rng.poisson(np.maximum(intensity, 0.02) * electrons).astype(np.float32)
    return ndimage.gaussian_filter(counts, rng.uniform(*ranges.blur_px)), mask


def _support(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Amorphous grain of deviation 1, and slow changes of thickness."""
    grain = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), rng.uniform(0.7, 3.0))
    knots = [max(4, round(side / _SLOW_PX)) for side in shape]
    slow = ndimage.zoom(
        rng.normal(0, rng.uniform(0, 2.0), knots), [side / n for side, n in zip(shape, knots, strict=True)]
    )
    return np.asarray(grain / grain.std() + slow[: shape[0], : shape[1]], np.float64)


def _particle(
    rng: np.random.Generator, shape: tuple[int, int], radius: float
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Place an outline, rounded or faceted: its box, and depth below the edge, negative outside [px]."""
    centre = [rng.uniform(-0.5 * radius, side + 0.5 * radius) for side in shape]
    reach = 1.6 * radius + 24
    rows, columns = (
        slice(max(0, math.floor(c - reach)), min(side, math.ceil(c + reach)))
        for c, side in zip(centre, shape, strict=True)
    )
    down, across = np.mgrid[rows, columns].astype(np.float32)
    y, x = down - centre[0], across - centre[1]
    stretch, turn = math.exp(rng.normal(0, 0.12)), rng.uniform(0, math.pi)
    along = (x * math.cos(turn) + y * math.sin(turn)) * stretch
    aside = (y * math.cos(turn) - x * math.sin(turn)) / stretch
    angle, distance = np.arctan2(aside, along), np.hypot(along, aside)
    if rng.random() < 0.5:
        normals = np.cumsum(rng.uniform(0.5, 1.4, 12))
        normals = normals[normals < 2 * math.pi]
        reaches = radius * rng.uniform(0.85, 1.1, len(normals))
        sides = [
            reach - (along * math.cos(a) + aside * math.sin(a))
            for a, reach in zip(normals, reaches, strict=True)
        ]
        inside = np.minimum(np.min(sides, axis=0), 1.25 * radius - distance) > 0
    else:
        edge = np.ones_like(angle)
        for order in range(2, 8):
            edge += rng.normal(0, 0.07 / order) * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
        inside = distance < radius * edge
    inside = np.pad(inside, 1)
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    depth = np.where(depth > 0, depth - 0.5, depth + 0.5)[1:-1, 1:-1]
    return (rows, columns), ndimage.gaussian_filter(depth, 0.8)


def _profile(
    rng: np.random.Generator, depth: np.ndarray, radius: float, *, rim: float, width: float
) -> np.ndarray:
    """Darkness of a particle of contrast 1: thickness with a soft edge, less a bright rim, with fringes."""
    inner = np.clip(depth / radius, 0, 1)
    thickness = (1 - (1 - inner) ** 2) ** rng.uniform(0.15, 0.5)
    darkness = ndimage.gaussian_filter(thickness, rng.uniform(0.8, 2.5))
    darkness -= rim * np.exp(-(((depth + width) / width) ** 2))
    if rng.random() < 0.6:
        period, direction = rng.uniform(3.2, 12), rng.uniform(0, math.pi)
        down, across = np.indices(depth.shape)
        phase = 2 * math.pi / period * (across * math.cos(direction) + down * math.sin(direction))
        away = rng.uniform(-8, 8) * np.array([math.sin(direction), math.cos(direction)])
        where = ndimage.shift(ndimage.gaussian_filter(thickness, 2.0), away, order=1)
        darkness += rng.uniform(0.05, 0.6) * where * np.cos(phase)
    if rng.random() < 0.3:
        slope = ndimage.gaussian_filter(rng.standard_normal(depth.shape), max(radius / 3, 2))
        darkness += rng.uniform(0, 0.3) * thickness * slope / max(float(slope.std()), 1e-9)
    return darkness
