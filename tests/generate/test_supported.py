"""Supported particles: clear edges, the interface, columns, and drawn numbers that tell what was built."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.particle import metal_particle
from temflux.engine.generate.supported import supported_particle

CASES = [
    ("Au", "CeO2", False),
    ("Pt", "MgO", False),
    ("Au", "carbon", False),
    ("Au", "CeO2", True),
    ("Co", "Al2O3", False),
    ("Fe", "TiO2", False),
    ("Ru", "SrTiO3", False),
    ("Pd", "none", True),
]
FAMILIES = {"Co": ("0001", "1010", "1011"), "Ru": ("0001", "1010", "1011")}


def parts(system):
    """Particle and support in the frame that the cell was turned from: the interface's normal along y."""
    angle = math.radians(system.drawn["rotation_deg"])
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    positions = (system.atoms.positions - system.atoms.cell.lengths() / 2) @ turn
    tags = system.atoms.get_tags()
    return positions[tags == 1], positions[tags == 0]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    case=st.sampled_from(CASES),
    tilt_deg=st.sampled_from([0.0, 3.0, 30.0]),
    planes=st.sampled_from([(7, 15), (1, 2), (10, 10)]),
)
def test_every_system_is_as_it_was_drawn(seed, case, tilt_deg, planes):
    metal, support, twinned = case
    cell_A = (62.0, 60.0, 66.0)
    system = supported_particle(
        np.random.default_rng(seed),
        metal=metal,
        support=support,
        twinned=twinned,
        tilt_deg=tilt_deg,
        planes=planes,
        cell_A=cell_A,
    )
    atoms, drawn = system.atoms, system.drawn
    lengths = atoms.cell.lengths()
    np.testing.assert_allclose(lengths, [62, 60, drawn["thickness_A"]])
    assert atoms.pbc.all()
    assert lengths[2] <= 66
    assert (atoms.positions >= 2 - 1e-9).all()
    assert (atoms.positions <= lengths - 2 + 1e-9).all()

    particle, slab = parts(system)
    counts = [drawn[f"planes_{family}"] for family in FAMILIES.get(metal, ("100", "110", "111"))]
    free = metal_particle(metal, counts, cut_layer=drawn["cut_layer"], twin=drawn["twin"])
    # Whole, and turned by the drawn tilt about the normal.
    tilt = math.radians(drawn["tilt_deg"])
    assert 0 <= drawn["tilt_deg"] <= tilt_deg
    turn = np.array([[math.cos(tilt), 0, math.sin(tilt)], [0, 1, 0], [-math.sin(tilt), 0, math.cos(tilt)]])
    expected = free.positions @ turn.T
    np.testing.assert_allclose(particle - particle[0], expected - expected[0], atol=1e-9)
    tagged = atoms.positions[atoms.get_tags() == 1]
    middle = (tagged.min(axis=0) + tagged.max(axis=0)) / 2 - lengths / 2
    np.testing.assert_allclose(middle, [drawn["shift_x_A"], drawn["shift_y_A"], 0], atol=1e-9)

    if len(slab):
        gap = particle[:, 1].min() - slab[:, 1].max()
        assert gap == pytest.approx(1, abs=1e-5) if support != "carbon" else 1 <= gap < 3
        assert cKDTree(slab).query(particle)[0].min() > 1 - 1e-5

    columns = np.unique(free.positions[:, :2].round(4), axis=0)
    assert system.sites.class_names == (metal,)
    assert len(system.sites.xy_A) == len(columns)
    assert (system.sites.classes == 0).all()


@pytest.mark.parametrize(("metal", "support", "twinned"), CASES)
def test_columns_are_straight_on_the_zone_axis(metal, support, twinned):
    rng = np.random.default_rng(5)
    system = supported_particle(rng, metal=metal, support=support, twinned=twinned, tilt_deg=0)
    xy = system.atoms.positions[system.atoms.get_tags() == 1, :2]
    distance, index = cKDTree(system.sites.xy_A).query(xy)
    assert distance.max() < 1e-6
    assert set(index) == set(range(len(system.sites.xy_A)))
    assert len(system.sites.xy_A) < len(xy) / 2.5


