"""Free metal particles: lattice, plane counts, zone axis, cut and twins against closed forms."""

import math

import numpy as np
import pytest
from ase.data import atomic_numbers, reference_states
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.particle import METALS, build_whole, metal_particle, random_particle
from temflux.engine.generate.sites import find_columns


def nearest(positions):
    return cKDTree(positions).query(positions, k=2)[0][:, 1]


def reference(element):
    return reference_states[atomic_numbers[element]]


def same_points(one, other):
    return len(one) == len(other) and cKDTree(one).query(other)[0].max() < 1e-6


@pytest.mark.parametrize("element", METALS)
def test_neighbours_are_where_the_lattice_has_them(element):
    state = reference(element)
    a = state["a"]
    if state["symmetry"] == "hcp":
        expected = min(a, math.sqrt(a**2 / 3 + (a * state["c/a"]) ** 2 / 4))
        row = a
    else:
        expected = {"fcc": a / math.sqrt(2), "bcc": a * math.sqrt(3) / 2}[state["symmetry"]]
        row = expected
    particle = metal_particle(element, (4, 5, 6))
    assert set(particle.symbols) == {element}
    np.testing.assert_allclose(particle.positions.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(nearest(particle.positions), expected, rtol=1e-9)
    # Straight columns of close-packed rows: far fewer of them than atoms, a row's step between atoms.
    columns = find_columns(particle.positions[:, :2], tolerance_A=0.01)
    assert columns.max() + 1 < len(particle) / 2.5
    heights = [np.sort(particle.positions[columns == column, 2]) for column in range(columns.max() + 1)]
    np.testing.assert_allclose(np.concatenate([np.diff(z) for z in heights]), row, rtol=1e-9)


@pytest.mark.parametrize(
    ("element", "spacing"),
    [("Au", 4.08 / math.sqrt(3)), ("Fe", 2.87 / math.sqrt(2)), ("Ru", 2.7 * 1.584 / 2)],
)
def test_the_interface_is_a_close_packed_plane(element, spacing):
    whole = build_whole(element, (6, 7, 8))
    assert whole.spacing_A == pytest.approx(spacing)
    layers = whole.positions_A[:, 1] / spacing
    np.testing.assert_allclose(layers, np.rint(layers), atol=1e-6)
    assert whole.highest_layer == np.rint(layers.max()) == -whole.lowest_layer
    for layer in (-2, 0, 1):
        cut = whole.cut(layer)
        assert len(cut) == np.count_nonzero(np.rint(layers) >= layer)
        np.testing.assert_allclose(np.ptp(cut.positions[:, 1]), (np.rint(layers.max()) - layer) * spacing)


def test_zone_axis_of_gold_shows_its_spacings():
    columns = np.unique(metal_particle("Au", (7, 7, 7)).positions[:, :2].round(6), axis=0)
    # In the [110] projection: rectangles a by a/√2, centred; its neighbours are √3/(2√2)·a apart.
    np.testing.assert_allclose(nearest(columns), 4.08 * math.sqrt(3 / 8), rtol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_a_cube_has_as_many_atoms_as_it_must(n):
    assert len(metal_particle("Au", (n, 20, 20))) == ((2 * n + 1) ** 3 + (-1) ** n) // 2


@pytest.mark.parametrize("element", ["Pt", "W", "Co"])
def test_fewer_planes_take_atoms_away_and_add_none(element):
    large = build_whole(element, (8, 8, 8)).positions_A
    directions = np.random.default_rng(0).normal(size=(3, 50))
    for planes in ((8, 8, 7), (5, 8, 8), (8, 4, 6), (3, 3, 3)):
        small = build_whole(element, planes).positions_A
        assert len(small) <= len(large)
        assert (np.ptp(small @ directions, axis=0) <= np.ptp(large @ directions, axis=0) + 1e-9).all()
        if element != "Co":  # its middle is no atom
            assert cKDTree(large).query(small)[0].max() < 1e-6


@pytest.mark.parametrize(("twin", "angle_deg"), [("parallel", 90.0), ("inclined", 90.0 - 70.528779)])
def test_twins_mirror_their_lattice(twin, angle_deg):
    whole = build_whole("Au", (9, 8, 7), twin=twin).positions_A
    single = build_whole("Au", (9, 8, 7)).positions_A
    normal = np.array([math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg)), 0])
    if twin == "inclined":
        # The other plane of the zone: 70.5° from the interface, on the side that (11-1) has.
        normal[0] *= np.sign(np.array([1, 1, -1]) @ np.array([1, 1, -2]))
    height = whole @ normal
    assert same_points(whole, whole - 2 * np.outer(height, normal))
    assert not same_points(single, single - 2 * np.outer(single @ normal, normal))
    np.testing.assert_allclose(nearest(whole), 4.08 / math.sqrt(2), rtol=1e-9)
    assert len(whole) == len(single)
    lower = whole[height < 1e-6]
    assert cKDTree(single).query(lower)[0].max() < 1e-6
    columns = find_columns(whole[:, :2], tolerance_A=0.01)
    assert columns.max() + 1 < len(whole) / 4


