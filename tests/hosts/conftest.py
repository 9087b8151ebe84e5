"""Fixtures for the hosts' tests."""

import os
import sys

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


@pytest.fixture
def viewer(request, monkeypatch):
    """A window of napari's; without OpenGL it draws nothing, and all else of it works."""
    pytest.importorskip("napari", reason="napari is not installed; the extra napari brings it")
    from napari.utils.notifications import notification_manager

    from tests.hosts.napari_window import stand_in_for_opengl

    make = request.getfixturevalue("make_napari_viewer")
    stand_in_for_opengl(monkeypatch.setattr)
    notification_manager.records.clear()
    return make()
