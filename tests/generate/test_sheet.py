"""Sheets: lengths, layers cut at the widest gap, slabs of inclined crystals, tiling, bad input."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, mx2
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.sheet import MX2, Sheet, crystal_sheet, mx2_sheet, tile
from temflux.engine.generate.sites import find_sites


@pytest.mark.parametrize("formula", sorted(MX2))
def test_bonds_of_the_table_are_sound(formula):
    phase, a, t = MX2[formula]
    atoms = mx2_sheet(formula).atoms
    assert len(atoms) == 3
    bond = (a**2 / 3 + t**2 / 4) ** 0.5
    # Sums of covalent radii from the sulphides to the tellurides.
    assert 2.35 < bond < 2.80
    columns = {"2H": 2, "1T": 3}[phase]
    assert len(find_sites(atoms).xy_A) == columns


def test_lengths_and_phase_can_be_given():
    sheet = mx2_sheet("S2Mo", lattice_A=3.3, thickness_A=3.0, phase="1T")
    np.testing.assert_allclose(np.linalg.norm(np.asarray(sheet.atoms.cell)[:2], axis=1), 3.3)
    assert np.ptp(sheet.atoms.positions[:, 2]) == pytest.approx(3.0)
    assert sheet.name == "1T-MoS2"
    assert mx2_sheet("VTe2", lattice_A=3.6, thickness_A=3.5).class_names == ("1V", "2Te", "1Te")
    assert mx2_sheet("MoS2", classify="element").class_names == ("Mo", "S")


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 360), st.floats(-20, 20), st.floats(-20, 20), st.sampled_from(["C", "MoS2", "big"]))
def test_tiles_fill_the_window_at_the_density_of_the_crystal(turn, x, y, kind):
    sheets = {
        "C": crystal_sheet(graphene()),
        "MoS2": mx2_sheet("MoS2"),
        "big": crystal_sheet(Atoms("NiO", [(0, 0, 1), (9, 1, 2)], cell=[(11, 0, 0), (4, 7, 0), (0, 0, 9)])),
    }
    sheet = sheets[kind]
    window = (-3.0, 5.0, 67.0, 45.0)
    positions, numbers = tile(sheet, window=window, rotation_deg=turn, shift_A=(x, y))
    x0, y0, x1, y1 = window
    inside = np.all((positions[:, :2] >= (x0, y0)) & (positions[:, :2] <= (x1, y1)), axis=1)
    cell = np.asarray(sheet.atoms.cell)
    expected = len(sheet.atoms) * 70 * 40 / abs(np.linalg.det(cell[:2, :2]))
    # Off by what the rim may hold.
    rim = len(sheet.atoms) * 220 / abs(np.linalg.det(cell[:2, :2])) ** 0.5
    assert abs(inside.sum() - expected) < rim / 2
    # None twice, and every one is a lattice point of the rotated sheet.
    assert len(np.unique(positions.round(4), axis=0)) == len(positions)
    assert len(numbers) == len(positions)
    angle = np.deg2rad(-turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    steps = ((positions[:, :2] - (x, y)) @ rotation.T - np.tile(sheet.atoms.positions[:, :2], (len(positions) // len(sheet.atoms), 1))) @ np.linalg.inv(cell[:2, :2])  # noqa: E501  # fmt: skip
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.02, 0.3, 0.5, 0.97])
def test_a_layer_is_cut_at_its_vacuum_wherever_it_lies(level):
    atoms = mx2("MoS2", thickness=3.13, vacuum=6.0)
    atoms.pbc = True
    atoms.positions[:, 2] += level * atoms.cell[2, 2]
    atoms.wrap()
    sheet = crystal_sheet(atoms)
    assert np.ptp(sheet.atoms.positions[:, 2]) == pytest.approx(3.13)
    assert sheet.atoms.positions[:, 2].min() == pytest.approx(0, abs=1e-9)
    assert sheet.class_names == ("1Mo", "2S", "1S")
    assert sheet.name == "MoS2"


def test_a_bulk_crystal_gives_one_period_as_its_layer():
    places = [(1 / 3, 2 / 3, 0.25), (2 / 3, 1 / 3, 0.75), (2 / 3, 1 / 3, 0.25), (1 / 3, 2 / 3, 0.75)]
    nitride = Atoms("B2N2", scaled_positions=places, cell=[2.504, 2.504, 6.66, 90, 90, 120], pbc=True)
    sheet = crystal_sheet(nitride)
    assert len(sheet.atoms) == 4
    assert np.ptp(sheet.atoms.positions[:, 2]) == pytest.approx(3.33)
    assert sheet.class_names == ("1N", "1B+1N", "1B")


def test_a_layer_of_an_inclined_or_turned_cell_lies_flat():
    atoms = mx2("WS2", a=3.19, thickness=3.14, vacuum=6.0)
    atoms.pbc = True
    inclined = atoms.copy()
    inclined.cell[2] += (1.3, 0.7, 0)
    inclined.positions[:, 2] += 8
    inclined.wrap()
    turned = inclined.copy()
    turned.rotate(50, (1, 2, 3), rotate_cell=True)
    for atoms_given in (inclined, turned):
        sheet = crystal_sheet(atoms_given)
        positions, numbers = tile(sheet, window=(0, 0, 20, 20))
        sites = find_sites(Atoms(numbers, positions))
        assert sites.class_names == ("1W", "2S")
        assert np.ptp(positions[:, 2]) == pytest.approx(3.14)


@pytest.mark.parametrize(
    ("crystal", "period"),
    [(bulk("Au"), 4.08 / 2**0.5), (bulk("Au", cubic=True), 4.08), (bulk("Mg"), 5.21)],
)
def test_a_slab_looks_along_the_third_vector(crystal, period):
    sheet = crystal_sheet(crystal, thickness_A=25.0)
    count = round(25 / period)
    positions, numbers = tile(sheet, window=(0, 0, 20, 20))
    sites = find_sites(Atoms(numbers, positions), classify="element")
    assert sites.class_names == sheet.class_names
    assert positions[:, 2].min() >= -1e-6
    assert positions[:, 2].max() < count * period
    # Every column of a whole number of periods has as many atoms.
    assert len(positions) == count * len(sites.xy_A)
    volume = crystal.get_volume() / len(crystal)
    area = abs(np.linalg.det(np.asarray(sheet.atoms.cell)[:2, :2]))
    assert len(sheet.atoms) * volume == pytest.approx(area * count * np.linalg.norm(crystal.cell[2]))
    # Nearest neighbours keep their distance: nothing was put in a wrong place.
    distances = np.linalg.norm(positions[:, np.newaxis] - positions, axis=2)
    assert distances[distances > 1e-9].min() == pytest.approx(
        min(np.linalg.norm(crystal.cell[0]), crystal.repeat(2).get_distance(0, 1, mic=True)), rel=0.02
    )


def test_a_sheet_is_a_plain_record():
    sheet = Sheet(graphene(), "graphene", "column", ("column",))
    assert sheet.vacant == ()


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("lattice_A: expected 1 to 10 Å", lambda: mx2_sheet("MoS2", lattice_A=0.3)),
        ("thickness_A: expected 1 to 10 Å", lambda: mx2_sheet("MoS2", thickness_A=float("nan"))),
        ("phase: expected one of 2H, 1T, got '3R'", lambda: mx2_sheet("MoS2", phase="3R")),
        ("classify: expected one of", lambda: mx2_sheet("MoS2", classify="size")),
        ("classify: expected one of", lambda: crystal_sheet(graphene(), classify="size")),
        ("give lattice_A and thickness_A", lambda: mx2_sheet("CrTe2", lattice_A=3.5)),
        ("thickness_A: expected 1 to 1000 Å, got 0", lambda: crystal_sheet(bulk("Au"), thickness_A=0)),
        ("use 'element' or 'column'", lambda: crystal_sheet(bulk("Au"), thickness_A=60, classify="side")),
        ("three cell vectors that span a volume", lambda: crystal_sheet(graphene(), thickness_A=20)),
        ("finite", lambda: crystal_sheet(Atoms("C", [(np.nan, 0, 0)], cell=(3, 3, 3)))),
    ],
)
def test_bad_input_is_one_line(words, call):
    with pytest.raises((SettingsError, DataError)) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
