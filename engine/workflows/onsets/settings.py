"""Settings of the search for onsets: the one model that the command line and the result are drawn from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...measure.onsets.watch import LEAST_BASELINE_FRAMES, OnsetChart

SERIES = ("area", "intensity", "angle", "columns")


class EventSettings(BaseModel):
    """Settings of `events`; unknown names are refused.

    Examples
    --------
    >>> EventSettings(on="area,angle").series()
    ('area', 'angle')
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    on: str = Field(
        "area",
        description="What is watched, several joined by commas: area of each particle; intensity or angle of "
        "each of its lattice reflections; columns, the number of atomic columns.",
    )
    method: Literal["cusum", "ewma", "slope", "glr"] = Field(
        "cusum",
        description="Chart: cusum finds a step soonest; ewma watches the moving average, slope its time "
        "derivative; glr compares counts, and is for columns alone.",
    )
    change: Literal["level", "spread"] = Field(
        "level",
        description="What changes: level, the quiet course itself; spread, how far the series fluctuates "
        "about it.",
    )
    run_length: float = Field(
        1000.0, ge=2, le=1e8, description="Frames of a quiet series per false alarm, on average."
    )
    baseline_frames: int = Field(
        40,
        ge=LEAST_BASELINE_FRAMES,
        description="Frames at the start of each series, and after each onset, that are taken to be quiet "
        "and tell level, slope and noise; onsets within them are not seen.",
    )
    trend: bool = Field(
        True,
        description="A quiet series may grow or shrink steadily, so that only a change of that is an onset; "
        "without, any lasting change of level is.",
    )
    shift_sigmas: float = Field(
        1.0, gt=0, le=10, description="Step that cusum is to find soonest [standard deviations of the noise]."
    )
    weight: float = Field(
        0.2, gt=0, le=1, description="Share of the newest frame in the moving average of ewma and slope."
    )
    lag: int = Field(5, ge=1, le=1000, description="Frames that the derivative of slope is taken over.")
    false_share: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Onsets are called sure where the share of false ones among them is at most this, over "
        "all particles (Benjamini-Hochberg).",
    )

    @field_validator("on")
    @classmethod
    def _known_series(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",")]
        if all(name in SERIES for name in names) and len(set(names)) == len(names):
            return ",".join(names)
        raise ValueError(f"expected some of {', '.join(SERIES)}, each once, got {value!r}")

    @model_validator(mode="after")
    def _counts_for_glr(self) -> EventSettings:
        if self.method == "glr" and self.on != "columns":
            raise ValueError(
                f"method glr is for counts: choose --on columns, or another method for {self.on}"
            )
        if self.method == "glr" and self.change == "spread":
            raise ValueError("method glr tells changes of level; choose another method for change spread")
        return self

    def series(self) -> tuple[str, ...]:
        """Give the names of what is watched."""
        return tuple(self.on.split(","))

    def chart(self, *, resolution: float = 0.0) -> OnsetChart:
        """Give the chart for values that are rounded to multiples of `resolution`."""
        return OnsetChart(
            method=self.method,
            run_length=self.run_length,
            change=self.change,
            shift=self.shift_sigmas,
            weight=self.weight,
            lag=self.lag,
            baseline_frames=self.baseline_frames,
            trend=self.trend,
            resolution=resolution,
        )
