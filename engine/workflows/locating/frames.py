"""What happens to a block of frames: its columns found, fitted, and tested on counts held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ...base.blocks import Block
from ...base.seeds import generator
from ...base.stack import Stack
from ...base.tables import Columns, stack_columns
from ...files.labels import open_labels
from ...images.clean import finite_frame
from ...measure.columns.blobs import find_blobs
from ...measure.columns.fit import fit_columns
from ...measure.columns.likelihood import held_out_likelihood, thin_counts
from ..tracking.segmentation import read_frames
from .settings import ColumnsSettings
from .sizing import Sizing

# A fit that does not know its place to within its own width has found noise.
_MOST_ERROR_WIDTHS = 1.0
_MOST_MOVED_WIDTHS = 0.6
_THINNED_STEPS = 20
_AROUND = tuple((down, across) for down in (-1, 0, 1) for across in (-1, 0, 1))


@dataclass(frozen=True)
class FindColumns:
    """Find the columns of a block of frames: blobs, or places that a network found.

    Parameters
    ----------
    stack : Stack
        The movie.
    settings : ColumnsSettings
        The user's settings.
    sizing : Sizing
        What is looked for.
    places : dict of arrays, or None
        A network's columns: frame, y_px, x_px, class, probability, by frame; None for blobs.
    labels : Path or None
        Label images of tracked particles: only columns in one are kept, with its number.
    """

    stack: Stack
    settings: ColumnsSettings
    sizing: Sizing
    places: Columns | None = None
    labels: Path | None = None

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        """Give the tables `columns` and `checks` of a block."""
        last = min(block.stop + 1, self.stack.n_frames) if self._looks_aside else block.stop
        frames: list[np.ndarray | None] = []
        for raw in read_frames(self.stack, block.halo_start, last):
            frame = None if raw is None else finite_frame(raw)[0]
            frames.append(None if frame is None or frame.min() == frame.max() else frame)
        tables = []
        for index in range(block.start, block.stop):
            at = index - block.halo_start
            beside = [frames[i] for i in (at - 1, at + 1) if 0 <= i < len(frames)]
            frame = frames[at]
            # Nothing stands out of nothing: a frame that shows none gives a table without rows.
            tables.append(
                self._find(index, np.zeros(self.stack.shape[1:]) if frame is None else frame, beside)
            )
        usable = np.array([frames[i - block.halo_start] is not None for i in range(block.start, block.stop)])
        checks = {"checks/frame": np.arange(block.start, block.stop), "checks/usable": usable}
        return {f"columns/{name}": values for name, values in stack_columns(tables).items()} | checks

    @property
    def _looks_aside(self) -> bool:
        return self.settings.held_out == "frames"

    def _find(self, index: int, frame: np.ndarray, beside: list[np.ndarray | None]) -> Columns:
        found = self._places_in(index, frame)
        fit = fit_columns(
            frame,
            found["y_px"],
            found["x_px"],
            width_px=self.sizing.width_px,
            noise=self.sizing.noise_of(frame),
        )
        refined = _sound(fit, self.sizing.sign, frame.shape)
        if self.places is not None:
            # Where a Gaussian does not fit what the network saw, the network's place stands.
            moved = np.hypot(fit["y_px"] - found["y_px"], fit["x_px"] - found["x_px"])
            refined &= moved <= _MOST_MOVED_WIDTHS * self.sizing.width_px
            fit = {name: np.where(refined, values, found.get(name, np.nan)) for name, values in fit.items()}
        kept = refined if self.places is None else np.ones(len(refined), bool)
        if self.labels is not None:
            labels = np.asarray(open_labels(self.labels)[index])
            found["particle"] = _particle_at(labels, fit, self.sizing.width_px)
            kept &= found["particle"] > 0
        fit, refined = {name: values[kept] for name, values in fit.items()}, refined[kept]
        more = {name: found[name][kept] for name in found if name not in fit}
        tested = self._likelihood(index, frame, {name: one[refined] for name, one in fit.items()}, beside)
        likelihood = {name: np.full(len(refined), np.nan) for name in tested}
        for name, values in tested.items():
            likelihood[name][refined] = values
        return {"frame": np.full(int(kept.sum()), index), **fit, **more, **likelihood}

    def _places_in(self, index: int, frame: np.ndarray) -> Columns:
        """Give the places of a frame's columns, by blobs or as the network found them."""
        if self.places is not None:
            own = self.places["frame"] == index
            found = {name: values[own] for name, values in self.places.items() if name != "frame"}
            seen = {"network_y_px": found["y_px"], "network_x_px": found["x_px"]}
            return found | seen | {"significance": np.full(int(own.sum()), np.nan)}
        sizing = self.sizing
        blobs = find_blobs(
            frame,
            scale_px=sizing.scale_px,
            noise=sizing.noise_of(frame),
            sign=sizing.sign,
            alpha=self.settings.alpha,
        )
        count = len(blobs["y_px"])
        return blobs | {"class": np.full(count, -1), "probability": np.full(count, np.nan)}

    def _likelihood(
        self, index: int, frame: np.ndarray, fit: Columns, beside: list[np.ndarray | None]
    ) -> Columns:
        noise = self.sizing.noise_of(frame)
        others = [one for one in beside if one is not None and (one != frame).any()]
        if self._looks_aside and others:
            found = [held_out_likelihood(one, fit, noise=noise) for one in others]
            return {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}
        if self._looks_aside or noise.counts_per_electron is None or not len(fit["y_px"]):
            missing = np.full(len(fit["y_px"]), np.nan)
            return {"log_likelihood_ratio": missing, "log_likelihood_ratio_mean": missing}
        rng = generator(self.settings.seed, "thinning", index)
        half, other = thin_counts(frame, rng, counts_per_electron=noise.counts_per_electron)
        again = fit_columns(
            half,
            fit["y_px"],
            fit["x_px"],
            width_px=float(np.median(fit["width_px"])),
            noise=noise,
            iterations=_THINNED_STEPS,
        )
        return held_out_likelihood(other, again, noise=noise)


