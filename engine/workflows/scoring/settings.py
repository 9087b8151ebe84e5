"""Settings of scoring: the one model that the command line and a result's provenance are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ScoreSettings(BaseModel):
    """Settings of `score`; unknown names are refused.

    Examples
    --------
    >>> ScoreSettings(limit=20).tune_limit
    12
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    limit: int | None = Field(
        None, ge=1, description="Most images to score, evenly from the set; all where not given."
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least probability of a mask, or confidence of a column; each model's own, or 0.5, where "
        "not given.",
    )
    tune_on: Path | None = Field(
        None,
        description="Dataset that the classical method and the temperature are tuned on; the test set's own "
        "train images where not given.",
    )
    tune_limit: int = Field(12, ge=1, description="Most images to tune on.")
    baselines: bool = Field(True, description="Score nulls and a tuned classical method beside the model.")
    baseline_limit: int = Field(100, ge=1, description="Most images to score the classical method on.")
    empty_limit: int = Field(
        100, ge=0, description="Most empty frames to look for false area on; masks only."
    )
    other: tuple[str, ...] = Field(
        (), description="Other models, as of other seeds: scored too, and where they disagree is measured."
    )
    boundary: float = Field(
        2.0, ge=0, description="Distance at which boundaries of masks agree [Å]; no less than 2 px."
    )
    runtime: Literal["auto", "fused", "openvino", "onnx", "keras"] = Field(
        "auto", description="What runs the network."
    )
    seed: int = Field(100, ge=0, description="Seed of empty frames, of scrambling and of the intervals.")
