"""Contrast transfer of an imperfect microscope: aberrations, aperture and partial coherence."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, fields

import numpy as np
from scipy import constants

from ..base.compiled import use_compiled
from ..base.errors import SettingsError

_MRAD = 1e-3
_SPREADS = ("focal_spread_A", "angular_spread_mrad", "blur_A")


@dataclass(frozen=True)
class Microscope:
    """What a microscope does to the exit wave; coefficients and angles are those of abTEM's CTF.

    Parameters
    ----------
    energy_eV : float
        Beam energy [eV].
    defocus_A : float
        Δf = −C10 [Å]; positive is underfocus.
    c30_A : float
        Spherical aberration [Å].
    c12_A, phi12_rad : float
        Two-fold astigmatism [Å] and its angle from x towards y [rad].
    c21_A, phi21_rad : float
        Axial coma [Å] and its angle [rad].
    c23_A, phi23_rad : float
        Three-fold astigmatism [Å] and its angle [rad].
    c32_A, phi32_rad : float
        Axial star [Å] and its angle [rad].
    c34_A, phi34_rad : float
        Four-fold astigmatism [Å] and its angle [rad].
    c45_A, phi45_rad : float
        Five-fold astigmatism [Å] and its angle [rad].
    focal_spread_A : float
        Δ, half-width at 1/e of the foci, √2 standard deviations [Å].
    angular_spread_mrad : float
        β, half-width at 1/e of the beam's directions [mrad].
    blur_A : float
        σ of exp(−σ²q²/2), with q in cycles per Å: 2π standard deviations of the blurring Gaussian [Å].
    aperture_mrad : float
        Largest scattering angle that passes; infinity passes all [mrad].

    Raises
    ------
    SettingsError
        If the energy or the aperture is not above 0, a spread is below 0, or a number is not finite.

    Examples
    --------
    >>> Microscope(energy_eV=300e3, defocus_A=50.0, c30_A=8e4).focal_spread_A
    0.0
    """

    energy_eV: float
    defocus_A: float = 0.0
    c30_A: float = 0.0
    c12_A: float = 0.0
    phi12_rad: float = 0.0
    c21_A: float = 0.0
    phi21_rad: float = 0.0
    c23_A: float = 0.0
    phi23_rad: float = 0.0
    c32_A: float = 0.0
    phi32_rad: float = 0.0
    c34_A: float = 0.0
    phi34_rad: float = 0.0
    c45_A: float = 0.0
    phi45_rad: float = 0.0
    focal_spread_A: float = 0.0
    angular_spread_mrad: float = 0.0
    blur_A: float = 0.0
    aperture_mrad: float = math.inf

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "aperture_mrad":
                if not value > 0:
                    raise SettingsError(f"aperture_mrad: expected above 0 mrad, got {value}")
            elif not math.isfinite(value):
                raise SettingsError(f"{field.name}: expected a finite number, got {value}")
        if not self.energy_eV > 0:
            raise SettingsError(f"energy_eV: expected above 0 eV, got {self.energy_eV}")
        for name in _SPREADS:
            if getattr(self, name) < 0:
                raise SettingsError(f"{name}: expected 0 or more, got {getattr(self, name)}")


def wavelength_A(energy_eV: float) -> float:
    """Find the relativistic wavelength of electrons.

    Parameters
    ----------
    energy_eV : float
        Beam energy [eV].

    Returns
    -------
    float
        λ [Å].

    Raises
    ------
    SettingsError
        If the energy is not above 0.

    Examples
    --------
    >>> round(wavelength_A(300e3), 6)
    0.019687
    """
    if not 0 < energy_eV < math.inf:
        raise SettingsError(f"energy_eV: expected above 0 eV, got {energy_eV}")
    rest_eV = constants.m_e * constants.c**2 / constants.e
    return constants.h * constants.c / constants.e / math.sqrt(energy_eV * (2 * rest_eV + energy_eV)) * 1e10


def scherzer_defocus_A(energy_eV: float, c30_A: float) -> float:
    """Find the defocus at which the phase contrast of thin objects has its widest band.

    Parameters
    ----------
    energy_eV : float
        Beam energy [eV].
    c30_A : float
        Spherical aberration [Å].

    Returns
    -------
    float
        √1.5·√(λ·|C30|) with the sign of C30: underfocus where C30 is positive [Å].

    Raises
    ------
    SettingsError
        If the energy is not above 0.

    Notes
    -----
    Thesis, Eq. 1.17 and Figure 1.3, whose 38.43 Å has the factor √1.5 where the equation prints 1.2.

    Examples
    --------
    >>> round(scherzer_defocus_A(300e3, 5e4), 2)
    38.43
    """
    return math.copysign(math.sqrt(1.5 * wavelength_A(energy_eV) * abs(c30_A)), c30_A)


def transfer(
    shape: tuple[int, int],
    extent_A: tuple[float, float],
    microscope: Microscope,
    *,
    compiled: bool | None = None,
) -> np.ndarray:
    """Find what each spatial frequency of the exit wave is multiplied with.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns (Y, X) of the wave.
    extent_A : (float, float)
        Sides of the cell along x and along y [Å].
    microscope : Microscope
        Aberrations, aperture and spreads.
    compiled : bool or None
        True asks for numba, False for NumPy alone (equal to 1e-6), None takes numba where it is installed.

    Returns
    -------
    array (Y, X), complex64
        A·exp(−iχ)·T_s·T_t·T_G in the order of `numpy.fft.fft2`; 1 at q = 0.

    Raises
    ------
    SettingsError
        If the shape or the extent is not above 0.

    Notes
    -----
    Thesis, Eqs. 1.11 to 1.13 and 1.20 to 1.23. χ = (2π/λ)·Σ α^(n+1)·C_nm·cos(m(φ − φ_nm))/(n + 1), with
    α = λq; T_s takes the gradient of all of χ in both directions.

    Examples
    --------
    >>> abs(transfer((4, 4), (2.0, 2.0), Microscope(energy_eV=300e3, defocus_A=60.0))).max().item()
    1.0
    """
    if min(shape) < 1 or not min(extent_A) > 0:
        raise SettingsError(f"expected a shape and an extent above 0, got {shape} and {extent_A} Å")
    q_y, q_x = (np.fft.fftfreq(n, side / n) for n, side in zip(shape, extent_A[::-1], strict=True))
    found = transfer_wave(
        np.ones(shape, np.complex64), np.sort(q_y), np.sort(q_x), microscope, compiled=compiled
    )
    return np.fft.ifftshift(found)


def transfer_wave(
    spectrum: np.ndarray,
    q_y: np.ndarray,
    q_x: np.ndarray,
    microscope: Microscope,
    *,
    shift_A: tuple[float, float] = (0.0, 0.0),
    band_per_A: float = math.inf,
    compiled: bool | None = None,
) -> np.ndarray:
    """Multiply a wave's spectrum with the contrast transfer, and shift it.

    Parameters
    ----------
    spectrum : array (R, C), complex64
        Fourier coefficients of the wave.
    q_y, q_x : arrays (R,) and (C,), float64, ascending
        Spatial frequencies of its rows and columns [1/Å].
    microscope : Microscope
        Aberrations, aperture and spreads.
    shift_A : (float, float)
        x and y of the point that comes to lie at the origin [Å].
    band_per_A : float
        Frequencies above it are left out [1/Å].
    compiled : bool or None
        As in `transfer`.

    Returns
    -------
    array (R, C), complex64
        Spectrum of the image wave.

    Examples
    --------
    >>> q = np.array([0.0, 0.5])
    >>> image_wave = transfer_wave(
    ...     np.ones((2, 2), np.complex64), q, q, Microscope(energy_eV=3e5), band_per_A=0.6
    ... )
    >>> image_wave.real.tolist()
    [[1.0, 1.0], [1.0, 0.0]]
    """
    wavelength = wavelength_A(microscope.energy_eV)
    terms = _terms(microscope, wavelength, shift_A)
    limit = min((wavelength * band_per_A), microscope.aperture_mrad * _MRAD) ** 2
    alpha_y, alpha_x = wavelength * q_y, wavelength * q_x
    if use_compiled(compiled):
        from .kernels_transfer import multiply_transfer

        out = np.zeros(spectrum.shape, np.complex64)
        multiply_transfer(np.ascontiguousarray(spectrum), alpha_y, alpha_x, terms, limit, out)
        return out
    phase, damping = _evaluate(alpha_y[:, np.newaxis], alpha_x, terms)
    inside = alpha_y[:, np.newaxis] ** 2 + alpha_x**2 <= limit
    return spectrum * np.where(inside, np.exp(-damping - 1j * phase), 0).astype(np.complex64)


def round_envelope(q_per_A: np.ndarray, microscope: Microscope) -> np.ndarray:
    """Find what aperture, focal spread and blur leave of each spatial frequency.

    Parameters
    ----------
    q_per_A : array, float64
        Spatial frequencies, 0 or more [1/Å].
    microscope : Microscope
        Aperture and spreads; the angular spread, whose envelope may rise again, is not counted.

    Returns
    -------
    array like `q_per_A`, float64
        A·T_t·T_G (thesis, Eqs. 1.12, 1.21 and 1.22).

    Examples
    --------
    >>> round_envelope(np.array([0.0, 1.0]), Microscope(energy_eV=3e5, focal_spread_A=20.0)).round(3).tolist()
    [1.0, 0.682]
    """
    wavelength = wavelength_A(microscope.energy_eV)
    r2 = np.asarray(q_per_A) ** 2
    damping = r2 * (
        (math.pi * wavelength * microscope.focal_spread_A / 2) ** 2 * r2 + microscope.blur_A**2 / 2
    )
    return np.where(r2 <= (microscope.aperture_mrad * _MRAD / wavelength) ** 2, np.exp(-damping), 0.0)


def _terms(microscope: Microscope, wavelength: float, shift_A: tuple[float, float]) -> np.ndarray:
    """Coefficients of χ as a polynomial of α, then those of the exponents of the envelopes, float64."""
    k = 2 * math.pi / wavelength
    m = microscope
    folds = [
        (m.c12_A / 2, 2, m.phi12_rad),
        (m.c21_A / 3, 1, m.phi21_rad),
        (m.c23_A / 3, 3, m.phi23_rad),
        (m.c32_A / 4, 2, m.phi32_rad),
        (m.c34_A / 4, 4, m.phi34_rad),
        (m.c45_A / 5, 5, m.phi45_rad),
    ]
    terms = [-k * shift_A[0], -k * shift_A[1], -k * m.defocus_A / 2, k * m.c30_A / 4]
    for size, fold, angle in folds:
        rotated = k * size * cmath.exp(-1j * fold * angle)
        terms += [rotated.real, rotated.imag]
    terms.append((m.angular_spread_mrad * _MRAD / 2) ** 2)
    terms.append((math.pi * m.focal_spread_A / (2 * wavelength)) ** 2)
    terms.append((m.blur_A / wavelength) ** 2 / 2)
    return np.array(terms)


def _evaluate(y: np.ndarray, x: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phase with the shift's, and the envelopes' exponent, at angles (y, x); the kernel's plain twin."""
    shift_x, shift_y, c10, c30 = terms[:4]
    c12, c21, c23, c32, c34, c45 = terms[4:16:2] + 1j * terms[5:16:2]
    angular, temporal, blur = terms[16:]
    w = x + 1j * y
    r2 = x * x + y * y
    w2 = w * w
    w3, w4 = w2 * w, w2 * w2
    coma, star = (c21 * w).real, (c32 * w2).real
    phase = r2 * (c10 + c30 * r2 + coma + star)
    phase += (c12 * w2 + c23 * w3 + c34 * w4 + c45 * w4 * w).real
    damping = r2 * (temporal * r2 + blur)
    if angular > 0:
        # ∂/∂x + i·∂/∂y = 2·∂/∂w̄ of each term |w|^2a · Re(c·w^m).
        gradient = 2 * w * (c10 + 2 * c30 * r2 + coma + star) + r2 * np.conj(c21 + 2 * c32 * w)
        gradient += np.conj(2 * c12 * w + 3 * c23 * w2 + 4 * c34 * w3 + 5 * c45 * w4)
        damping = damping + angular * (gradient.real**2 + gradient.imag**2)
    return phase + shift_x * x + shift_y * y, damping
