"""Settings of the study of dose: the one model that the command line and the result are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ...base.errors import SettingsError


class DoseLimitSettings(BaseModel):
    """Settings of `doselimit`; unknown names are refused.

    Examples
    --------
    >>> [round(dose) for dose in DoseLimitSettings(steps=4).chosen_doses()]
    [10, 100, 1000, 10000]
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    systems: Path | None = Field(
        None,
        description="Dataset with exit waves of particles, its test systems meant; Au on CeO2 is simulated "
        "not given.",
    )
    count: int = Field(10, ge=1, description="Systems to look at.")
    doses: tuple[float, ...] = Field(
        (), description="Doses [e⁻/Å²]; evenly in the logarithm, lowest to highest, where not given."
    )
    lowest: float = Field(10.0, gt=0, description="Lowest dose [e⁻/Å²].")
    highest: float = Field(1e4, gt=0, description="Highest dose [e⁻/Å²].")
    steps: int = Field(16, ge=2, description="Doses from lowest to highest.")
    repeats: int = Field(3, ge=1, description="Images of each system and dose.")
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least probability inside a mask; the model's own, or 0.5, where not given (published: "
        "0.9).",
    )
    parameters: Path | None = Field(
        None,
        description="Parameters file of microscope and camera; Publication II, Table 1, on 768 px where "
        "not given.",
    )
    baselines: bool = Field(True, description="Study a null and a tuned classical method beside the model.")
    tune_count: int = Field(6, ge=1, description="Further systems that the classical method is tuned on.")
    runtime: Literal["auto", "fused", "openvino", "onnx", "keras"] = Field(
        "auto", description="What runs the network."
    )
    seed: int = Field(200, ge=0, description="Seed of systems, microscopes and noise.")

    def chosen_doses(self) -> list[float]:
        """Give the doses, rising [e⁻/Å²]; raises SettingsError if one is not above 0 or there is but one."""
        doses = sorted({float(dose) for dose in self.doses})
        if doses and doses[0] <= 0:
            raise SettingsError(f"doses: expected above 0 e⁻/Å², got {doses[0]:g}")
        if not doses and self.lowest >= self.highest:
            raise SettingsError(
                f"lowest: expected below the highest dose, got {self.lowest:g} and {self.highest:g}"
            )
        if len(doses) == 1:
            raise SettingsError(f"doses: expected two or more, got {doses[0]:g}")
        return doses or [float(dose) for dose in np.geomspace(self.lowest, self.highest, self.steps)]
