"""Pictures to look at: an image beside its label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...files.atomic import atomic_file

# Channels of a label are told apart by these colours, as in the thesis's Figure 3.6; then they repeat.
_COLOURS = np.array(
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0)], np.float32
)
_GAP_PX = 8


def save_debug_picture(
    path: Path, images: np.ndarray, label: np.ndarray, *, sampling_A: float, background: bool = False
) -> None:
    """Save a PNG of the images of a series and their label side by side.

    Parameters
    ----------
    path : Path
        The file.
    images : array (F, Y, X), float
        Electrons a pixel.
    label : array (Y, X, C)
        Its label; values between its least and greatest are shown as brightness.
    sampling_A : float
        Side of a pixel, kept as the picture's text [Å].
    background : bool
        Whether the last channel is the background, which is left black.

    Raises
    ------
    WriteError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "0.png"
    >>> save_debug_picture(path, np.ones((1, 8, 8)), np.ones((8, 8, 1)), sampling_A=0.1)
    >>> path.exists()
    True
    """
    panels = [_grey(image) for image in images] + [_coloured(label[..., : label.shape[2] - background])]
    gap = np.full((label.shape[0], _GAP_PX, 3), 255, np.uint8)
    row = [panel for pair in zip(panels, [gap] * len(panels), strict=True) for panel in pair][:-1]
    text = PngInfo()
    text.add_text("sampling", f"{sampling_A:.5f} angstrom per pixel")
    with atomic_file(path) as temporary:
        Image.fromarray(np.concatenate(row, axis=1)).save(temporary, format="PNG", pnginfo=text)


def _grey(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (0.5, 99.5))
    grey = np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _coloured(label: np.ndarray) -> np.ndarray:
    values = label.astype(np.float32)
    low = values.min(axis=(0, 1))
    span = np.maximum(values.max(axis=(0, 1)) - low, 1e-12)
    colours = _COLOURS[np.arange(values.shape[2]) % len(_COLOURS)]
    return np.clip(((values - low) / span) @ colours, 0, 255).astype(np.uint8)
