import json

import numpy as np
import pytest
from ase import Atoms

from temflux.engine.base.errors import DataError, ReadError
from temflux.engine.generate.dataset import (
    ImageSet,
    SystemSet,
    add_to_manifest,
    fingerprint,
    read_manifest,
)
from temflux.engine.generate.system import Sites, System

ATTRIBUTES = {"energy_eV": 300e3, "sampling_A": [0.1, 0.1], "extent_A": [3.2, 3.2]}


def system(x: float = 1.0) -> System:
    atoms = Atoms("AuO", [(x, 1, 1), (2, 2, 2)], cell=(3.2, 3.2, 4), tags=[1, 0])
    sites = Sites(np.array([[x, 1.0]]), np.zeros(1, np.int64), ("Au",), np.ones(1))
    return System(atoms, {"tilt_deg": 1.5}, sites)


def wave(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((32, 32, 2), np.float32).view(np.complex64)[..., 0]


def test_a_system_comes_back_as_it_was(tmp_path):
    systems = SystemSet(tmp_path / "train" / "systems")
    systems.create_waves((32, 32), ATTRIBUTES, 3)
    sha256 = systems.save(2, system(1.25), wave(2))
    atoms = systems.load_atoms(2)
    assert atoms.positions[0, 0] == 1.25
    assert atoms.get_tags().tolist() == [1, 0]
    sites = systems.load_sites(2)
    assert sites.class_names == ("Au",)
    assert sites.xy_A.tolist() == [[1.25, 1.0]]
    np.testing.assert_array_equal(systems.load_wave(2, sha256["wave"]), wave(2))


def test_adding_rewrites_nothing(tmp_path):
    systems = SystemSet(tmp_path)
    systems.create_waves((32, 32), ATTRIBUTES, 1)
    systems.save(0, system(), wave(0))
    chunk = next(
        path for path in (tmp_path / "waves.zarr").rglob("*") if path.is_file() and path.stat().st_size > 4000
    )
    before = chunk.stat().st_mtime_ns, chunk.stat().st_ino
    systems.create_waves((32, 32), ATTRIBUTES, 5)
    systems.save(4, system(), wave(4))
    assert (chunk.stat().st_mtime_ns, chunk.stat().st_ino) == before
    assert systems.open_waves().shape == (5, 32, 32)
    assert fingerprint(np.asarray(systems.open_waves()[0])) == fingerprint(wave(0))


def test_fewer_systems_do_not_shorten_what_is_there(tmp_path):
    systems = SystemSet(tmp_path)
    systems.create_waves((32, 32), ATTRIBUTES, 5)
    systems.create_waves((32, 32), ATTRIBUTES, 2)
    assert systems.open_waves().shape[0] == 5


@pytest.mark.parametrize(("shape", "energy_eV"), [((16, 32), 300e3), ((32, 32), 80e3)])
def test_refuses_waves_of_another_size_or_energy(tmp_path, shape, energy_eV):
    systems = SystemSet(tmp_path)
    systems.create_waves((32, 32), ATTRIBUTES, 1)
    with pytest.raises(DataError, match=r"waves\.zarr: holds .* choose another folder"):
        systems.create_waves(shape, {**ATTRIBUTES, "energy_eV": energy_eV}, 2)


def test_a_missing_or_changed_wave_is_said(tmp_path):
    systems = SystemSet(tmp_path)
    systems.create_waves((32, 32), ATTRIBUTES, 2)
    sha256 = systems.save(0, system(), wave(0))["wave"]
    systems.save(0, system(), wave(1))
    with pytest.raises(ReadError, match="wave of system 0 is missing or has changed"):
        systems.load_wave(0, sha256)
    with pytest.raises(ReadError, match="wave of system 1 is missing"):
        systems.load_wave(1, sha256)
    with pytest.raises(ReadError, match=r"000007\.traj"):
        systems.load_atoms(7)
    with pytest.raises(ReadError, match=r"000007\.npz"):
        systems.load_sites(7)


def test_images_of_a_system_are_rows_of_its_own(tmp_path):
    images = ImageSet(tmp_path / "images")
    images.create(
        3, 2, image_shape=(1, 8, 8), label_shape=(8, 8, 2), label_dtype="uint8", channels=("Au", "background")
    )
    made = np.arange(2 * 64, dtype=np.float32).reshape(2, 1, 8, 8)
    labels = np.ones((2, 8, 8, 2), np.uint8)
    assert images.save(1, made, labels) == {"images": fingerprint(made), "labels": fingerprint(labels)}
    np.testing.assert_array_equal(images.images[2:4], made)
    assert not images.images[:2].any()
    assert images.labels[2:4].all()
    assert images.labels.attrs["channels"] == ["Au", "background"]


def test_the_manifest_grows_and_repeats_nothing(tmp_path):
    for seed in (1, 2, 1):
        add_to_manifest(tmp_path, "recipes", {"seed": seed, "planes": (7, 15)})
    assert [entry["seed"] for entry in read_manifest(tmp_path)["recipes"]] == [1, 2]


@pytest.mark.parametrize("text", ["", "{}", '{"format": "other", "recipes": [], "images": []}', "[]"])
def test_refuses_another_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ReadError, match=r"manifest\.json: expected the manifest of a dataset"):
        add_to_manifest(tmp_path, "recipes", {})
    assert (tmp_path / "manifest.json").read_text() == text


def test_the_manifest_is_json(tmp_path):
    add_to_manifest(tmp_path, "images", {"part": "test"})
    assert json.loads((tmp_path / "manifest.json").read_text())["images"] == [{"part": "test"}]
