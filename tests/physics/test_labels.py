"""Labels against the atoms that they are of."""

import math

import numpy as np
import pytest
from ase.build import mx2
from ase.cluster import Octahedron
from scipy.spatial import ConvexHull

from temflux.engine.generate.labels import LabelSettings, make_label
from temflux.engine.generate.sites import find_sites
from temflux.engine.generate.system import Sites


def hexagon(side_A, centre_A, turn=0.0):
    angles = turn + np.arange(6) * math.pi / 3
    xy = np.stack([np.cos(angles), np.sin(angles)], axis=1) * side_A + centre_A
    return Sites(xy, np.zeros(6, np.int64), ("Au",))


@pytest.fixture(scope="module")
def particle():
    atoms = Octahedron("Au", 9, cutoff=2)
    atoms.rotate(45, "z")
    atoms.rotate(90, "x")
    atoms.rotate(17, "z")
    atoms.cell = (60, 60, 60)
    atoms.center()
    return atoms


@pytest.fixture(scope="module")
def flake():
    atoms = mx2("MoS2", size=(9, 10, 1), vacuum=5)
    atoms.positions[:, :2] += (25.03, 4.07)
    atoms.cell = (60, 60, 15)
    return atoms


@pytest.mark.parametrize("sampling_A", [0.07, 0.11, 0.18])
def test_every_atom_of_a_particle_is_on_its_mask(particle, sampling_A):
    sites = find_sites(particle)
    n = math.ceil(60 / sampling_A)
    label = make_label(LabelSettings("Mask"), sites, shape=(n, n), sampling_A=sampling_A)[..., 0]
    nodes = np.rint(particle.positions[:, :2] / sampling_A).astype(int)
    on_mask = label[nodes[:, 1], nodes[:, 0]] == 1
    # Atoms of the rim may lie nearest to a sample just outside; all others are on the mask.
    depth_A = -np.max(
        particle.positions[:, :2] @ (hull := ConvexHull(sites.xy_A).equations)[:, :2].T + hull[:, 2], axis=1
    )
    assert on_mask[depth_A > sampling_A * math.sqrt(0.5)].all()
    assert (depth_A > sampling_A * math.sqrt(0.5)).mean() > 0.5
    inside = np.argwhere(label)[:, ::-1] * sampling_A
    for xy in particle.positions[~on_mask, :2]:
        assert np.hypot(*(inside - xy).T).min() < 1.5 * sampling_A
    # And no sample of the mask is farther from an atom than neighbouring columns are apart.
    for xy in inside[::97]:
        assert np.hypot(*(particle.positions[:, :2] - xy).T).min() < 2.5


@pytest.mark.parametrize("turn", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("sampling_A", [0.07, 0.18])
def test_the_area_of_a_mask_is_the_hexagons(turn, sampling_A):
    side_A = 17.3
    n = math.ceil(60 / sampling_A)
    label = make_label(
        LabelSettings("Mask"), hexagon(side_A, (29.4, 30.7), turn), shape=(n, n), sampling_A=sampling_A
    )
    area_A2 = 1.5 * math.sqrt(3) * side_A**2
    assert abs(label.sum() * sampling_A**2 - area_A2) < 6 * side_A * sampling_A / 2
    # Averaged over where the samples fall, the area is exact.
    rng = np.random.default_rng(5)
    areas = [
        make_label(
            LabelSettings("Mask"),
            hexagon(side_A, (29.4, 30.7), turn),
            shape=(n, n),
            sampling_A=sampling_A,
            origin_A=tuple(rng.uniform(0, sampling_A, 2)),
        ).sum()
        for _ in range(20)
    ]
    assert np.mean(areas) * sampling_A**2 == pytest.approx(area_A2, rel=1e-3)


@pytest.mark.parametrize("spotsize_A", [0.4, 1.0, 1.6])
def test_discs_have_the_area_of_circles(flake, spotsize_A):
    sites, sampling_A = find_sites(flake), 0.1037
    label = make_label(
        LabelSettings("Disk", 1, spotsize_A=spotsize_A), sites, shape=(580, 580), sampling_A=sampling_A
    )
    expected = len(sites.xy_A) * math.pi * (spotsize_A / 2) ** 2 / sampling_A**2
    assert label.sum() == pytest.approx(expected, rel=0.02)


def test_each_class_lies_on_its_own_atoms(flake):
    sites = find_sites(flake)
    assert len(sites.class_names) == 2
    sampling_A = 0.1
    label = make_label(
        LabelSettings("Disk", 3, spotsize_A=1.0), sites, shape=(600, 600), sampling_A=sampling_A
    )
    assert (label.sum(axis=-1) == 1).all()
    nodes = np.rint(flake.positions[:, :2] / sampling_A).astype(int)
    for index, name in enumerate(sites.class_names):
        element = name.strip("0123456789")
        mine = flake.symbols == element
        assert label[nodes[mine, 1], nodes[mine, 0], index].all()
        assert not label[nodes[~mine, 1], nodes[~mine, 0], index].any()


def test_discs_of_columns_that_are_apart_do_not_touch(flake):
    sites = find_sites(flake)
    grid = {"shape": (600, 600), "sampling_A": 0.1}
    whole = make_label(LabelSettings("Disk", 3, spotsize_A=1.0), sites, **grid)
    for index in range(2):
        alone = sites.classes == index
        part = Sites(sites.xy_A[alone], np.zeros(alone.sum(), np.int64), ("one",))
        np.testing.assert_array_equal(
            whole[..., index], make_label(LabelSettings("Disk", 1, spotsize_A=1.0), part, **grid)[..., 0]
        )


def test_spots_weigh_as_much_as_their_formulas():
    # The volume below (1 + cos(πd/w))/2 is w²(π/2 − 2/π).
    one = Sites(np.array([[5.013, 4.957]]), np.zeros(1, np.int64), ("Mo",))
    label = make_label(LabelSettings("Blob", 1, spotsize_A=1.2), one, shape=(200, 200), sampling_A=0.05)
    assert label.sum() * 0.05**2 == pytest.approx(1.2**2 * (math.pi / 2 - 2 / math.pi), rel=1e-3)
    gaussian = make_label(
        LabelSettings("Gaussian", 1, spotsize_A=0.5), one, shape=(200, 200), sampling_A=0.05
    )
    assert gaussian.sum() * 0.05**2 == pytest.approx(2 * math.pi * 0.5**2, rel=1e-3)
