"""Parameters of a simulated movie: those of images, and under "movie" what happens in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...base.errors import SettingsError
from ...generate.movie_fates import FATES
from ...generate.movie_scene import MovieSettings
from ...generate.movie_waves import SUPPORTS
from ...generate.particle import METALS
from .parameters import ImageParameters, check_parameters
from .parameters_checks import guess, is_number, is_whole, one_of, real_number, value_range, whole_number
from .parameters_text import read_values, show

# What a file leaves out of the images' parameters: a corrected microscope near Scherzer's focus, and frames
# with some ten particles. All else is as for images.
_FOR_MOVIES: Mapping[str, Any] = {
    "label": "Mask",
    "image_size": (1024, 1024),
    "sampling": (0.3, 0.4),
    "beam_energy": 300e3,
    "log_dose": (2.5, 3.5),
    "focal_spread": (20.0, 30.0),
    "defocus": (40.0, 80.0),
    "ctf_c30": (0.0, 1e5),
}
_Range = tuple[float, float]
_Steps = tuple[tuple[float, float], ...]


def _steps(what: str) -> BeforeValidator:
    """Make the check of a list of steps: a share of the frames, and a value above 0."""

    def check(value: Any) -> _Steps:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected a list of [share of the frames, {what}], got {show(value)}")
        for step in value:
            two = isinstance(step, (list, tuple)) and len(step) == 2 and all(map(is_number, step))
            if not two or not (0 < step[0] < 1 and step[1] > 0):
                raise ValueError(
                    f"expected [share of the frames, {what}], the share between 0 and 1, the other above 0, "
                    f"got {show(step)}"
                )
        return tuple((float(share), float(amount)) for share, amount in value)

    return BeforeValidator(check)


def _count(value: Any) -> int | None:
    if value is None or is_whole(value, least=1):
        return value
    raise ValueError(f"expected a whole number of 1 or more, or None, got {show(value)}")


def _events(value: Any) -> tuple[str, ...]:
    known = ", ".join(FATES)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list out of {known}, got {show(value)}")
    for event in value:
        if event not in FATES:
            raise ValueError(f"expected some of {known}, got {show(event)}{guess(event, FATES)}")
    return tuple(value)


class MovieParameters(BaseModel):
    """What happens in a simulated movie; unknown names are refused.

    Examples
    --------
    >>> MovieParameters(metal="Pt").radius_A
    (12.0, 20.0)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metal: Annotated[str, one_of(METALS)] = Field("Au", description="Element of the particles.")
    n_particles: Annotated[int | None, BeforeValidator(_count)] = Field(
        None, description="Particles; None for as many as there is room for, 16 at most."
    )
    radius_A: Annotated[_Range, value_range("Å", least=8, most=80)] = Field(
        (12.0, 20.0), description="Range of their radii [Å], those of spheres of as many atoms."
    )
    events: Annotated[tuple[str, ...], BeforeValidator(_events)] = Field(
        tuple(FATES),
        description="What befalls them, dealt in this order as far as there are particles; coalesce and "
        "touch take two each. All others are still.",
    )
    frame_s: Annotated[float, real_number("s", above=0, most=1e6)] = Field(
        0.4, description="Exposure of a frame, and time from frame to frame [s]."
    )
    beam_off: Annotated[_Steps, _steps("seconds")] = Field(
        ((0.66, 12.0),),
        description="Gaps with the beam off: after which share of the frames, and for how long [s]. "
        "Particles shrink and grow on, nothing hops.",
    )
    dose_steps: Annotated[_Steps, _steps("factor")] = Field(
        ((0.3, 2.0), (0.8, 0.5)),
        description="From which share of the frames on the dose is how many times the first frame's.",
    )
    drift_A_per_s: Annotated[_Range, value_range("Å/s", least=0)] = Field(
        (0.05, 0.3), description="Range of the sample's drift [Å/s]."
    )
    tilt_deg: Annotated[_Range, value_range("°", least=0, most=30)] = Field(
        (4.0, 10.0), description="Range of the tilt of particles that are off the zone axis [°]."
    )
    on_zone_deg: Annotated[float, real_number("°", least=0, most=30)] = Field(
        1.5, description="Largest tilt that counts as on the zone axis [°]."
    )
    hop_rate_per_s: Annotated[float, real_number("1/s", least=0)] = Field(
        0.25, description="Hops of a surface column per second under the beam [1/s]."
    )
    hop_columns: Annotated[int, whole_number(least=1, most=50)] = Field(
        4, description="Hopping columns of a particle that has some; fewer where its rim is short."
    )
    support: Annotated[str, one_of(SUPPORTS)] = Field(
        "carbon", description="What the particles lie on: a film of amorphous carbon, or none."
    )
    support_thickness_A: Annotated[float, real_number("Å", above=0, most=1000)] = Field(
        30.0, description="Thickness of the film [Å]."
    )
    temperature_K: Annotated[float, real_number("K", least=0, most=5000)] = Field(
        300.0, description="Temperature that smears the particles' potential, by the Debye model [K]."
    )


