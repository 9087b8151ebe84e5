"""Lattices: planes beside spacings, twins as a mirror and as a rotation, what no lattice explains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError
from temflux.engine.measure.reflections.lattice import candidate_planes, explained_share, find_lattices

GOLD_NM = np.array([0.2355, 0.2039, 0.1442, 0.1230])
# Gold along [110]: {200} at 0, {111} to both sides of it.
DIRECTIONS = np.array([0.0, 54.7356, -54.7356])
LENGTHS = 1 / np.array([0.2039, 0.2355, 0.2355])


def places(q, angles_deg):
    angles = np.radians(angles_deg)
    return np.asarray(q)[:, None] * np.stack([-np.sin(angles), np.cos(angles)], axis=1)


def explained(q, angles_deg, *, seed=0, power=None):
    found = places(q, angles_deg)
    found = found + np.random.default_rng(seed).normal(0, 0.008, found.shape)
    sign = np.random.default_rng(seed + 1).choice([-1, 1], len(found))
    power = np.linspace(90, 50, len(found)) if power is None else power
    return find_lattices(sign[:, None] * found, np.full(len(found), 0.01), power)


@settings(max_examples=30, deadline=None)
@given(st.floats(-180, 180), st.integers(0, 100))
def test_one_crystal_is_one_lattice_however_it_is_turned(turn, seed):
    found = explained(LENGTHS, DIRECTIONS + turn, seed=seed)
    assert found.lattice.tolist() == [1, 1, 1]
    assert found.count == 1
    assert np.isnan(found.rotation_deg)
    assert np.isnan(found.mirror_deg)


@settings(max_examples=30, deadline=None)
@given(st.floats(-180, 180), st.integers(0, 100))
def test_a_twin_mirrors_all_but_the_plane_that_both_share(turn, seed):
    twin = 2 * DIRECTIONS[1] - DIRECTIONS
    angles = np.concatenate([DIRECTIONS, twin[[0, 2]]]) + turn
    found = explained(np.concatenate([LENGTHS, LENGTHS[[0, 2]]]), angles, seed=seed)
    assert found.count == 2
    assert found.lattice[1] == 3
    assert sorted([*found.lattice[[0, 2]], *found.lattice[[3, 4]]]) == [1, 1, 2, 2]
    assert found.lattice[0] == found.lattice[2] != found.lattice[3] == found.lattice[4]
    # Lattices have inversion symmetry: a mirror line and the line across it do the same.
    off = (found.mirror_deg - turn - DIRECTIONS[1] + 45) % 90 - 45
    assert abs(off) < 1.0


def test_two_grains_are_turned_copies():
    oblique = np.array([3.0, 4.3, 5.5])
    directions = np.array(
        [0.0, 71.0, np.degrees(np.arctan2(4.3 * np.sin(np.radians(71)), 3 + 4.3 * np.cos(np.radians(71))))]
    )
    oblique[2] = np.hypot(4.3 * np.sin(np.radians(71)), 3 + 4.3 * np.cos(np.radians(71)))
    found = explained(np.tile(oblique, 2), np.concatenate([directions, directions + 23.0]))
    assert found.count == 2
    assert sorted(found.lattice.tolist()) == [1, 1, 1, 2, 2, 2]
    assert abs(found.rotation_deg) == pytest.approx(23.0, abs=0.7)


def test_a_stray_reflection_belongs_to_no_lattice():
    found = explained(np.append(LENGTHS, 6.3), np.append(DIRECTIONS, 21.0), power=np.array([90, 80, 70, 20]))
    assert found.lattice.tolist() == [1, 1, 1, 0]
    assert found.index[3].tolist() == [0, 0]


def test_one_direction_is_no_lattice():
    found = explained([4.2, 8.4], [10.0, 10.3])
    assert found.lattice.tolist() == [0, 0]
    assert found.count == 0
    assert find_lattices(np.zeros((0, 2)), np.zeros(0), np.zeros(0)).count == 0


def test_planes_are_the_nearest_with_their_deviation():
    d = np.array([0.2358, 0.2050, 0.30])
    found = candidate_planes(d, np.full(3, 0.0005), GOLD_NM)
    assert found["plane"].tolist() == [0, 1, 0]
    np.testing.assert_allclose(found["deviation_percent"], [0.127, 0.539, 27.39], rtol=0.01)
    np.testing.assert_allclose(found["deviation_sigmas"][:2], [0.6, 2.2])
    assert candidate_planes(d, d, GOLD_NM[:1])["next_plane"].tolist() == [-1, -1, -1]
    with pytest.raises(DataError, match="spacings"):
        candidate_planes(d, d, np.zeros(0))


def test_how_much_a_crystal_explains_and_would_by_chance():
    explained_all, chance = explained_share(np.array([0.236, 0.204]), GOLD_NM[:2])
    assert explained_all == 1
    assert 0.1 < chance < 1
    assert explained_share(np.array([0.3, 0.27]), GOLD_NM)[0] == 0
    assert np.isnan(explained_share(np.zeros(0), GOLD_NM)[0])
