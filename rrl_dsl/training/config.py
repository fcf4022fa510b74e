"""The configuration of a run: pydantic models, read from presets, YAML, `--set` and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from rrl_dsl.data.registry import DEFAULT_ROOT
from rrl_dsl.models.options import NetworkOptions, Section

_LARGEST_RATE: Final = 1e30
"""Optimizers multiply rates and divide them, in float32."""


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
    lr: float = Field(default=0.4, gt=0, le=_LARGEST_RATE, description="The peak learning rate.")
    weight_decay: float = Field(
        default=1e-4,
        ge=0,
        le=_LARGEST_RATE,
        description="Of weights; not of biases, norms, tokens and probes.",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Of sgd and lars.")
    trust: float = Field(
        default=0.02, gt=0, le=_LARGEST_RATE, description="LARS's trust coefficient."
    )
    scale_lr: bool = Field(
        default=False,
        description="Whether `lr` and `probe.lr` are those of a batch of 256, and are multiplied "
        "by `batch_size` / 256.",
    )
    warmup: int = Field(default=10, ge=0, description="Epochs until the peak learning rate.")


class Probe(Section):
    """The linear probes that are trained beside the encoder."""

    lr: float = Field(default=0.1, gt=0, le=_LARGEST_RATE, description="The peak learning rate.")


class Sampler(Section):
    """How samples are drawn: at random, or so that related samples meet in a batch."""

    name: Literal["random", "relation"] = "random"
    meet: int = Field(default=4, ge=2, description="Of relation: samples drawn together.")


def _as_text(value: Any) -> Any:
    """YAML reads 32 as a number."""
    return str(value) if type(value) is int else value


class DataOptions(Section):
    """Where the data come from."""

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
    workers: int = Field(default=0, ge=0, le=1024, description="Processes that load images.")


class Config(NetworkOptions, DataOptions):
    """Everything a run depends on beside its recipe."""

    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="Values of the recipe's parameters."
    )
    loss: Loss = Loss()
    backbone: str = Field(
        default="resnet18",
        description="A name, `timm:NAME`, `torchvision:NAME` or `package.module:attribute`.",
    )
    backbone_options: dict[str, Any] = Field(
        default_factory=dict, description="What a network of another package is made with."
    )
    patch_size: int | None = Field(
        default=None, ge=1, description="Pixels a side of a vision transformer's patches."
    )
    optimiser: Optimiser = Optimiser()
    probe: Probe = Probe()
    augmentation: str | None = Field(
        default=None, description="How views are drawn; what suits the data set where left out."
    )
    epochs: int = Field(default=400, ge=1, description="Passes over the data.")
    batch_size: int = Field(default=256, ge=2, description="Samples a batch, over all devices.")
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
