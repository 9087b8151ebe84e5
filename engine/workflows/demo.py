"""Demo: a small simulated movie whose truth is known, to be tracked like any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..files.write import write_movie
from ..generate.phantom import phantom_frames

_SEED = 0


@dataclass(frozen=True)
class DemoMovie:
    """A simulated movie on disk, and what was planted in it.

    Parameters
    ----------
    path : Path
        The OME-TIFF file.
    n_particles : int
        Particles planted.
    dose_e_per_A2 : float
        Dose of a frame [e⁻/Å²], which the file format has no place for.
    """

    path: Path
    n_particles: int
    dose_e_per_A2: float


def make_demo_movie(folder: str | Path) -> DemoMovie:
    """Simulate a small in situ movie of gold-like particles and write it as OME-TIFF.

    Parameters
    ----------
    folder : path
        Where the file goes.

    Returns
    -------
    DemoMovie
        The file, and what was planted in it.

    Raises
    ------
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> make_demo_movie(tempfile.mkdtemp()).path.name
    'demo-movie.ome.tif'
    """
    frames = phantom_frames(seed=_SEED)
    path = write_movie(frames.stack("demo-movie"), Path(folder) / "demo-movie.ome.tif")
    return DemoMovie(path, len(set(frames.scene.truth()["particle"].tolist())), frames.dose_e_per_A2)
