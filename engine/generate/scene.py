"""The plan of a phantom movie: where each particle is, how large, how turned, and what befalls it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base.tables import Columns

_ROLES = ("merge_left", "merge_right", "vaporise", "rotate", "appear", "shrink")
# Later particles of a large movie: mostly quiet, a few of them vaporising or shrinking.
_LATER_ROLES = ("still", "still", "shrink", "still", "vaporise", "still", "rotate")
_TURN_DEG_PER_FRAME = 0.5


@dataclass(frozen=True)
class Scene:
    """Particles of a phantom movie over its frames; arrays are (T, P), P particles with numbers from 1.

    Parameters
    ----------
    y_px, x_px : arrays (T, P), float64
        Centres.
    a_px, b_px : arrays (T, P), float64
        Half axes; both are 0 where the particle does not exist.
    tilt_deg : array (T, P), float64
        Direction of half axis a, counter-clockwise on the screen from the direction of growing columns.
    lattice_deg : array (T, P), float64
        Direction of the {200} planes' normal, in the same sense.
    drift_px : array (T, 2), float64
        Drift of the sample, which the centres contain.
    times_s : array (T,), float64
        Time stamps with the beam-off gap.
    events : dict of arrays (n,)
        frame, event (birth, death, merge), particle, other (0 = none).
    """

    y_px: np.ndarray
    x_px: np.ndarray
    a_px: np.ndarray
    b_px: np.ndarray
    tilt_deg: np.ndarray
    lattice_deg: np.ndarray
    drift_px: np.ndarray
    times_s: np.ndarray
    events: Columns

    def truth(self) -> Columns:
        """List every particle in every frame that it exists in.

        Returns
        -------
        dict of arrays (n,)
            frame, particle, y_px, x_px, area_px2 (π·a·b: what two touching particles share
            counts for both), lattice_angle_deg.
        """
        frame, index = np.nonzero(self.a_px > 0)
        pick = (frame, index)
        return {
            "frame": frame,
            "particle": index + 1,
            "y_px": self.y_px[pick],
            "x_px": self.x_px[pick],
            "area_px2": math.pi * self.a_px[pick] * self.b_px[pick],
            "lattice_angle_deg": self.lattice_deg[pick],
        }


def plan_scene(
    *,
    n_frames: int,
    shape: tuple[int, int],
    n_particles: int,
    frame_s: float,
    beam_off_s: float,
    seed: int,
) -> Scene:
    """Draw the particles of a phantom movie and their fates.

    Parameters
    ----------
    n_frames : int
        Frames.
    shape : (int, int)
        Rows and columns of a frame [px].
    n_particles : int
        Particles, among them two that merge (from 2 on), one that vaporises (3), one that turns (4), one
        that appears (5) and one that shrinks (6).
    frame_s, beam_off_s : float
        Time from frame to frame, and of the gap with the beam off after two thirds of the frames [s].
    seed : int
        Seed of everything drawn.

    Returns
    -------
    Scene
        The plan.

    Examples
    --------
    >>> scene = plan_scene(
    ...     n_frames=9, shape=(256, 256), n_particles=3, frame_s=1.0, beam_off_s=5.0, seed=0
    ... )
    >>> [str(event) for event in scene.events["event"]]
    ['merge', 'death']
    """
    rng = np.random.default_rng([seed, 0])
    times_s = np.arange(n_frames) * frame_s
    times_s[2 * n_frames // 3 :] += beam_off_s
    # Time as a fraction of the movie: particles shrink on while the beam is off.
    when = times_s / max(times_s[-1], frame_s)
    cells, cell_px = _cells(rng, shape, n_particles)
    drift = (
        np.cumsum(rng.normal(0, 0.15, (n_frames, 2)) + rng.uniform(-0.25, 0.25, 2), axis=0) * cell_px / 170
    )
    drift -= drift[0]
    centre = cells[np.newaxis] + rng.uniform(-0.08, 0.08, (1, n_particles, 2)) * cell_px
    jitter = np.cumsum(rng.normal(0, 0.12, (n_frames, n_particles, 2)), axis=0)
    centre = centre + drift[:, np.newaxis] + jitter * cell_px / 170
    radius = rng.uniform(0.22, 0.31, n_particles) * cell_px
    axes = np.sqrt(rng.uniform(1.0, 1.25, n_particles))
    a = np.tile(radius * axes, (n_frames, 1))
    b = np.tile(radius / axes, (n_frames, 1))
    tilt = np.tile(rng.uniform(0, 180, n_particles), (n_frames, 1))
    lattice = np.tile(rng.uniform(-90, 90, n_particles), (n_frames, 1))
    roles = [
        _ROLES[i] if i < len(_ROLES) else _LATER_ROLES[(i - len(_ROLES)) % len(_LATER_ROLES)]
        for i in range(n_particles)
    ]
    for index, role in enumerate(roles):
        if role == "rotate":
            lattice[:, index] += _TURN_DEG_PER_FRAME * np.arange(n_frames)
        area = _area_over_time(role, when, rng)
        a[:, index] *= np.sqrt(area)
        b[:, index] *= np.sqrt(area)
    events = _births_and_deaths(a)
    if n_particles >= 2:
        events += _merge(centre, a, b, tilt)
    return Scene(
        *(centre[:, :, 0], centre[:, :, 1], a, b, tilt, (lattice + 90) % 180 - 90, drift, times_s),
        events=_event_columns(events),
    )


def _cells(rng: np.random.Generator, shape: tuple[int, int], n_particles: int) -> tuple[np.ndarray, float]:
    """Draw one cell of a grid for each particle, the first two side by side: centres (P, 2), side [px]."""
    rows, columns = shape
    across = max(1, math.ceil(math.sqrt(n_particles * columns / rows)))
    down = max(1, math.ceil(n_particles / across))
    if n_particles > 1 and across == 1:
        across, down = 2, math.ceil(n_particles / 2)
    cell_px = min(rows / down, columns / across)
    grid = np.stack(np.divmod(np.arange(down * across), across), axis=1)
    order = rng.permutation(len(grid))
    if n_particles > 1:
        first = int(rng.integers(down)) * across + int(rng.integers(across - 1))
        pair = np.array([first, first + 1])
        order = np.concatenate([pair, order[~np.isin(order, pair)]])
    centres = (grid[order[:n_particles]] + 0.5) * (rows / down, columns / across)
    return centres, cell_px


def _area_over_time(role: str, when: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale an area over time; vaporising particles lose it at a constant rate (thesis, Figure 6.6)."""
    if role == "vaporise":
        area = 1 - when / rng.uniform(0.8, 0.95)
        return np.where(area > 0.03, area, 0.0)
    if role == "shrink":
        return 1 - rng.uniform(0.3, 0.5) * when
    if role == "appear":
        start = rng.uniform(0.2, 0.3)
        return np.where(when > start, np.clip(0.15 + 1.7 * (when - start), 0, 0.8), 0.0)
    return np.ones_like(when)


