"""Exit waves of vibrating atoms: frozen phonons, each with its own exit wave (thesis, Chapter 5)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field

from ...generate.exit_wave import exit_wave
from ...generate.vibrations import VibrationalAmplitudes, get_vibrational_amplitudes, look_up_amplitudes


class Vibrations(BaseModel):
    """What a parameters file says under `vibrations`.

    Examples
    --------
    >>> Vibrations(configurations=4).factor
    1.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    configurations: int = Field(
        8, ge=1, le=1000, description="Frozen phonons of each system, whose images are averaged."
    )
    trajectory: Path | None = Field(
        None,
        description="Molecular dynamics that any ASE format holds, whose amplitudes by element and "
        "coordination are used; without one, each element's displacement at the systems' temperature.",
    )
    factor: float = Field(1.0, ge=0, le=10, description="What all amplitudes are multiplied with.")


def read_amplitudes(vibrations: Vibrations | None) -> VibrationalAmplitudes | None:
    """Read the amplitudes of a trajectory, once for all systems.

    Parameters
    ----------
    vibrations : Vibrations or None
        What the parameters file says.

    Returns
    -------
    VibrationalAmplitudes or None
        None where there is no trajectory.

    Raises
    ------
    ReadError, DataError
        If the trajectory cannot be read or is none.

    Examples
    --------
    >>> read_amplitudes(Vibrations()) is None
    True
    """
    if vibrations is None or vibrations.trajectory is None:
        return None
    return get_vibrational_amplitudes(vibrations.trajectory)


def vibrating_waves(
    rng: np.random.Generator,
    atoms: Atoms,
    vibrations: Vibrations,
    amplitudes: VibrationalAmplitudes | None,
    *,
    smearing_A: Mapping[str, float],
    energy_eV: float,
    sampling_A: float,
) -> np.ndarray:
    """Compute the exit waves of frozen phonons; atoms whose amplitude is unknown are smeared instead.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the displacements come from.
    atoms : ase.Atoms
        The system at rest.
    vibrations : Vibrations
        How many configurations, and by what factor.
    amplitudes : VibrationalAmplitudes or None
        By element and coordination; None displaces each element by its smearing.
    smearing_A : mapping of element to float
        R.m.s. displacement along one axis of each element [Å].
    energy_eV, sampling_A : float
        As in `exit_wave`.

    Returns
    -------
    array (P, Y, X), complex64
        One exit wave a configuration.

    Raises
    ------
    DataError
        If an atom is displaced out of the cell.

    Examples
    --------
    >>> waves = vibrating_waves(
    ...     np.random.default_rng(0), Atoms("C", [(2, 2, 2)], cell=(4, 4, 4)), Vibrations(configurations=2),
    ...     None, smearing_A={"C": 0.1}, energy_eV=80e3, sampling_A=0.1,
    ... )
    >>> waves.shape, bool((waves[0] != waves[1]).any())
    ((2, 40, 40), True)
    """
    symbols = atoms.get_chemical_symbols()
    if amplitudes is None:
        sigma_A = np.repeat([[smearing_A[symbol]] for symbol in symbols], 3, axis=1)
    else:
        sigma_A = look_up_amplitudes(atoms, amplitudes, unknown="keep")
    # An element either moves or is smeared: both would count its vibration twice.
    moving = {symbol for symbol, sigma in zip(symbols, sigma_A, strict=True) if sigma.any()}
    still_A = {element: 0.0 if element in moving else u for element, u in smearing_A.items()}
    waves = []
    for _ in range(vibrations.configurations):
        moved = atoms.copy()
        moved.positions += vibrations.factor * sigma_A * rng.standard_normal(sigma_A.shape)
        waves.append(exit_wave(moved, energy_eV=energy_eV, sampling_A=sampling_A, debye_waller_A=still_A))
    return np.stack(waves)
