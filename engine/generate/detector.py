"""From micrographs to counts: shot noise, the camera's modulation transfer, readout noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..base.errors import DataError, SettingsError
from ..base.mtf import mtf_on_grid
from .poisson import poisson


@dataclass(frozen=True)
class Detector:
    """A camera and the dose that it receives (thesis, Section 1.3).

    Parameters
    ----------
    dose_e_per_A2 : float
        Electrons that vacuum lets through [e⁻/Å²].
    mtf_c0 : float or None
        Half-width of the modulation transfer [fraction of Nyquist]; None: a camera that blurs nothing.
    mtf_c3 : float or None
        Exponent of the modulation transfer; needed with c0.
    mtf_floor : float
        Its limit C at high frequencies, in [0, 1). Readout noise gives a fitted floor by itself; leave it
        at 0 with `readout_e`.
    readout_e : float
        N0, mean of the Poisson noise that passes no scintillator [electrons/pixel].
    noise : "poisson" or None
        Shot and readout noise, or none: then counts are their expectations.

    Raises
    ------
    SettingsError
        If the dose, c0 or c3 is not above 0, the floor outside [0, 1), the readout below 0, or the noise
        unknown.

    Examples
    --------
    >>> Detector(dose_e_per_A2=200.0, mtf_c0=0.3, mtf_c3=2.5, readout_e=0.01).noise
    'poisson'
    """

    dose_e_per_A2: float
    mtf_c0: float | None = None
    mtf_c3: float | None = None
    mtf_floor: float = 0.0
    readout_e: float = 0.0
    noise: str | None = "poisson"

    def __post_init__(self) -> None:
        above_0 = {"dose_e_per_A2": self.dose_e_per_A2}
        if self.mtf_c0 is not None:
            above_0 |= {"mtf_c0": self.mtf_c0, "mtf_c3": math.nan if self.mtf_c3 is None else self.mtf_c3}
        for name, value in above_0.items():
            if not 0 < value < math.inf:
                raise SettingsError(f"{name}: expected above 0, got {getattr(self, name)}")
        if not 0 <= self.mtf_floor < 1:
            raise SettingsError(f"mtf_floor: expected 0 up to below 1, got {self.mtf_floor}")
        if not 0 <= self.readout_e < math.inf:
            raise SettingsError(f"readout_e: expected 0 electrons/pixel or more, got {self.readout_e}")
        if self.noise not in ("poisson", None):
            raise SettingsError(f"noise: expected poisson or None, got {self.noise!r}")


def detect(
    rng: np.random.Generator,
    image: np.ndarray,
    *,
    sampling_A: float,
    detector: Detector,
    compiled: bool | None = None,
) -> np.ndarray:
    """Record images: shot noise, then the modulation transfer, then readout noise.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the noise comes from.
    image : array (Y, X) or (F, Y, X), real
        Intensity, 1 in vacuum.
    sampling_A : float
        Side of a pixel [Å].
    detector : Detector
        Camera, and the dose of each image.
    compiled : bool or None
        True asks for numba, False for NumPy alone (the same counts), None takes numba where it is installed.

    Returns
    -------
    array of the same shape, float32
        Electrons per pixel; not whole, and at times below 0, where the modulation transfer spreads them.

    Raises
    ------
    DataError
        If the image is not a real array of 2 or 3 axes, or has negative or infinite pixels.
    SettingsError
        If the sampling is not above 0.

    Notes
    -----
    N = Poisson(dose·area·I), then F⁻¹[F(N)·MTF], then + Poisson(N0) (thesis, Eqs. 1.24 to 1.28). The
    modulation transfer wraps round at the image's edges. The spectrum of vacuum is N·MTF² + N0.

    Examples
    --------
    >>> counts = detect(
    ...     np.random.default_rng(0),
    ...     np.ones((64, 64)),
    ...     sampling_A=0.1,
    ...     detector=Detector(dose_e_per_A2=1e3),
    ... )
    >>> counts.dtype.name, round(float(counts.mean()))
    ('float32', 10)
    """
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.size == 0 or pixels.dtype.kind not in "buif":
        raise DataError(
            f"expected a real image (Y, X) or series (F, Y, X), got {pixels.dtype} of shape {pixels.shape}"
        )
    if not 0 < sampling_A < math.inf:
        raise SettingsError(f"sampling_A: expected above 0 Å/pixel, got {sampling_A}")
    lowest, highest = float(pixels.min()), float(pixels.max())
    if not 0 <= lowest <= highest < math.inf:
        raise DataError(f"expected an image of intensities of 0 or more, got {lowest:g} to {highest:g}")
    expected = pixels.astype(np.float32) * np.float32(detector.dose_e_per_A2 * sampling_A**2)
    noisy = detector.noise == "poisson"
    counts = poisson(rng, expected, compiled=compiled).astype(np.float32) if noisy else expected
    if detector.mtf_c0 is not None and detector.mtf_c3 is not None:
        transfer = mtf_on_grid(
            pixels.shape[-2:], c0=detector.mtf_c0, c3=detector.mtf_c3, floor=detector.mtf_floor
        )
        spectrum = fft.rfft2(counts, workers=1)
        spectrum *= transfer.astype(np.float32)
        counts = fft.irfft2(spectrum, s=pixels.shape[-2:], overwrite_x=True, workers=1)
    if detector.readout_e > 0:
        mean = np.broadcast_to(np.float64(detector.readout_e), counts.shape)
        counts += poisson(rng, mean, compiled=compiled) if noisy else np.float32(detector.readout_e)
    return counts
