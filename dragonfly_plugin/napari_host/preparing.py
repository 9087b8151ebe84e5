"""What is made ready when the window first asks for the plugin, so that the first click need not wait."""

from __future__ import annotations

from importlib import import_module
from threading import Thread


def prepare(_: object = None) -> Thread:
    """Import what the menu items work with, SciPy above all, in a thread.

    Parameters
    ----------
    _ : PluginContext
        What napari hands over; not used.

    Returns
    -------
    Thread
        Under way.

    Examples
    --------
    >>> prepare().join()
    """
    thread = Thread(target=import_module, args=("temflux.dragonfly_plugin.menu",), daemon=True)
    thread.start()
    return thread
