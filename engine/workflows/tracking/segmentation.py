"""How a movie's particles are marked: chosen once for the whole movie, then applied frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ...base.errors import CalibrationError, DataError, ReadError, SettingsError
from ...base.stack import Stack
from ...files.read import open_movie
from ...images.clean import finite_frame
from ...images.threshold import choose_threshold, segment_by_threshold
from ...learn.model_files import load_model
from ...learn.predict import Predictor
from ...learn.reading import Reading, choose_reading, predict_maps
from ..predicting.notes import range_notes

PROBABILITY_THRESHOLD = 0.9
_READ_BYTES = 64 * 2**20
_SAMPLE_BYTES = 256 * 2**20
_SAMPLE_FRAMES = 4


@dataclass(frozen=True)
class Segmentation:
    """A threshold with chosen settings, masks from elsewhere, or a trained network.

    Parameters
    ----------
    threshold : mapping
        Keywords of `segment_by_threshold`; not used where there are masks.
    masks : Stack or None
        One mask, label image or probability map (Y, X) for each frame.
    model : str
        Folder or name of a trained network that marks masks; empty for none.
    fingerprint : str
        What tells the network from another one that may come to lie in its folder.
    sampling_A : float or None
        Pixel size of the movie, which a network needs [Å].
    outside : tuple of str
        In what the movie lies outside of what the network was trained on.
    """

    threshold: Mapping[str, Any] = field(default_factory=dict)
    masks: Stack | None = None
    model: str = ""
    fingerprint: str = ""
    sampling_A: float | None = None
    outside: tuple[str, ...] = ()

    def mask(self, index: int, frame: np.ndarray) -> np.ndarray:
        """Mark the particles of a frame, an array (Y, X) of bool."""
        if self.model:
            predictor, reading = _open_model(self.model, self.fingerprint)
            maps = predict_maps(predictor, frame[np.newaxis], reading, sampling_A=self.sampling_A)
            return reading.label_pixels(maps) > 0
        if self.masks is None:
            return segment_by_threshold(frame, **self.threshold)
        mask = self.masks.read(index, index + 1)[0]
        return mask > PROBABILITY_THRESHOLD if mask.dtype.kind == "f" else mask != 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the masks, or of a network used beyond what it was trained on."""
        if self.model:
            return self.outside
        return () if self.masks is None else tuple(f"masks: {note}" for note in self.masks.notes)

    def describe(self) -> dict[str, Any]:
        """Say for the record how particles were marked."""
        if self.model:
            model = load_model(self.model)
            return {
                "kind": "model",
                "name": model.card.name,
                "sha256": dict(model.card.sha256),
                "probability_threshold": choose_reading(model).threshold,
            }
        if self.masks is None:
            return {"kind": "threshold", **self.threshold}
        return {"kind": "masks", "source": self.masks.source, "fingerprint": self.masks.fingerprint}


def choose_segmentation(stack: Stack, segment: str, *, polarity: str = "auto") -> Segmentation:
    """Choose how the particles of a movie are marked.

    Parameters
    ----------
    stack : Stack
        The movie.
    segment : str
        "threshold", "masks:PATH", or "model:NAME" (a name of the zoo, or a folder).
    polarity : str
        "auto", "dark" or "bright", for the threshold.

    Returns
    -------
    Segmentation
        The same for every frame of the movie.

    Raises
    ------
    DataError
        If the masks' shape is not the movie's, or no frame can be read.
    CalibrationError
        If a network is to be used and the pixel size is not known.
    SettingsError
        If a network marks no masks, or takes a focal series.
    ReadError
        If the masks or the model cannot be read.
    """
    kind, _, path = segment.partition(":")
    if kind == "model":
        _check_model(path, stack)
        model = load_model(path)
        return Segmentation(
            model=path,
            fingerprint=model.fingerprint,
            sampling_A=10 * (stack.pixel_nm or 0.0),
            outside=tuple(range_notes(model.card, stack, range(stack.n_frames))),
        )
    if kind == "masks":
        masks = open_movie(path, painted=True)
        if masks.shape != stack.shape:
            raise DataError(
                f"{path}: expected masks of the movie's shape {stack.shape} (frames, rows, columns), "
                f"got {masks.shape}"
            )
        return Segmentation(masks=masks)
    samples = sample_frames(stack)
    return Segmentation(threshold=choose_threshold(samples, polarity=polarity))


def _check_model(path: str, stack: Stack) -> None:
    """See that a network marks masks in single frames, and that its pixel size is known."""
    model = load_model(path)
    if model.card.label != "Mask" or model.spec.in_channels != 1:
        raise SettingsError(
            f"model:{path}: expected one that marks particles (Mask) in single frames, got one for "
            f"{model.card.label} in {model.spec.in_channels}"
        )
    if stack.pixel_nm is None:
        raise CalibrationError(
            f"{stack.source}: a network needs the pixel size; give --pixel-nm, or use --segment threshold"
        )


@lru_cache(maxsize=1)
def _open_model(path: str, fingerprint: str) -> tuple[Predictor, Reading]:
    """Make a network ready once a process; one thread, so that bytes do not depend on how many there are."""
    model = load_model(path)
    if fingerprint and model.fingerprint != fingerprint:
        raise SettingsError(f"model:{path}: was replaced while it was in use; run the command again")
    return Predictor(model, threads=1), choose_reading(model)


def sample_frames(stack: Stack) -> np.ndarray:
    """Read a few frames from all over a movie, within a fixed budget of memory.

    Parameters
    ----------
    stack : Stack
        The movie.

    Returns
    -------
    array (n, Y, X)
        At most 4 frames, evenly spaced, without those that are unreadable.

    Raises
    ------
    DataError
        If none of them can be read.
    """
    frame_bytes = 4 * stack.shape[1] * stack.shape[2]
    wanted = min(stack.n_frames, _SAMPLE_FRAMES, max(2, _SAMPLE_BYTES // frame_bytes))
    readable = np.setdiff1d(np.arange(stack.n_frames), stack.missing)
    places = np.linspace(0, max(len(readable) - 1, 0), min(wanted, len(readable))).round().astype(int)
    chosen = readable[places].tolist()
    frames = [frame for index in chosen for frame in read_frames(stack, index, index + 1)]
    usable = [finite_frame(frame)[0] for frame in frames if frame is not None]
    if not usable:
        raise DataError(f"{stack.source}: expected frames to choose a threshold from, could read none")
    return np.stack(usable)


def read_frames(stack: Stack, start: int, stop: int) -> Iterator[np.ndarray | None]:
    """Read frames a few at a time, within a fixed budget of memory.

    Parameters
    ----------
    stack : Stack
        The movie.
    start, stop : int
        First frame, and the one after the last.

    Yields
    ------
    array (Y, X) or None
        Each frame; None for one that is known to be missing, or cannot be read where each frame is a file.

    Raises
    ------
    ReadError
        If a frame of a movie in one file cannot be read.

    Examples
    --------
    >>> len(list(read_frames(Stack.from_array(np.zeros((3, 4, 5))), 0, 2)))
    2
    """
    frame_bytes = stack.shape[1] * stack.shape[2] * stack.dtype.itemsize
    at_once = 1 if stack.one_file_a_frame else max(1, _READ_BYTES // frame_bytes)
    for first in range(start, stop, at_once):
        last = min(first + at_once, stop)
        try:
            frames = stack.read(first, last)
        except ReadError:
            if not stack.one_file_a_frame:
                raise
            yield None
            continue
        for index, frame in enumerate(frames, start=first):
            yield None if index in stack.missing else frame
