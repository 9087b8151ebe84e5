"""Crystals of a movie: bulk lattices, growth atom by atom, poses and their steps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.movie_crystals import (
    Crystal,
    bulk_lattice,
    grow_crystal,
    order_of_growth,
    pose_rotation,
    quantise_atoms,
    reach_of,
)

# Spacing of the reference planes: {002} of gold, {110} of iron, {0002} of cobalt [Å].
METALS = {"Au": 4.08 / 2, "Fe": 2.87 / math.sqrt(2), "Co": 2.51 * 1.622 / 2}


def crystal_of(symbol="Au", n_atoms=600, seed=0, **shape):
    lattice = bulk_lattice(symbol, reach_A=reach_of(20.0, elongation=1.5))
    return grow_crystal(np.random.default_rng(seed), lattice, n_atoms=n_atoms, **shape)


def amplitude(xy, q):
    """Share of the atoms that scatter in phase at a spatial frequency (2,)."""
    return abs(np.exp(2j * math.pi * xy @ q).mean())


@pytest.mark.parametrize("symbol", METALS)
def test_bulk_has_its_density_and_its_neighbours(symbol):
    lattice = bulk_lattice(symbol, reach_A=25.0)
    volume = 4 / 3 * math.pi * 25.0**3
    assert len(lattice.positions_A) / volume == pytest.approx(lattice.atoms_per_A3, rel=0.02)
    middle = np.linalg.norm(lattice.positions_A, axis=1).argmin()
    distances = np.sort(np.linalg.norm(lattice.positions_A - lattice.positions_A[middle], axis=1))
    neighbours = (distances[1:] < 1.03 * lattice.neighbour_A).sum()
    assert neighbours == (8 if symbol == "Fe" else 12)


@pytest.mark.parametrize("symbol", METALS)
def test_reference_planes_lie_across_x_and_columns_along_z(symbol):
    crystal = crystal_of(symbol)
    xy = crystal.positions_A[:, :2]
    assert amplitude(xy, np.array([1 / METALS[symbol], 0])) > 0.95
    assert amplitude(xy, np.array([0.8 / METALS[symbol], 0])) < 0.3
    # Seen along the beam, the atoms lie in far fewer columns than there are atoms.
    assert len(np.unique(xy.round(2), axis=0)) < len(xy) / 4


@given(angle=st.floats(-400, 400), tilt=st.floats(0, 20), axis=st.floats(0, 180))
def test_lattice_angle_is_that_of_the_turned_planes(angle, tilt, axis):
    crystal = Crystal("Au", np.zeros((1, 3)), axis, 2.88)
    seen = crystal.lattice_angle_deg(tilt_deg=tilt, angle_deg=angle)
    assert -90 <= seen < 90
    apart = (seen - angle + 90) % 180 - 90
    # A tilt moves what is seen along the beam only to second order.
    assert abs(apart) <= math.degrees(1 - math.cos(math.radians(tilt))) + 1e-6


def test_positive_angles_turn_counter_clockwise_on_the_screen():
    # Rows grow downwards, so that up is -y.
    turned = pose_rotation(0, tilt_deg=0, angle_deg=30) @ [1, 0, 0]
    assert turned == pytest.approx([math.cos(math.pi / 6), -0.5, 0])


@given(angle=st.floats(0, 360), tilt=st.floats(0, 90), axis=st.floats(0, 180))
def test_poses_are_rotations_by_the_tilt(angle, tilt, axis):
    rotation = pose_rotation(axis, tilt_deg=tilt, angle_deg=angle)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert (rotation @ [0, 0, 1])[2] == pytest.approx(math.cos(math.radians(tilt)), abs=1e-12)


def test_atoms_with_fewest_neighbours_leave_first():
    crystal = crystal_of(n_atoms=400)
    positions, reach = crystal.positions_A, 1.2 * crystal.neighbour_A
    for n in range(len(positions) - 1, len(positions) - 60, -7):
        near = (np.linalg.norm(positions[: n + 1, np.newaxis] - positions[: n + 1], axis=-1) < reach).sum(1)
        assert near[n] == near.min()


def test_growing_keeps_particles_compact():
    crystal = crystal_of(n_atoms=900, elongation=1.1, flatness=0.9)
    density = bulk_lattice("Au", reach_A=10).atoms_per_A3
    for n in (900, 500, 200, 60):
        atoms = crystal.positions_A[:n] - crystal.positions_A[:n].mean(axis=0)
        radius = (3 * n / (4 * math.pi * density)) ** (1 / 3)
        gyration = math.sqrt((atoms**2).sum(axis=1).mean())
        # A sphere's is √(3/5) of its radius; facets and steps add a little.
        assert math.sqrt(0.6) * radius * 0.9 < gyration < math.sqrt(0.6) * radius * 1.1


def test_shape_follows_elongation_and_flatness():
    long = crystal_of(n_atoms=900, elongation=1.5).positions_A[:900]
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(long[:, :2].T)))
    assert 1.25 < spread[1] / spread[0] < 1.7
    flat = crystal_of(n_atoms=900, flatness=0.6).positions_A[:900].std(axis=0)
    assert flat[2] / flat[:2].mean() == pytest.approx(0.6, abs=0.12)


def test_order_is_a_permutation_and_repeats_itself():
    positions = np.random.default_rng(0).uniform(0, 10, (80, 3))
    distance = np.linalg.norm(positions - 5, axis=1)
    order = order_of_growth(positions, distance, reach_A=3.0)
    assert sorted(order.tolist()) == list(range(80))
    np.testing.assert_array_equal(order, order_of_growth(positions, distance, reach_A=3.0))
    # Without neighbours only the distance decides.
    np.testing.assert_array_equal(order_of_growth(positions, distance, reach_A=1e-3), np.argsort(distance))


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=20))
def test_steps_of_size_are_of_one_percent_and_settle(counts):
    rounded = quantise_atoms(np.array(counts))
    assert (np.abs(rounded - counts) <= 0.0051 * np.array(counts) + 0.5).all()
    np.testing.assert_array_equal(quantise_atoms(np.array([0.0, 0.9])), [0, 0])
    large = rounded[rounded > 300]
    np.testing.assert_array_equal(quantise_atoms(large), large)


def test_refuses_what_cannot_be_grown():
    lattice = bulk_lattice("Au", reach_A=10)
    rng = np.random.default_rng(0)
    with pytest.raises(SettingsError, match="metal: expected one of"):
        bulk_lattice("Si", reach_A=10)
    with pytest.raises(SettingsError, match=r"reach_A.*got 0"):
        bulk_lattice("Au", reach_A=0)
    for bad in ({"n_atoms": 3}, {"n_atoms": 50, "elongation": 0.5}, {"n_atoms": 50, "flatness": 9}):
        with pytest.raises(SettingsError, match="13 atoms or more"):
            grow_crystal(rng, lattice, **bad)
    with pytest.raises(SettingsError, match="room for 5000 atoms"):
        grow_crystal(rng, lattice, n_atoms=5000)
