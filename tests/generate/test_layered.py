"""Crystals from files of many kinds, and splits by element sets."""

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, mx2
from ase.data import chemical_symbols
from ase.io.jsonio import write_json
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, ReadError, SettingsError
from temflux.engine.generate.flake import flake
from temflux.engine.generate.layered import read_crystals, slab, split_by_elements
from temflux.engine.generate.sheet import crystal_sheet


def sheets():
    return [mx2("MoS2", vacuum=6), mx2("WSe2", a=3.32, thickness=3.36, vacuum=6), graphene(vacuum=6)]


@pytest.mark.parametrize("ending", ["cif", "traj", "json", "extxyz", "db", "vasp"])
def test_one_crystal_of_every_kind_of_file(tmp_path, ending):
    atoms = sheets()[0]
    atoms.pbc = True
    ase.io.write(tmp_path / f"mos2.{ending}", atoms)
    [(name, found)] = read_crystals(tmp_path / f"mos2.{ending}")
    assert name == "mos2"
    assert sorted(found.numbers) == [16, 16, 42]
    assert crystal_sheet(found).class_names == ("1Mo", "2S", "1S")
    system = flake(np.random.default_rng(0), crystal=found, cell_A=30.0)
    assert system.sites.class_names == ("1Mo", "2S", "1S")


@pytest.mark.parametrize("ending", ["json", "db", "traj"])
def test_a_file_of_many_gives_all_its_rows(tmp_path, ending):
    path = tmp_path / f"set.{ending}"
    ase.io.write(path, sheets())
    found = read_crystals(path)
    assert [name for name, _ in found] == ["set-0000", "set-0001", "set-0002"]
    assert [str(atoms.symbols.formula.reduce()[0]) for _, atoms in found] == ["MoS2", "WSe2", "C"]


def test_json_of_a_single_object(tmp_path):
    write_json(tmp_path / "structure.json", sheets()[1])
    [(name, atoms)] = read_crystals(tmp_path / "structure.json")
    assert (name, str(atoms.symbols)) == ("structure", "WSe2")


def test_a_folder_is_read_in_order_and_other_files_are_left(tmp_path):
    for name, atoms in zip(("b", "a", "c"), sheets(), strict=True):
        ase.io.write(tmp_path / f"{name}.cif", atoms)
    (tmp_path / "README.md").write_text("what this is", encoding="utf-8")
    (tmp_path / ".hidden.cif").write_text("nothing", encoding="utf-8")
    (tmp_path / "more").mkdir()
    found = read_crystals(str(tmp_path))
    assert [name for name, _ in found] == ["a", "b", "c"]
    assert [len(atoms) for _, atoms in found] == [3, 3, 2]
    assert [name for name, _ in read_crystals(tmp_path, most_atoms=2)] == ["c"]
    with pytest.raises(ReadError, match="at most 1 atoms in the cell, found none"):
        read_crystals(tmp_path, most_atoms=1)
    with pytest.raises(SettingsError, match="most_atoms"):
        read_crystals(tmp_path, most_atoms=0)


def broken(folder, kind):
    """Write one file that is no crystal."""
    path = folder / {"text": "x.cif", "json": "x.json", "empty": "x.traj"}.get(kind, "x.xyz")
    if kind == "text":
        path.write_text("not a crystal\nat all", encoding="utf-8")
    elif kind == "json":
        path.write_text('{"a": 1}', encoding="utf-8")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "no atoms":
        path.write_text("0\n\n", encoding="utf-8")
    elif kind == "no cell":
        ase.io.write(path, Atoms("CO", [(0, 0, 0), (0, 0, 1.1)]))
    elif kind == "element":
        path.write_text('1\nLattice="3 0 0 0 3 0 0 0 9"\nQq 0 0 0\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["text", "json", "empty", "no atoms", "no cell", "element"])
@pytest.mark.parametrize("as_folder", [False, True])
def test_what_is_no_crystal_is_refused_in_one_line_that_names_the_file(tmp_path, kind, as_folder):
    path = broken(tmp_path, kind)
    with pytest.raises((ReadError, DataError)) as caught:
        read_crystals(tmp_path if as_folder else path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(ReadError, match=r"nowhere\.cif: expected a structure file or a folder"):
        read_crystals(tmp_path / "nowhere.cif")
    with pytest.raises(ReadError, match=r"expected structure files \(\.cfg, \.cif"):
        read_crystals(tmp_path)


def test_a_row_of_many_that_is_amiss_is_named(tmp_path):
    with ase.db.connect(tmp_path / "set.db") as rows:
        rows.write(sheets()[0])
        rows.write(Atoms("CO", [(0, 0, 0), (0, 0, 1.1)]))
    with pytest.raises(DataError, match=r"set\.db \(structure 1\): expected two cell vectors"):
        read_crystals(tmp_path / "set.db")


ELEMENTS = st.lists(st.sampled_from(chemical_symbols[1:90]), min_size=1, max_size=3, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(ELEMENTS, max_size=30), st.integers(0, 1000), st.floats(0, 1))
def test_no_set_of_elements_is_on_both_sides(many, seed, share):
    formulas = ["".join(f"{s}{i + 1}" for i, s in enumerate(symbols)) for symbols in many]
    formulas += ["".join(reversed(symbols)) for symbols in many]
    training, validation = split_by_elements(formulas, validation_share=share, seed=seed)
    assert sorted(training + validation) == sorted(formulas)
    crystals = [(formula, Atoms(formula)) for formula in formulas]
    first, second = split_by_elements(crystals, validation_share=share, seed=seed)
    assert [name for name, _ in first] == training
    assert not {frozenset(a.symbols) for _, a in first} & {frozenset(a.symbols) for _, a in second}


def test_splits_have_the_share_asked_for_and_stay_when_more_come():
    formulas = [a + b for a in chemical_symbols[3:60] for b in chemical_symbols[60:90]]
    training, validation = split_by_elements(formulas)
    assert len(validation) / len(formulas) == pytest.approx(1 / 3, abs=0.04)
    few = split_by_elements(formulas[::3])
    assert set(few[0]) <= set(training)
    assert set(few[1]) <= set(validation)
    assert split_by_elements(formulas, seed=1)[1] != validation
    assert split_by_elements(formulas, validation_share=0.0)[1] == []
    assert split_by_elements(formulas, validation_share=1.0)[0] == []


@pytest.mark.parametrize("seed", range(12))
def test_neither_side_is_empty_where_there_are_two_sets(seed):
    training, validation = split_by_elements(["MoS2", "WS2", "Mo2S3"], seed=seed)
    assert {"MoS2", "Mo2S3"} in (set(training), set(validation))
    assert len(training) * len(validation) == 2


@pytest.mark.parametrize("formula", ["QqS2", "", "12", "X", "Mo S"])
def test_a_split_of_no_formula_is_refused(formula):
    with pytest.raises(DataError, match="expected a formula of known elements"):
        split_by_elements(["MoS2", formula])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(SettingsError, match="validation_share: expected a share from 0 to 1"):
        split_by_elements(["MoS2"], validation_share=share)


def test_a_slab_is_as_thick_as_whole_periods_allow():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    for wanted, periods in ((1.0, 1), (14.0, 2), (17.0, 3), (40.0, 7)):
        system = flake(
            np.random.default_rng(1), crystal=slab(salt, wanted), vacancies=0.0, holes=0.0, distort_A=0.0
        )
        assert len(system.atoms) == 2 * periods * len(system.sites.xy_A)
        assert system.sites.class_names == ("Cl", "Cl+Na", "Na")
        assert set(system.sites.classes) == {1}
