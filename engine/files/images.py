"""Single images (PNG, JPEG, BMP, GIF) and their short animations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError
from ..base.stack import Stack
from .calibration import Found, finish_stack, read_errors
from .microscope import silence
from .tiff import grey_of

_GREY_MODES = {"1": "|b1", "L": "|u1", "I;16": "<u2", "I;16B": "<u2", "I": "<i4", "F": "<f4"}
_COLOUR_MODES = ("RGB", "RGBA", "P", "LA", "PA")


@dataclass(frozen=True)
class ImageFrames:
    """The frames of one picture file.

    Parameters
    ----------
    path : str
        The file.
    shape : (int, int, int)
        Number of frames, rows and columns (T, Y, X).
    stored : str
        Type of a pixel.
    painted : bool
        True where colours mark pixels: a pixel is its brightest channel, not a grey value.
    """

    path: str
    shape: tuple[int, int, int]
    stored: str
    painted: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self.stored)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        from PIL import Image

        start, stop, _ = slice(start, stop).indices(self.shape[0])
        frames = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        with read_errors(Path(self.path), "a picture"), silence(), Image.open(self.path) as image:
            for index in range(start, stop):
                image.seek(index)
                grey = _grey(image, Path(self.path), painted=self.painted)
                if grey.shape != frames.shape[1:]:
                    raise DataError(f"{self.path}: expected {frames.shape[1:]} pixels, got {grey.shape}")
                frames[index - start] = grey
        return frames


def open_image(path: Path, found: Found) -> Stack:
    """Open a picture as a movie of one frame, or an animation as a movie.

    Parameters
    ----------
    path : Path
        The file.
    found : Found
        Receives what the file says; carries a pixel size given by the user.

    Returns
    -------
    Stack
        Without pixel size, which pictures do not carry for a microscope.

    Raises
    ------
    ReadError, DataError
        One line that says what is wrong; true colours are refused.
    """
    with read_errors(path, "a picture"), silence():
        if path.stat().st_size == 0:
            raise ReadError(f"{path} is empty; copy the file again")
        frames, colour = probe_image(path)
        frames = replace(frames, painted=found.painted)
        frames.read(0, 1)
        if colour and not found.painted:
            found.notes.append("grey values stored as colour were read as grey")
        return finish_stack(frames, found, path)


def probe_image(path: Path) -> tuple[ImageFrames, bool]:
    """Find a picture's shape and type from its header alone.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    frames : ImageFrames
        The picture's frames, unread.
    colour : bool
        True where the picture is stored as colour.

    Raises
    ------
    ReadError, DataError
        If it is no picture, or one without grey values.
    """
    from PIL import Image

    with read_errors(path, "a picture"), silence(), Image.open(path) as image:
        if image.mode not in _GREY_MODES and image.mode not in _COLOUR_MODES:
            raise DataError(f"{path} is a {image.mode} image; expected grey values: export it as grey")
        shape = (int(getattr(image, "n_frames", 1)), image.height, image.width)
        colour = image.mode in _COLOUR_MODES
        return ImageFrames(str(path), shape, _GREY_MODES.get(image.mode, "|u1")), colour


def _grey(image: Any, path: Path, *, painted: bool) -> np.ndarray:
    if image.mode in _GREY_MODES:
        return np.asarray(image).astype(_GREY_MODES[image.mode], copy=False)
    colours = np.asarray(image.convert("RGB"))
    return colours.max(axis=-1) if painted else grey_of(np.moveaxis(colours, -1, 0), path)
