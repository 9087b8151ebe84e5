"""Simulated sets: same seed, same bytes, whatever the processes, and however often it was stopped."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from temflux.batch.runner import process_runner
from temflux.engine.base.blocks import run_serial
from temflux.engine.generate.dataset import ImageSet, SystemSet
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.parameters import check_parameters
from temflux.engine.workflows.simulating.recipes import FlakeRecipe, SupportedRecipe
from temflux.engine.workflows.structures import make_structures

SMALL = {"count": 4, "cell": 20.0, "sampling": 0.25}
PARAMETERS = {"label": "Mask", "image_epochs": 2, "image_size": [48, 48], "sampling": [0.3, 0.35], "debug": 2}

_MAKE = """
import sys
from temflux.batch.runner import process_runner
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.recipes import FlakeRecipe
from temflux.engine.workflows.structures import make_structures
from tests.parity.test_simulation_parity import SMALL, make
make(sys.argv[1], process_runner(int(sys.argv[2])))
"""


def make(out, runner, **settings):
    make_structures(out, FlakeRecipe(**{**SMALL, **settings}), runner=runner)
    make_images(out, check_parameters(PARAMETERS), runner=runner)


def digest(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    out = tmp_path_factory.mktemp("serial")
    make(out, run_serial)
    return digest(out)


def test_two_processes_give_the_same_bytes(serial, tmp_path):
    make(tmp_path, process_runner(2))
    assert digest(tmp_path) == serial
    assert sum(name.endswith(".traj") for name in serial) == 4
    assert "train/images/debug/000001.png" in serial


def test_a_supported_particle_has_the_same_bytes_in_another_process(tmp_path):
    recipe = SupportedRecipe(count=2, planes=(3, 4), cell=32, sampling=0.2)
    for name, runner in (("serial", run_serial), ("processes", process_runner(2))):
        make_structures(tmp_path / name, recipe, runner=runner)
    assert digest(tmp_path / "serial") == digest(tmp_path / "processes")


def test_another_seed_gives_other_bytes(serial, tmp_path):
    make(tmp_path, run_serial, seed=101)
    theirs = digest(tmp_path)
    assert theirs["train/systems/models/000000.traj"] != serial["train/systems/models/000000.traj"]


def test_cut_short_and_gone_on_with_is_the_same(serial, tmp_path):
    """Lose the end of both journals, as a stop between data and line does."""
    make(tmp_path, run_serial)
    for journal in (
        SystemSet(tmp_path / "train/systems").journal,
        ImageSet(tmp_path / "train/images").journal,
    ):
        whole = journal.read_bytes()
        journal.write_bytes(whole[: len(whole) // 2])
    make(tmp_path, run_serial)
    assert digest(tmp_path) == serial


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.long)])
def test_killed_and_gone_on_with_is_the_same(serial, tmp_path, jobs):
    command = [sys.executable, "-c", _MAKE, str(tmp_path), str(jobs)]
    journal = SystemSet(tmp_path / "train" / "systems").journal
    with subprocess.Popen(command, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and not (journal.exists() and journal.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    subprocess.run(command, check=True, timeout=120)
    left = {name: value for name, value in digest(tmp_path).items() if not name.endswith(".partial")}
    assert left == serial
