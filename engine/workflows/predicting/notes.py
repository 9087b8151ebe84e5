"""What a user should know of a predicted movie: use beyond what the model learnt, frames not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...base.stack import Stack
from ...learn.model_cards import ModelCard, outside_range

_FAULTS = {
    "unreadable": "could not be read, without maps",
    "blank": "one value everywhere, without maps",
}
_ENERGY_TOLERANCE = 0.01
_NAMED = 8


def range_notes(
    card: ModelCard, stack: Stack, frames: range, *, defoci_A: Sequence[float] | None = None
) -> list[str]:
    """Say in what a movie lies outside of what a model was trained on.

    Parameters
    ----------
    card : ModelCard
        The model's card.
    stack : Stack
        The movie, with its pixel size, and its dose and beam energy where they are known.
    frames : range
        Frames that are used.
    defoci_A : sequence of float or None
        Defocus of each image of a series [Å], where it is known.

    Returns
    -------
    list of str
        One line for each value outside; empty where all is well or unknown.

    Examples
    --------
    >>> movie = Stack.from_array(np.zeros((2, 8, 8)), pixel_nm=0.02, dose_e_per_A2=5.0)
    >>> card = ModelCard("mine", ranges={"dose_e_per_A2": (10.0, 1e6)})
    >>> range_notes(card, movie, range(2))
    ['dose of 5 e⁻/Å²: mine was trained on 10 to 1,000,000 e⁻/Å²']
    """
    doses = None
    if stack.dose_e_per_A2 is not None:
        known = stack.dose_e_per_A2[frames.start : frames.stop]
        known = known[np.isfinite(known)]
        doses = sorted({float(known.min()), float(known.max())}) if known.size else None
    sampling_A = None if stack.pixel_nm is None else 10 * stack.pixel_nm
    values = {"sampling_A": sampling_A, "dose_e_per_A2": doses, "defocus_A": defoci_A}
    return value_notes(card, values, energy_eV=beam_energy_eV(stack.metadata))


def value_notes(card: ModelCard, values: Mapping[str, Any], *, energy_eV: float | None = None) -> list[str]:
    """Say in what values of an experiment lie outside of what a model was trained on.

    Parameters
    ----------
    card : ModelCard
        The model's card.
    values : mapping
        What is known, named as in the card's ranges; None where it is not.
    energy_eV : float or None
        Beam energy [eV].

    Returns
    -------
    list of str
        One line for each value outside; empty where all is well or unknown.

    Examples
    --------
    >>> value_notes(ModelCard("mine", energies_eV=(300e3,)), {}, energy_eV=80e3)
    ['energy of 80 keV: mine was trained on 300 keV']
    """
    said = outside_range(card, **values)
    off = [] if energy_eV is None else [abs(energy_eV / one - 1) for one in card.energies_eV]
    if energy_eV is not None and off and min(off) > _ENERGY_TOLERANCE:
        trained = ", ".join(f"{one / 1000:g}" for one in card.energies_eV)
        said.append(f"energy of {energy_eV / 1000:g} keV: {card.name} was trained on {trained} keV")
    return said


def beam_energy_eV(metadata: Mapping[str, Any]) -> float | None:
    """Find the beam energy in what a microscope's file says.

    Parameters
    ----------
    metadata : mapping
        As `Stack.metadata`.

    Returns
    -------
    float or None
        Energy [eV]; None where the file does not say.

    Examples
    --------
    >>> beam_energy_eV({"instrument": {"TEM": {"beam_energy": 300.0}}})
    300000.0
    """
    microscope = _group(metadata, "instrument", "TEM")
    energy_keV = microscope.get("beam_energy")
    if isinstance(energy_keV, (int, float)) and energy_keV > 0:
        return 1000.0 * energy_keV
    # DigitalMicrograph's own tag [V], which is not always carried over.
    voltage = _group(metadata, "tags", "Microscope Info").get("Voltage")
    return float(voltage) if isinstance(voltage, (int, float)) and voltage > 0 else None


def _group(metadata: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        inner = metadata.get(name)
        metadata = inner if isinstance(inner, Mapping) else {}
    return metadata


def fault_notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say which frames could not be used, or only in part.

    Parameters
    ----------
    records : sequence of dict
        Lines of the journal: `frame`, `fault`, `not_finite_px`.

    Returns
    -------
    list of str
        Sentences without a full stop.

    Examples
    --------
    >>> fault_notes([{"frame": 3, "fault": "blank", "not_finite_px": 0}])
    ['one value everywhere, without maps: frame 3']
    """
    said = []
    for fault, what in _FAULTS.items():
        frames = [record["frame"] for record in records if record["fault"] == fault]
        if frames:
            said.append(f"{what}: {_name_frames(frames)}")
    partly = [record for record in records if record["not_finite_px"] and not record["fault"]]
    if partly:
        n_px = sum(record["not_finite_px"] for record in partly)
        where = _name_frames([record["frame"] for record in partly])
        said.append(f"pixels that are not finite, taken as their surroundings: {n_px} in {where}")
    return said


def _name_frames(frames: Sequence[int]) -> str:
    named = ", ".join(map(str, frames[:_NAMED]))
    more = f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else ""
    return f"frame{'s' if len(frames) > 1 else ''} {named}{more}"
