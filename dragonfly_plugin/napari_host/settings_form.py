"""A form drawn from a workflow's settings: fields, units, limits and help are read off the one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QToolButton,
    QWidget,
)

from temflux.engine.workflows.checked_settings import check_settings

Settings = TypeVar("Settings", bound=BaseModel)

_UNITS = {"nm": "nm", "px": "px", "s": "s", "e_per_A2": "e⁻/Å²"}
_LIMITS = {"gt": "above {}", "ge": "{} or more", "lt": "below {}", "le": "{} or less"}
_DECIMALS = 4
_MOST = 1e6
_NOT_SET = "not set"


class SettingsForm(QWidget):
    """A line for each setting of a model.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        The settings.
    suggestions : mapping from str to sequence of str
        Values to choose from, for settings that take any text.
    """

    changed = Signal()

    def __init__(
        self, model: type[BaseModel], suggestions: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__()
        self._model = model
        self.fields: dict[str, QWidget] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for name, field in model.model_fields.items():
            widget = _make_widget(field, (suggestions or {}).get(name, ()))
            widget.setToolTip(_help(field))
            _signal_of(widget).connect(lambda *_: self.changed.emit())
            self.fields[name] = widget
            form.addRow(label_of(name), widget)
            form.labelForField(widget).setToolTip(_help(field))

    def values(self) -> dict[str, Any]:
        """Give the settings that differ from their defaults, not yet checked."""
        values = {name: _value_of(widget) for name, widget in self.fields.items()}
        return {
            name: value for name, value in values.items() if value != self._model.model_fields[name].default
        }

    def settings(self, model: type[Settings]) -> Settings:
        """Give the settings, checked; raise SettingsError with one line that says what is wrong."""
        return check_settings(model, self.values())

    def set_value(self, name: str, value: Any) -> None:
        """Put a value into a field."""
        widget = self.fields[name]
        if isinstance(widget, QComboBox):
            widget.setCurrentText(str(value))
        elif isinstance(widget, (QSpinBox, QDoubleSpinBox)):
            widget.setValue(value)
        else:
            widget.setText("" if value is None else str(value))


class PathEdit(QWidget):
    """A path that is typed or chosen.

    Parameters
    ----------
    folder : bool
        Whether a folder is chosen, not a file.
    placeholder : str
        What stands in the empty field.
    """

    textChanged = Signal(str)

    def __init__(self, *, folder: bool = False, placeholder: str = _NOT_SET) -> None:
        super().__init__()
        self._folder = folder
        self._edit = QLineEdit()
        self._edit.setPlaceholderText(placeholder)
        self._edit.textChanged.connect(self.textChanged)
        browse = QToolButton()
        browse.setText("…")
        browse.clicked.connect(self._browse)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        layout.addWidget(browse)

    def text(self) -> str:
        """Give the path; empty for none."""
        return self._edit.text().strip()

    def setText(self, text: str) -> None:
        """Set the path."""
        self._edit.setText(text)

    def _browse(self) -> None:
        if self._folder:
            chosen = QFileDialog.getExistingDirectory(self, "Folder")
        else:
            chosen = QFileDialog.getOpenFileName(self, "File")[0]
        if chosen:
            self.setText(chosen)


def label_of(name: str) -> str:
    """Turn a setting's name into words, with its unit in brackets.

    Parameters
    ----------
    name : str
        Such as min_separation_nm.

    Returns
    -------
    str
        Such as min separation [nm].

    Examples
    --------
    >>> label_of("dose_e_per_A2"), label_of("memory")
    ('dose [e⁻/Å²]', 'memory')
    """
    for end, unit in _UNITS.items():
        if name.endswith(f"_{end}"):
            return f"{name.removesuffix(f'_{end}').replace('_', ' ')} [{unit}]"
    return name.rstrip("_").replace("_", " ")


def limits_of(field: FieldInfo) -> dict[str, float]:
    """Give a field's limits: gt, ge, lt and le, where it has them."""
    return {
        kind: getattr(limit, kind) for limit in field.metadata for kind in _LIMITS if hasattr(limit, kind)
    }


def _help(field: FieldInfo) -> str:
    """Tell the field's own help with its limits; as rich text, so that it is folded."""
    limits = ", ".join(_LIMITS[kind].format(f"{limit:g}") for kind, limit in limits_of(field).items())
    default = "not set" if field.default is None else field.default
    told = ". ".join(part for part in (limits.capitalize(), f"Default: {default}") if part)
    return f"<p>{field.description}</p><p>{told}.</p>"


def _make_widget(field: FieldInfo, suggestions: Sequence[str]) -> QWidget:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return _choice(get_args(kind), str(field.default))
    if get_origin(kind) in (Union, UnionType):
        inner = next(one for one in get_args(kind) if one is not type(None))
        if inner is Path:
            return PathEdit()
        edit = QLineEdit()
        edit.setPlaceholderText(_NOT_SET)
        return edit
    if kind in (int, float):
        return _number(field, whole=kind is int)
    if suggestions:
        box = _choice(suggestions, str(field.default))
        box.setEditable(True)
        return box
    return QLineEdit(str(field.default))


def _choice(values: Sequence[str], chosen: str) -> QComboBox:
    box = QComboBox()
    box.addItems([str(value) for value in values])
    box.setCurrentText(chosen)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(10)
    return box


def _number(field: FieldInfo, *, whole: bool) -> QWidget:
    limits = limits_of(field)
    step = 1 if whole else 10.0**-_DECIMALS
    low = limits.get("ge", limits["gt"] + step if "gt" in limits else -_MOST)
    high = limits.get("le", limits["lt"] - step if "lt" in limits else _MOST)
    box: QSpinBox | QDoubleSpinBox
    if whole:
        box = QSpinBox()
        box.setRange(int(low), int(high))
    else:
        box = QDoubleSpinBox()
        box.setDecimals(_DECIMALS)
        box.setRange(low, high)
        box.setSingleStep(0.1)
    box.setValue(field.default)
    return box


def _signal_of(widget: Any) -> Any:
    for name in ("currentTextChanged", "valueChanged", "textChanged"):
        if hasattr(widget, name):
            return getattr(widget, name)
    raise TypeError(f"expected a field, got {type(widget).__name__}")


def _value_of(widget: Any) -> Any:
    """Give what stands in a field; None where it is empty."""
    if isinstance(widget, QComboBox):
        return widget.currentText()
    if isinstance(widget, (QSpinBox, QDoubleSpinBox)):
        return widget.value()
    return widget.text().strip() or None
