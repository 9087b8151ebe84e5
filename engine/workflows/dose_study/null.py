"""What the study of dose gives a method that never looks at the image: where particles usually are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from ...learn.scores import count_pixels

NULL = "mean"
# Of the frame's side: a handful of particles leaves steps between the pixels that they share.
_SMOOTHING = 1 / 32


def mark_mean(masks: list[np.ndarray]) -> np.ndarray:
    """Mark where particles usually are: as many pixels as they have on average, those that are inside most.

    Parameters
    ----------
    masks : list of arrays (Y, X), bool
        Where the particles of other systems are.

    Returns
    -------
    array (Y, X), bool
        The same for every image.

    Examples
    --------
    >>> mark_mean([np.eye(4) > 0, np.eye(4) > 0]).sum()
    np.int64(4)
    """
    share = np.mean(masks, axis=0)
    count = round(float(share.sum()))
    smooth = ndimage.gaussian_filter(share, _SMOOTHING * max(share.shape), mode="constant")
    marked = np.zeros(share.size, bool)
    marked[np.argsort(-smooth.ravel(), kind="stable")[:count]] = True
    return marked.reshape(share.shape)


def null_rows(masks: Mapping[int, np.ndarray], doses: list[float]) -> list[dict[str, Any]]:
    """Score every system by the mean marker of the others; nothing where there are no others.

    Parameters
    ----------
    masks : mapping from int to array (Y, X), bool
        Where the particle of each system is.
    doses : list of float
        Doses [e⁻/Å²], none of which changes anything.

    Returns
    -------
    list of dict
        One row a system and dose, with the columns of `dose_series`.

    Notes
    -----
    Its area is right on average, by making: an area that is full is no proof that anything was found. F1 is.

    Examples
    --------
    >>> left = np.zeros((4, 4), bool); left[:, :2] = True
    >>> [row["f1"] for row in null_rows({0: left, 1: ~left}, [10.0])]
    [0.0, 0.0]
    """
    if len(masks) < 2:
        return []
    rows = []
    for number, truth in masks.items():
        marked = mark_mean([mask for other, mask in masks.items() if other != number])
        counts = count_pixels(truth, marked).counts
        scores = {
            "area": float(np.count_nonzero(marked) / np.count_nonzero(truth)),
            "recall": float(counts.recall[0]),
            "f1": float(counts.f1[0]),
            "false_area": float(marked.mean()),
        }
        rows += [
            {"method": NULL, "system": number, "dose_e_per_A2": dose, "repeat": 0.0, **scores}
            for dose in doses
        ]
    return rows
