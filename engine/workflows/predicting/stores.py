"""Where the predictions of a movie are kept: one store for each kind, made empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...base.stack import Stack
from ...files.labels import create_labels
from ...files.maps import create_maps
from ...learn.reading import Reading
from ...learn.trained import TrainedModel
from .other import Other

MAPS, MASKS, COLUMNS, DISAGREEMENT = "maps.zarr", "masks.zarr", "columns.csv", "disagreement.zarr"


def name_outputs(reading: Reading, other: Other | None) -> list[str]:
    """Name the files and stores that a model's predictions go to.

    Parameters
    ----------
    reading : Reading
        How its maps are read.
    other : Other or None
        A second model, whose disagreement is mapped.

    Returns
    -------
    list of str
        Names within the folder of results.

    Examples
    --------
    >>> name_outputs(Reading("Mask", ("inside",), False, 0.5), None)
    ['maps.zarr', 'masks.zarr']
    """
    return [
        MAPS,
        *([MASKS] if reading.has_masks else []),
        *([COLUMNS] if reading.has_columns else []),
        *([DISAGREEMENT] if other else []),
    ]


def create_stores(
    out: Path,
    stack: Stack,
    series: range,
    trained: TrainedModel,
    reading: Reading,
    other: Other | None,
) -> None:
    """Make room for the predictions of all frames, all of it empty.

    Parameters
    ----------
    out : Path
        Folder of results.
    stack : Stack
        The movie.
    series : range
        First frame of each focal series, or each frame.
    trained : TrainedModel
        The model that predicts.
    reading : Reading
        How its maps are read.
    other : Other or None
        A second model, whose disagreement is mapped.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    shape = (len(series), *stack.shape[1:])
    n_images = trained.spec.in_channels
    frame_s = None if stack.frame_s is None else stack.frame_s * n_images
    more: dict[str, Any] = {
        "first_frame": series.start,
        "frames_per_map": n_images,
        "label": reading.label,
        "model": trained.card.name,
    }
    create_maps(
        out / MAPS,
        shape=(*shape, len(reading.channels)),
        channels=reading.channels,
        dtype=reading.dtype,
        pixel_nm=stack.pixel_nm,
        frame_s=frame_s,
        attributes=more,
    )
    if other is not None:
        more |= {
            "other_model": other.trained.card.name,
            "quantity": "standard deviation of the two models' maps, the largest of the channels",
        }
        create_maps(
            out / DISAGREEMENT,
            shape=shape,
            channels=None,
            dtype=reading.dtype,
            pixel_nm=stack.pixel_nm,
            frame_s=frame_s,
            attributes=more,
        )
    if reading.has_masks:
        create_labels(out / MASKS, shape=shape, pixel_nm=stack.pixel_nm, frame_s=frame_s, name="masks")
