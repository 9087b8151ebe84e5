"""Settings of fine-tuning: the one model that the command line and a run's record are drawn from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..checked_settings import read_none


class AdaptSettings(BaseModel):
    """Settings of `train --from`; unknown names are refused.

    Examples
    --------
    >>> AdaptSettings(pixel_nm=0.05).epochs
    20
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    pixel_nm: float | None = Field(
        None, gt=0, description="Side of a pixel of labelled frames [nm]; the file's where not given."
    )
    held_out: int | None = Field(
        None,
        ge=0,
        description="Labelled frames kept back to judge by; a quarter where there are 4 or more, else none.",
    )
    empty_frames: bool = Field(
        False,
        description="Learn from frames without any mark, as frames without a particle; left out where not "
        "given, as nobody may have looked at them.",
    )
    samples: int = Field(
        64, ge=1, description="Samples of an epoch, cut from the labelled frames at any angle and scale."
    )
    epochs: int = Field(20, ge=1, description="Epochs of so many samples.")
    batch_size: int = Field(4, ge=1, description="Samples of a step.")
    crop_px: int = Field(192, ge=16, description="Side of the samples [px].")
    optimizer: str = Field("adam", description="adam (with AMSGrad), or another optimiser by name.")
    learning_rate: float = Field(5e-4, gt=0, description="Learning rate at the start.")
    final_learning_rate: float | None = Field(
        1e-5, gt=0, description="What it falls to along a cosine; none keeps it."
    )
    loss: str | None = Field(None, description="Loss by name; that of the label where not given.")
    patience: int | None = Field(
        None, ge=1, description="Epochs without a better one after which training ends."
    )
    fix_normalisation: bool = Field(
        True, description="Keep the statistics that the network normalises with, as few frames tell them ill."
    )
    compiled: bool = Field(True, description="Compile the steps.")
    seed: int = Field(100, ge=0, description="Seed of samples, and of which frames are kept back.")

    @field_validator("final_learning_rate", mode="before")
    @classmethod
    def _read_none(cls, value: Any) -> Any:
        return read_none(value)
