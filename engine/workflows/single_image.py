"""One image in hand: what simulated and experimental images have in common, to be used in a notebook."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import CalibrationError, DataError, SettingsError
from ..images.standardise import standardise
from ..learn.model_files import load_model
from ..learn.predict import Predictor
from ..learn.reading import Reading, choose_reading
from ..learn.trained import TrainedModel
from ..report.image_panels import Drawing, draw_image, draw_spectrum

_NORMALIZE_A = 12.0


class SingleImage(ABC):
    """An image, or a focal series, with its sampling; a network's prediction of it once there is one.

    Attributes
    ----------
    name : str
        What the image is, for titles.
    image : array (F, Y, X)
        Counts; F images of a focal series. Loaded when first asked for.
    sampling_A : float or None
        Side of a pixel [Å].
    standardised : array (F, Y, X), float32, or None
        As `standardise` gave it.
    prediction : array (Y, X, C), float32, or None
        Maps, as `infer` gave them.
    reading : Reading or None
        What the maps are of: label, channels, threshold.
    outside : tuple of str
        In what the image lies outside of what the network was trained on; each is a warning of `infer`, too.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sampling_A: float | None = None
        self.standardised: np.ndarray | None = None
        self.prediction: np.ndarray | None = None
        self.reading: Reading | None = None
        self.outside: tuple[str, ...] = ()
        self._image: np.ndarray | None = None

    @property
    def image(self) -> np.ndarray:
        """Counts, an array (F, Y, X)."""
        if self._image is None:
            self._image = self._read()
        return self._image

    @property
    def pixel_nm(self) -> float | None:
        """Side of a pixel [nm]."""
        return None if self.sampling_A is None else self.sampling_A / 10

    def standardise(self, normalize_A: float = _NORMALIZE_A) -> np.ndarray:
        """Standardise the image locally (thesis, Eq. 3.1).

        Parameters
        ----------
        normalize_A : float
            Standard deviation of the Gaussian that weights the surroundings [Å].

        Returns
        -------
        array (F, Y, X), float32
            The image; also in `standardised`.

        Raises
        ------
        CalibrationError
            If the pixel size is not known.
        """
        self.standardised = standardise(self.image, sigma_px=normalize_A / self._known_sampling_A())
        return self.standardised

    def infer(
        self,
        model: str | Path | TrainedModel | Predictor | Any,
        *,
        runtime: str = "auto",
        threshold: float | None = None,
    ) -> np.ndarray:
        """Apply a trained network to the image; warn where it is beyond what the network was trained on.

        Parameters
        ----------
        model : str, Path, TrainedModel, Predictor or keras.Model
            Name of the zoo, a model's folder, or a model loaded; for many images, one `Predictor` for all. A
            Keras network of elsewhere is given the standardised image (1, Y, X, F).
        runtime : str
            What runs the network; not used for a Predictor or a Keras network.
        threshold : float or None
            Probability above which a pixel is inside; the model's own where None, or 0.5.

        Returns
        -------
        array (Y, X, C), float32
            Maps; also in `prediction`.

        Raises
        ------
        CalibrationError
            If the pixel size is not known.
        DataError
            If the image is not what the network takes.
        ReadError, SettingsError
            If there is no such model or runtime.
        """
        sampling_A = self._known_sampling_A()
        if isinstance(model, (str, Path)):
            model = load_model(model)
        if isinstance(model, TrainedModel):
            model = Predictor(model, runtime=runtime)
        if isinstance(model, Predictor):
            self.prediction = model(self.image, sampling_A=sampling_A)
            self.reading = choose_reading(model.trained, threshold=threshold)
            self.outside = tuple(self._notes_on(model.trained))
            for note in self.outside:
                warnings.warn(note, UserWarning, stacklevel=2)
        else:
            self.outside = ()
            self.prediction = self._run_keras(model)
            self.reading = self._reading_of(self.prediction, 0.5 if threshold is None else threshold)
        return self.prediction

    def mask(self) -> np.ndarray:
        """Mark where the prediction is above its threshold.

        Returns
        -------
        array (Y, X), bool
            Inside of any class.

        Raises
        ------
        SettingsError
            If nothing was predicted yet, or no classes.
        """
        prediction, reading = self._predicted()
        if not reading.is_probability:
            raise SettingsError(f"mask: {self.name} has a prediction of {reading.label}, not of classes")
        return reading.label_pixels(prediction) > 0

    def plot(self, path: str | Path | None = None) -> Drawing:
        """Draw the image, the prediction and the label side by side, those that there are, with a scale bar.

        Parameters
        ----------
        path : str, Path or None
            PNG file to write, too.

        Returns
        -------
        Drawing
            Shows itself in Jupyter; its `figure` is Matplotlib's.

        Raises
        ------
        WriteError
            If the file cannot be written.
        """
        drawing = draw_image(
            self.image[0],
            title=self._title(),
            prediction=self.prediction,
            label=self._label(),
            classes=self._classes(),
            pixel_nm=self.pixel_nm,
            is_probability=self._is_probability(),
        )
        if path is not None:
            drawing.save(path)
        return drawing

    def _repr_png_(self) -> bytes:
        return self.plot().png

    @abstractmethod
    def _read(self) -> np.ndarray:
        """Read the image, (F, Y, X)."""

    @abstractmethod
    def _notes_on(self, trained: TrainedModel) -> list[str]:
        """Say in what the image lies outside of what a model was trained on."""

    def _label(self) -> np.ndarray | None:
        return None

    def _title(self) -> str:
        n_images = len(self.image)
        return self.name if n_images == 1 else f"{self.name}, first of {n_images} images"

    def _classes(self) -> Sequence[str]:
        return () if self.reading is None else self.reading.classes

    def _is_probability(self) -> bool:
        return self.reading is None or self.reading.is_probability

    def _reading_of(self, prediction: np.ndarray, threshold: float) -> Reading:
        """Read the maps of a network that has no card: a mask, or classes by number."""
        names = [str(number) for number in range(prediction.shape[-1])]
        return Reading("Mask", tuple(names) if len(names) > 1 else ("inside",), False, threshold)

    def _known_sampling_A(self) -> float:
        # Reading it may tell.
        _ = self.image
        if self.sampling_A is None:
            raise CalibrationError(f"{self.name}: the pixel size is not known; give pixel_nm")
        return self.sampling_A

    def _predicted(self) -> tuple[np.ndarray, Reading]:
        if self.prediction is None or self.reading is None:
            raise SettingsError(f"{self.name}: nothing was predicted yet; call infer(model) first")
        return self.prediction, self.reading

    def _run_keras(self, network: Any) -> np.ndarray:
        if not hasattr(network, "predict"):
            raise SettingsError(
                f"model: expected a name, a folder, a TrainedModel, a Predictor or a Keras network, got "
                f"{type(network).__name__}"
            )
        standardised = self.standardise() if self.standardised is None else self.standardised
        wanted = network.input_shape[-1]
        if wanted != len(standardised):
            raise DataError(f"the network takes {wanted} images, {self.name} has {len(standardised)}")
        batch = np.moveaxis(standardised, 0, -1)[np.newaxis]
        return np.asarray(network.predict(batch, verbose=0)[0], np.float32)


@dataclass(frozen=True)
class Spectrum:
    """A Fourier transform, which shows itself in Jupyter.

    Parameters
    ----------
    values : array (N, N), float32
        |FFT|, zero frequency at [N // 2, N // 2], divided by the largest value outside the centre.
    reciprocal_pixel_per_nm : float or None
        Side of its pixel [1/nm]; None where the image's is not known.

    Examples
    --------
    >>> Spectrum(np.ones((8, 8), np.float32), 0.5).values.shape
    (8, 8)
    """

    values: np.ndarray
    reciprocal_pixel_per_nm: float | None

    def plot(self, path: str | Path | None = None) -> Drawing:
        """Draw it with a scale bar in 1/nm; PNG file to write, too."""
        drawing = draw_spectrum(self.values, reciprocal_pixel_per_nm=self.reciprocal_pixel_per_nm)
        if path is not None:
            drawing.save(path)
        return drawing

    def _repr_png_(self) -> bytes:
        return self.plot().png
