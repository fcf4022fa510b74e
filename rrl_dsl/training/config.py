"""The configuration of a run: pydantic models, read from presets, YAML, `--set` and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rrl_dsl.data.registry import DEFAULT_ROOT


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Loss(BaseModel):
    """The loss by name, with its own options beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "simclr"

    @property
    def options(self) -> dict[str, Any]:
        """The options as the loss takes them."""
        return dict(self.model_extra or {})


class Optimiser(Section):
    """How the encoder's weights move: cosine schedule after a linear warm-up."""

    name: Literal["adam", "sgd", "lars"] = "lars"
    lr: float = Field(default=0.4, gt=0, description="The peak learning rate.")
    weight_decay: float = Field(default=1e-4, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Of sgd and lars.")
    trust: float = Field(default=0.02, gt=0, description="LARS's trust coefficient.")
    warmup: int = Field(default=10, ge=0, description="Epochs until the peak learning rate.")


class Projector(Section):
    """The perceptron between backbone and loss."""

    hidden: int = Field(default=2048, ge=1)
    out: int = Field(default=256, ge=1)
    norm: bool = False
    layers: int = Field(default=2, ge=1)


class Probe(Section):
    """The linear probes that are trained beside the encoder."""

    lr: float = Field(default=0.1, gt=0)


def _loss(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Config(Section):
    """Everything a run depends on beside its recipe."""

    dataset: str = "digits"
    data_dir: Path = Field(
        default=DEFAULT_ROOT,
        description="Where data sets are looked for.",
    )
    download: bool = Field(
        default=False, description="Whether a missing data set may be downloaded."
    )
    image_size: int | None = Field(
        default=None, ge=8, description="Pixels a side, of image folders."
    )
    workers: int = Field(default=0, ge=0, description="Processes that load images.")
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)
    loss: Annotated[Loss, BeforeValidator(_loss)] = Loss()
    backbone: str = "resnet18"
    projector: Projector = Projector()
    optimiser: Optimiser = Optimiser()
    probe: Probe = Probe()
    augmentation: str | None = None
    epochs: int = Field(default=400, ge=1)
    batch_size: int = Field(default=256, ge=2, description="Samples a batch, over all devices.")
    seed: int = Field(default=0, ge=0, lt=2**32)
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(default=1, ge=1)
    precision: Literal["auto", "32", "16-mixed", "bf16-mixed"] = "auto"
