"""Make bf-particles: dark particles on an amorphous support, from simple simulations and real crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from temflux.models.networks import build_network

from ...base.errors import ReadError, SettingsError
from ...base.seeds import generator
from ...files.read import open_movie
from ...generate.bright_field import BrightField, draw_bright_field
from ...images.coarsen import coarsen
from ...learn.augment import Augmentation
from ...learn.model_cards import ModelCard
from ...learn.model_files import load_model, save_model
from ...learn.samples import FrameSource, Samples, SampleSettings, Task
from ...learn.trained import NetworkSpec
from ...learn.training import Curves, TrainingSettings, train
from ..adapt import AdaptedRun, adapt_to_frames
from ..adapting.labelled_frames import LabelledFrames
from ..adapting.settings import AdaptSettings

Progress = Callable[[str, int, int], None]

_CHANNELS = ("inside",)
_ON_THE_CARD = {"name", "version", "task", "limits", "licence", "attribution"}


class BfRecipe(BaseModel):
    """How bf-particles is made; models/zoo/bf-particles.json holds what differs from the defaults.

    Examples
    --------
    >>> BfRecipe().sampling_A
    1.18
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    learns_from: Literal["crops"] = Field("crops", description="What tells this recipe from simulations.")
    name: str = Field("bf-particles", description="Name of the model.")
    version: str = Field("1", description="Version of its weights.")
    task: str = Field(
        "Marks dark particles on an amorphous support in bright-field TEM images.",
        description="What it finds in what, in one sentence.",
    )
    limits: tuple[str, ...] = Field((), description="Where it fails.")
    licence: str = Field("CC-BY-4.0", description="Licence of the weights, as of the crops.")
    attribution: str = Field(
        "Learnt from 20 hand-labelled crops of msa-em/microscopy-seg-track, DOI 10.69761/HDTA8338, "
        "CC-BY-4.0.",
        description="Whom those who pass the model on must name.",
    )
    pixel_nm: float = Field(
        0.059,
        gt=0,
        description="Nominal side of a pixel of the real crops [nm], which is not known: their finest "
        "fringes, 4.0 px apart, are taken for gold's {111} planes.",
    )
    binning: int = Field(2, ge=1, description="Pixels of a crop to one that the network sees, along a side.")
    normalize_A: float = Field(
        200.0,
        gt=0,
        description="Gaussian that images are standardised with [Å]; wide, since outlines follow half of the "
        "contrast in a whole crop.",
    )
    channels: int = Field(16, ge=1, description="Channels of the network's first level.")
    simulated: int = Field(300, ge=1, description="Simulated images that it begins with.")
    simulated_px: int = Field(192, ge=32, description="Their sides [px].")
    simulated_epochs: int = Field(20, ge=1, description="Epochs over them.")
    radius_px: tuple[float, float] = Field((3.0, 30.0), description="Radii of their particles [px].")
    seed: int = Field(100, ge=0, description="Seed of everything.")
    compiled: bool = Field(True, description="Compile the steps.")
    real: dict[str, Any] = Field(
        {
            "held_out": 0,
            "epochs": 30,
            "samples": 128,
            "batch_size": 4,
            "crop_px": 192,
            "learning_rate": 1e-3,
            "fix_normalisation": False,
        },
        description="Settings of fine-tuning on real crops, as of temflux train --from.",
    )

    @property
    def sampling_A(self) -> float:
        """Side of a pixel that the network sees [Å]."""
        return round(10 * self.pixel_nm * self.binning, 6)


