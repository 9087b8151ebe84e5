"""What menu items give: labels, spectra or numbers, for the host to show in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from temflux.engine.base.stack import Stack
from temflux.engine.base.tables import Columns


@dataclass(frozen=True)
class Step:
    """How far an item's work has come: what is done, frames done, frames in all."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class LabelledMovie:
    """A movie of labels, painted when asked for.

    Parameters
    ----------
    name : str
        What the host calls it.
    like : Stack
        The segmentation that it comes from: its shape, pixel size and times hold.
    n_particles : int
        Greatest label.
    paint : callable
        Frame's number to labels (Y, X), int32.
    instances, events : dict of arrays
        As `MovieInstances.link` returns them.
    """

    name: str
    like: Stack
    n_particles: int
    paint: Callable[[int], np.ndarray]
    instances: Columns
    events: Columns


@dataclass(frozen=True)
class SpectraMovie:
    """Spectra of a particle in every frame.

    Parameters
    ----------
    name : str
        What the host calls it.
    spectra : array (T, N, N), float32
        Amplitude over the greatest outside the centre; zero frequency at [N // 2, N // 2]; NaN in
        frames without the particle.
    reciprocal_pixel_per_nm : float
        Step of the frequencies [1/nm].
    like : Stack
        The movie, for its times.
    """

    name: str
    spectra: np.ndarray
    reciprocal_pixel_per_nm: float
    like: Stack


@dataclass(frozen=True)
class Curve:
    """One drawing of a table: column `y` against `x`, a line for each value of `by`, labels of both axes."""

    x: str
    y: str
    by: str
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Table:
    """Numbers with their units in the names, and how they are drawn.

    Parameters
    ----------
    name : str
        What the host calls it.
    columns : dict of arrays (n,)
        Rows by particle, then frame.
    curves : tuple of Curve
        Drawings, one below the other; none where rows say it all.
    names : mapping from int to str
        Values of a curve's `by` that are drawn, and what each is called in the legend.
    """

    name: str
    columns: Columns
    curves: tuple[Curve, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