@dataclass(frozen=True)
class MovieRecipe:
    """All that a simulated movie depends on but its seed and its length.

    Parameters
    ----------
    images : ImageParameters
        Size, sampling, microscope, dose and camera. What concerns labels, epochs, focal series and vibrations
        is not used.
    movie : MovieParameters
        What happens.

    Examples
    --------
    >>> check_movie_parameters({}).images.shape
    (1024, 1024)
    """

    images: ImageParameters
    movie: MovieParameters

    def settings(self, *, n_frames: int, sampling_A: float) -> MovieSettings:
        """Set up the plan for frames of a sampling [Å/px]; raises SettingsError as `MovieSettings`."""
        rows, columns = self.images.shape
        fields = MovieSettings.__dataclass_fields__
        given = {name: value for name, value in self.movie.model_dump().items() if name in fields}
        return MovieSettings(n_frames=n_frames, size_A=(rows * sampling_A, columns * sampling_A), **given)


def check_movie_parameters(values: Mapping[str, Any]) -> MovieRecipe:
    """Validate the parameters of a movie from a file or a dialog.

    Parameters
    ----------
    values : mapping from name to value
        Any of the fields of `ImageParameters`, and under "movie" a mapping of those of `MovieParameters`.
        What is left out is as for images, but for: 1024 × 1024 px of 0.3 to 0.4 Å, 300 keV, log_dose 2.5
        to 3.5, focal_spread 20 to 30 Å, defocus 40 to 80 Å, ctf_c30 0 to 1e5 Å.

    Returns
    -------
    MovieRecipe
        Checked parameters.

    Raises
    ------
    SettingsError
        One line that names each parameter at fault, what is allowed and what came.

    Examples
    --------
    >>> recipe = check_movie_parameters({"sampling": [0.2, 0.2], "movie": {"metal": "Pt"}})
    >>> recipe.images.sampling, recipe.movie.metal
    ((0.2, 0.2), 'Pt')
    """
    values = dict(values)
    happening = values.pop("movie", {})
    if not isinstance(happening, Mapping):
        raise SettingsError(f"movie: expected an object of parameters, got {show(happening)}")
    # A focal series of the images' file needs a range of defocus that a movie's need not have.
    images = check_parameters({**_FOR_MOVIES, **values, "multifocus": None})
    if images.beam_energy is None:
        images = images.model_copy(update={"beam_energy": _FOR_MOVIES["beam_energy"]})
    try:
        return MovieRecipe(images, MovieParameters.model_validate(dict(happening)))
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def read_movie_parameters(path: str | Path) -> MovieRecipe:
    """Read the parameters file of a movie: the same file as for images, with or without "movie".

    Parameters
    ----------
    path : str or Path
        JSON, or a listing as the thesis prints it; `{}` will do.

    Returns
    -------
    MovieRecipe
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
    >>> path = Path(tempfile.mkdtemp(), "movie.json")
    >>> _ = path.write_text('{"movie": {"metal": "Pd"}}', encoding="utf-8")
    >>> read_movie_parameters(path).movie.metal
    'Pd'
    """
    values = read_values(path)
    try:
        return check_movie_parameters(values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def _explain(error: ValidationError) -> str:
    """Say in one line what is wrong with the movie's own parameters."""
    known = list(MovieParameters.model_fields)
    said = []
    for fault in error.errors():
        name = ".".join(["movie", *(str(part) for part in fault["loc"])])
        if fault["type"] == "extra_forbidden":
            nearest = guess(fault["loc"][-1], known) or f"; known are {', '.join(known)}"
            said.append(f"{name}: no such parameter{nearest}")
        else:
            said.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(said)
