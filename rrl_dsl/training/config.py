"""The configuration of a run: pydantic models, read from presets, YAML, `--set` and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from rrl_dsl.data.registry import DEFAULT_ROOT
from rrl_dsl.models.heads import Activation, OutputNorm


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """`optimiser: adam` is `optimiser: {name: adam}`, in every section with a name."""
        return {"name": value} if isinstance(value, str) and "name" in cls.model_fields else value


class Loss(Section):
    """The loss by name with its own options beside it, or a sum such as `dino + 0.1*koleo`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(default="simclr", description="See `rrl-dsl losses`.")

    @property
    def options(self) -> dict[str, Any]:
        """The options as the loss takes them."""
        return dict(self.model_extra or {})


class Optimiser(Section):
    """How the encoder's weights move: cosine schedule after a linear warm-up."""

    name: Literal["adam", "sgd", "lars"] = Field(
        default="lars", description="`adam`, `sgd` or `lars`."
    )
    lr: float = Field(default=0.4, gt=0, description="The peak learning rate.")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="Of weights; not of biases, norms, tokens and probes."
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Of sgd and lars.")
    trust: float = Field(default=0.02, gt=0, description="LARS's trust coefficient.")
    scale_lr: bool = Field(
        default=False,
        description="Whether `lr` and `probe.lr` are those of a batch of 256, and are multiplied "
        "by `batch_size` / 256.",
    )
    warmup: int = Field(default=10, ge=0, description="Epochs until the peak learning rate.")


class Projector(Section):
    """The perceptron between backbone and loss."""

    hidden: int = Field(default=2048, ge=1, description="The width of its layers but the last.")
    out: int = Field(default=256, ge=1, description="The width of the embeddings.")
    norm: bool = Field(default=False, description="Whether batch norms follow its layers.")
    layers: int = Field(default=2, ge=0, description="How many linear layers; 0 for no projector.")
    activation: Activation = Field(
        default="relu", description="Between its layers: `relu` or `gelu`."
    )
    output_norm: OutputNorm = Field(
        default="none",
        description="The batch norm behind its last layer: `none`, `affine` (with a scale and an "
        "offset that are learned) or `plain`.",
    )


class Predictor(Section):
    """The perceptron behind the projector, of losses that predict other rows."""

    hidden: int = Field(default=4096, ge=1, description="The width of its layers but the last.")
    norm: bool = Field(default=True, description="Whether batch norms follow its layers.")
    layers: int = Field(default=2, ge=1, description="How many linear layers.")
    constant_lr: bool = Field(
        default=False, description="Whether its learning rate is the peak's throughout."
    )


class Teacher(Section):
    """The moving average of the encoder, of losses and recipes that look at one."""

    momentum: float = Field(default=0.996, ge=0, le=1, description="At the first step.")
    final: float = Field(default=1.0, ge=0, le=1, description="At the last, along a cosine.")


class Prototypes(Section):
    """The prototypes behind the projector, of losses that compare scores of them."""

    count: int = Field(default=4096, ge=2, description="How many.")
    frozen: int = Field(default=0, ge=0, description="Epochs until they are trained.")
    centre_momentum: float = Field(
        default=0.9, ge=0, lt=1, description="Of the mean of the teacher's scores."
    )


class Mask(Section):
    """Which patches are hidden from the student, of losses that compare patches."""

    ratio: tuple[float, float] = Field(
        default=(0.1, 0.5), description="The least and the largest share of a masked view."
    )
    probability: float = Field(default=0.5, gt=0, le=1, description="The share of masked views.")

    @field_validator("ratio")
    @classmethod
    def _in_order(cls, ratio: tuple[float, float]) -> tuple[float, float]:
        if not 0 < ratio[0] <= ratio[1] < 1:
            raise ValueError("it should be two shares above 0 and below 1, the smaller first")
        return ratio


class LocalViews(Section):
    """Small crops beside the recipe's views, which the teacher does not see (multi-crop)."""

    count: int = Field(default=0, ge=0, description="How many of each sample.")
    size: int | None = Field(
        default=None, ge=2, description="Pixels a side; half of the image's where left out."
    )
    scale: tuple[float, float] = Field(
        default=(0.05, 0.4), description="The least and the largest share of the image's area."
    )

    @field_validator("scale")
    @classmethod
    def _in_order(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError("it should be two shares above 0 and at most 1, the smaller first")
        return scale


class Probe(Section):
    """The linear probes that are trained beside the encoder."""

    lr: float = Field(default=0.1, gt=0, description="The peak learning rate.")


class Sampler(Section):
    """How samples are drawn: at random, or so that related samples meet in a batch."""

    name: Literal["random", "relation"] = "random"
    meet: int = Field(default=4, ge=2, description="Of relation: samples drawn together.")


def _as_text(value: Any) -> Any:
    """YAML reads 32 as a number."""
    return str(value) if type(value) is int else value


class Config(Section):
    """Everything a run depends on beside its recipe."""

    dataset: str = Field(
        default="digits", description="A name, or `imagefolder:`, `npz:` and a path."
    )
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
    skip_unreadable: bool = Field(
        default=False,
        description="Whether images that cannot be read are left out, of image folders.",
    )
    workers: int = Field(default=0, ge=0, description="Processes that load images.")
    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="Values of the recipe's parameters."
    )
    loss: Loss = Loss()
    backbone: str = Field(
        default="resnet18", description="A name, `timm:NAME` or `package.module:attribute`."
    )
    backbone_options: dict[str, Any] = Field(
        default_factory=dict, description="What a network of another package is made with."
    )
    patch_size: int | None = Field(
        default=None, ge=1, description="Pixels a side of a vision transformer's patches."
    )
    projector: Projector = Projector()
    predictor: Predictor = Predictor()
    teacher: Teacher = Teacher()
    prototypes: Prototypes = Prototypes()
    mask: Mask = Mask()
    bank: int = Field(default=65536, ge=1, description="Earlier rows that a loss looks at.")
    bank_views: int | None = Field(
        default=None,
        ge=1,
        description="Of how many views the bank keeps the rows; of all where left out.",
    )
    local_views: LocalViews = LocalViews()
    optimiser: Optimiser = Optimiser()
    probe: Probe = Probe()
    augmentation: str | None = Field(
        default=None, description="How views are drawn; what suits the data set where left out."
    )
    epochs: int = Field(default=400, ge=1, description="Passes over the data.")
    batch_size: int = Field(default=256, ge=2, description="Samples a batch, over all devices.")
    micro_batch: int | None = Field(
        default=None,
        ge=2,  # a batch norm has no statistics of one row
        description="Images that go through the encoder at a time; gradients stay those of the "
        "whole batch.",
    )
    sampler: Sampler = Sampler()
    eval: bool = Field(
        default=True, description="Whether probes are fitted on frozen features at the end."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of weights, order and views.")
    draws: int | None = Field(
        default=None,
        ge=0,
        lt=2**64,
        description="Seed of the recipe's draws, but for calls with their own; `seed` where left "
        "out.",
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        default="auto", description="`auto`, `cpu` or `gpu`."
    )
    devices: int = Field(default=1, ge=1, description="Processes, or GPUs.")
    precision: Annotated[
        Literal["auto", "32", "16-mixed", "bf16-mixed"], BeforeValidator(_as_text)
    ] = Field(
        default="auto", description="`32`, `bf16-mixed` or `16-mixed`; `auto` by what there is."
    )
