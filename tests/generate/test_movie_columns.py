"""Hopping columns: where they are, and that they hop as a Poisson process of the rate asked for."""

import itertools
import math

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.movie_columns import HopColumn, draw_hops, find_hop_columns, sites_over_time
from temflux.engine.generate.movie_crystals import bulk_lattice, grow_crystal
from temflux.engine.generate.movie_outlines import outline


def particle(symbol="Au", seed=0, n_atoms=700):
    rng = np.random.default_rng(seed)
    crystal = grow_crystal(rng, bulk_lattice(symbol, reach_A=25), n_atoms=round(1.5 * n_atoms))
    return crystal, find_hop_columns(rng, crystal, n_atoms=n_atoms, n_columns=4)


@pytest.mark.parametrize("symbol", ["Au", "Fe", "Co"])
def test_sites_are_lattice_columns_beside_each_other_at_the_rim(symbol):
    crystal, columns = particle(symbol)
    assert len(columns) == 4
    inside = crystal.positions_A[:700, :2]
    taken = {tuple(at) for at in inside.round(2).tolist()}
    for column in columns:
        assert column.n_sites == 3
        xy = column.atoms_A[:, :, :2]
        # All atoms of a column are above each other, and no column of the particle is there.
        np.testing.assert_allclose(xy, xy[:, :1].repeat(xy.shape[1], axis=1), atol=1e-6)
        assert not {tuple(at) for at in xy[:, 0].round(2).tolist()} & taken
        steps = np.linalg.norm(np.diff(column.middle_A[:, :2], axis=0), axis=1)
        assert (steps <= 1.03 * crystal.neighbour_A).all()
        nearest = np.linalg.norm(inside[:, np.newaxis] - xy[np.newaxis, :, 0], axis=-1).min(axis=0)
        assert (nearest <= 1.03 * crystal.neighbour_A).all()
        # Every site holds the same number of atoms, a lattice step apart.
        assert column.atoms_A.shape[1] >= 3
        for atoms in column.atoms_A:
            gaps = np.diff(np.sort(atoms[:, 2]))
            assert gaps == pytest.approx(gaps[0])


def test_sites_lie_at_the_outline():
    crystal, columns = particle()
    rim = outline(crystal.positions_A[:700, :2])
    with_column = [outline(np.concatenate([rim, c.middle_A[:, :2]])) for c in columns]
    assert any(len(hull) != len(rim) or not np.allclose(hull, rim) for hull in with_column)


def test_hopping_columns_stay_apart():
    crystal, columns = particle()
    for one, other in itertools.combinations(columns, 2):
        away = np.linalg.norm(one.middle_A[:, np.newaxis, :2] - other.middle_A[:, :2], axis=-1)
        assert away.min() > 1.5 * crystal.neighbour_A


@pytest.mark.parametrize(("n_sites", "rate"), [(2, 0.5), (3, 2.0)])
def test_hops_are_poisson_of_the_rate(n_sites, rate):
    columns = [HopColumn(np.zeros((n_sites, 3, 3)))] * 400
    beam_s = 50.0
    hops = draw_hops(np.random.default_rng(1), columns, rate_per_s=rate, beam_s=beam_s)
    counts = np.bincount(hops["column"], minlength=400)
    mean = rate * beam_s
    assert counts.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / 400))
    # Variance over mean is 1, within 4 of its own standard deviations.
    assert counts.var() / counts.mean() == pytest.approx(1, abs=4 * math.sqrt(2 / 400))
    # Waiting times are exponential: as many beyond the mean as 1 in e.
    waits = np.concatenate([np.diff(hops["beam_s"][hops["column"] == c]) for c in range(400)])
    share = (waits > 1 / rate).mean()
    assert share == pytest.approx(math.exp(-1), abs=0.03)


def test_hops_follow_each_other_and_give_the_states():
    columns = [HopColumn(np.zeros((3, 3, 3)))] * 5
    hops = draw_hops(np.random.default_rng(2), columns, rate_per_s=1.0, beam_s=200.0)
    assert (np.diff(hops["beam_s"]) >= 0).all()
    times = np.linspace(0, 200, 501)
    sites = sites_over_time(hops, n_columns=5, beam_s=times)
    for column in range(5):
        own = hops["column"] == column
        begun, reached = hops["from_site"][own], hops["to_site"][own]
        assert begun[0] == 0
        np.testing.assert_array_equal(begun[1:], reached[:-1])
        assert (np.abs(reached - begun) == 1).all()
        for time, site in zip(times[::50], sites[::50, column], strict=True):
            before = reached[hops["beam_s"][own] <= time]
            assert site == (before[-1] if len(before) else 0)
    # From the middle site either side is as likely.
    left = hops["to_site"][hops["from_site"] == 1]
    assert (left == 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(len(left)))
    # A walk that leaves every site at one rate is at the middle one half of the time.
    assert (sites == 1).mean() == pytest.approx(0.5, abs=0.1)


def test_nothing_hops_without_rate_or_beam():
    columns = [HopColumn(np.zeros((3, 3, 3)))]
    for rate, beam_s in ((0.0, 10.0), (1.0, 0.0)):
        assert (
            len(draw_hops(np.random.default_rng(0), columns, rate_per_s=rate, beam_s=beam_s)["column"]) == 0
        )
    with pytest.raises(SettingsError, match="hop_rate_per_s"):
        draw_hops(np.random.default_rng(0), columns, rate_per_s=-1.0, beam_s=1.0)


def test_refuses_a_crystal_without_sites():
    crystal, _ = particle()
    rng = np.random.default_rng(0)
    for bad in ({"n_atoms": len(crystal.positions_A)}, {"n_atoms": 700, "n_sites": 1}):
        with pytest.raises(SettingsError, match="2 sites or more"):
            find_hop_columns(rng, crystal, n_columns=1, **bad)
