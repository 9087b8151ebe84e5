"""Settings of the workflows: the one model that the command line, JSON files and dialogs are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# In the order in which they are measured: the later ones use what the earlier ones found.
FURTHER = ("peaks", "columns", "events")


class TrackSettings(BaseModel):
    """Settings of `track`; unknown names are refused, units stand in the names.

    Examples
    --------
    >>> TrackSettings(pixel_nm=0.1).overlap
    0.5
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    segment: str = Field(
        "threshold",
        description="What marks the particles: threshold (no network), model:PATH for a trained network's "
        "folder, or masks:PATH for masks, labels or probability maps made elsewhere (PATH#NAME chooses an "
        "array in a file of several).",
    )
    polarity: Literal["auto", "dark", "bright"] = Field(
        "auto", description="Whether particles are darker or brighter than what is around them."
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
    dose_e_per_A2: float | None = Field(
        None, gt=0, description="Dose of a frame [e⁻/Å²]; overrides or supplies the file's."
    )
    vacuum_box_px: str | None = Field(
        None,
        description="Rectangle without specimen [px], as top,left,bottom,right, that each frame's dose is "
        "measured in; needs counts_per_electron and a pixel size.",
    )
    counts_per_electron: float | None = Field(
        None, gt=0, description="Detector counts that one electron gives, for vacuum_box_px."
    )
    min_separation_nm: float = Field(
        2.0,
        gt=0,
        description="Least distance of particle centres [nm]; its square is the least area.",
    )
    min_separation_px: float = Field(
        10.0, gt=0, description="The same in pixels, used only where the pixel size is unknown."
    )
    neck: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Touching particles are cut apart where the neck between them is narrower than this "
        "fraction of the smaller one's width; 1 cuts at every neck, as published.",
    )
    overlap: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Common area, as a fraction, above which two instances are the same particle.",
    )
    overlap_of: Literal["smaller", "previous", "current", "iou"] = Field(
        "smaller", description="What the common area is a fraction of."
    )
    memory: int = Field(
        0, ge=0, le=100, description="Frames in a row that a particle may be missed and still be the same."
    )
    spectra: str = Field(
        "all",
        description="Particles whose Fourier spectra are followed: all, none, or numbers such as 1,4,7.",
    )
    with_: str | None = Field(
        None,
        alias="with",
        description="What else is measured, joined by commas: peaks (lattice reflections and zone axes), "
        "columns (atomic columns by blobs), events (onsets of instability).",
    )
    log: Path | None = Field(
        None, description="Log of a heater, gas system or holder, joined to the frames by time."
    )
    log_offset_s: float = Field(
        0.0, description="Seconds to add to the log's times before it is joined to the frames."
    )

    @field_validator("segment")
    @classmethod
    def _known_segmentation(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        if value == "threshold" or (kind in ("masks", "model") and name):
            return value
        raise ValueError(f"expected threshold, masks:PATH or model:PATH, got {value!r}")

    @field_validator("vacuum_box_px")
    @classmethod
    def _four_edges(cls, value: str | None) -> str | None:
        parts = [] if value is None else [part.strip() for part in value.split(",")]
        if value is None or (len(parts) == 4 and all(part.isdigit() for part in parts)):
            return value
        raise ValueError(f"expected top,left,bottom,right in pixels, got {value!r}")

    @model_validator(mode="after")
    def _dose_once(self) -> TrackSettings:
        if (self.vacuum_box_px is None) != (self.counts_per_electron is None):
            raise ValueError("vacuum_box_px and counts_per_electron are needed together")
        if self.vacuum_box_px is not None and self.dose_e_per_A2 is not None:
            raise ValueError("give dose_e_per_A2, or have it measured in vacuum_box_px, not both")
        return self

    @field_validator("with_")
    @classmethod
    def _known_measurements(cls, value: str | None) -> str | None:
        names = [] if value is None else [part.strip() for part in value.split(",") if part.strip()]
        if any(name not in FURTHER for name in names):
            raise ValueError(f"expected some of {', '.join(FURTHER)}, got {value!r}")
        return ",".join(name for name in FURTHER if name in names) or None

    @field_validator("spectra")
    @classmethod
    def _known_spectra(cls, value: str) -> str:
        if value not in ("all", "none") and not all(part.strip().isdigit() for part in value.split(",")):
            raise ValueError(f"expected all, none, or particle numbers such as 1,4,7, got {value!r}")
        return value

    def vacuum_box(self) -> tuple[slice, slice] | None:
        """Rows and columns of the rectangle without specimen; None where none is given."""
        if self.vacuum_box_px is None:
            return None
        top, left, bottom, right = (int(part) for part in self.vacuum_box_px.split(","))
        return slice(top, bottom), slice(left, right)

    def further(self) -> tuple[str, ...]:
        """List what else is measured."""
        return () if self.with_ is None else tuple(self.with_.split(","))

    def wants_spectrum(self, particle: int) -> bool:
        """Tell whether the spectra of a particle are wanted."""
        return self.spectra == "all" or particle in self.named_particles()

    def named_particles(self) -> set[int]:
        """Particles whose spectra are asked for by number."""
        return set() if self.spectra in ("all", "none") else {int(part) for part in self.spectra.split(",")}
