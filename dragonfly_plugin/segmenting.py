"""Masks of a movie by a trained network, into a file: what hosts without a network ask of another Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from numpy.lib.format import open_memmap

from temflux.engine.base.errors import ReadError
from temflux.engine.files.atomic import atomic_file
from temflux.engine.files.read import open_movie
from temflux.engine.images.clean import finite_frame
from temflux.engine.workflows.tracking.segmentation import choose_segmentation, read_frames


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
        for index, frame in enumerate(read_frames(stack, 0, stack.n_frames)):
            if frame is None:
                raise ReadError(f"{movie}: frame {index} cannot be read")
            masks[index] = segmentation.mask(index, finite_frame(frame)[0])
            yield f"{index + 1} {stack.n_frames}"
        masks.flush()
        del masks
    for note in segmentation.notes:
        yield f"note: {note}"
