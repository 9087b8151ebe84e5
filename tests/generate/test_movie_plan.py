"""Plans of movies: fates happen, events tell of them, identities last, nothing collides by chance."""

import itertools
import pickle
from functools import cache

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.movie_events import EVENTS, frame_table, hop_table, list_events
from temflux.engine.generate.movie_fates import FATES, assign_fates, given_over_time, meeting
from temflux.engine.generate.movie_outlines import area_and_middle, common_part, outline
from temflux.engine.generate.movie_plan import plan_movie, room_for
from temflux.engine.generate.movie_scene import MovieSettings

SIZE_A = (250.0, 300.0)


@cache
def scene_of(seed=0, n_frames=60, **changes):
    settings = MovieSettings(
        n_frames=n_frames, **{"size_A": SIZE_A, "radius_A": (10.0, 13.0), "n_particles": 12, **changes}
    )
    return plan_movie(np.random.default_rng(seed), settings)


def events_of(scene, in_view=None):
    shape = (len(scene.times_s), int(scene.identity.max()))
    table = list_events(scene, np.ones(shape, bool) if in_view is None else in_view)
    return list(zip(*(table[name].tolist() for name in ("frame", "event", "particle", "other")), strict=True))


def outline_of(scene, frame, body):
    atoms = scene.positions_A(scene.pose(frame, body))
    return outline(atoms[:, :2]) + np.array([scene.x_A[frame, body], scene.y_A[frame, body]])


