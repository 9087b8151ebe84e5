"""The door in: any microscope file or folder becomes a lazy Stack."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from ..base.errors import ReadError
from ..base.stack import Stack
from .calibration import Found, fingerprint, read_errors
from .folder import in_situ_clock_s, natural_key, open_frame_files

MICROSCOPE_SUFFIXES = (".dm3", ".dm4", ".mrc", ".mrcs", ".ali", ".emd", ".mib", ".blo")
TIA_SUFFIXES = (".ser", ".emi")
TIFF_SUFFIXES = (".tif", ".tiff")
HDF5_SUFFIXES = (".h5", ".hdf5", ".hspy")
ZARR_SUFFIXES = (".zarr", ".zspy")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
NUMPY_SUFFIXES = (".npy", ".npz")
TVIPS_SUFFIXES = (".tvips",)
KNOWN_SUFFIXES = (
    *MICROSCOPE_SUFFIXES,
    *TIA_SUFFIXES,
    *TIFF_SUFFIXES,
    *HDF5_SUFFIXES,
    *ZARR_SUFFIXES,
    *IMAGE_SUFFIXES,
    *NUMPY_SUFFIXES,
    *TVIPS_SUFFIXES,
)
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
_NOT_MOVIES = ("masks", "mask", "labels", "label")
_LATER_PART = re.compile(r"_(?!000)\d{3}\.tvips$", re.IGNORECASE)
_HOUR = re.compile(r"(Hour|Minute|Second)_\d+$", re.IGNORECASE)


def open_movie(
    path: str | Path, *, dataset: str | None = None, pixel_nm: float | None = None, painted: bool = False
) -> Stack:
    """Open a movie lazily: a microscope's file, a stack, an array store or a folder of single frames.

    Parameters
    ----------
    path : str or Path
        File or folder. `PATH#NAME` chooses an array where a file holds several.
    dataset : str or None
        Name of the array, in place of `#NAME`.
    pixel_nm : float or None
        Side of a pixel [nm] that overrides the file's, also where the file's pixels are not square.
    painted : bool
        True for masks, which pictures may hold in any colour on black: a pixel is its brightest channel.

    Returns
    -------
    Stack
        Frames are read when asked for. What the file does not say stays None.

    Raises
    ------
    ReadError
        If the path is missing, unreadable, damaged or of an unknown format.
    DataError
        If it holds no frames, or pixels that are not plain grey values.
    CalibrationError
        If its pixels are not square.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> file = Path(tempfile.mkdtemp()) / "film.npy"; np.save(file, np.zeros((3, 4, 5)))
    >>> open_movie(file).shape
    (3, 4, 5)
    """
    path = Path(path)
    if dataset is None and "#" in path.name and not path.exists():
        name, _, dataset = (
            str(path).partition("#") if "#" not in str(path.parent) else str(path).rpartition("#")
        )
        path = Path(name)
    if not path.exists():
        raise ReadError(f"{path} does not exist; check the name")
    with read_errors(path, "a movie"):
        if path.is_dir() and not is_zarr(path):
            files = _files_of_one_movie(path)
            stack = open_frame_files(
                path, files, lambda file: _open_file(file, Found(given_pixel_nm=pixel_nm, painted=painted))
            )
            return replace(stack, fingerprint=fingerprint(files))
        stack = _open_file(path, Found(given_pixel_nm=pixel_nm, painted=painted), dataset)
        return replace(stack, fingerprint=fingerprint(_files_behind(path)))


def is_movie_file(path: str | Path) -> bool:
    """Tell from its name whether a file may hold a movie; later parts of a split movie do not count.

    Parameters
    ----------
    path : str or Path
        A file, or a folder that is a Zarr store.

    Returns
    -------
    bool
        False for hidden files, tables, texts, and an .emi beside its .ser.

    Examples
    --------
    >>> is_movie_file("film.dm4"), is_movie_file("film_001.tvips"), is_movie_file("log.csv")
    (True, False, False)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix not in KNOWN_SUFFIXES or _LATER_PART.search(path.name):
        return False
    return not (suffix == ".emi" and any(path.parent.glob(f"{_escape(path.stem)}_*.[sS][eE][rR]")))


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr store.

    Parameters
    ----------
    path : Path
        A folder.

    Returns
    -------
    bool
        True where it has a store's suffix or a store's own files.

    Examples
    --------
    >>> is_zarr(Path("film.zarr"))
    True
    """
    return path.suffix.lower() in ZARR_SUFFIXES or any((path / name).is_file() for name in _ZARR_FILES)


def movies_below(path: str | Path) -> list[Path]:
    """List the movies in a folder and the folders below it.

    An in situ folder (Hour_HH/Minute_MM/Second_SS) is one movie. So is a folder whose files are numbered
    single frames of one format. Every other movie file is a movie of its own. Hidden folders, folders of
    masks or labels, and folders of results (with a provenance.json) are passed over.

    Parameters
    ----------
    path : str or Path
        A folder, or one movie file.

    Returns
    -------
    list of Path
        One path a movie, sorted as people count, to be given to `open_movie`. Empty where there is none.

    Raises
    ------
    ReadError
        If the path does not exist or cannot be listed.

    Examples
    --------
    >>> import tempfile
    >>> movies_below(tempfile.mkdtemp())
    []
    """
    path = Path(path)
    if not path.exists():
        raise ReadError(f"{path} does not exist; check the name")
    if path.is_file() or is_zarr(path):
        return [path] if is_movie_file(path) or path.is_dir() else []
    with read_errors(path, "a folder of movies"):
        return sorted(_movies_in(path), key=lambda movie: natural_key(str(movie)))


def _movies_in(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    folders = [entry for entry in shown if entry.is_dir()]
    if any(_HOUR.match(entry.name) for entry in folders):
        return [folder]
    movies: list[Path] = [entry for entry in folders if is_zarr(entry)]
    files = [entry for entry in shown if entry.is_file() and is_movie_file(entry)]
    if len(files) > 1 and _is_numbered(files) and _holds_one_frame(files):
        movies.append(folder)
    else:
        movies.extend(files)
    for entry in folders:
        results = (entry / "provenance.json").is_file()
        if not is_zarr(entry) and not results and entry.name.lower() not in _NOT_MOVIES:
            movies.extend(_movies_in(entry))
    return movies


def _is_numbered(files: list[Path]) -> bool:
    return len({re.sub(r"\d+", "", file.name.lower()) for file in files}) == 1


def _holds_one_frame(files: list[Path]) -> bool:
    # A damaged first file must not turn a folder of frames into many movies.
    for file in files[:3]:
        try:
            return _open_file(file, Found()).n_frames == 1
        except ReadError:
            continue
        except Exception:
            return False
    return False


def _files_of_one_movie(folder: Path) -> list[Path]:
    in_situ = [entry for entry in folder.iterdir() if entry.is_dir() and _HOUR.match(entry.name)]
    if in_situ:
        files = [
            Path(root) / name
            for top in in_situ
            for root, _, names in os.walk(top)
            for name in names
            if is_movie_file(name)
        ]
        if not files:
            raise ReadError(f"{folder} holds no frames in its Hour_HH folders; expected .dm4 files")
        return sorted(
            files, key=lambda file: (in_situ_clock_s(file.as_posix()) or 0.0, natural_key(file.name))
        )
    files = [entry for entry in folder.iterdir() if entry.is_file() and is_movie_file(entry)]
    kinds = sorted({file.suffix.lower() for file in files})
    if not files:
        raise ReadError(f"{folder} holds no movie; expected files such as .dm4, .mrc, .tif or .npy in it")
    if len(kinds) > 1:
        raise ReadError(
            f"{folder} holds files of several formats ({', '.join(kinds)}); give one of its files"
        )
    return files if len(files) == 1 else sorted(files, key=lambda file: natural_key(file.name))


def _open_file(path: Path, found: Found, dataset: str | None = None) -> Stack:
    suffix = path.suffix.lower()
    if path.is_file() and path.stat().st_size == 0:
        raise ReadError(f"{path} is empty; copy the file again")
    if suffix in MICROSCOPE_SUFFIXES:
        from .microscope import open_microscope_file

        return open_microscope_file(path, found, dataset)
    if suffix in HDF5_SUFFIXES:
        from .hierarchical import open_hdf5

        return open_hdf5(path, found, dataset)
    if path.is_dir() and is_zarr(path):
        from .hierarchical import open_zarr

        return open_zarr(path, found, dataset)
    if suffix == ".npz":
        from .numpy_files import open_npz

        return open_npz(path, found, dataset)
    if dataset is not None:
        raise ReadError(f"{path} holds one array; leave out #{dataset}")
    if suffix in TIA_SUFFIXES:
        from .tia import open_tia

        return open_tia(path, found)
    if suffix in TVIPS_SUFFIXES:
        from .tvips import open_tvips

        return open_tvips(path, found)
    if suffix in TIFF_SUFFIXES:
        from .tiff import open_tiff

        return open_tiff(path, found)
    if suffix == ".npy":
        from .numpy_files import open_npy

        return open_npy(path, found)
    if suffix in IMAGE_SUFFIXES:
        from .images import open_image

        return open_image(path, found)
    known = " ".join(KNOWN_SUFFIXES)
    raise ReadError(f"{path} is of an unknown format ({suffix or 'no suffix'}); expected one of {known}")


def _files_behind(path: Path) -> list[Path]:
    """List the files that a movie's fingerprint covers."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.suffix.lower() == ".tvips" and path.stem.endswith("_000"):
        return sorted(path.parent.glob(f"{_escape(path.stem[:-4])}_[0-9][0-9][0-9].tvips"))
    if path.suffix.lower() == ".emi":
        return [path, *sorted(path.parent.glob(f"{_escape(path.stem)}_*.[sS][eE][rR]"))]
    return [path]


def _escape(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)