def read_crops(folder: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the real crops and their masks.

    Parameters
    ----------
    folder : str or Path
        Folder with frames_and_masks.npz.

    Returns
    -------
    images : array (20, 512, 512), uint8
        Crops.
    masks : array (20, 512, 512), uint8
        1 inside particles, as they were drawn by hand.

    Raises
    ------
    ReadError
        If the file is missing or broken.

    Examples
    --------
    >>> read_crops("nothing-here")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    temflux.engine.base.errors.ReadError: nothing-here/frames_and_masks.npz: not there; ...
    """
    path = Path(folder) / "frames_and_masks.npz"
    if not path.is_file():
        raise ReadError(f"{path}: not there; fetch it from DOI 10.69761/HDTA8338")
    images, masks = (open_movie(path, dataset=name, painted=True) for name in ("images", "masks"))
    return images.read(0, images.n_frames), (masks.read(0, masks.n_frames) > 0).astype(np.uint8)


def bin_frames(
    images: np.ndarray, masks: np.ndarray, recipe: BfRecipe, *, name: str = "crops"
) -> LabelledFrames:
    """Bin crops and masks to what the network sees.

    Parameters
    ----------
    images, masks : arrays (T, Y, X)
        Crops, and 1 inside particles.
    recipe : BfRecipe
        Binning and pixel size.
    name : str
        What the record calls them.

    Returns
    -------
    LabelledFrames
        Frames resampled as prediction does it; a pixel is inside where half of it is.

    Examples
    --------
    >>> bin_frames(np.ones((1, 4, 4)), np.ones((1, 4, 4)), BfRecipe()).masks.shape
    (1, 2, 2)
    """
    from skimage.transform import downscale_local_mean

    n = recipe.binning
    height, width = (side // n for side in images.shape[1:])
    rows, columns = n * height, n * width
    frames = [coarsen(image[:rows, :columns], (height, width)) for image in images]
    inside = [downscale_local_mean(mask[:rows, :columns].astype(np.float32), (n, n)) >= 0.5 for mask in masks]
    sources = {"frames": name, "masks": name}
    return LabelledFrames(
        np.asarray(frames, np.float32), np.asarray(inside, np.uint8), recipe.sampling_A / 10, None, sources
    )


def make_start(
    recipe: BfRecipe,
    work: str | Path,
    *,
    progress: Progress | None = None,
    on_epoch: Callable[[Curves], None] | None = None,
) -> Path:
    """Train a network on simple simulations, for fine-tuning to start from; what is there is gone on with.

    Parameters
    ----------
    recipe : BfRecipe
        How it is made.
    work : str or Path
        Folder for the run and the model.
    progress, on_epoch : callable or None
        As `train` takes them.

    Returns
    -------
    Path
        The model.

    Raises
    ------
    SettingsError
        If the folder holds a start of another recipe.
    """
    work = Path(work)
    how_made = recipe.model_dump(mode="json", exclude={*_ON_THE_CARD, "real"})
    if (work / "model" / "card.json").is_file():
        if dict(load_model(work / "model").card.recipe) != how_made:
            raise SettingsError(f"{work}: holds a start of another recipe; give another folder, or remove it")
        return work / "model"
    task = Task("Mask", 1, _CHANNELS, recipe.normalize_A)
    how = BrightField(radius_px=recipe.radius_px)
    side = recipe.simulated_px
    frames, masks = [], []
    for number in range(recipe.simulated):
        frame, mask = draw_bright_field(generator(recipe.seed, "bright field", number), (side, side), how=how)
        frames.append(frame)
        masks.append(mask)
        if progress is not None:
            progress("simulated images", number + 1, recipe.simulated)
    arguments: dict[str, Any] = {
        "in_channels": 1,
        "out_channels": 1,
        "activation": task.activation,
        "channels": recipe.channels,
    }
    spec = NetworkSpec("compact", arguments)
    samples = Samples(
        [FrameSource(frames, masks, sampling_A=recipe.sampling_A, task=task)],
        SampleSettings(crop_px=128, multiple_px=spec.size_multiple, augmentation=Augmentation()),
    )
    network = build_network(spec.name, **arguments, seed=recipe.seed)
    settings = TrainingSettings(
        epochs=recipe.simulated_epochs,
        batch_size=8,
        learning_rate=2e-3,
        final_learning_rate=1e-4,
        jit_compile=recipe.compiled,
        seed=recipe.seed,
    )
    train(samples, None, network, settings, work, restart=True, progress=progress, on_epoch=on_epoch)
    card = ModelCard(
        "bf-particles-start",
        task="Dark particles on an amorphous support in bright field, simulated simply",
        label="Mask",
        channels=_CHANNELS,
        normalize_A=recipe.normalize_A,
        ranges={"sampling_A": (recipe.sampling_A, recipe.sampling_A)},
        recipe=how_made,
        licence="BSD-3-Clause",
    )
    save_model(work / "model", network, spec, card)
    return work / "model"


def adapt_to_crops(
    recipe: BfRecipe,
    start: str | Path,
    crops: tuple[np.ndarray, np.ndarray],
    out: str | Path,
    *,
    progress: Progress | None = None,
    **changed: Any,
) -> AdaptedRun:
    """Fine-tune the start on real crops; a run that was stopped is gone on with.

    Parameters
    ----------
    recipe : BfRecipe
        How it is made.
    start : str or Path
        Model to start from.
    crops : (array, array)
        Crops and masks (T, Y, X).
    out : str or Path
        Folder of the run.
    progress : callable or None
        Told (what is going on, done, total) batches.
    **changed
        Settings of fine-tuning that differ from the recipe's.

    Returns
    -------
    AdaptedRun
        Where the model is.
    """
    settings = AdaptSettings(**{"seed": recipe.seed, "compiled": recipe.compiled, **recipe.real, **changed})
    labelled = bin_frames(*crops, recipe)
    return adapt_to_frames(start, labelled, out, settings, restart=True, progress=progress)


def make_bf_particles(
    recipe: BfRecipe, data: str | Path, work: str | Path, *, progress: Progress | None = None
) -> Path:
    """Make the model: simulations first, then all real crops.

    Parameters
    ----------
    recipe : BfRecipe
        How it is made.
    data : str or Path
        Folder with frames_and_masks.npz.
    work : str or Path
        Folder for what is made on the way.
    progress : callable or None
        Told (what is going on, done, total) batches.

    Returns
    -------
    Path
        The model, without figures: it has seen all crops.
    """
    work = Path(work)
    start = make_start(recipe, work / "start", progress=progress)
    return adapt_to_crops(recipe, start, read_crops(data), work / "all", progress=progress).model
