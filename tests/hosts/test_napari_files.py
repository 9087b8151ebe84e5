"""napari's manifest, and files of all kinds in and out of its window."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from temflux.engine.files.labels import create_labels
from temflux.engine.files.read import KNOWN_SUFFIXES, open_movie
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.files.dm4 import write_dm4, write_in_situ
from tests.hosts.napari_window import SCALE, UNITS, calibrated, messages, units_of
from tests.movies import FRAME_S, PIXEL_NM, disc_movie

MANIFEST = Path(__file__).parents[2] / "dragonfly_plugin" / "napari_host" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    npe2 = pytest.importorskip("npe2", reason="napari is not installed; the extra napari brings it")
    return npe2.PluginManifest.from_file(MANIFEST)


@pytest.fixture(scope="module")
def movie():
    return np.random.default_rng(0).integers(0, 999, (5, 16, 17)).astype(np.uint16)


def test_the_manifest_is_valid_and_all_it_names_is_there(manifest):
    manifest.validate_imports()
    assert {menu.command for menus in manifest.contributions.menus.values() for menu in menus} == {
        f"temflux.{name}"
        for name in ("label", "segment", "spectrum", "properties", "peaks", "events", "track", "page")
    }


def test_napari_takes_every_menu(manifest):
    from napari._app_model.constants._menus import is_menu_contributable

    assert all(is_menu_contributable(menu) for menu in manifest.contributions.menus)


def test_the_readers_know_what_the_engine_knows(manifest):
    (reader,) = manifest.contributions.readers
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in KNOWN_SUFFIXES} | {"*tracks*.csv"}
    assert reader.accepts_directories


def test_the_menus_show_the_items(viewer):
    from napari._app_model import get_app_model

    shown = {
        item.command.id
        for menu in ("segment", "transform", "measure", "track")
        for item in get_app_model().menus.get_menu(f"napari/layers/{menu}")
        if hasattr(item, "command")
    }
    assert {f"temflux.{name}" for name in ("label", "spectrum", "properties", "page")} <= shown
    assert any("temflux" in name for name in shown if name.endswith("track"))
    assert viewer.layers == []


def write_mrc(path, frames):
    """An MRC file of unsigned 16 bit numbers."""
    count, rows, columns = frames.shape
    sides = [10 * PIXEL_NM * columns, 10 * PIXEL_NM * rows, float(count)]
    head = struct.pack("<10i", columns, rows, count, 6, 0, 0, 0, columns, rows, count)
    head += struct.pack("<6f3i", *sides, 90, 90, 90, 1, 2, 3)
    path.write_bytes(head.ljust(208, b"\0") + b"MAP DA\0\0".ljust(816, b"\0") + frames.tobytes())


def test_movies_are_dragged_onto_the_window(viewer, movie, tmp_path):
    write_dm4(tmp_path / "stack.dm4", movie, pixel_nm=PIXEL_NM, frame_s=FRAME_S)
    clock = [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0), (0, 0, 4, 0), (0, 0, 4, 1)]
    write_in_situ(tmp_path / "in situ", movie, clock, rate_hz=1 / FRAME_S)
    write_mrc(tmp_path / "stack.mrc", movie)
    (tmp_path / "tiffs").mkdir()
    for number, frame in enumerate(movie):
        tifffile.imwrite(tmp_path / "tiffs" / f"{number}.tif", frame)
    known = {"stack.dm4": ("s", "nm", "nm"), "in situ": ("s", "nm", "nm")}
    known |= {"stack.mrc": ("pixel", "nm", "nm"), "tiffs": ("pixel",) * 3}
    for name, units in known.items():
        (layer,) = viewer.open(tmp_path / name, plugin="temflux")
        assert type(layer.data).__module__.startswith("dask")
        assert layer.data.chunks[0] == (1,) * 5
        np.testing.assert_array_equal(np.asarray(layer.data), movie, err_msg=name)
        assert units_of(layer) == list(units), name
        lengths = PIXEL_NM if units[1] == "nm" else 1
        assert layer.scale[1:] == pytest.approx([lengths] * 2)
    in_situ = viewer.layers["in situ"]
    assert in_situ.scale[0] == FRAME_S
    # The gap stays known, which one step from frame to frame cannot say.
    assert in_situ.metadata["temflux"].stack.times_s.tolist() == [0, 0.5, 1, 4, 4.5]
    assert in_situ.contrast_limits[1] < 1000


def test_what_cannot_be_read_is_told_in_one_line(viewer, tmp_path):
    (tmp_path / "broken.dm4").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    (tmp_path / "tracks.csv").write_text("a,b\n1,2\n")
    for name in ("broken.dm4", "empty", "tracks.csv"):
        viewer.open(tmp_path / name, plugin="temflux")
    assert len(viewer.layers) == 0
    told = [text for kind, text in messages() if kind == "error"]
    assert len(told) == 3
    assert all(str(tmp_path) in text and "\n" not in text for text in told)


def test_a_folder_of_results_is_dragged_onto_the_window(viewer, tmp_path):
    frames, masks = disc_movie()
    np.save(tmp_path / "masks.npy", masks)
    settings = TrackSettings(segment=f"masks:{tmp_path / 'masks.npy'}", min_separation_nm=0.8)
    result = track(calibrated(frames, "discs"), settings, out=tmp_path / "discs")
    viewer.open(tmp_path / "discs", plugin="temflux")
    assert [layer.name for layer in viewer.layers] == ["discs, labels", "discs, tracks"]
    labels, tracks = viewer.layers
    np.testing.assert_array_equal(np.asarray(labels.data), result.labels[:])
    assert tracks.features["particle"].nunique() == 3
    for layer in (labels, tracks):
        np.testing.assert_allclose(layer.scale, SCALE)
        assert units_of(layer) == list(UNITS)
    viewer.open(tmp_path / "discs" / "tracks.csv", plugin="temflux")
    alone = viewer.layers["discs, tracks [1]"]
    np.testing.assert_array_equal(alone.data, tracks.data)
    np.testing.assert_allclose(alone.scale, SCALE)


def test_labels_are_written_and_read_back(viewer, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 9, (3, 12, 14)).astype(np.int32)
    layer = viewer.add_labels(pixels, name="mine", scale=SCALE, units=UNITS)
    for name in ("a.zarr", "a.ome.tif", "a.npy"):
        assert layer.save(str(tmp_path / name), plugin="temflux") == [str(tmp_path / name)]
        stack = open_movie(tmp_path / name, painted=True)
        np.testing.assert_array_equal(stack.read(0, 3), pixels)
        if name != "a.npy":
            assert stack.pixel_nm == pytest.approx(PIXEL_NM)
            assert stack.frame_s == pytest.approx(FRAME_S)
    (read,) = viewer.open(tmp_path / "a.zarr", plugin="temflux")
    assert type(read).__name__ == "Labels"
    np.testing.assert_array_equal(np.asarray(read.data), pixels)
    np.testing.assert_allclose(read.scale, SCALE)


def test_labels_do_not_replace_a_store(viewer, tmp_path):
    create_labels(tmp_path / "a.zarr", shape=(1, 4, 4), pixel_nm=None, frame_s=None)
    layer = viewer.add_labels(np.ones((2, 8, 8), np.uint8))
    with pytest.warns(UserWarning, match="did not return any written paths"):
        assert layer.save(str(tmp_path / "a.zarr"), plugin="temflux") == []
    assert open_movie(tmp_path / "a.zarr", painted=True).shape == (1, 4, 4)
    assert [kind for kind, _ in messages()] == ["error"]


def test_tracks_are_written_and_read_back(viewer, tmp_path):
    vertices = np.array([[1, 0, 2, 3], [1, 1, 2, 4], [2, 2, 1, 4], [3, 2, 5, 4], [2, 3, 1, 5.5]])
    features = {"particle": [1, 1, 1, 2, 1]}
    layer = viewer.add_tracks(
        vertices, graph={2: [1], 3: [1]}, features=features, scale=SCALE, units=UNITS, name="mine"
    )
    path = tmp_path / "my tracks.csv"
    layer.save(str(path), plugin="temflux")
    (read,) = viewer.open(path, plugin="temflux")
    np.testing.assert_allclose(read.data, layer.data)
    assert read.graph == layer.graph
    np.testing.assert_array_equal(read.features["particle"], layer.features["particle"])
    np.testing.assert_allclose(read.scale, SCALE)


def test_the_demos_movie_is_a_sample(viewer):
    (layer,) = viewer.open_sample("temflux", "demo")
    assert layer.data.shape == (40, 512, 512)
    assert units_of(layer) == list(UNITS)
    assert layer.metadata["temflux"].stack.dose_e_per_A2 is not None


@pytest.mark.usefixtures("manifest")
def test_what_the_items_work_with_is_there_before_the_first_click():
    script = """
import sys, threading
from npe2 import PluginManager
manager = PluginManager()
manager.discover()
assert "scipy" not in sys.modules
manager.activate("temflux")
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
assert "temflux.dragonfly_plugin.menu" in sys.modules
"""
    # In a process of its own: here all is imported.
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
