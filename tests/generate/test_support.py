"""Supports: lattice, cleavage and extent of the oxides; density and distances of carbon."""

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.sites import find_columns
from temflux.engine.generate.support import SUPPORTS, fill_support

OXIDES = [name for name in SUPPORTS if name not in ("carbon", "none")]
BOX = {"low_A": (-31.0, -27.0, 3.0), "high_A": (29.0, 4.0, 43.0)}
# Repeat along the beam [Å], bond [Å], atoms per Å³, and what is uppermost.
KNOWN = {
    "CeO2": (5.47 / math.sqrt(2), 5.47 * math.sqrt(3) / 4, 12 / 5.47**3, {"O"}),
    "MgO": (4.212 / math.sqrt(2), 4.212 / 2, 8 / 4.212**3, {"O"}),
    "TiO2": (2.959, 1.948, 6 / (4.594**2 * 2.959), {"O"}),
    "SrTiO3": (3.905, 3.905 / 2, 5 / 3.905**3, {"O", "Ti"}),
    "Al2O3": (4.759, 1.855, 30 / (4.759**2 * 12.991 * math.sqrt(3) / 2), {"Al"}),
}


def slab(name, seed=0, **box):
    return fill_support(np.random.default_rng(seed), name, **{**BOX, **box})


@pytest.mark.parametrize("name", OXIDES)
def test_oxides_are_themselves(name):
    repeat, bond, density, uppermost = KNOWN[name]
    atoms = slab(name)
    positions = atoms.positions
    assert (positions >= np.array(BOX["low_A"]) - 1e-5).all()
    assert (positions <= np.array(BOX["high_A"]) + 1e-5).all()
    top = positions[:, 1].max()
    assert top == pytest.approx(0, abs=1e-5)
    symbols = np.array(atoms.get_chemical_symbols())
    assert set(symbols[positions[:, 1] > -1e-3]) == uppermost
    metal = cKDTree(positions[symbols != "O"])
    oxygen = positions[(symbols == "O") & (np.abs(positions - [-1, -13, 23]) < 9).all(axis=1)]
    distance = metal.query(oxygen)[0]
    assert distance == pytest.approx(bond, abs=2e-3)
    assert len(atoms) == pytest.approx(density * 60 * 27 * 40, rel=0.08)
    # Whole columns along the beam, and the crystal again one repeat further.
    columns = find_columns(positions[:, :2], tolerance_A=0.01)
    assert columns.max() + 1 < len(atoms) / 8
    inner = positions[positions[:, 2] < 43 - repeat]
    assert cKDTree(positions).query(inner + np.array([0, 0, repeat]))[0].max() < 1e-6


@pytest.mark.parametrize("name", OXIDES)
def test_boxes_cut_from_one_crystal(name):
    large = slab(name)
    box = {"low_A": (-5.0, -20.0, 10.0), "high_A": (8.0, -3.0, 30.0)}
    small = slab(name, seed=1, **box)
    inside = ((large.positions > box["low_A"]) & (large.positions < box["high_A"])).all(axis=1)
    assert len(small) == np.count_nonzero(inside) > 100
    distance, index = cKDTree(large.positions).query(small.positions)
    assert distance.max() < 1e-9
    assert (large.numbers[index] == small.numbers).all()
    left = slab(name, keep=lambda points: points[:, 0] < -2)
    assert left.positions.tobytes() == large.positions[large.positions[:, 0] < -2].tobytes()


def test_ceria_is_cleaved_between_its_layers_of_oxygen():
    atoms = slab("CeO2")
    heights = -np.unique(atoms.positions[:, 1].round(4))[::-1]
    third = 5.47 / math.sqrt(3)
    np.testing.assert_allclose(heights[:5], [0, third / 4, third / 2, third, 1.25 * third], atol=1e-3)
    assert set(atoms.symbols[np.abs(atoms.positions[:, 1] + third / 4) < 1e-3]) == {"Ce"}


def test_carbon_is_dense_and_apart():
    atoms = slab("carbon")
    assert set(atoms.symbols) == {"C"}
    assert atoms.get_masses().sum() / 0.602214 / (60 * 27 * 40) == pytest.approx(2.0, rel=0.03)
    distance = cKDTree(atoms.positions).query(atoms.positions, k=2)[0][:, 1]
    assert distance.min() >= 1.3
    assert -0.1 < atoms.positions[:, 1].max() <= 0
    counts = np.histogramdd(atoms.positions, bins=(3, 2, 2), range=((-31, 29), (-27, 0), (3, 43)))[0]
    assert counts.min() > 0.88 * counts.mean()
    # No order: as many atoms at each distance beyond the first as at random.
    inner = atoms.positions[(np.abs(atoms.positions - [-1, -13, 23]) < 8).all(axis=1)]
    shell = [cKDTree(atoms.positions).count_neighbors(cKDTree(inner), r) for r in (2.5, 3.0, 3.5, 4.0)]
    expected = len(inner) * 0.1003 * 4 / 3 * math.pi * np.diff(np.array([2.5, 3.0, 3.5, 4.0]) ** 3)
    np.testing.assert_allclose(np.diff(shell), expected, rtol=0.06)


def test_carbon_only_where_it_is_wanted():
    atoms = slab("carbon", keep=lambda points: points[:, 0] + points[:, 1] < -20)
    assert (atoms.positions[:, 0] + atoms.positions[:, 1] < -20).all()
    area = np.mean(np.add.outer(np.linspace(-31, 29, 601), np.linspace(-27, 0, 271)) < -20)
    assert len(atoms) == pytest.approx(0.1003 * area * 60 * 27 * 40, rel=0.04)
    assert len(slab("carbon", keep=lambda points: points[:, 0] > 1e9)) == 0


def test_the_same_state_gives_the_same_bytes():
    first, again, other = slab("carbon"), slab("carbon"), slab("carbon", seed=1)
    assert first.positions.tobytes() == again.positions.tobytes() != other.positions.tobytes()
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    fill_support(rng, "MgO", **BOX)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("name", SUPPORTS)
def test_nothing_above_the_surface(name):
    assert len(slab(name, low_A=(0.0, 0.5, 0.0), high_A=(10.0, 5.0, 10.0))) == 0


def test_none_is_empty():
    assert len(slab("none")) == 0


def test_bad_supports_are_refused():
    with pytest.raises(
        SettingsError, match=r"support: expected one of CeO2, MgO, .*carbon, none, got 'ceria'"
    ):
        slab("ceria")
    with pytest.raises(SettingsError, match="low_A, high_A: expected finite corners"):
        slab("CeO2", low_A=(0.0, -math.inf, 0.0))
