"""Free metal particles: a crystal within facets of given plane counts, its zone axis along the beam."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.cluster.cubic import BodyCenteredCubicFactory, FaceCenteredCubicFactory
from ase.cluster.hexagonal import HexagonalClosedPackedFactory
from ase.data import atomic_numbers, chemical_symbols, reference_states

from ..base.errors import SettingsError

TWINS = ("none", "parallel", "inclined")
_MOST_PLANES = 50
_NOT_METALS = ("Ne", "Ar", "Kr", "Xe", "Se", "Te")
_TOLERANCE_A = 1e-3
_Factory = (
    type[FaceCenteredCubicFactory] | type[BodyCenteredCubicFactory] | type[HexagonalClosedPackedFactory]
)


@dataclass(frozen=True)
class _Structure:
    """A crystal structure: its cluster factory and facets, and how it lies in the microscope."""

    factory: _Factory
    families: tuple[tuple[int, ...], ...]
    # Cartesian, in the axes of ASE's factory: the interface's normal and the zone axis, which it contains.
    facet: tuple[int, int, int]
    zone: tuple[int, int, int]
    # Distance of the planes along the facet's normal, in units of a (HCP: of c).
    spacing: float


_CUBIC = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
_HEXAGONAL = ((0, 0, 0, 1), (1, 0, -1, 0), (1, 0, -1, 1))
_STRUCTURES = {
    "fcc": _Structure(FaceCenteredCubicFactory, _CUBIC, (1, 1, 1), (1, -1, 0), 1 / math.sqrt(3)),
    "bcc": _Structure(BodyCenteredCubicFactory, _CUBIC, (1, -1, 0), (1, 1, 1), 1 / math.sqrt(2)),
    "hcp": _Structure(HexagonalClosedPackedFactory, _HEXAGONAL, (0, 0, 1), (1, 0, 0), 0.5),
}
METALS = tuple(
    sorted(
        symbol
        for symbol, state in zip(chemical_symbols, reference_states, strict=False)
        if state and state["symmetry"] in _STRUCTURES and symbol not in _NOT_METALS
    )
)


def metal_particle(
    element: str = "Au",
    planes: Sequence[int] = (9, 9, 9),
    *,
    cut_layer: int | None = None,
    twin: str = "none",
    lattice_A: float | None = None,
) -> Atoms:
    """Build a metal particle from its plane counts, with the zone axis along z (thesis, 3.1).

    Parameters
    ----------
    element : str
        A metal with an FCC, BCC or HCP structure in ASE's reference data; see `METALS`.
    planes : three ints
        Atomic planes from the centre to the facets (100), (110), (111), 1 to 50; HCP: (0001), (10-10),
        (10-11). BCC (111) planes lie close: it takes about 12 to 26 for the size that 7 to 15 give in FCC.
    cut_layer : int or None
        Cut along the interface at this atomic plane, counted along y from 0 at the centre: all below are
        taken away. None leaves the particle whole.
    twin : {"none", "parallel", "inclined"}
        Only FCC: mirror one half at a (111) plane through the centre that contains the zone axis, either the
        one parallel to the interface or the one 70.5° from it.
    lattice_A : float or None
        Lattice parameter a [Å] (HCP: with c/a as in the reference data); None takes the reference data's.

    Returns
    -------
    ase.Atoms
        The particle with its mean at 0 and without a cell. Along z lies the close-packed row that is its
        zone axis (FCC [1-10], BCC [111], HCP [11-20]), along y the normal of its closest-packed planes, the
        interface to a support (FCC (111), BCC (1-10), HCP (0001)).

    Raises
    ------
    SettingsError
        If the element is none of those, a count is out of its range, the lattice parameter is not above 0,
        the twin is not FCC, or the cut leaves no atom.

    Examples
    --------
    >>> len(metal_particle("Au", (7, 8, 9))), len(metal_particle("Au", (7, 8, 9), cut_layer=0))
    (611, 342)
    """
    whole = build_whole(element, planes, twin=twin, lattice_A=lattice_A)
    return whole.cut(whole.lowest_layer if cut_layer is None else cut_layer)


def random_particle(
    rng: np.random.Generator,
    element: str = "Au",
    *,
    planes: tuple[int, int] = (7, 15),
    twinned: bool = False,
    lattice_A: float | None = None,
) -> tuple[Atoms, dict[str, float | int | str]]:
    """Draw a particle as it sits on a support: plane counts and the layer at which it is cut.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    element : str
        As in `metal_particle`.
    planes : (int, int)
        Fewest and most planes from the centre to a facet; each family's are drawn between them.
    twinned : bool
        Make it a twin; which of both planes is drawn.
    lattice_A : float or None
        As in `metal_particle` [Å].

    Returns
    -------
    particle : ase.Atoms
        As `metal_particle` returns it, cut at most half-way from the centre to the top, on either side. A
        twin with its plane parallel to the interface is cut at least two layers below that plane.
    drawn : dict
        The plane count of each family (as `planes_111`), `twin` and `cut_layer`.

    Raises
    ------
    SettingsError
        As `metal_particle`, or if the planes' upper limit is below the lower.

    Examples
    --------
    >>> particle, drawn = random_particle(np.random.default_rng(1), "Pt", planes=(7, 9))
    >>> drawn
    {'planes_100': 8, 'planes_110': 8, 'planes_111': 9, 'twin': 'none', 'cut_layer': 3}
    """
    fewest, most = check_planes(planes)
    structure = structure_of(element)
    counts = rng.integers(fewest, most + 1, size=3)
    twin = TWINS[int(rng.integers(1, 3))] if twinned else TWINS[0]
    whole = build_whole(element, [int(count) for count in counts], twin=twin, lattice_A=lattice_A)
    cut_layer = int(rng.integers(whole.deepest_cut, whole.highest_cut + 1))
    drawn: dict[str, float | int | str] = {
        "planes_" + "".join(str(abs(index)) for index in family): int(count)
        for family, count in zip(structure.families, counts, strict=True)
    }
    return whole.cut(cut_layer), {**drawn, "twin": twin, "cut_layer": cut_layer}


@dataclass(frozen=True)
class WholeParticle:
    """A particle before its cut, the atom or mirror plane of its centre at 0.

    Parameters
    ----------
    element : str
        Chemical symbol.
    positions_A : array (n, 3), float64
        Atoms, the interface's normal along y and the zone axis along z [Å].
    spacing_A : float
        Distance of the atomic planes along y [Å].
    twin : str
        One of `TWINS`.

    Examples
    --------
    >>> whole = build_whole("Au", (7, 7, 7))
    >>> whole.highest_layer, whole.deepest_cut, round(whole.spacing_A, 3)
    (5, -2, 2.356)
    """

    element: str
    positions_A: np.ndarray
    spacing_A: float
    twin: str

    @property
    def highest_layer(self) -> int:
        """Atomic planes from the centre to the top."""
        return math.floor((float(self.positions_A[:, 1].max()) + _TOLERANCE_A) / self.spacing_A)

    @property
    def lowest_layer(self) -> int:
        """The plane below which there is no atom."""
        return math.floor((float(self.positions_A[:, 1].min()) + _TOLERANCE_A) / self.spacing_A)

    @property
    def deepest_cut(self) -> int:
        """The lowest layer at which a supported particle is cut."""
        return -(self.highest_layer // 2)

    @property
    def highest_cut(self) -> int:
        """The highest layer at which a supported particle is cut; both halves of a twin must be left."""
        half = self.highest_layer // 2
        return -min(2, half) if self.twin == "parallel" else half

    def cut(self, layer: int) -> Atoms:
        """Take away what lies below a layer and put the mean at 0; raises SettingsError if all is taken."""
        kept = self.positions_A[self.positions_A[:, 1] >= layer * self.spacing_A - _TOLERANCE_A]
        if len(kept) == 0:
            raise SettingsError(
                f"cut_layer: expected at most {self.highest_layer}, the particle's top layer, got {layer}"
            )
        return Atoms(f"{self.element}{len(kept)}", positions=kept - kept.mean(axis=0))


def build_whole(
    element: str, planes: Sequence[int], *, twin: str = "none", lattice_A: float | None = None
) -> WholeParticle:
    """Build a particle before its cut.

    Parameters
    ----------
    element, planes, twin, lattice_A
        As in `metal_particle`.

    Returns
    -------
    WholeParticle
        Its atoms and the layers at which it can be cut.

    Raises
    ------
    SettingsError
        As `metal_particle`.

    Examples
    --------
    >>> build_whole("Ru", (7, 8, 9)).positions_A.shape
    (403, 3)
    """
    structure = structure_of(element)
    counts = [int(count) for count in planes]
    if len(counts) != 3 or not 1 <= min(counts) <= max(counts) <= _MOST_PLANES:
        raise SettingsError(f"planes: expected three counts of 1 to {_MOST_PLANES}, got {tuple(planes)}")
    if twin not in TWINS:
        raise SettingsError(f"twin: expected one of {', '.join(TWINS)}, got {twin!r}")
    if twin != "none" and structure is not _STRUCTURES["fcc"]:
        raise SettingsError(f"twin: expected an FCC metal, got {element}")
    if lattice_A is not None and not (math.isfinite(lattice_A) and lattice_A > 0):
        raise SettingsError(f"lattice_A: expected a length above 0 Å, got {lattice_A}")
    reference = _reference(element)
    a = float(reference["a"] if lattice_A is None else lattice_A)
    hexagonal = structure is _STRUCTURES["hcp"]
    c = a * float(reference["c/a"]) if hexagonal else a
    # A factory of our own: ASE's shared ones keep their last lattice, which threads would overwrite.
    cluster = structure.factory()(
        element, list(structure.families), counts, latticeconstant=(a, c) if hexagonal else a
    )
    turn = _turn(structure)
    positions = _mirrored(cluster.positions @ turn.T, turn, twin)
    return WholeParticle(element, positions, structure.spacing * c, twin)


def structure_of(element: str) -> _Structure:
    """Look up how a metal crystallises; raises SettingsError for anything else."""
    if element not in METALS:
        raise SettingsError(f"metal: expected one of {', '.join(METALS)}, got {element!r}")
    return _STRUCTURES[_reference(element)["symmetry"]]


def check_planes(planes: tuple[int, int]) -> tuple[int, int]:
    """Return the fewest and most planes; raises SettingsError if they are no range of counts from 1."""
    whole = len(planes) == 2 and all(isinstance(count, (int, np.integer)) for count in planes)
    if not (whole and 1 <= planes[0] <= planes[1] <= _MOST_PLANES):
        raise SettingsError(
            f"planes: expected the fewest and the most of them, whole numbers from 1 to {_MOST_PLANES}, the "
            f"most not below the fewest, got {tuple(planes)}"
        )
    return int(planes[0]), int(planes[1])


def _reference(element: str) -> Mapping[str, Any]:
    """Look up the reference state of an element that has one."""
    return cast(Mapping[str, Any], reference_states[atomic_numbers[element]])


def _turn(structure: _Structure) -> np.ndarray:
    """Find the rotation (3, 3) that takes the facet's normal to y and the zone axis to z."""
    normal = np.array(structure.facet) / np.linalg.norm(structure.facet)
    zone = np.array(structure.zone) / np.linalg.norm(structure.zone)
    return np.array([np.cross(normal, zone), normal, zone])


def _mirrored(positions: np.ndarray, turn: np.ndarray, twin: str) -> np.ndarray:
    """Replace the half above the twin plane by the mirror image of the half below it."""
    if twin == "none":
        return positions
    normal = turn @ np.array((1, 1, 1) if twin == "parallel" else (1, 1, -1)) / math.sqrt(3)
    height = positions @ normal
    below = height < -_TOLERANCE_A
    mirrored = positions[below] - 2 * np.outer(height[below], normal)
    return np.concatenate([positions[height <= _TOLERANCE_A], mirrored])