def _births_and_deaths(a: np.ndarray) -> list[tuple[int, str, int, int]]:
    exists = a > 0
    events = []
    for change, event in ((1, "birth"), (-1, "death")):
        frames, indices = np.nonzero(np.diff(exists.astype(np.int8), axis=0) == change)
        events += [(int(f) + 1, event, int(i) + 1, 0) for f, i in zip(frames, indices, strict=True)]
    return events


def _merge(
    centre: np.ndarray, a: np.ndarray, b: np.ndarray, tilt: np.ndarray
) -> list[tuple[int, str, int, int]]:
    """Let the first two particles meet, touch and become the larger of them, in place."""
    n_frames = len(a)
    touch, fuse = 2 * n_frames // 5, (n_frames + 1) // 2
    if touch < 1 or fuse <= touch or fuse >= n_frames:
        return []
    b[:, :2] = a[:, :2] = np.sqrt(a[0, :2] * b[0, :2])
    gap = centre[0, 1] - centre[0, 0]
    apart = float(np.hypot(*gap))
    near = 0.97 * float(a[0, :2].sum())
    steps = np.clip(np.arange(n_frames) / touch, 0, 1)
    smooth = steps**2 * (3 - 2 * steps)
    move = (0.5 * (apart - near) / apart * smooth)[:, np.newaxis] * gap
    # They move as one sample from here on, so that jitter cannot part or overlap them again.
    common = centre[:, 0] - centre[0, 0]
    centre[:, 1] = centre[0, 1] + common - move
    centre[:, 0] += move
    keep, lose = (0, 1) if a[0, 0] >= a[0, 1] else (1, 0)
    area = a[0, :2] ** 2
    middle = (centre[:, 0] * area[0] + centre[:, 1] * area[1]) / area.sum()
    centre[fuse:, keep] = middle[fuse:]
    # A neck grows at once and the outline rounds slowly, at constant area.
    stretch = 1 + 0.35 * np.exp(-np.arange(n_frames - fuse) / max(2.0, n_frames / 8))
    a[fuse:, keep] = math.sqrt(area.sum()) * stretch
    b[fuse:, keep] = math.sqrt(area.sum()) / stretch
    tilt[fuse:, keep] = math.degrees(math.atan2(-gap[0], gap[1])) % 180
    a[fuse:, lose] = b[fuse:, lose] = 0
    return [(fuse, "merge", keep + 1, lose + 1)]


def _event_columns(events: list[tuple[int, str, int, int]]) -> Columns:
    events = sorted(events)
    return {
        "frame": np.array([event[0] for event in events], np.int64),
        "event": np.array([event[1] for event in events], dtype="<U5"),
        "particle": np.array([event[2] for event in events], np.int64),
        "other": np.array([event[3] for event in events], np.int64),
    }
