"""Thermal displacements of atoms in solids from the Debye model, for the smearing of potentials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ase.data import atomic_masses, atomic_numbers
from ase.formula import Formula
from scipy import constants
from scipy.integrate import quad

from ..base.errors import SettingsError

_FORMULAS = ("debye", "publication", "thesis")

# Debye temperatures [K] that give, with the full Debye integral, an element's published B factor at 293 K.
# Metals, Si and Ge: Peng et al., Acta Cryst. A 52 (1996) 456; Cao & Peng, Acta Cryst. A 55 (1999) 926.
# What is seldom imaged as an elemental solid stands as in a common compound: C in the plane of graphite
# (0.0032 Å²), Ce and O in CeO2, S in MoS2, Sr in SrTiO3, P, As, Ga, In, Sb, Se, Te and Cd in III-V and II-VI
# compounds (the same papers); N in GaN, F in CaF2, Na and Cl in NaCl, Br and La in LaBr3, I in NaI, Ca in
# CaO, Ba in BaO from calculated phonon spectra (Togo & Tanaka, Scr. Mater. 108 (2015) 1; as in NCrystal).
DEBYE_TEMPERATURES_K: Mapping[str, float] = MappingProxyType(
    {
        **{"Ag": 206, "Al": 401, "As": 260, "Au": 166, "B": 940, "Ba": 172, "Be": 951, "Bi": 119, "Br": 198},
        **{"C": 1266, "Ca": 449, "Cd": 126, "Ce": 291, "Cl": 246, "Co": 445, "Cr": 511, "Cu": 312, "F": 499},
        **{"Fe": 433, "Ga": 280, "Ge": 279, "Hf": 252, "I": 103, "In": 184, "Ir": 420, "La": 167, "Mg": 278},
        **{"Mn": 410, "Mo": 404, "N": 961, "Na": 283, "Nb": 284, "Ni": 404, "O": 715, "Os": 500, "P": 428},
        **{"Pb": 87, "Pd": 267, "Pt": 216, "Re": 430, "Rh": 481, "Ru": 601, "S": 627, "Sb": 189, "Sc": 332},
        **{"Se": 257, "Si": 501, "Sn": 158, "Sr": 251, "Ta": 242, "Te": 168, "Ti": 371, "V": 343, "W": 340},
        **{"Y": 211, "Zn": 213, "Zr": 256},
    }
)

# The same for sites of compounds, whose atoms do not share one temperature. SrTiO3: B of 0.62, 0.44, 0.72 Å²
# (Abramov et al., Acta Cryst. B 51 (1995) 942). MoS2: in the plane (Schönfeld et al., Acta Cryst. B 39 (1983)
# 404). The others: calculated phonon spectra, as above; TiO2 is anatase.
COMPOUND_DEBYE_TEMPERATURES_K: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "Al2O3": MappingProxyType({"Al": 743, "O": 994}),
        "CeO2": MappingProxyType({"Ce": 291, "O": 715}),
        "HfO2": MappingProxyType({"Hf": 288, "O": 773}),
        "MgO": MappingProxyType({"Mg": 636, "O": 810}),
        "MoS2": MappingProxyType({"Mo": 309, "S": 627}),
        "SrTiO3": MappingProxyType({"Sr": 251, "Ti": 410, "O": 567}),
        "TiO2": MappingProxyType({"Ti": 381, "O": 610}),
        "ZnO": MappingProxyType({"Zn": 284, "O": 628}),
        "ZrO2": MappingProxyType({"Zr": 384, "O": 719}),
    }
)


def debye_waller_A(
    element: str,
    *,
    temperature_K: float = 300.0,
    debye_temperature_K: float | None = None,
    solid: str | None = None,
    formula: str = "debye",
) -> float:
    """Find how far an atom of a solid vibrates along one axis.

    Parameters
    ----------
    element : str
        Chemical symbol, which gives the mass.
    temperature_K : float
        Temperature [K], 0 or more.
    debye_temperature_K : float or None
        Debye temperature Θ [K]; None takes the table's.
    solid : str or None
        A compound of `COMPOUND_DEBYE_TEMPERATURES_K`, as "CeO2"; None takes `DEBYE_TEMPERATURES_K`.
    formula : {"debye", "publication", "thesis"}
        The Debye model, or an expression in print; see the notes.

    Returns
    -------
    float
        Root mean square displacement u along x, y or z alike [Å]: the u of a potential smeared by
        exp(−2π²u²q²), and the deviation of each coordinate of a frozen phonon. B = 8π²u².

    Raises
    ------
    SettingsError
        If the element or solid is unknown, a temperature out of range, or the formula not one of the three.

    Notes
    -----
    The Debye model of a monatomic solid, along one axis:

        u² = 3ħ²/(m·k·Θ)·[1/4 + (T/Θ)²·∫₀^{Θ/T} x/(eˣ − 1) dx]

    It returns the published B factors: 0.62 Å² for Au, 0.23 Å² for Mo. Publication I (Eq. 1) prints
    3ħ²/(2·m·k·Θ)·(1/4 + T/Θ), 0.0030 Å² for S at Θ = 580 K and 300 K, and the thesis (Eq. 5.2) two thirds of
    it: 1.5 and 2.2 times below the Debye model of the same Θ there, 1.8 and 2.6 times for Au. They are here
    to repeat what was published.

    Examples
    --------
    >>> round(debye_waller_A("Au"), 3), round(debye_waller_A("O", solid="SrTiO3"), 3)
    (0.09, 0.096)
    >>> round(debye_waller_A("S", debye_temperature_K=580, formula="publication") ** 2, 4)
    0.003
    """
    if element not in atomic_numbers or element == "X":
        raise SettingsError(f"element: expected a chemical symbol, got {element!r}")
    if not 0 <= temperature_K < math.inf:
        raise SettingsError(f"temperature_K must be 0 or more, got {temperature_K}")
    if formula not in _FORMULAS:
        raise SettingsError(f"expected formula to be one of {', '.join(_FORMULAS)}, got {formula!r}")
    theta = _look_up(element, solid) if debye_temperature_K is None else debye_temperature_K
    if not 0 < theta < math.inf:
        raise SettingsError(f"debye_temperature_K must be above 0, got {theta}")
    mass = atomic_masses[atomic_numbers[element]] * constants.atomic_mass
    unit = 1e20 * constants.hbar**2 / (mass * constants.k * theta)
    warmth = temperature_K / theta
    if formula == "debye":
        return math.sqrt(3 * unit * (0.25 + _phonons(warmth)))
    return math.sqrt((1.5 if formula == "publication" else 1.0) * unit * (0.25 + warmth))


def displacements_A(solids: Sequence[str], *, temperature_K: float = 300.0) -> dict[str, float]:
    """Find the displacements of all elements of the solids that make up a system.

    Parameters
    ----------
    solids : sequence of str
        Formulas as "Au" or "CeO2"; where two have an element, it stands as in the first. Those without their
        own row of `COMPOUND_DEBYE_TEMPERATURES_K` take their elements' of `DEBYE_TEMPERATURES_K`.
    temperature_K : float
        Temperature [K], 0 or more.

    Returns
    -------
    dict of str to float
        Root mean square displacement of each element along one axis [Å], by symbol.

    Raises
    ------
    SettingsError
        If a formula cannot be read, or as `debye_waller_A` does.

    Examples
    --------
    >>> {element: round(u, 3) for element, u in displacements_A(["Au", "CeO2"]).items()}
    {'Au': 0.09, 'Ce': 0.061, 'O': 0.078}
    """
    found: dict[str, float] = {}
    for solid in solids:
        try:
            elements = Formula(solid).count()
        except ValueError:
            elements = {}
        if not elements:
            raise SettingsError(f"solids: expected formulas as CeO2, got {solid!r}")
        row = solid if solid in COMPOUND_DEBYE_TEMPERATURES_K else None
        for element in elements:
            if element not in found:
                found[element] = debye_waller_A(element, temperature_K=temperature_K, solid=row)
    return dict(sorted(found.items()))


def _look_up(element: str, solid: str | None) -> float:
    if solid is not None and solid not in COMPOUND_DEBYE_TEMPERATURES_K:
        known = ", ".join(COMPOUND_DEBYE_TEMPERATURES_K)
        raise SettingsError(f"solid: expected one of {known}, got {solid!r}; or give debye_temperature_K")
    table = DEBYE_TEMPERATURES_K if solid is None else COMPOUND_DEBYE_TEMPERATURES_K[solid]
    if element not in table:
        where = "" if solid is None else f" in {solid}"
        raise SettingsError(f"no Debye temperature is known for {element}{where}: give debye_temperature_K")
    return table[element]


def _phonons(warmth: float) -> float:
    """Integrate the thermal part of the Debye model, t²·∫₀^{1/t} x/(eˣ − 1) dx at t = T/Θ."""
    if warmth == 0:
        return 0.0
    integral = quad(lambda x: x / math.expm1(x) if x > 0 else 1.0, 0, min(1 / warmth, 100.0))[0]
    return warmth**2 * integral