def _particle_at(labels: np.ndarray, fit: Columns, width_px: float) -> np.ndarray:
    """Find the particle that each column lies in, or at the rim of, (n,); 0 where there is none."""
    found = np.zeros(len(fit["y_px"]), np.int64)
    for widths in (0.0, 1.0, 2.0):
        for down, across in _AROUND:
            y, x = (
                np.clip(np.rint(fit[name] + widths * step * width_px).astype(np.int64), 0, side - 1)
                for name, step, side in zip(("y_px", "x_px"), (down, across), labels.shape, strict=True)
            )
            found = np.where(found > 0, found, labels[y, x])
    return found


def _sound(fit: Columns, sign: int, shape: tuple[int, ...]) -> np.ndarray:
    """Choose fits that found a column of the contrast wanted, each only once: array (n,), bool."""
    error = np.hypot(fit["y_error_px"], fit["x_error_px"])
    kept = np.isfinite(error) & (error < _MOST_ERROR_WIDTHS * np.sqrt(2) * fit["width_px"])
    if sign:
        kept &= sign * fit["amplitude"] > 0
    for name, side in zip(("y_px", "x_px"), shape, strict=True):
        kept &= (fit[name] > -0.5) & (fit[name] < side - 0.5)
    rows = np.flatnonzero(kept)
    if len(rows) > 1:
        places = np.stack([fit["y_px"][rows], fit["x_px"][rows]], axis=1)
        apart = float(np.median(fit["width_px"][rows]))
        sure = (np.abs(fit["amplitude"]) / fit["amplitude_error"])[rows]
        for i, j in cKDTree(places).query_pairs(apart):
            kept[rows[i if sure[i] < sure[j] else j]] = False
    return kept
