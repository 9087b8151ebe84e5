"""Movie: parameters in; a simulated in situ movie out, with everything that is true of it."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..base.blocks import Block, Runner, plan_blocks, run_serial
from ..base.errors import SettingsError, WriteError
from ..base.seeds import generator
from ..base.stack import Stack
from ..base.tables import Columns, stack_columns, to_dataframe
from ..files.atomic import atomic_file, replace_folder, write_errors
from ..files.labels import create_labels, open_labels
from ..files.write import write_movie
from ..generate.debye_waller import debye_waller_A
from ..generate.draws import draw_microscope
from ..generate.movie_events import frame_table, hop_table, list_events
from ..generate.movie_frames import MovieFrames, MovieOptics
from ..generate.movie_plan import plan_movie
from ..report.writing import write_csv
from .images import detector_of, microscope_of
from .resumable import KeptOnDisk, claim_folder
from .simulating.movie_parameters import MovieRecipe, read_movie_parameters

Progress = Callable[[str, int, int], None]

FRAMES_PER_BLOCK = 8
_LARGEST_TABLES = 1e6
_MADE_WITH = ("temflux", "abtem", "ase", "numpy", "scipy", "numba", "tifffile", "zarr")
_APPROXIMATIONS = (
    "exit wave = support's · product of the particles' multislice waves: no scattering from one to another",
    "support: one slice, a Gaussian random field with carbon's scattering factor",
    "particles in steps of 0.25° of tilt, 0.5° in plane and 1 % of their atoms; the truth tells of the steps",
    "a frame shows the state at its begin; nothing moves or hops during an exposure",
)


@dataclass(frozen=True)
class MovieResult:
    """A simulated movie on disk.

    Parameters
    ----------
    folder : Path
        Folder of all outputs.
    truth, events : pandas.DataFrame
        What lies in truth.csv and events.csv.
    provenance : mapping
        What lies in provenance.json.
    """

    folder: Path
    truth: pd.DataFrame
    events: pd.DataFrame
    provenance: Mapping[str, Any]

    @property
    def movie(self) -> Path:
        """The movie's file."""
        return self.folder / "movie.ome.tif"


