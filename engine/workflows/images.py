"""Making images: micrographs and labels from the exit waves of a dataset, several epochs of each."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..base.blocks import Block, Runner, run_serial
from ..base.errors import ReadError, SettingsError
from ..base.seeds import generator
from ..files.atomic import atomic_file
from ..files.journal import Journal
from ..generate.dataset import PARTS, ImageSet, SystemSet, add_to_manifest, read_manifest
from ..generate.detector import Detector, detect
from ..generate.draws import draw_microscope, list_defoci
from ..generate.labels import channel_names, make_label
from ..generate.micrograph import form_focal_series, prepare_wave, resample_wave
from ..generate.transfer import Microscope
from ..generate.vibrations import VibrationalAmplitudes
from .simulating.debug_pictures import save_debug_picture
from .simulating.parameters import ImageParameters
from .simulating.vibrating import read_amplitudes, vibrating_waves
from .structures import Progress

_MADE_WITH = ("temflux", "abtem", "numpy", "scipy")


@dataclass(frozen=True)
class ImagesResult:
    """How making images ended.

    Parameters
    ----------
    made, kept : int
        Images made now, and those that were there.
    folder : Path
        Where they are.
    """

    made: int
    kept: int
    folder: Path


def make_images(
    out: str | Path,
    parameters: ImageParameters,
    *,
    part: str = "train",
    name: str = "images",
    runner: Runner = run_serial,
    progress: Progress | None = None,
) -> ImagesResult:
    """Make images and labels of all systems of a part; those made before with the same parameters are kept.

    Parameters
    ----------
    out : str or Path
        Folder of the dataset, with systems.
    parameters : ImageParameters
        The parameters file.
    part : str
        "train", or "test" with one epoch whatever the parameters say.
    name : str
        Folder of these images beside the systems; another one for other parameters.
    runner : Runner
        Where images are made; the bytes do not depend on it.
    progress : callable or None
        Told (done, total) systems.

    Returns
    -------
    ImagesResult
        How many were made.

    Raises
    ------
    SettingsError
        If the part is unknown, the parameters do not fit the systems, or others' images are there.
    ReadError
        If there are no systems, some are still to be made, or they are broken.
    WriteError
        If the dataset cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from temflux.engine.workflows.simulating.recipes import FlakeRecipe
    >>> from temflux.engine.workflows.structures import make_structures
    >>> out = Path(tempfile.mkdtemp())
    >>> _ = make_structures(out, FlakeRecipe(count=1, cell=20, sampling=0.2))
    >>> make_images(out, ImageParameters(label="Mask", image_epochs=2, image_size=(64, 64))).made
    2
    """
    if part not in PARTS:
        raise SettingsError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    out = Path(out)
    systems, images = SystemSet(out / part / "systems"), ImageSet(out / part / name)
    records = _whole_systems(out, part, systems)
    epochs = parameters.image_epochs if part == "train" else 1
    parameters_id = _claim(images, parameters)
    missing = sorted(records.keys() - images.records().keys())
    if missing:
        entry = {
            "part": part,
            "name": name,
            "parameters": parameters_id,
            "settings": json.loads(parameters.model_dump_json()),
            "made_with": {package: version(package) for package in _MADE_WITH},
        }
        maker = _ImagesOfOne(
            systems, images, parameters, part, epochs, read_amplitudes(parameters.vibrations)
        )
        class_names = systems.load_sites(missing[0]).class_names
        channels = channel_names(parameters.label_settings(), class_names)
        maker.check_energy()
        add_to_manifest(out, "images", entry)
        images.create(
            max(records) + 1,
            epochs,
            image_shape=(maker.n_focus, *parameters.shape),
            label_shape=(*parameters.shape, len(channels)),
            label_dtype="uint8" if parameters.label in ("Mask", "Disk") else "float32",
            channels=channels,
        )
        blocks = [_SystemBlock(number, number + 1, number, records[number]) for number in missing]
        with Journal(images.journal) as journal:
            for done, record in enumerate(runner(maker, blocks), start=1):
                journal.add(record)
                if progress is not None:
                    progress(done, len(blocks))
        _write_table(images)
    return ImagesResult(len(missing) * epochs, (len(records) - len(missing)) * epochs, images.folder)


def microscope_of(drawn: dict[str, Any], energy_eV: float) -> Microscope:
    """Set up the microscope that was drawn.

    Parameters
    ----------
    drawn : dict
        What `draw_microscope` returned.
    energy_eV : float
        Beam energy [eV].

    Returns
    -------
    Microscope
        With the defocus of the first image.

    Examples
    --------
    >>> microscope_of({"defocus_A": 50.0, "blur_A": 0.1, "dose_e_per_A2": 9.0}, 300e3).defocus_A
    50.0
    """
    fields = Microscope.__dataclass_fields__
    return Microscope(energy_eV=energy_eV, **{key: value for key, value in drawn.items() if key in fields})


def detector_of(drawn: dict[str, Any], parameters: ImageParameters) -> Detector:
    """Set up the detector that was drawn.

    Parameters
    ----------
    drawn : dict
        What `draw_microscope` returned.
    parameters : ImageParameters
        Whether there is noise and a modulation transfer function.

    Returns
    -------
    Detector
        Dose, modulation transfer function and readout.

    Examples
    --------
    >>> drawn = {"dose_e_per_A2": 9.0, "mtf_c0": 0.4, "mtf_c3": 2.0, "mtf_floor": 0.0, "readout_e": 0.01}
    >>> detector_of(drawn, ImageParameters(label="Mask", mtf=None)).mtf_c0 is None
    True
    """
    mtf = drawn if parameters.mtf is not None else {}
    return Detector(
        dose_e_per_A2=drawn["dose_e_per_A2"],
        mtf_c0=mtf.get("mtf_c0"),
        mtf_c3=mtf.get("mtf_c3", 2.0),
        mtf_floor=mtf.get("mtf_floor", 0.0),
        readout_e=drawn["readout_e"] if parameters.noise else 0.0,
        noise=parameters.noise,
    )


@dataclass(frozen=True)
class _SystemBlock(Block):
    """A block of one system, with what is known of it."""

    record: Mapping[str, Any]


@dataclass(frozen=True)
class _ImagesOfOne:
    """Make all epochs of images and labels of the system that a block of one stands for."""

    systems: SystemSet
    images: ImageSet
    parameters: ImageParameters
    part: str
    epochs: int
    amplitudes: VibrationalAmplitudes | None

    @property
    def n_focus(self) -> int:
        """Images of a focal series."""
        return self.parameters.multifocus[0] if self.parameters.multifocus else 1

    def check_energy(self) -> float:
        """Return the waves' energy [eV]; the parameters may not want another."""
        attributes: Any = self.systems.open_waves().attrs
        energy_eV = float(attributes["energy_eV"])
        asked = self.parameters.beam_energy
        if asked is not None and asked != energy_eV:
            raise SettingsError(
                f"beam_energy: the waves of {self.systems.folder} are of {energy_eV:g} eV, got {asked:g}"
            )
        return energy_eV

    def __call__(self, block: _SystemBlock) -> dict[str, Any]:
        number = block.start
        attributes: Any = self.systems.open_waves().attrs
        width_A, height_A = attributes["extent_A"]
        waves = self._waves(block)
        prepared = prepare_wave(waves, (width_A, height_A))
        sites = self.systems.load_sites(number)
        energy_eV = self.check_energy()
        shape = self.parameters.shape
        images = np.empty((self.epochs, self.n_focus, *shape), np.float32)
        labels, drawn_of = [], []
        for epoch in range(self.epochs):
            rng = generator(self.parameters.seed, self.part, "image", number, epoch)
            drawn: dict[str, Any] = draw_microscope(
                rng, self.parameters.ranges, multifocus=self.parameters.multifocus
            )
            series = form_focal_series(
                prepared,
                microscope=microscope_of(drawn, energy_eV),
                shape=shape,
                sampling_A=drawn["sampling_A"],
                defoci_A=list_defoci(drawn),
            )
            # The sampling that was taken, a fraction of a percent from the one drawn, is the true one.
            asked_A, drawn["sampling_A"] = drawn["sampling_A"], series.sampling_A
            # Where the image's first sample lies in the cell, which sites are given in.
            drawn["origin_x_A"], drawn["origin_y_A"] = series.origin_A
            images[epoch] = detect(
                rng, series.image, sampling_A=series.sampling_A, detector=detector_of(drawn, self.parameters)
            )
            wave = None
            if self.parameters.label == "Exitwave":
                wave = resample_wave(prepared, shape=shape, sampling_A=asked_A)
            label = make_label(
                self.parameters.label_settings(),
                sites,
                shape=shape,
                sampling_A=series.sampling_A,
                origin_A=series.origin_A,
                wave=wave,
            )
            labels.append(label)
            row = number * self.epochs + epoch
            drawn_of.append({"row": row, "system": number, "epoch": epoch, **drawn})
            if row < self.parameters.n_debug:
                path = self.images.folder / "debug" / f"{row:06d}.png"
                save_debug_picture(
                    path,
                    images[epoch],
                    label,
                    sampling_A=series.sampling_A,
                    background=self.parameters.label_settings().has_background,
                )
        sha256 = self.images.save(number, images, np.stack(labels))
        return {"system": number, "images": drawn_of, "sha256": sha256}

    def _waves(self, block: _SystemBlock) -> np.ndarray:
        """Load a system's exit wave, or compute those of its vibrating atoms."""
        if self.parameters.vibrations is None:
            return self.systems.load_wave(block.start, block.record["sha256"]["wave"])
        attributes: Any = self.systems.open_waves().attrs
        return vibrating_waves(
            generator(self.parameters.seed, self.part, "vibrations", block.start),
            self.systems.load_atoms(block.start),
            self.parameters.vibrations,
            self.amplitudes,
            smearing_A=block.record["smearing_A"],
            energy_eV=self.check_energy(),
            sampling_A=max(attributes["sampling_A"]),
        )


