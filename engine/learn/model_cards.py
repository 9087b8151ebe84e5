"""Model cards: what a trained network is for, how it was made, where it holds, and how well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ..base.errors import ReadError

# Of values of an experiment, in words: name, factor to the unit, unit.
_WORDS = {
    "sampling_A": ("sampling", "Å/px"),
    "dose_e_per_A2": ("dose", "e⁻/Å²"),
    "defocus_A": ("defocus", "Å"),
    "blur_A": ("blur", "Å"),
    "focal_spread_A": ("focal spread", "Å"),
    "c30_A": ("spherical aberration", "Å"),
    "energy_eV": ("energy", "eV"),
}
_ABOVE_ZERO = ("sampling_A", "dose_e_per_A2", "energy_eV")
# A calibration is hardly better than this, so values that little outside count as inside.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class ModelCard:
    """What is known of a trained network.

    Parameters
    ----------
    name, version : str
        Name as in `temflux models`, and version of the weights.
    task : str
        What it finds in what, in one sentence.
    label : str
        Kind of label that it was trained on: Mask, Disk, …
    channels : tuple of str
        Names of its maps.
    normalize_A : float
        Standard deviation of the Gaussian that images are standardised with [Å].
    ranges : dict of str to (float, float)
        Least and greatest value it was trained on: sampling_A [Å/px], dose_e_per_A2 [e⁻/Å²], defocus_A [Å] …
    energies_eV : tuple of float
        Energies it was trained on.
    recipe : dict
        How it was trained: data, seeds, optimiser, epochs, machine.
    figures : dict of str to float or str
        What it reaches on its test sets.
    limits : tuple of str
        Where it fails.
    licence, attribution : str
        Licence of the weights; where data came from.
    sha256 : dict of str to str
        Fingerprints of the model's other files, filled in when it is saved.

    Examples
    --------
    >>> ModelCard("mine", task="Gold on ceria", channels=("mask",), normalize_A=12.0).version
    '1'
    """

    name: str
    version: str = "1"
    task: str = ""
    label: str = "Mask"
    channels: tuple[str, ...] = ()
    normalize_A: float = 12.0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    energies_eV: tuple[float, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float | str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    licence: str = ""
    attribution: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def sampling_A(self) -> tuple[float, float] | None:
        """Least and greatest sampling it was trained on [Å/px]; None where it is not known."""
        return self.ranges.get("sampling_A")

    def as_json(self) -> dict[str, Any]:
        """Give the card as plain lists, dicts, numbers and text."""
        return asdict(self)


def card_from_json(record: Any) -> ModelCard:
    """Read a card from what a JSON file holds.

    Parameters
    ----------
    record : dict
        As `ModelCard.as_json` gives it; fields that are missing take their defaults.

    Returns
    -------
    ModelCard
        The card.

    Raises
    ------
    ReadError
        If it is no card: a field unknown or of the wrong kind, or a number that cannot be.

    Examples
    --------
    >>> card_from_json({"name": "mine", "ranges": {"sampling_A": [0.05, 0.1]}}).sampling_A
    (0.05, 0.1)
    """
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        raise ReadError("a model's card must be a JSON object with a name")
    kinds = {one.name: one.type for one in fields(ModelCard)}
    unknown = sorted(set(map(str, record)) - set(kinds))
    if unknown:
        raise ReadError(f"a model's card has no field {', '.join(unknown)}")
    return ModelCard(**{name: _read_field(name, str(kinds[name]), value) for name, value in record.items()})


def _read_field(name: str, kind: str, value: Any) -> Any:
    refusal = ReadError(f"the card's {name} must be of the kind {kind}, got {str(value)[:60]!r}")
    if kind == "str":
        if isinstance(value, str):
            return value
    elif kind == "float":
        if _is_positive(value):
            return float(value)
    elif kind.startswith("tuple"):
        # Numbers are energies.
        wanted = _is_positive if "float" in kind else _is_text
        if isinstance(value, (list, tuple)) and all(map(wanted, value)):
            return tuple(value)
    elif isinstance(value, dict):
        if name == "ranges":
            if all(_is_range(*one) for one in value.items()):
                return {key: (float(low), float(high)) for key, (low, high) in value.items()}
        elif name == "sha256":
            if all(map(_is_text, value.values())):
                return value
        elif name == "recipe" or all(_is_text(one) or _is_number(one) for one in value.values()):
            return value
    raise refusal


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_range(name: str, value: Any) -> bool:
    pair = isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value))
    return pair and value[0] <= value[1] and (value[0] > 0 or name not in _ABOVE_ZERO)


def describe_ranges(card: ModelCard) -> list[str]:
    """Say in words what a network was trained on.

    Parameters
    ----------
    card : ModelCard
        The network's card.

    Returns
    -------
    list of str
        One line for each range, and one for the energies; empty where nothing is known.

    Examples
    --------
    >>> describe_ranges(ModelCard("mine", ranges={"sampling_A": (0.05, 0.1)}, energies_eV=(300e3,)))
    ['sampling 0.05 to 0.1 Å/px', 'energy 300 keV']
    """
    lines = []
    for name, (low, high) in card.ranges.items():
        words, unit = _WORDS.get(name, (name, ""))
        lines.append(f"{words} {_span(low, high)} {unit}".rstrip())
    energies = ", ".join(f"{energy_eV / 1000:g}" for energy_eV in card.energies_eV)
    return [*lines, f"energy {energies} keV"] if energies else lines


def _rounded(value: float) -> str:
    """Write a number to three digits, without exponents where it is large."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def _span(low: float, high: float) -> str:
    """Write a range, or its one number."""
    return _rounded(low) if _rounded(low) == _rounded(high) else f"{_rounded(low)} to {_rounded(high)}"