def make_movie(
    parameters: str | Path | MovieRecipe,
    out: str | Path,
    *,
    n_frames: int,
    seed: int | None = None,
    runner: Runner = run_serial,
    progress: Progress | None = None,
    frames_per_block: int = FRAMES_PER_BLOCK,
) -> MovieResult:
    """Simulate an in situ movie of metal particles whose every state is known.

    Parameters
    ----------
    parameters : path or MovieRecipe
        A parameters file, or one already read. Its microscope, dose and camera are drawn once for the movie.
    out : path
        Folder of the outputs, written whole or not at all: movie.ome.tif (float32 electrons a pixel, with
        pixel size and times), labels.zarr (identities), truth.csv (every particle in every frame),
        events.csv, frames.csv (time, dose, drift), columns.csv (sites of hopping columns), hops.csv and
        provenance.json. A stopped run leaves a hidden work folder beside it, and goes on from there.
    n_frames : int
        Frames.
    seed : int or None
        Seed of everything drawn; the parameters' where None.
    runner : callable
        Runs a function over blocks of frames: serially or in processes; the bytes are the same.
    progress : callable or None
        Called with the stage's name, frames done and frames in all.
    frames_per_block : int
        Frames that a worker takes at a time; the result does not depend on it.

    Returns
    -------
    MovieResult
        Where the movie is, and its truth.

    Raises
    ------
    TemfluxError
        If the parameters cannot be used, or the outputs cannot be written. A folder with anything else but
        an earlier simulated movie in it is refused.

    Notes
    -----
    Approximations are stated in `generate.movie_waves` and in provenance.json.

    Examples
    --------
    >>> import tempfile
    >>> from temflux.engine.workflows.simulating.movie_parameters import check_movie_parameters
    >>> small = {"image_size": [80, 80], "sampling": [0.5, 0.5], "movie": {"radius_A": [8, 9]}}
    >>> recipe = check_movie_parameters(small)
    >>> make_movie(recipe, Path(tempfile.mkdtemp()) / "small", n_frames=1).truth["particle"].tolist()
    [1]
    """
    recipe = parameters if isinstance(parameters, MovieRecipe) else read_movie_parameters(parameters)
    seed = recipe.images.seed if seed is None else seed
    frames, drawn = set_up(recipe, n_frames=n_frames, seed=seed)
    folder = Path(out).absolute()
    _refuse_other_work(folder)
    work = folder.with_name(f".{folder.name}.work")
    claim_folder(work, _work_key(recipe, seed, n_frames))
    shape = (n_frames, *recipe.images.shape)
    _need_room(work, shape)
    result = work / "result"
    pixel_nm, times_s = frames.sampling_A / 10, frames.scene.times_s
    labels = result / "labels.zarr"
    _create_labels_once(labels, shape, pixel_nm, recipe.movie.frame_s)

    kept = KeptOnDisk(_MakeFrames(frames, labels), work / "frames")
    blocks = plan_blocks(n_frames, frames_per_block=frames_per_block)
    done = 0
    for block in runner(kept, blocks):
        done += block.stop - block.start
        if progress is not None:
            progress("simulating frames", done, n_frames)

    truth = kept.load_all(blocks, "truth")
    tables = {
        "truth": truth,
        "events": list_events(frames.scene, _in_view(truth, frames)),
        "frames": frame_table(frames.scene, dose_e_per_A2=frames.optics.detector.dose_e_per_A2),
        "columns": kept.load_all(blocks, "columns"),
        "hops": hop_table(frames.scene),
    }
    for name, table in tables.items():
        write_csv(result / f"{name}.csv", to_dataframe(table))
    dose = tables["frames"]["dose_e_per_A2"]
    pixels = _KeptFrames(kept, tuple(blocks), shape)
    key = json.dumps(_work_key(recipe, seed, n_frames), sort_keys=True)
    fingerprint = hashlib.sha256(key.encode()).hexdigest()
    stack = Stack(pixels, folder.name, pixel_nm, times_s, dose, fingerprint=fingerprint)
    write_movie(stack, result / "movie.ome.tif")
    provenance = _provenance(recipe, seed, frames, drawn)
    with atomic_file(result / "provenance.json") as temporary:
        temporary.write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    replace_folder(result, folder)
    shutil.rmtree(work, ignore_errors=True)
    return MovieResult(folder, to_dataframe(truth), to_dataframe(tables["events"]), provenance)


def set_up(recipe: MovieRecipe, *, n_frames: int, seed: int) -> tuple[MovieFrames, dict[str, float]]:
    """Draw a movie's microscope and plan.

    Parameters
    ----------
    recipe : MovieRecipe
        Checked parameters.
    n_frames : int
        Frames.
    seed : int
        Seed of everything drawn.

    Returns
    -------
    frames : MovieFrames
        Makes any frame.
    drawn : dict of float
        The microscope as drawn, with the sampling that was taken.

    Raises
    ------
    SettingsError
        If the parameters do not go together.

    Examples
    --------
    >>> from temflux.engine.workflows.simulating.movie_parameters import check_movie_parameters
    >>> frames, drawn = set_up(check_movie_parameters({}), n_frames=2, seed=0)
    >>> 0.29 < drawn["sampling_A"] < 0.41
    True
    """
    images, movie = recipe.images, recipe.movie
    drawn: dict[str, float] = draw_microscope(generator(seed, "movie", "microscope"), images.ranges)
    assert images.beam_energy is not None
    optics = MovieOptics(
        microscope_of(drawn, images.beam_energy),
        detector_of(drawn, images),
        images.shape,
        drawn["sampling_A"],
        support=movie.support,
        support_thickness_A=movie.support_thickness_A,
        debye_waller_A=debye_waller_A(movie.metal, temperature_K=movie.temperature_K),
    )
    drawn["sampling_A"] = optics.grid.sampling_A
    settings = recipe.settings(n_frames=n_frames, sampling_A=drawn["sampling_A"])
    scene = plan_movie(generator(seed, "movie", "plan"), settings)
    return MovieFrames(scene, optics, seed=seed), drawn


