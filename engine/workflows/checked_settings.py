"""Settings from a command line, a file or a dialog, checked; what is wrong with them in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..base.errors import SettingsError

Settings = TypeVar("Settings", bound=BaseModel)


def check_settings(model: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Validate settings from a file or a dialog.

    Parameters
    ----------
    model : type
        The workflow's settings, as `TrackSettings`.
    values : mapping from name to value
        Any of its fields.

    Returns
    -------
    Settings
        The values, with defaults for those not given.

    Raises
    ------
    SettingsError
        One line that names each setting at fault.

    Examples
    --------
    >>> from temflux.engine.workflows.train_settings import TrainSettings
    >>> check_settings(TrainSettings, {"net": "msdnet", "layers": 25}).layers
    25
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(explain(error, model)) from None


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Say in one line what is wrong with settings.

    Parameters
    ----------
    error : pydantic.ValidationError
        What the model raised.
    model : type or None
        The settings, whose names are then told where one is not known.

    Returns
    -------
    str
        "name: what is wrong (got value)" for each setting, joined by semicolons.
    """
    said = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"]) or "settings"
        if fault["type"] == "extra_forbidden":
            known = f"; known are {', '.join(model.model_fields)}" if model else ""
            said.append(f"{name}: no such setting{known}")
        elif fault["type"] == "value_error":
            said.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
        else:
            said.append(f"{name}: {fault['msg'][0].lower()}{fault['msg'][1:]}, got {fault['input']!r}")
    return "; ".join(said)


def read_none(value: Any) -> Any:
    """Read the word none, as it is typed, as nothing.

    Parameters
    ----------
    value : any
        What came for a setting that may be left unset.

    Returns
    -------
    any
        None for "none" in any case, else the value.

    Examples
    --------
    >>> read_none("None") is None, read_none("1e-5")
    (True, '1e-5')
    """
    return None if isinstance(value, str) and value.strip().casefold() == "none" else value