def test_same_seed_same_plan():
    one, other = scene_of(seed=3), plan_movie(np.random.default_rng(3), scene_of(seed=3).settings)
    assert pickle.dumps(one.x_A) == pickle.dumps(other.x_A)
    for name in ("y_A", "n_atoms", "tilt_deg", "angle_deg", "identity", "drift_A"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert all(
        np.array_equal(a.positions_A, b.positions_A)
        for a, b in zip(one.crystals, other.crystals, strict=True)
    )
    assert not np.array_equal(one.x_A, scene_of(seed=4).x_A)


@pytest.mark.parametrize("seed", range(6))
def test_every_fate_shows_in_the_events(seed):
    scene = scene_of(seed)
    assert set(FATES) <= set(scene.fates)
    events = events_of(scene)
    body = {fate: scene.fates.index(fate) for fate in FATES}
    happened = {(event, particle) for _, event, particle, _ in events}
    assert ("death", body["vaporise"] + 1) in happened
    assert ("birth", body["appear"] + 1) in happened
    assert ("out_of_zone", body["tilt"] + 1) in happened
    pair = (body["touch"] + 1, body["touch"] + 2)
    assert [(e, p, o) for _, e, p, o in events if p == pair[0]] == [("touch", *pair), ("part", *pair)]
    first = body["coalesce"]
    merges = [(p, o) for _, e, p, o in events if e == "merge"]
    larger = first + int(scene.n_atoms[0, first + 1] > scene.n_atoms[0, first])
    assert merges == [(larger + 1, 2 * first + 1 - larger + 1)]
    assert [event for _, event, _, _ in events].count("beam_off") == 1
    assert [event for _, event, _, _ in events].count("dose_step") == 2
    assert {event for _, event, _, _ in events} <= set(EVENTS)


@pytest.mark.parametrize("seed", range(4))
def test_events_account_for_every_change_of_who_is_there(seed):
    scene = scene_of(seed)
    there = {p for p in scene.identity[0].tolist() if p}
    events = events_of(scene)
    for frame in range(1, len(scene.times_s)):
        now = [(event, particle, other) for at, event, particle, other in events if at == frame]
        there |= {particle for event, particle, _ in now if event == "birth"}
        there -= {particle for event, particle, _ in now if event == "death"}
        there -= {other for event, _, other in now if event == "merge"}
        assert there == {p for p in scene.identity[frame].tolist() if p}


def test_leaving_and_entering_the_frame_are_events_too():
    scene = scene_of()
    in_view = np.ones((60, 12), bool)
    still = scene.fates.index("still")
    in_view[20:30, still] = False
    events = [event for event in events_of(scene, in_view) if event[1] in ("enter", "leave")]
    assert events == [(20, "leave", still + 1, 0), (30, "enter", still + 1, 0)]


@pytest.mark.parametrize("seed", range(6))
def test_only_pairs_meet(seed):
    scene = scene_of(seed)
    partner = {0: 1, 1: 0, 2: 3, 3: 2}
    for frame in range(0, 60, 5):
        outlines = {body: outline_of(scene, frame, body) for body in scene.bodies(frame)}
        for one, other in itertools.combinations(outlines, 2):
            shared = area_and_middle(common_part(outlines[one], outlines[other]))[0]
            if partner.get(one) != other:
                assert shared == 0, (frame, scene.fates[one], scene.fates[other])
            else:
                together = scene.identity[frame, one] == scene.identity[frame, other]
                assert (shared > 0) == (bool(scene.touching[frame, one]) or together)


@pytest.mark.parametrize("seed", range(3))
def test_coalescing_keeps_the_atoms_and_their_middle(seed):
    scene = scene_of(seed)
    total = scene.n_atoms[:, :2].sum(axis=1)
    assert (abs(total / total[0] - 1) < 0.012).all()
    weight = scene.n_atoms[:, :2] / total[:, np.newaxis]
    for place in (scene.y_A, scene.x_A):
        np.testing.assert_allclose(
            (weight * place[:, :2]).sum(axis=1), (weight * place[:, :2])[0].sum(), atol=0.3
        )
    when = meeting("coalesce", 60)
    assert (scene.identity[when.fuse :, :2].max(axis=1) == scene.identity[when.fuse, :2].max()).all()
    assert len(np.unique(scene.identity[: when.fuse, :2], axis=0)) == 1
    assert given_over_time(when, 60)[-1] == 1


def test_sizes_follow_their_fates():
    scene = scene_of(1)
    shown = {fate: scene.n_atoms[:, scene.fates.index(fate)] for fate in FATES}
    for fate in ("tilt", "turn", "hop", "touch"):
        assert np.ptp(shown[fate]) == 0
    # Area, the atoms to the power 2/3, shrinks at a constant rate through the gap with the beam off.
    alive = np.flatnonzero(shown["vaporise"] > 200)
    area, times_s = shown["vaporise"][alive] ** (2 / 3), scene.times_s[alive]
    fit = np.polyfit(times_s, area, 1)
    assert fit[0] < 0
    assert np.abs(np.polyval(fit, times_s) - area).max() < 0.006 * area[0]
    assert (np.diff(shown["shrink"]) <= 0).all()
    assert 0.3 < shown["shrink"][-1] / shown["shrink"][0] < 0.7
    born = np.flatnonzero(shown["appear"])[0]
    assert (np.diff(shown["appear"][born:]) >= 0).all()
    assert shown["appear"][-1] > 3 * shown["appear"][born]


def test_poses_come_in_steps_and_come_back():
    scene = scene_of(2)
    np.testing.assert_array_equal(scene.tilt_deg % 0.25, 0)
    np.testing.assert_array_equal(scene.angle_deg % 0.5, 0)
    tilting = scene.fates.index("tilt")
    frames = len(scene.times_s)
    assert len({scene.pose(frame, tilting) for frame in range(frames)}) < frames
    near = scene.tilt_deg[:, tilting] <= scene.settings.on_zone_deg
    assert near[0]
    assert not near.all()
    turning = np.unwrap(scene.angle_deg[:, scene.fates.index("turn")], period=360)
    assert 15 < abs(turning[-1] - turning[0]) < 65


def test_clock_has_gaps_and_the_dose_has_steps():
    scene = scene_of(n_frames=10, beam_off=((0.3, 5.0), (0.5, 1.0)), dose_steps=((0.2, 3.0), (0.6, 0.5)))
    gaps = np.diff(scene.times_s)
    assert gaps.round(6).tolist() == [0.4, 0.4, 5.4, 0.4, 1.4, 0.4, 0.4, 0.4, 0.4]
    np.testing.assert_allclose(scene.beam_s, np.arange(10) * 0.4)
    table = frame_table(scene, dose_e_per_A2=100.0)
    assert table["dose_e_per_A2"].tolist() == [100, 100, 300, 300, 300, 300, 50, 50, 50, 50]
    events = list_events(scene, np.ones((10, 12), bool))
    off, on = (events["event"] == name for name in ("beam_off", "beam_on"))
    assert events["frame"][off].tolist() == [2, 4]
    assert events["frame"][on].tolist() == [3, 5]
    # Off at the end of a frame's exposure, on at the begin of the next.
    np.testing.assert_allclose(events["time_s"][on] - events["time_s"][off], [5.0, 1.0])


def test_hops_follow_the_rate_under_the_beam_only():
    rate, n_frames = 0.5, 4000
    scene = scene_of(
        n_frames=n_frames, n_particles=1, events=("hop",), hop_rate_per_s=rate, beam_off=((0.5, 1e4),)
    )
    hops = hop_table(scene)
    n_columns = len(scene.hop_columns[0])
    assert n_columns >= 2
    expected = rate * n_frames * 0.4 * n_columns
    assert abs(len(hops["frame"]) - expected) < 4 * np.sqrt(expected)
    begin = scene.times_s[hops["frame"]]
    assert ((hops["time_s"] >= begin) & (hops["time_s"] < begin + 0.4 + 1e-9)).all()
    # The states of the frames are the hops added up.
    sites = scene.sites[0]
    for column in range(n_columns):
        own = hops["column"] == column + 1
        step = hops["to_site"][own] - hops["from_site"][own]
        reached = np.concatenate([[0], np.cumsum(np.bincount(hops["frame"][own], step, n_frames))])[:-1]
        np.testing.assert_array_equal(sites[:, column], reached)


def test_drift_is_at_the_rate_asked_for():
    scene = scene_of(n_frames=100, drift_A_per_s=(0.5, 0.5), n_particles=1)
    away = np.linalg.norm(scene.drift_A[-1] - scene.drift_A[0])
    assert away / (99 * 0.4) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5])
