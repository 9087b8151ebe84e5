"""Data for zone-axis: spectra of particles in simulated movies, and what noise-free frames show of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ...base.blocks import Block, Runner, run_serial
from ...base.seeds import generator
from ...base.stack import Stack
from ...base.tables import Columns, stack_columns
from ...files.labels import open_labels
from ...files.read import open_movie
from ...generate.detector import Detector, detect
from ...measure.reflections.find import Reflections, find_reflections, normalised_power
from ...measure.reflections.noise_spectrum import background_noise
from ...measure.reflections.particle_patch import cut_patch
from ...measure.reflections.polar_spectrum import polar_spectrum
from ...measure.reflections.zone_axis import ZoneAxisScore, score_zone_axis
from ..movie import make_movie
from ..resumable import KeptOnDisk, claim_folder
from ..simulating.movie_parameters import check_movie_parameters

Progress = Callable[[str, int, int], None]

CLASSES = ("neither", "fringes", "zone axis")
_NOISE_FREE_DOSE = 1e6
_CAMERAS: dict[str, tuple[float, float]] = {
    "mtf_c0": (0.2, 0.6),
    "mtf_c3": (2.0, 5.0),
    "readout_e": (0.005, 0.015),
}


class ZoneAxisRecipe(BaseModel):
    """How zone-axis is made; models/zoo/zone-axis.json holds what differs from the defaults.

    Examples
    --------
    >>> ZoneAxisRecipe().count("test")
    11
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    learns_from: Literal["movies"] = Field("movies", description="What tells this recipe from others.")
    name: str = Field("zone-axis", description="Name of the model.")
    version: str = Field("1", description="Version of its weights.")
    task: str = Field(
        "Tells from a particle's Fourier spectrum whether it lies along a zone axis, shows fringes in one "
        "direction, or neither.",
        description="What it finds in what, in one sentence.",
    )
    limits: tuple[str, ...] = Field((), description="Where it fails.")
    licence: str = Field("BSD-3-Clause", description="Licence of the weights.")
    attribution: str = Field("", description="Whom those who pass the model on must name.")
    seed: int = Field(6, ge=0, description="Seed of everything.")
    movies: int = Field(
        66,
        ge=3,
        description="Simulated movies; of each six, one chooses the best epoch and one is for figures.",
    )
    frames: int = Field(8, ge=1, description="Frames of a movie.")
    doses: int = Field(3, ge=1, description="Noisy exposures of each frame, each with a camera of its own.")
    metals: tuple[str, ...] = Field(("Au", "Pt", "Pd", "Ag", "Cu"), description="Metals, one a movie.")
    sampling: tuple[float, float] = Field((0.25, 0.45), description="Range of the sampling [Å/px].")
    log_dose: tuple[float, float] = Field((1.3, 4.0), description="Range of the dose's logarithm [e⁻/Å²].")
    image_px: int = Field(1024, ge=64, description="Side of a movie [px].")
    images: dict[str, Any] = Field(
        {"defocus": [0, 150], "focal_spread": [10, 40], "blur": [0.1, 0.8]},
        description="Other parameters of the images.",
    )
    movie: dict[str, Any] = Field(
        {
            "radius_A": [8, 28],
            "tilt_deg": [0, 30],
            "support": "carbon",
            "events": ["tilt", "turn", "tilt", "turn", "tilt", "shrink"],
            "beam_off": [],
            "dose_steps": [],
            "hop_rate_per_s": 0.0,
        },
        description="What happens in the movies.",
    )
    support_thickness_A: tuple[float, float] = Field((10.0, 60.0), description="Range of the support [Å].")
    visible_contrast: float = Field(
        0.05,
        gt=0,
        description="Contrast of a fringe in the noise-free frame from which on it is there, up to the "
        "highest spatial frequency of a map.",
    )
    most_q_per_nm: float = Field(8.0, gt=0, description="Highest spatial frequency of a map [1/nm].")
    map_size: int = Field(64, ge=16, description="Frequencies and directions of a map.")
    network: dict[str, int] = Field({"channels": 16, "levels": 4}, description="Sizes of the network.")
    epochs: int = Field(12, ge=1, description="Epochs of training.")
    batch_size: int = Field(64, ge=1, description="Maps a step.")

    def count(self, part: str) -> int:
        """Say how many movies are of a part."""
        return len(self.numbers(part))

    def numbers(self, part: str) -> list[int]:
        """List the movies of a part: train, validation or test."""
        kind = {4: "validation", 5: "test"}
        return [number for number in range(self.movies) if kind.get(number % 6, "train") == part]

    def movie_values(self, number: int) -> dict[str, Any]:
        """Draw the parameters of a movie: one without noise and camera, of 1 e⁻/Å²."""
        rng = np.random.default_rng([self.seed, number])
        sampling = round(float(rng.uniform(*self.sampling)), 4)
        seed, metal = int(rng.integers(2**31)), str(rng.choice(self.metals))
        thickness_A = round(float(rng.uniform(*self.support_thickness_A)), 1)
        return {
            **self.images,
            "image_size": [self.image_px, self.image_px],
            "sampling": [sampling, sampling],
            "noise": None,
            "mtf": None,
            "log_dose": [0, 0],
            "seed": seed,
            "movie": {**self.movie, "metal": metal, "support_thickness_A": thickness_A},
        }

    def of_data(self) -> set[str]:
        """Name the fields that the data depend on."""
        others = {
            "name",
            "version",
            "task",
            "limits",
            "licence",
            "attribution",
            "network",
            "epochs",
            "batch_size",
        }
        return set(type(self).model_fields) - others


