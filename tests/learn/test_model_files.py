"""Models on disk: what is saved is loaded, and nothing damaged or hostile passes."""

import errno
import hashlib
import io
import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, ReadError, WriteError
from temflux.engine.learn import model_files
from temflux.engine.learn.model_cards import ModelCard, card_from_json, describe_ranges, outside_range
from temflux.engine.learn.model_files import list_models, load_model, save_model
from temflux.engine.learn.trained import NetworkSpec, TrainedModel
from temflux.models.networks import build_network

SPEC = NetworkSpec("msdnet", {"in_channels": 1, "out_channels": 2, "layers": 3, "kernel": 3, "seed": 5})
CARD = ModelCard(
    "gold",
    task="Gold on ceria.",
    channels=("gold", "background"),
    ranges={"sampling_A": (0.05, 0.1), "dose_e_per_A2": (10.0, 1e6), "defocus_A": (-100.0, 50.0)},
    energies_eV=(300e3,),
    recipe={"seed": 5, "epochs": 3, "data": ["a", "b"]},
    figures={"F1": 0.97, "null": "0.00"},
    limits=("No tilt.",),
    licence="CC-BY-4.0",
)


@pytest.fixture(scope="module")
def network():
    return build_network(SPEC.name, **SPEC.arguments)


@pytest.fixture
def folder(tmp_path, network):
    save_model(tmp_path / "gold", network, SPEC, CARD)
    return tmp_path / "gold"


def seal(folder):
    """Let the card vouch for the files as they are now: sha256 keeps nobody from that."""
    card = json.loads((folder / "card.json").read_text())
    card["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("model.json", "weights.npz")
    }
    (folder / "card.json").write_text(json.dumps(card))


def change_json(folder, name, change):
    record = json.loads((folder / name).read_text())
    change(record)
    (folder / name).write_text(json.dumps(record))


def members(folder):
    with zipfile.ZipFile(folder / "weights.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(folder, contents):
    with zipfile.ZipFile(folder / "weights.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    seal(folder)


def as_npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["unet", "unetpp", "msdnet", "compact"])
def test_what_is_saved_is_loaded(tmp_path, name):
    sizes = {"layers": 3} if name == "msdnet" else {"levels": 2, "channels": 2}
    spec = NetworkSpec(name, {"in_channels": 3, "out_channels": 2, "activation": "softmax", **sizes})
    build_network(name, **spec.arguments)
    network = build_network(name, **spec.arguments)
    for weight in network.weights:
        weight.assign(np.asarray(weight) + 0.01)
    card = save_model(tmp_path / "mine", network, spec, CARD)
    model = load_model(str(tmp_path / "mine"))
    assert model.card == card
    assert replace(card, sha256={}) == CARD
    assert model.spec == spec
    images = np.random.default_rng(0).normal(size=(1, 24, 28, 3)).astype(np.float32)
    expected = np.asarray(network(images, training=False))
    np.testing.assert_array_equal(np.asarray(model.network(images, training=False)), expected)
    assert model.fingerprint == TrainedModel.from_network(network, spec, CARD).fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_half_precision_takes_half_the_space(tmp_path):
    spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1, "levels": 3})
    network = build_network(spec.name, **spec.arguments)
    save_model(tmp_path / "whole", network, spec, CARD)
    save_model(tmp_path / "half", network, spec, CARD, half=True)
    sizes = [(tmp_path / name / "weights.npz").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    whole, half = (load_model(tmp_path / name) for name in ("whole", "half"))
    for name, array in whole.weights.items():
        np.testing.assert_allclose(half.weights[name], array, rtol=1e-3, atol=1e-6)
    assert half.network.count_params() == network.count_params()


def test_saving_twice_gives_the_same_bytes(folder, network, tmp_path):
    save_model(tmp_path / "again", network, SPEC, CARD)
    for name in ("model.json", "weights.npz", "card.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_full_disk_leaves_the_earlier_model(folder, network, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    before = (folder / "card.json").read_bytes()
    monkeypatch.setattr(model_files.np, "savez_compressed", fail)
    with pytest.raises(WriteError, match="the disk is full"):
        save_model(folder, network, SPEC, replace(CARD, version="2"))
    assert (folder / "card.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["gold"]
    assert load_model(folder).card.version == "1"


def test_saving_refuses_what_must_not_be_kept(tmp_path):
    network = build_network(SPEC.name, **SPEC.arguments)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "movie.tif").write_bytes(b"")
    with pytest.raises(DataError, match="model's folder or nothing"):
        save_model(tmp_path / "data", network, SPEC, CARD)
    network.weights[0].assign(np.full(network.weights[0].shape, 1e6))
    with pytest.raises(DataError, match="half=False"):
        save_model(tmp_path / "mine", network, SPEC, CARD, half=True)
    network.weights[0].assign(np.full(network.weights[0].shape, np.nan))
    with pytest.raises(DataError, match="diverged"):
        save_model(tmp_path / "mine", network, SPEC, CARD)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["model.json", "weights.npz", "card.json"])
def test_missing_truncated_and_altered_files(folder, name):
    data = (folder / name).read_bytes()
    middle = len(data) // 2
    for damaged in (data[:middle], b"", data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]):
        (folder / name).write_bytes(damaged)
        if name == "card.json" and len(damaged) == len(data):
            continue
        with pytest.raises(ReadError, match=name) as caught:
            load_model(folder)
        assert "\n" not in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(ReadError, match=f"{name}: missing"):
        load_model(folder)


