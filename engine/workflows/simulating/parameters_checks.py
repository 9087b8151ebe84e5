"""Checks of the values of a parameters file; each complaint says what was expected and what came."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BeforeValidator

from .parameters_text import show


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_whole(value: Any, *, least: int, most: float = math.inf) -> bool:
    """Tell whether a value is a whole number within bounds; 3.0 is none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def whole_number(*, least: int, most: float = math.inf) -> BeforeValidator:
    """Make the check of a whole number.

    Parameters
    ----------
    least, most : int
        Bounds, both allowed.

    Returns
    -------
    pydantic.BeforeValidator
        It hands the number on, or says what was expected.

    Examples
    --------
    >>> whole_number(least=1).func(3)
    3
    """
    allowed = (
        f"a whole number of {least} or more" if most == math.inf else f"a whole number, {least} to {most}"
    )

    def check(value: Any) -> int:
        if not is_whole(value, least=least, most=most):
            raise ValueError(f"expected {allowed}, got {show(value)}")
        return value

    return BeforeValidator(check)


def real_number(
    unit: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float = math.inf,
    optional: bool = False,
) -> BeforeValidator:
    """Make the check of a number.

    Parameters
    ----------
    unit : str
        Unit, for the message.
    above, least : float or None
        Lower bound, itself excluded or allowed; one of them.
    most : float
        Upper bound, allowed.
    optional : bool
        Whether None is allowed.

    Returns
    -------
    pydantic.BeforeValidator
        It hands the number on, or says what was expected.

    Examples
    --------
    >>> real_number("Å", above=0).func(0.4)
    0.4
    """
    allowed = _say_bounds(unit, above=above, least=least, most=most)

    def check(value: Any) -> float | None:
        if value is None and optional:
            return None
        if not is_number(value) or not _within(value, above=above, least=least, most=most):
            raise ValueError(
                f"expected a number{' or None,' if optional else ''} {allowed}, got {show(value)}"
            )
        return float(value)

    return BeforeValidator(check)


def value_range(
    unit: str,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float = math.inf,
) -> BeforeValidator:
    """Make the check of a range, a lower and an upper bound.

    Parameters
    ----------
    unit : str
        Unit, for the message.
    above, least : float or None
        What both bounds must be above, or at least; None allows any number.
    below : float or None
        What both must be below.
    most : float
        The largest number allowed.

    Returns
    -------
    pydantic.BeforeValidator
        It hands the range on as a tuple of two floats, or says what was expected.

    Examples
    --------
    >>> value_range("Å").func([0, 1])
    (0.0, 1.0)
    """
    allowed = _say_bounds(unit, above=above, least=least, below=below, most=most)

    def check(value: Any) -> tuple[float, float]:
        numbers = isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_number, value))
        if not numbers or not all(
            _within(v, above=above, least=least, below=below, most=most) for v in value
        ):
            raise ValueError(f"expected a lower and an upper bound {allowed}, got {show(value)}")
        if value[0] > value[1]:
            raise ValueError(f"expected the lower bound first {allowed}, got {show(value)}")
        return float(value[0]), float(value[1])

    return BeforeValidator(check)


def one_of(known: Sequence[str | None], *, synonyms: Mapping[str, str] | None = None) -> BeforeValidator:
    """Make the check of a word out of a list, in whatever capitals.

    Parameters
    ----------
    known : sequence of str or None
        Words as they are to be stored; None where nothing is one of the choices.
    synonyms : mapping of str or None
        Stored words by other spellings of them.

    Returns
    -------
    pydantic.BeforeValidator
        It hands the stored word on, or says which are known, and which is nearest.

    Examples
    --------
    >>> one_of(["Mask", "Disk"]).func("mask")
    'Mask'
    """
    words = {word.casefold(): word for word in known if word is not None}
    words |= {spelt.casefold(): word for spelt, word in (synonyms or {}).items()}

    def check(value: Any) -> str | None:
        if value is None and None in known:
            return None
        if isinstance(value, str) and value.casefold() in words:
            return words[value.casefold()]
        nearest = guess(value, words.values())
        raise ValueError(f"expected one of {', '.join(map(str, known))}, got {show(value)}{nearest}")

    return BeforeValidator(check)


def guess(given: Any, known: Iterable[str]) -> str:
    """Suggest what a misspelt word was meant to be.

    Parameters
    ----------
    given : object
        What came.
    known : iterable of str
        What could have been meant.

    Returns
    -------
    str
        "; did you mean 'sampling'?", or nothing where no word is near.

    Examples
    --------
    >>> guess("samplng", ["sampling", "seed"])
    "; did you mean 'sampling'?"
    """
    words = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(str(given).casefold(), words, n=1)
    return f"; did you mean {words[near[0]]!r}?" if near else ""


def _within(
    value: float,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float = math.inf,
) -> bool:
    return (
        (above is None or value > above)
        and (least is None or value >= least)
        and (below is None or value < below)
        and value <= most
    )


def _say_bounds(
    unit: str,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float = math.inf,
) -> str:
    """Say what is allowed, as "[Å], above 0 and at most 9"."""
    said = []
    if above is not None:
        said.append(f"above {above:g}")
    if least is not None:
        said.append(f"at least {least:g}")
    if below is not None:
        said.append(f"below {below:g}")
    if most < math.inf:
        said.append(f"at most {most:g}")
    return f"[{unit}], {' and '.join(said) or 'finite'}"