def test_lattice_parameter_scales_all():
    for element in ("Au", "Fe", "Co"):
        a = reference(element)["a"]
        np.testing.assert_allclose(
            metal_particle(element, (3, 4, 5), lattice_A=2 * a).positions,
            2 * metal_particle(element, (3, 4, 5)).positions,
            atol=1e-9,
        )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), twinned=st.booleans(), fewest=st.integers(1, 9))
def test_drawn_particles_are_those_of_their_numbers(seed, twinned, fewest):
    planes = (fewest, fewest + 3)
    particle, drawn = random_particle(np.random.default_rng(seed), "Ni", planes=planes, twinned=twinned)
    counts = tuple(drawn[f"planes_{family}"] for family in ("100", "110", "111"))
    assert all(planes[0] <= count <= planes[1] for count in counts)
    assert (drawn["twin"] != "none") == twinned
    again = metal_particle("Ni", counts, cut_layer=drawn["cut_layer"], twin=drawn["twin"])
    assert again.positions.tobytes() == particle.positions.tobytes()
    highest = build_whole("Ni", counts).highest_layer
    assert abs(drawn["cut_layer"]) <= highest // 2
    if drawn["twin"] == "parallel" and highest >= 4:
        assert drawn["cut_layer"] <= -2


def test_all_sizes_are_drawn():
    drawn = [random_particle(np.random.default_rng(seed), "Al", planes=(2, 4))[1] for seed in range(60)]
    for family in ("planes_100", "planes_110", "planes_111"):
        assert {one[family] for one in drawn} == {2, 3, 4}
    assert min(one["cut_layer"] for one in drawn) < 0 < max(one["cut_layer"] for one in drawn)
    twins = [
        random_particle(np.random.default_rng(seed), "Al", planes=(2, 4), twinned=True)[1]["twin"]
        for seed in range(20)
    ]
    assert set(twins) == {"parallel", "inclined"}


def test_hexagonal_counts_are_named_by_their_facets():
    _, drawn = random_particle(np.random.default_rng(0), "Co", planes=(7, 7))
    assert (drawn["planes_0001"], drawn["planes_1010"], drawn["planes_1011"]) == (7, 7, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"element": "Uuo"}, "metal: expected one of Ac, Ag, Al, .* got 'Uuo'"),
        ({"element": "Si"}, "metal: .* got 'Si'"),
        ({"element": "Ar"}, "metal: .* got 'Ar'"),
        ({"planes": (7, 0, 7)}, r"planes: expected three counts of 1 to 50, got \(7, 0, 7\)"),
        ({"planes": (7, 7)}, "planes: expected three counts"),
        ({"planes": (7, 7, 51)}, "planes: expected three counts of 1 to 50"),
        ({"twin": "both"}, "twin: expected one of none, parallel, inclined, got 'both'"),
        ({"element": "Fe", "twin": "inclined"}, "twin: expected an FCC metal, got Fe"),
        ({"lattice_A": 0.0}, "lattice_A: expected a length above 0 Å, got 0.0"),
        ({"lattice_A": math.nan}, "lattice_A: expected a length above 0 Å, got nan"),
        (
            {"planes": (4, 4, 4), "cut_layer": 4},
            "cut_layer: expected at most 3, the particle's top layer, got 4",
        ),
    ],
)
def test_bad_particles_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        metal_particle(**arguments)


@pytest.mark.parametrize("planes", [(9, 7), (0, 3), (7,), (7.5, 9), (7, 1000)])
def test_bad_ranges_of_planes_are_refused(planes):
    with pytest.raises(SettingsError, match="planes: expected the fewest and the most"):
        random_particle(np.random.default_rng(0), "Au", planes=planes)
