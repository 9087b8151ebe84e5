"""Dose series of a method over systems, summed up: where it finds half and all, and how far that is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...base.seeds import generator
from ...learn.dose_series import DoseLimit, full_dose, half_dose

_DRAWS = 400
_SCORES = ("area", "recall", "f1", "false_area")


def sum_up(rows: Sequence[Mapping[str, Any]], method: str, *, seed: int) -> dict[str, Any]:
    """Sum up a method's series over systems: doses of half and of full area, and the means at each dose.

    Parameters
    ----------
    rows : sequence of dict
        One row a method, system, dose and repeat, as `dose_series` gives them.
    method : str
        Which method.
    seed : int
        Seed of the bounds.

    Returns
    -------
    dict
        half, full and f1_0.9, each with dose_e_per_A2 (None where it is not reached), kind and bounds of 95 %
        over systems; half_of_systems, full_of_systems; means over systems: false_area of all doses, f1_lowest
        and f1_highest at the lowest and highest dose; and by_dose, one dict a dose.

    References
    ----------
    Publication II; thesis, 4.2.

    Examples
    --------
    >>> row = {"method": "a", "recall": 1.0, "f1": 1.0, "false_area": 0.0, "repeat": 0.0}
    >>> rows = [
    ...     {**row, "system": s, "dose_e_per_A2": d, "area": a}
    ...     for s in (0, 1)
    ...     for d, a in ((10.0, 0.0), (1000.0, 1.0))
    ... ]
    >>> sum_up(rows, "a", seed=0)["half"]["dose_e_per_A2"]
    100.0
    """
    mine = [row for row in rows if row["method"] == method]
    doses = np.unique([row["dose_e_per_A2"] for row in mine])
    systems = np.unique([row["system"] for row in mine])
    # (systems, doses), averaged over repeats.
    tables = {
        name: np.array(
            [
                [
                    np.mean([row[name] for row in mine if (row["system"], row["dose_e_per_A2"]) == (s, d)])
                    for d in doses
                ]
                for s in systems
            ]
        )
        for name in _SCORES
    }
    by_dose = [
        {
            "dose_e_per_A2": float(dose),
            **{name: float(table[:, number].mean()) for name, table in tables.items()},
            **{
                f"{name}_{part}": float(np.quantile(tables[name][:, number], level))
                for name in ("area", "f1")
                for part, level in (("q10", 0.1), ("median", 0.5), ("q90", 0.9))
            },
        }
        for number, dose in enumerate(doses)
    ]
    rng = generator(seed, "bootstrap", method)
    return {
        "half": _with_bounds(half_dose, doses, tables["area"], rng),
        "full": _with_bounds(full_dose, doses, tables["area"], rng),
        # An area can be right in the wrong place; this cannot.
        "f1_0.9": _with_bounds(partial(half_dose, share=0.9), doses, tables["f1"], rng),
        "half_of_systems": _of_systems(half_dose, systems, doses, tables["area"]),
        "full_of_systems": _of_systems(full_dose, systems, doses, tables["area"]),
        "f1_lowest": by_dose[0]["f1"],
        "f1_highest": by_dose[-1]["f1"],
        "false_area": float(tables["false_area"].mean()),
        "largest_false_area_at_a_dose": float(tables["false_area"].mean(axis=0).max()),
        "by_dose": by_dose,
    }


def _of_systems(
    find: Callable[..., DoseLimit], systems: np.ndarray, doses: np.ndarray, areas: np.ndarray
) -> dict[int, float | None]:
    """Find a limit of each system by itself: a mean can hide that some are too large and some too small."""
    return {
        int(system): _plain(find({"dose_e_per_A2": doses, "area": area}).dose_e_per_A2)
        for system, area in zip(systems, areas, strict=True)
    }


def _with_bounds(
    find: Callable[..., DoseLimit], doses: np.ndarray, area: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Find a limit of the mean over systems, and its bounds of 95 % by drawing systems anew."""
    limit = find({"dose_e_per_A2": doses, "area": area.mean(axis=0)})
    found: dict[str, Any] = {
        "dose_e_per_A2": _plain(limit.dose_e_per_A2),
        "kind": limit.kind,
        "highest_e_per_A2": limit.highest_e_per_A2,
    }
    if len(area) > 1:
        draws = []
        for _ in range(_DRAWS):
            chosen = rng.integers(len(area), size=len(area))
            dose = find({"dose_e_per_A2": doses, "area": area[chosen].mean(axis=0)}).dose_e_per_A2
            draws.append(dose if math.isfinite(dose) else math.inf)
        low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
        found |= {"low": _plain(low), "high": _plain(high)}
    return found


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