class Bomb:
    """Something that pickle would run."""

    def __reduce__(self):
        return (pytest.fail, ("code of the file was run",))


def hostile_archives(contents):
    first = contents["0.npy"]
    kernel = np.zeros((3, 3, 1, 3), np.float32)
    huge = first.replace(b"(3, 3, 1, 3)", b"(3, 3, 9, 9)")
    yield "pickled objects", {**contents, "0.npy": as_npy(np.array([Bomb()]), allow_pickle=True)}
    yield "a bare pickle", {**contents, "0.npy": pickle.dumps(Bomb())}
    yield "path traversal", {**contents, "../../evil.npy": first}
    yield "absolute path", {**{k: v for k, v in contents.items() if k != "0.npy"}, "/tmp/0.npy": first}
    yield "missing member", {k: v for k, v in contents.items() if k != "0.npy"}
    yield "another shape", {**contents, "0.npy": as_npy(kernel[..., :2])}
    yield "another type", {**contents, "0.npy": as_npy(kernel.astype(np.float64))}
    yield "says more than it holds", {**contents, "0.npy": huge}
    yield "cut short", {**contents, "0.npy": first[:-1]}
    yield "longer than it says", {**contents, "0.npy": first + bytes(100)}
    yield "column order", {**contents, "0.npy": as_npy(np.asfortranarray(kernel))}
    yield "broken header", {**contents, "0.npy": first.replace(b"descr", b"__imp")}
    yield "code in the header", {**contents, "0.npy": first.replace(b"'<f4'", b"exit(")}
    yield "nan", {**contents, "0.npy": as_npy(np.full_like(kernel, np.nan))}


