"""The small dialogs: numbers with their units, and a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QLocale
from qtpy.QtGui import QDoubleValidator
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QInputDialog,
    QLineEdit,
    QWidget,
)

if TYPE_CHECKING:
    from ..menu import Question

_LEAST, _MOST = 1e-9, 1e9


class NumbersDialog(QDialog):
    """A dialog of numbers above 0.

    Parameters
    ----------
    parent : QWidget
        The window.
    title : str
        What the numbers are for.
    questions : sequence of Question
        One line each.
    """

    def __init__(self, parent: QWidget | None, title: str, questions: Sequence[Question]) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        form = QFormLayout(self)
        self.fields: list[QLineEdit] = []
        # Numbers read the same on every machine.
        locale = QLocale(QLocale.Language.C)
        locale.setNumberOptions(QLocale.NumberOption.RejectGroupSeparator)
        for question in questions:
            field = QLineEdit(f"{question.default:g}")
            validator = QDoubleValidator(_LEAST, _MOST, 9, field)
            validator.setLocale(locale)
            field.setValidator(validator)
            field.textChanged.connect(self._check)
            form.addRow(f"{question.text} [{question.unit}]", field)
            self.fields.append(field)
        self._buttons = QDialogButtonBox(QDialogButtonBox.Ok | QDialogButtonBox.Cancel)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        form.addRow(self._buttons)
        self.fields[0].selectAll()

    def _check(self) -> None:
        good = all(field.hasAcceptableInput() for field in self.fields)
        self._buttons.button(QDialogButtonBox.Ok).setEnabled(good)

    def numbers(self) -> list[float]:
        """Give the numbers, in the order of the questions."""
        return [float(field.text()) for field in self.fields]


def ask_numbers(title: str, questions: Sequence[Question]) -> list[float] | None:
    """Ask for numbers above 0.

    Parameters
    ----------
    title : str
        What the numbers are for.
    questions : sequence of Question
        One line each; none asks nothing.

    Returns
    -------
    list of float or None
        None where the user cancels.
    """
    if not questions:
        return []
    dialog = NumbersDialog(QApplication.activeWindow(), title, questions)
    return dialog.numbers() if dialog.exec() else None


def ask_choice(title: str, text: str, choices: Mapping[str, str]) -> str | None:
    """Ask for one of several.

    Parameters
    ----------
    title, text : str
        What the choice is for, and what is chosen.
    choices : mapping from str to str
        What can be chosen, and how it is told.

    Returns
    -------
    str or None
        The one chosen; None where the user cancels.
    """
    told = [f"{name}: {what}" if what else name for name, what in choices.items()]
    chosen, good = QInputDialog.getItem(QApplication.activeWindow(), title, text, told, 0, False)
    return list(choices)[told.index(chosen)] if good else None
