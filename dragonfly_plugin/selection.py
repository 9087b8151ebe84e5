"""What a user selected in a host, in the engine's words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.base.stack import Stack

# Hosts keep spacings as floats that went through metres.
_SAME_PIXEL = 1e-3


@dataclass(frozen=True)
class Particle:
    """One particle of a movie of masks or labels, or all that are marked in it.

    Parameters
    ----------
    masks : Stack
        Masks or labels (T, Y, X), with the pixel size [nm] and times [s] that the host knows.
    label : int or None
        The particle's label; None for everything that is not 0.
    name : str
        What the user calls it.
    """

    masks: Stack
    label: int | None = None
    name: str = "particle"

    def mask(self, frame: int) -> np.ndarray:
        """Give the particle's mask (Y, X), bool, in one frame."""
        pixels = self.masks.read(frame, frame + 1)[0]
        return np.asarray(pixels != 0 if self.label is None else pixels == self.label)


@dataclass(frozen=True)
class Selection:
    """What the user selected in the host.

    Parameters
    ----------
    particles : tuple of Particle
        Binary segmentations, or single labels.
    image : Stack or None
        The movie that they were marked in.
    """

    particles: tuple[Particle, ...] = ()
    image: Stack | None = None


def check_selection(selection: Selection) -> None:
    """Refuse a selection that no item can use.

    Parameters
    ----------
    selection : Selection
        What the user selected.

    Raises
    ------
    DataError
        If there is no frame, or shapes differ.
    CalibrationError
        If a pixel size is not known, or two differ.
    """
    stacks = [particle.masks for particle in selection.particles]
    stacks += [] if selection.image is None else [selection.image]
    shapes = {stack.shape for stack in stacks}
    if len(shapes) > 1:
        told = " and ".join(str(shape) for shape in sorted(shapes))
        raise DataError(f"expected a selection of one shape (frames, rows, columns), got {told}")
    if any(0 in shape for shape in shapes):
        raise DataError("the selection is empty; mark at least one pixel, or choose another object")
    pixels = sorted({pixel_nm_of(stack) for stack in stacks})
    if pixels and pixels[-1] > pixels[0] * (1 + _SAME_PIXEL):
        told = " and ".join(f"{pixel:g} nm" for pixel in pixels)
        raise CalibrationError(f"expected one pixel size, got {told}; calibrate both alike")


def pixel_nm_of(stack: Stack) -> float:
    """Give the pixel size [nm] of a movie; raise CalibrationError where it is not known."""
    if stack.pixel_nm is None:
        raise CalibrationError(
            f"{stack.name}: the pixel size is not known; calibrate it in the host, or give it in nm"
        )
    return stack.pixel_nm


def times_s_of(stack: Stack) -> np.ndarray:
    """Give the time (T,) of each frame [s]; NaN where it is not known."""
    return np.full(stack.n_frames, np.nan) if stack.times_s is None else np.asarray(stack.times_s, float)