@dataclass(frozen=True)
class _MakeFrames:
    """A block of frames to images and tables; labels go straight into their store."""

    frames: MovieFrames
    labels: Path

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        store = open_labels(self.labels, writable=True)
        images, truth, columns = [], [], []
        for index in range(block.start, block.stop):
            frame = self.frames.frame(index)
            with write_errors(self.labels):
                store[index] = frame.labels
            images.append(frame.image)
            truth.append(frame.truth)
            columns.append(frame.columns)
        tables = {"truth": stack_columns(truth), "columns": stack_columns(columns)}
        named = {f"{name}/{key}": column for name, table in tables.items() for key, column in table.items()}
        return {"images/images": np.stack(images), **named}


class _KeptFrames:
    """Frames that `_MakeFrames` left on disk; the block read last stays in memory."""

    def __init__(self, kept: KeptOnDisk, blocks: tuple[Block, ...], shape: tuple[int, int, int]) -> None:
        self.kept, self.blocks, self.shape = kept, blocks, shape
        self.dtype = np.dtype(np.float32)
        self._last: tuple[Block, np.ndarray] | None = None

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames start (included) to stop (excluded) as an array (stop - start, Y, X)."""
        parts = [np.empty((0, *self.shape[1:]), self.dtype)]
        for block in self.blocks:
            if block.start < stop and start < block.stop:
                if self._last is None or self._last[0] != block:
                    self._last = (block, self.kept.load(block, "images")["images"])
                parts.append(self._last[1][max(start - block.start, 0) : stop - block.start])
        return np.concatenate(parts)


def _in_view(truth: Columns, frames: MovieFrames) -> np.ndarray:
    """Say which particles have a label in which frame, an array (T, P) of bool."""
    in_view = np.zeros((len(frames.scene.times_s), int(frames.scene.identity.max())), bool)
    in_view[truth["frame"], truth["particle"] - 1] = True
    return in_view


def _refuse_other_work(folder: Path) -> None:
    """Refuse to replace anything but an earlier movie of this kind."""
    with write_errors(folder):
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken and not all(
        (folder / name).exists() for name in ("movie.ome.tif", "provenance.json", "truth.csv")
    ):
        raise SettingsError(
            f"{folder}: expected a new or empty folder, or an earlier simulated movie; choose another"
        )


def _create_labels_once(path: Path, shape: tuple[int, int, int], pixel_nm: float, frame_s: float) -> None:
    """Make the store under a temporary name first: what bears the final name is whole."""
    if not path.exists():
        new = path.with_name(f".{path.name}")
        create_labels(new, shape=shape, pixel_nm=pixel_nm, frame_s=frame_s)
        with write_errors(path):
            new.rename(path)


def _need_room(folder: Path, shape: tuple[int, int, int]) -> None:
    """Say before the work, not after, that the movie will not fit on the disk."""
    # Once as blocks and once as the movie, until the blocks are taken away.
    needed = 2 * 4 * float(np.prod(shape, dtype=np.float64)) + _LARGEST_TABLES
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WriteError(
            f"{shape[0]} frames of {shape[1]} × {shape[2]} px need {needed / 1e9:.3g} GB while they are "
            f"made, {folder} has {free / 1e9:.3g} GB free; make fewer frames, or choose another folder"
        )


def _work_key(recipe: MovieRecipe, seed: int, n_frames: int) -> dict[str, Any]:
    """Say what half-done work must agree in to be gone on with."""
    return {
        "versions": {name: version(name) for name in _MADE_WITH},
        "images": recipe.images.model_dump(mode="json"),
        "movie": recipe.movie.model_dump(mode="json"),
        "seed": seed,
        "n_frames": n_frames,
    }


def _provenance(
    recipe: MovieRecipe, seed: int, frames: MovieFrames, drawn: Mapping[str, float]
) -> dict[str, Any]:
    scene = frames.scene
    return {
        **_work_key(recipe, seed, len(scene.times_s)),
        "python": platform.python_version(),
        "drawn": dict(drawn),
        "pixel_nm": frames.sampling_A / 10,
        "debye_waller_A": frames.optics.debye_waller_A,
        "particles": {str(number): fate for number, fate in enumerate(scene.fates, start=1)},
        "hopping_columns": {
            str(body + 1): len(columns) for body, columns in enumerate(scene.hop_columns) if columns
        },
        "approximations": list(_APPROXIMATIONS),
    }
