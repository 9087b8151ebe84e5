"""What napari's tests share: commands chosen as the menus choose them, and messages read."""

from temflux.engine.base.stack import Stack
from tests.movies import FRAME_S, PIXEL_NM

SCALE = (FRAME_S, PIXEL_NM, PIXEL_NM)
UNITS = ("s", "nm", "nm")


def calibrated(array, name):
    return Stack.from_array(array, pixel_nm=PIXEL_NM, frame_s=FRAME_S, name=name)


def choose(command, qtbot):
    """Choose a command of the menus, and wait for its work to end; None where none began."""
    running = begin(command)
    if running is not None:
        wait_for(running, qtbot)
    return running


def begin(command):
    from napari._app_model import get_app_model

    return get_app_model().commands.execute_command(command).result()


def wait_for(running, qtbot):
    with qtbot.waitSignal(running.ended, timeout=60_000):
        pass


def messages():
    """All that the window has told the user, with the kind of each message."""
    from napari.utils.notifications import notification_manager

    return [(str(record.severity), record.message) for record in notification_manager.records]


def units_of(layer):
    return [f"{unit:~}" for unit in layer.units]


def stand_in_for_opengl(replace=setattr):
    """Where there is no OpenGL, answer what layers ask of it: nothing is drawn, all else works."""
    from qtpy.QtGui import QOpenGLContext
    from qtpy.QtWidgets import QApplication
    from vispy.gloo import gl

    QApplication.instance() or QApplication([])
    if not QOpenGLContext().create():
        known = {gl.GL_EXTENSIONS: ""}
        replace(gl, "glGetParameter", lambda name: known.get(name, 2048))
