"""Menu items into Dragonfly's folder and out of it again: nothing else there is touched.

What is written: GenericMenuItems/<item>.py, one file an item, and temflux/ with a private copy of the light
half, settings.json and manifest.json, which lists every file with its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import temflux.engine
from temflux.engine.base.errors import ReadError, SettingsError
from temflux.engine.files.atomic import write_errors

from .dragonfly_host.items import host_items
from .item_file import IDENTIFIERS, item_class, item_text

_ITEMS, _HOME = "GenericMenuItems", "temflux"
_MANIFEST, _SETTINGS = f"{_HOME}/manifest.json", f"{_HOME}/settings.json"
_LIGHT = (
    "engine/__init__.py",
    "engine/base/*.py",
    "engine/images/*.py",
    "engine/measure/**/*.py",
    "dragonfly_plugin/__init__.py",
    "dragonfly_plugin/menu.py",
    "dragonfly_plugin/results.py",
    "dragonfly_plugin/selection.py",
    "dragonfly_plugin/tables.py",
    "dragonfly_plugin/dragonfly_host/*.py",
)
_NAMES = "Dragonfly*"
_ASIDE = ".before"
_EXTENSIONS = "pythonUserExtensions"


@dataclass(frozen=True)
class Installed:
    """What of temflux lies in Dragonfly's folder.

    Parameters
    ----------
    folder : Path
        Dragonfly's folder of extensions.
    version : str
        Version of temflux.
    date : str
        When it was installed.
    python : str
        The Python that segmentation and pages are asked of.
    files : tuple of str
        What was written, below the folder.
    changed, missing : tuple of str
        Those that were changed since, and those that are gone.
    """

    folder: Path
    version: str
    date: str
    python: str
    files: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]


def install_dragonfly(folder: Path, *, dragonfly: str = "") -> Installed:
    """Write the menu items and their private copy, whole or not at all; an earlier version is replaced.

    Parameters
    ----------
    folder : Path
        Dragonfly's folder of extensions; must be there.
    dragonfly : str
        Dragonfly's version, for the items' headers.

    Returns
    -------
    Installed
        What lies there now.

    Raises
    ------
    SettingsError
        If the folder is not there, or something that is not ours has one of our names.
    WriteError
        If the system refuses; what was there before is left.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not there; give --to the folder of Dragonfly's Python extensions")
    before = _manifest(folder)
    _refuse_strangers(folder, before)
    with write_errors(folder):
        # Beside what it will replace, so that a rename is all that is left to do.
        fresh = Path(tempfile.mkdtemp(prefix=".temflux-", dir=folder))
        try:
            written = _write_all(fresh, folder, dragonfly)
            _swap(fresh, folder, sorted(written), sorted({} if before is None else before["files"]))
        except BaseException:
            # What could not be put back must not be lost.
            if not any(path.is_file() for path in (fresh / _ASIDE).rglob("*")):
                shutil.rmtree(fresh, ignore_errors=True)
            raise
        shutil.rmtree(fresh, ignore_errors=True)
    return installed_dragonfly(folder)


def uninstall_dragonfly(folder: Path) -> list[Path]:
    """Remove what was installed, and nothing else.

    Parameters
    ----------
    folder : Path
        Dragonfly's folder of extensions.

    Returns
    -------
    list of Path
        Files that were left since they were changed after they were written.

    Raises
    ------
    ReadError
        If nothing is installed there.
    WriteError
        If the system refuses.
    """
    there = installed_dragonfly(folder)
    kept = [name for name in there.changed if name != _SETTINGS]
    with write_errors(folder):
        for name in there.files:
            if name not in kept:
                (folder / name).unlink(missing_ok=True)
        (folder / _MANIFEST).unlink()
        _remove_empty(folder, {*there.files, _MANIFEST})
    return [folder / name for name in kept]


def installed_dragonfly(folder: Path) -> Installed:
    """Say what of temflux lies in Dragonfly's folder.

    Parameters
    ----------
    folder : Path
        Dragonfly's folder of extensions.

    Returns
    -------
    Installed
        Version, files, and what was changed.

    Raises
    ------
    ReadError
        If nothing is installed there.
    """
    manifest = _manifest(folder)
    if manifest is None:
        raise ReadError(
            f"no menu items of temflux are in {folder}; `temflux menus install dragonfly` writes them"
        )
    files: dict[str, str] = manifest["files"]
    missing = [name for name in files if not (folder / name).is_file()]
    changed = [name for name in files if name not in missing and _hash(folder / name) != files[name]]
    try:
        python = str(json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))["python"])
    except (OSError, ValueError, KeyError, TypeError):
        python = "not known"
    return Installed(
        folder=folder,
        version=manifest["version"],
        date=manifest["date"],
        python=python,
        files=tuple(sorted(files)),
        changed=tuple(sorted(changed)),
        missing=tuple(sorted(missing)),
    )


