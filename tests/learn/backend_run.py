"""Train, restart, save, load and predict on Keras's backend of a process; started by a test and by a bench.

    KERAS_BACKEND=jax python -m tests.learn.backend_run FOLDER '{"compact": {"levels": 2}}' SIDE STEPS

FOLDER/NAME.npz holds the weights to begin with. The maps that they give, and those after training, are left
in FOLDER/BACKEND, and the report, one line of JSON, is the last of what is printed.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import load_model, save_model
from temflux.engine.learn.predict import Predictor
from temflux.engine.learn.task import Task
from temflux.engine.learn.trained import NetworkSpec, TrainedModel
from temflux.engine.learn.training import TrainingSettings, train
from temflux.models.networks import build_network

BATCH = 4


class Timed:
    """Batches of noise whose bright pixels are the labels, and when each was asked for."""

    def __init__(self, side, steps):
        self.task = Task("Mask", 1, ("inside",), 12.0)
        self.side, self.steps, self.asked = side, steps, []

    def count_batches(self, batch_size):  # noqa: ARG002
        return self.steps

    def stream(self, epoch, *, batch_size, seed, backend):  # noqa: ARG002
        rng = np.random.default_rng([seed, epoch])
        for _ in range(self.steps):
            images = rng.normal(size=(batch_size, self.side, self.side, 1)).astype(np.float32)
            self.asked.append(time.perf_counter())
            yield images, (images > 0.5).astype(np.float32)
        self.asked.append(time.perf_counter())


def spec_of(name, sizes):
    return NetworkSpec(name, {"in_channels": 1, "out_channels": 1, **sizes})


def write_weights(folder, networks):
    """Leave weights in FOLDER/NAME.npz, no normalisation or slope of which is one that does nothing."""
    rng = np.random.default_rng(2)
    for name, sizes in networks.items():
        model = TrainedModel.from_network(
            build_network(name, **spec_of(name, sizes).arguments), spec_of(name, sizes), ModelCard("given")
        )
        arrays = {
            path: array + np.float32(0 if path.endswith("kernel") else 0.1) * draw(rng, array)
            for path, array in model.weights.items()
        }
        np.savez(folder / f"{name}.npz", **arrays)


def draw(rng, array):
    return rng.uniform(-1, 1, array.shape).astype(np.float32)


def run_here(folder, networks, side, steps, *, jit_compile=True):
    """Do it all in this process; give a report a network, and the maps by name."""
    import keras

    backend = keras.backend.backend()
    out = Path(folder) / backend
    frame = np.random.default_rng(1).normal(size=(side + 7, side + 3)).astype(np.float32)

    def predict(model):
        return Predictor(model, runtime="keras", window_px=side)(frame, sampling_A=1.0)

    report, maps = {}, {}
    for name, sizes in networks.items():
        with np.load(Path(folder) / f"{name}.npz") as file:
            given = TrainedModel(spec_of(name, sizes), ModelCard("given"), dict(file))
        maps[f"{name} given"] = predict(given)
        samples = Timed(side, steps)
        for epochs in (1, 2):
            settings = TrainingSettings(epochs=epochs, batch_size=BATCH, jit_compile=jit_compile)
            run = out / f"{name} run"
            result = train(samples, None, given.network, settings, run, restart=epochs == 2)
        save_model(out / name, given.network, given.spec, ModelCard("trained"))
        maps[f"{name} trained"] = predict(load_model(out / name))
        # The first step after a start compiles.
        seconds = np.diff(samples.asked[-steps:])
        report[name] = {
            "backend": backend,
            "losses": [row["loss"] for row in result.curves],
            "f1": [row["f1"] for row in result.curves],
            "step_s": float(np.median(seconds)),
        }
    np.savez(out / "maps.npz", **maps)
    return report, maps


def run_apart(backend, folder, networks, side, steps):
    """Do it all in a process of its own, with another backend."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.learn.backend_run"),
            *(str(folder), json.dumps(networks), str(side), str(steps)),
        ],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode != 0:
        raise RuntimeError(f"{backend}: {done.stderr[-3000:]}")
    with np.load(Path(folder) / backend / "maps.npz") as file:
        return json.loads(done.stdout.splitlines()[-1]), dict(file)


if __name__ == "__main__":
    folder, networks, side, steps = sys.argv[1:]
    report, _ = run_here(folder, json.loads(networks), int(side), int(steps))
    sys.stdout.write(json.dumps(report) + "\n")
