"""Fourier peaks followed through a movie: they stay on disk, only their numbers are held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...base.blocks import Block
from ...base.stack import Stack
from ...base.tables import Columns, to_dataframe
from ...measure.fourier import MOST_STEP_PER_PX, link_peaks
from ...report.tables import PEAK_COLUMNS
from ..resumable import KeptOnDisk
from .tables import frame_times


@dataclass(frozen=True)
class FollowedPeaks:
    """The peaks of all frames, of all tables the one with by far the most rows.

    Parameters
    ----------
    kept : KeptOnDisk
        What `FollowSpectra` found in each block.
    blocks : tuple of Block
        The blocks, in order; none where no spectra are wanted.
    numbers : array (n, 2), int32
        Peak and pair of each row of all blocks: the same for the same reflection in every frame.
    stack : Stack
        The movie, for its pixel size and time stamps.
    """

    kept: KeptOnDisk
    blocks: tuple[Block, ...]
    numbers: np.ndarray
    stack: Stack

    def parts(self) -> Iterator[pd.DataFrame]:
        """Hand the peaks out block by block, with the contract's columns, by frame, particle and peak."""
        start = 0
        for block in self.blocks:
            found = self.kept.load(block, "peaks")
            stop = start + len(found["frame"])
            found["peak"], found["pair"] = self.numbers[start:stop].T
            start = stop
            order = np.lexsort((found["peak"], found["particle"], found["frame"]))
            yield self._calibrated({name: values[order] for name, values in found.items()})

    def of_particles(self, particles: list[int]) -> pd.DataFrame | None:
        """Gather the peaks of a few particles; None where there are none."""
        own = [part[part["particle"].isin(particles)] for part in self.parts()]
        return pd.concat(own, ignore_index=True) if own else None

    def pair_ratios(self) -> np.ndarray:
        """Frame, particle and pair ratio (n, 3) of every spectrum."""
        if not self.blocks:
            return np.zeros((0, 3))
        return self.kept.load_all(self.blocks, "ratios")["rows"]

    def _calibrated(self, found: Columns) -> pd.DataFrame:
        q_per_px = found.pop("q").astype(np.float64)
        q_per_nm = q_per_px / (self.stack.pixel_nm or np.nan)
        with np.errstate(divide="ignore"):
            d_nm = 1 / q_per_nm
        found |= {"q_per_px": q_per_px, "q_per_nm": q_per_nm, "d_nm": d_nm}
        found["time_s"] = frame_times(self.stack)[found["frame"]]
        return to_dataframe(found)[list(PEAK_COLUMNS)]


def number_peaks(kept: KeptOnDisk, blocks: tuple[Block, ...], stack: Stack) -> FollowedPeaks:
    """Give the Fourier peaks of each particle numbers that stay through its frames.

    Parameters
    ----------
    kept : KeptOnDisk
        What `FollowSpectra` found in each block, numbered within its frame.
    blocks : tuple of Block
        The blocks, in order; none where no spectra are wanted.
    stack : Stack
        The movie.

    Returns
    -------
    FollowedPeaks
        The same peaks with lasting numbers.
    """
    if not blocks:
        return FollowedPeaks(kept, blocks, np.zeros((0, 2), np.int32), stack)
    found = kept.load_all(blocks, "peaks")
    numbers = np.zeros((len(found["frame"]), 2), np.int32)
    order = np.argsort(found["particle"], kind="stable")
    first = np.flatnonzero(np.diff(found["particle"][order], prepend=-1))
    for start, stop in zip(first, [*first[1:], len(order)], strict=False):
        rows = order[start:stop]
        own = {name: values[rows] for name, values in found.items()}
        numbers[rows] = np.transpose(link_peaks(own, max_step=MOST_STEP_PER_PX))
    return FollowedPeaks(kept, blocks, numbers, stack)
