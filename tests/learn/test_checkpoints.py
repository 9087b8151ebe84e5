import errno
import json

import keras
import numpy as np
import pytest

from temflux.engine.base.errors import DataError, ReadError, WriteError
from temflux.engine.learn.checkpoints import Checkpoints, gather_arrays, restore_arrays


def arrays(value):
    return {"weights/0": np.full((2, 3), value, np.float32), "optimizer/0": np.array(value, np.int64)}


def network(units=3, seed=0):
    keras.utils.set_random_seed(seed)
    made = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    )
    made.compile(optimizer=keras.optimizers.Adam(1e-2, amsgrad=True), loss="mse", jit_compile=False)
    return made


def fail_with(number):
    def fail(*_, **__):
        raise OSError(number, "said by the system")

    return fail


def files(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_last_and_best_are_kept_and_others_go(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert not checkpoints.exist()
    for epoch, best in ((1, True), (2, True), (3, False), (4, False)):
        checkpoints.save(epoch, arrays(epoch), {"history": [epoch]}, best=best)
    assert files(tmp_path) == ["epoch-000002.npz", "epoch-000004.npz", "index.json"]
    last, best = checkpoints.load(), checkpoints.load("best")
    assert (last.epoch, best.epoch) == (4, 2)
    assert last.state == {"history": [4]}
    np.testing.assert_array_equal(best.arrays["weights/0"], 2)
    assert last.arrays["optimizer/0"] == 4


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch, number):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays(1), {}, best=True)
    monkeypatch.setattr(np, "savez", fail_with(number))
    with pytest.raises(
        WriteError, match=r"cannot write .*epoch-000002\.npz: (the disk is full|no permission)"
    ):
        checkpoints.save(2, arrays(2), {}, best=True)
    assert checkpoints.load("best").epoch == checkpoints.load().epoch == 1
    assert files(tmp_path) == ["epoch-000001.npz", "index.json"]


def test_a_disk_that_fills_up_at_the_index_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays(1), {}, best=True)
    monkeypatch.setattr(json, "dump", fail_with(errno.ENOSPC))
    with pytest.raises(WriteError, match="the disk is full"):
        checkpoints.save(2, arrays(2), {}, best=True)
    monkeypatch.undo()
    assert checkpoints.load().epoch == 1
    checkpoints.save(2, arrays(2), {}, best=True)
    assert files(tmp_path) == ["epoch-000002.npz", "index.json"]


def test_what_a_kill_left_is_taken_away(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays(1), {}, best=True)
    (tmp_path / "checkpoints" / ".epoch-000002.npz.77.partial").write_bytes(b"PK")
    checkpoints.save(2, arrays(2), {}, best=False)
    assert files(tmp_path) == ["epoch-000001.npz", "epoch-000002.npz", "index.json"]


def test_no_checkpoint_is_said(tmp_path):
    with pytest.raises(ReadError, match="no checkpoint; train first"):
        Checkpoints(tmp_path).load()


def test_a_changed_checkpoint_is_said(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays(1), {}, best=True)
    path = tmp_path / "checkpoints" / "epoch-000001.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ReadError, match="has changed since it was written"):
        checkpoints.load()
    path.unlink()
    with pytest.raises(ReadError, match="expected a checkpoint, FileNotFoundError"):
        checkpoints.load()


def test_pickles_are_never_opened(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"weights/0": np.array([{}], dtype=object)}, {}, best=True)
    with pytest.raises(ReadError, match="expected a checkpoint, ValueError"):
        checkpoints.load()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "temflux training 1", "state": {}, "last": 3}'])
def test_a_broken_index_is_said(tmp_path, text):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays(1), {}, best=True)
    (tmp_path / "checkpoints" / "index.json").write_text(text)
    with pytest.raises(ReadError, match=r"index\.json: expected the checkpoints of a run"):
        checkpoints.load()


def test_a_file_elsewhere_is_not_opened(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(1, arrays(1), {}, best=True)
    path = tmp_path / "run" / "checkpoints" / "index.json"
    path.write_text(path.read_text().replace('"epoch-000001.npz"', '"../../secret.npz"'))
    (tmp_path / "secret.npz").write_bytes(b"")
    with pytest.raises(ReadError, match=r"checkpoints/secret\.npz: expected a checkpoint, FileNotFoundError"):
        checkpoints.load()


def test_a_network_and_its_optimiser_come_back():
    one, two = network(seed=1), network(seed=2)
    x, y = np.random.default_rng(0).random((2, 8, 2)).astype(np.float32)
    for _ in range(3):
        one.train_on_batch(x, y[:, :1])
    restore_arrays(two, gather_arrays(one))
    found, expected = gather_arrays(two), gather_arrays(one)
    # Two layers with bias, a dropout's seed; iteration, learning rate and three moments of four weights.
    assert sum(name.startswith("weights/") for name in found) == 5
    assert sum(name.startswith("optimizer/") for name in found) == 14
    for name, array in expected.items():
        assert array.tobytes() == found[name].tobytes()
    for made in (one, two):
        made.train_on_batch(x, y[:, :1])
    assert gather_arrays(one)["weights/0"].tobytes() == gather_arrays(two)["weights/0"].tobytes()


def test_another_network_is_refused_and_left_alone():
    stored = gather_arrays(network(units=4))
    made = network(units=3)
    before = gather_arrays(made)
    with pytest.raises(DataError, match=r"kernel: the checkpoint has shape \(2, 4\), the network \(2, 3\)"):
        restore_arrays(made, stored)
    del stored["weights/0"]
    with pytest.raises(DataError, match="the checkpoint has 4 arrays of weights, the network 5"):
        restore_arrays(made, stored)
    made.compile(optimizer="rmsprop", loss="mse")
    with pytest.raises(
        DataError, match="14 arrays of optimizer, the network 6; give the network and the opt"
    ):
        restore_arrays(made, gather_arrays(network(units=3)))
    for name, array in gather_arrays(made).items():
        if name.startswith("weights"):
            np.testing.assert_array_equal(array, before[name])


def test_the_best_weights_alone(tmp_path):
    one = network(seed=1)
    Checkpoints(tmp_path).save(5, gather_arrays(one), {"note": "kept"}, best=True)
    two = keras.models.clone_model(one)
    best = Checkpoints(tmp_path).load("best")
    assert best.state == {"note": "kept"}
    restore_arrays(two, best.arrays, optimizer=False)
    np.testing.assert_array_equal(two.get_weights()[0], one.get_weights()[0])
