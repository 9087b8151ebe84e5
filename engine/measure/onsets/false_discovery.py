"""Many tests at once: the share of false ones among those that are believed."""

from __future__ import annotations

import numpy as np

from ...base.errors import DataError


def adjust_for_false_discovery(p: np.ndarray) -> np.ndarray:
    """Adjust p-values so that believing all below a level gives that share of false ones at most.

    Parameters
    ----------
    p : array (n,), float
        The p-values of all tests that were made, not only of those that look good.

    Returns
    -------
    array (n,), float64
        q: the smallest level of false discoveries at which each is believed.

    Raises
    ------
    DataError
        If a p-value is missing or outside 0..1.

    Notes
    -----
    q of the i-th smallest of n is the minimum over j ≥ i of n·p₍ⱼ₎/j: Y. Benjamini and Y. Hochberg, J. R.
    Stat. Soc. B 57, 289 (1995). Holds for tests that are independent or positively dependent.

    Examples
    --------
    >>> adjust_for_false_discovery(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise DataError("expected p-values (n,) from 0 to 1, got others")
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(p.size, 0, -1)
    q = np.empty(p.size)
    q[order] = np.minimum.accumulate(np.minimum(p[order] * p.size / np.maximum(ranks, 1), 1.0))
    return q
