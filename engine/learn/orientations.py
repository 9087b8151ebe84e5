"""Maps averaged over the eight orientations of a frame: slower by eight, and a little truer at boundaries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.errors import SettingsError


def predict_orientations(
    predict: Callable[[np.ndarray], np.ndarray], frame: np.ndarray, *, orientations: int = 8
) -> np.ndarray:
    """Average what a network says of a frame turned by 0, 90, 180 and 270°, as it is and mirrored.

    Parameters
    ----------
    predict : callable
        Maps a frame (Y, X) or (F, Y, X) to maps (Y, X, C), as a `Predictor` with its sampling does.
    frame : array (Y, X) or (F, Y, X), real
        Frame or focal series.
    orientations : int
        How many of the eight, the unturned first.

    Returns
    -------
    array (Y, X, C), float32
        Means of the maps, on the frame's pixels. A network sees noise differently in each orientation, so
        that what it makes of noise averages out; what it makes of particles stays.

    Raises
    ------
    SettingsError
        If `orientations` is not 1 to 8.

    Examples
    --------
    >>> frame = np.arange(6.0).reshape(2, 3)
    >>> maps = predict_orientations(lambda turned: turned[..., np.newaxis], frame)
    >>> bool((maps[..., 0] == frame).all())
    True
    """
    if not 1 <= orientations <= 8:
        raise SettingsError(f"orientations: expected 1 to 8, got {orientations}")
    total: np.ndarray | None = None
    for number in range(orientations):
        quarters, mirrored = number % 4, number >= 4
        turned = np.rot90(np.asarray(frame), quarters, axes=(-2, -1))
        maps = predict(np.ascontiguousarray(turned[..., ::-1] if mirrored else turned))
        maps = np.rot90(maps[:, ::-1] if mirrored else maps, -quarters, axes=(0, 1))
        total = maps.astype(np.float32) if total is None else total + maps
    assert total is not None
    return total / np.float32(orientations)
