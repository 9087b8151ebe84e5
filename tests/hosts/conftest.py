"""Fixtures for the hosts' tests."""

import os
import sys
from importlib.util import find_spec

import pytest

from temflux.dragonfly_plugin.installing import install_dragonfly
from tests.hosts.dragonfly_double import pretended_host

# Before Qt is loaded: windows without a screen.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def extensions(tmp_path_factory):
    """Dragonfly's folder of extensions, with the menu items in it; to be looked at, not changed."""
    folder = tmp_path_factory.mktemp("pythonUserExtensions")
    install_dragonfly(folder, dragonfly="2024.1")
    return folder


@pytest.fixture
def dragonfly(monkeypatch):
    """The strict double in the place of Dragonfly; whatever an item left half-made fails the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pretended_host() as host:
        yield host
        assert not host.left_over()
        assert not host.answers
        for bar in host.progresses:
            assert bar._state.deleted
            assert bar._closed


def why_no_window():
    """Say what keeps windows from being made here; nothing does where this is empty."""
    if find_spec("napari") is None:
        return "napari is not installed; the extra napari brings it"
    try:
        import PySide6.QtGui  # noqa: F401
    except ImportError as error:
        # On a Linux without a desktop, say: libEGL.so.1 is missing.
        return f"Qt cannot be loaded: {error}"
    return ""


if why_no_window():

    @pytest.fixture
    def qtbot():
        """Stand in for pytest-qt, which `make test` then leaves out."""
        pytest.skip(why_no_window())


@pytest.fixture
def viewer(request, monkeypatch):
    """A window of napari's; without OpenGL it draws nothing, and all else of it works."""
    if why_no_window():
        pytest.skip(why_no_window())
    from napari.utils.notifications import notification_manager

    from tests.hosts.napari_window import stand_in_for_opengl

    make = request.getfixturevalue("make_napari_viewer")
    stand_in_for_opengl(monkeypatch.setattr)
    notification_manager.records.clear()
    return make()
