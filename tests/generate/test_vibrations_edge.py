"""Vibrations at the edge of an MoS2 flake: planted along and across, found, applied again, refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.vibrations_edge import find_edge_atoms, get_edge_vibrations, perturb_edge_atoms

MOS2 = {"edge_element": "S", "neighbour_element": "Mo"}


@pytest.fixture(scope="module")
def flake():
    """A rhombus, which ends in sulphur of one and two molybdenum neighbours."""
    sheet = mx2("MoS2", kind="2H", a=3.18, thickness=3.19, size=(5, 5, 1), vacuum=8)
    sheet.pbc = False
    sheet.rotate(17, "z", center="COM")
    return sheet


def own_axes(atoms, max_coordination):
    """Axes of sulphur at the edge, by plain search for molybdenum within 2.8 Å."""
    molybdenum = atoms.positions[atoms.numbers == 42]
    rows, axes = [], []
    for row in np.flatnonzero(atoms.numbers == 16):
        apart = molybdenum - atoms.positions[row]
        near = apart[np.linalg.norm(apart, axis=1) < 2.8]
        if len(near) <= max_coordination:
            y = near[:, :2].mean(axis=0)
            y = np.array([*(y / np.linalg.norm(y)), 0.0])
            rows.append(row)
            axes.append([np.cross(y, [0, 0, 1]), y, [0, 0, 1]])
    return np.array(rows), np.array(axes)


def planted_frames(flake, *, along, across, up, offset=(0.0, 0.0, 0.0), most=1, count=300, seed=4):
    rng = np.random.default_rng(seed)
    rows, axes = own_axes(flake, most)
    frames = [flake.copy()]
    for _ in range(count):
        frame = flake.copy()
        frame.positions += 0.02 * rng.standard_normal(frame.positions.shape)
        local = np.array(offset) + rng.standard_normal((len(rows), 3)) * [along, across, up]
        frame.positions[rows] = flake.positions[rows] + np.einsum("nij,ni->nj", axes, local)
        frames.append(frame)
    return frames


@pytest.mark.parametrize("most", [1, 2])
def test_the_edge_and_its_axes_are_found(flake, most):
    rows, axes = find_edge_atoms(flake, max_coordination=most, **MOS2)
    own_rows, own = own_axes(flake, most)
    assert rows.tolist() == own_rows.tolist()
    assert axes == pytest.approx(own)
    assert np.einsum("nij,nkj->nik", axes, axes) == pytest.approx(np.tile(np.eye(3), (len(rows), 1, 1)))
    assert np.linalg.det(axes) == pytest.approx(1)


def test_without_a_limit_the_edge_has_the_fewest_neighbours(flake):
    lowest, _ = find_edge_atoms(flake, **MOS2)
    assert lowest.tolist() == own_axes(flake, 1)[0].tolist()
    assert 0 < len(lowest) < len(own_axes(flake, 2)[0])


@pytest.mark.parametrize("most", [1, 2])
def test_vibrations_along_the_edge_are_found(flake, most):
    """Half as much again along the edge as across it, as the thesis finds."""
    frames = planted_frames(flake, along=0.12, across=0.08, up=0.05, most=most)
    sigma, mu = get_edge_vibrations(frames, max_coordination=most, skip=1, remove_drift=False, **MOS2)
    assert sigma == pytest.approx([0.12, 0.08, 0.05], rel=0.06)
    assert sigma[0] / sigma[1] == pytest.approx(1.5, rel=0.08)
    assert mu == pytest.approx([0, 0, 0], abs=0.01)


def test_an_edge_that_stands_out_is_found_under_drift(flake):
    frames = planted_frames(flake, along=0.06, across=0.04, up=0.03, offset=(0.0, -0.05, 0.01))
    for number, frame in enumerate(frames):
        frame.positions += 0.01 * number * np.array([1.0, -2.0, 0.5])
    sigma, mu = get_edge_vibrations(frames, skip=1, **MOS2)
    assert sigma == pytest.approx([0.06, 0.04, 0.03], rel=0.15)
    assert mu == pytest.approx([0.0, -0.05, 0.01], abs=0.015)


def test_a_turned_flake_gives_the_same(flake):
    frames = planted_frames(flake, along=0.12, across=0.08, up=0.05, count=60)
    expected = get_edge_vibrations(frames, **MOS2)
    for frame in frames:
        frame.rotate(71, "z", center=(0, 0, 0))
    found = get_edge_vibrations(frames, **MOS2)
    assert found[0] == pytest.approx(expected[0])
    assert found[1] == pytest.approx(expected[1], abs=1e-9)


def test_what_is_applied_is_what_is_found_again(flake):
    rng = np.random.default_rng(9)
    sigma, mu = np.array([0.12, 0.08, 0.04]), np.array([0.01, -0.03, 0.02])
    frames = [flake] + [perturb_edge_atoms(rng, flake, sigma, mu, **MOS2) for _ in range(400)]
    found_sigma, found_mu = get_edge_vibrations(frames, skip=1, remove_drift=False, **MOS2)
    assert found_sigma == pytest.approx(sigma, rel=0.06)
    assert found_mu == pytest.approx(mu, abs=0.006)


def test_only_the_edge_moves_and_the_structure_given_stays(flake):
    before = flake.positions.copy()
    moved = perturb_edge_atoms(np.random.default_rng(0), flake, (0.1, 0.1, 0.1), (0, 0, 0), **MOS2)
    assert (flake.positions == before).all()
    changed = np.flatnonzero((moved.positions != before).any(axis=1))
    assert changed.tolist() == find_edge_atoms(flake, **MOS2)[0].tolist()


def test_the_same_state_gives_the_same_atoms_and_the_factor_scales_sigma_alone(flake):
    def displace(**settings):
        moved = perturb_edge_atoms(
            np.random.default_rng(1), flake, (0.1, 0.05, 0.1), (0, -0.1, 0), **settings, **MOS2
        )
        return moved.positions - flake.positions

    one, three, none = displace(), displace(factor=3.0), displace(factor=0)
    assert (one == displace()).all()
    assert three - none == pytest.approx(3 * (one - none))
    assert np.linalg.norm(none, axis=1).max() == pytest.approx(0.1)


def test_an_edge_over_a_periodic_boundary():
    """A ribbon, periodic along x: its sulphur edge points along y, whichever cell the neighbour is in."""
    ribbon = mx2("MoS2", kind="2H", a=3.18, thickness=3.19, size=(1, 4, 1), vacuum=8)
    ribbon.pbc = (True, False, False)
    rows, axes = find_edge_atoms(ribbon, max_coordination=2, **MOS2)
    assert len(rows) > 0
    assert np.abs(axes[:, 1]) == pytest.approx(np.tile([0.0, 1.0, 0.0], (len(rows), 1)), abs=1e-6)


def test_a_sheet_without_an_edge_is_refused():
    sheet = mx2("MoS2", kind="2H", a=3.18, thickness=3.19, size=(3, 3, 1), vacuum=8)
    sheet.pbc = (True, True, False)
    with pytest.raises(DataError, match="S with all Mo to one side, got one with 3 around it"):
        find_edge_atoms(sheet, **MOS2)


@pytest.mark.parametrize(
    ("settings", "error", "line"),
    [
        (
            {"edge_element": "Se", "neighbour_element": "Mo"},
            SettingsError,
            "edge_element: .* Mo, S, got 'Se'",
        ),
        ({"edge_element": "S", "neighbour_element": "W"}, SettingsError, "neighbour_element: .* got 'W'"),
        ({**MOS2, "max_coordination": 0}, SettingsError, "max_coordination must be 1 or more, got 0"),
        ({"edge_element": "S", "neighbour_element": "S"}, DataError, "S bonded to S, got no such bond"),
    ],
)
def test_edges_that_are_not_there_are_refused(flake, settings, error, line):
    with pytest.raises(error, match=line):
        find_edge_atoms(flake, **settings)


def test_a_limit_below_all_coordinations_is_refused():
    atoms = Atoms("SMo2", [(0, 0, 0), (1.6, 1.6, 0), (-1.6, 1.6, 0)])
    with pytest.raises(DataError, match="S with 1 to 1 Mo, got none"):
        find_edge_atoms(atoms, max_coordination=1, **MOS2)


@pytest.mark.parametrize(
    ("sigma", "mu", "factor", "line"),
    [
        ((0.1, 0.1), (0, 0, 0), 1.0, "sigma_xyz: expected three finite numbers"),
        ((0.1, 0.1, 0.1), (0, np.nan, 0), 1.0, "mu_xyz: expected three finite numbers"),
        ((0.1, -0.1, 0.1), (0, 0, 0), 1.0, "must be 0 or more, got .0.1, -0.1, 0.1. and 1.0"),
        ((0.1, 0.1, 0.1), (0, 0, 0), -2.0, "must be 0 or more"),
    ],
)
def test_amplitudes_out_of_range_are_refused(flake, sigma, mu, factor, line):
    with pytest.raises(SettingsError, match=line):
        perturb_edge_atoms(np.random.default_rng(0), flake, sigma, mu, factor=factor, **MOS2)
