"""A few frames of a predicted movie beside their maps, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.stack import Stack
from ...files.atomic import atomic_file
from ...files.labels import open_labels
from ...files.maps import open_maps
from ...learn.reading import Reading
from ...report.predictions import PredictedFrame, draw_predictions, main_map
from .stores import DISAGREEMENT, MAPS, MASKS

_PREVIEWS, _PREVIEW_PX = 3, 1024


def write_preview(
    out: Path, stack: Stack, series: range, reading: Reading, records: Sequence[Mapping[str, Any]]
) -> None:
    """Draw a few frames beside their maps to preview.png; nothing where no frame could be used.

    Parameters
    ----------
    out : Path
        Folder of results, which the frames' maps are read from.
    stack : Stack
        The movie.
    series : range
        First frame of each focal series, or each frame.
    reading : Reading
        How maps are read.
    records : sequence of dict
        Lines of the journal: `fault`, and `differing_share` where a second model was run.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    usable = [number for number, record in enumerate(records) if not record["fault"]]
    chosen = {usable[round(at)] for at in np.linspace(0, len(usable) - 1, _PREVIEWS) if usable}
    if not chosen:
        return
    drawn = [_shown(out, stack, series, reading, number, records[number]) for number in sorted(chosen)]
    png = draw_predictions(
        drawn, classes=reading.classes, pixel_nm=stack.pixel_nm, is_probability=reading.is_probability
    )
    with atomic_file(out / "preview.png") as temporary:
        temporary.write_bytes(png)


def _shown(
    out: Path, stack: Stack, series: range, reading: Reading, number: int, record: Mapping[str, Any]
) -> PredictedFrame:
    maps = np.asarray(open_maps(out / MAPS)[number], np.float32)
    frame = series[number]
    drawn = main_map(maps, reading.classes, reading.is_probability)
    shown = PredictedFrame(
        f"frame {frame}", stack.read(frame, frame + 1)[0], _thinned(drawn)[..., np.newaxis]
    )
    if (out / DISAGREEMENT).exists():
        deviation = np.asarray(open_maps(out / DISAGREEMENT)[number], np.float32)
        shown = shown.with_disagreement(_thinned(deviation), record.get("differing_share"))
    if reading.has_masks:
        return shown.with_mask(np.asarray(open_labels(out / MASKS)[number]))
    if reading.has_columns:
        sampling_A = 10 * (stack.pixel_nm or 0.0)
        xy_A, kinds, _ = reading.find_columns(maps, sampling_A=sampling_A)
        return shown.with_columns(xy_A / sampling_A, kinds)
    return shown


def _thinned(values: np.ndarray) -> np.ndarray:
    step = -(-max(values.shape) // _PREVIEW_PX)
    return values[::step, ::step].copy()
