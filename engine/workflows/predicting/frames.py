"""One frame, or focal series, of a movie for a network: how it is read, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ...base.stack import Stack
from ...learn.orientations import predict_orientations
from ...learn.predict import Predictor
from ...learn.runtimes import Runtime
from ...learn.trained import TrainedModel
from ...learn.windows import WindowPlan
from ..tracking.segmentation import read_frames


def read_series(stack: Stack, frames: range, n_images: int) -> Iterator[np.ndarray | None]:
    """Read a movie's frames, or its consecutive focal series, one at a time.

    Parameters
    ----------
    stack : Stack
        The movie.
    frames : range
        The frames, as many as whole series have.
    n_images : int
        Images of a series (F).

    Yields
    ------
    array (F, Y, X) or None
        Each series; None where a frame of it is missing or cannot be read.

    Examples
    --------
    >>> movie = Stack.from_array(np.zeros((6, 4, 5)))
    >>> [series.shape for series in read_series(movie, range(6), 3)]
    [(3, 4, 5), (3, 4, 5)]
    """
    waiting: list[np.ndarray | None] = []
    for frame in read_frames(stack, frames.start, frames.stop):
        waiting.append(frame)
        if len(waiting) == n_images:
            there = [one for one in waiting if one is not None]
            yield np.stack(there) if len(there) == n_images else None
            waiting = []


def find_fault(series: np.ndarray | None) -> tuple[str, int]:
    """Say why a series shows nothing, and how many of its pixels are not finite.

    Parameters
    ----------
    series : array (F, Y, X) or None
        As `read_series` gives it.

    Returns
    -------
    str, int
        "unreadable", "blank" (one value everywhere in an image, or no finite one) or ""; pixels.

    Examples
    --------
    >>> find_fault(None), find_fault(np.ones((1, 4, 4)))
    (('unreadable', 0), ('blank', 0))
    """
    if series is None:
        return "unreadable", 0
    finite = np.isfinite(series) if series.dtype.kind == "f" else np.ones(series.shape, bool)
    n_lacking = int(series.size - np.count_nonzero(finite))
    for image, known in zip(series, finite, strict=True):
        values = image[known] if n_lacking else image
        if values.size == 0 or values.min() == values.max():
            return "blank", n_lacking
    return "", n_lacking


class NamedPredictor(Predictor):
    """A predictor that can look at a frame in several orientations, and remembers what ran the network."""

    def __init__(self, trained: TrainedModel, *, orientations: int = 1, **how: Any) -> None:
        super().__init__(trained, **how)
        self.orientations = orientations
        self.used = ""

    def __call__(self, frame: np.ndarray, *, sampling_A: float | None = None) -> np.ndarray:
        """Predict a frame's maps, averaged over orientations where more than one is asked for."""
        predict = partial(super().__call__, sampling_A=sampling_A)
        if self.orientations == 1:
            return predict(frame)
        return predict_orientations(predict, frame, orientations=self.orientations)

    def runtime_for(self, plan: WindowPlan) -> Runtime:
        """Give what runs the network on a plan's windows, made at the first call."""
        runtime = super().runtime_for(plan)
        self.used = runtime.name
        return runtime
