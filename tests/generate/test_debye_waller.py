"""Debye-Waller displacements: limits of the Debye model, published B factors, printed values, refusals."""

import math

import pytest
from ase.data import atomic_masses, atomic_numbers
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.debye_waller import (
    COMPOUND_DEBYE_TEMPERATURES_K,
    DEBYE_TEMPERATURES_K,
    debye_waller_A,
    displacements_A,
)


def b_factor(element, **settings):
    return 8 * math.pi**2 * debye_waller_A(element, **settings) ** 2


def unit(element, theta):
    mass = atomic_masses[atomic_numbers[element]] * constants.atomic_mass
    return 1e20 * constants.hbar**2 / (mass * constants.k * theta)


@pytest.mark.parametrize(
    ("element", "low", "high"),
    [
        ("Au", 0.57, 0.66),
        ("Mo", 0.21, 0.27),
        ("Al", 0.78, 0.90),
        ("Cu", 0.52, 0.60),
        ("Pt", 0.32, 0.40),
        ("Ag", 0.68, 0.80),
        ("Fe", 0.31, 0.37),
        ("Si", 0.44, 0.56),
        ("W", 0.14, 0.18),
        ("Ce", 0.25, 0.50),
        ("O", 0.40, 0.70),
    ],
)
def test_published_b_factors_at_room_temperature(element, low, high):
    assert low < b_factor(element, temperature_K=293) < high


def test_published_b_factors_of_strontium_titanate():
    found = {e: b_factor(e, temperature_K=293, solid="SrTiO3") for e in ("Sr", "Ti", "O")}
    assert found == pytest.approx({"Sr": 0.62, "Ti": 0.44, "O": 0.72}, abs=0.01)


def test_temperature_dependence_of_gold():
    """Cao and Peng (1999): 1.27 Å² at 600 K, from their polynomial."""
    assert b_factor("Au", temperature_K=600) == pytest.approx(1.27, abs=0.03)


def test_the_printed_values_of_the_thesis_and_its_publication():
    settings = {"temperature_K": 300, "debye_temperature_K": 580}
    printed = debye_waller_A("S", formula="publication", **settings) ** 2
    assert printed == pytest.approx(0.0030, abs=5e-5)
    assert debye_waller_A("S", formula="thesis", **settings) ** 2 == pytest.approx(printed * 2 / 3)
    assert debye_waller_A("S", **settings) ** 2 == pytest.approx(0.00445, abs=2e-5)


@given(st.sampled_from(sorted(DEBYE_TEMPERATURES_K)), st.floats(50, 2000))
def test_at_rest_there_is_the_zero_point(element, theta):
    found = debye_waller_A(element, temperature_K=0, debye_temperature_K=theta) ** 2
    assert found == pytest.approx(0.75 * unit(element, theta))


@given(st.sampled_from(sorted(DEBYE_TEMPERATURES_K)), st.floats(50, 300))
def test_hot_atoms_follow_equipartition(element, theta):
    found = debye_waller_A(element, temperature_K=20 * theta, debye_temperature_K=theta) ** 2
    assert found == pytest.approx(3 * unit(element, theta) * 20, rel=1e-3)


@given(st.floats(0.1, 3000), st.floats(1.01, 3))
def test_warmer_and_softer_solids_vibrate_more(temperature, factor):
    base = debye_waller_A("Au", temperature_K=temperature, debye_temperature_K=300)
    assert debye_waller_A("Au", temperature_K=temperature * factor, debye_temperature_K=300) >= base
    assert debye_waller_A("Au", temperature_K=temperature, debye_temperature_K=300 * factor) < base


def test_every_row_of_the_tables_gives_a_plausible_displacement():
    rows = [(element, None) for element in DEBYE_TEMPERATURES_K]
    rows += [(e, solid) for solid, sites in COMPOUND_DEBYE_TEMPERATURES_K.items() for e in sites]
    for element, solid in rows:
        assert 0.03 < debye_waller_A(element, solid=solid) < 0.22, (element, solid)


def test_the_elements_of_a_system():
    found = displacements_A(["Au", "CeO2"])
    assert list(found) == ["Au", "Ce", "O"]
    assert found["Ce"] == debye_waller_A("Ce", solid="CeO2")
    first = displacements_A(["SrTiO3", "CeO2"])
    assert first["O"] == debye_waller_A("O", solid="SrTiO3")
    assert displacements_A(["WSe2"], temperature_K=0) == {
        "Se": debye_waller_A("Se", temperature_K=0),
        "W": debye_waller_A("W", temperature_K=0),
    }


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: debye_waller_A("Xx"), "element: expected a chemical symbol, got 'Xx'"),
        (lambda: debye_waller_A("X", debye_temperature_K=200), "chemical symbol"),
        (lambda: debye_waller_A("Pu"), "known for Pu: give debye_temperature_K"),
        (lambda: debye_waller_A("Au", solid="CeO2"), "known for Au in CeO2: give debye_temperature_K"),
        (lambda: debye_waller_A("O", solid="PuO2"), "solid: expected one of Al2O3, CeO2, .*, got 'PuO2'"),
        (lambda: debye_waller_A("Au", temperature_K=-1), "temperature_K must be 0 or more, got -1"),
        (lambda: debye_waller_A("Au", temperature_K=math.nan), "temperature_K .* got nan"),
        (lambda: debye_waller_A("Au", debye_temperature_K=0), "debye_temperature_K must be above 0, got 0"),
        (lambda: debye_waller_A("Au", formula="einstein"), "debye, publication, thesis, got 'einstein'"),
        (lambda: displacements_A(["Au", "Q2"]), "expected a chemical symbol, got 'Q'"),
        (lambda: displacements_A([""]), "formulas as CeO2, got ''"),
    ],
)
def test_bad_settings_are_named(call, line):
    with pytest.raises(SettingsError, match=line):
        call()
