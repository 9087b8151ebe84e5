"""`temflux menus`: into Dragonfly's folder and out again, nothing else touched; the console's check."""

import ast
import json
import py_compile
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from temflux.batch import cli
from temflux.dragonfly_plugin import installing
from temflux.dragonfly_plugin.console_check import USED
from temflux.dragonfly_plugin.installing import (
    find_extensions,
    install_dragonfly,
    installed_dragonfly,
    uninstall_dragonfly,
)
from temflux.dragonfly_plugin.item_file import IDENTIFIERS, item_class
from temflux.engine.base.errors import ReadError, SettingsError, WriteError
from tests.hosts import dragonfly_objects
from tests.hosts.dragonfly_double import pretended_host
from tests.hosts.dragonfly_items import NAMES, load_item
from tests.movies import disc_movie

STRANGE = "GenericMenuItems/Other_00000000000000000000000000000000.py"


@pytest.fixture
def temflux(monkeypatch):
    """The command line, as it is where the entry point is registered."""
    ours = EntryPoint("menus", "temflux.dragonfly_plugin.command:app", "temflux.commands")
    monkeypatch.setattr(cli, "entry_points", lambda group: [ours] if group == ours.group else [])
    return cli.main


@pytest.fixture
def folder(tmp_path):
    """A folder of extensions with something of the user's in it, and things beside it."""
    folder = tmp_path / "Dragonfly2024.1" / "pythonUserExtensions"
    (folder / "GenericMenuItems").mkdir(parents=True)
    (folder / STRANGE).write_text("mine")
    (folder / "Plugins").mkdir()
    (tmp_path / "beside.txt").write_text("mine")
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_install_and_uninstall_leave_all_else_as_it_was(tmp_path, folder, temflux, capsys):
    before = contents(tmp_path)
    assert temflux(["menus", "install", "dragonfly", "--to", str(folder), "--version", "2024.1"]) == 0
    assert "7 menu items of temflux" in capsys.readouterr().out
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    inside = folder.relative_to(tmp_path).as_posix()
    new = {name.removeprefix(f"{inside}/") for name in set(after) - set(before)}
    items = {f"GenericMenuItems/{item_class(key)}.py" for key in IDENTIFIERS}
    assert items <= new
    assert all(name in items or name.split("/")[0] == "temflux" for name in new)
    assert temflux(["menus", "uninstall", "dragonfly", "--to", str(folder)]) == 0
    assert contents(tmp_path) == before


def test_what_python_caches_goes_too(folder, tmp_path):
    before = contents(tmp_path)
    install_dragonfly(folder)
    for path in [*folder.glob("temflux/python/temflux/*/*.py"), *folder.glob("GenericMenuItems/Temflux*.py")]:
        py_compile.compile(str(path))
    uninstall_dragonfly(folder)
    left = {name for name in contents(tmp_path) if not name.endswith("__pycache__")}
    assert left == set(before)


