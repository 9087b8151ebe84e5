"""The rules of the house, read off the tree: rooms, stairs, caps, light half, packaging, docstrings."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).parents[2]
ROOMS = ["base", "files", "generate", "images", "learn", "measure", "report", "workflows"]
LIGHT_ROOMS = ["base", "images", "measure"]
LIGHT_IMPORTS = {"numpy", "scipy", "skimage"}
SHELLS = ["batch", "dragonfly_plugin"]
CODE = sorted(path for top in ("engine", "models", *SHELLS) for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
FILE_LINES, TEST_LINES, FUNCTION_LINES, ARGUMENTS = 400, 600, 60, 8


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path, *, only_at_load: bool = False) -> list[str]:
    """Modules that a file imports, relative ones spelt out as temflux.…"""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ("temflux", *path.relative_to(ROOT).parts[:-1])
    found = []
    for node in _loaded_nodes(tree) if only_at_load else ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            found.append(".".join((*base, *((node.module or "").split(".") if node.module else ()))))
    return found


def _loaded_nodes(tree: ast.Module):
    """Statements that run when the module is imported: not functions' bodies, not TYPE_CHECKING blocks."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_imports_go_down_the_stairs(path):
    parts = path.relative_to(ROOT).parts
    for module in imports_of(path):
        target = module.split(".")
        if target[0] != "temflux":
            continue
        if parts[0] == "engine":
            assert target[1] in ("engine", "models"), f"{name_of(path)} imports {module}"
            if target[1] == "models":
                assert parts[1] in ("learn", "workflows"), f"{name_of(path)} imports {module}"
            elif len(target) > 2 and len(parts) > 2:
                assert ROOMS.index(target[2]) <= ROOMS.index(parts[1]), (
                    f"{name_of(path)} imports up: {module}"
                )
        elif parts[0] == "models":
            assert target[1] == "models", f"{name_of(path)} imports {module}"
        else:
            assert target[1] in ("engine", parts[0]), f"{name_of(path)} imports another shell: {module}"


def test_no_circles():
    graph = {}
    for path in CODE:
        module = ".".join(("temflux", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        graph[module] = {name for name in imports_of(path) if name.startswith("temflux")}
    seen, walking = set(), []

    def visit(module):
        assert module not in walking, f"a circle: {' -> '.join([*walking[walking.index(module) :], module])}"
        if module in seen:
            return
        walking.append(module)
        for target in sorted(graph.get(module, ())):
            if target != module and target in graph:
                visit(target)
        walking.pop()
        seen.add(module)

    for module in graph:
        visit(module)


@pytest.mark.parametrize("path", [p for p in CODE if p.parts[len(ROOT.parts)] == "engine"], ids=name_of)
def test_the_light_half_stays_light(path):
    parts = path.relative_to(ROOT).parts
    if len(parts) < 3 or parts[1] not in LIGHT_ROOMS:
        return
    text = path.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 10))
    kernels = path.name.startswith("kernels")
    for module in imports_of(path, only_at_load=True):
        top = module.split(".")[0]
        allowed = (
            LIGHT_IMPORTS | {"temflux"} | set(sys.stdlib_module_names) | ({"numba"} if kernels else set())
        )
        assert top in allowed, f"{name_of(path)} imports {module} when it loads"
    for module in imports_of(path):
        assert module.split(".")[0] not in ("hyperspy", "rsciio", "abtem"), (
            f"{name_of(path)} imports {module}"
        )


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_the_light_half_loads_without_heavy_packages(room):
    modules = [
        "temflux.engine." + ".".join(path.relative_to(ROOT / "engine").with_suffix("").parts)
        for path in sorted((ROOT / "engine" / room).glob("*.py"))
        if not path.name.startswith(("kernels", "__"))
    ]
    heavy = ["numba", "pandas", "tensorflow", "hyperspy", "rsciio", "matplotlib", "zarr", "cv2"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy}))\n"
        f"import importlib; [importlib.import_module(m) for m in {modules}]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", CODE + TESTS, ids=name_of)
def test_caps(path):
    text = path.read_text(encoding="utf-8")
    is_test = path in TESTS
    lines = text.count("\n")
    assert lines <= (TEST_LINES if is_test else FILE_LINES), f"{name_of(path)}: {lines} lines"
    assert path.name != "utils.py"
    assert not any(mark in text for mark in UNFINISHED), name_of(path)
    if is_test:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            code = code_lines(node)
            where = f"{name_of(path)}:{node.lineno} {node.name}"
            assert code <= FUNCTION_LINES, f"{where}: {code} lines"
            arguments = [
                a.arg for a in (*node.args.args, *node.args.kwonlyargs) if a.arg not in ("self", "cls")
            ]
            assert len(arguments) <= ARGUMENTS, f"{where}: {len(arguments)} arguments"
        if isinstance(node, ast.Call) and path.is_relative_to(ROOT / "engine"):
            assert getattr(node.func, "id", "") != "print", f"{name_of(path)}:{node.lineno} prints"


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body
    first = body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_every_folder_is_packaged():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["setuptools"]["packages"])
    folders = {
        "temflux." + ".".join(path.parent.relative_to(ROOT).parts)
        for path in CODE
        if path.name == "__init__.py"
    }
    assert packages == folders


def test_every_dependency_is_pinned_by_number():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-\[\]]+==[A-Za-z0-9.+!]+", pin) for pin in pins)


def test_public_functions_say_what_they_take_and_return():
    missing = []
    for path in CODE:
        if not path.is_relative_to(ROOT / "engine") or path.name.startswith("kernels"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                text = ast.get_docstring(node) or ""
                takes = node.args.args or node.args.kwonlyargs
                short = "\n" not in text.strip() and len(text) > 0
                if not short and takes and "Parameters\n" not in text:
                    missing.append(f"{name_of(path)}:{node.lineno} {node.name}: no Parameters")
                if (
                    not short
                    and "Returns\n" not in text
                    and "Yields\n" not in text
                    and ast.unparse(node.returns) not in ("None", "Iterator[None]")
                ):
                    missing.append(f"{name_of(path)}:{node.lineno} {node.name}: no Returns")
    assert not missing, "\n".join(missing)


def test_help_stays_light():
    """Help must not load what only the work needs; it is what keeps it under half a second."""
    heavy = ["numpy", "pandas", "numba", "matplotlib", "tensorflow", "zarr", "pydantic", "hyperspy", "rsciio"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy}))\n"
        "from temflux.batch.cli import main; sys.exit(main(['--help']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "track" in done.stdout
