"""Planted atomic columns: expected counts, and the exact Cramér-Rao bound of all of their parameters."""

import numpy as np


def rate(shape, y_px, x_px, *, background, contrast, width_px):
    """Expected counts of Gaussian columns on a flat background."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[:, None]
    down = np.exp(-0.5 * ((rows - y_px) / width_px) ** 2)
    across = np.exp(-0.5 * ((columns - x_px) / width_px) ** 2)
    return background * (1 + (down * contrast) @ across.T)


def lattice(shape, spacing_px, *, margin_px=12.0):
    """Positions of a square lattice within a frame, off the pixels' grid."""
    axes = [np.arange(margin_px + 0.37, side - margin_px, spacing_px) for side in shape]
    y, x = np.meshgrid(*axes, indexing="ij")
    return y.ravel(), x.ravel()


def position_bound_px(shape, y_px, x_px, *, background, contrast, width_px, inner):
    """Root mean square of the smallest error of `inner` columns' positions [px].

    The Fisher matrix is that of all columns' positions, amplitudes and widths and one background, together.
    """
    n = len(y_px)
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    mean = rate(shape, y_px, x_px, background=background, contrast=contrast, width_px=width_px)
    design = [np.ones(mean.size)]
    for y, x in zip(y_px, x_px, strict=True):
        down, across = (rows - y)[:, None] / width_px, (columns - x) / width_px
        height = background * contrast * np.exp(-0.5 * (down**2 + across**2))
        parts = (height * down / width_px, height * across / width_px, height, height * (down**2 + across**2))
        design += [part.ravel() for part in parts]
    design = np.array(design)
    fisher = (design / mean.ravel()) @ design.T
    variance = np.diag(np.linalg.inv(fisher))[1:].reshape(n, 4)
    return float(np.sqrt(variance[inner, :2].mean()))