def outside_range(card: ModelCard, **values: float | Sequence[float] | None) -> list[str]:
    """Say in what an experiment lies outside of what a network was trained on.

    Parameters
    ----------
    card : ModelCard
        The network's card.
    **values : float, sequence of float or None
        What is known of the experiment, named as in `card.ranges`: sampling_A, dose_e_per_A2, defocus_A …;
        of a focal series all defoci. None and what the card does not tell are passed over.

    Returns
    -------
    list of str
        One line for each value outside; empty where all is well or unknown.

    Examples
    --------
    >>> card = ModelCard("mine", ranges={"sampling_A": (0.05, 0.1), "dose_e_per_A2": (10.0, 1e6)})
    >>> outside_range(card, sampling_A=0.0998, dose_e_per_A2=9.0), outside_range(card, sampling_A=0.1005)
    ([], [])
    >>> outside_range(card, sampling_A=0.2, dose_e_per_A2=400.0)
    ['sampling of 0.2 Å/px: mine was trained on 0.05 to 0.1 Å/px']
    """
    lines = []
    for name, value in values.items():
        if value is None or name not in card.ranges:
            continue
        low, high = card.ranges[name]
        numbers = [float(one) for one in np.ravel(value)]
        least, most = _with_slack(low, high)
        outside = [one for one in numbers if not least <= one <= most]
        if outside:
            words, unit = _WORDS.get(name, (name, ""))
            found = ", ".join(f"{one:g}" for one in outside)
            line = f"{words} of {found} {unit}: {card.name} was trained on {_span(low, high)} {unit}"
            lines.append(line.replace(" :", ":").rstrip())
    return lines


def _with_slack(low: float, high: float) -> tuple[float, float]:
    """Widen a range a little: it is that of finitely many draws, so it ends short of what they came from."""
    least, most = low - _TOLERANCE * abs(low), high + _TOLERANCE * abs(high)
    if 0 < 10 * low < high:
        factor = (high / low) ** _TOLERANCE
        return least / factor, most * factor
    slack = _TOLERANCE * (high - low)
    return least - slack, most + slack
