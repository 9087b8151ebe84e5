"""Columns as a network finds them: predicted as `temflux predict` does, read from its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...base.errors import CalibrationError, SettingsError
from ...base.stack import Stack
from ...base.tables import Columns
from ...learn.model_files import load_model
from ...learn.reading import choose_reading
from ..predict import predict_movie
from ..predicting.settings import PredictSettings
from ..predicting.stores import COLUMNS
from .settings import ColumnsSettings


@dataclass(frozen=True)
class Places:
    """Columns as a network found them.

    Parameters
    ----------
    columns : dict of arrays (n,)
        frame, y_px, x_px, class (index of `classes`), probability, by frame.
    classes : tuple of str
        Names of the classes.
    n_images : int
        Images of a focal series; a series is named by its first frame.
    origin : mapping
        The model and its settings, for the record.
    notes : tuple of str
        What a user should know of the predictions.
    """

    columns: Columns
    classes: tuple[str, ...]
    n_images: int
    origin: Mapping[str, Any]
    notes: tuple[str, ...]


def predict_places(
    stack: Stack, settings: ColumnsSettings, work: Path, progress: Callable[[str, int, int], None]
) -> Places:
    """Have a network find the columns of a movie.

    Parameters
    ----------
    stack : Stack
        The movie, with its pixel size.
    settings : ColumnsSettings
        Name of the model, frames, threshold.
    work : Path
        Folder for its maps, gone on with where it was stopped.
    progress : callable
        Called with the stage's name, frames done and frames in all.

    Returns
    -------
    Places
        The columns of all frames.

    Raises
    ------
    SettingsError
        If the model is not one of atomic columns.
    CalibrationError
        If the pixel size is not known.
    """
    if stack.pixel_nm is None:
        raise CalibrationError(
            f"{stack.source}: a network needs the pixel size, which the file does not give; give --pixel-nm, "
            "or --model blobs, which needs none"
        )
    trained = load_model(settings.model)
    reading = choose_reading(trained, threshold=settings.threshold)
    if not reading.has_columns:
        raise SettingsError(
            f"model: expected one of atomic columns, as mos2-columns, or blobs, got {settings.model} "
            f"({trained.card.label})"
        )
    chosen = PredictSettings(frames=settings.frames, threshold=settings.threshold)
    result = predict_movie(trained, stack, work, chosen, progress=progress)
    table = pd.read_csv(work / COLUMNS)
    kinds = {name: number for number, name in enumerate(reading.classes)}
    columns = {
        "frame": table["frame"].to_numpy(np.int64),
        "y_px": table["y_nm"].to_numpy(np.float64) / stack.pixel_nm,
        "x_px": table["x_nm"].to_numpy(np.float64) / stack.pixel_nm,
        "class": table["class"].map(kinds).to_numpy(np.int64),
        "probability": table["probability"].to_numpy(np.float64),
    }
    return Places(
        columns,
        tuple(reading.classes),
        trained.spec.in_channels,
        result.provenance["model"],
        tuple(result.notes),
    )
