"""An experimental image in hand: metadata, dose, prediction, crop and Fourier transform of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import CalibrationError, DataError, SettingsError
from ..files.dose import dose_from_vacuum
from ..files.microscope import find_tag
from ..files.read import open_movie
from ..learn.trained import TrainedModel
from ..measure.fourier import crop_size, particle_spectrum, reciprocal_pixel
from ..measure.instances import label_instances
from .predicting.notes import beam_energy_eV, value_notes
from .single_image import SingleImage, Spectrum

# As makers and programs write them; few files say it at all.
_CONVERSION_TAGS = ("counts per electron", "countsperelectron", "counts_per_electron", "counts/e-")
_EXPOSURE_TAGS = ("exposure (s)", "exposure time (s)", "exposure_time", "exposure")
_MAGNIFICATION_TAGS = ("magnification", "indicated magnification", "actual magnification")


class ExperimentalImage(SingleImage):
    """A frame of any file that temflux reads, with what the file says of it.

    Parameters
    ----------
    path : str or Path
        A microscope's file, a movie, or a folder of frames.
    frame : int
        Number of the frame, from 0; from the end where negative.
    n_images : int
        Images of a focal series: this frame and those after it.
    dataset : str or None
        Name of the array to read where a file holds several.
    pixel_nm : float or None
        Side of a pixel [nm]; overrides or supplies the file's.
    counts_per_electron : float or None
        Counts that one electron gives; overrides or supplies the file's.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns [px].
    pixel_nm, sampling_A : float or None
        Side of a pixel [nm], [Å].
    time_s, frame_s, exposure_s : float or None
        Time since the first frame, from frame to frame, and of exposure [s].
    dose_e_per_A2 : float or None
        Dose of the frame as the file gives it [e⁻/Å²]; `dose` measures it.
    beam_energy_eV, magnification, counts_per_electron : float or None
        As the file gives them.
    start : datetime or None
        Clock time of the first frame.
    metadata : mapping
        All that the file says.
    notes : tuple of str
        What had to be assumed.

    Raises
    ------
    ReadError, CalibrationError
        If the file cannot be read, or its pixel size is impossible.
    SettingsError
        If there is no such frame.

    References
    ----------
    Thesis, 3.4, Listing 3.10 and Table A.1 (Experimental_Data).

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "film.npy"
    >>> np.save(file, np.full((2, 64, 64), 50.0))
    >>> image = ExperimentalImage(file, 1, pixel_nm=0.1, counts_per_electron=5.0)
    >>> image.shape, image.dose((0, 0), 32)
    ((64, 64), 10.0)
    """

    def __init__(
        self,
        path: str | Path,
        frame: int = 0,
        *,
        n_images: int = 1,
        dataset: str | None = None,
        pixel_nm: float | None = None,
        counts_per_electron: float | None = None,
    ) -> None:
        stack = open_movie(path, dataset=dataset, pixel_nm=pixel_nm).with_calibration(pixel_nm=pixel_nm)
        number = frame + stack.n_frames if frame < 0 else frame
        if n_images < 1 or number < 0 or number + n_images > stack.n_frames:
            what = f"frame {frame}" if n_images == 1 else f"{n_images} frames from {frame} on"
            raise SettingsError(f"{path}: has {stack.n_frames} frames, from 0 on; got {what}")
        super().__init__(f"{stack.name}, frame {number}" if stack.n_frames > 1 else stack.name)
        self._stack, self.frame, self.n_images = stack, number, n_images
        self.sampling_A = None if stack.pixel_nm is None else 10 * stack.pixel_nm
        self.shape = (stack.shape[1], stack.shape[2])
        self.metadata: Mapping[str, Any] = stack.metadata
        self.notes, self.start, self.source = stack.notes, stack.start, stack.source
        self.frame_s = stack.frame_s
        self.time_s = None if stack.times_s is None else float(stack.times_s[number])
        doses = stack.dose_e_per_A2
        self.dose_e_per_A2 = None if doses is None else float(doses[number])
        self.beam_energy_eV = beam_energy_eV(stack.metadata)
        self.magnification = find_tag(stack.metadata, _MAGNIFICATION_TAGS)
        self.exposure_s = find_tag(stack.metadata, _EXPOSURE_TAGS)
        own = find_tag(stack.metadata, _CONVERSION_TAGS)
        self.counts_per_electron = own if counts_per_electron is None else counts_per_electron
        self._particle: np.ndarray | None = None

    def load(self) -> ExperimentalImage:
        """Read the pixels; what was standardised, predicted and cropped is forgotten.

        Returns
        -------
        ExperimentalImage
            Itself.
        """
        self._image = self.standardised = self.prediction = self.reading = self._particle = None
        _ = self.image
        return self

    def crop(self, particle: int | None = None, *, min_separation_nm: float = 2.0) -> np.ndarray:
        """Crop a particle out of the image by the predicted mask.

        Parameters
        ----------
        particle : int or None
            Number of the particle, from 1 in the order of their first pixels; the largest where None.
        min_separation_nm : float
            Least distance of two particles' centres, by which touching ones are cut apart [nm].

        Returns
        -------
        array (y, x)
            The particle's rectangle of the first image, whatever lies around it in it included; `fft` then is
            that of the particle alone.

        Raises
        ------
        SettingsError
            If nothing was predicted yet, or there is no such particle.
        DataError
            If the mask is empty.
        """
        inside = self.mask()
        labels = label_instances(inside, min_separation_px=10 * min_separation_nm / self._known_sampling_A())
        count = int(labels.max())
        if count == 0:
            raise DataError(f"{self.name}: the predicted mask has no particle to crop; use a lower threshold")
        areas = np.bincount(labels.ravel())[1:]
        chosen = int(areas.argmax()) + 1 if particle is None else particle
        if not 1 <= chosen <= count:
            raise SettingsError(f"particle: expected 1 to {count}, got {particle}")
        self._particle = labels == chosen
        return self.image[0][_box(self._particle)]

    def fft(self) -> Spectrum:
        """Give the Fourier transform of the image, or of the particle where `crop` was called.

        Returns
        -------
        Spectrum
            |FFT| with the zero frequency in its middle; the edge of the mask or frame is softened and the
            mean subtracted first.
        """
        mask = np.ones(self.shape, bool) if self._particle is None else self._particle
        rows, columns = _box(mask)
        size = crop_size(rows.stop - rows.start, columns.stop - columns.start)
        centre = ((rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2)
        values = particle_spectrum(self.image[0], mask, centre=centre, size=size)
        per_nm = None if self.pixel_nm is None else reciprocal_pixel(size, pixel=self.pixel_nm)
        return Spectrum(values, per_nm)

    def dose(
        self,
        corner: tuple[int, int],
        window: int | tuple[int, int],
        *,
        counts_per_electron: float | None = None,
        dark_counts: float = 0.0,
    ) -> float:
        """Measure the frame's dose in an area without specimen.

        Parameters
        ----------
        corner : (int, int)
            Row and column of the area's first pixel.
        window : int or (int, int)
            Its rows and columns, one number for a square [px].
        counts_per_electron : float or None
            Counts that one electron gives; the image's own where None.
        dark_counts : float
            Counts of a pixel without beam, which are subtracted.

        Returns
        -------
        float
            Dose of the frame [e⁻/Å²].

        Raises
        ------
        CalibrationError
            If the conversion or the pixel size is not known, or the area is darker than dark.
        SettingsError
            If the area does not lie in the image.
        DataError
            If no pixel of it is finite.
        """
        height, width = (window, window) if isinstance(window, int) else window
        top, left = corner
        if (
            min(top, left) < 0
            or min(height, width) < 1
            or top + height > self.shape[0]
            or (left + width > self.shape[1])
        ):
            raise SettingsError(
                f"expected an area within {self.shape[0]} by {self.shape[1]} pixels, got one of {height} by "
                f"{width} from {top}, {left} on"
            )
        conversion = self.counts_per_electron if counts_per_electron is None else counts_per_electron
        if conversion is None:
            raise CalibrationError(
                f"{self.name}: the file does not say how many counts an electron gives; give "
                "counts_per_electron, 1 for a counting camera, or from its maker or a known beam current"
            )
        if self.pixel_nm is None:
            raise CalibrationError(f"{self.name}: a dose per area needs the pixel size; give pixel_nm")
        area = np.asarray(self.image[0][top : top + height, left : left + width], np.float64)
        known = area[np.isfinite(area)]
        if known.size == 0:
            raise DataError(f"{self.name}: no pixel of the area is finite; choose another")
        mean = float(known.mean()) - dark_counts
        return dose_from_vacuum(mean, counts_per_electron=conversion, pixel_nm=self.pixel_nm)

    def _notes_on(self, trained: TrainedModel) -> list[str]:
        dose = self.dose_e_per_A2
        known = {
            "sampling_A": self.sampling_A,
            "dose_e_per_A2": dose if dose is not None and np.isfinite(dose) else None,
        }
        return value_notes(trained.card, known, energy_eV=self.beam_energy_eV)

    def _read(self) -> np.ndarray:
        return np.asarray(self._stack.read(self.frame, self.frame + self.n_images))


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
