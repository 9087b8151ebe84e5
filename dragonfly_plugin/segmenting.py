"""Masks of a movie by a trained network: for a window, or into a file for hosts without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from temflux.engine.base.stack import Stack
from temflux.engine.files.atomic import atomic_file
from temflux.engine.files.read import open_movie
from temflux.engine.images.clean import finite_frame
from temflux.engine.workflows.tracking.segmentation import Segmentation, choose_segmentation, read_frames


def mark_frames(stack: Stack, segmentation: Segmentation) -> Iterator[np.ndarray | None]:
    """Mark the particles of a movie frame by frame.

    Parameters
    ----------
    stack : Stack
        The movie.
    segmentation : Segmentation
        What marks them.

    Yields
    ------
    array (Y, X), bool, or None
        Masks; None for a frame that cannot be read.
    """
    for index, frame in enumerate(read_frames(stack, 0, stack.n_frames)):
        yield None if frame is None else segmentation.mask(index, finite_frame(frame)[0])


def say_unread(unread: Sequence[int]) -> tuple[str, ...]:
    """Say which frames could not be read; nothing where all could."""
    if not unread:
        return ()
    return (f"frames that cannot be read, nothing is marked in them: {', '.join(map(str, unread))}",)


def write_masks(model: str, movie: str, out: Path) -> Iterator[str]:
    """Mark the particles of a movie frame by frame.

    Parameters
    ----------
    model : str
        Name of the zoo, or a model's folder.
    movie : str
        A calibrated movie's file or folder.
    out : Path
        File of the masks (T, Y, X), bool, .npy; whole or not there.

    Yields
    ------
    str
        "done total" after each frame, then "note: …" for what the user should know.

    Raises
    ------
    TemfluxError
        If the movie or the model cannot be used, or the masks cannot be written.
    """
    stack = open_movie(movie)
    segmentation = choose_segmentation(stack, f"model:{model}")
    with atomic_file(out) as temporary:
        masks = open_memmap(temporary, mode="w+", dtype=bool, shape=stack.shape)
        unread = []
        for index, mask in enumerate(mark_frames(stack, segmentation)):
            if mask is None:
                unread.append(index)
            else:
                masks[index] = mask
            yield f"{index + 1} {stack.n_frames}"
        masks.flush()
        del masks
    for note in (*segmentation.notes, *say_unread(unread)):
        yield f"note: {note}"
