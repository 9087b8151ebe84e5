"""How the commands speak: names of settings as they are typed, and lines that no terminal breaks."""

from __future__ import annotations

from rich.console import Console


def flag(field: str) -> str:
    """Spell a setting as it is typed; capitals stay, as in e-per-A2, and no name is taken."""
    return field.rstrip("_").replace("_", "-")


def say(console: Console, line: str, *, style: str | None = None) -> None:
    """Write a line as it is: nothing in it is markup, and a path stays in one piece."""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def note(console: Console, line: str) -> None:
    """Write what a user should know of a result."""
    say(console, f"note: {line}", style="yellow")


def count(number: int, what: str) -> str:
    """Count things; one of them is no plural."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
