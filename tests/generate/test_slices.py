import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.slices import plan_slices


def test_layers_get_one_plane_each():
    z = np.repeat(np.arange(20) * 1.442, 30)
    plane, plane_z_A = plan_slices(z, np.full(z.size, 79.0**2))
    assert len(plane_z_A) == 20
    np.testing.assert_allclose(plane_z_A[plane], z)


def test_evenly_spread_atoms_keep_to_the_spread():
    z = np.random.default_rng(0).uniform(0, 50, 5000)
    plane, plane_z_A = plan_slices(z, np.ones(z.size), spread_A=0.1)
    rms = np.sqrt(np.mean((z - plane_z_A[plane]) ** 2))
    assert 0.08 < rms < 0.12
    # Slices of √12 · 0.1 Å.
    assert len(plane_z_A) == pytest.approx(50 / 0.346, rel=0.1)


def test_finer_planes_for_a_smaller_spread():
    z = np.random.default_rng(1).uniform(0, 30, 2000)
    counts = [len(plan_slices(z, np.ones(z.size), spread_A=s)[1]) for s in (0.4, 0.2, 0.1, 0.05)]
    assert counts == sorted(counts)
    assert counts[-1] > 6 * counts[0]


def test_heavy_atoms_are_kept_closest():
    rng = np.random.default_rng(2)
    z = np.concatenate([rng.uniform(0, 40, 2000), np.arange(20) * 2.0])
    weights = np.concatenate([np.full(2000, 64.0), np.full(20, 1e7)])
    plane, plane_z_A = plan_slices(z, weights, spread_A=0.2)
    off = np.abs(z - plane_z_A[plane])
    assert off[2000:].max() < 0.02 < off[:2000].mean()


@given(st.lists(st.floats(0, 60), min_size=1, max_size=40), st.integers(0, 5))
def test_every_atom_has_the_plane_of_its_height(z, seed):
    z = np.array(z)
    weights = np.random.default_rng(seed).uniform(1, 6400, z.size)
    plane, plane_z_A = plan_slices(z, weights)
    assert (np.diff(plane_z_A) > 0).all()
    assert set(plane) == set(range(len(plane_z_A)))
    # Planes are runs of the sorted heights.
    assert (np.diff(plane[np.argsort(z, kind="stable")]) >= 0).all()
    for index, height in enumerate(plane_z_A):
        assert height == pytest.approx(
            np.average(z[plane == index], weights=weights[plane == index]), abs=1e-9
        )


@pytest.mark.parametrize("spread_A", [0, -1, np.nan])
def test_refuses_a_spread_of_nothing(spread_A):
    with pytest.raises(SettingsError, match="spread_A"):
        plan_slices(np.ones(2), np.ones(2), spread_A=spread_A)


def test_refuses_no_atoms():
    with pytest.raises(SettingsError, match="no atoms"):
        plan_slices(np.empty(0), np.empty(0))
