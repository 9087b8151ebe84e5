"""A simulated image in hand: loaded with its label, standardised, inferred, scored and plotted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, SettingsError
from ..generate.dataset import ImageSet, SystemSet
from ..learn.reading import Reading
from ..learn.scores import count_pixels
from ..learn.task import Task, read_task
from ..learn.trained import TrainedModel
from ..report.shown import number
from .predicting.notes import value_notes
from .scoring.images import values_seen
from .single_image import SingleImage
from .train import find_images


class SimulatedImage(SingleImage):
    """An image of a dataset, with its label and the microscope that was drawn for it.

    Parameters
    ----------
    dataset : str or Path
        Folder of a dataset, or of its images (OUT/test/images).
    row : int
        Number of the image.
    part : str
        "train" or "test", where a dataset is given.

    Attributes
    ----------
    label : array (Y, X, C), float32
        What the network is to find.
    channels : tuple of str
        Names of the label's channels.
    drawn : dict
        What was drawn for the image, units in the names: sampling_A, dose_e_per_A2, defocus_A, …
    image, sampling_A, standardised, prediction
        As in `SingleImage`.

    Raises
    ------
    ReadError
        If there is no dataset, or nothing is finished.
    DataError
        If there is no such image.

    References
    ----------
    Thesis, 3.4, Listing 3.9 and Table A.1 (Simulated_Data).

    Examples
    --------
    >>> import tempfile
    >>> from temflux.engine.workflows.images import make_images
    >>> from temflux.engine.workflows.simulating.parameters import ImageParameters
    >>> from temflux.engine.workflows.simulating.recipes import FlakeRecipe
    >>> from temflux.engine.workflows.structures import make_structures
    >>> out = Path(tempfile.mkdtemp())
    >>> _ = make_structures(out, FlakeRecipe(count=1, cell=20, sampling=0.2), part="test")
    >>> _ = make_images(out, ImageParameters(label="Mask", image_size=(64, 64)), part="test")
    >>> simulated = SimulatedImage(out, 0).load()
    >>> simulated.standardise().shape, simulated.label.shape
    ((1, 64, 64), (64, 64, 1))
    """

    def __init__(self, dataset: str | Path, row: int, *, part: str = "test") -> None:
        if part not in ("train", "test"):
            raise SettingsError(f"part: expected train or test, got {part!r}")
        self.images = ImageSet(find_images(dataset, part))
        super().__init__(f"image {row} of {self.images.folder}")
        self.task: Task = read_task(self.images)[0]
        by_row: dict[int, dict[str, Any]] = {int(one["row"]): one for one in self.images.drawn()}
        if row not in by_row:
            raise DataError(
                f"{self.images.folder}: has no image {row}; its images are {_span(sorted(by_row))}"
            )
        self.row, self.drawn = row, by_row[row]
        self.channels = self.task.channels
        self.sampling_A = float(self.drawn["sampling_A"])
        self._label_array: np.ndarray | None = None

    @property
    def label(self) -> np.ndarray:
        """Label, an array (Y, X, C), float32."""
        if self._label_array is None:
            self._label_array = np.asarray(self.images.labels[self.row], np.float32)
        return self._label_array

    def load(self) -> SimulatedImage:
        """Read image and label from disk; what was standardised and predicted is forgotten.

        Returns
        -------
        SimulatedImage
            Itself.
        """
        self._image = self._label_array = self.standardised = self.prediction = self.reading = None
        _ = self.image, self.label
        return self

    def f1_score(self) -> float:
        """Score the prediction pixel by pixel against the label.

        Returns
        -------
        float
            F1 (thesis, Eq. 3.5) of the pixels above the threshold, the mean over the classes that are there
            or were found; 1 where none is.

        Raises
        ------
        SettingsError
            If nothing was predicted yet, or the label has no classes.
        DataError
            If the prediction is not of the label's shape.
        """
        prediction, reading = self._predicted()
        self._check(prediction)
        if self.task.activation == "linear":
            raise SettingsError(f"f1_score: a label {self.task.label} has no classes; use mse_score()")
        counts = count_pixels(self.label, prediction, threshold=reading.threshold).counts
        if self.task.has_background:
            counts = counts.without(-1)
        return float(counts.scores()["mean_f1"])

    def mse_score(self) -> float:
        """Score the prediction by its mean squared error.

        Returns
        -------
        float
            Mean of (prediction - label)² over pixels and channels (thesis, Eq. 2.6).

        Raises
        ------
        SettingsError
            If nothing was predicted yet.
        DataError
            If the prediction is not of the label's shape.
        """
        prediction, _ = self._predicted()
        self._check(prediction)
        return float(np.mean((prediction.astype(np.float64) - self.label) ** 2))

    def rmse_score(self) -> float:
        """Give the root of `mse_score`."""
        return float(np.sqrt(self.mse_score()))

    def _check(self, prediction: np.ndarray) -> None:
        if prediction.shape != self.label.shape:
            raise DataError(
                f"{self.name}: expected maps of the label's shape {self.label.shape} "
                f"({', '.join(self.channels)}), got {prediction.shape}; choose a model for this label"
            )

    def _notes_on(self, trained: TrainedModel) -> list[str]:
        seen = values_seen(trained, self.drawn)
        energy_eV = None
        systems = SystemSet(self.images.folder.parent / "systems")
        if (systems.folder / "waves.zarr").exists():
            energy_eV = float(str(systems.open_waves().attrs["energy_eV"]))
        return value_notes(trained.card, {**seen, "sampling_A": self.sampling_A}, energy_eV=energy_eV)

    def _read(self) -> np.ndarray:
        return np.asarray(self.images.images[self.row])

    def _label(self) -> np.ndarray | None:
        return self.label

    def _title(self) -> str:
        dose = self.drawn.get("dose_e_per_A2")
        said = f"image {self.row}" + ("" if dose is None else f", {number(float(dose))} e⁻/Å²")
        return said if len(self.image) == 1 else f"{said}, 1st of {len(self.image)}"

    def _classes(self) -> tuple[str, ...]:
        return self.channels[: self.task.n_classes]

    def _is_probability(self) -> bool:
        return self.task.activation != "linear"

    def _reading_of(self, prediction: np.ndarray, threshold: float) -> Reading:  # noqa: ARG002
        return Reading(self.task.label, self.channels, self.task.has_background, threshold)


def _span(rows: list[int]) -> str:
    return f"{rows[0]} to {rows[-1]}" if len(rows) > 1 else str(rows[0])
