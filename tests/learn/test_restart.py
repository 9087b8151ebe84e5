import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from temflux.engine.base.errors import WriteError
from temflux.engine.learn.augment import Augmentation
from temflux.engine.learn.checkpoints import Checkpoints
from temflux.engine.learn.samples import SampleSettings, open_samples
from temflux.engine.learn.training import train

from .sets import make_set
from .test_training import FAST, network

CROPS = SampleSettings(crop_px=16, augmentation=Augmentation(), empty_share=0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def samples(folder):
    return open_samples([folder], CROPS)


@pytest.fixture(scope="module")
def validation(folder):
    return open_samples([folder], SampleSettings(crop_px=None), training=False)


@pytest.fixture(scope="module")
def uninterrupted(samples, validation, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    result = train(samples, validation, network(), FAST, run)
    return result, Checkpoints(run)


def same(one, two):
    assert one.keys() == two.keys()
    return all(one[name].tobytes() == two[name].tobytes() for name in one)


def without_times(curves):
    return [{name: row[name] for name in row if name not in ("seconds", "images_per_s")} for row in curves]


def test_a_restart_gives_the_bytes_of_no_stop(samples, validation, uninterrupted, tmp_path):
    expected, checkpoints = uninterrupted
    first = train(samples, validation, network(), replace(FAST, epochs=2), tmp_path)
    assert len(first.curves) == 2
    # A new network with other weights: all comes from the checkpoint.
    other = network()
    other.set_weights([weight + 1 for weight in other.get_weights()])
    found = train(samples, validation, other, FAST, tmp_path, restart=True)
    assert same(Checkpoints(tmp_path).load().arrays, checkpoints.load().arrays)
    assert same(Checkpoints(tmp_path).load("best").arrays, checkpoints.load("best").arrays)
    assert without_times(found.curves) == without_times(expected.curves)
    assert found.best_epoch == expected.best_epoch


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.learn.test_restart import CROPS
from tests.learn.test_training import FAST, network
from temflux.engine.learn.samples import SampleSettings, open_samples
from temflux.engine.learn.training import train
folder, run = map(Path, sys.argv[1:])
def kill(title, done, total):
    if title.startswith("epoch 2") and done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
judges = open_samples([folder], SampleSettings(crop_px=None), training=False)
train(open_samples([folder], CROPS), judges, network(), FAST, run, progress=kill)
"""


def test_a_killed_process_is_gone_on_from(folder, samples, validation, uninterrupted, tmp_path):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert Checkpoints(tmp_path).load().epoch == 1
    train(samples, validation, network(), FAST, tmp_path, restart=True)
    assert same(Checkpoints(tmp_path).load().arrays, uninterrupted[1].load().arrays)


def test_another_seed_gives_other_samples(samples, uninterrupted, tmp_path):
    settings = replace(FAST, seed=4, epochs=1)
    result = train(samples, None, network(), settings, tmp_path)
    assert result.curves[0]["loss"] != uninterrupted[0].curves[0]["loss"]


def test_the_curves_do_not_speak_of_epochs_without_a_checkpoint(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(np, "savez", fail_after(2, np.savez))
    with pytest.raises(WriteError, match=r"epoch-000003\.npz: the disk is full"):
        train(samples, None, network(), FAST, tmp_path)
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 3
    assert Checkpoints(tmp_path).load().epoch == 2
    monkeypatch.undo()
    assert len(train(samples, None, network(), FAST, tmp_path, restart=True).curves) == 3


def fail_after(count, function):
    calls = []

    def maybe(*arguments, **keywords):
        calls.append(1)
        if len(calls) > count:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*arguments, **keywords)

    return maybe
