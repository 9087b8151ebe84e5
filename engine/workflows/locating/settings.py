"""Settings of atomic columns: the one model that the command line and a run's record are drawn from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..predicting.settings import PredictSettings

BLOBS = "blobs"


class ColumnsSettings(BaseModel):
    """Settings of `columns`; unknown names are refused, units stand in the names.

    Examples
    --------
    >>> ColumnsSettings(width_nm=0.05).model
    'blobs'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str = Field(
        BLOBS,
        description="What finds the columns: blobs (no network), or a network for atomic columns, by its "
        "name in the zoo or its folder.",
    )
    frames: str | None = Field(
        None, description="Frames A:B, from A to before B, counted from 0; all where not given."
    )
    dataset: str | None = Field(
        None, description="Name of the array to read where a file holds several (HDF5, Zarr, npz)."
    )
    pixel_nm: float | None = Field(
        None, gt=0, description="Side of a pixel [nm]; overrides or supplies the file's."
    )
    frame_s: float | None = Field(
        None, gt=0, description="Time from frame to frame [s]; overrides or supplies the file's time stamps."
    )
    contrast: Literal["auto", "bright", "dark"] = Field(
        "auto", description="Whether columns are brighter or darker than what is around them."
    )
    width_nm: float | None = Field(
        None,
        gt=0,
        description="About how wide columns are, standard deviation of a Gaussian [nm]; found where not "
        "given.",
    )
    width_px: float | None = Field(
        None, gt=0, description="The same in pixels, where the pixel size is unknown."
    )
    spacing_nm: float | None = Field(
        None, gt=0, description="Distance of neighbouring columns [nm]; found where not given."
    )
    spacing_px: float | None = Field(
        None, gt=0, description="The same in pixels, where the pixel size is unknown."
    )
    alpha: float = Field(
        0.01, gt=0, lt=1, description="Probability, at most, that a frame of noise alone shows a blob."
    )
    counts_per_electron: float | None = Field(
        None,
        gt=0,
        description="Detector counts that one electron gives. Where not given, whole numbers whose noise is "
        "that of counts are taken for electrons; all else has its noise measured.",
    )
    held_out: Literal["thinning", "frames"] = Field(
        "thinning",
        description="What a column's likelihood is tested on: half of the frame's electrons, held out by "
        "chance, or the frames beside it.",
    )
    memory: int = Field(
        2, ge=0, le=100, description="Frames in a row that a column may be missed and still be the same."
    )
    threshold: float | None = Field(
        None, gt=0, lt=1, description="Probability from which on a network's column counts."
    )
    seed: int = Field(0, ge=0, description="Seed of the chance that holds electrons out.")

    @field_validator("frames")
    @classmethod
    def _known_frames(cls, value: str | None) -> str | None:
        return PredictSettings(frames=value).frames

    @model_validator(mode="after")
    def _one_unit(self) -> ColumnsSettings:
        for what in ("width", "spacing"):
            if getattr(self, f"{what}_nm") is not None and getattr(self, f"{what}_px") is not None:
                raise ValueError(f"give {what}_nm or {what}_px, not both")
        return self

    def chosen_frames(self, n_frames: int) -> range:
        """Give the frames that are wanted of a movie of so many; SettingsError where it has none of them."""
        return PredictSettings(frames=self.frames).chosen_frames(n_frames)
