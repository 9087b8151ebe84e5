"""Flakes: counts of columns, vacancies and holes, convexity, support, tilt, clear edges, bad input."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.flake import flake
from temflux.engine.generate.sheet import crystal_sheet, mx2_sheet, tile

PERFECT = {"vacancies": 0.0, "holes": 0.0, "distort_A": 0.0, "tilt_deg": 0.0}


def draw(seed=0, **given):
    return flake(np.random.default_rng(seed), **given)


def counts(system):
    return np.bincount(system.sites.classes, minlength=len(system.sites.class_names)).tolist()


def interior(system, depth):
    """Columns at least `depth` from the hull of all columns."""
    hull = ConvexHull(system.sites.xy_A)
    return np.all(system.sites.xy_A @ hull.equations[:, :2].T + hull.equations[:, 2] < -depth, axis=1)


def hexagonal(symbols, places, height, pbc=(True, True, True)):
    return Atoms(symbols, scaled_positions=places, cell=[2.5, 2.5, height, 90, 90, 120], pbc=pbc)


@pytest.mark.parametrize("seed", range(8))
def test_a_perfect_flake_has_only_1mo_and_2s(seed):
    system = draw(seed, **PERFECT)
    names = system.sites.class_names
    assert names == ("1Mo", "2S", "1S")
    molybdenum, pairs, singles = counts(system)
    assert singles == 0
    assert len(system.atoms) == molybdenum + 2 * pairs
    # Away from the edge the sheet has one of each per cell of a²√3/2.
    inside = interior(system, 4.0)
    share = np.mean(system.sites.classes[inside] == 0)
    assert share == pytest.approx(0.5, abs=0.05)
    hull = ConvexHull(system.sites.xy_A)
    assert len(system.sites.xy_A) / hull.volume == pytest.approx(2 / (3.18**2 * 3**0.5 / 2), rel=0.25)
    np.testing.assert_array_equal(system.sites.occupancy, 1)


def test_bonds_are_those_of_the_crystal():
    system = draw(3, **PERFECT)
    bonds = neighbor_list("d", system.atoms, {("Mo", "S"): 3.0})
    np.testing.assert_allclose(bonds, (3.18**2 / 3 + 3.13**2 / 4) ** 0.5, atol=1e-9)
    assert bonds[0] == pytest.approx(2.41, abs=5e-3)
    # Six bonds at every molybdenum atom in the middle, the trigonal prism.
    who = neighbor_list("i", system.atoms, {("Mo", "S"): 3.0})
    xy = system.atoms.positions[:, :2]
    hull = ConvexHull(xy)
    deep = np.all(xy @ hull.equations[:, :2].T + hull.equations[:, 2] < -3, axis=1)
    metal = deep & (system.atoms.numbers == 42)
    assert metal.sum() > 20
    assert set(np.bincount(who, minlength=len(metal))[metal]) == {6}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 1),
    st.floats(0, 0.5),
    st.sampled_from(["MoS2", "WSe2"]),
    st.sampled_from(["none", "graphene"]),
)
def test_the_share_of_1s_is_the_one_drawn(seed, vacancies, holes, crystal, support):
    system = draw(seed, crystal=crystal, vacancies=vacancies, holes=holes, support=support)
    _, pairs, singles = counts(system)
    drawn = system.drawn
    assert 0 <= drawn["vacancies"] <= vacancies
    assert 0 <= drawn["holes"] <= holes
    assert singles == round(drawn["vacancies"] * (pairs + singles))
    assert len(system.sites.xy_A) == drawn["columns"] - round(drawn["holes"] * drawn["columns"])
    np.testing.assert_array_equal(system.sites.occupancy == 0.5, system.sites.classes == 2)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 10),
    st.sampled_from([30.0, 60.0, (40.0, 70.0), (60.0, 50.0, 40.0)]),
    st.sampled_from(["none", "graphene"]),
)
def test_every_edge_is_clear_by_two_angstrom(seed, tilt, cell, support):
    system = draw(seed, tilt_deg=tilt, cell_A=cell, support=support, distort_A=0.05)
    sides = system.atoms.cell.lengths()
    np.testing.assert_array_equal(np.asarray(system.atoms.cell), np.diag(sides))
    slack = np.minimum(system.atoms.positions.min(axis=0), sides - system.atoms.positions.max(axis=0))
    assert slack.min() >= 2 - 1e-9
    if np.ndim(cell):
        np.testing.assert_allclose(sides[: len(cell)], cell)
    assert set(system.atoms.get_tags()) == ({0, 1} if support == "graphene" else {1})
    assert set(system.atoms.numbers[system.atoms.get_tags() == 1]) == {16, 42}


def test_flakes_fill_a_share_of_the_cell_that_varies():
    shares, corners = [], []
    for seed in range(60):
        hull = ConvexHull(draw(seed, **PERFECT).sites.xy_A)
        shares.append(hull.volume / 3600)
        corners.append(len(hull.vertices))
    assert min(shares) > 0.12
    assert max(shares) < 0.8
    assert max(shares) - min(shares) > 0.3
    assert len(set(corners)) > 3


@pytest.mark.parametrize("seed", range(5))
def test_the_flake_is_all_of_the_sheet_within_its_hull(seed):
    system = draw(seed, **PERFECT)
    xy = system.atoms.positions[:, :2]
    hull = ConvexHull(xy)
    drawn = system.drawn
    sheet = mx2_sheet("MoS2")
    turn = np.deg2rad(drawn["rotation_deg"])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = rotation @ (np.asarray(sheet.atoms.cell)[:2, :2].T @ (drawn["shift_u"], drawn["shift_v"]))
    positions, _ = tile(
        sheet, window=(0, 0, 60, 60), rotation_deg=drawn["rotation_deg"], shift_A=tuple(shift)
    )
    heights = positions[:, :2] @ hull.equations[:, :2].T + hull.equations[:, 2]
    assert np.all(heights < 1e-6, axis=1).sum() == len(system.atoms)


def test_sites_are_at_the_centres_of_mass_of_the_tilted_columns():
    system = draw(6, tilt_deg=10.0, distort_A=0.0, vacancies=0.0, holes=0.0)
    assert system.drawn["tilt_deg"] > 3
    # The pair is torn apart by the tilt, yet remains one column, half-way between its atoms.
    s = system.atoms[system.atoms.numbers == 16]
    i, j, d = neighbor_list("ijd", s, 3.14)
    pairs = {tuple(sorted(pair)) for pair, r in zip(zip(i, j, strict=True), d, strict=True) if r < 3.135}
    middles = np.array([s.positions[list(pair), :2].mean(axis=0) for pair in pairs])
    sites = system.sites.xy_A[system.sites.classes == 1]
    np.testing.assert_allclose(np.sort(middles @ (1, 100)), np.sort(sites @ (1, 100)), atol=1e-6)
    spread = np.sin(np.deg2rad(system.drawn["tilt_deg"])) * 3.13
    across = [np.linalg.norm(np.diff(s.positions[list(pair), :2], axis=0)) for pair in pairs]
    np.testing.assert_allclose(across, spread, atol=1e-6)


def test_the_tilt_leans_where_it_says():
    system = draw(6, **{**PERFECT, "tilt_deg": 10.0})
    metal = system.atoms.positions[system.atoms.numbers == 42]
    normal = np.linalg.svd(metal - metal.mean(axis=0))[2][2]
    normal *= np.sign(normal[2])
    assert np.rad2deg(np.arccos(normal[2])) == pytest.approx(system.drawn["tilt_deg"], abs=1e-6)
    direction = np.rad2deg(np.arctan2(normal[1], normal[0])) % 360
    assert direction == pytest.approx(system.drawn["tilt_direction_deg"], abs=1e-4)


def test_displacements_have_the_width_asked_for():
    lengths = np.concatenate(
        [
            neighbor_list("d", draw(seed, **{**PERFECT, "distort_A": 0.05}).atoms, {("Mo", "S"): 3.0})
            for seed in range(5)
        ]
    )
    # Both ends move, so a bond's length varies by √2 σ.
    assert lengths.std() == pytest.approx(2**0.5 * 0.05, rel=0.05)


def test_graphene_lies_below_at_the_gap_and_angle_drawn():
    angles = []
    for seed in range(40):
        system = draw(seed, **PERFECT, support="graphene")
        drawn = system.drawn
        tags, z = system.atoms.get_tags(), system.atoms.positions[:, 2]
        assert set(system.atoms.numbers[tags == 0]) == {6}
        assert z[tags == 1].min() - z[tags == 0].max() == pytest.approx(drawn["graphene_gap_A"])
        assert 3.3 <= drawn["graphene_gap_A"] <= 7
        angles.append(drawn["graphene_stacking_deg"])
        carbon = system.atoms[tags == 0]
        assert neighbor_list("d", carbon, 1.6).min() == pytest.approx(1.42, abs=1e-2)
        assert len(system.sites.xy_A) == drawn["columns"]
        # Lattice vectors of graphene and of the flake differ by the angle, up to the sixfold symmetry.
        vectors = neighbor_list("D", carbon, 2.5)
        lattice = vectors[np.isclose(np.linalg.norm(vectors, axis=1), 2.46, atol=0.01)]
        turn = np.rad2deg(np.arctan2(lattice[:, 1], lattice[:, 0]))
        wanted = drawn["rotation_deg"] + drawn["graphene_stacking_deg"]
        off = (turn - wanted + 30) % 60 - 30
        np.testing.assert_allclose(off, 0, atol=1e-3)
    quarters = [np.mean(np.isclose(angles, angle)) for angle in (0, 15, 30)]
    assert min(quarters) > 0.08
    assert sum(quarters) < 0.95


def test_graphene_of_a_perfect_system_is_perfect_and_else_loses_few():
    perfect = draw(1, **PERFECT, support="graphene")
    assert (perfect.atoms.get_tags() == 0).sum() == perfect.drawn["graphene_columns"]
    for seed in range(10):
        system = draw(seed, vacancies=0.5, holes=0.5, support="graphene")
        left = (system.atoms.get_tags() == 0).sum() / system.drawn["graphene_columns"]
        assert left > 0.95 * 0.95 - 0.02


def test_sides_tell_which_sulphur_is_gone():
    system = draw(2, crystal=mx2_sheet("MoS2", classify="side"), tilt_deg=10.0, vacancies=1.0)
    assert system.sites.class_names == ("1Mo", "2S", "1S upper", "1S lower")
    # Undo the tilt on the lone atoms: those named upper lie above the metal.
    metal = system.atoms.positions[system.atoms.numbers == 42]
    plane = np.linalg.lstsq(np.c_[metal[:, :2], np.ones(len(metal))], metal[:, 2], rcond=None)[0]
    sulphur = system.atoms.positions[system.atoms.numbers == 16]
    above = sulphur[:, 2] > np.c_[sulphur[:, :2], np.ones(len(sulphur))] @ plane
    found = 0
    for xy, kind in zip(system.sites.xy_A, system.sites.classes, strict=True):
        if kind >= 2:
            nearest = np.linalg.norm(sulphur[:, :2] - xy, axis=1).argmin()
            assert above[nearest] == (kind == 2)
            found += 1
    assert found > 20


def test_a_crystal_from_elsewhere_loses_any_atom():
    nitride = hexagonal("BN", [(1 / 3, 2 / 3, 0.5), (2 / 3, 1 / 3, 0.5)], 15)
    system = draw(7, crystal=nitride, vacancies=0.2, holes=0.0)
    assert system.sites.class_names == ("1N", "1B")
    drawn = system.drawn
    assert drawn["crystal"] == "BN"
    assert len(system.atoms) == drawn["columns"] - round(drawn["vacancies"] * drawn["columns"])
    one = draw(7, crystal=crystal_sheet(nitride, classify="column"))
    assert one.sites.class_names == ("column",)
    assert set(one.sites.classes) == {0}


def test_a_slab_has_columns_of_its_thickness():
    gold = crystal_sheet(bulk("Au", cubic=True), thickness_A=20.4)
    system = draw(1, crystal=gold, **PERFECT)
    assert system.sites.class_names == ("Au",)
    assert len(system.atoms) == 5 * len(system.sites.xy_A)
    tilted = draw(1, crystal=gold, tilt_deg=8.0, vacancies=0.0, holes=0.0)
    assert len(tilted.atoms) == 5 * len(tilted.sites.xy_A)


def test_a_1t_sheet_has_one_sulphur_a_column():
    molybdenum, pairs, singles = counts(draw(1, crystal="1T-MoS2", **PERFECT))
    assert pairs == 0
    assert singles == pytest.approx(2 * molybdenum, rel=0.2)
    # A vacancy there takes the column.
    system = draw(1, crystal="1T-MoS2", vacancies=1.0, holes=0.0)
    sulphur = round(system.drawn["vacancies"] * (system.drawn["columns"] - counts(system)[0]))
    assert len(system.sites.xy_A) == system.drawn["columns"] - sulphur


@pytest.mark.parametrize("support", ["none", "graphene"])
def test_same_rng_same_bytes(support):
    first, second = draw(9, support=support), draw(9, support=support)
    assert first.atoms.positions.tobytes() == second.atoms.positions.tobytes()
    assert first.sites.xy_A.tobytes() == second.sites.xy_A.tobytes()
    assert first.drawn == second.drawn
    assert first.drawn != draw(10, support=support).drawn


def test_a_flake_that_loses_everything_keeps_a_column():
    for seed in range(5):
        assert len(draw(seed, vacancies=1.0, holes=1.0, cell_A=20.0).sites.xy_A) >= 1


@pytest.mark.parametrize(
    ("error", "words", "given"),
    [
        (SettingsError, "vacancies: expected a share from 0 to 1, got 1.2", {"vacancies": 1.2}),
        (SettingsError, "vacancies", {"vacancies": float("nan")}),
        (SettingsError, "holes: expected a share from 0 to 1, got -0.1", {"holes": -0.1}),
        (SettingsError, "support: expected one of none, graphene, got 'mica'", {"support": "mica"}),
        (SettingsError, "tilt_deg: expected 0° to 45°, got -1.0", {"tilt_deg": -1.0}),
        (SettingsError, "distort_A: expected 0 to 1 Å, got -0.5", {"distort_A": -0.5}),
        (SettingsError, "cell_A: expected sides of at least", {"cell_A": 12.0}),
        (SettingsError, "cell_A: expected one, two or three lengths", {"cell_A": (60.0,) * 4}),
        (SettingsError, "cell_A: expected one, two or three lengths", {"cell_A": -60.0}),
        (SettingsError, "cell_A: expected a height of at least 7.1 Å", {"cell_A": (60, 60, 5), **PERFECT}),
        (SettingsError, "no lattice constant of 'VTe2' is known, give lattice_A", {"crystal": "VTe2"}),
        (SettingsError, "unknown element Qq in 'QqS2'", {"crystal": "QqS2"}),
        (SettingsError, "expected the formula of an MX2 sheet, as MoS2, got 'MoS3'", {"crystal": "MoS3"}),
        (SettingsError, "expected the formula of an MX2 sheet, as MoS2, got '2!'", {"crystal": "2!"}),
        (DataError, "expected at least one atom", {"crystal": Atoms()}),
        (DataError, "two cell vectors that span an area", {"crystal": Atoms("C")}),
        (DataError, "unknown elements", {"crystal": Atoms("X", cell=(3, 3, 9), pbc=True)}),
    ],
)
def test_bad_input_is_one_line(error, words, given):
    with pytest.raises(error) as caught:
        draw(0, **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
