"""Atomic columns: clusters against brute force, centres of mass, classes, occupancies, bad input."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, mx2
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.sites import find_columns, find_sites, possible_classes
from temflux.engine.generate.system import Sites


def sheet(size=4, thickness=3.13):
    return mx2("MoS2", a=3.18, thickness=thickness, size=(size, size, 1), vacuum=2.0)


def without(atoms, *gone):
    return atoms[[i for i in range(len(atoms)) if i not in gone]]


def indices(atoms, symbol, top):
    """The atoms of an element in the upper or lower half."""
    middle = np.ptp(atoms.positions[:, 2]) / 2 + atoms.positions[:, 2].min()
    return [a.index for a in atoms if a.symbol == symbol and (a.z > middle) == top]


def slow_columns(xy, tolerance):
    """Grow clusters one atom at a time."""
    column = np.full(len(xy), -1)
    found = 0
    for start in range(len(xy)):
        if column[start] >= 0:
            continue
        waiting = [start]
        column[start] = found
        while waiting:
            near = np.linalg.norm(xy - xy[waiting.pop()], axis=1) <= tolerance
            fresh = np.flatnonzero(near & (column < 0))
            column[fresh] = found
            waiting += fresh.tolist()
        found += 1
    return column


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(0, 120),
    st.floats(0.05, 1.5),
)
def test_columns_are_those_of_brute_force(seed, count, tolerance):
    xy = np.random.default_rng(seed).uniform(0, 6, (count, 2))
    np.testing.assert_array_equal(find_columns(xy, tolerance_A=tolerance), slow_columns(xy, tolerance))


def test_a_chain_is_one_column_and_a_gap_is_two():
    chain = np.stack([np.arange(8) * 0.29, np.zeros(8)], axis=1)
    assert find_columns(chain).max() == 0
    chain[4:, 0] += 0.02
    assert find_columns(chain).tolist() == [0] * 4 + [1] * 4


def test_a_perfect_sheet_has_as_many_1mo_as_2s():
    sites = find_sites(sheet())
    assert sites.class_names == ("1Mo", "2S")
    assert np.bincount(sites.classes).tolist() == [16, 16]
    assert sites.occupancy is None
    np.testing.assert_array_equal(np.lexsort((sites.xy_A[:, 0], sites.xy_A[:, 1].round(6))), np.arange(32))


def test_an_absent_class_keeps_its_index():
    names = ("1Mo", "2S", "1S")
    atoms = sheet()
    whole = find_sites(atoms, class_names=names)
    assert whole.class_names == names
    assert np.bincount(whole.classes, minlength=3).tolist() == [16, 16, 0]
    few = find_sites(without(atoms, *indices(atoms, "S", top=True)[:5]), class_names=names)
    assert np.bincount(few.classes, minlength=3).tolist() == [16, 11, 5]
    # Without the list the order is the same for those that are there.
    assert find_sites(without(atoms, indices(atoms, "S", top=True)[0])).class_names == names


def test_sides_tell_upper_from_lower_also_in_a_tilted_sheet():
    atoms = sheet(12)
    upper, lower = indices(atoms, "S", top=True), indices(atoms, "S", top=False)
    names = ("1Mo", "2S", "1S upper", "1S lower")
    # The upper ones of the first columns go, so the lower ones are left, and the other way round.
    left = without(atoms, *upper[:20], *lower[60:91])
    flat = find_sites(left, classify="side", class_names=names)
    assert np.bincount(flat.classes).tolist() == [144, 144 - 51, 31, 20]
    tilted = left.copy()
    tilted.rotate(10, "x", center="COP")
    sites = find_sites(tilted, classify="side", class_names=names, untilted=left)
    assert np.bincount(sites.classes).tolist() == [144, 144 - 51, 31, 20]
    # A pair 3.13 Å apart along z is 0.54 Å apart in projection: on its own it falls apart.
    assert len(find_sites(tilted).xy_A) > len(sites.xy_A)
    # Taking every upper atom leaves lower ones: the middle is that of the full crystal.
    half = without(atoms, *upper)
    only = find_sites(half, classify="side", class_names=names, full=atoms)
    assert np.bincount(only.classes, minlength=4).tolist() == [144, 0, 0, 144]


def test_the_centre_is_that_of_mass():
    pair = Atoms("PtC", [(1.0, 2.0, 0.0), (1.2, 2.1, 3.0)])
    x = (195.084 * 1.0 + 12.011 * 1.2) / (195.084 + 12.011)
    y = (195.084 * 2.0 + 12.011 * 2.1) / (195.084 + 12.011)
    sites = find_sites(pair)
    np.testing.assert_allclose(sites.xy_A, [[x, y]], atol=1e-12)
    assert sites.class_names == ("1C+1Pt",)


def test_positions_are_of_the_tilted_atoms_and_columns_of_the_untilted():
    column = Atoms("Au20", np.stack([np.zeros(20), np.zeros(20), np.arange(20) * 2.88], axis=1))
    tilted = column.copy()
    tilted.rotate(12, "y", center="COP")
    assert len(find_sites(tilted).xy_A) == 20
    sites = find_sites(tilted, untilted=column, classify="element")
    np.testing.assert_allclose(sites.xy_A, [[0, 0]], atol=1e-12)
    assert sites.class_names == ("Au",)


def test_occupancy_counts_what_is_left_of_each_column():
    full = Atoms("Ce4O8", [(0, 0, z) for z in range(4)] + [(2 * (i // 4 + 1), 0, i % 4) for i in range(8)])
    sites = find_sites(without(full, 5, 6, 9), full=full, classify="element", class_names=("Ce", "O"))
    assert sites.classes.tolist() == [0, 1, 1]
    np.testing.assert_allclose(sites.occupancy, [1, 0.5, 0.75])
    # A column that lost every atom is no site.
    assert len(find_sites(without(full, 4, 5, 6, 7), full=full).xy_A) == 2


def test_classes_by_element_and_in_one():
    perovskite = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat((2, 2, 1))
    assert find_sites(perovskite, classify="element").class_names == ("Cl+Na",)
    assert find_sites(sheet(), classify="element").class_names == ("Mo", "S")
    assert find_sites(sheet(), classify="column").class_names == ("column",)


def test_only_atoms_with_the_tag():
    flake, support = sheet(), graphene(size=(5, 5, 1), vacuum=1.0)
    support.translate((0, 0, -5))
    support.set_tags(0)
    flake.set_tags(1)
    both = support + flake
    alone, among = find_sites(flake), find_sites(both, tag=1, full=both, untilted=both)
    np.testing.assert_array_equal(among.xy_A, alone.xy_A)
    np.testing.assert_array_equal(among.occupancy, 1)
    assert len(find_sites(both, tag=7).xy_A) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_atoms_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    atoms = sheet()[rng.permutation(48)[:40]]
    first, second = find_sites(atoms), find_sites(atoms[rng.permutation(40)])
    np.testing.assert_allclose(first.xy_A, second.xy_A, atol=1e-12)
    np.testing.assert_array_equal(first.classes, second.classes)
    assert first.class_names == second.class_names


def test_possible_classes_hold_every_way_to_take_atoms():
    assert possible_classes(sheet()) == ("1Mo", "2S", "1S")
    assert possible_classes(mx2("WSe2"), classify="side") == ("1W", "2Se", "1Se upper", "1Se lower")
    column = Atoms("TiOTiO", [(0, 0, z) for z in range(4)])
    assert set(possible_classes(column)) == {
        "1Ti", "2Ti", "1O", "2O", "1O+1Ti", "1O+2Ti", "2O+1Ti", "2O+2Ti",
    }  # fmt: skip
    assert set(possible_classes(column, classify="element")) == {"Ti", "O", "O+Ti"}
    assert possible_classes(column, classify="column") == ("column",)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["composition", "side", "element", "column"]))
def test_no_set_of_vacancies_leaves_the_possible_classes(seed, classify):
    rng = np.random.default_rng(seed)
    atoms = sheet()
    left = atoms[np.flatnonzero(rng.random(48) < 0.6)]
    names = possible_classes(atoms, classify=classify)
    sites = find_sites(left, classify=classify, class_names=names, full=atoms)
    alone = find_sites(left, classify=classify, full=atoms)
    assert set(alone.class_names) <= set(names)
    assert [names[number] for number in sites.classes] == [
        alone.class_names[number] for number in alone.classes
    ]


def test_saved_sites_come_back(tmp_path):
    sites = find_sites(sheet(), full=sheet())
    sites.save(tmp_path / "sites.npz")
    again = Sites.load(tmp_path / "sites.npz")
    np.testing.assert_array_equal(again.xy_A, sites.xy_A)
    np.testing.assert_array_equal(again.occupancy, sites.occupancy)
    assert again.class_names == sites.class_names


def test_ten_thousand_atoms_are_one_site_a_column():
    atoms = bulk("Au", cubic=True).repeat((14, 14, 13))
    assert len(atoms) > 10_000
    sites = find_sites(atoms, classify="element")
    assert len(sites.xy_A) == 4 * 14 * 14


def test_no_atoms_are_no_sites():
    empty = find_sites(Atoms(), class_names=("Au",), classify="element")
    assert empty.xy_A.shape == (0, 2)
    assert empty.class_names == ("Au",)
    gone = find_sites(Atoms(), full=sheet())
    assert len(gone.occupancy) == 0


@pytest.mark.parametrize(
    ("error", "words", "settings_given"),
    [
        (SettingsError, "tolerance_A", {"tolerance_A": 0.0}),
        (SettingsError, "tolerance_A", {"tolerance_A": float("nan")}),
        (SettingsError, "classify: expected one of composition, side", {"classify": "colour"}),
        (SettingsError, "different names", {"class_names": ("1Mo", "1Mo")}),
        (DataError, "2S are none of 1Mo", {"class_names": ("1Mo",)}),
        (DataError, "untilted: expected the same 48 atoms, got 12", {"untilted": mx2(size=(2, 2, 1))}),
        (DataError, "full: expected every atom within", {"full": mx2()}),
        (DataError, "got no atom", {"full": Atoms()}),
    ],
)
def test_bad_input_is_one_line(error, words, settings_given):
    with pytest.raises(error) as caught:
        find_sites(sheet(), **settings_given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_others_join_the_class_for_them():
    sites = find_sites(sheet(), class_names=("other", "1Mo"))
    assert np.bincount(sites.classes).tolist() == [16, 16]


def test_columns_of_too_many_kinds_are_refused():
    with pytest.raises(SettingsError, match="at most 12 atoms, one here has 13"):
        possible_classes(bulk("Au", cubic=True).repeat((1, 1, 13)))
    with pytest.raises(DataError, match="finite positions"):
        find_columns(np.array([[np.nan, 0.0]]))
    with pytest.raises(DataError, match="shape"):
        find_columns(np.zeros((3, 3)))
