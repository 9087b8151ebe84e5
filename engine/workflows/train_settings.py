"""Settings of training: the one model that the command line and a run's record are drawn from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .checked_settings import read_none

_EMPTY_SHARE_OF_MASKS = 0.2


class TrainSettings(BaseModel):
    """Settings of `train`; unknown names are refused.

    Examples
    --------
    >>> TrainSettings(net="unet", channels=8).epochs
    50
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    net: Literal["compact", "unet", "unetpp", "msdnet"] = Field(
        "compact",
        description="Network: compact (the project's own), or unet, unetpp, msdnet as published.",
    )
    channels: int | None = Field(None, ge=1, description="Channels of its first level, or of each layer.")
    layers: int | None = Field(None, ge=1, description="Layers of an msdnet.")
    kernel: int | None = Field(None, ge=1, description="Side of its convolutions [px], odd.")
    levels: int | None = Field(None, ge=1, description="Levels of a network that halves its resolution.")
    epochs: int = Field(50, ge=1, description="Times that training goes through the systems.")
    batch_size: int = Field(4, ge=1, description="Samples of a step.")
    crop_px: int = Field(256, ge=16, description="Side of the random crops that are trained on [px].")
    limit_data: int | None = Field(None, ge=1, description="Most systems to train on; all where not given.")
    empty_share: float | None = Field(
        None, ge=0, lt=1, description="Share of images of vacuum among the samples; 0.2 for masks, 0 else."
    )
    optimizer: str = Field(
        "adam", description="adam (with AMSGrad), rmsprop, or another optimiser of Keras by name."
    )
    learning_rate: float | None = Field(
        None, gt=0, description="Learning rate; 1e-3 for adam and 5e-4 for rmsprop where not given."
    )
    loss: str | None = Field(
        None, description="Loss by name, as bce_dice or mse; that of the label where not given."
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Epochs without a better validation after which training ends; never where not given.",
    )
    final_learning_rate: float | None = Field(
        None,
        gt=0,
        description="What the learning rate falls to along a cosine; it stays where not given, or none.",
    )
    compiled: bool = Field(True, description="Compile the steps: a slower start, then up to twice as fast.")
    mixed_precision: bool = Field(
        False, description="Compute in 16 bits where the accelerator is quicker so."
    )
    seed: int = Field(100, ge=0, description="Seed of weights, crops and augmentation.")

    @field_validator("final_learning_rate", mode="before")
    @classmethod
    def _read_none(cls, value: Any) -> Any:
        return read_none(value)

    def sizes(self) -> dict[str, int | None]:
        """Sizes of the network that were asked for."""
        return {
            "channels": self.channels,
            "layers": self.layers,
            "kernel": self.kernel,
            "levels": self.levels,
        }

    def share_of_empty(self, label: str) -> float:
        """Share of images of vacuum among the samples of a label."""
        if self.empty_share is not None:
            return self.empty_share
        return _EMPTY_SHARE_OF_MASKS if label == "Mask" else 0.0
