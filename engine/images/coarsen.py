"""A frame on coarser pixels, as a camera of such pixels would have recorded it."""

from __future__ import annotations

import numpy as np
from scipy import fft

from ..base.errors import SettingsError


def coarsen(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resample an image to fewer pixels by leaving out the frequencies that they cannot hold.

    Frequencies that are kept keep their amplitude, so that the noise of a camera keeps its spectrum: its
    modulation transfer is then that of the frequency in cycles per length, as before. Interpolation and
    Gaussian filters would add a transfer of their own. The image is continued by its mirror images.

    Parameters
    ----------
    image : array (Y, X), real
        Image, without values that are not finite.
    shape : (int, int)
        Rows and columns of the result, no more than the image's.

    Returns
    -------
    array `shape`, float32
        Values as of the image, not their sums.

    Raises
    ------
    SettingsError
        If the shape is empty or larger than the image.

    Examples
    --------
    >>> coarsen(np.full((6, 9), 2.0), (4, 4)).round(6)[0].tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    rows, columns = shape
    if not (1 <= rows <= image.shape[0] and 1 <= columns <= image.shape[1]):
        raise SettingsError(f"shape: expected 1 to {image.shape} rows and columns, got {tuple(shape)}")
    amplitudes = fft.dctn(np.asarray(image, np.float32), norm="ortho")[:rows, :columns]
    scale = np.float32(np.sqrt(rows * columns / (image.shape[0] * image.shape[1])))
    result: np.ndarray = fft.idctn(amplitudes * scale, norm="ortho")
    return result
