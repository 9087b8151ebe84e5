"""Oxides along a zone axis: lattices, columns, vacancies and occupancies, clear edges, bad input."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.oxide import OXIDES, oxide_columns

PERFECT = {"vacancies": 0.0, "distort_A": 0.0, "tilt_deg": 0.0}


def draw(seed=0, **given_settings):
    return oxide_columns(np.random.default_rng(seed), **given_settings)


def pairs(atoms, cutoff):
    """Distances between every two kinds of atoms up to a cutoff, with how many there are of each an atom."""
    found = {}
    symbols = np.array(atoms.get_chemical_symbols())
    i, j, d = neighbor_list("ijd", atoms, cutoff)
    for a, b, r in zip(symbols[i], symbols[j], d.round(3), strict=True):
        found.setdefault((str(a), str(b)), set()).add(float(r))
    return found


def fluorite():
    return bulk("CeO2", "fluorite", a=5.47, cubic=True)


def perovskite():
    places = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return Atoms("SrTiO3", scaled_positions=places, cell=[3.905] * 3, pbc=True)


@pytest.mark.parametrize(("oxide", "crystal"), [("CeO2", fluorite()), ("SrTiO3", perovskite())])
def test_every_distance_is_one_of_the_crystal(oxide, crystal):
    system = draw(1, oxide=oxide, thickness_A=(18.0, 22.0), **PERFECT)
    # Not across the vacuum of the cell, which is 4 Å.
    system.atoms.pbc = False
    found, wanted = pairs(system.atoms, 4.2), pairs(crystal.repeat(2), 4.2)
    assert found == wanted
    # Inside it every atom has all its neighbours: 8 O about Ce, 12 about Sr, 6 about Ti.
    cutoff = {"CeO2": {("Ce", "O"): 2.6}, "SrTiO3": {("Sr", "O"): 2.9}}[oxide]
    metal = next(iter(cutoff))[0]
    who = neighbor_list("i", system.atoms, cutoff)
    number = np.bincount(who)[[a.index for a in system.atoms if a.symbol == metal]]
    assert number.max() == {"CeO2": 8, "SrTiO3": 12}[oxide]


def test_ceria_columns_are_those_of_the_zone_axis():
    system = draw(2, oxide="CeO2", **PERFECT)
    sites = system.sites
    assert sites.class_names == ("cation", "anion")
    # In projection along [110] an anion column is a/4 from the next cation, two for each of them.
    cations, anions = sites.xy_A[sites.classes == 0], sites.xy_A[sites.classes == 1]
    nearest = cKDTree(cations).query(anions)[0]
    assert np.median(nearest) == pytest.approx(5.47 / 4, abs=1e-6)
    assert len(anions) / len(cations) == pytest.approx(2, abs=0.25)
    between = cKDTree(cations).query(cations, k=2)[0][:, 1]
    # Half the diagonal of the a by a/√2 cell.
    assert np.median(between) == pytest.approx(5.47 * (1 / 4 + 1 / 8) ** 0.5, abs=1e-6)
    assert np.unique(system.atoms.numbers).tolist() == [8, 58]


def test_titanate_columns_are_of_three_kinds():
    system = draw(2, oxide="SrTiO3", **PERFECT)
    sites = system.sites
    assert sites.class_names == ("cation", "anion", "mixed")
    groups = [sites.xy_A[sites.classes == kind] for kind in range(3)]
    strontium, oxygen, mixed = groups
    assert np.median(cKDTree(oxygen).query(mixed)[0]) == pytest.approx(3.905 / 2, abs=1e-6)
    assert np.median(cKDTree(mixed).query(strontium)[0]) == pytest.approx(3.905 / 2**0.5, abs=1e-6)
    assert len(oxygen) / len(mixed) == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("oxide", OXIDES)
def test_without_vacancies_every_column_is_full(oxide):
    for seed in range(5):
        np.testing.assert_array_equal(draw(seed, oxide=oxide, vacancies=0.0).sites.occupancy, 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1), st.sampled_from(sorted(OXIDES)))
def test_occupancy_is_what_is_left_of_each_column(seed, vacancies, oxide):
    given_settings = {"oxide": oxide, "distort_A": 0.0, "tilt_deg": 0.0, "cell_A": 45.0}
    system = draw(seed, vacancies=vacancies, **given_settings)
    full = draw(seed, vacancies=0.0, **given_settings)
    drawn = system.drawn
    assert 0 <= drawn["vacancies"] <= vacancies
    # The same crystal but for the oxygen: heights may differ where a whole layer went.
    where = cKDTree(system.sites.xy_A)
    distance, index = where.query(full.sites.xy_A)
    gone = distance > 0.1
    assert set(full.sites.classes[gone]) <= {1}
    poor = 0
    oxygen = system.atoms.numbers == 8
    before = full.atoms.numbers == 8
    tree, tree_before = cKDTree(system.atoms.positions[oxygen, :2]), cKDTree(full.atoms.positions[before, :2])
    for xy, kind, is_gone, site in zip(full.sites.xy_A, full.sites.classes, gone, index, strict=True):
        if kind == 0:
            assert system.sites.occupancy[site] == 1
            continue
        had = len(tree_before.query_ball_point(xy, 0.1))
        left = len(tree.query_ball_point(xy, 0.1))
        if is_gone:
            assert left == 0
        else:
            assert system.sites.occupancy[site] == pytest.approx(left / had)
        poor += left < had
    candidates = (full.sites.classes > 0).sum()
    assert poor == round(drawn["vacancies"] * candidates)


def test_any_number_of_atoms_goes_from_a_column():
    lost = []
    for seed in range(30):
        system = draw(seed, oxide="SrTiO3", vacancies=1.0, thickness_A=(19.5, 19.6))
        lost += system.sites.occupancy[(system.sites.classes == 2) & (system.sites.occupancy < 1)].tolist()
    # Five oxygen atoms a mixed column: one to five go, with equal probability.
    values, number = np.unique(np.round(lost, 6), return_counts=True)
    np.testing.assert_allclose(values, [0, 0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(number / number.sum(), 0.2, atol=0.03)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 8),
    st.sampled_from(sorted(OXIDES)),
    st.sampled_from([35.0, 60.0, (60.0, 50.0), (40.0, 60.0, 70.0)]),
)
def test_every_edge_is_clear_by_two_angstrom(seed, tilt, oxide, cell):
    system = draw(seed, oxide=oxide, tilt_deg=tilt, cell_A=cell, distort_A=0.05)
    sides = system.atoms.cell.lengths()
    np.testing.assert_array_equal(np.asarray(system.atoms.cell), np.diag(sides))
    slack = np.minimum(system.atoms.positions.min(axis=0), sides - system.atoms.positions.max(axis=0))
    assert slack.min() >= 2 - 1e-9
    assert set(system.atoms.get_tags()) == {1}
    # A tilt that smears a column over more than an ångström does not tear it apart.
    assert np.unique(system.sites.xy_A.round(3), axis=0).shape == system.sites.xy_A.shape
    assert len(system.sites.xy_A) < len(system.atoms) / 2


def test_both_shapes_and_both_first_layers_and_all_thicknesses_come():
    systems = [draw(seed, thickness_A=(10.0, 16.0), cell_A=30.0) for seed in range(40)]
    drawn = [system.drawn for system in systems]
    assert {d["shape"] for d in drawn} == {"patch", "edge"}
    assert {d["first_layer"] for d in drawn} == {0, 1}
    spacing = 5.47 / 8**0.5
    assert {d["layers"] for d in drawn} == {6, 7, 8}
    for system in systems:
        assert system.drawn["thickness_A"] == pytest.approx(system.drawn["layers"] * spacing)
        assert np.ptp(system.atoms.positions[:, 2]) < system.drawn["layers"] * spacing + 1


def test_same_rng_same_bytes():
    first, second = draw(9), draw(9)
    assert first.atoms.positions.tobytes() == second.atoms.positions.tobytes()
    assert first.sites.occupancy.tobytes() == second.sites.occupancy.tobytes()
    assert first.drawn == second.drawn
    assert first.drawn != draw(10).drawn


@pytest.mark.parametrize(
    ("words", "given_settings"),
    [
        ("oxide: expected one of CeO2, SrTiO3, got 'MgO'", {"oxide": "MgO"}),
        ("vacancies: expected a share from 0 to 1, got 1.5", {"vacancies": 1.5}),
        ("thickness_A: expected a thinnest above 0", {"thickness_A": (20.0, 10.0)}),
        ("thickness_A: expected a thinnest above 0", {"thickness_A": (0.0, 10.0)}),
        ("thickness_A: expected a whole number of layers of 1.934 Å", {"thickness_A": (2.0, 3.0)}),
        ("tilt_deg: expected 0° to 45°, got -2", {"tilt_deg": -2}),
        ("distort_A: expected 0 to 1 Å", {"distort_A": 2.0}),
        ("cell_A: expected sides of at least", {"cell_A": 13.0}),
        ("cell_A: expected a height of at least", {"cell_A": (60.0, 60.0, 10.0)}),
        ("lattice_A: expected 3 to 10 Å for CeO2, got 54.7", {"lattice_A": 54.7}),
    ],
)
def test_bad_input_is_one_line(words, given_settings):
    with pytest.raises(SettingsError) as caught:
        draw(0, **given_settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
