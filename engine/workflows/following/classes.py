"""Spectra to zone axis, fringes or neither, by a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...base.blocks import Block
from ...base.errors import CalibrationError, DataError, SettingsError
from ...base.stack import Stack
from ...base.tables import Columns, stack_columns, to_dataframe
from ...learn.model_files import load_model
from ...learn.trained import TrainedModel
from ...measure.reflections.find import normalised_power
from ...measure.reflections.polar_spectrum import polar_spectrum
from ..resumable import KeptOnDisk
from .blocks import FollowReflections

ZONE_AXIS = "zone axis"


@dataclass(frozen=True, eq=False)
class MapSpectra:
    """Frames of a block to maps of the spectra of their particles.

    Parameters
    ----------
    follow : FollowReflections
        Cuts the particles out, and knows the noise.
    pixel_nm : float
        Side of a pixel [nm].
    most_q_per_nm : float
        Highest spatial frequency of a map [1/nm].
    size : int
        Rows and columns of a map.
    """

    follow: FollowReflections
    pixel_nm: float
    most_q_per_nm: float
    size: int

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Map the spectra of a block of frames."""
        tables = [self._table(0, np.zeros(0, np.int32), np.zeros((0, self.size, self.size)))]
        for index, row, patch, _ in self.follow.patches(block):
            spectrum = polar_spectrum(
                normalised_power(patch, self.follow.noise),
                pixel_nm=self.pixel_nm,
                most_q_per_nm=self.most_q_per_nm,
                size=self.size,
            )
            tables.append(self._table(index, self.follow.instances.particle[row : row + 1], spectrum[None]))
        return {f"spectra/{name}": values for name, values in stack_columns(tables).items()}

    @staticmethod
    def _table(index: int, particle: np.ndarray, maps: np.ndarray) -> Columns:
        frames = np.full(len(particle), index, np.int32)
        return {"frame": frames, "particle": particle, "map": maps.astype(np.float16)}


def map_spectra(follow: FollowReflections, model: TrainedModel) -> MapSpectra:
    """Make maps as a classifier learnt from them."""
    polar = model.card.recipe["polar"]
    return MapSpectra(follow, follow.stack.pixel_nm or 1.0, polar["most_q_per_nm"], polar["size"])


def open_classifier(name: str, stack: Stack, noise: Columns) -> TrainedModel:
    """Load a classifier of spectra, and see that it can be used on a movie.

    Parameters
    ----------
    name : str
        Name in the zoo, or a model's folder.
    stack : Stack
        The movie.
    noise : dict of arrays (R,)
        Its noise, from `measure_noise`.

    Returns
    -------
    TrainedModel
        The classifier.

    Raises
    ------
    SettingsError
        If it is a model for something else.
    CalibrationError
        If the pixel size is not known.
    DataError
        If there is no vacuum to measure the noise in.
    """
    model = load_model(name)
    if ZONE_AXIS not in model.card.channels:
        raise SettingsError(
            f"classifier: {name} is a model of {model.card.label}, not of spectra; try zone-axis"
        )
    if stack.pixel_nm is None:
        raise CalibrationError(
            f"{stack.source}: {name} needs the pixel size; give --pixel-nm to temflux track"
        )
    if not noise["q_per_px"].size:
        raise DataError(
            f"{stack.source}: {name} needs noise that was measured between the particles, and there is no "
            "room between them; leave --classifier out"
        )
    return model


def classify_spectra(kept: KeptOnDisk, blocks: Sequence[Block], model: TrainedModel) -> pd.DataFrame:
    """Tell the class of every particle in every frame.

    Parameters
    ----------
    kept : KeptOnDisk
        What `MapSpectra` made of each block.
    blocks : sequence of Block
        The blocks.
    model : TrainedModel
        From `open_classifier`.

    Returns
    -------
    pandas.DataFrame
        frame, particle, class, and the probability of each class: p_neither, p_fringes, p_zone_axis.
    """
    # Keras, which takes seconds to load, is needed for this alone.
    from ...learn.spectrum_classes import class_probabilities

    names, tables = np.array(model.card.channels), []
    for block in blocks:
        spectra = kept.load(block, "spectra")
        probability = class_probabilities(model.network, spectra["map"])
        columns = {f"p_{name.replace(' ', '_')}": probability[:, at] for at, name in enumerate(names)}
        own = {"frame": spectra["frame"], "particle": spectra["particle"]}
        tables.append({**own, "class": names[probability.argmax(axis=1)], **columns})
    return to_dataframe(stack_columns(tables))