def find_extensions(dragonfly: str | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """Find the folder of a user's extensions of Dragonfly on Windows.

    Parameters
    ----------
    dragonfly : str or None
        A version such as 2024.1; the newest where None.
    environment : mapping
        Where LOCALAPPDATA is looked up.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SettingsError
        If there is none; it is told what to give.
    """
    local = environment.get("LOCALAPPDATA")
    remedy = "give --to the folder pythonUserExtensions of your Dragonfly"
    if not local:
        raise SettingsError(f"where Dragonfly keeps its extensions is only known on Windows; {remedy}")
    makers = [Path(local) / maker for maker in ("ORS", "Comet", ".")]
    found = [place for maker in makers for place in maker.glob(f"{_NAMES}/{_EXTENSIONS}") if place.is_dir()]
    if dragonfly is not None:
        found = [place for place in found if _version_of(place) == dragonfly]
    if not found:
        wanted = "Dragonfly" if dragonfly is None else f"Dragonfly {dragonfly}"
        raise SettingsError(f"no extensions of {wanted} are below {local}; start Dragonfly once, or {remedy}")
    return max(
        found, key=lambda place: [int(part) for part in _version_of(place).split(".") if part.isdigit()]
    )


def _version_of(extensions: Path) -> str:
    return extensions.parent.name.removeprefix("Dragonfly").strip()


def _write_all(fresh: Path, folder: Path, dragonfly: str) -> dict[str, str]:
    """Write everything into a folder of its own; give each file's hash."""
    date = datetime.now().astimezone().strftime("%b %d %Y %H:%M")
    ours = version("temflux")
    for key, item in host_items().items():
        name = f"{_ITEMS}/{item_class(key)}.py"
        text = item_text(
            key, item.title, path=str(folder / name), version=ours, date=date, dragonfly=dragonfly
        )
        _write(fresh / name, text)
    for source, target in _light_half():
        _write(fresh / _HOME / "python" / "temflux" / target, source.read_text(encoding="utf-8"))
    _write(fresh / _SETTINGS, json.dumps({"python": sys.executable}, indent=1) + "\n")
    files = {
        path.relative_to(fresh).as_posix(): _hash(path) for path in sorted(fresh.rglob("*")) if path.is_file()
    }
    manifest = {"version": ours, "date": date, "dragonfly": dragonfly, "files": files}
    _write(fresh / _MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return {**files, _MANIFEST: ""}


def _light_half() -> list[tuple[Path, str]]:
    """Files that Dragonfly's own Python runs, and where each lies in the private copy."""
    # Each top-level folder is asked of its own package: nothing says that they lie side by side.
    roots = {"engine": Path(temflux.engine.__file__).parent, "dragonfly_plugin": Path(__file__).parent}
    found = []
    for pattern in _LIGHT:
        top, _, rest = pattern.partition("/")
        for path in sorted(roots[top].glob(rest)):
            found.append((path, f"{top}/{path.relative_to(roots[top]).as_posix()}"))
    return found


def _swap(fresh: Path, folder: Path, written: list[str], before: list[str]) -> None:
    """Put what is new in the place of what was there; where that fails, put everything back."""
    aside = fresh / _ASIDE
    moved: list[str] = []
    made: list[str] = []
    try:
        for name in {*before, _MANIFEST}:
            if (folder / name).exists():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).rename(aside / name)
                moved.append(name)
        for name in written:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).rename(folder / name)
            made.append(name)
    except BaseException:
        for name in made:
            (folder / name).unlink(missing_ok=True)
        for name in moved:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).rename(folder / name)
        _remove_empty(folder, set(made) - set(moved))
        raise
    _remove_empty(folder, set(before))


def _refuse_strangers(folder: Path, before: dict[str, Any] | None) -> None:
    """Stop where a file that we did not write has one of our names: it is somebody else's."""
    known = set() if before is None else set(before["files"])
    ours = [f"{_ITEMS}/{item_class(key)}.py" for key in IDENTIFIERS]
    strange = [name for name in ours if name not in known and (folder / name).exists()]
    if before is None and (folder / _HOME).exists():
        strange.append(_HOME)
    if strange:
        raise SettingsError(
            f"{folder / strange[0]} is there and was not installed by temflux; move it away first"
        )


def _manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / _MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        names = [Path(name) for name in manifest["files"]]
        if any(name.is_absolute() or ".." in name.parts for name in names):
            raise ValueError("a file outside the folder")
        return {
            "version": str(manifest["version"]),
            "date": str(manifest["date"]),
            "files": manifest["files"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(
            f"{path} is damaged ({error}); remove the folder {folder / _HOME} and the files "
            f"{_ITEMS}/Temflux*.py by hand, then install again"
        ) from None


def _remove_empty(folder: Path, names: set[str]) -> None:
    """Remove the folders that files were in and that are empty now, with what Python cached there."""
    for name in names:
        if Path(name).parts[0] == _ITEMS:
            for cached in (folder / _ITEMS / "__pycache__").glob(f"{Path(name).stem}.*.pyc"):
                cached.unlink()
    parents = {parent for name in names for parent in Path(name).parents if parent != Path()}
    for parent in sorted(parents, key=lambda one: -len(one.parts)):
        place = folder / parent
        if parent.parts[0] == _HOME:
            shutil.rmtree(place / "__pycache__", ignore_errors=True)
        if place.is_dir() and not any(place.iterdir()) and parent != Path(_ITEMS):
            place.rmdir()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
