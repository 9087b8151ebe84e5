"""Networks against stock runtimes, the thesis's U-Net, and one backend of Keras against another.

Rounds of all runtimes take turns, so that another job on the machine slows all of them; a number of threads
has a process of its own, since TensorFlow takes it once.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import list_models, load_model
from temflux.engine.learn.trained import NetworkSpec, TrainedModel

from ..learn.backend_run import run_apart, write_weights

ROOT = Path(__file__).parents[2]
THREADS = (1, 2)
ROUNDS = 5
FRAME_PX, LARGE_PX, PIECE_PX = 512, 4096, 1024
MSDNET = {"layers": 50, "channels": 3, "kernel": 3}
ZOO = "au-ceo2-mask"
# Of the large frame through the U-Net at once, with what else a machine runs.
NEEDED_GB = 12
BACKENDS = ("tensorflow", "jax", "torch")
BACKEND_NETWORKS = {"compact": {}, "unet": {"channels": 4}}
BACKEND_SIDE, BACKEND_STEPS = 128, 5


def bench() -> Iterator[dict]:
    for threads in THREADS:
        yield from msdnet_rows(threads, run_alone("msdnet", threads))
    yield from large_frame_rows()
    yield from equality_rows(run_alone("equality", max(THREADS)))
    yield from backend_rows()


def msdnet_rows(threads: int, got: dict) -> list[dict]:
    wall, cpu, errors = got["wall"], got["cpu"], got["errors"]
    peers = {name: seconds for name, seconds in wall.items() if name != "fused"}
    best = min(peers, key=peers.get)
    listed = ", ".join(f"{name} {seconds:.2f}" for name, seconds in peers.items())
    what = f"MSD-net, 50 layers of 3, {FRAME_PX}², threads: {threads}"
    return [
        row(f"{what}: fused kernels; peers: {listed}", "", wall["fused"], wall[best], "s"),
        row(f"{what}: times as fast as the best peer, {best}", ">= 4", wall[best] / wall["fused"], 1, ""),
        row("… by processor time", "", cpu[best] / cpu["fused"], 1, ""),
        row("… greatest difference from Keras's maps", "<= 1e-4", errors["fused"], errors[best], ""),
    ]


def large_frame_rows() -> list[dict]:
    threads = max(THREADS)
    at_once = available_gb() > NEEDED_GB
    how = "at once"
    try:
        peer = run_alone("unet", threads, LARGE_PX if at_once else PIECE_PX)
    except RuntimeError:
        at_once = False
        peer = run_alone("unet", threads, PIECE_PX)
    if not at_once:
        how = f"in pieces of {PIECE_PX}², the memory being short"
    ours = run_alone("compact", threads)
    what = f"{LARGE_PX}² frame, all of the default mask model ({ours['weights']}, {ours['runtime']})"
    return [
        row(f"{what}; peer: U-Net of 8 channels, model.predict {how}", "", ours["wall"], peer["wall"], "s"),
        row("… times as fast", ">= 8", peer["wall"] / ours["wall"], 1, ""),
        row("… by processor time", "", peer["cpu"] / ours["cpu"], 1, ""),
        row("… peak memory", "", ours["peak_mb"], peer["peak_mb"], "MB"),
        row("… the first frame, with its export where none is kept", "", ours["first_s"], None, "s"),
    ]


def equality_rows(got: dict) -> list[dict]:
    what = f"default mask model, {FRAME_PX}², {{}} against Keras"
    rows = []
    for name, difference in got["difference"].items():
        rows += [
            row(f"{what.format(name)}: greatest difference of maps", "<= 1e-4", difference, 0, ""),
            row(f"{what.format(name)}: pixels whose mask differs", "", got["changed"][name], 0, ""),
        ]
    return rows


def backend_rows() -> list[dict]:
    rows, first = [], None
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), BACKEND_NETWORKS)
        for backend in BACKENDS:
            if find_spec(backend) is None:
                rows.append(row(f"the same code on {backend}", "", "not installed", None, ""))
                continue
            report, maps = run_apart(backend, folder, BACKEND_NETWORKS, BACKEND_SIDE, BACKEND_STEPS)
            first = first or (report, maps)
            for name in BACKEND_NETWORKS:
                what = f"{name}, {BACKEND_SIDE}², batch of 4, {backend}"
                error = float(np.abs(maps[f"{name} given"] - first[1][f"{name} given"]).max())
                peer_s = first[0][name]["step_s"]
                rows += [
                    row(
                        f"{what}: training step; peer: {BACKENDS[0]}", "", report[name]["step_s"], peer_s, "s"
                    ),
                    row(f"… maps of the same weights, from {BACKENDS[0]}'s", "<= 1e-4", error, 0, ""),
                ]
    return rows


def row(what, asked, measured, peer, unit) -> dict:
    return {"what": what, "asked": asked, "measured": measured, "peer": peer, "unit": unit}


def run_alone(part: str, threads: int, *arguments: int) -> dict:
    """Run a part of this file in a process of its own with so many threads."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.networks", part, count, *map(str, arguments)],
        env={**os.environ, **dict.fromkeys(names, count)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{part}: {done.returncode} {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def available_gb() -> float:
    import psutil

    return psutil.virtual_memory().available / 1e9


def take_turns(calls: dict, rounds: int = ROUNDS) -> dict:
    """Call all in turns, after a first time; give medians of seconds of the clock and of processors."""
    wall, cpu = ({name: [] for name in calls} for _ in range(2))
    for number in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter(), time.process_time()
            call()
            if number:
                wall[name].append(time.perf_counter() - began[0])
                cpu[name].append(time.process_time() - began[1])
    return {
        kind: {name: statistics.median(times) for name, times in found.items()}
        for kind, found in (("wall", wall), ("cpu", cpu))
    }


def mask_model() -> tuple[TrainedModel, str]:
    """Give the zoo's model, or until there is one its network with weights that are drawn."""
    if ZOO in {card.name for card in list_models()}:
        return load_model(ZOO), ZOO
    spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1})
    return drawn_model(spec), "untrained"


