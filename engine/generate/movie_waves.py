"""Waves of a simulated movie: a multislice patch for each particle, multiplied onto the support's.

The wave behind the whole sample is taken as ψ = ψ_support · Π ψ_particle. Each ψ_particle is the exit wave of
a full multislice calculation of its atoms in its pose, in the plane 1.5 Å below its last atom; these planes
are taken to be one, as if all lay on a flat film. Left out is what happens between particles, and between a
particle and the support: electrons scattered by one are not followed through the other. The support is one
slice of randomly placed carbon atoms. Dense and without short-range order, their potential is a Gaussian
random field with carbon's scattering factor: real carbon has a little less contrast at distances of several
neighbours. It repeats itself when the drift has moved it by the width of a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from scipy import fft

from ..base.errors import SettingsError
from .exit_wave import exit_wave

SUPPORTS = ("carbon", "none")
# Amorphous carbon of 2.0 g/cm³ [1/Å³], and the r.m.s. displacement of its atoms [Å].
_CARBON_PER_A3, _CARBON_SMEARING_A = 0.1, 0.07
# A patch reaches this far beyond the outermost atoms, and fades into vacuum over the last part of it [Å].
_AROUND_A, _FADE_A = 5.0, 2.0
_ABOVE_BELOW_A = 1.5


@dataclass(frozen=True)
class PatchOptics:
    """How patches are computed.

    Parameters
    ----------
    energy_eV : float
        Beam energy [eV].
    step_A : (float, float)
        Distance of the samples of the movie's wave along y and x [Å].
    debye_waller_A : float
        R.m.s. thermal displacement along one axis [Å].
    sampling_A : float
        Largest pixel of the multislice calculation [Å].
    spread_A : float
        R.m.s. distance of atoms from their slice [Å].

    Examples
    --------
    >>> PatchOptics(300e3, (0.25, 0.25)).spread_A
    0.2
    """

    energy_eV: float
    step_A: tuple[float, float]
    debye_waller_A: float = 0.0
    sampling_A: float = 1 / 9
    spread_A: float = 0.2


@dataclass(frozen=True)
class Patch:
    """The exit wave of a particle on a small grid, in Fourier space.

    Parameters
    ----------
    spectrum : array (Y, X), complex64
        Fourier coefficients of the wave less the 1 of vacuum, in the transform's order.
    middle : (int, int)
        Row and column of the crystal's middle.
    """

    spectrum: np.ndarray = field(repr=False)
    middle: tuple[int, int]

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return self.spectrum.nbytes


def particle_patch(symbol: str, positions_A: np.ndarray, optics: PatchOptics) -> Patch:
    """Send a plane wave through a particle.

    Parameters
    ----------
    symbol : str
        Element.
    positions_A : array (n, 3), float
        Atoms about the crystal's middle, z along the beam [Å].
    optics : PatchOptics
        Energy and grids.

    Returns
    -------
    Patch
        The exit wave on samples as far apart as the movie's.

    Examples
    --------
    >>> patch = particle_patch("Au", np.zeros((1, 3)), PatchOptics(300e3, (0.25, 0.25)))
    >>> patch.spectrum.shape, patch.middle
    ((40, 40), (20, 20))
    """
    low, high = positions_A.min(axis=0), positions_A.max(axis=0)
    shape, middle = [0, 0], [0, 0]
    for axis, side in ((0, 1), (1, 0)):
        step = optics.step_A[axis]
        middle[axis] = math.ceil((_AROUND_A - low[side]) / step)
        shape[axis] = fft.next_fast_len(math.ceil((high[side] + _AROUND_A) / step) + middle[axis])
    step_y, step_x = optics.step_A
    cell = (shape[1] * step_x, shape[0] * step_y, high[2] - low[2] + 2 * _ABOVE_BELOW_A)
    offset_A = np.array([middle[1] * step_x, middle[0] * step_y, _ABOVE_BELOW_A - low[2]])
    wave = exit_wave(
        Atoms(f"{symbol}{len(positions_A)}", positions=positions_A + offset_A, cell=cell),
        energy_eV=optics.energy_eV,
        sampling_A=optics.sampling_A,
        debye_waller_A=optics.debye_waller_A,
        spread_A=optics.spread_A,
    )
    spectrum = _resized(fft.fft2(wave - np.complex64(1), workers=1) / wave.size, (shape[0], shape[1]))
    # What the movie's coarser samples cannot hold rings a little; its end must not show as an edge.
    scattered = fft.ifft2(spectrum, norm="forward", workers=1)
    scattered *= np.outer(*(_fade(n, _FADE_A / step) for n, step in zip(shape, optics.step_A, strict=True)))
    return Patch(fft.fft2(scattered, norm="forward", workers=1), (middle[0], middle[1]))


def multiply_patch(wave: np.ndarray, patch: Patch, at: tuple[float, float]) -> None:
    """Multiply a particle's wave onto the movie's, in place; shifts below a sample are phases.

    Parameters
    ----------
    wave : array (Y, X), complex64
        The movie's wave; parts of the patch outside of it are cut off.
    patch : Patch
        The particle's.
    at : (float, float)
        Row and column at which the crystal's middle comes to lie.

    Examples
    --------
    >>> wave = np.ones((8, 8), np.complex64)
    >>> patch = Patch(np.array([[0.5]], np.complex64), (0, 0))
    >>> multiply_patch(wave, patch, (2.0, 3.0))
    >>> wave[2, 3].item(), wave.sum().item()
    ((1.5+0j), (64.5+0j))
    """
    whole = [math.floor(place) for place in at]
    phases = [
        np.exp(-2j * math.pi * np.fft.fftfreq(n) * (place - start))
        for n, place, start in zip(patch.spectrum.shape, at, whole, strict=True)
    ]
    shifted = patch.spectrum * np.outer(*phases).astype(np.complex64)
    first = [start - middle for start, middle in zip(whole, patch.middle, strict=True)]
    into, out_of = [], []
    for start, length, size in zip(first, patch.spectrum.shape, wave.shape, strict=True):
        begin, end = max(start, 0), min(start + length, size)
        if begin >= end:
            return
        into.append(slice(begin, end))
        out_of.append(slice(begin - start, end - start))
    scattered = fft.ifft2(shifted, norm="forward", workers=1)[tuple(out_of)]
    wave[tuple(into)] *= scattered + np.complex64(1)


def support_wave(
    rng: np.random.Generator,
    shape: tuple[int, int],
    extent_A: tuple[float, float],
    *,
    energy_eV: float,
    thickness_A: float,
) -> np.ndarray:
    """Send a plane wave through a film of amorphous carbon, as one slice that repeats itself at the edges.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the atoms.
    shape : (int, int)
        Rows and columns.
    extent_A : (float, float)
        Sides along x and y [Å].
    energy_eV : float
        Beam energy [eV].
    thickness_A : float
        Thickness of the film [Å]; 0 leaves a wave of 1.

    Returns
    -------
    array (Y, X), complex64
        exp(iσV), of modulus 1.

    Raises
    ------
    SettingsError
        If the thickness is negative.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wave = support_wave(rng, (64, 64), (16.0, 16.0), energy_eV=3e5, thickness_A=20)
    >>> bool(np.allclose(abs(wave), 1, atol=1e-6)), bool(0.05 < np.angle(wave).std() < 0.5)
    (True, True)
    """
    if not 0 <= thickness_A < math.inf:
        raise SettingsError(f"support_thickness_A: expected 0 Å or more, got {thickness_A}")
    if thickness_A == 0:
        return np.ones(shape, np.complex64)
    from abtem.core.energy import energy2sigma
    from abtem.parametrizations import validate_parametrization

    known: Any = validate_parametrization("kirkland")
    area_A2, n_samples = extent_A[0] * extent_A[1], shape[0] * shape[1]
    q_y = np.fft.fftfreq(shape[0], extent_A[1] / shape[0])
    q_x = np.fft.rfftfreq(shape[1], extent_A[0] / shape[1])
    q_squared = q_y[:, np.newaxis] ** 2 + q_x**2
    factor = known.projected_scattering_factor("C")(q_squared)
    factor *= np.exp(-2 * math.pi**2 * _CARBON_SMEARING_A**2 * q_squared)
    # The sum over N random atoms has variance N; that of white noise has variance n_samples.
    factor *= math.sqrt(_CARBON_PER_A3 * thickness_A * area_A2 * n_samples) / area_A2
    # The mean inner potential turns the phase of everything alike.
    factor[0, 0] = 0
    white = fft.rfft2(rng.standard_normal(shape, dtype=np.float32), workers=1)
    white *= factor.astype(np.float32)
    phase = fft.irfft2(white, s=shape, workers=1) * np.float32(energy2sigma(energy_eV))
    wave = np.empty(shape, np.complex64)
    np.cos(phase, out=wave.real)
    np.sin(phase, out=wave.imag)
    return wave


def _fade(n_samples: int, over: float) -> np.ndarray:
    """Rise from 0 to 1 over the first samples and fall again over the last, float32."""
    from_edge = np.minimum(np.arange(n_samples), np.arange(n_samples)[::-1])
    return (0.5 - 0.5 * np.cos(math.pi * np.clip(from_edge / over, 0, 1))).astype(np.float32)


def _resized(spectrum: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut or pad a spectrum in the transform's order; the Nyquist frequency, whose sign is unknown, goes."""
    for axis, size in enumerate(shape):
        moved = np.moveaxis(spectrum, axis, 0)
        half = (min(len(moved), size) - 1) // 2
        resized = np.zeros((size, *moved.shape[1:]), np.complex64)
        resized[: half + 1] = moved[: half + 1]
        if half:
            resized[-half:] = moved[-half:]
        spectrum = np.moveaxis(resized, 0, axis)
    return np.ascontiguousarray(spectrum)
