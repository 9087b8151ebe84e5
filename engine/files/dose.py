"""Dose per frame from what a camera counts where there is no specimen."""

from __future__ import annotations

import numpy as np

from ..base.errors import CalibrationError


def dose_from_vacuum(counts_per_pixel: float, *, counts_per_electron: float, pixel_nm: float) -> float:
    """Find the dose of a frame from its mean counts in vacuum.

    Parameters
    ----------
    counts_per_pixel : float
        Mean of the frame's pixels in an area without specimen, dark level subtracted.
    counts_per_electron : float
        Counts that one electron adds.
    pixel_nm : float
        Side of a pixel at the specimen [nm].

    Returns
    -------
    float
        Dose of the frame [e⁻/Å²].

    Raises
    ------
    CalibrationError
        If a value is not finite, the counts are negative, or one of the others is not above 0.

    Examples
    --------
    >>> dose_from_vacuum(50.0, counts_per_electron=5.0, pixel_nm=0.1)
    10.0
    """
    if not (np.isfinite(counts_per_pixel) and counts_per_pixel >= 0):
        raise CalibrationError(f"expected mean vacuum counts of 0 or more, got {counts_per_pixel}")
    for label, value in (("counts per electron", counts_per_electron), ("pixel size [nm]", pixel_nm)):
        if not (np.isfinite(value) and value > 0):
            raise CalibrationError(f"the {label} must be above 0, got {value}")
    pixel_A = pixel_nm * 10
    return counts_per_pixel / counts_per_electron / pixel_A**2
