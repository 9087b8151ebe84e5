import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene

from temflux.engine.base.errors import DataError, ReadError, SettingsError
from temflux.engine.generate.dataset import SystemSet, read_manifest
from temflux.engine.workflows.simulating.recipes import (
    FileRecipe,
    FlakeRecipe,
    OxideRecipe,
    SupportedRecipe,
    draw_system,
    read_recipe,
)
from temflux.engine.workflows.structures import make_structures, recipe_key

SMALL = {"cell": 22.0, "sampling": 0.25}


def test_systems_are_whole(tmp_path):
    result = make_structures(tmp_path, FlakeRecipe(count=3, **SMALL))
    assert (result.made, result.kept) == (3, 0)
    systems = SystemSet(tmp_path / "train" / "systems")
    records = systems.records()
    assert sorted(records) == [0, 1, 2]
    for number, record in records.items():
        atoms, sites = systems.load_atoms(number), systems.load_sites(number)
        wave = systems.load_wave(number, record["sha256"]["wave"])
        assert record["atoms"] == len(atoms)
        assert sum(record["columns"].values()) == len(sites.xy_A)
        # Where there are columns there is contrast.
        step = 22.0 / wave.shape[1]
        j, i = np.rint(sites.xy_A / step).astype(int).T
        assert np.abs(wave - 1)[i, j].mean() > 3 * np.abs(wave - 1).mean()
    assert systems.open_waves().attrs["energy_eV"] == 50e3
    (entry,) = read_manifest(tmp_path)["recipes"]
    assert entry["settings"]["seed"] == 100
    assert entry["made_with"].keys() >= {"temflux", "abtem", "ase"}


def test_the_same_again_makes_nothing_and_more_adds(tmp_path):
    make_structures(tmp_path, FlakeRecipe(count=2, **SMALL))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "train").rglob("0*") if path.is_file()}
    assert make_structures(tmp_path, FlakeRecipe(count=2, **SMALL)).made == 0
    result = make_structures(tmp_path, FlakeRecipe(count=3, **SMALL))
    assert (result.made, result.kept) == (1, 2)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_system_does_not_depend_on_those_before_it(tmp_path):
    make_structures(tmp_path / "all", FlakeRecipe(count=3, **SMALL))
    make_structures(tmp_path / "last", FlakeRecipe(count=1, start=2, **SMALL))
    records = [SystemSet(tmp_path / name / "train" / "systems").records()[2] for name in ("all", "last")]
    assert records[0] == records[1]


def test_training_and_test_differ_and_so_do_seeds():
    drawn = [
        draw_system(FlakeRecipe(seed=seed, **SMALL), 0, part).drawn["rotation_deg"]
        for seed, part in ((1, "train"), (1, "test"), (2, "train"))
    ]
    assert len(set(drawn)) == 3


def test_another_recipe_does_not_take_the_numbers(tmp_path):
    make_structures(tmp_path, FlakeRecipe(count=2, **SMALL))
    with pytest.raises(SettingsError, match="made by another recipe; add these behind them with --start 2"):
        make_structures(tmp_path, FlakeRecipe(formula="WS2", count=2, **SMALL))
    make_structures(tmp_path, FlakeRecipe(formula="WS2", count=2, start=2, **SMALL))
    records = SystemSet(tmp_path / "train" / "systems").records()
    assert ["W" in records[n]["formula"] for n in range(4)] == [False, False, True, True]


def test_waves_of_another_energy_do_not_join(tmp_path):
    make_structures(tmp_path, FlakeRecipe(count=1, **SMALL))
    with pytest.raises(DataError, match=r"waves\.zarr: holds"):
        make_structures(tmp_path, FlakeRecipe(count=1, start=1, beam_energy=80e3, **SMALL))


def test_a_recipe_that_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(SettingsError, match="cell_A: expected at least"):
        make_structures(tmp_path / "new", SupportedRecipe(count=1, cell=30))
    assert not (tmp_path / "new").exists()


def test_resolution_and_sampling_make_the_cell():
    assert FlakeRecipe(resolution=512, sampling=0.1).side_A == pytest.approx(51.2)
    with pytest.raises(SettingsError, match="cell or resolution, not both"):
        read_recipe("flake", {"resolution": 512, "cell": 60})


