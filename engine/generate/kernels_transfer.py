"""Compiled passes over a wave's spectrum and its points; imported only inside functions.

Phases are in float64, since aberrations reach hundreds of turns. The loops have no branches and call no
mathematical library, so that the processor takes several elements at once; sums keep their order, so that
every call, on any machine, gives the same bytes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_TURN = 2 * math.pi
_QUARTER = math.pi / 2
# From here on exp(-x) is less than float32 tells from 0 beside 1.
_DEEPEST = 40.0


@njit(cache=True, nogil=True)
def multiply_transfer(
    spectrum: np.ndarray,
    alpha_y: np.ndarray,
    alpha_x: np.ndarray,
    terms: np.ndarray,
    limit: float,
    out: np.ndarray,
) -> None:
    """Multiply a spectrum with the contrast transfer inside a disc.

    Parameters
    ----------
    spectrum : array (R, C), complex64
        Fourier coefficients of the wave.
    alpha_y, alpha_x : arrays (R,) and (C,), float64, ascending
        Scattering angles of rows and columns [rad].
    terms : array (19,), float64
        As `transfer._terms` lists them.
    limit : float
        Square of the largest angle that is kept [rad²].
    out : array (R, C), complex64
        Takes the product; left as it is outside of the disc.
    """
    rows, columns = spectrum.shape
    phase, damping = np.empty(columns), np.empty(columns)
    plain = True
    for index in range(4, 16):
        plain = plain and terms[index] == 0.0
    for row in range(rows):
        y = alpha_y[row]
        start, stop = 0, columns
        while start < stop and alpha_x[start] * alpha_x[start] + y * y > limit:
            start += 1
        while stop > start and alpha_x[stop - 1] * alpha_x[stop - 1] + y * y > limit:
            stop -= 1
        x = alpha_x[start:stop]
        if plain:
            _evaluate_round(x, y, terms, phase, damping)
        else:
            _evaluate_all(x, y, terms, phase, damping)
        _multiply(spectrum[row, start:stop], phase, damping, out[row, start:stop])


@njit(cache=True, nogil=True)
def _evaluate_round(
    alpha: np.ndarray, y: float, terms: np.ndarray, phase: np.ndarray, damping: np.ndarray
) -> None:
    """Phase and the envelopes' exponent along a row, of defocus and spherical aberration alone."""
    shift_x, shift_y, c10, c30 = terms[0], terms[1], terms[2], terms[3]
    angular, temporal, blur = terms[16], terms[17], terms[18]
    for column in range(len(alpha)):
        x = alpha[column]
        r2 = x * x + y * y
        slope = c10 + 2.0 * c30 * r2
        phase[column] = r2 * (c10 + c30 * r2) + shift_x * x + shift_y * y
        damping[column] = r2 * (temporal * r2 + blur + 4.0 * angular * slope * slope)


@njit(cache=True, nogil=True)
def _evaluate_all(
    alpha: np.ndarray, y: float, terms: np.ndarray, phase: np.ndarray, damping: np.ndarray
) -> None:
    """Phase and the envelopes' exponent along a row, of all aberrations."""
    shift_x, shift_y, c10, c30 = terms[0], terms[1], terms[2], terms[3]
    c12, s12, c21, s21, c23, s23 = terms[4], terms[5], terms[6], terms[7], terms[8], terms[9]
    c32, s32, c34, s34, c45, s45 = terms[10], terms[11], terms[12], terms[13], terms[14], terms[15]
    angular, temporal, blur = terms[16], terms[17], terms[18]
    for column in range(len(alpha)):
        x = alpha[column]
        r2 = x * x + y * y
        # Powers of w = x + iy: cosines and sines of multiples of the azimuth.
        x2, y2 = x * x - y * y, 2.0 * x * y
        x3, y3 = x2 * x - y2 * y, x2 * y + y2 * x
        x4, y4 = x2 * x2 - y2 * y2, 2.0 * x2 * y2
        x5, y5 = x4 * x - y4 * y, x4 * y + y4 * x
        mixed = (c21 * x - s21 * y) + (c32 * x2 - s32 * y2)
        value = r2 * (c10 + c30 * r2 + mixed) + shift_x * x + shift_y * y
        value += (c12 * x2 - s12 * y2) + (c23 * x3 - s23 * y3)
        value += (c34 * x4 - s34 * y4) + (c45 * x5 - s45 * y5)
        slope = 2.0 * (c10 + 2.0 * c30 * r2 + mixed)
        gradient_x = x * slope + r2 * (c21 + 2.0 * (c32 * x - s32 * y))
        gradient_y = y * slope - r2 * (s21 + 2.0 * (c32 * y + s32 * x))
        gradient_x += 2.0 * (c12 * x - s12 * y) + 3.0 * (c23 * x2 - s23 * y2)
        gradient_y -= 2.0 * (c12 * y + s12 * x) + 3.0 * (c23 * y2 + s23 * x2)
        gradient_x += 4.0 * (c34 * x3 - s34 * y3) + 5.0 * (c45 * x4 - s45 * y4)
        gradient_y -= 4.0 * (c34 * y3 + s34 * x3) + 5.0 * (c45 * y4 + s45 * x4)
        phase[column] = value
        squared = gradient_x * gradient_x + gradient_y * gradient_y
        damping[column] = r2 * (temporal * r2 + blur) + angular * squared


@njit(cache=True, nogil=True)
def _multiply(spectrum: np.ndarray, phase: np.ndarray, damping: np.ndarray, out: np.ndarray) -> None:
    """Multiply a row with exp(-damping - i·phase), good to 1e-8."""
    for column in range(len(spectrum)):
        turns = phase[column] / _TURN
        u = (turns - math.floor(turns + 0.5)) * _QUARTER
        u2 = u * u
        # Series of a quarter of the angle, at most 45°, then two doublings.
        sine = u * (1.0 - u2 / 6 * (1.0 - u2 / 20 * (1.0 - u2 / 42 * (1.0 - u2 / 72 * (1.0 - u2 / 110)))))
        cosine = 1.0 - u2 / 2 * (1.0 - u2 / 12 * (1.0 - u2 / 30 * (1.0 - u2 / 56 * (1.0 - u2 / 90))))
        sine, cosine = 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine
        sine, cosine = 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine
        # Series of a 64th of the exponent, then six squarings.
        v = min(damping[column], _DEEPEST) / 64
        size = 1.0 - v * (
            1.0
            - v
            / 2
            * (1.0 - v / 3 * (1.0 - v / 4 * (1.0 - v / 5 * (1.0 - v / 6 * (1.0 - v / 7 * (1.0 - v / 8))))))
        )
        size *= size
        size *= size
        size *= size
        size *= size
        size *= size
        size *= size
        real, imaginary = np.float32(size * cosine), np.float32(size * sine)
        value = spectrum[column]
        out[column] = complex(
            value.real * real + value.imag * imaginary, value.imag * real - value.real * imaginary
        )


@njit(cache=True, nogil=True)
def add_intensity(wave: np.ndarray, weight: np.float32, out: np.ndarray) -> None:
    """Add a wave's weighted intensity to an image.

    Parameters
    ----------
    wave : array (Y, W), complex64
        Wave, at least as wide as the image.
    weight : float32
        Its share.
    out : array (Y, X), float32
        Image that it is added to.
    """
    rows, columns = out.shape
    for row in range(rows):
        for column in range(columns):
            value = wave[row, column]
            out[row, column] += weight * (value.real * value.real + value.imag * value.imag)
