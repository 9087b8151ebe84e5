"""What Dragonfly itself offers: its names, dialogs, messages and events, each behind one small function.

Whatever is not certain of a version stands alone here, with a clear error where it is not there.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from temflux.engine.base.errors import SettingsError, TemfluxError

_TITLE = "temflux"


class HostError(TemfluxError):
    """Dragonfly lacks what is used of it, or gives it in another form."""


class Cancelled(Exception):  # noqa: N818 - no error: the user changed their mind
    """The user pressed Cancel."""


def from_host(module: str, name: str) -> Any:
    """Import a name of the host's.

    Parameters
    ----------
    module, name : str
        Where it is, and what it is called.

    Returns
    -------
    object
        Class or function.

    Raises
    ------
    HostError
        If this Dragonfly does not have it.
    """
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise HostError(
            f"this Dragonfly has no {module}.{name}, which temflux uses; run what `temflux menus check` "
            "prints in its console, and report the lines"
        ) from None


def say(text: str, *, is_error: bool = False) -> None:
    """Show a message and wait until it was read."""
    box = from_host("ORSServiceClass.messagebox.orsMessageBox", "OrsTMessageBox")
    box.message(None, text, _TITLE, box.Critical if is_error else box.Information, box.Ok)


def ask_text(label: str, default: str) -> str:
    """Ask for a line of text.

    Parameters
    ----------
    label : str
        What is asked.
    default : str
        What stands in the field.

    Returns
    -------
    str
        What was typed, without blanks at the ends.

    Raises
    ------
    Cancelled
        If the user cancelled. What the dialog gives then is not documented: None, False and an empty line
        are all taken for it.
    """
    module = "ORSServiceClass.ORSWidget.SimpleEntryDialog.simpleEntryDialog"
    answer = from_host(module, "SimpleEntryDialog").prompt(None, label, _TITLE, default)
    if answer is None or answer is False or not str(answer).strip():
        raise Cancelled
    return str(answer).strip()


def ask_number(label: str, unit: str, default: str) -> float:
    """Ask for a number above 0.

    Parameters
    ----------
    label, unit : str
        What is asked, and in which unit.
    default : str
        What stands in the field.

    Returns
    -------
    float
        The number; a decimal comma is understood.

    Raises
    ------
    SettingsError
        If something else was typed.
    Cancelled
        If the user cancelled.
    """
    typed = ask_text(f"{label} [{unit}]", default)
    try:
        number = float(typed.replace(",", ".") if "." not in typed else typed)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise SettingsError(
            f"{label}: expected a number above 0 [{unit}], got {typed!r}; choose the item again"
        )
    return number


def ask_object(kind: type, title: str) -> Any:
    """Have the user choose one object of a class; raise Cancelled where none is chosen."""
    module = "ORSServiceClass.ORSWidget.chooseObjectAndNewName.chooseObjectAndNewName"
    answer = from_host(module, "ChooseObjectAndNewName").prompt(
        [kind], parent=_window(), dialog_title=title, allowNone=False, getNewTitle=False
    )
    # The object itself was seen to come; a version may give its identifier.
    chosen = from_host("ORSModel", "orsObj")(answer) if isinstance(answer, str) and answer else answer
    if not isinstance(chosen, kind):
        raise Cancelled
    return chosen


def ask_folder(title: str) -> Path:
    """Have the user choose a folder; raise Cancelled where none is chosen."""
    chosen = _qt("QFileDialog").getExistingDirectory(_window(), title)
    if not chosen:
        raise Cancelled
    return Path(chosen)


def hear_events() -> None:
    """Let the host repaint, and hear its Cancel button."""
    application = _qt("QApplication").instance()
    if application is not None:
        application.processEvents()


def _window() -> Any:
    return from_host("OrsLibraries.workingcontext", "WorkingContext").getCurrentContextWindow()


def _qt(name: str) -> Any:
    """Find a class of the Qt that the host brings: the sixth from 2024 on, the fifth before."""
    for qt in ("PyQt6", "PyQt5"):
        try:
            return getattr(import_module(f"{qt}.QtWidgets"), name)
        except ImportError:
            continue
    raise HostError("this Dragonfly has neither PyQt6 nor PyQt5, whose dialogs temflux uses")
