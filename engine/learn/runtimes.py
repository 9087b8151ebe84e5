"""What runs a network: Keras, an exchange format's own runtime, or the project's kernels."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..base.compiled import use_compiled
from ..base.errors import DataError, SettingsError, WriteError
from ..files.atomic import write_errors
from .trained import TrainedModel

RUNTIMES = ("auto", "fused", "openvino", "onnx", "keras")
# Packages beside Keras that a runtime needs, with those to export to it.
_NEEDS = {
    "fused": ("numba",),
    "openvino": ("openvino",),
    "onnx": ("onnxruntime", "onnx", "tf2onnx"),
    "keras": (),
}
_FILE_NAMES = {"openvino": "model.xml", "onnx": "model.onnx"}
# What runtimes may differ by in a map before an export counts as failed.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Runtime:
    """A network ready to run.

    Parameters
    ----------
    name : str
        fused, openvino, onnx or keras.
    infer : callable
        Takes images (B, Y, X, F), float32; gives maps (B, Y, X, C), float32.

    Examples
    --------
    >>> Runtime("keras", lambda images: images)(np.zeros((1, 2, 2, 1))).shape
    (1, 2, 2, 1)
    """

    name: str
    infer: Callable[[np.ndarray], np.ndarray]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Run the network."""
        return self.infer(images)


def choose_runtime(
    trained: TrainedModel,
    shape: tuple[int, int, int],
    *,
    runtime: str = "auto",
    cache: str | Path | None = None,
    threads: int | None = None,
) -> Runtime:
    """Make a network ready to run on images of one shape.

    Parameters
    ----------
    trained : TrainedModel
        Network.
    shape : (int, int, int)
        Images at a time, their rows and columns.
    runtime : {"auto", "fused", "openvino", "onnx", "keras"}
        What runs it; "auto" takes the first of these that is installed and knows the network.
    cache : str, Path or None
        Folder for exported networks; None for TEMFLUX_CACHE, or .cache/temflux in the home folder.
    threads : int or None
        Threads of a run, except Keras's; None for the runtime's own choice, all cores.

    Returns
    -------
    Runtime
        To be called with images (B, Y, X, F).

    Raises
    ------
    SettingsError
        If the runtime is unknown, not installed, or does not know the network.
    DataError
        If an exported network does not give what Keras gives.
    WriteError
        If the cache cannot be written; "auto" takes the next runtime then.

    Notes
    -----
    Seconds for one image of 512² px, after the first, with two threads of a Zen 5 server: an MSD-net of 50
    layers of 3 channels takes 0.27 (fused), 1.38 (openvino), 2.03 (onnx) and 2.38 (keras).

    An export takes Keras and 3 to 25 s, once for each network and shape; from then on Keras, with its
    600 MB, is not loaded. Maps of all runtimes are equal to 1e-4, which every export is checked for.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1})
    >>> choose_runtime(TrainedModel(spec, ModelCard("mine"), {}), (1, 64, 64), runtime="fused")
    Traceback (most recent call last):
    temflux.engine.base.errors.SettingsError: runtime fused runs MSD-nets only, not compact; use another
    """
    if runtime not in RUNTIMES:
        raise SettingsError(f"runtime: expected one of {', '.join(RUNTIMES)}, got {runtime!r}")
    if runtime != "auto":
        hindrance = _find_hindrance(trained, runtime)
        if hindrance:
            raise SettingsError(f"runtime {runtime} {hindrance}; use another")
        return _start(trained, shape, runtime, _cache_folder(cache), threads)
    for name in RUNTIMES[1:-1]:
        if _find_hindrance(trained, name) is None:
            try:
                return _start(trained, shape, name, _cache_folder(cache), threads)
            except (DataError, WriteError) as error:
                logging.getLogger(__name__).warning("runtime %s passed over: %s", name, error)
    return _start(trained, shape, "keras", _cache_folder(cache), threads)


def _cache_folder(cache: str | Path | None) -> Path:
    if cache is not None:
        return Path(cache)
    return Path(os.environ.get("TEMFLUX_CACHE") or Path.home() / ".cache" / "temflux")


