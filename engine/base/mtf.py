"""The modulation transfer function of a scintillator camera, and ranges of its parameters seen in print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .errors import SettingsError


@dataclass(frozen=True)
class MtfModel:
    """Ranges that the parameters of a camera are drawn from, lower and upper limit each.

    Parameters
    ----------
    c0 : pair of float
        Half-width of the modulation transfer function [fraction of Nyquist].
    c3 : pair of float
        Its exponent.
    readout_e : pair of float
        Readout noise N0: mean of the Poisson noise that passes no scintillator [electrons per pixel].

    Examples
    --------
    >>> MtfModel(c0=(0.4, 0.6), c3=(2.0, 3.0), readout_e=(0.005, 0.015)).c0
    (0.4, 0.6)
    """

    c0: tuple[float, float]
    c3: tuple[float, float]
    readout_e: tuple[float, float]


# Publication II, Table 3. N0 is 0.01 electrons per pixel ± 50 % in all of them (Figure 5).
MTF_MODELS: Mapping[str, MtfModel] = MappingProxyType(
    {
        "MTF 1": MtfModel(c0=(0.4, 0.6), c3=(2.0, 3.0), readout_e=(0.005, 0.015)),
        "MTF 2": MtfModel(c0=(0.4, 0.6), c3=(1.0, 5.0), readout_e=(0.005, 0.015)),
        "MTF 3": MtfModel(c0=(0.2, 0.3), c3=(1.0, 5.0), readout_e=(0.005, 0.015)),
        "MTF 4": MtfModel(c0=(0.25, 0.6), c3=(2.0, 5.0), readout_e=(0.005, 0.015)),
        "MTF 5": MtfModel(c0=(0.6, 0.8), c3=(2.0, 5.0), readout_e=(0.005, 0.015)),
    }
)


def parametric_mtf(q: np.ndarray | float, *, c0: float, c3: float, floor: float = 0.0) -> np.ndarray:
    """Find the modulation transfer of a camera at given spatial frequencies.

    Parameters
    ----------
    q : array or float
        Spatial frequency q̃ = 2·q·sampling [fraction of Nyquist]; its sign does not matter.
    c0 : float
        Half-width: the frequency at which 1/(1 + (q̃/c0)^c3) is 1/2 [fraction of Nyquist], above 0.
    c3 : float
        Exponent, above 0: 2 is a Lorentzian, large ones come close to a step.
    floor : float
        The limit C at large q̃, from 0 up to below 1.

    Returns
    -------
    array like `q`, float64
        (1 − C)/(1 + (q̃/c0)^c3) + C; 1 at q̃ = 0.

    Raises
    ------
    SettingsError
        If c0 or c3 is not above 0, or the floor outside [0, 1).

    Notes
    -----
    Thesis, Eq. 1.25, after Lee et al., Ultramicroscopy 145 (2014) 3-12.

    Examples
    --------
    >>> parametric_mtf(np.array([0.0, 0.2, 1.0]), c0=0.2, c3=2.0).round(3).tolist()
    [1.0, 0.5, 0.038]
    """
    for name, value in (("c0", c0), ("c3", c3)):
        if not 0 < value < np.inf:
            raise SettingsError(f"the {name} of the modulation transfer must be above 0, got {value}")
    if not 0 <= floor < 1:
        raise SettingsError(f"the floor of the modulation transfer must be in [0, 1), got {floor}")
    with np.errstate(over="ignore", under="ignore"):
        return (1 - floor) / (1 + (np.abs(q) / c0) ** c3) + floor


def nyquist_fractions(shape: tuple[int, int]) -> np.ndarray:
    """Find the spatial frequency of each element of a frame's half spectrum.

    Parameters
    ----------
    shape : pair of int
        Rows and columns (Y, X) of the frame [px], whose pixels are square.

    Returns
    -------
    array (Y, X // 2 + 1), float64
        q̃ = 2·√(q_y² + q_x²), q in cycles per pixel, on the grid of `numpy.fft.rfft2`: 1 at the end of an
        axis, √2 in the corners [fraction of Nyquist].

    Raises
    ------
    SettingsError
        If there is no pixel along an axis.

    Examples
    --------
    >>> nyquist_fractions((4, 4))[0].tolist()
    [0.0, 0.5, 1.0]
    """
    if min(shape) < 1:
        raise SettingsError(f"expected a frame of 1 px or more along each axis, got {shape[0]} × {shape[1]}")
    return 2 * np.hypot(np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.rfftfreq(shape[1]))


def mtf_on_grid(shape: tuple[int, int], *, c0: float, c3: float, floor: float = 0.0) -> np.ndarray:
    """Find the modulation transfer on the grid of a frame's half spectrum.

    Parameters
    ----------
    shape : pair of int
        Rows and columns (Y, X) of the frame [px], whose pixels are square.
    c0, c3, floor : float
        As in `parametric_mtf`.

    Returns
    -------
    array (Y, X // 2 + 1), float64
        What `numpy.fft.rfft2(frame)` is multiplied with.

    Raises
    ------
    SettingsError
        As `parametric_mtf` does, or if there is no pixel along an axis.

    Examples
    --------
    >>> mtf_on_grid((8, 8), c0=0.5, c3=2.0)[0].round(2).tolist()
    [1.0, 0.8, 0.5, 0.31, 0.2]
    """
    return parametric_mtf(nyquist_fractions(shape), c0=c0, c3=c3, floor=floor)
