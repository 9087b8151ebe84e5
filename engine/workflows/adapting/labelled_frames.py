"""Frames that somebody labelled by hand: opened, checked against each other, and made into masks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...base.errors import CalibrationError, DataError
from ...base.stack import Stack
from ...files.read import open_movie
from .label_masks import masks_of_labels

_MOST_PIXELS = 2**28
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
    frames: str | Path,
    masks: str | Path,
    *,
    pixel_nm: float | None = None,
    empty_frames: bool = False,
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
    empty_frames : bool
        Take frames without any mark as frames without a particle; else they are left out, as nobody may
        have looked at them.

    Returns
    -------
    LabelledFrames
        In memory.

    Raises
    ------
    CalibrationError
        If the pixel size is not known.
    DataError
        If number or size differ, a frame is missing, or labels are refused by `masks_of_labels`.
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
    for stack, path in ((movie, frames), (painted, masks)):
        if stack.missing:
            shown = ", ".join(map(str, stack.missing[:_NAMES_SHOWN]))
            raise DataError(f"{path}: frames {shown} cannot be read; mend them or leave them out")
    chosen = [
        number for number in range(painted.n_frames) if empty_frames or painted.read(number, number + 1).any()
    ]
    if not chosen:
        raise DataError(f"{masks}: expected masks that mark something, got {painted.n_frames} empty ones")
    if len(chosen) * np.prod(movie.shape[1:]) > _MOST_PIXELS:
        raise DataError(
            f"{frames}: expected a handful of labelled frames, got {len(chosen)} in {_say(movie)}; choose "
            "fewer"
        )
    inside, parted_px = masks_of_labels(_read(painted, chosen), name=str(masks))
    marked = inside.any(axis=(1, 2))
    if not (empty_frames or marked.all()):
        inside, chosen = inside[marked], [chosen[int(place)] for place in np.flatnonzero(marked)]
    dose_e_per_A2 = None if movie.dose_e_per_A2 is None else np.asarray(movie.dose_e_per_A2)[chosen]
    return LabelledFrames(
        _read(movie, chosen),
        inside,
        movie.pixel_nm,
        dose_e_per_A2,
        {"frames": movie.source, "masks": painted.source},
        _notes(parted_px, painted.n_frames - len(chosen), int(np.count_nonzero(~marked)), painted.n_frames),
    )


def _read(stack: Stack, numbers: Sequence[int]) -> np.ndarray:
    return np.concatenate([stack.read(number, number + 1) for number in numbers])


def _notes(parted_px: int, left_out: int, empty: int, n_frames: int) -> tuple[str, ...]:
    notes = []
    if parted_px:
        notes.append(
            f"{parted_px} px where labels touch are taken as background, so that particles stay apart"
        )
    if left_out:
        notes.append(
            f"{left_out} of {n_frames} frames have no mark and are left out; --empty-frames takes them as "
            "frames without a particle"
        )
    elif empty:
        notes.append(f"{empty} of {n_frames} masks are empty: learnt from as frames without a particle")
    return tuple(notes)


def _say(stack: Stack) -> str:
    frames, rows, columns = stack.shape
    return f"{frames} of {rows} × {columns} px"
