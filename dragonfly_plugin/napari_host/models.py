"""Masks of a movie by a network of the zoo, as a labels layer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from temflux.engine.base.errors import DataError
from temflux.engine.base.stack import Stack

from ..results import Step
from .layers import PaintedFrames
from .showing import labels_layer, make_layers

if TYPE_CHECKING:
    from napari.layers import Layer


def models_of_masks() -> dict[str, str]:
    """List the models of the zoo that mark particles, and what each is for.

    Returns
    -------
    dict of str to str
        Name to task.

    Raises
    ------
    DataError
        If there is none.
    """
    from temflux.engine.learn.model_files import list_models

    models = {card.name: card.task for card in list_models() if card.label == "Mask"}
    if not models:
        raise DataError("no model of masks comes with this copy; make one: temflux train")
    return models


def mark_particles(stack: Stack, name: str) -> Generator[Step, None, tuple[list[Layer], tuple[str, ...]]]:
    """Mark the particles of a movie frame by frame.

    Parameters
    ----------
    stack : Stack
        A calibrated movie.
    name : str
        Name of a model.

    Yields
    ------
    Step
        Frames done.

    Returns
    -------
    layers : list of one Labels layer
        Marked pixels are 1.
    notes : tuple of str
        In what the movie lies outside of what the model was trained on, and frames that cannot be read.
    """
    from temflux.engine.measure.runs import runs_of_labels
    from temflux.engine.workflows.tracking.segmentation import choose_segmentation

    from ..segmenting import mark_frames, say_unread

    # Networks take seconds to load; what the user sees meanwhile is what happens.
    yield Step(f"loading {name}", 0, stack.n_frames)
    segmentation = choose_segmentation(stack, f"model:{name}")
    runs: list[np.ndarray] = []
    unread: list[int] = []
    for index, found in enumerate(mark_frames(stack, segmentation)):
        mask = np.zeros(stack.shape[1:], bool) if found is None else found
        if found is None:
            unread.append(index)
        # Runs take a hundredth of the room of pixels.
        runs.append(runs_of_labels(mask.astype(np.uint8)))
        yield Step(f"marking with {name}", index + 1, stack.n_frames)
    shape = stack.shape
    paint = partial(_paint_runs, runs, shape[1:])
    frames = PaintedFrames(paint, shape, np.dtype(np.int32))
    masks = replace(stack, frames=frames, name=f"{stack.name}, {name}", fingerprint="", missing=())
    return make_layers([labels_layer(masks.name, masks)]), (*segmentation.notes, *say_unread(unread))


def _paint_runs(runs: list[np.ndarray], shape: tuple[int, int], frame: int) -> np.ndarray:
    from temflux.engine.measure.runs import labels_of_runs

    return labels_of_runs(runs[frame], shape)
