"""Menu items in napari against the same call on arrays; what the window waits for; what start-up costs."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FRAMES, SIZE, PER_SIDE = 200, 1024, 10
SEPARATION_NM, PIXEL_NM = 2.0, 0.1
ROUNDS, STARTS = 3, 5
TICK_MS = 10

# In processes of their own: a window leaves threads behind, and an import is made once.
_LABEL = "import json; from tests.bench.hosts import label_in_window; print(json.dumps(label_in_window()))"
_LABEL_IN_DRAGONFLY = (
    "import json; from tests.bench.hosts import label_in_dragonfly; print(json.dumps(label_in_dragonfly()))"
)
_IMPORT = """
import sys, time
import napari.layers, napari.qt.threading, napari.viewer, qtpy.QtWidgets
began = time.perf_counter()
for name in ("commands", "reading", "writing", "track_dock"):
    __import__("temflux.dragonfly_plugin.napari_host." + name)
assert "tensorflow" not in sys.modules
print(1000 * (time.perf_counter() - began))
"""


def bench() -> list[dict]:
    setting = f"{FRAMES} frames of {SIZE}², {PER_SIDE**2} particles"
    found = json.loads(_run(_LABEL_IN_DRAGONFLY))
    menu_s, double_s, arrays_s = (
        statistics.median(found[name]) for name in ("menu_s", "double_s", "arrays_s")
    )
    in_dragonfly = [
        {"what": f"Dragonfly's double: label from the menu until the multi-ROI is there, {setting}",
         "asked": "<= 1.05", "measured": menu_s / arrays_s, "peer": f"label_movie: {arrays_s:.2f} s",
         "unit": "times as long"},
        {"what": "the same without what the double itself does to make, fill and delete its objects",
         "asked": "<= 1.05", "measured": (menu_s - double_s) / arrays_s,
         "peer": f"the double: {double_s:.2f} s", "unit": "times as long"},
    ]  # fmt: skip
    return in_dragonfly if importlib.util.find_spec("napari") is None else in_dragonfly + in_napari(setting)


def in_napari(setting: str) -> list[dict]:
    """What labelling costs in a window of napari's."""
    found = json.loads(_run(_LABEL))
    menu_s, added_s, painted_s, arrays_s = (
        statistics.median(found[name]) for name in ("menu_s", "added_s", "painted_s", "arrays_s")
    )
    starts = [float(_run(_IMPORT)) for _ in range(STARTS)]
    return [
        {"what": f"napari: label from the menu until its layers are there, {setting}", "asked": "<= 1.05",
         "measured": menu_s / arrays_s, "peer": f"label_movie: {arrays_s:.2f} s", "unit": "times as long"},
        {"what": "the same without napari's own adding of the two layers (labels and tracks)",
         "asked": "", "measured": (menu_s - added_s) / arrays_s, "peer": f"adding: {added_s:.2f} s",
         "unit": "times as long"},
        {"what": "the same, and every frame painted into one array through the layer", "asked": "",
         "measured": (menu_s + painted_s) / arrays_s, "peer": "", "unit": "times as long"},
        {"what": "napari: longest wait of the window meanwhile, and while the layers are added",
         "asked": "<= 200", "measured": max(found["gaps_ms"]), "peer": "", "unit": "ms"},
        {"what": "napari: import of the plugin in a window's process, without TensorFlow",
         "asked": "<= 150", "measured": statistics.median(starts), "peer": "", "unit": "ms"},
    ]  # fmt: skip


