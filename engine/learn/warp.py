"""Windows of a labelled image at any angle and scale, or noisier: much made of few frames."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from ..base.errors import SettingsError

# Splines ring, and mirrored edges are met, within so many pixels.
_MARGIN_PX = 12


def warp_window(
    image: np.ndarray,
    label: np.ndarray,
    shape: tuple[int, int],
    *,
    centre: tuple[float, float],
    angle_rad: float = 0.0,
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a window that is turned and magnified; beyond the edges the image is mirrored.

    Parameters
    ----------
    image : array (Y, X, F), float32
        Image or focal series.
    label : array (Y, X, C), 0 and 1
        Its label; values between would be rounded, so `Samples` refuses labels that have some.
    shape : (int, int)
        Rows and columns of the window [px].
    centre : (float, float)
        Row and column of the image that the window's middle shows [px].
    angle_rad : float
        How far the window is turned.
    scale : float
        Pixels of the window for one of the image, above 0.

    Returns
    -------
    image : array (*shape, F), float32
        Interpolated by cubic splines, which keep noise nearly as it is.
    label : array (*shape, C), float32
        1 where the interpolated label is 0.5 or more.

    Raises
    ------
    SettingsError
        If the scale is not finite and above 0.

    Examples
    --------
    >>> image = np.arange(64, dtype=np.float32).reshape(8, 8, 1)
    >>> window, _ = warp_window(image, image > 9, (3, 3), centre=(4, 4))
    >>> window[..., 0].round().tolist()
    [[27.0, 28.0, 29.0], [35.0, 36.0, 37.0], [43.0, 44.0, 45.0]]
    """
    if not (math.isfinite(scale) and scale > 0):
        raise SettingsError(f"scale: expected above 0, got {scale}")
    cosine, sine = math.cos(angle_rad) / scale, math.sin(angle_rad) / scale
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    middle = (np.array(shape) - 1) / 2
    reach = np.abs(matrix) @ middle + _MARGIN_PX
    first = np.maximum(np.floor(np.array(centre) - reach), 0).astype(int)
    last = np.minimum(np.ceil(np.array(centre) + reach) + 1, image.shape[:2]).astype(int)
    part = slice(first[0], last[0]), slice(first[1], last[1])
    offset = np.array(centre) - first - matrix @ middle

    def warp(values: np.ndarray, order: int) -> np.ndarray:
        planes = [
            ndimage.affine_transform(
                plane, matrix, offset, output_shape=shape, order=order, mode="mirror", output=np.float32
            )
            for plane in np.moveaxis(values[part].astype(np.float32), -1, 0)
        ]
        return np.stack(planes, axis=-1)

    return warp(image, 3), (warp(label, 1) >= 0.5).astype(np.float32)


def add_noise(rng: np.random.Generator, image: np.ndarray, deviation: float) -> np.ndarray:
    """Add white noise.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where noise comes from.
    image : array (Y, X, F), float32
        Image or focal series.
    deviation : float
        Standard deviation of the noise, in units of the image.

    Returns
    -------
    array (Y, X, F), float32
        Noisier image.

    Examples
    --------
    >>> add_noise(np.random.default_rng(0), np.zeros((2, 2, 1), np.float32), 0.0).any()
    np.False_
    """
    return image + np.float32(deviation) * rng.standard_normal(image.shape, np.float32)
