"""Take the README's pictures of napari: the demo's movie tracked in its window, on a screen made for it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1500, 940
FRAME = 20
SECONDS = 300


@contextmanager
def screen() -> Iterator[None]:
    """A screen that nobody looks at, where there is none: the window draws with OpenGL, which needs one."""
    if os.environ.get("DISPLAY") or sys.platform != "linux":
        yield
        return
    if shutil.which("Xvfb") is None:
        raise SystemExit(
            "expected a screen or Xvfb to take pictures of windows, found none; install xvfb first"
        )
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1200x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as told:
            os.environ["DISPLAY"] = f":{told.readline().strip()}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        yield
    finally:
        server.terminate()
        server.wait()


def wait_for(running) -> None:
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    running.ended.connect(loop.quit)
    QTimer.singleShot(1000 * SECONDS, loop.quit)
    loop.exec()


def settle() -> None:
    """Let the window draw what has changed."""
    from qtpy.QtTest import QTest

    QTest.qWait(1500)


def save(pixels, name: str) -> None:
    from PIL import Image

    path = HERE / f"{name}.png"
    # A palette is enough for a window, and keeps the repository small.
    picture = Image.fromarray(pixels[..., :3])
    picture.quantize(256, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)


def take() -> None:
    import napari
    from napari._app_model import get_app_model

    # Shown once the work is done: drawing without a graphics card takes its processor.
    viewer = napari.Viewer(show=False, title="temflux")
    viewer.open_sample("temflux", "demo")
    _, dock = viewer.window.add_plugin_dock_widget("temflux", "temflux track")
    dock.form.set_value("min_separation_nm", 1.0)
    wait_for(dock.start())
    viewer.window.resize(WIDTH, HEIGHT)
    viewer.show()
    scale_bar = viewer.canvas.overlays.scale_bar
    scale_bar.visible, scale_bar.font_size = True, 14
    viewer.dims.set_current_step(0, FRAME)
    labels = next(layer for layer in viewer.layers if type(layer).__name__ == "Labels")
    labels.opacity = 0.45
    viewer.layers.selection = {labels}
    viewer.reset_view()
    settle()
    save(viewer.screenshot(canvas_only=False, flash=False), "napari")
    labels.selected_label = 1
    spectrum = get_app_model().commands.execute_command("temflux.spectrum").result()
    wait_for(spectrum)
    spectra = napari.current_viewer()
    spectra.window.resize(900, 700)
    settle()
    save(spectra.screenshot(canvas_only=False, flash=False), "napari-spectra")
    spectra.close()
    viewer.close()


if __name__ == "__main__":
    with screen(), tempfile.TemporaryDirectory() as config:
        os.environ["NAPARI_CONFIG"] = str(Path(config) / "settings.yaml")
        take()
