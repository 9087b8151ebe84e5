"""Scene of a simulated movie: every particle's place, size, pose and identity in every frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..base.errors import SettingsError
from ..base.tables import Columns
from .movie_columns import HopColumn
from .movie_crystals import Crystal
from .movie_fates import FATES
from .particle import METALS

_LEAST = {"radius_A": 8.0, "drift_A_per_s": 0.0, "tilt_deg": 0.0}


@dataclass(frozen=True)
class MovieSettings:
    """What happens in a simulated movie.

    Parameters
    ----------
    n_frames : int
        Frames.
    size_A : (float, float)
        Height and width of what a frame shows [Å].
    metal : str
        Element of the particles, FCC, BCC or HCP.
    n_particles : int or None
        Particles; None for as many as there is room for, 16 at most.
    radius_A : (float, float)
        Range of their radii, those of spheres of as many atoms [Å].
    frame_s : float
        Exposure of a frame, and time from frame to frame [s].
    beam_off : tuple of (float, float)
        Gaps: after which share of the frames, and for how long [s].
    dose_steps : tuple of (float, float)
        From which share of the frames on the dose is how many times the first.
    drift_A_per_s : (float, float)
        Range of the sample's drift [Å/s].
    tilt_deg : (float, float)
        Range of the tilt of particles that are off the zone axis.
    on_zone_deg : float
        Largest tilt that counts as on the zone axis.
    hop_rate_per_s : float
        Hops of a column per second under the beam [1/s].
    hop_columns : int
        Hopping columns of a particle that has some.
    events : tuple of str
        Which fates there are, out of `movie_fates.FATES`, in the order in which they are dealt.

    Raises
    ------
    SettingsError
        If a number is out of range, or the metal or a fate unknown.

    Examples
    --------
    >>> MovieSettings(n_frames=10, size_A=(100.0, 100.0)).frame_s
    0.4
    """

    n_frames: int
    size_A: tuple[float, float]
    metal: str = "Au"
    n_particles: int | None = None
    radius_A: tuple[float, float] = (12.0, 20.0)
    frame_s: float = 0.4
    beam_off: tuple[tuple[float, float], ...] = ((0.66, 12.0),)
    dose_steps: tuple[tuple[float, float], ...] = ((0.3, 2.0), (0.8, 0.5))
    drift_A_per_s: tuple[float, float] = (0.05, 0.3)
    tilt_deg: tuple[float, float] = (4.0, 10.0)
    on_zone_deg: float = 1.5
    hop_rate_per_s: float = 0.25
    hop_columns: int = 4
    events: tuple[str, ...] = tuple(FATES)

    def __post_init__(self) -> None:
        """Refuse what cannot be planned."""
        if self.n_frames < 1:
            raise SettingsError(f"n_frames: expected 1 or more, got {self.n_frames}")
        if self.metal not in METALS:
            raise SettingsError(f"metal: expected one of {', '.join(METALS)}, got {self.metal!r}")
        if not 0 < self.frame_s < math.inf:
            raise SettingsError(f"frame_s: expected above 0 s, got {self.frame_s}")
        for name, least in _LEAST.items():
            low, high = getattr(self, name)
            if not least <= low <= high < math.inf:
                raise SettingsError(f"{name}: expected a range from {least:g} up, got {low} to {high}")
        for name in ("beam_off", "dose_steps"):
            for share, value in getattr(self, name):
                if not (0 < share < 1 and 0 < value < math.inf):
                    raise SettingsError(
                        f"{name}: expected a share of the frames between 0 and 1 and a value above 0, got "
                        f"{share} and {value}"
                    )
        unknown = [event for event in self.events if event not in FATES]
        if unknown:
            raise SettingsError(f"events: expected some of {', '.join(FATES)}, got {unknown[0]!r}")


@dataclass(frozen=True)
class Pose:
    """All that the wave of a body depends on; equal poses have equal waves.

    Parameters
    ----------
    body : int
        Which crystal.
    n_atoms : int
        How many of its atoms.
    tilt_deg, angle_deg : float
        Its orientation, in steps.
    sites : tuple of int
        Where its hopping columns are.

    Examples
    --------
    >>> Pose(0, 500, 0.25, 10.0) == Pose(0, 500, 0.25, 10.0, ())
    True
    """

    body: int
    n_atoms: int
    tilt_deg: float
    angle_deg: float
    sites: tuple[int, ...] = ()


@dataclass(frozen=True)
class MovieScene:
    """Bodies of a simulated movie over its frames; arrays are (T, B), B bodies.

    A body is one crystal. A particle is one body, or after coalescence two: the smaller takes the larger
    one's identity and gives it its atoms.

    Parameters
    ----------
    settings : MovieSettings
        What was asked for.
    crystals : tuple of Crystal
        The bodies.
    hop_columns : tuple of tuples of HopColumn
        Hopping columns of each body.
    fates : tuple of str
        What befalls each body.
    y_A, x_A : arrays (T, B), float64
        Where the crystals' middles are on the sample, which drifts; 0 is the middle of sample (0, 0) of an
        image without drift [Å].
    n_atoms : array (T, B), int64
        Atoms in steps of 1 %, without those of hopping columns; 0 where there is none.
    tilt_deg, angle_deg : arrays (T, B), float64
        Orientation in steps of 0.25° and 0.5°.
    identity : array (T, B), int64
        Particle that the body belongs to, from 1; 0 where there is none.
    touching : array (T, B), bool
        Whether the body of a pair touches its partner, and is not one with it.
    sites : dict of arrays (T, K), int64
        Site of each hopping column, for the bodies that have some.
    hops : dict of dicts of arrays (n,)
        As from `draw_hops`, for the same bodies.
    drift_A : array (T, 2), float64
        Drift of the sample in y and x [Å].
    times_s, beam_s : arrays (T,), float64
        Time at the begin of each frame, and how long the beam had been on by then [s].
    dose_factor : array (T,), float64
        Dose relative to the movie's.
    """

    settings: MovieSettings
    crystals: tuple[Crystal, ...] = field(repr=False)
    hop_columns: tuple[tuple[HopColumn, ...], ...] = field(repr=False)
    fates: tuple[str, ...]
    y_A: np.ndarray = field(repr=False)
    x_A: np.ndarray = field(repr=False)
    n_atoms: np.ndarray = field(repr=False)
    tilt_deg: np.ndarray = field(repr=False)
    angle_deg: np.ndarray = field(repr=False)
    identity: np.ndarray = field(repr=False)
    touching: np.ndarray = field(repr=False)
    sites: dict[int, np.ndarray] = field(repr=False)
    hops: dict[int, Columns] = field(repr=False)
    drift_A: np.ndarray = field(repr=False)
    times_s: np.ndarray = field(repr=False)
    beam_s: np.ndarray = field(repr=False)
    dose_factor: np.ndarray = field(repr=False)

    def bodies(self, frame: int) -> list[int]:
        """List the bodies that exist in a frame."""
        return np.flatnonzero(self.n_atoms[frame]).tolist()

    def pose(self, frame: int, body: int) -> Pose:
        """Pose of a body in a frame."""
        sites = self.sites.get(body)
        return Pose(
            body,
            int(self.n_atoms[frame, body]),
            float(self.tilt_deg[frame, body]),
            float(self.angle_deg[frame, body]),
            () if sites is None else tuple(sites[frame].tolist()),
        )

    def positions_A(self, pose: Pose) -> np.ndarray:
        """Atoms of a pose about the crystal's middle, an array (n, 3), float64 [Å]."""
        crystal = self.crystals[pose.body]
        columns = self.hop_columns[pose.body]
        added = [column.atoms_A[site] for column, site in zip(columns, pose.sites, strict=True)]
        atoms_A = np.concatenate([crystal.positions_A[: pose.n_atoms], *added])
        return crystal.place(atoms_A, tilt_deg=pose.tilt_deg, angle_deg=pose.angle_deg)

    def main_bodies(self) -> np.ndarray:
        """Say which bodies, an array (T, B) of bool, are the largest of their particle."""
        main = self.n_atoms > 0
        for first in pairs_of(self.fates):
            one, other = self.n_atoms[:, first], self.n_atoms[:, first + 1]
            together = main[:, first] & main[:, first + 1]
            together &= self.identity[:, first] == self.identity[:, first + 1]
            main[:, first] &= ~(together & (one < other))
            main[:, first + 1] &= ~(together & (one >= other))
        return main


def pairs_of(fates: Sequence[str]) -> list[int]:
    """Find the first body of each pair; the second follows it.

    Parameters
    ----------
    fates : sequence of str
        What befalls each body.

    Returns
    -------
    list of int
        Bodies.

    Examples
    --------
    >>> pairs_of(["coalesce", "coalesce", "touch", "touch", "still"])
    [0, 2]
    """
    members = [body for body, fate in enumerate(fates) if FATES.get(fate) == 2]
    return members[::2]
