"""The command `temflux menus`: menu items into Dragonfly and out again, and what they ask of this Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from cyclopts import App

Host = Literal["dragonfly"]

app = App(
    name="menus",
    help="Menu items inside Dragonfly: install, remove, check.",
    version_flags=(),
)


@app.command
def install(host: Host, /, *, to: Path | None = None, version: str | None = None) -> int:
    """Write the menu items and a private copy of what they need into Dragonfly's folder.

    Parameters
    ----------
    host : {"dragonfly"}
        The program; restart it afterwards.
    to : Path or None
        Its folder of Python extensions; where not given, the one of your newest Dragonfly on Windows.
    version : str or None
        Dragonfly's version, such as 2024.1, where several are installed.

    Returns
    -------
    int
        0.
    """
    from .installing import find_extensions, install_dragonfly

    folder = to or find_extensions(version)
    made = install_dragonfly(folder, dragonfly=version or "")
    n_items = sum(not name.startswith("temflux/") for name in made.files)
    _say(f"{n_items} menu items of temflux {made.version} are in {folder}; start {host.title()} again")
    return 0


@app.command
def uninstall(host: Host, /, *, to: Path | None = None, version: str | None = None) -> int:
    """Remove what install wrote, and nothing else; files changed since are left.

    Parameters
    ----------
    host : {"dragonfly"}
        The program.
    to : Path or None
        Its folder of Python extensions, as for install.
    version : str or None
        Dragonfly's version, as for install.

    Returns
    -------
    int
        0.
    """
    from .installing import find_extensions, uninstall_dragonfly

    folder = to or find_extensions(version)
    kept = uninstall_dragonfly(folder)
    _say(f"the menu items are gone from {folder}; start {host.title()} again")
    for path in kept:
        _say(f"left, since it was changed: {path}")
    return 0


@app.command
def status(host: Host, /, *, to: Path | None = None, version: str | None = None) -> int:
    """Say what is installed, of which version, and whether files were changed.

    Parameters
    ----------
    host : {"dragonfly"}
        The program.
    to : Path or None
        Its folder of Python extensions, as for install.
    version : str or None
        Dragonfly's version, as for install.

    Returns
    -------
    int
        0 where all is as it was written, 1 where a file is changed or missing.
    """
    from .installing import find_extensions, installed_dragonfly

    there = installed_dragonfly(to or find_extensions(version))
    _say(f"{host.title()}: temflux {there.version}, {len(there.files)} files of {there.date}: {there.folder}")
    _say(f"Python for models and pages: {there.python}")
    for what, names in (("changed", there.changed), ("missing", there.missing)):
        for name in names:
            _say(f"{what}: {name}")
    return 1 if there.changed or there.missing else 0


@app.command
def check() -> int:
    """Print a script for Dragonfly's console: it says whether all that temflux uses is there.

    Returns
    -------
    int
        0.
    """
    sys.stdout.write(
        f"{Path(__file__).with_name('console_check.py').read_text(encoding='utf-8')}\n\nreport()\n"
    )
    return 0


@app.command
def segment(model: str, movie: str, /, *, out: Path) -> int:
    """Mark the particles of a movie with a trained network; what menu items in Dragonfly ask for.

    Parameters
    ----------
    model : str
        Name of the zoo (see temflux models), or a model's folder.
    movie : str
        A calibrated movie's file or folder.
    out : Path
        An .npy file for the masks (frames, rows, columns), written whole or not at all. How far it has come
        is said as lines "done total".

    Returns
    -------
    int
        0.
    """
    from .segmenting import write_masks

    for line in write_masks(model, movie, out):
        _say(line)
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
