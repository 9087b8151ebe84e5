"""Settings of scoring: the one model that the command line and a result's provenance are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base.errors import SettingsError
from .settings import explain


class ScoreSettings(BaseModel):
    """Settings of `score`; unknown names are refused.

    Examples
    --------
    >>> ScoreSettings(limit=20).threshold
    0.5
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    limit: int | None = Field(
        None, ge=1, description="Most images to score, evenly from the set; all where not given."
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Least probability of a mask, or confidence of a column."
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


def read_score_settings(values: Mapping[str, Any]) -> ScoreSettings:
    """Validate settings of scoring from a record or a dialog.

    Parameters
    ----------
    values : mapping from name to value
        Any of the fields of `ScoreSettings`.

    Returns
    -------
    ScoreSettings
        The values, with defaults for those not given.

    Raises
    ------
    SettingsError
        One line that names each setting at fault.

    Examples
    --------
    >>> read_score_settings({"threshold": 0.9}).threshold
    0.9
    """
    try:
        return ScoreSettings(**values)
    except ValidationError as error:
        raise SettingsError(explain(error, ScoreSettings)) from None