def _find_hindrance(trained: TrainedModel, name: str) -> str | None:
    """Say why a runtime cannot run a network; None where it can."""
    if name == "fused":
        if trained.spec.name != "msdnet":
            return f"runs MSD-nets only, not {trained.spec.name}"
        return None if use_compiled(None) else "needs numba, which is not installed"
    lacking = [package for package in _NEEDS[name] if find_spec(package) is None]
    return (
        f"needs {', '.join(lacking)}, which is not installed (pip install 'temflux[fast]')"
        if lacking
        else None
    )


def _start(
    trained: TrainedModel, shape: tuple[int, int, int], name: str, cache: Path, threads: int | None
) -> Runtime:
    if name == "fused":
        from .fused_msdnet import FusedMSDNet

        activation = trained.spec.activation
        return Runtime(name, FusedMSDNet(trained.weights, activation=activation, threads=threads))
    if name == "keras":
        return Runtime(name, _start_keras(trained))
    opener = _open_openvino if name == "openvino" else _open_onnx
    key = f"{trained.fingerprint[:32]}-{'x'.join(map(str, shape))}-{name}"
    file = cache / "exported" / key / _FILE_NAMES[name]
    if file.is_file():
        try:
            return Runtime(name, opener(file, threads))
        # Whatever the runtime says of a file cut short: it is made again.
        except Exception:
            shutil.rmtree(file.parent, ignore_errors=True)
    _export(trained, shape, name, file)
    return Runtime(name, opener(file, threads))


def _start_keras(trained: TrainedModel) -> Callable[[np.ndarray], np.ndarray]:
    network = trained.network
    # XLA takes longer to compile than it saves on a CPU.
    network.compile(jit_compile=False)
    # One function a shape: TensorFlow makes one for all shapes of the second, which some layers refuse.
    functions: dict[tuple[int, ...], Any] = {}

    def infer(images: np.ndarray) -> np.ndarray:
        network.predict_function = functions.get(images.shape)
        maps = np.asarray(network.predict_on_batch(images))
        functions[images.shape] = network.predict_function
        return maps

    return infer


def _import_openvino() -> Any:
    """Import OpenVINO without the package by which it reports its use over the network, import included."""
    hidden = "openvino_telemetry"
    silent = hidden not in sys.modules
    if silent:
        # What Python takes for a package that is not installed; OpenVINO then has a silent stand-in.
        sys.modules[hidden] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        if silent:
            del sys.modules[hidden]


def _open_openvino(file: Path, threads: int | None) -> Callable[[np.ndarray], np.ndarray]:
    openvino = _import_openvino()
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    # A copy, since the runtime writes the next maps to the same place.
    return lambda images: np.array(compiled(images)[0])


def _open_onnx(file: Path, threads: int | None) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def _export(trained: TrainedModel, shape: tuple[int, int, int], name: str, file: Path) -> None:
    """Export a network for images of one shape, see that it gives the same maps, and keep it as `file`."""
    with write_errors(file):
        file.parent.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".export-", dir=file.parent.parent))
        try:
            _write_export(trained, (*shape, trained.spec.in_channels), name, folder / file.name)
            try:
                folder.replace(file.parent)
            except OSError:
                # Another process was faster.
                if not file.is_file():
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _write_export(trained: TrainedModel, shape: tuple[int, ...], name: str, file: Path) -> None:
    import keras

    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    network = trained.network
    if name == "openvino":
        _import_openvino()
    signature = [keras.InputSpec(shape=shape, dtype="float32")]
    converter = logging.getLogger("tf2onnx")
    level = converter.level
    converter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.export(str(file), format=name, verbose=False, input_signature=signature)
        maps = (_open_openvino if name == "openvino" else _open_onnx)(file, None)(images)
    except OSError:
        raise
    # Exporters raise all kinds of errors for layers that they do not know.
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"runtime {name}: the network could not be exported ({type(error).__name__}: {first[:100]}); use "
            'runtime="keras"'
        ) from error
    finally:
        converter.setLevel(level)
    difference = float(np.abs(maps - _start_keras(trained)(images)).max())
    if not difference <= _TOLERANCE:
        raise DataError(f'runtime {name}: maps differ from Keras\'s by {difference:.1g}; use runtime="keras"')