def test_single_sulphur_above_and_below_can_be_two_classes():
    system = draw_system(FlakeRecipe(sides=True, vacancies=0.5), 0, "train")
    assert system.sites.class_names == ("1Mo", "2S", "1S upper", "1S lower")
    counts = np.bincount(system.sites.classes, minlength=4)
    assert counts[2] > 0
    assert counts[3] > 0


def test_smearing_is_that_of_the_solid_at_300_K():
    recipe = SupportedRecipe(support="MgO")
    assert recipe.smearing_A({"Au", "Mg", "O"})["Mg"] < 0.1
    assert SupportedRecipe(debye_waller=0.0).smearing_A({"Au"}) == {"Au": 0.0}
    # No Debye temperature is known of uranium's flakes: Publication I's value for its whole database.
    assert FlakeRecipe(formula="MoS2").smearing_A({"Mo", "S", "U"})["U"] == 0.055


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("flake", {"formla": "MoS2"}, "formla: no such setting; known are count, "),
        ("flake", {"vacancies": 2}, "vacancies: input should be less than or equal to 1, got 2"),
        ("flake", {"sampling": float("nan")}, "sampling: input should be a finite number"),
        ("supported", {"metal": "Xx"}, "metal: expected a chemical symbol such as Au, got 'Xx'"),
        ("file", {}, "source: field required"),
        ("cube", {}, "expected one of supported, flake, oxide, file, got 'cube'"),
    ],
)
def test_bad_settings_are_one_clear_line(kind, values, said):
    with pytest.raises(SettingsError) as caught:
        read_recipe(kind, values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "crystals"
        folder.mkdir()
        for name, a in (("graphene", 2.46), ("graphene-2", 2.5)):
            graphene(a=a, vacuum=5).write(folder / f"{name}.cif")
        bn = Atoms("BN", [(0, 0, 0), (0, 1.446, 0)], cell=[2.504, 2.504, 15, 90, 90, 120], pbc=True)
        bn.write(folder / "bn.cif")
        return folder

    def test_crystals_take_turns_and_no_element_set_is_in_both_parts(self, folder, tmp_path):
        elements = {}
        for part in ("train", "test"):
            make_structures(tmp_path, FileRecipe(source=folder, count=3, **SMALL), part=part)
            systems = SystemSet(tmp_path / part / "systems")
            elements[part] = {
                "".join(sorted(set(systems.load_atoms(n).get_chemical_symbols()))) for n in range(3)
            }
            assert systems.load_sites(0).class_names == ("column",)
        assert elements["train"] & elements["test"] == set()
        assert elements["train"] | elements["test"] == {"C", "BN"}

    def test_the_crystals_count_not_where_they_lie(self, folder, tmp_path):
        one = recipe_key(FileRecipe(source=folder / "bn.cif"))
        (tmp_path / "elsewhere").mkdir()
        copy = tmp_path / "elsewhere" / "bn.cif"
        copy.write_bytes((folder / "bn.cif").read_bytes())
        assert recipe_key(FileRecipe(source=copy)) == one
        copy.write_text((folder / "bn.cif").read_text().replace("2.504", "2.6"))
        other = copy.with_name("bn2") / "bn.cif"
        other.parent.mkdir()
        copy.rename(other)
        assert recipe_key(FileRecipe(source=other)) != one

    def test_a_slab_of_any_crystal(self, tmp_path):
        path = tmp_path / "nio.cif"
        bulk("NiO", "rocksalt", a=4.18, cubic=True).write(path)
        system = draw_system(FileRecipe(source=path, shape="slab", thickness=(12, 13), **SMALL), 0, "train")
        heights = system.atoms.positions[:, 2]
        assert 9 < heights.max() - heights.min() < 14
        assert set(system.atoms.get_chemical_symbols()) == {"Ni", "O"}

    def test_no_file_is_said(self, tmp_path):
        with pytest.raises(ReadError, match=r"nothing\.cif"):
            make_structures(tmp_path / "out", FileRecipe(source=tmp_path / "nothing.cif", count=1))


def test_oxides_know_their_occupancy(tmp_path):
    make_structures(tmp_path, OxideRecipe(count=1, cell=24, sampling=0.25, vacancies=0.5))
    sites = SystemSet(tmp_path / "train" / "systems").load_sites(0)
    anions = sites.occupancy[sites.classes == sites.class_names.index("anion")]
    assert ((anions > 0) & (anions <= 1)).all()
    assert json.loads((tmp_path / "manifest.json").read_text())["recipes"][0]["settings"]["kind"] == "oxide"
