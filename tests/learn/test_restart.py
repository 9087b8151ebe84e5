import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError, WriteError
from temflux.engine.learn.augment import Augmentation
from temflux.engine.learn.checkpoints import Checkpoints
from temflux.engine.learn.samples import SampleSettings, open_samples
from temflux.engine.learn.training import train

from .sets import make_set
from .test_training import FAST, network

# F1 is then neither 0 nor 1, which any mean over batches gets right.
QUICK = replace(FAST, learning_rate=0.03, loss="dice")
CROPS = SampleSettings(crop_px=24, augmentation=Augmentation(), empty_share=0.2)


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
    result = train(samples, validation, network(), QUICK, run)
    return result, Checkpoints(run)


def same(one, two):
    assert one.keys() == two.keys()
    return all(one[name].tobytes() == two[name].tobytes() for name in one)


def without_times(curves):
    return [{name: row[name] for name in row if name not in ("seconds", "images_per_s")} for row in curves]


def test_a_restart_gives_the_bytes_of_no_stop(samples, validation, uninterrupted, tmp_path):
    expected, checkpoints = uninterrupted
    assert all(0 < row[name] < 1 for row in expected.curves[1:] for name in ("f1", "val_f1"))
    first = train(samples, validation, network(), replace(QUICK, epochs=2), tmp_path)
    assert len(first.curves) == 2
    # A new network with other weights: all comes from the checkpoint.
    other = network()
    other.set_weights([weight + 1 for weight in other.get_weights()])
    found = train(samples, validation, other, QUICK, tmp_path, restart=True)
    assert same(Checkpoints(tmp_path).load().arrays, checkpoints.load().arrays)
    assert same(Checkpoints(tmp_path).load("best").arrays, checkpoints.load("best").arrays)
    assert without_times(found.curves) == without_times(expected.curves)
    assert found.best_epoch == expected.best_epoch


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.long)])
def test_so_it_does_without_validation(samples, tmp_path, jit_compile):
    """Scores are then those of the very first pass after a start."""
    settings = replace(QUICK, jit_compile=jit_compile)
    expected = train(samples, None, network(), settings, tmp_path / "once")
    assert all(0 < row["f1"] < 1 for row in expected.curves[1:])
    train(samples, None, network(), replace(settings, epochs=2), tmp_path / "twice")
    found = train(samples, None, network(), settings, tmp_path / "twice", restart=True)
    assert without_times(found.curves) == without_times(expected.curves)
    assert found.best_epoch == expected.best_epoch
    checkpoints = Checkpoints(tmp_path / "once"), Checkpoints(tmp_path / "twice")
    assert same(*(one.load().arrays for one in checkpoints))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 4}, "that run has seed 3, got 4; give the same"),
        ({"learning_rate": None}, r"that run has learning_rate 0\.03, got None"),
        ({"batch_size": 3}, "that run has batch_size 2, got 3"),
    ],
)
def test_a_restart_with_other_settings_is_refused(samples, validation, uninterrupted, changed, said):
    result, _ = uninterrupted
    with pytest.raises(SettingsError, match=said):
        train(samples, validation, network(), replace(QUICK, **changed), result.run, restart=True)


def test_a_restart_is_judged_as_before(samples, uninterrupted):
    result, _ = uninterrupted
    with pytest.raises(SettingsError, match="judged by val_f1, got f1; give the same"):
        train(samples, None, network(), QUICK, result.run, restart=True)


def test_a_longer_cosine_goes_on_from_the_rate_that_was_reached(samples, tmp_path, monkeypatch):
    settings = replace(QUICK, epochs=3, final_learning_rate=0.003, batch_size=8)
    monkeypatch.setattr(np, "savez", fail_after(2, np.savez))
    with pytest.raises(WriteError):
        train(samples, None, network(), settings, tmp_path)
    monkeypatch.undo()
    more = replace(settings, epochs=5)
    curves = train(samples, None, network(), more, tmp_path, restart=True).curves
    rates = [row["learning_rate"] for row in curves]
    # The third of five epochs would begin at 0.0165 as well, the second of three did.
    assert rates == pytest.approx([0.03, 0.0165, 0.0165, 0.003 + 0.027 * (2 - 2**0.5) / 4, 0.003])
    longer = train(samples, None, network(), replace(settings, epochs=9), tmp_path, restart=True).curves
    assert [row["learning_rate"] for row in longer[5:]] == pytest.approx([0.003] * 4)


def test_curves_that_a_kill_left_short_are_written_on_a_restart(samples, validation, uninterrupted):
    result, _ = uninterrupted
    table = result.run / "curves.csv"
    whole = table.read_text()
    table.write_text("".join(whole.splitlines(keepends=True)[:2]))
    train(samples, validation, network(), QUICK, result.run, restart=True)
    assert table.read_text() == whole


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.learn.test_restart import CROPS, QUICK
from tests.learn.test_training import network
from temflux.engine.learn.samples import SampleSettings, open_samples
from temflux.engine.learn.training import train
folder, run = map(Path, sys.argv[1:])
def kill(title, done, total):
    if title.startswith("epoch 2") and done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
judges = open_samples([folder], SampleSettings(crop_px=None), training=False)
train(open_samples([folder], CROPS), judges, network(), QUICK, run, progress=kill)
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
    train(samples, validation, network(), QUICK, tmp_path, restart=True)
    assert same(Checkpoints(tmp_path).load().arrays, uninterrupted[1].load().arrays)


def test_another_seed_gives_other_samples(samples, uninterrupted, tmp_path):
    settings = replace(QUICK, seed=4, epochs=1)
    result = train(samples, None, network(), settings, tmp_path)
    assert result.curves[0]["loss"] != uninterrupted[0].curves[0]["loss"]


def test_the_curves_do_not_speak_of_epochs_without_a_checkpoint(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(np, "savez", fail_after(2, np.savez))
    with pytest.raises(WriteError, match=r"epoch-000003\.npz: the disk is full"):
        train(samples, None, network(), QUICK, tmp_path)
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 3
    assert Checkpoints(tmp_path).load().epoch == 2
    monkeypatch.undo()
    assert len(train(samples, None, network(), QUICK, tmp_path, restart=True).curves) == 3


def fail_after(count, function):
    calls = []

    def maybe(*arguments, **keywords):
        calls.append(1)
        if len(calls) > count:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*arguments, **keywords)

    return maybe