@dataclass(frozen=True)
class ReadSpectra:
    """Expose frames of a movie anew with noise, and read the spectra of its particles, with their truth.

    Parameters
    ----------
    recipe : ZoneAxisRecipe
        How the data are made.
    folder : Path
        Folder of the simulated movies.
    """

    recipe: ZoneAxisRecipe
    folder: Path

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Read the spectra of a run of movies."""
        tables = [self._movie(number) for number in range(block.start, block.stop)]
        return {f"spectra/{name}": values for name, values in stack_columns(tables).items()}

    def _movie(self, number: int) -> Columns:
        stack = open_movie(self.folder / f"{number:03d}" / "movie.ome.tif")
        labels = open_labels(self.folder / f"{number:03d}" / "labels.zarr")
        rows = []
        for frame in range(stack.n_frames):
            image = stack.read(frame, frame + 1)[0]
            rows += list(
                self._frame(
                    generator(self.recipe.seed, number, frame), image, np.asarray(labels[frame]), stack
                )
            )
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return {"movie": np.full(len(rows), number, np.int32), **columns}

    def _frame(
        self, rng: np.random.Generator, expected: np.ndarray, labels: np.ndarray, stack: Stack
    ) -> Iterator[dict[str, Any]]:
        """Expose a frame of 1 e⁻/Å² again and again; the truth is that of one almost without noise."""
        pixel_nm = stack.pixel_nm or 1.0
        sampling_A = 10 * pixel_nm
        intensity = np.maximum(expected, 0) / sampling_A**2
        perfect = detect(rng, intensity, sampling_A=sampling_A, detector=Detector(_NOISE_FREE_DOSE))
        particles = np.unique(labels[labels > 0]).tolist()
        most_q = self.recipe.most_q_per_nm * pixel_nm
        noise = background_noise(perfect, labels)
        truth = {}
        for particle in particles:
            patch = cut_patch(perfect, labels, label=particle)
            truth[particle] = (
                0 if patch is None else self._visible(find_reflections(patch, noise=noise), most_q)
            )
        for _ in range(self.recipe.doses):
            dose = float(10 ** rng.uniform(*self.recipe.log_dose))
            c0, c3, readout_e = (float(rng.uniform(*limits)) for limits in _CAMERAS.values())
            camera = Detector(dose, mtf_c0=c0, mtf_c3=c3, readout_e=readout_e)
            counts = detect(rng, intensity, sampling_A=sampling_A, detector=camera)
            noise = background_noise(counts, labels)
            for particle in particles:
                patch = cut_patch(counts, labels, label=particle)
                if patch is None or not noise["q_per_px"].size:
                    continue
                power = normalised_power(patch, noise)
                score = _score(find_reflections(patch, noise=noise))
                yield {
                    "map": polar_spectrum(
                        power,
                        pixel_nm=pixel_nm,
                        most_q_per_nm=self.recipe.most_q_per_nm,
                        size=self.recipe.map_size,
                    ).astype(np.float16),
                    "class": truth[particle],
                    "dose_e_per_A2": dose,
                    "sampling_A": sampling_A,
                    "area_nm2": patch.area_px2 * pixel_nm**2,
                    **score._asdict(),
                }

    def _visible(self, found: Reflections, most_q_per_px: float) -> int:
        """Count directions of fringes of the contrast that counts, two at most: the number of the class."""
        rows = found.rows
        strong = rows["intensity"] >= self.recipe.visible_contrast**2
        there = strong & (rows["q_per_px"] <= most_q_per_px)
        return min(_score(found, there).independent_reflections, 2)


def make_spectra(
    recipe: ZoneAxisRecipe, work: Path, *, runner: Runner = run_serial, progress: Progress | None = None
) -> Columns:
    """Simulate the movies, and read the spectra of their particles; what is there already is kept.

    Parameters
    ----------
    recipe : ZoneAxisRecipe
        How the data are made.
    work : Path
        Folder of movies and spectra.
    runner : callable
        Where spectra are read.
    progress : callable or None
        Told (what is made, done, total).

    Returns
    -------
    dict of arrays (n,)
        movie, map (n, Q, A), class (a number of `CLASSES`), dose_e_per_A2, sampling_A, area_nm2, and the
        scores of `score_zone_axis`.
    """
    told = progress or _no_progress
    for number in range(recipe.movies):
        told("simulating movies", number, recipe.movies)
        folder = work / "movies" / f"{number:03d}"
        if not folder.exists():
            make_movie(check_movie_parameters(recipe.movie_values(number)), folder, n_frames=recipe.frames)
    claim_folder(work / "spectra", recipe.model_dump(mode="json", include=recipe.of_data()))
    kept = KeptOnDisk(ReadSpectra(recipe, work / "movies"), work / "spectra")
    blocks = [Block(number, number + 1, number) for number in range(recipe.movies)]
    for done, _ in enumerate(runner(kept, blocks), start=1):
        told("reading spectra", done, recipe.movies)
    return kept.load_all(blocks, "spectra")


def _score(found: Reflections, chosen: np.ndarray | None = None) -> ZoneAxisScore:
    names = ("power", "intensity", "angle_deg", "angle_error_deg")
    rows = (found.rows[name] for name in names)
    return score_zone_axis(*(values if chosen is None else values[chosen] for values in rows))


def _no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
