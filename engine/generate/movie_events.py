"""What happens in a simulated movie, as tables: events, hops of columns, and the frames' times and doses."""

from __future__ import annotations

import numpy as np

from ..base.tables import Columns
from .movie_scene import MovieScene, pairs_of

# In the order in which those of one frame are listed.
EVENTS = (
    "beam_off",
    "beam_on",
    "dose_step",
    "birth",
    "enter",
    "touch",
    "part",
    "merge",
    "out_of_zone",
    "in_zone",
    "leave",
    "death",
)
_A_PER_NM = 10.0
_Row = tuple[int, int, int, int, float]


def list_events(scene: MovieScene, in_view: np.ndarray) -> Columns:
    """List what happens, each at the first frame that shows it.

    Parameters
    ----------
    scene : MovieScene
        The movie's plan.
    in_view : array (T, P), bool
        Whether a particle has a label in a frame.

    Returns
    -------
    dict of arrays (n,)
        frame, time_s, event, particle, other; in the order of frames. particle and other are 0 where none
        takes part. birth and death: a particle is there from this frame on, or no longer. enter and leave:
        the drift brings it into the frame or out of it. touch and part: its outline meets that of other, or
        no longer does. merge: it takes other in. in_zone and out_of_zone: its zone axis comes closer to the
        beam than the limit, or goes farther. dose_step: the dose changes. beam_off: at the end of the last
        frame before a gap; beam_on: at the begin of the first frame after it.

    Examples
    --------
    >>> from temflux.engine.generate.movie_plan import plan_movie
    >>> from temflux.engine.generate.movie_scene import MovieSettings
    >>> settings = MovieSettings(n_frames=4, size_A=(60.0, 110.0), radius_A=(10.0, 12.0), n_particles=2)
    >>> scene = plan_movie(np.random.default_rng(0), settings)
    >>> list_events(scene, np.ones((4, 2), bool))["event"].tolist()
    ['touch', 'beam_off', 'dose_step', 'merge', 'beam_on']
    """
    rows = [*_beam(scene), *_lives(scene, in_view), *_meetings(scene), *_zones(scene)]
    rows.sort(key=lambda row: row[:4])
    return {
        "frame": np.array([row[0] for row in rows], np.int64),
        "time_s": np.array([row[4] for row in rows], np.float64),
        "event": np.array([EVENTS[row[1]] for row in rows], dtype="<U11"),
        "particle": np.array([row[2] for row in rows], np.int64),
        "other": np.array([row[3] for row in rows], np.int64),
    }


def hop_table(scene: MovieScene) -> Columns:
    """List every hop of a column, also those between which no frame was begun.

    Parameters
    ----------
    scene : MovieScene
        The movie's plan.

    Returns
    -------
    dict of arrays (n,)
        frame (during whose exposure it hops), time_s, particle, column (from 1), from_site, to_site (from 0).

    Examples
    --------
    >>> from temflux.engine.generate.movie_plan import plan_movie
    >>> from temflux.engine.generate.movie_scene import MovieSettings
    >>> settings = MovieSettings(n_frames=9, size_A=(80.0, 80.0), n_particles=1, events=("hop",))
    >>> hops = hop_table(plan_movie(np.random.default_rng(3), settings))
    >>> bool((np.abs(hops["to_site"] - hops["from_site"]) == 1).all())
    True
    """
    frame_s = scene.settings.frame_s
    parts = []
    for body, hops in scene.hops.items():
        frame = np.minimum((hops["beam_s"] / frame_s).astype(np.int64), len(scene.times_s) - 1)
        time_s = scene.times_s[frame] + hops["beam_s"] - scene.beam_s[frame]
        particle = scene.identity[frame, body]
        parts.append([frame, time_s, particle, hops["column"] + 1, hops["from_site"], hops["to_site"]])
    names = ("frame", "time_s", "particle", "column", "from_site", "to_site")
    table = [
        np.concatenate(column) if parts else np.zeros(0, np.int64) for column in zip(*parts, strict=True)
    ]
    if not parts:
        return {name: np.zeros(0, np.float64 if name == "time_s" else np.int64) for name in names}
    order = np.lexsort((table[3], table[2], table[1]))
    return {name: column[order] for name, column in zip(names, table, strict=True)}


