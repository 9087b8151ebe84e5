"""Runtimes give the same maps, choose by what is there, and keep exported networks whole."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError, WriteError
from temflux.engine.learn import runtimes
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.runtimes import choose_runtime
from temflux.engine.learn.trained import NetworkSpec, TrainedModel
from temflux.models.networks import build_network

CARD = ModelCard("mine")
SHAPE = (2, 32, 48)
INSTALLED = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"no {package}"))
    for name, package in (("openvino", "openvino"), ("onnx", "tf2onnx"), ("keras", "keras"))
]


def model(name, **sizes):
    spec = NetworkSpec(name, {"in_channels": 1, "out_channels": 2, "activation": "softmax", **sizes})
    return TrainedModel.from_network(build_network(name, **spec.arguments), spec, CARD)


@pytest.fixture(scope="module")
def compact():
    return model("compact", levels=2, channels=4)


@pytest.fixture(scope="module")
def msdnet():
    return model("msdnet", layers=4, kernel=3)


def images(seed=0):
    return np.random.default_rng(seed).normal(size=(*SHAPE, 1)).astype(np.float32)


def assert_same_masks(maps, expected):
    np.testing.assert_allclose(maps, expected, atol=1e-4)
    for threshold in (0.5, 0.9):
        sure = np.abs(expected - threshold) > 1e-4
        assert np.array_equal((maps > threshold)[sure], (expected > threshold)[sure])


@pytest.mark.parametrize("runtime", INSTALLED)
def test_same_maps_as_keras(tmp_path, compact, runtime):
    run = choose_runtime(compact, SHAPE, runtime=runtime, cache=tmp_path, threads=1)
    assert run.name == runtime
    first = run(images())
    second = run(images(1))
    assert first.dtype == np.float32
    assert_same_masks(first, np.asarray(compact.network(images(), training=False)))
    assert_same_masks(second, np.asarray(compact.network(images(1), training=False)))


def test_keras_takes_one_shape_after_the_other(compact):
    rng = np.random.default_rng(5)
    for shape in ((1, 64, 64), (1, 96, 64), (1, 64, 64)):
        batch = rng.normal(size=(*shape, compact.spec.in_channels)).astype(np.float32)
        maps = choose_runtime(compact, shape, runtime="keras")(batch)
        np.testing.assert_allclose(maps, np.asarray(compact.network(batch, training=False)), atol=1e-5)


def test_fused_is_the_choice_for_an_msdnet(tmp_path, msdnet):
    run = choose_runtime(msdnet, SHAPE, cache=tmp_path)
    assert run.name == "fused"
    assert_same_masks(run(images()), np.asarray(msdnet.network(images(), training=False)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("runtime", INSTALLED[:2])
def test_an_export_is_made_once_and_again_when_damaged(tmp_path, compact, runtime, monkeypatch):
    exports = []
    write = runtimes._write_export
    monkeypatch.setattr(runtimes, "_write_export", lambda *a: exports.append(a) or write(*a))
    for _ in range(2):
        run = choose_runtime(compact, SHAPE, runtime=runtime, cache=tmp_path)
    assert len(exports) == 1
    expected = run(images())
    del run
    (folder,) = (tmp_path / "exported").iterdir()
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    again = choose_runtime(compact, SHAPE, runtime=runtime, cache=tmp_path)
    assert len(exports) == 2
    np.testing.assert_allclose(again(images()), expected, atol=1e-6)
    assert [path.name for path in (tmp_path / "exported").iterdir()] == [folder.name]


def test_auto_passes_over_what_fails(tmp_path, compact, monkeypatch, caplog):
    def fail(*_):
        raise DataError("cannot be exported")

    monkeypatch.setattr(runtimes, "_write_export", fail)
    assert choose_runtime(compact, SHAPE, cache=tmp_path).name == "keras"
    assert len(caplog.records) == sum(find_spec(name) is not None for name in ("openvino", "tf2onnx"))


@pytest.mark.skipif(find_spec("openvino") is None, reason="no openvino")
def test_a_cache_that_cannot_be_written(tmp_path, compact):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(WriteError, match="cannot write"):
        choose_runtime(compact, SHAPE, runtime="openvino", cache=tmp_path / "cache")
    assert choose_runtime(compact, SHAPE, cache=tmp_path / "cache").name == "keras"


@pytest.mark.skipif(find_spec("openvino") is None, reason="no openvino")
def test_an_export_that_differs_is_refused(tmp_path, compact, monkeypatch):
    open_it = runtimes._open_openvino
    monkeypatch.setattr(runtimes, "_open_openvino", lambda *a: lambda x: open_it(*a)(x) + np.float32(2e-4))
    with pytest.raises(DataError, match=r"differ from Keras's by 0\.0002"):
        choose_runtime(compact, SHAPE, runtime="openvino", cache=tmp_path)
    assert list((tmp_path / "exported").iterdir()) == []


def test_the_environment_names_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMFLUX_CACHE", str(tmp_path / "own"))
    assert runtimes._cache_folder(None) == tmp_path / "own"
    monkeypatch.delenv("TEMFLUX_CACHE")
    assert runtimes._cache_folder(None).parts[-2:] == (".cache", "temflux")


def test_refusals(compact, msdnet, monkeypatch):
    with pytest.raises(SettingsError, match="expected one of auto"):
        choose_runtime(compact, SHAPE, runtime="tensorrt")
    with pytest.raises(SettingsError, match="MSD-nets only"):
        choose_runtime(compact, SHAPE, runtime="fused")
    monkeypatch.setattr(runtimes, "find_spec", lambda _: None)
    for name in ("openvino", "onnx"):
        with pytest.raises(SettingsError, match=r"not installed \(pip install 'temflux\[fast\]'\)"):
            choose_runtime(compact, SHAPE, runtime=name)
    monkeypatch.setattr(runtimes, "use_compiled", lambda _: False)
    with pytest.raises(SettingsError, match="numba"):
        choose_runtime(msdnet, SHAPE, runtime="fused")
    assert choose_runtime(msdnet, SHAPE).name == "keras"


def run_apart(script):
    """What a script prints in a Python of its own."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_optional_packages_are_not_imported_before_they_run():
    loaded = run_apart("import sys, temflux.engine.learn.predict; print(*sys.modules)")
    assert not {"openvino", "onnxruntime", "tf2onnx", "keras", "tensorflow", "numba"} & set(loaded)


@pytest.mark.skipif(find_spec("openvino_telemetry") is None, reason="no openvino_telemetry")
def test_openvino_reports_to_nobody():
    loaded = run_apart(
        "import sys; from temflux.engine.learn.runtimes import _import_openvino as load\n"
        "load().convert_model; load(); print(*sys.modules)"
    )
    assert "openvino.tools.ovc.telemetry_stub" in loaded
    assert not [name for name in loaded if name.startswith("openvino_telemetry")]
