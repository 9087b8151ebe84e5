"""Lattices and strain that were planted."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.columns.strain import fit_lattice, local_strain

A, B = np.array([0.0, 10.0]), np.array([-5.0 * np.sqrt(3), 5.0])


def sites(radius=70.0, basis=((0.0, 0.0),)):
    i, j = (axis.ravel() for axis in np.mgrid[-12:13, -12:13])
    points = np.concatenate([(i + di)[:, None] * A + (j + dj)[:, None] * B for di, dj in basis])
    return points[np.hypot(*points.T) < radius]


@pytest.mark.parametrize("turn_deg", [0.0, 17.0, 40.0])
@pytest.mark.parametrize("basis", [((0, 0),), ((0, 0), (1 / 3, 1 / 3))])
def test_a_lattice_with_vacancies_and_noise_is_found(turn_deg, basis):
    rng = np.random.default_rng(0)
    turn = np.deg2rad(turn_deg)
    points = sites(basis=basis) @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = points[rng.random(len(points)) < 0.9] + rng.normal(0, 0.15, (1, 2))
    points += rng.normal(0, 0.15, points.shape)
    lattice = fit_lattice(*points.T)
    lengths = [np.hypot(*lattice.a), np.hypot(*lattice.b), np.hypot(*(lattice.a + lattice.b))]
    assert abs(lengths[0] - 10) < 0.06
    assert abs(lengths[1] - 10) < 0.06
    assert min(abs(lengths[2] - 10), abs(lengths[2] - 10 * np.sqrt(3))) < 0.1
    assert (lattice.sublattice >= 0).mean() > 0.95
    assert len(np.unique(lattice.sublattice[lattice.sublattice >= 0])) == len(basis)
    assert np.nanstd(lattice.displacement) < 0.25


def test_planted_strain_comes_back():
    y, x = sites().T
    strain = local_strain(1.01 * y + 0.004 * x, 0.98 * x + 0.004 * y, a=A, b=B)
    known = np.isfinite(strain["exx"])
    assert known.mean() > 0.8
    np.testing.assert_allclose(strain["exx"][known], -0.02, atol=1e-9)
    np.testing.assert_allclose(strain["eyy"][known], 0.01, atol=1e-9)
    np.testing.assert_allclose(strain["exy"][known], 0.004, atol=1e-9)
    np.testing.assert_allclose(strain["rotation_deg"][known], 0.0, atol=1e-9)


def test_rotation_is_counter_clockwise_on_the_screen():
    y, x = sites().T
    turn = np.deg2rad(1.0)
    right, up = x * np.cos(turn) + y * np.sin(turn), x * np.sin(turn) - y * np.cos(turn)
    strain = local_strain(-up, right, a=A, b=B)
    np.testing.assert_allclose(np.nanmedian(strain["rotation_deg"]), 1.0, atol=0.01)


def test_a_strain_that_grows_does_not_let_the_count_of_sites_slip():
    y, x = sites(110.0).T
    bent = x * (1 + 0.00015 * x)
    lattice = fit_lattice(y, bent)
    strain = local_strain(y, bent, a=lattice.a, b=lattice.b)
    known = np.isfinite(strain["exx"])
    slope = np.polyfit(x[known], strain["exx"][known], 1)[0]
    assert abs(slope / 0.0003 - 1) < 0.1
    assert (lattice.sublattice == 0).all()


def test_noise_of_positions_is_noise_of_strain():
    """Each strain is a mean over neighbours: of the order of the position's error over the spacing."""
    rng = np.random.default_rng(0)
    points = sites() + rng.normal(0, 0.1, sites().shape)
    strain = local_strain(*points.T, a=A, b=B)
    assert 0.004 < np.nanstd(strain["exx"]) < 0.012


def test_refuses_what_is_no_lattice():
    with pytest.raises(DataError, match="6 columns"):
        fit_lattice(np.arange(4.0), np.zeros(4))
    with pytest.raises(DataError, match="lattice"):
        fit_lattice(np.zeros(9), np.arange(9.0))
    with pytest.raises(SettingsError):
        fit_lattice(*sites().T, spacing=0.0)
    with pytest.raises(SettingsError, match="one line"):
        local_strain(np.zeros(3), np.zeros(3), a=A, b=2 * A)
