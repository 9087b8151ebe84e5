"""Draw the scene of a simulated movie: who is where, and what befalls whom."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base.errors import SettingsError
from ..base.tables import Columns
from .movie_columns import HopColumn, draw_hops, find_hop_columns, sites_over_time
from .movie_crystals import (
    ANGLE_STEP_DEG,
    TILT_STEP_DEG,
    Crystal,
    Lattice,
    bulk_lattice,
    grow_crystal,
    quantise_atoms,
    reach_of,
)
from .movie_fates import (
    FATES,
    FEWEST_ATOMS,
    angle_over_time,
    assign_fates,
    gap_over_time,
    given_over_time,
    meeting,
    size_over_time,
    tilt_over_time,
    wander,
    wobble,
)
from .movie_outlines import contact_distance, outline
from .movie_scene import MovieScene, MovieSettings, pairs_of

_ELONGATION, _FLATNESS = (1.0, 1.15), (0.85, 1.0)
# Half a cell of the layout in particle radii, and what is left free between two cells [Å].
_HALF_CELL, _BETWEEN_A = 1.25, 8.0
_MOST_PARTICLES = 16
_LAYOUTS, _TRIES = 200, 30
# Off the cells, particles keep farther from each other: they may lie at the waist of a pair.
_FARTHER = 1.1
# Particles that touch overlap by this much in projection, so that no sample lies between them [Å].
_OVERLAP_A = 0.7
_DRIFT_JITTER_A = 0.1
# Crystals with hopping columns are grown beyond their size, for the sites of the columns.
_BEYOND = 1.4


@dataclass
class _Course:
    """What is planned for one body: arrays (T,) and (T, 2), filled in as the plan grows."""

    crystal: Crystal
    columns: tuple[HopColumn, ...]
    n_atoms: np.ndarray
    tilt_deg: np.ndarray
    angle_deg: np.ndarray
    place_A: np.ndarray
    identity: np.ndarray
    touching: np.ndarray

    def outline(self, frame: int) -> np.ndarray:
        """Corners of the hull about the crystal's middle, an array (m, 2) of x and y [Å]."""
        atoms_A = self.crystal.positions_A[: self.n_atoms[frame]]
        pose = {"tilt_deg": float(self.tilt_deg[frame]), "angle_deg": float(self.angle_deg[frame])}
        return outline(self.crystal.place(atoms_A, **pose)[:, :2])


def plan_movie(rng: np.random.Generator, settings: MovieSettings) -> MovieScene:
    """Draw the particles of a simulated movie and their fates.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where everything drawn comes from.
    settings : MovieSettings
        How many particles, how large, and what may happen.

    Returns
    -------
    MovieScene
        The plan of all frames.

    Raises
    ------
    SettingsError
        If the frame has no room for the particles.

    Examples
    --------
    >>> settings = MovieSettings(n_frames=4, size_A=(60.0, 110.0), radius_A=(10.0, 12.0), n_particles=2)
    >>> scene = plan_movie(np.random.default_rng(0), settings)
    >>> scene.fates, scene.identity.max(axis=0).tolist()
    (('coalesce', 'coalesce'), [1, 2])
    """
    times_s, dose_factor = _clock(settings)
    # Time as a fraction of the movie: particles shrink on while the beam is off.
    when = times_s / max(times_s[-1], settings.frame_s)
    fates, places_A = _lay_out(rng, settings)
    courses = _draw_courses(rng, settings, fates, when)
    for course, place_A in zip(courses, places_A, strict=True):
        course.place_A += place_A
    for first in pairs_of(fates):
        _meet(courses[first], courses[first + 1], fates[first])
    drift_A = _drift(rng, settings)
    beam_s = np.arange(settings.n_frames) * settings.frame_s
    hops: dict[int, Columns] = {}
    for body, course in enumerate(courses):
        if course.columns:
            hops[body] = draw_hops(
                rng,
                course.columns,
                rate_per_s=settings.hop_rate_per_s,
                beam_s=settings.n_frames * settings.frame_s,
            )
    return MovieScene(
        settings,
        tuple(course.crystal for course in courses),
        tuple(course.columns for course in courses),
        tuple(fates),
        np.stack([course.place_A[:, 0] for course in courses], axis=1),
        np.stack([course.place_A[:, 1] for course in courses], axis=1),
        np.stack([course.n_atoms for course in courses], axis=1),
        np.stack([course.tilt_deg for course in courses], axis=1),
        np.stack([course.angle_deg for course in courses], axis=1),
        np.stack([course.identity for course in courses], axis=1),
        np.stack([course.touching for course in courses], axis=1),
        {
            body: sites_over_time(hops[body], n_columns=len(courses[body].columns), beam_s=beam_s)
            for body in hops
        },
        hops,
        drift_A,
        times_s,
        beam_s,
        dose_factor,
    )


