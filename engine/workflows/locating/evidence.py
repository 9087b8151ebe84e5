"""Whether the counts at the two sites of a hop bear it out: a column left one and came to the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...base.blocks import Block
from ...base.stack import Stack
from ...images.clean import finite_frame
from ...measure.columns.site_amplitudes import site_amplitudes
from ..tracking.segmentation import read_frames
from .sizing import Sizing

# Frames on each side of a hop that are compared, at most.
_FRAMES = 5
# Of either change: a column is in the table for noise that favoured it, which alone makes three.
LEAST_SIGMAS = 4.5

Measure = Callable[["Sites"], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Sites:
    """Places to be measured: frame, y and x [px], and whose: hop, site (0 old, 1 new), side (0 before)."""

    frame: np.ndarray
    y_px: np.ndarray
    x_px: np.ndarray
    hop: np.ndarray
    site: np.ndarray
    side: np.ndarray


@dataclass(frozen=True, eq=False)
class MeasureSites:
    """Frames of a block to the amplitudes at places in them.

    Parameters
    ----------
    stack : Stack
        The movie.
    sizing : Sizing
        Width and noise.
    sites : Sites
        What is measured.
    """

    stack: Stack
    sizing: Sizing
    sites: Sites

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Measure the places of a block of frames."""
        rows, amplitudes, errors = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)]
        for index in range(block.start, block.stop):
            own = np.flatnonzero(self.sites.frame == index)
            raw = next(iter(read_frames(self.stack, index, index + 1))) if own.size else None
            if raw is None:
                continue
            frame = finite_frame(raw)[0]
            amplitude, error = site_amplitudes(
                frame,
                self.sites.y_px[own],
                self.sites.x_px[own],
                width_px=self.sizing.width_px,
                noise=self.sizing.noise_of(frame),
            )
            rows.append(own)
            amplitudes.append(amplitude)
            errors.append(error)
        return {
            "sites/row": np.concatenate(rows),
            "sites/amplitude": np.concatenate(amplitudes),
            "sites/error": np.concatenate(errors),
        }


def sites_of_hops(
    hops: pd.DataFrame, frames: np.ndarray, turn: np.ndarray, group: np.ndarray, moved: np.ndarray
) -> Sites:
    """List where and when the sites of hops are to be measured.

    Parameters
    ----------
    hops : pandas.DataFrame
        frame (a number of `turn`), frames_unseen, group, from_y, from_x, to_y, to_x, motion taken off [px].
    frames : array (k,), int
        Frame of each turn.
    turn, group : arrays (n,), int
        Of each column found.
    moved : array (n, 2), float
        What was taken off its place [px].

    Returns
    -------
    Sites
        Up to five frames on either side of each hop in which its particle was seen.
    """
    where = pd.DataFrame({"turn": turn, "group": group, "y": moved[:, 0], "x": moved[:, 1]})
    motion = where.groupby(["turn", "group"]).first()
    first = hops["frame"].to_numpy(np.int64)
    last = first - hops["frames_unseen"].to_numpy(np.int64) - 1
    groups = hops["group"].to_numpy(np.int64)
    ends = hops[["from_y", "from_x", "to_y", "to_x"]].to_numpy(np.float64).reshape(-1, 2, 2)
    parts = []
    for hop in range(len(hops)):
        sides = range(last[hop] - _FRAMES + 1, last[hop] + 1), range(first[hop], first[hop] + _FRAMES)
        for side, turns in enumerate(sides):
            for site, (y, x) in enumerate(ends[hop].tolist()):
                parts += [(at, groups[hop], hop, site, side, y, x) for at in turns if 0 <= at < len(frames)]
    table = pd.DataFrame(parts, columns=["turn", "group", "hop", "site", "side", "y", "x"])
    shift = motion.reindex(pd.MultiIndex.from_frame(table[["turn", "group"]])).to_numpy()
    known = np.isfinite(shift).all(axis=1)
    table, shift = table[known], shift[known]
    return Sites(
        frames[table["turn"].to_numpy(np.int64)],
        table["y"].to_numpy() + shift[:, 0],
        table["x"].to_numpy() + shift[:, 1],
        *(table[name].to_numpy(np.int64) for name in ("hop", "site", "side")),
    )


def borne_out(
    sites: Sites, amplitude: np.ndarray, error: np.ndarray, *, n_hops: int, sign: int
) -> np.ndarray:
    """Say which hops the counts bear out.

    Parameters
    ----------
    sites : Sites
        What was measured.
    amplitude, error : arrays (m,), float
        At each place.
    n_hops : int
        How many hops there are.
    sign : int
        1 where columns are bright, -1 where they are dark.

    Returns
    -------
    array (n_hops,), bool
        Whether the old site lost and the new one gained a column, both by `LEAST_SIGMAS` or more.
    """
    good = np.isfinite(amplitude) & (error > 0)
    place = np.ravel_multi_index((sites.hop, sites.site, sites.side), (max(n_hops, 1), 2, 2))[good]
    weight = 1 / error[good] ** 2
    size = 4 * max(n_hops, 1)
    total = np.bincount(place, weights=weight, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place, weights=weight * amplitude[good], minlength=size) / total
        mean, variance = sign * mean.reshape(-1, 2, 2), (1 / total).reshape(-1, 2, 2)
        change = (mean[:, :, 1] - mean[:, :, 0]) / np.sqrt(variance.sum(axis=2))
    left, came = -change[:n_hops, 0], change[:n_hops, 1]
    return np.nan_to_num(np.minimum(left, came), nan=-np.inf) >= LEAST_SIGMAS
