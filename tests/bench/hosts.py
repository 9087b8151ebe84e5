"""Menu items in napari against the same call on arrays; what the window waits for; what start-up costs."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

FRAMES, SIZE, PER_SIDE = 200, 1024, 10
SEPARATION_NM, PIXEL_NM = 2.0, 0.1
ROUNDS, STARTS = 3, 5
TICK_MS = 10

# In processes of their own: a window leaves threads behind, and an import is made once.
_LABEL = "import json; from tests.bench.hosts import label_in_window; print(json.dumps(label_in_window()))"
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
    if importlib.util.find_spec("napari") is None:
        return []
    found = json.loads(_run(_LABEL))
    setting = f"{FRAMES} frames of {SIZE}², {PER_SIDE**2} particles"
    menu_s, painted_s, arrays_s = (
        statistics.median(found[name]) for name in ("menu_s", "painted_s", "arrays_s")
    )
    starts = [float(_run(_IMPORT)) for _ in range(STARTS)]
    return [
        {"what": f"napari: label from the menu until its layers are there, {setting}", "asked": "<= 1.05",
         "measured": menu_s / arrays_s, "peer": f"label_movie: {arrays_s:.2f} s", "unit": "times as long"},
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
    found: dict[str, list[float]] = {"menu_s": [], "painted_s": [], "arrays_s": [], "gaps_ms": []}
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
            found["painted_s"].append(painted_s)
            found["arrays_s"].append(arrays_s)
            found["gaps_ms"].append(1000 * float(np.diff(ticks).max()))
    viewer.close()
    return found


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
