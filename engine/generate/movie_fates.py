"""What befalls the particles of a simulated movie, each as a function of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import SettingsError

# Each fate, and how many particles take part in it.
FATES = {"coalesce": 2, "vaporise": 1, "tilt": 1, "hop": 1, "appear": 1, "touch": 2, "turn": 1, "shrink": 1}
STILL = "still"
# A crystal of fewer atoms has no facets left, and its outline means little.
FEWEST_ATOMS = 40
_WOBBLE_DEG, _WOBBLE_A, _MOST_WOBBLE_A = 0.3, 1.0, 2.5
_MEMORY_OF_WOBBLE = 0.97
_ON_AXIS_DEG = 1.0


@dataclass(frozen=True)
class Meeting:
    """When two particles meet, as frames of a movie.

    Parameters
    ----------
    touch : int
        First frame in which they touch.
    fuse : int
        First frame in which they are one; the number of frames where they never are.
    part : int
        First frame in which they are apart again; the number of frames where they stay together.
    """

    touch: int
    fuse: int
    part: int


def assign_fates(events: Sequence[str], n_particles: int) -> list[str]:
    """Deal fates to particles in the order asked for, as far as they go; the rest stay still.

    Parameters
    ----------
    events : sequence of str
        Out of `FATES`.
    n_particles : int
        Particles.

    Returns
    -------
    list of str
        A fate for each particle; those that two take part in stand twice, one after the other.

    Raises
    ------
    SettingsError
        If a fate is unknown.

    Examples
    --------
    >>> assign_fates(["touch", "tilt"], 4)
    ['touch', 'touch', 'tilt', 'still']
    >>> assign_fates(["touch", "tilt"], 1)
    ['tilt']
    """
    dealt: list[str] = []
    for event in events:
        if event not in FATES:
            raise SettingsError(f"events: expected some of {', '.join(FATES)}, got {event!r}")
        if len(dealt) + FATES[event] <= n_particles:
            dealt += [event] * FATES[event]
    return dealt + [STILL] * (n_particles - len(dealt))


def size_over_time(rng: np.random.Generator, fate: str, when: np.ndarray) -> np.ndarray:
    """Scale a particle's number of atoms over time.

    Areas grow and shrink at a constant rate (thesis, Figure 6.6), numbers of atoms as area to the power 1.5.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws rates and times.
    fate : str
        One of `FATES`, or "still".
    when : array (T,), float
        Time of each frame as a fraction of the movie, beam-off gaps included.

    Returns
    -------
    array (T,), float64
        Fraction of the full number of atoms, at most 1; 0 where there is no particle.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size_over_time(rng, "vaporise", np.array([0.0, 0.5, 1.0])).round(2).tolist()
    [1.0, 0.29, 0.0]
    """
    area = np.ones(len(when))
    if fate == "vaporise":
        area = 1 - when / rng.uniform(0.8, 0.95)
    elif fate == "shrink":
        area = 1 - rng.uniform(0.3, 0.5) * when
    elif fate == "appear":
        start, pace = rng.uniform(0.15, 0.3), rng.uniform(1.5, 2.5)
        area = np.where(when >= start, np.minimum(0.25 + pace * (when - start), 1.0), 0.0)
    return np.maximum(area, 0.0) ** 1.5


def tilt_over_time(
    rng: np.random.Generator, fate: str, when: np.ndarray, *, tilt_deg: tuple[float, float]
) -> np.ndarray:
    """Tilt a particle's zone axis from the beam over time.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws tilts and times.
    fate : str
        "tilt" leaves the zone axis and comes back; "hop" is exactly on it; every second one of "still" is
        off it for good; all others are close to it.
    when : array (T,), float
        Time of each frame as a fraction of the movie.
    tilt_deg : (float, float)
        Least and largest tilt of a particle that is off the zone axis.

    Returns
    -------
    array (T,), float64
        Tilt, 0 or more.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> tilt_over_time(rng, "tilt", np.array([0.0, 0.4]), tilt_deg=(5.0, 5.0)).round(1).tolist()
    [0.0, 4.8]
    """
    far_deg = rng.uniform(*tilt_deg)
    if fate == "tilt":
        return far_deg * np.sin(math.pi * rng.uniform(1.0, 1.4) * when) ** 2
    if fate == "hop":
        return np.zeros(len(when))
    off = fate == STILL and rng.random() < 0.5
    return np.full(len(when), far_deg if off else rng.uniform(0, _ON_AXIS_DEG))


def angle_over_time(rng: np.random.Generator, fate: str, when: np.ndarray) -> np.ndarray:
    """Turn a particle about the beam over time.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws angles and rates.
    fate : str
        "turn" turns at a constant rate; "hop", "touch" and "coalesce" keep their angle; others wobble.
    when : array (T,), float
        Time of each frame as a fraction of the movie.

    Returns
    -------
    array (T,), float64
        Angle, counter-clockwise on the screen.

    Examples
    --------
    >>> np.ptp(angle_over_time(np.random.default_rng(0), "hop", np.arange(9) / 9)).item()
    0.0
    """
    angle = np.full(len(when), rng.uniform(0, 360))
    if fate == "turn":
        angle += rng.choice([-1.0, 1.0]) * rng.uniform(20, 60) * when
    elif fate not in ("hop", "touch", "coalesce"):
        angle += _WOBBLE_DEG * wobble(rng, len(when))
    return angle


def wander(rng: np.random.Generator, fate: str, n_frames: int) -> np.ndarray:
    """Let a particle wander about its place.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the steps.
    fate : str
        "touch" and "coalesce" stay where they are.
    n_frames : int
        Frames T.

    Returns
    -------
    array (T, 2), float64
        Offsets in y and x, at most 2.5 Å.

    Examples
    --------
    >>> wander(np.random.default_rng(0), "still", 5).shape
    (5, 2)
    """
    if FATES.get(fate) == 2:
        return np.zeros((n_frames, 2))
    offsets = _WOBBLE_A * np.stack([wobble(rng, n_frames), wobble(rng, n_frames)], axis=1)
    return np.clip(offsets, -_MOST_WOBBLE_A, _MOST_WOBBLE_A)


def wobble(rng: np.random.Generator, n_frames: int) -> np.ndarray:
    """Draw a random walk that is pulled back to 0, with standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the steps.
    n_frames : int
        Steps T.

    Returns
    -------
    array (T,), float64
        Values.

    Examples
    --------
    >>> wobble(np.random.default_rng(0), 3).shape
    (3,)
    """
    steps = rng.standard_normal(n_frames)
    steps[1:] *= math.sqrt(1 - _MEMORY_OF_WOBBLE**2)
    values = np.empty(n_frames)
    value = 0.0
    for index, step in enumerate(steps.tolist()):
        value = _MEMORY_OF_WOBBLE * value + step
        values[index] = value
    return values


def meeting(fate: str, n_frames: int) -> Meeting:
    """Say when the two of a pair meet.

    Parameters
    ----------
    fate : str
        "coalesce" or "touch".
    n_frames : int
        Frames of the movie.

    Returns
    -------
    Meeting
        In order, and within the movie as far as it is long enough.

    Examples
    --------
    >>> meeting("coalesce", 100), meeting("touch", 100)
    (Meeting(touch=35, fuse=45, part=100), Meeting(touch=30, fuse=100, part=55))
    """
    if fate == "coalesce":
        touch = max(1, round(0.35 * n_frames))
        return Meeting(touch, min(max(touch + 1, round(0.45 * n_frames)), n_frames), n_frames)
    touch = max(1, round(0.3 * n_frames))
    return Meeting(touch, n_frames, min(max(touch + 1, round(0.55 * n_frames)), n_frames))


def gap_over_time(when: Meeting, n_frames: int) -> np.ndarray:
    """Close the gap of a pair, and open it again if they part.

    Parameters
    ----------
    when : Meeting
        When they touch and part.
    n_frames : int
        Frames T.

    Returns
    -------
    array (T,), float64
        Share of the first gap that is left: from 1 to 0, where they touch.

    Examples
    --------
    >>> gap_over_time(Meeting(touch=2, fuse=5, part=4), 6).tolist()
    [1.0, 0.5, 0.0, 0.0, 0.5, 1.0]
    """
    frame = np.arange(n_frames)
    closing = 1 - _smooth(frame / when.touch)
    opening = _smooth((frame - when.part + 1) / max(1, n_frames - when.part))
    return np.where(frame < when.part, closing, opening)


def given_over_time(when: Meeting, n_frames: int) -> np.ndarray:
    """Let the smaller of two that fused give its atoms to the larger.

    Parameters
    ----------
    when : Meeting
        When they fuse.
    n_frames : int
        Frames T.

    Returns
    -------
    array (T,), float64
        Share of the smaller one's atoms that it has given: 0 until they fuse, 1 at the end or before.

    Examples
    --------
    >>> given_over_time(Meeting(touch=1, fuse=3, part=10), 10).round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.26, 0.74, 1.0, 1.0, 1.0, 1.0]
    """
    return _smooth((np.arange(n_frames) - when.fuse) / max(1, round(0.3 * n_frames)))


def _smooth(share: np.ndarray) -> np.ndarray:
    """Rise from 0 at 0 to 1 at 1, level at both ends."""
    share = np.clip(share, 0, 1)
    return share**2 * (3 - 2 * share)