def frame_table(scene: MovieScene, *, dose_e_per_A2: float) -> Columns:
    """List time, dose and drift of every frame.

    Parameters
    ----------
    scene : MovieScene
        The movie's plan.
    dose_e_per_A2 : float
        Dose of the first frame [e⁻/Å²].

    Returns
    -------
    dict of arrays (T,)
        frame, time_s, beam_s (how long the beam had been on), dose_e_per_A2, drift_y_nm, drift_x_nm.

    Examples
    --------
    >>> from temflux.engine.generate.movie_plan import plan_movie
    >>> from temflux.engine.generate.movie_scene import MovieSettings
    >>> settings = MovieSettings(n_frames=3, size_A=(80.0, 80.0), n_particles=1, events=())
    >>> scene = plan_movie(np.random.default_rng(3), settings)
    >>> frame_table(scene, dose_e_per_A2=100.0)["dose_e_per_A2"].tolist()
    [100.0, 200.0, 200.0]
    """
    return {
        "frame": np.arange(len(scene.times_s)),
        "time_s": scene.times_s,
        "beam_s": scene.beam_s,
        "dose_e_per_A2": dose_e_per_A2 * scene.dose_factor,
        "drift_y_nm": scene.drift_A[:, 0] / _A_PER_NM,
        "drift_x_nm": scene.drift_A[:, 1] / _A_PER_NM,
    }


def _row(scene: MovieScene, frame: int, event: str, particle: int = 0, other: int = 0) -> _Row:
    return frame, EVENTS.index(event), particle, other, float(scene.times_s[frame])


def _beam(scene: MovieScene) -> list[_Row]:
    rows = [_row(scene, int(f) + 1, "dose_step") for f in np.flatnonzero(np.diff(scene.dose_factor))]
    frame_s = scene.settings.frame_s
    for before in np.flatnonzero(np.diff(scene.times_s) > frame_s * (1 + 1e-9)).tolist():
        frame, event, particle, other, time_s = _row(scene, before, "beam_off")
        rows += [(frame, event, particle, other, time_s + frame_s), _row(scene, before + 1, "beam_on")]
    return rows


def _lives(scene: MovieScene, in_view: np.ndarray) -> list[_Row]:
    rows = []
    taken = {(row[0], row[3]) for row in _meetings(scene) if EVENTS[row[1]] == "merge"}
    for particle in range(1, in_view.shape[1] + 1):
        exists = (scene.identity == particle).any(axis=1)
        seen = in_view[:, particle - 1]
        for frame in range(1, len(exists)):
            before, now = bool(exists[frame - 1]), bool(exists[frame])
            if now and not before:
                rows.append(_row(scene, frame, "birth", particle))
            elif before and not now and (frame, particle) not in taken:
                rows.append(_row(scene, frame, "death", particle))
            elif before and now and seen[frame] != seen[frame - 1]:
                rows.append(_row(scene, frame, "enter" if seen[frame] else "leave", particle))
    return rows


def _meetings(scene: MovieScene) -> list[_Row]:
    rows = []
    for first in pairs_of(scene.fates):
        one, other = scene.identity[:, first], scene.identity[:, first + 1]
        low, high = sorted((int(one[0]), int(other[0])))
        touching = scene.touching[:, first]
        for frame in range(1, len(one)):
            for body in (one, other):
                if body[frame] and body[frame] != body[frame - 1]:
                    rows.append(_row(scene, frame, "merge", int(body[frame]), int(body[frame - 1])))
            if touching[frame] and not touching[frame - 1]:
                rows.append(_row(scene, frame, "touch", low, high))
            elif touching[frame - 1] and not touching[frame] and one[frame] != other[frame]:
                rows.append(_row(scene, frame, "part", low, high))
    return rows


def _zones(scene: MovieScene) -> list[_Row]:
    rows = []
    main = scene.main_bodies()
    for body in range(main.shape[1]):
        near = scene.tilt_deg[:, body] <= scene.settings.on_zone_deg
        for frame in np.flatnonzero(main[1:, body] & main[:-1, body] & (near[1:] != near[:-1])).tolist():
            event = "in_zone" if near[frame + 1] else "out_of_zone"
            rows.append(_row(scene, frame + 1, event, int(scene.identity[frame + 1, body])))
    return rows