def drawn_model(spec: NetworkSpec) -> TrainedModel:
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), {spec.name: spec.sizes})
        with np.load(Path(folder) / f"{spec.name}.npz") as file:
            return TrainedModel(spec, ModelCard("drawn", normalize_A=12.0), dict(file))


def large_frame() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:LARGE_PX, :LARGE_PX] % 400 - 200
    return rng.poisson(np.where(y**2 + x**2 < 60**2, 28.0, 40.0)).astype(np.uint16)


def peak_mb() -> float:
    """Most memory that this process has held [MB]."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure_msdnet(threads: int) -> dict:
    from temflux.engine.learn.runtimes import choose_runtime

    model = drawn_model(NetworkSpec("msdnet", {"in_channels": 1, "out_channels": 1, **MSDNET}))
    images = np.random.default_rng(0).normal(size=(1, FRAME_PX, FRAME_PX, 1)).astype(np.float32)
    runs = {
        name: choose_runtime(model, (1, FRAME_PX, FRAME_PX), runtime=name, threads=threads)
        for name in ("fused", "openvino", "onnx", "keras")
        if name in ("fused", "keras") or find_spec({"onnx": "onnxruntime"}.get(name, name))
    }
    compiled = model.network.__class__.from_config(model.network.get_config())
    compiled.set_weights(model.network.get_weights())
    compiled.compile(jit_compile=True)
    calls = {**runs, "XLA": lambda images: compiled.predict_on_batch(images)}
    expected = calls["keras"](images)
    errors = {name: float(np.abs(call(images) - expected).max()) for name, call in calls.items()}
    times = take_turns({name: lambda call=call: call(images) for name, call in calls.items()})
    return {**times, "errors": errors, "spread": float(np.ptp(expected))}


def measure_unet(threads: int, side: int) -> dict:  # noqa: ARG001
    from temflux.models.networks import build_network

    # So that this process is the one to go where memory runs out.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    network = build_network("unet", in_channels=1, out_channels=1)
    frame = np.random.default_rng(0).normal(size=(LARGE_PX, LARGE_PX)).astype(np.float32)
    pieces = frame.reshape(LARGE_PX // side, side, LARGE_PX // side, side).swapaxes(1, 2)
    pieces = pieces.reshape(-1, side, side, 1)
    times = take_turns({"unet": lambda: network.predict(pieces, batch_size=1, verbose=0)}, 3)
    return {"wall": times["wall"]["unet"], "cpu": times["cpu"]["unet"], "peak_mb": peak_mb()}


def measure_compact(threads: int) -> dict:
    from temflux.engine.learn.predict import Predictor

    model, weights = mask_model()
    predictor, frame = Predictor(model, threads=threads), large_frame()
    low, high = model.card.sampling_A or (0.1, 0.1)
    sampling_A = (low + high) / 2
    began = time.perf_counter()
    predictor(frame, sampling_A=sampling_A)
    first_s = time.perf_counter() - began
    times = take_turns({"compact": lambda: predictor(frame, sampling_A=sampling_A)})
    return {
        "wall": times["wall"]["compact"],
        "cpu": times["cpu"]["compact"],
        "peak_mb": peak_mb(),
        "first_s": first_s,
        "weights": weights,
        "runtime": predictor.runtime_for(predictor.plan(frame.shape)).name,
    }


def measure_equality(threads: int) -> dict:
    from temflux.engine.images.standardise import standardise
    from temflux.engine.learn.runtimes import choose_runtime

    model, _ = mask_model()
    images = standardise(large_frame()[:FRAME_PX, :FRAME_PX], sigma_px=100)[np.newaxis, ..., np.newaxis]
    names = [
        name
        for name, package in (("keras", "keras"), ("onnx", "onnxruntime"), ("openvino", "openvino"))
        if find_spec(package)
    ]
    shape = (1, FRAME_PX, FRAME_PX)
    maps = {name: choose_runtime(model, shape, runtime=name, threads=threads)(images) for name in names}
    expected = maps.pop("keras")
    return {
        "difference": {name: float(np.abs(one - expected).max()) for name, one in maps.items()},
        "changed": {name: int(np.sum((one > 0.5) != (expected > 0.5))) for name, one in maps.items()},
        "pixels": int(np.sum(expected > 0.5)),
    }


if __name__ == "__main__":
    part, *numbers = sys.argv[1:]
    measure = {
        "msdnet": measure_msdnet,
        "unet": measure_unet,
        "compact": measure_compact,
        "equality": measure_equality,
    }[part]
    sys.stdout.write(json.dumps(measure(*map(int, numbers))) + "\n")