def moving_discs() -> np.ndarray:
    """Masks (T, Y, X) of discs on a grid that drift, a pixel every few frames."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    step = SIZE / PER_SIDE
    masks = np.zeros((FRAMES, SIZE, SIZE), bool)
    for frame in range(FRAMES):
        drift = 0.1 * frame
        masks[frame] = np.hypot((y - drift) % step - step / 2, (x - drift) % step - step / 2) < 0.3 * step
    return masks


def label_in_window() -> dict[str, list[float]]:
    """Seconds from the menu and on arrays, in turn; and the longest wait of the window each time [ms]."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer

    from temflux.dragonfly_plugin.napari_host import commands
    from temflux.engine.measure.connectivity import label_movie
    from tests.hosts.napari_window import stand_in_for_opengl

    stand_in_for_opengl()
    masks = moving_discs()
    viewer = napari.Viewer(show=False)
    commands.ask_numbers = lambda *_: [SEPARATION_NM]
    layer = viewer.add_labels(
        masks.view(np.uint8), name="masks", scale=(1, PIXEL_NM, PIXEL_NM), units=("pixel", "nm", "nm")
    )
    loop, timer, ticks = QEventLoop(), QTimer(), []
    timer.setInterval(TICK_MS)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    names = ("menu_s", "added_s", "painted_s", "arrays_s", "gaps_ms")
    found: dict[str, list[float]] = {name: [] for name in names}
    adding_s: list[float] = []
    commands.add_layers = _timed(commands.add_layers, adding_s)
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        expected = label_movie(masks, min_separation_px=SEPARATION_NM / PIXEL_NM)
        arrays_s = time.perf_counter() - began
        viewer.layers.selection = {layer}
        ticks.clear()
        timer.start()
        began = time.perf_counter()
        running = commands.label_particles(viewer)
        running.ended.connect(loop.quit)
        loop.exec()
        worked = time.perf_counter() - began
        QTimer.singleShot(10 * TICK_MS, loop.quit)
        loop.exec()
        timer.stop()
        labels = next(one for one in viewer.layers if one.name == "masks: particles")
        # As the call on arrays does: all frames in one array.
        began = time.perf_counter()
        painted = np.empty(masks.shape, np.int32)
        for frame in range(FRAMES):
            painted[frame] = labels.data[frame]
        painted_s = time.perf_counter() - began
        np.testing.assert_array_equal(painted, expected)
        del painted, expected
        for one in [one for one in viewer.layers if one is not layer]:
            viewer.layers.remove(one)
        # The first turn compiles and imports what is used.
        if turn:
            found["menu_s"].append(worked)
            found["added_s"].append(adding_s[-1])
            found["painted_s"].append(painted_s)
            found["arrays_s"].append(arrays_s)
            found["gaps_ms"].append(1000 * float(np.diff(ticks).max()))
    viewer.close()
    return found


def label_in_dragonfly() -> dict[str, list[float]]:
    """Seconds from the menu of Dragonfly's double and on arrays, in turn."""
    from temflux.dragonfly_plugin.installing import install_dragonfly
    from temflux.engine.measure.connectivity import label_movie
    from tests.hosts import dragonfly_objects as objects
    from tests.hosts.dragonfly_double import pretended_host
    from tests.hosts.dragonfly_items import load_item

    masks = moving_discs()
    found: dict[str, list[float]] = {"menu_s": [], "double_s": [], "arrays_s": []}
    spent_s: list[float] = []
    objects.multiroi_from_dataset = _timed(objects.multiroi_from_dataset, spent_s)
    objects.Channel._initialize = _timed(objects.Channel._initialize, spent_s)
    objects.HostObject.deleteObject = _timed(objects.HostObject.deleteObject, spent_s)
    with tempfile.TemporaryDirectory() as folder, pretended_host() as host:
        install_dragonfly(Path(folder), dragonfly="2024.1")
        item = load_item(Path(folder), "label")
        roi = host.roi(masks, host.channel(masks.view(np.uint8), pixel_m=PIXEL_NM * 1e-9))
        for turn in range(ROUNDS + 1):
            began = time.perf_counter()
            expected = label_movie(masks, min_separation_px=SEPARATION_NM / PIXEL_NM)
            arrays_s = time.perf_counter() - began
            host.answers.append(str(SEPARATION_NM))
            spent_s.clear()
            began = time.perf_counter()
            assert host.choose(item, roi)
            worked = time.perf_counter() - began
            (made,) = host.published(host.MultiROI)
            np.testing.assert_array_equal(made._data[0], expected)
            double_s = sum(spent_s)
            made.deleteObject()
            del expected
            # The first turn compiles and imports what is used.
            if turn:
                found["double_s"].append(double_s)
                found["menu_s"].append(worked)
                found["arrays_s"].append(arrays_s)
    return found


def _timed(function, spent_s: list[float]):
    """The same function; what each call takes is added to a list [s]."""

    def timed(*given, **named):
        began = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            spent_s.append(time.perf_counter() - began)

    return timed


def _run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    return done.stdout.strip().splitlines()[-1]
