"""Scenes of the study of dose: particles as the microscope forms them, before any electron is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...base.blocks import Runner
from ...base.errors import ReadError
from ...base.seeds import generator
from ...generate.dataset import SystemSet
from ...generate.detector import Detector
from ...generate.draws import draw_microscope
from ...generate.labels import LabelSettings, make_label
from ...generate.micrograph import form_focal_series, prepare_wave
from ..images import detector_of, microscope_of
from ..scoring.images import evenly
from ..simulating.parameters import ImageParameters, check_parameters, read_parameters
from ..simulating.recipes import SupportedRecipe
from ..structures import make_structures
from .settings import DoseLimitSettings

# Publication II, Tables 1 and 3: what it leaves open is as the parameters file has it by default.
_TABLE_1: dict[str, Any] = {
    "label": "Mask",
    "image_size": (768, 768),
    "sampling": (0.07, 0.08),
    "defocus": (-200.0, 200.0),
    "ctf_c30": (0.0, 124500.0),
    "focal_spread": (5.0, 20.0),
    "blur": (0.1, 0.8),
    "mtf": "MTF 4",
    "debug": None,
}


@dataclass(frozen=True)
class Scene:
    """A particle as the microscope forms it.

    Parameters
    ----------
    system : int
        Its number.
    image : array (Y, X), float32
        Intensity, 1 in vacuum.
    mask : array (Y, X), bool
        Where the particle is.
    sampling_A : float
        Side of a pixel [Å].
    camera : Detector
        Modulation transfer and readout noise; its dose is of no meaning.
    drawn : dict
        What was drawn for it.
    """

    system: int
    image: np.ndarray
    mask: np.ndarray
    sampling_A: float
    camera: Detector
    drawn: dict[str, Any]


@dataclass(frozen=True)
class Systems:
    """Systems of a part of a dataset.

    Parameters
    ----------
    folder : SystemSet
        Where they are.
    part : str
        train or test.
    numbers : list of int
        Those that are looked at.
    """

    folder: SystemSet
    part: str
    numbers: list[int]


def read_microscope(settings: DoseLimitSettings) -> ImageParameters:
    """Read the parameters that microscopes are drawn from.

    Parameters
    ----------
    settings : DoseLimitSettings
        The file, if any.

    Returns
    -------
    ImageParameters
        Of masks and single images, whatever the file says.

    Raises
    ------
    ReadError, SettingsError
        If the file is missing or wrong.

    References
    ----------
    Publication II, Tables 1 and 3 (MTF 4).

    Examples
    --------
    >>> read_microscope(DoseLimitSettings()).mtf_c1
    (0.25, 0.6)
    """
    if settings.parameters is None:
        return check_parameters(_TABLE_1)
    given = read_parameters(settings.parameters)
    return given.model_copy(
        update={"label": "Mask", "num_classes": 1, "multifocus": None, "vibrations": None}
    )


def find_systems(
    settings: DoseLimitSettings, out: Path, *, runner: Runner, told: Callable[[str, int, int], None]
) -> tuple[Systems, Systems | None]:
    """Find the systems to look at and those to tune on, or simulate them.

    Parameters
    ----------
    settings : DoseLimitSettings
        Dataset, if any, and how many.
    out : Path
        Folder of the study; simulated ones go to systems/ in it, and are made once.
    runner : Runner
        Where they are made.
    told : callable
        Told (what is going on, done, total).

    Returns
    -------
    Systems, Systems or None
        To look at, and others to tune on, None where there are none.

    Raises
    ------
    ReadError
        If the dataset has no systems.
    """
    if settings.systems is not None:
        return _given(settings.systems, settings)
    found: list[Systems] = []
    for part, count in (("test", settings.count), ("train", settings.tune_count)):
        if part == "train" and not settings.baselines:
            return found[0], None
        recipe = SupportedRecipe(count=count, seed=settings.seed)
        make_structures(
            out / "systems",
            recipe,
            part=part,
            runner=runner,
            progress=lambda done, total: told("simulating systems", done, total),
        )
        found.append(Systems(SystemSet(out / "systems" / part / "systems"), part, list(range(count))))
    return found[0], found[1]


def form_scene(systems: Systems, number: int, parameters: ImageParameters, *, seed: int) -> Scene:
    """Form the image of a system by a microscope that is drawn, and its mask.

    Parameters
    ----------
    systems : Systems
        Where it is.
    number : int
        Its number.
    parameters : ImageParameters
        Ranges of the microscope.
    seed : int
        Seed of the microscope.

    Returns
    -------
    Scene
        Without noise.

    Raises
    ------
    ReadError
        If the system is broken.
    """
    attributes: Any = systems.folder.open_waves().attrs
    width_A, height_A = attributes["extent_A"]
    record = systems.folder.records()[number]
    wave = systems.folder.load_wave(number, record["sha256"]["wave"])
    drawn = draw_microscope(
        generator(seed, systems.part, "doselimit", number), parameters.ranges, multifocus=None
    )
    formed = form_focal_series(
        prepare_wave(wave, (width_A, height_A)),
        microscope=microscope_of(drawn, float(attributes["energy_eV"])),
        shape=parameters.shape,
        sampling_A=drawn["sampling_A"],
        defoci_A=(drawn["defocus_A"],),
    )
    drawn["sampling_A"] = formed.sampling_A
    label = make_label(
        LabelSettings("Mask"),
        systems.folder.load_sites(number),
        shape=parameters.shape,
        sampling_A=formed.sampling_A,
        origin_A=formed.origin_A,
    )
    image = np.asarray(formed.image, np.float32).reshape(parameters.shape)
    return Scene(number, image, label[..., 0] > 0, formed.sampling_A, detector_of(drawn, parameters), drawn)


def _given(path: Path, settings: DoseLimitSettings) -> tuple[Systems, Systems | None]:
    """Take a dataset's test systems, and tune on those for training; or its training systems alone."""
    found: dict[str, Systems] = {}
    for part in ("test", "train"):
        folder = SystemSet(path / part / "systems")
        numbers = sorted(folder.records())
        if numbers:
            count = settings.count if not found else settings.tune_count
            found[part] = Systems(folder, part, evenly(numbers, count))
    if not found:
        raise ReadError(
            f"{path}: expected a dataset with systems; make some with temflux structures, or leave --systems "
            "away"
        )
    looked_at, *others = found.values()
    return looked_at, others[0] if others and settings.baselines else None
