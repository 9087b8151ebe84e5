"""The parameters file: which images and labels are made of simulated systems (Table 3.2, Listing A.1)."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ...base.errors import SettingsError
from ...base.mtf import MTF_MODELS
from ...generate.draws import RANGES, check_series
from ...generate.labels import LABELS, LabelSettings
from .parameters_checks import guess, is_number, is_whole, one_of, real_number, value_range, whole_number
from .parameters_text import read_values, show
from .vibrating import Vibrations

_FEWEST_PX, _MOST_PX = 16, 16384
_MOST_IMAGES = 100
# One channel for a mask; the background beside 1Mo, 2S and 1S for columns; cation and anion.
_NUM_CLASSES = {"Mask": 1, "Exitwave": 2, "Occupancy": 2}
_COLUMN_CLASSES = 4
_NO_ABERRATION = (0.0, 0.0)
# Publication II says both "MTF 4" and "the MTF 4 model"; "model 4" is that.
_CAMERAS = {f"model {name.split()[-1]}": name for name in MTF_MODELS}
_HEADINGS = {
    "label": "Task",
    "image_epochs": "Images",
    "noise": "Noise and blur",
    "defocus": "Aberrations",
    "mtf": "Camera",
    "normalizedistance": "Training and book-keeping",
}
_Range = tuple[float, float]


def _image_size(value: Any) -> tuple[int, int]:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        x, y = value
        if is_whole(x, least=_FEWEST_PX, most=_MOST_PX) and is_whole(y, least=_FEWEST_PX, most=_MOST_PX):
            return x, y
    raise ValueError(f"expected pixels in x and y, each {_FEWEST_PX} to {_MOST_PX}, got {show(value)}")


def _multifocus(value: Any) -> tuple[int, float, float] | None:
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and len(value) == 3 and all(map(is_number, value)):
        images, step, uncertainty = value
        if is_whole(images, least=1, most=_MOST_IMAGES) and step > 0 and uncertainty >= 0:
            return images, float(step), float(uncertainty)
    raise ValueError(
        f"expected None, or 1 to {_MOST_IMAGES} images, a step of defocus above 0 Å and its uncertainty, "
        f"0 Å or more, got {show(value)}"
    )


def _debug(value: Any) -> int | bool | None:
    if value is None or isinstance(value, bool) or is_whole(value, least=0):
        return value
    raise ValueError(f"expected a whole number of 0 or more, None or True, got {show(value)}")


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"expected True or False, got {show(value)}")


class ImageParameters(BaseModel):
    """Parameters of a set of images, by the thesis's names; unknown names are refused.

    Each range is a lower and an upper bound. What a file leaves out is as in Listing A.1, where that gives
    a choice as for masks (sampling as in Publication II). `num_classes` is then 1 for Mask, 2 for Exitwave
    and Occupancy, and 4 else.

    Examples
    --------
    >>> ImageParameters(label="disk", image_size=(512, 256)).shape
    (256, 512)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Annotated[str, one_of(LABELS)] = Field(
        description="What the network is to learn: Mask (convex hull of the columns), Disk, Blob or Gaussian "
        "(spots on columns, a channel a class), Exitwave (real and imaginary part), Occupancy (of columns).",
    )
    num_classes: Annotated[int, whole_number(least=1, most=100)] = Field(
        1,
        description="Channels of the label. 1 is a single class without background; otherwise one more than "
        "there are classes where null_class is True. Exitwave has 2, Mask 1 or 2.",
    )
    null_class: Annotated[bool, BeforeValidator(_truth)] = Field(
        True,
        description="Whether the last channel is the background: one minus the sum of the others. Without "
        "meaning where num_classes is 1, and for Exitwave and Occupancy.",
    )
    spotsize: Annotated[float, real_number("Å", above=0, most=100)] = Field(
        0.4,
        description="Width of the spots on columns [Å]: diameter (Disk, Occupancy), full width at half "
        "maximum (Blob), standard deviation (Gaussian).",
    )
    image_epochs: Annotated[int, whole_number(least=1)] = Field(
        10,
        description="Images, or focal series, of each system, at different microscope parameters; training "
        "sets only.",
    )
    image_size: Annotated[tuple[int, int], BeforeValidator(_image_size)] = Field(
        (512, 512), description="Size of the images in x and y [px]; systems are cropped or padded to it."
    )
    sampling: Annotated[_Range, value_range("Å/px", above=0)] = Field(
        (0.07, 0.08), description="Range of the sampling [Å/px]."
    )
    multifocus: Annotated[tuple[int, float, float] | None, BeforeValidator(_multifocus)] = Field(
        None,
        description="Focal series: number of images, step of defocus and its standard deviation [Å]; None "
        "for single images. All defoci lie in the range of defocus.",
    )
    beam_energy: Annotated[float | None, real_number("eV", least=1e3, most=1e7, optional=True)] = Field(
        None, description="Energy of the electrons [eV]; None for that of the exit waves."
    )
    noise: Annotated[str | None, one_of(["poisson", None])] = Field(
        "poisson", description="Shot noise: poisson, or None for no noise."
    )
    log_dose: Annotated[_Range, value_range("log10 of e⁻/Å²", least=-1, most=8)] = Field(
        (2.0, 6.0), description="Range of the logarithm (base 10) of the dose [e⁻/Å²]."
    )
    blur: Annotated[_Range, value_range("Å", least=0)] = Field(
        (0.1, 0.8), description="Range of the blur, a Gaussian's standard deviation [Å]."
    )
    focal_spread: Annotated[_Range, value_range("Å", least=0)] = Field(
        (5.0, 20.0), description="Range of the focal spread [Å]."
    )
    angular_spread: Annotated[_Range, value_range("mrad", least=0, most=1000)] = Field(
        (0.0, 0.0), description="Range of the angular spread [mrad]."
    )
    defocus: Annotated[_Range, value_range("Å")] = Field(
        (-200.0, 200.0), description="Range of the defocus [Å]; positive is underfocus."
    )
    ctf_c30: Annotated[_Range, value_range("Å")] = Field(
        (0.0, 1.5 * 83000), description="Range of the spherical aberration [Å]; 1 µm is 1e4 Å."
    )
    ctf_c12: Annotated[_Range, value_range("Å")] = Field(
        _NO_ABERRATION, description="Range of 2-fold astigmatism [Å]; this and the next at random angles."
    )
    ctf_c21: Annotated[_Range, value_range("Å")] = Field(
        _NO_ABERRATION, description="Range of axial coma [Å]."
    )
    ctf_c23: Annotated[_Range, value_range("Å")] = Field(
        _NO_ABERRATION, description="Range of 3-fold astigmatism [Å]."
    )
    ctf_c32: Annotated[_Range, value_range("Å")] = Field(
        _NO_ABERRATION, description="Range of the star aberration [Å]."
    )
    ctf_c34: Annotated[_Range, value_range("Å")] = Field(
        _NO_ABERRATION, description="Range of 4-fold astigmatism [Å]."
    )
    ctf_c45: Annotated[_Range, value_range("Å")] = Field(
        _NO_ABERRATION, description="Range of 5-fold astigmatism [Å]."
    )
    mtf: Annotated[str | None, one_of(["parametric", *MTF_MODELS, None], synonyms=_CAMERAS)] = Field(
        "parametric",
        description="Modulation transfer of the camera: parametric, None for none, or MTF 1 to MTF 5 for the "
        "ranges of Publication II, Table 3 (mtf_c1, mtf_c3 and readout, unless given).",
    )
    mtf_c1: Annotated[_Range, value_range("fraction of Nyquist; c0, the half-width", above=0)] = Field(
        (0.2, 0.6),
        description="Range of c0, the half-width of the modulation transfer [fraction of Nyquist].",
    )
    mtf_c2: Annotated[_Range, value_range("C, the floor", least=0, below=1)] = Field(
        (0.0, 0.0), description="Range of C, the floor of the modulation transfer."
    )
    mtf_c3: Annotated[_Range, value_range("c3, the exponent", above=0)] = Field(
        (2.0, 5.0), description="Range of c3, the exponent of the modulation transfer."
    )
    readout: Annotated[_Range, value_range("e⁻/px", least=0)] = Field(
        (0.005, 0.015), description="Range of the readout noise N0, the mean of a Poisson process [e⁻/px]."
    )
    normalizedistance: Annotated[float, real_number("Å", above=0)] = Field(
        12.0, description="Standard deviation of the Gaussian that images are standardised with [Å]."
    )
    debug: Annotated[int | bool | None, BeforeValidator(_debug)] = Field(
        100, description="Images and labels to draw into a debug folder; None for none, True for all."
    )
    vibrations: Vibrations | None = Field(
        None,
        description="Frozen phonons: None, or an object of configurations, trajectory (molecular dynamics "
        "that gives amplitudes by element and coordination) and factor. Waves are then computed anew.",
    )
    seed: Annotated[int, whole_number(least=0)] = Field(
        100, description="Seed of the microscope parameters and the noise."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """Take what depends on other values: the classes of a label, the ranges of a camera."""
        if not isinstance(values, Mapping):
            return values
        filled = dict(values)
        label = str(filled.get("label")).capitalize()
        filled.setdefault("num_classes", _NUM_CLASSES.get(label, _COLUMN_CLASSES))
        asked = str(filled.get("mtf")).casefold()
        for spelt, name in [*_CAMERAS.items(), *zip(MTF_MODELS, MTF_MODELS, strict=True)]:
            if asked == spelt.casefold():
                camera = MTF_MODELS[name]
                ranges = {"mtf_c1": camera.c0, "mtf_c3": camera.c3, "readout": camera.readout_e}
                return {**ranges, **filled}
        return filled

    @model_validator(mode="after")
    def _agree(self) -> ImageParameters:
        try:
            self.label_settings()
            check_series(self.multifocus, self.defocus)
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of an image; `image_size` is x, y."""
        return self.image_size[1], self.image_size[0]

    @property
    def n_debug(self) -> float:
        """How many images and labels to draw; infinitely many where `debug` is True."""
        return math.inf if self.debug is True else float(self.debug or 0)

    @property
    def ranges(self) -> dict[str, _Range]:
        """Ranges of the microscope, as `draw_microscope` takes them."""
        return {name: getattr(self, name) for name in RANGES}

    def label_settings(self) -> LabelSettings:
        """Kind and channels of the label, as `make_label` takes them."""
        return LabelSettings(self.label, self.num_classes, self.null_class, self.spotsize)

    def to_json(self) -> str:
        """Text of a parameters file with every value; it reads back equal."""
        return json.dumps(self.model_dump(mode="json"), indent=1)


def check_parameters(values: Mapping[str, Any]) -> ImageParameters:
    """Validate parameters from a file or a dialog.

    Parameters
    ----------
    values : mapping from name to value
        Any of the fields of `ImageParameters`; the label at least.

    Returns
    -------
    ImageParameters
        The values, with defaults for those not given.

    Raises
    ------
    SettingsError
        One line that names each parameter at fault, what is allowed and what came.

    Examples
    --------
    >>> check_parameters({"label": "Mask", "mtf": "MTF 4"}).mtf_c1
    (0.25, 0.6)
    """
    try:
        return ImageParameters.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def read_parameters(path: str | Path) -> ImageParameters:
    """Read a parameters file.

    Parameters
    ----------
    path : str or Path
        JSON, or a listing as the thesis prints it; see `parse_parameters`. What it says under "movie"
        concerns movies alone, and is not read.

    Returns
    -------
    ImageParameters
        Checked parameters.

    Raises
    ------
    ReadError
        If there is no such file, or it is no text.
    SettingsError
        One line that names the file and each parameter at fault, what is allowed and what came.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "mask.txt")
    >>> _ = path.write_text(example_parameters("Mask"), encoding="utf-8")
    >>> read_parameters(path).label
    'Mask'
    """
    values = {name: value for name, value in read_values(path).items() if name != "movie"}
    try:
        return check_parameters(values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def example_parameters(label: str = "Mask") -> str:
    """Write a parameters file with a comment on every parameter.

    Parameters
    ----------
    label : str
        One of `LABELS`; masks get values for a supported particle, the others for a flake's focal series.

    Returns
    -------
    str
        A listing in the thesis's notation; `read_parameters` reads it.

    Raises
    ------
    SettingsError
        If the label is unknown.

    Examples
    --------
    >>> example_parameters("Disk").splitlines()[0]
    '## Task'
    """
    series = {"sampling": (0.09, 0.11), "multifocus": (3, 50.0, 1.0)}
    known = check_parameters({"label": label})
    values = {**known.model_dump(), **({} if known.label == "Mask" else series)}
    lines = []
    for name, field in ImageParameters.model_fields.items():
        if name in _HEADINGS:
            lines += ["", f"## {_HEADINGS[name]}"]
        lines += textwrap.wrap(field.description or "", 88, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"{name!r}: {values[name]!r},")
    return "\n".join(lines[1:]) + "\n"


def _explain(error: ValidationError) -> str:
    """Say in one line what is wrong with parameters."""
    known = list(ImageParameters.model_fields)
    said = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            nearest = guess(name, known) or f"; known are {', '.join(known)}"
            said.append(f"{name}: no such parameter{nearest}")
        elif fault["type"] == "missing":
            said.append(f"{name}: expected one of {', '.join(LABELS)}, and none came")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] != "value_error":
                message = f"{message[0].lower()}{message[1:]}, got {show(fault['input'])}"
            said.append(f"{name}: {message}" if name else message)
    return "; ".join(said)
