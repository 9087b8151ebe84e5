"""Settings of prediction: the one model that the command line and a run's record are drawn from."""

from __future__ import annotations

import math
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...base.errors import SettingsError

_FRAMES = re.compile(r"(\d*):(\d*)")


class PredictSettings(BaseModel):
    """Settings of `predict`; unknown names are refused, units stand in the names.

    Examples
    --------
    >>> PredictSettings(frames="2:5").chosen_frames(9)
    range(2, 5)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    frames: str | None = Field(
        None, description="Frames A:B, from A to before B, counted from 0; all where not given."
    )
    dataset: str | None = Field(
        None, description="Name of the array to read where a file holds several (HDF5, Zarr, npz)."
    )
    pixel_nm: float | None = Field(
        None, gt=0, description="Side of a pixel [nm]; overrides or supplies the file's."
    )
    dose_e_per_A2: float | None = Field(
        None, gt=0, description="Dose of a frame [e⁻/Å²], to be held against what the model was trained on."
    )
    defocus_A: str | None = Field(
        None,
        description="Defocus [Å], of a focal series one number an image as 50,100,150, to be held against "
        "what the model was trained on.",
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Probability above which a pixel is inside, and from which on a column counts; where not "
        "given the model's own, or 0.5, carried along with a temperature.",
    )
    temperature: float | None = Field(
        None,
        gt=0,
        description="Temperature that logits are divided by, for calibrated probabilities (a card's "
        "fitted_temperature); they are left as they are where not given.",
    )
    other: str | None = Field(
        None,
        description="Another model of the same task, as of another seed: disagreement.zarr then maps where "
        "the two disagree. Masks and columns stay the first one's.",
    )
    orientations: Literal[1, 4, 8] = Field(
        1,
        description="Orientations of a frame (turned, of 8 mirrored too) that maps are averaged over: as "
        "many times slower, and a little truer at boundaries.",
    )
    runtime: Literal["auto", "fused", "openvino", "onnx", "keras"] = Field(
        "auto", description="What runs the network; auto takes the fastest that is installed."
    )
    window_px: int | None = Field(
        None, ge=16, description="Largest side of the windows that a frame is cut into [px]."
    )
    batch: int = Field(
        1,
        ge=1,
        description="Windows that the network looks at together; more than 1 pays on a GPU and costs memory, "
        "the masks are the same.",
    )
    threads: int | None = Field(None, ge=1, description="Threads of the network; all cores where not given.")

    @field_validator("frames")
    @classmethod
    def _known_frames(cls, value: str | None) -> str | None:
        if value is None or ((found := _FRAMES.fullmatch(value.strip())) and any(found.groups())):
            return value
        raise ValueError(f"expected frames A:B as 0:100, 20: or :50, got {value!r}")

    @field_validator("defocus_A")
    @classmethod
    def _known_defoci(cls, value: str | None) -> str | None:
        try:
            numbers = [] if value is None else [float(part) for part in value.split(",")]
        except ValueError:
            numbers = [math.nan]
        if all(map(math.isfinite, numbers)):
            return value
        raise ValueError(f"expected numbers in Å as 50 or 50,100,150, got {value!r}")

    def chosen_frames(self, n_frames: int) -> range:
        """Give the frames that are wanted of a movie of so many; SettingsError where it has none of them."""
        found = _FRAMES.fullmatch((self.frames or "0:").strip())
        assert found is not None
        first, end = int(found[1] or 0), min(int(found[2] or n_frames), n_frames)
        if first >= end:
            raise SettingsError(f"frames: expected some of 0:{n_frames}, got {self.frames}")
        return range(first, end)

    def defoci_A(self) -> list[float] | None:
        """Defocus of each image of a series [Å]; None where not given."""
        return None if self.defocus_A is None else [float(part) for part in self.defocus_A.split(",")]