def test_short_movies_are_planned_too(n_frames):
    scene = scene_of(n_frames=n_frames)
    assert scene.n_atoms.shape == (n_frames, 12)
    assert (scene.n_atoms > 0).sum() >= 10
    events_of(scene)


def test_as_many_as_there_is_room_for():
    assert len(scene_of(n_particles=None, n_frames=2).fates) == 16
    small = {"size_A": (60.0, 60.0), "radius_A": (8.0, 10.0)}
    assert scene_of(n_particles=None, n_frames=2, **small).fates == ("vaporise",)
    # A pair has no place in a frame for two above each other but one: all fates that need two are left out.
    narrow = {"size_A": (100.0, 40.0), "radius_A": (8.0, 10.0)}
    assert room_for(MovieSettings(n_frames=1, **narrow)) == (3, 1)
    assert scene_of(n_particles=3, n_frames=2, **narrow).fates == ("coalesce", "coalesce", "vaporise")


def test_fates_are_dealt_in_order():
    assert assign_fates(["touch", "coalesce", "hop"], 3) == ["touch", "touch", "hop"]
    assert assign_fates([], 2) == ["still", "still"]
    many = scene_of(events=("coalesce", "coalesce", "touch"), n_particles=8, n_frames=20)
    assert many.fates.count("coalesce") == 4
    assert [e for _, e, _, _ in events_of(many)].count("merge") == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_frames": 0}, "n_frames: expected 1 or more, got 0"),
        ({"metal": "Si"}, "metal: expected one of"),
        ({"n_particles": 99}, r"n_particles: expected 1 to 42 of radius up to 13 Å .* got 99"),
        ({"n_particles": 0}, "n_particles: expected 1 to"),
        ({"radius_A": (3.0, 9.0)}, "radius_A: expected a range from 8 up, got 3.0 to 9.0"),
        ({"radius_A": (12.0, 9.0)}, "radius_A"),
        (
            {"radius_A": (100.0, 200.0), "n_particles": None},
            r"radius_A: expected at most 96.8 Å in a frame of 250 × 300 Å, got up to 200 Å",
        ),
        ({"frame_s": 0.0}, "frame_s: expected above 0 s, got 0.0"),
        ({"drift_A_per_s": (-1.0, 0.0)}, "drift_A_per_s"),
        ({"beam_off": ((1.5, 3.0),)}, r"beam_off: expected a share .* got 1.5 and 3.0"),
        ({"dose_steps": ((0.5, 0.0),)}, "dose_steps"),
        ({"hop_rate_per_s": -1.0, "events": ("hop",)}, "hop_rate_per_s"),
        ({"events": ("explode",)}, "events: expected some of coalesce"),
    ],
)
def test_refuses_impossible_plans(changes, message):
    with pytest.raises(SettingsError, match=message):
        scene_of(**changes)
