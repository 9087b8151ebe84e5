"""Frames that somebody labelled by hand: opened, checked against each other, and made into masks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import CalibrationError, DataError
from ..base.stack import Stack
from ..files.read import open_movie

_MOST_PIXELS = 2**28
_WHITE = 255
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class LabelledFrames:
    """Frames and their masks in memory.

    Parameters
    ----------
    frames : array (T, Y, X), real
        Frames as recorded.
    masks : array (T, Y, X), uint8
        1 inside particles.
    pixel_nm : float
        Side of a pixel [nm].
    dose_e_per_A2 : array (T,) or None
        Dose of each frame [e⁻/Å²], where known.
    sources : dict of str to str
        Where frames and masks come from.
    notes : tuple of str
        What a user should know of how labels were read.
    """

    frames: np.ndarray
    masks: np.ndarray
    pixel_nm: float
    dose_e_per_A2: np.ndarray | None
    sources: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def sampling_A(self) -> float:
        """Side of a pixel [Å]."""
        return 10 * self.pixel_nm

    @property
    def fingerprints(self) -> dict[str, str]:
        """Sha256 of the pixels of frames and of masks: the same wherever the files lie."""
        parts = {"frames_sha256": self.frames, "masks_sha256": self.masks}
        return {
            name: hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest()
            for name, part in parts.items()
        }

    def __len__(self) -> int:
        return len(self.frames)


def read_labelled_frames(
    frames: str | Path, masks: str | Path, *, pixel_nm: float | None = None
) -> LabelledFrames:
    """Read frames and the masks that belong to them.

    Parameters
    ----------
    frames : str or Path
        Movie, stack, image or folder of images.
    masks : str or Path
        As many masks of the same size: pictures, probabilities, or labels of particles, as napari saves its
        Labels layer (TIFF, npy, Zarr).
    pixel_nm : float or None
        Side of a pixel [nm]; None for the file's.

    Returns
    -------
    LabelledFrames
        In memory.

    Raises
    ------
    CalibrationError
        If the pixel size is not known.
    DataError
        If number or size differ, a frame is missing, no label marks anything, or labels are none.
    ReadError
        If a file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()); np.save(folder / "frames.npy", np.ones((2, 8, 8)))
    >>> np.save(folder / "labels.npy", np.kron([[[0, 0], [0, 3]]] * 2, np.ones((4, 4), int)))
    >>> read_labelled_frames(folder / "frames.npy", folder / "labels.npy", pixel_nm=0.05).masks.sum()
    np.uint64(32)
    """
    movie = open_movie(frames, pixel_nm=pixel_nm)
    painted = open_movie(masks, painted=True)
    if painted.shape != movie.shape:
        raise DataError(
            f"{masks}: expected a mask for each frame of the same size, {_say(movie)}, got {_say(painted)}"
        )
    if movie.pixel_nm is None:
        raise CalibrationError(f"{frames}: no pixel size is known, and a network needs it; give --pixel-nm")
    if np.prod(movie.shape) > _MOST_PIXELS:
        raise DataError(
            f"{frames}: expected a handful of labelled frames, got {_say(movie)}; choose the few that are "
            "labelled"
        )
    for stack, path in ((movie, frames), (painted, masks)):
        if stack.missing:
            shown = ", ".join(map(str, stack.missing[:_NAMES_SHOWN]))
            raise DataError(f"{path}: frames {shown} cannot be read; mend them or leave them out")
    notes: list[str] = []
    labels = painted.read(0, painted.n_frames)
    inside = np.zeros(labels.shape, np.uint8)
    parted = 0
    for number, label in enumerate(labels):
        inside[number] = mask_of_label(label, name=f"{masks}: mask {number}")
        parted += int(np.count_nonzero(labels_are_inside(label)) - np.count_nonzero(inside[number]))
    if not inside.any():
        raise DataError(f"{masks}: expected masks that mark something, got {len(inside)} empty ones")
    if parted:
        notes.append(f"{parted} px where labels touch are taken as background, so that particles stay apart")
    empty = int(np.count_nonzero(~inside.any(axis=(1, 2))))
    if empty:
        notes.append(f"{empty} of {len(inside)} masks are empty: learnt from as frames without a particle")
    sources = {"frames": movie.source, "masks": painted.source}
    recorded = movie.read(0, movie.n_frames)
    return LabelledFrames(recorded, inside, movie.pixel_nm, movie.dose_e_per_A2, sources, tuple(notes))


def mask_of_label(label: np.ndarray, *, name: str = "mask") -> np.ndarray:
    """Make the mask that a network learns from a label of any usual kind.

    Parameters
    ----------
    label : array (Y, X)
        Mask (bool, or black and white), probabilities from 0 to 1, or numbers of particles, 0 outside.
    name : str
        What to call it where it is refused.

    Returns
    -------
    array (Y, X), uint8
        1 inside; 0 where particles of two numbers touch, so that the network learns to keep them apart.

    Raises
    ------
    DataError
        If numbers are negative, not finite, or neither whole nor probabilities.

    Examples
    --------
    >>> mask_of_label(np.array([[0, 2, 2, 2, 5, 5]])).tolist()
    [[0, 1, 1, 0, 0, 1]]
    """
    inside = labels_are_inside(label, name=name)
    numbers = np.asarray(label)
    if numbers.dtype.kind == "b" or _is_picture(numbers) or not _has_numbers(numbers):
        return inside.astype(np.uint8)
    from scipy import ndimage

    # Least and greatest number of the neighbourhood's particles; pixels outside of all must not count.
    least = ndimage.minimum_filter(np.where(inside, numbers, numbers.max()), size=3, mode="nearest")
    most = ndimage.maximum_filter(np.where(inside, numbers, 0), size=3, mode="nearest")
    return np.asarray(inside & (least == most), np.uint8)


def labels_are_inside(labels: np.ndarray, *, name: str = "mask") -> np.ndarray:
    """Tell what a label marks, whatever its kind.

    Parameters
    ----------
    labels : array (Y, X)
        As `mask_of_label` takes it.
    name : str
        What to call it where it is refused.

    Returns
    -------
    array of the same shape, bool
        True inside.

    Raises
    ------
    DataError
        As `mask_of_label`.

    Examples
    --------
    >>> labels_are_inside(np.array([[0.2, 0.7], [0.0, 1.0]])).tolist()
    [[False, True], [False, True]]
    """
    numbers = np.asarray(labels)
    if numbers.dtype.kind not in "buif" or not np.isfinite(numbers).all():
        raise DataError(f"{name}: expected finite real numbers, got {numbers.dtype}")
    if numbers.dtype.kind == "b":
        return numbers
    if numbers.min(initial=0) < 0:
        raise DataError(f"{name}: expected 0 outside and more inside, got {numbers.min():g}")
    if numbers.dtype.kind == "f" and not _is_whole(numbers):
        if numbers.max(initial=0) > 1:
            raise DataError(
                f"{name}: expected probabilities from 0 to 1 or whole numbers, got {numbers.max():g}"
            )
        return numbers > 0.5
    return numbers > _WHITE // 2 if _is_picture(numbers) else numbers > 0


def _is_whole(numbers: np.ndarray) -> bool:
    return bool((numbers == np.floor(numbers)).all())


def _has_numbers(numbers: np.ndarray) -> bool:
    return numbers.dtype.kind in "ui" or _is_whole(numbers)


def _is_picture(numbers: np.ndarray) -> bool:
    """Tell a white mask with grey, smoothed edges from numbers of particles."""
    if numbers.dtype != np.uint8:
        return False
    marked = np.count_nonzero(numbers)
    return bool(marked > 0 and 2 * np.count_nonzero(numbers == _WHITE) > marked)


def _say(stack: Stack) -> str:
    frames, rows, columns = stack.shape
    return f"{frames} of {rows} × {columns} px"
