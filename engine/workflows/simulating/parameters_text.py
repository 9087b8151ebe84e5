"""The text of a parameters file: JSON, or a listing of 'key': value lines as the thesis prints it."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeGuard

from ...base.errors import ReadError, SettingsError

# Quotes and minus signs as printers set them, so that a listing copied from a page can be read.
_PRINTED = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "−": "-"})
_SIGNS: dict[type[ast.AST], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_SUMS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # In floats: powers of whole numbers could take all memory.
    ast.Pow: lambda base, power: float(base) ** float(power),
}
_JSON_NAMES = {"true": True, "false": False, "null": None}
_SHOWN = 80
_LARGEST_FILE = 1_000_000


def read_values(path: str | Path) -> dict[str, Any]:
    """Read names and values from a parameters file, without checking them.

    Parameters
    ----------
    path : str or Path
        JSON, or a listing as the thesis prints it; see `parse_parameters`.

    Returns
    -------
    dict
        Values by name.

    Raises
    ------
    ReadError
        If there is no such file, or it is no text.
    SettingsError
        If the text is neither JSON nor a listing; the line names the file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.json")
    >>> _ = path.write_text('{"seed": 3}', encoding="utf-8")
    >>> read_values(path)
    {'seed': 3}
    """
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ReadError(f"{path}: expected a parameters file, {reason}") from None
    if len(text) > _LARGEST_FILE:
        raise ReadError(f"{path}: expected a parameters file, it has more than {_LARGEST_FILE} letters")
    try:
        return parse_parameters(text)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def parse_parameters(text: str) -> dict[str, Any]:
    """Read names and values from the text of a parameters file; nothing in it is ever run.

    Parameters
    ----------
    text : str
        A JSON object, or a listing in Python's notation: 'key': value, with comments, tuples, None, True,
        and sums, products and powers of numbers such as 1.5*83000; braces and ``` fences may be there.

    Returns
    -------
    dict
        Values by name; not yet checked.

    Raises
    ------
    SettingsError
        If the text is neither, or gives a name more than once.

    Examples
    --------
    >>> parse_parameters("'ctf_c30': (0, 1.5*83000),  # Å")
    {'ctf_c30': (0, 124500.0)}
    """
    try:
        values = json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        try:
            return _parse_listing(text)
        except SyntaxError as listing:
            # Of the two complaints the one about the notation that was meant.
            if re.match(r'\s*\{\s*"', text) and isinstance(error, json.JSONDecodeError):
                raise SettingsError(f"line {error.lineno}: not JSON: {error.msg}") from None
            raise SettingsError(f"line {listing.lineno or 1}: {listing.msg}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"expected an object of names and values, got {show(values)}")
    return values


def show(value: Any) -> str:
    """Write a value for a message, cut short where it is long.

    Parameters
    ----------
    value : object
        What came.

    Returns
    -------
    str
        Its repr, on one line.

    Examples
    --------
    >>> show((0.1, None))
    '(0.1, None)'
    """
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):
        return "a value too long to show"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _once_each(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of pairs; names given more than once are refused, with all their values."""
    given: dict[str, list[Any]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    twice = [
        f"{name!r} is given {len(values)} times, "
        f"as {', '.join(map(show, values[:-1]))} and {show(values[-1])}"
        for name, values in given.items()
        if len(values) > 1
    ]
    if twice:
        raise SettingsError(f"{'; '.join(twice)}: choose one{' of each' if len(twice) > 1 else ''}")
    return {name: values[0] for name, values in given.items()}


def _parse_listing(text: str) -> dict[str, Any]:
    """Read a listing in Python's notation; raises SyntaxError where it is none."""
    # Lines keep their numbers: fences leave empty ones.
    lines = ["" if line.lstrip().startswith("```") else line for line in text.splitlines()]
    body = "\n".join(lines).translate(_PRINTED)
    try:
        found = _find_dict(ast.parse(body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = None
    if found is None:
        try:
            found = _find_dict(ast.parse(f"{{{body}\n}}"))
        except (ValueError, RecursionError, MemoryError):
            found = None
    if found is None:
        raise SyntaxError("expected JSON or lines such as 'sampling': (0.09, 0.11),")
    return _named_values(found)


def _named_values(found: ast.Dict) -> dict[str, Any]:
    pairs = []
    for key, value in zip(found.keys, found.values, strict=True):
        if not _is_name(key):
            raise SettingsError(f"line {value.lineno}: expected a name in quotes before the colon")
        name: str = ast.literal_eval(key)
        pairs.append((name, _literal(value, name)))
    return _once_each(pairs)


def _is_name(node: ast.expr | None) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _find_dict(tree: ast.Module) -> ast.Dict | None:
    """Find the one dict that a file holds, alone or under a name."""
    statement = tree.body[0] if len(tree.body) == 1 else None
    value = statement.value if isinstance(statement, (ast.Expr, ast.Assign)) else None
    return value if isinstance(value, ast.Dict) else None


def _literal(node: ast.expr, name: str) -> Any:
    """Value of a literal, or of arithmetic of numbers; anything else is refused."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float, type(None))):
        return node.value
    if isinstance(node, ast.Name) and node.id in _JSON_NAMES:
        return _JSON_NAMES[node.id]
    if isinstance(node, ast.Tuple):
        return tuple(_literal(part, name) for part in node.elts)
    if isinstance(node, ast.List):
        return [_literal(part, name) for part in node.elts]
    if isinstance(node, ast.Dict) and all(map(_is_name, node.keys)):
        return _named_values(node)
    try:
        if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
            return _SIGNS[type(node.op)](_number(node.operand, name))
        if isinstance(node, ast.BinOp) and type(node.op) in _SUMS:
            value = _SUMS[type(node.op)](_number(node.left, name), _number(node.right, name))
            if isinstance(value, (int, float)):
                return value
    except (ArithmeticError, ValueError):
        pass
    raise SettingsError(
        f"line {node.lineno}: {name!r}: expected numbers, words in quotes, None, True, False, or a tuple of "
        f"them, got {show(ast.unparse(node))}"
    )


def _number(node: ast.expr, name: str) -> int | float:
    value = _literal(node, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(value)
    return value