def _whole_systems(out: Path, part: str, systems: SystemSet) -> dict[int, dict[str, Any]]:
    """Read the records of a part's systems, and see that none that was asked for is missing."""
    records = systems.records()
    if not records:
        raise ReadError(f"{systems.folder}: no systems; make some with temflux structures … {out}")
    recipes = [entry for entry in read_manifest(out)["recipes"] if entry["part"] == part]
    planned = {
        number
        for entry in recipes
        for number in range(
            entry["settings"]["start"], entry["settings"]["start"] + entry["settings"]["count"]
        )
    }
    lacking = planned - records.keys()
    if lacking:
        raise ReadError(
            f"{systems.journal}: {len(lacking)} of {len(planned)} systems are still to be made; run the same "
            "temflux structures command again to finish them"
        )
    return records


def _claim(images: ImageSet, parameters: ImageParameters) -> str:
    """Write the parameters beside the images, or see that they are those that are there."""
    # How many pictures are saved to look at changes no image.
    text = json.dumps(json.loads(parameters.model_dump_json(exclude={"debug"})), indent=1) + "\n"
    path = images.folder / "parameters.json"
    if not (path.exists() and path.read_text(encoding="utf-8") == text):
        if images.records():
            raise SettingsError(
                f"{path}: images with other parameters are there; give --name for another folder of images"
            )
        images.clear()
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_table(images: ImageSet) -> None:
    """Write the drawn values as a table, for people and spreadsheets."""
    drawn = images.drawn()
    with atomic_file(images.folder / "images.csv") as temporary, temporary.open("w", newline="") as file:
        first = ("row", "system", "epoch")
        writer = csv.DictWriter(file, [*first, *(name for name in drawn[0] if name not in first)])
        writer.writeheader()
        writer.writerows(drawn)