def room_for(settings: MovieSettings) -> tuple[int, int]:
    """Count how many particles fit below and beside each other.

    Parameters
    ----------
    settings : MovieSettings
        Size of a frame and of the largest particle.

    Returns
    -------
    (int, int)
        Particles down and across; 0 where a frame is smaller than a particle.

    Examples
    --------
    >>> room_for(MovieSettings(n_frames=1, size_A=(60.0, 110.0), radius_A=(10.0, 12.0)))
    (1, 2)
    """
    cell_A = _cell_A(settings)
    return int(settings.size_A[0] // cell_A), int(settings.size_A[1] // cell_A)


def _cell_A(settings: MovieSettings) -> float:
    return 2 * _HALF_CELL * settings.radius_A[1] + _BETWEEN_A


def _clock(settings: MovieSettings) -> tuple[np.ndarray, np.ndarray]:
    """Time stamps with gaps, and the dose relative to the movie's."""
    times_s = np.arange(settings.n_frames) * settings.frame_s
    for share, gap_s in settings.beam_off:
        times_s[_frame_at(share, settings.n_frames) :] += gap_s
    factor = np.ones(settings.n_frames)
    for share, times in sorted(settings.dose_steps):
        factor[_frame_at(share, settings.n_frames) :] = times
    return times_s, factor


def _frame_at(share: float, n_frames: int) -> int:
    return max(1, math.ceil(share * n_frames - 1e-9))


def _lay_out(rng: np.random.Generator, settings: MovieSettings) -> tuple[list[str], np.ndarray]:
    """Deal fates and cells, pairs side by side: fates, and places (P, 2) in y and x [Å]."""
    down, across = room_for(settings)
    n_particles = settings.n_particles
    if not down * across:
        largest_A = (min(settings.size_A) - _BETWEEN_A) / (2 * _HALF_CELL)
        raise SettingsError(
            f"radius_A: expected at most {largest_A:.1f} Å in a frame of {_listed(settings.size_A)} Å, got "
            f"up to {settings.radius_A[1]:g} Å; take smaller particles, or larger or more pixels"
        )
    if n_particles is None:
        n_particles = min(_MOST_PARTICLES, down * across)
    if not 1 <= n_particles <= down * across:
        raise SettingsError(
            f"n_particles: expected 1 to {down * across} of radius up to {settings.radius_A[1]:g} Å in a "
            f"frame of {_listed(settings.size_A)} Å, got {n_particles}"
        )
    fates = assign_fates(settings.events, n_particles)
    singles = [fate for fate in fates if FATES.get(fate) != 2]
    pairs = [fate for fate in fates if FATES.get(fate) == 2]
    for _ in range(_LAYOUTS):
        cells = _deal_cells(rng, (down, across), len(pairs) // 2, len(singles))
        if cells is not None:
            break
    else:
        # Too narrow for the pairs beside each other: everyone stays alone.
        singles, pairs = [*singles, *["still"] * len(pairs)], []
        cells = _deal_cells(rng, (down, across), 0, len(singles))
    assert cells is not None
    places_A = (cells + 0.5) * np.array(settings.size_A) / (down, across)
    _scatter(rng, places_A, len(pairs), settings)
    return [*pairs, *singles], places_A


def _deal_cells(
    rng: np.random.Generator, grid: tuple[int, int], n_pairs: int, n_singles: int
) -> np.ndarray | None:
    """Draw cells (n, 2) of a grid, those of pairs one after the other; None where a pair finds no place."""
    free = np.ones(grid, bool)
    dealt: list[tuple[int, int]] = []
    for _ in range(n_pairs):
        options = [
            ((row, column), (row + down, column + right))
            for down, right in ((0, 1), (1, 0))
            for row in range(grid[0] - down)
            for column in range(grid[1] - right)
            if free[row, column] and free[row + down, column + right]
        ]
        if not options:
            return None
        for cell in options[int(rng.integers(len(options)))]:
            free[cell] = False
            dealt.append(cell)
    left = np.argwhere(free)
    singles = left[rng.permutation(len(left))[:n_singles]]
    return np.concatenate([np.array(dealt, np.int64).reshape(-1, 2), singles])


def _scatter(rng: np.random.Generator, places_A: np.ndarray, n_paired: int, settings: MovieSettings) -> None:
    """Move those that are alone off the cells, to wherever in the frame nobody is near."""
    size_A, cell_A = np.array(settings.size_A), _cell_A(settings)
    for index in range(n_paired, len(places_A)):
        others_A = np.delete(places_A, index, axis=0)
        for place_A in rng.uniform(cell_A / 2, size_A - cell_A / 2, (_TRIES, 2)):
            if (np.linalg.norm(others_A - place_A, axis=1) > _FARTHER * cell_A).all():
                places_A[index] = place_A
                break


def _draw_courses(
    rng: np.random.Generator, settings: MovieSettings, fates: list[str], when: np.ndarray
) -> list[_Course]:
    """Draw crystals, sizes, tilts and angles, each body for itself."""
    radii_A = rng.uniform(*settings.radius_A, len(fates))
    density = bulk_lattice(settings.metal, reach_A=10.0).atoms_per_A3
    n_full = quantise_atoms(4 / 3 * math.pi * radii_A**3 * density)
    # After coalescence the larger has the atoms of both.
    most = n_full.copy()
    for body, fate in enumerate(fates):
        if fate == "coalesce":
            partner = body + (1 if body in pairs_of(fates) else -1)
            most[body] = n_full[body] + n_full[partner]
        elif fate == "hop":
            most[body] = round(_BEYOND * n_full[body])
    # Steps of 1 % may lead a little above what was asked for.
    most = np.ceil(1.02 * most).astype(np.int64)
    largest_A = float((3 * most.max() / (4 * math.pi * density)) ** (1 / 3))
    reach_A = max(reach_of(largest_A, elongation=_ELONGATION[1], flatness=f) for f in _FLATNESS)
    lattice = bulk_lattice(settings.metal, reach_A=reach_A)
    return [
        _draw_course(rng, settings, lattice, fate, (int(n_full[body]), int(most[body])), when, body + 1)
        for body, fate in enumerate(fates)
    ]


def _draw_course(
    rng: np.random.Generator,
    settings: MovieSettings,
    lattice: Lattice,
    fate: str,
    sizes: tuple[int, int],
    when: np.ndarray,
    identity: int,
) -> _Course:
    n_full, most = sizes
    n_frames = len(when)
    crystal = grow_crystal(
        rng,
        lattice,
        n_atoms=most,
        tilt_axis_deg=rng.uniform(0, 180),
        elongation=rng.uniform(*_ELONGATION),
        flatness=rng.uniform(*_FLATNESS),
    )
    columns: tuple[HopColumn, ...] = ()
    if fate == "hop":
        columns = find_hop_columns(rng, crystal, n_atoms=n_full, n_columns=settings.hop_columns)
    atoms = n_full * size_over_time(rng, fate, when)
    n_atoms = quantise_atoms(np.where(atoms < FEWEST_ATOMS, 0, atoms))
    tilt_deg = tilt_over_time(rng, fate, when, tilt_deg=settings.tilt_deg)
    angle_deg = angle_over_time(rng, fate, when)
    return _Course(
        crystal,
        columns,
        n_atoms,
        np.rint(tilt_deg / TILT_STEP_DEG) * TILT_STEP_DEG,
        np.rint(angle_deg / ANGLE_STEP_DEG) % round(360 / ANGLE_STEP_DEG) * ANGLE_STEP_DEG,
        wander(rng, fate, n_frames),
        np.where(n_atoms > 0, identity, 0),
        np.zeros(n_frames, bool),
    )


def _meet(one: _Course, other: _Course, fate: str) -> None:
    """Bring two together on the line between them; those that coalesce become one, the larger's."""
    n_frames = len(one.n_atoms)
    when = meeting(fate, n_frames)
    keep, lose = (one, other) if one.n_atoms[0] >= other.n_atoms[0] else (other, one)
    line_A = lose.place_A[0] - keep.place_A[0]
    apart_A = float(np.hypot(*line_A))
    along = line_A / apart_A
    n_both = int(keep.n_atoms[0] + lose.n_atoms[0])
    middle_A = keep.place_A[0] + line_A * lose.n_atoms[0] / n_both
    if fate == "coalesce":
        left = lose.n_atoms[0] * (1 - given_over_time(when, n_frames))
        lose.n_atoms[:] = quantise_atoms(np.where(left < FEWEST_ATOMS, 0, left))
        keep.n_atoms[:] = quantise_atoms(n_both - lose.n_atoms)
        lose.identity[:] = np.where(np.arange(n_frames) < when.fuse, lose.identity[0], keep.identity[0])
        lose.identity[lose.n_atoms == 0] = 0
    gap = gap_over_time(when, n_frames)
    contact_A = 0.0
    for frame in range(n_frames):
        share = 0.0
        if lose.n_atoms[frame]:
            if frame == 0 or lose.n_atoms[frame] != lose.n_atoms[frame - 1]:
                # Outlines are of x and y, places of y and x.
                contact_A = contact_distance(keep.outline(frame), lose.outline(frame), along[::-1])
            touch_A = contact_A - _OVERLAP_A
            distance_A = touch_A + gap[frame] * max(0.0, apart_A - touch_A)
            share = lose.n_atoms[frame] / (lose.n_atoms[frame] + keep.n_atoms[frame])
            lose.place_A[frame] = middle_A + (1 - share) * distance_A * along
            apart = lose.identity[frame] != keep.identity[frame]
            lose.touching[frame] = keep.touching[frame] = apart and distance_A < contact_A
        keep.place_A[frame] = middle_A - share * (distance_A if share else 0.0) * along


def _drift(rng: np.random.Generator, settings: MovieSettings) -> np.ndarray:
    """Draw the sample's drift: at a constant rate and a little jitter, about the middle of the movie."""
    direction, rate = rng.uniform(0, 2 * math.pi), rng.uniform(*settings.drift_A_per_s)
    # Frames follow each other; while the beam is off, the stage is held.
    elapsed_s = np.arange(settings.n_frames) * settings.frame_s
    steady = np.outer(elapsed_s, rate * np.array([math.sin(direction), math.cos(direction)]))
    jitter = np.stack([wobble(rng, settings.n_frames), wobble(rng, settings.n_frames)], axis=1)
    drift_A = steady + _DRIFT_JITTER_A * jitter
    return drift_A - drift_A[settings.n_frames // 2]


def _listed(size_A: tuple[float, float]) -> str:
    return f"{size_A[0]:.0f} × {size_A[1]:.0f}"