def test_hostile_weights(folder):
    cases = list(hostile_archives(members(folder)))
    assert len(cases) == 14
    for what, contents in cases:
        write_members(folder, contents)
        with pytest.raises(ReadError, match=r"weights\.npz") as caught:
            load_model(folder)
        assert "\n" not in str(caught.value), what
    (folder / "weights.npz").write_bytes(pickle.dumps(Bomb()))
    seal(folder)
    with pytest.raises(ReadError, match="not readable as weights"):
        load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "temflux model 99"},
        {"network": "os.system"},
        {"network": "unet"},
        {"arguments": {}},
        {"arguments": {"in_channels": 10**9, "out_channels": 1}},
        {"arguments": {"in_channels": 1, "out_channels": 2, "layers": 3, "kernel": 3, "channels": 10**7}},
        {"arguments": {"in_channels": 1, "out_channels": 2, "layers": 10**7, "kernel": 3}},
        {"arguments": {"in_channels": 1, "out_channels": 2, "activation": "lambda x: x"}},
        {"arguments": {"in_channels": 1, "out_channels": 2, "seed": "0"}},
        {"arguments": {"in_channels": 1, "out_channels": 2, "custom_objects": {}}},
        {"weights": [["a", [10**12], "float32"]]},
        {"weights": [["a", [-1], "float32"]]},
        {"weights": [["a", [1], "object"]]},
        {"weights": [["a", [1], "float32"], ["a", [1], "float32"]]},
        {"weights": "all"},
    ],
)
def test_hostile_architectures(folder, change):
    change_json(folder, "model.json", lambda record: record.update(change))
    seal(folder)
    with pytest.raises(ReadError, match=r"model\.json") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network(folder):
    def widen(record):
        record["arguments"]["layers"] = 4

    change_json(folder, "model.json", widen)
    seal(folder)
    model = load_model(folder)
    with pytest.raises(ReadError, match="layer3_conv/kernel must be of shape"):
        _ = model.network


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3},
        {"normalize_A": -1},
        {"normalize_A": "12"},
        {"channels": "mask"},
        {"ranges": {"sampling_A": [1, 0]}},
        {"ranges": {"sampling_A": [0.1, float("inf")]}},
        {"ranges": {"sampling_A": [0, 0.1]}},
        {"ranges": {"sampling_A": [-1, 0.1]}},
        {"ranges": {"dose_e_per_A2": [0, 100]}},
        {"ranges": {"defocus_A": [-100, 10**400]}},
        {"normalize_A": 10**400},
        {"energies_eV": [0]},
        {"figures": {"F1": [1]}},
        {"sha256": {"model.json": 1}},
        {"callback": "run me"},
    ],
)
def test_cards_of_the_wrong_kind(folder, change):
    change_json(folder, "card.json", lambda record: record.update(change))
    with pytest.raises(ReadError, match=r"card\.json") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.pt", "net.pkl"])
def test_formats_that_can_hold_code_stay_closed(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ReadError, match="can hold code and are not opened"):
        load_model(tmp_path / name)


def test_the_zoo_by_name(folder, monkeypatch):
    monkeypatch.setattr(model_files, "zoo_folder", lambda: folder.parent)
    assert load_model("gold").card.task == "Gold on ceria."
    assert [card.name for card in list_models()] == ["gold"]
    for name in ("silver", "../gold", "gold/../gold", ""):
        with pytest.raises(ReadError):
            load_model(name)


def test_every_card_of_the_zoo_can_be_read():
    for card in list_models():
        assert load_model(card.name).card == card


def test_outside_range():
    assert outside_range(CARD, sampling_A=0.1004, dose_e_per_A2=1e6, defocus_A=[-100, 0, 50]) == []
    assert outside_range(CARD, sampling_A=None, temperature_K=300.0) == []
    assert outside_range(CARD, sampling_A=np.float32(0.1), defocus_A=np.zeros((1, 2), np.float32)) == []
    assert len(outside_range(CARD, sampling_A=np.float32(0.3))) == 1
    lines = outside_range(CARD, sampling_A=0.2, dose_e_per_A2=1.0, defocus_A=[0.0, 60.0, 70.0])
    assert [line.split(":")[0] for line in lines] == [
        "sampling of 0.2 Å/px",
        "dose of 1 e⁻/Å²",
        "defocus of 60, 70 Å",
    ]


def test_a_card_survives_json():
    assert card_from_json(json.loads(json.dumps(CARD.as_json()))) == CARD


def test_a_range_of_one_number_is_told_as_one():
    card = ModelCard("mine", ranges={"sampling_A": (1.18, 1.18)})
    assert describe_ranges(card) == ["sampling 1.18 Å/px"]
    assert outside_range(card, sampling_A=0.59) == ["sampling of 0.59 Å/px: mine was trained on 1.18 Å/px"]
