"""Random numbers that depend on a seed and on what is drawn, never on when or by which process."""

from __future__ import annotations

import zlib

import numpy as np

from .errors import SettingsError


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """Make the generator of one thing, independent of those of all others.

    Parameters
    ----------
    seed : int
        Seed of the whole run, 0 or more.
    *path : int or str
        What is drawn, as ("system", 17); whole numbers of 0 or more.

    Returns
    -------
    numpy.random.Generator
        The same for the same seed and path.

    Raises
    ------
    SettingsError
        If the seed or a number of the path is negative.

    Examples
    --------
    >>> bool(generator(100, "system", 17).random() == generator(100, "system", 17).random())
    True
    """
    numbers = [zlib.crc32(step.encode()) if isinstance(step, str) else step for step in path]
    if min([seed, *numbers]) < 0:
        raise SettingsError(f"seed: expected whole numbers of 0 or more, got {seed} for {path}")
    return np.random.default_rng([seed, *numbers])