def test_items_have_the_hosts_form(folder):
    install_dragonfly(folder, dragonfly="2024.1")
    for key in NAMES:
        (path,) = (folder / "GenericMenuItems").glob(f"{NAMES[key]}_*.py")
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
        uuid = path.stem.rpartition("_")[2]
        assert len(uuid) == 32
        assert int(uuid, 16)
        header = ast.get_docstring(tree)
        assert ":author: The temflux developers" in header
        assert ":dragonflyVersion: 2024.1" in header
        assert f":UUID: {uuid}" in header
        assert ":date: " in header
        (made,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        assert made.name == path.stem
        assert "__version__ = '" in path.read_text(encoding="utf-8")
    assert len({IDENTIFIERS[key][1] for key in NAMES}) == len(NAMES) == len(IDENTIFIERS)


def test_the_private_copy_loads_with_little(folder):
    """Python 3.10's grammar, and at load nothing but NumPy, SciPy, scikit-image and Python itself."""
    install_dragonfly(folder)
    root = folder / "temflux" / "python" / "temflux"
    files = [path for path in root.rglob("*.py") if not path.name.startswith("kernels")]
    assert len(files) > 25
    allowed = {"numpy", "scipy", "skimage", "temflux", *sys.stdlib_module_names}
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
        for node in tree.body:
            if isinstance(node, ast.Import):
                tops = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                tops = {node.module.split(".")[0]}
            else:
                continue
            assert tops <= allowed, path


def test_reinstalling_replaces(folder, temflux, capsys):
    install_dragonfly(folder)
    item = folder / "GenericMenuItems" / f"{item_class('label')}.py"
    item.write_text("old")
    old = folder / "temflux" / "python" / "temflux" / "engine" / "gone.py"
    old.write_text("of an earlier version")
    manifest = folder / "temflux" / "manifest.json"
    listed = json.loads(manifest.read_text())
    listed["files"][old.relative_to(folder).as_posix()] = "0"
    manifest.write_text(json.dumps(listed))
    assert temflux(["menus", "install", "dragonfly", "--to", str(folder)]) == 0
    assert "class Temflux" in item.read_text()
    assert not old.exists()
    capsys.readouterr()
    assert temflux(["menus", "status", "dragonfly", "--to", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"Python for models and pages: {sys.executable}" in said
    assert "changed" not in said


@pytest.mark.parametrize("fails_at", [1, 5, 30])
def test_a_failed_install_leaves_the_old_one(folder, monkeypatch, fails_at):
    install_dragonfly(folder)
    (folder / "GenericMenuItems" / f"{item_class('label')}.py").write_text("mine now")
    before = contents(folder)
    rename, count = Path.rename, []

    def fail(path, target):
        count.append(path)
        # Only the new files' way in fails: putting the old ones back must go well.
        if ".before" not in str(target) and ".before" not in str(path):
            fail.new += 1
            if fail.new == fails_at:
                raise OSError(28, "No space left on device")
        return rename(path, target)

    fail.new = 0
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(WriteError, match="disk is full"):
        install_dragonfly(folder)
    monkeypatch.undo()
    assert contents(folder) == before


def test_a_failed_first_install_leaves_nothing(folder, monkeypatch):
    before = contents(folder)
    written = []

    def fail(path, text):
        written.append(path)
        if len(written) == 9:
            raise OSError(28, "No space left on device")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    monkeypatch.setattr(installing, "_write", fail)
    with pytest.raises(WriteError):
        install_dragonfly(folder)
    assert contents(folder) == before


def test_status_tells_changes_and_uninstall_leaves_them(folder, temflux, capsys):
    install_dragonfly(folder)
    item = folder / "GenericMenuItems" / f"{item_class('peaks')}.py"
    item.write_text("edited")
    menu = folder / "temflux" / "python" / "temflux" / "dragonfly_plugin" / "menu.py"
    menu.unlink()
    capsys.readouterr()
    assert temflux(["menus", "status", "dragonfly", "--to", str(folder)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert f"changed: GenericMenuItems/{item.name}" in said
    assert "missing: temflux/python/temflux/dragonfly_plugin/menu.py" in said
    assert temflux(["menus", "uninstall", "dragonfly", "--to", str(folder)]) == 0
    assert f"left, since it was changed: {item}" in capsys.readouterr().out
    assert item.read_text() == "edited"
    assert not (folder / "temflux").exists()


def test_what_is_not_ours_is_not_overwritten(folder):
    item = folder / "GenericMenuItems" / f"{item_class('events')}.py"
    item.write_text("mine")
    with pytest.raises(SettingsError, match="was not installed by temflux"):
        install_dragonfly(folder)
    assert item.read_text() == "mine"
    item.unlink()
    (folder / "temflux").mkdir()
    with pytest.raises(SettingsError, match="was not installed by temflux"):
        install_dragonfly(folder)


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt"])
def test_a_manifest_that_points_outside_is_refused(folder, name):
    install_dragonfly(folder)
    outside = folder.parent / "outside.txt"
    outside.write_text("mine")
    manifest = folder / "temflux" / "manifest.json"
    listed = json.loads(manifest.read_text())
    listed["files"][name] = "0"
    manifest.write_text(json.dumps(listed))
    for action in (install_dragonfly, uninstall_dragonfly, installed_dragonfly):
        with pytest.raises(ReadError, match="is damaged"):
            action(folder)
    assert outside.exists()


def test_a_folder_that_is_not_there_is_told(tmp_path, temflux, capsys):
    for verb in ("install", "uninstall", "status"):
        assert temflux(["menus", verb, "dragonfly", "--to", str(tmp_path / "none")]) != 0
        assert "temflux: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert temflux(["menus", "install", "photoshop", "--to", str(tmp_path)]) == 2


def test_windows_folders_are_found(tmp_path):
    for name in ("ORS/Dragonfly2022.2", "ORS/Dragonfly2024.1", "Comet/Dragonfly2025.1", "ORS/Dragonfly9"):
        (tmp_path / name / "pythonUserExtensions").mkdir(parents=True)
    there = {"LOCALAPPDATA": str(tmp_path)}
    assert find_extensions(None, there) == tmp_path / "Comet/Dragonfly2025.1/pythonUserExtensions"
    assert find_extensions("2022.2", there) == tmp_path / "ORS/Dragonfly2022.2/pythonUserExtensions"
    with pytest.raises(SettingsError, match="no extensions of Dragonfly 2023"):
        find_extensions("2023.1", there)
    with pytest.raises(SettingsError, match="only known on Windows; give --to"):
        find_extensions(None, {})


def test_help_lists_the_menus(temflux, capsys):
    assert temflux(["--help"]) == 0
    assert "Menu items inside Dragonfly" in capsys.readouterr().out
    assert temflux(["menus", "--help"]) == 0
    assert "uninstall" in capsys.readouterr().out


def without_there(capsys):
    """Read what was written, without the lines of what is there."""
    lines = capsys.readouterr().out.splitlines()
    return "\n".join(line for line in lines if not line.startswith("there "))


def test_the_check_runs_in_the_hosts_console(temflux, capsys, monkeypatch):
    assert temflux(["menus", "check"]) == 0
    script = capsys.readouterr().out
    bare = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert "ABSENT     ORSModel.Channel (ModuleNotFoundError)" in bare.stdout
    assert f"{len(USED)} names are absent" in bare.stdout
    with pretended_host() as host:
        exec(compile(script, "console", "exec"), {"__name__": "__main__"})
        said = capsys.readouterr().out
        assert "all that temflux uses is there" in said
        assert f"python     {sys.version.split()[0]}" in said
        assert "numpy " in said
        monkeypatch.delattr(dragonfly_objects.Channel, "getNDArray")
        exec(compile(script, "console", "exec"), {"__name__": "__main__"})
        assert "ABSENT     ORSModel.Channel.getNDArray\n1 names are absent" in without_there(capsys)
        assert not host.objects


def test_the_check_names_all_that_is_used(extensions, tmp_path, monkeypatch):
    """What the items ask of the host's objects is in the check's list, and no more than that."""
    monkeypatch.setattr("webbrowser.open", str)
    frames, masks = disc_movie(n_frames=2)
    with pretended_host() as host:
        image = host.channel(frames)
        roi = host.roi(masks, image)
        timed = host.timed_channel(frames)
        host.used.clear()
        host.answers.extend(["0.8", "0.8", str(tmp_path)])
        assert host.choose(load_item(extensions, "label"), roi)
        assert host.choose(load_item(extensions, "label"), host.roi(masks, timed))
        assert host.choose(load_item(extensions, "spectrum"), roi, image)
        assert host.choose(load_item(extensions, "properties"), host.published(host.MultiROI)[0], image)
        used = {name for name in host.used if not name.startswith("FlatArray.")}
    listed = {
        f"{name}.{method}"
        for module, name, methods in USED
        if module == "ORSModel"
        for method in methods.split()
    }
    assert used <= listed
    # ROIs of masks from models, and cancelled objects, are other tests' matter.
    assert len(listed - used) < 12