def test_sites_of_tilted_columns_are_their_centres():
    system = supported_particle(np.random.default_rng(2), tilt_deg=20, planes=(9, 12))
    assert system.drawn["tilt_deg"] > 5
    particle = system.atoms[system.atoms.get_tags() == 1]
    angle, tilt = math.radians(system.drawn["rotation_deg"]), math.radians(system.drawn["tilt_deg"])
    axis = np.array([math.cos(angle) * math.sin(tilt), math.sin(angle) * math.sin(tilt), math.cos(tilt)])
    # Seen along its own zone axis each column is one point, and its middle is where the site is.
    across = np.linalg.svd(axis[np.newaxis])[2][1:]
    points = particle.positions @ across.T
    _, column = np.unique(points.round(3), axis=0, return_inverse=True)
    column = column.reshape(-1)
    centres = np.stack(
        [np.bincount(column, weights=particle.positions[:, k]) / np.bincount(column) for k in (0, 1)], axis=1
    )
    assert len(centres) == len(system.sites.xy_A)
    distance, index = cKDTree(system.sites.xy_A).query(centres)
    assert distance.max() < 1e-6
    assert len(set(index)) == len(centres)


def test_all_degrees_of_freedom_are_used():
    drawn = [
        supported_particle(np.random.default_rng([1, seed]), planes=(5, 7), support="none").drawn
        for seed in range(60)
    ]
    spread = {name: np.ptp([one[name] for one in drawn]) for name in drawn[0] if name != "twin"}
    assert spread["rotation_deg"] > 300
    assert spread["tilt_deg"] > 2.5
    assert spread["shift_x_A"] > 20
    assert spread["shift_y_A"] > 20
    assert spread["thickness_A"] > 25
    assert min(spread[name] for name in ("planes_100", "planes_110", "planes_111")) == 2


def test_a_shift_changes_how_the_particle_meets_the_crystal():
    offsets = []
    for seed in range(12):
        system = supported_particle(np.random.default_rng(seed), planes=(4, 4), tilt_deg=0)
        particle, slab = parts(system)
        top = slab[slab[:, 1] > slab[:, 1].max() - 1e-3]
        offsets.append((particle[0, 0] - top[0, 0]) % (5.47 * math.sqrt(6) / 4))
    assert len(np.unique(np.round(offsets, 2))) > 8


def test_the_same_state_gives_the_same_bytes():
    for support in ("CeO2", "carbon"):
        first, again, other = (
            supported_particle(np.random.default_rng(seed), support=support) for seed in (7, 7, 8)
        )
        assert first.atoms.positions.tobytes() == again.atoms.positions.tobytes()
        assert first.drawn == again.drawn != other.drawn
        assert first.sites.xy_A.tobytes() == again.sites.xy_A.tobytes()


def test_typical_systems_are_of_the_size_of_the_thesis():
    atoms = [len(supported_particle(np.random.default_rng(seed)).atoms) for seed in range(30)]
    assert 3000 < np.median(atoms) < 6500


def test_a_cell_as_large_as_asked_for_holds_every_particle():
    with pytest.raises(SettingsError, match="cell_A: expected at least") as refused:
        supported_particle(np.random.default_rng(0), metal="Pb", planes=(10, 15), cell_A=(60, 60, 60))
    assert "for Pb particles of up to 15 planes, got 60 × 60 × 60 Å" in str(refused.value)
    x, y, z = map(int, re.findall(r"(\d+) × (\d+) × (\d+)", str(refused.value))[0])
    assert x == y > 60
    for seed in range(40):
        system = supported_particle(
            np.random.default_rng(seed), metal="Pb", planes=(15, 15), cell_A=(x, y, z), support="none"
        )
        assert (system.atoms.positions >= 2 - 1e-9).all()
        assert (system.atoms.positions <= system.atoms.cell.lengths() - 2 + 1e-9).all()
    with pytest.raises(SettingsError, match="cell_A"):
        supported_particle(np.random.default_rng(0), metal="Pb", cell_A=(x, y, z - 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metal": "Xx"}, "metal: expected one of .* got 'Xx'"),
        ({"support": "wood"}, "support: expected one of .* got 'wood'"),
        ({"tilt_deg": -1.0}, "tilt_deg: expected 0 to 45°, got -1.0"),
        ({"tilt_deg": math.nan}, "tilt_deg: expected 0 to 45°, got nan"),
        ({"planes": (9, 7)}, "planes: .* got .9, 7."),
        ({"planes": (0, 7)}, "planes: .* got .0, 7."),
        ({"cell_A": (60.0, 60.0)}, "cell_A: expected three sides above 4 Å"),
        ({"cell_A": (60.0, 3.0, 60.0)}, "cell_A: expected three sides above 4 Å"),
        ({"cell_A": (30.0, 60.0, 60.0)}, "cell_A: expected at least .* got 30 × 60 × 60 Å"),
        ({"metal": "Fe", "twinned": True}, "twin: expected an FCC metal, got Fe"),
        ({"lattice_A": -4.0}, "lattice_A: expected a length above 0 Å, got -4.0"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message) as refused:
        supported_particle(np.random.default_rng(0), **arguments)
    assert "\n" not in str(refused.value)
