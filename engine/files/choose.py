"""Which of several arrays in one file is the movie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..base.errors import DataError, ReadError

_MOVIES = (
    "frames",
    "movie",
    "images",
    "stack",
    "data",
    "raw",
    "image",
    "frame",
    "signal",
    "video",
    "arr_0",
    "0",
)
_NEVER = ("mask", "label", "segment", "truth", "target", "weight", "prediction", "probabilit", "thumbnail")


def choose_array(
    arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]], wanted: str | None, path: Path, notes: list[str]
) -> str:
    """Choose the movie among a file's arrays.

    Parameters
    ----------
    arrays : mapping from name to (shape, dtype)
        All arrays of the file, nested names with slashes.
    wanted : str or None
        The name asked for, whole or its last part; None to choose by convention.
    path : Path
        The file, for messages.
    notes : list of str
        Receives a sentence where there was a choice.

    Returns
    -------
    str
        Name of the array. Conventional names (frames, movie, images, stack, data, raw, …) come first, masks
        and labels only where there is nothing else, then three axes before two, then the largest.

    Raises
    ------
    ReadError
        If there is no array of that name; the message lists the names there are.
    DataError
        If no array can be a movie.

    Examples
    --------
    >>> shapes = {"masks": ((9, 8, 8), np.dtype(bool)), "images": ((9, 8, 8), np.dtype("u1"))}
    >>> choose_array(shapes, None, Path("a.npz"), [])
    'images'
    """
    if wanted is not None:
        matches = [name for name in arrays if name == wanted] or [
            name
            for name in arrays
            if name.rpartition("/")[2] == wanted.strip("/") or name == wanted.strip("/")
        ]
        if len(matches) != 1:
            count = "no" if not matches else "more than one"
            raise ReadError(f"{path} holds {count} array named {wanted}; choose one of: {_listed(arrays)}")
        return matches[0]
    images = [name for name, (shape, dtype) in arrays.items() if len(shape) >= 2 and dtype.kind in "biufcV"]
    fit = [name for name in images if not any(word in name.lower() for word in _NEVER)]
    if len(images) == 1 and not fit:
        # Whoever gives a file with nothing but masks means them.
        return images[0]
    if not fit:
        held = f"it holds {_listed(arrays)}" if arrays else "it holds no array"
        raise DataError(
            f"{path}: expected an array (T, Y, X) or (Y, X) of numbers; {held}; masks and labels are taken "
            "only when named, as PATH#NAME"
        )
    chosen = min(fit, key=lambda name: _rank(name, *arrays[name]))
    if len(fit) > 1:
        others = ", ".join(name for name in fit if name != chosen)
        notes.append(f"frames taken from the array {chosen}; also there: {others} (choose with PATH#NAME)")
    return chosen


def _rank(name: str, shape: tuple[int, ...], dtype: np.dtype) -> tuple[bool, bool, int, int, str]:
    leaf = name.rpartition("/")[2].lower()
    word = _MOVIES.index(leaf) if leaf in _MOVIES else len(_MOVIES)
    # A calibration vector stored as (1, N) must not win over the pixels.
    small = min(shape[-2:]) < 2
    return small or dtype.kind in "cV", len(shape) != 3, word, -int(np.prod(shape)), name


def _listed(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> str:
    shown = [f"{name} {'x'.join(map(str, shape))} {dtype}" for name, (shape, dtype) in arrays.items()]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
