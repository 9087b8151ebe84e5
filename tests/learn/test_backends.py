"""The same code trains, restarts, saves, loads and predicts on every backend of Keras that is installed."""

from importlib.util import find_spec

import keras
import numpy as np
import pytest

from .backend_run import run_apart, run_here, write_weights

SIDE, STEPS = 32, 3
NETWORKS = {"compact": {"channels": 4, "levels": 2}, "msdnet": {"layers": 3, "kernel": 3}}
OTHERS = [
    pytest.param(
        name,
        marks=[
            pytest.mark.skipif(find_spec(name) is None, reason=f"no {name}, which make bench installs"),
            pytest.mark.skipif(keras.backend.backend() == name, reason=f"{name} is this process's own"),
        ],
    )
    for name in ("tensorflow", "jax", "torch")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    write_weights(folder, NETWORKS)
    return folder


@pytest.fixture(scope="module")
def here(folder):
    return run_here(folder, NETWORKS, SIDE, STEPS, jit_compile=False)


def test_this_backend_learns(here):
    report, maps = here
    for name in NETWORKS:
        assert report[name]["losses"][1] < report[name]["losses"][0]
        assert np.ptp(maps[f"{name} given"]) > 0.01
        assert np.abs(maps[f"{name} trained"] - maps[f"{name} given"]).max() > 0.01


@pytest.mark.parametrize("backend", OTHERS)
def test_other_backends_give_the_same(backend, folder, here):
    expected, expected_maps = here
    report, maps = run_apart(backend, folder, NETWORKS, SIDE, STEPS)
    assert {one["backend"] for one in report.values()} == {backend}
    for name in NETWORKS:
        np.testing.assert_allclose(maps[f"{name} given"], expected_maps[f"{name} given"], atol=1e-4)
        np.testing.assert_allclose(report[name]["losses"], expected[name]["losses"], rtol=1e-3)
        np.testing.assert_allclose(report[name]["f1"], expected[name]["f1"], atol=5e-3)
        # Adam divides small gradients by themselves, so that rounding grows.
        np.testing.assert_allclose(maps[f"{name} trained"], expected_maps[f"{name} trained"], atol=1e-2)
