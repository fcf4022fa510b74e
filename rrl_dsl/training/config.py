"""The configuration of a run, as pydantic models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from rrl_dsl.backends.strategy import Gather
from rrl_dsl.data.registry import DEFAULT_ROOT
from rrl_dsl.data.view_functions import is_function
from rrl_dsl.models.options import MAX_SIDE, NetworkOptions, Section
from rrl_dsl.models.towers import TowerOptions

_LARGEST_RATE: Final = 1e30
"""Optimizers multiply and divide rates in float32."""


class LossOptions(Section):
    """The loss: a name with its options, or a sum such as `dino + 0.1*koleo`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(
        default="simclr", description="The name of a loss; `rrl-dsl losses` lists them."
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options, as keyword arguments of the loss."""
        return dict(self.model_extra or {})

    @property
    def text(self) -> str:
        """The name with the options, as `--loss` takes it."""
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.name}({options})" if options else self.name


class OptimizerOptions(Section):
    """The optimizer of the encoder, with a linear warm-up and a cosine schedule."""

    name: Literal["adam", "adamw", "sgd", "lars"] = Field(
        default="lars", description="`adam`, `adamw`, `sgd` or `lars`."
    )
    lr: float = Field(default=0.4, gt=0, le=_LARGEST_RATE, description="The peak learning rate.")
    weight_decay: float = Field(
        default=1e-4,
        ge=0,
        le=_LARGEST_RATE,
        description="The weight decay. It excludes biases, norms, tokens and probes.",
    )
    final_weight_decay: float | None = Field(
        default=None,
        ge=0,
        le=_LARGEST_RATE,
        description="The weight decay at the last step, reached along a cosine. Defaults to "
        "`weight_decay`.",
    )
    momentum: float = Field(
        default=0.9, ge=0, lt=1, description="The momentum of `sgd` and `lars`."
    )
    trust: float = Field(
        default=0.02, gt=0, le=_LARGEST_RATE, description="The trust coefficient of LARS."
    )
    lr_scale: Literal["none", "linear", "sqrt"] = Field(
        default="none",
        description="How `lr` and `probe.lr` follow the batch: `linear` multiplies them by "
        "`batch_size` / 256, and `sqrt` by its square root. Views do not count.",
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="The learning rate of a layer of the backbone, relative to the next layer's.",
    )
    clip: float | None = Field(
        default=None,
        gt=0,
        le=_LARGEST_RATE,
        description="The largest norm of the gradient of the network. The probes do not count.",
    )
    warmup: int = Field(default=10, ge=0, description="The number of warm-up epochs.")


class ProbeOptions(Section):
    """The online linear probes, which train together with the encoder."""

    lr: float = Field(default=0.1, gt=0, le=_LARGEST_RATE, description="The peak learning rate.")


class AugmentationOptions(Section):
    """How views are drawn: by a preset, a function or a list of operations, or by one per view."""

    name: str | None = Field(
        default=None,
        description="A preset, or a function as `package.module:function`. Defaults to the choice "
        "of the dataset.",
    )
    operations: list[Any] | None = Field(
        default=None,
        description="Operations with their arguments, in place of the preset's.",
    )
    views: list[str | list[Any]] | None = Field(
        default=None,
        min_length=1,
        description="A preset, a function or a list of operations for each view, which the views "
        "use in turn.",
    )

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Reads a list as the operations."""
        return {"operations": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.operations is not None and self.views is not None:
            raise ValueError("`operations` and `views` cannot be used together")
        if self.preset != self.name and (self.operations is not None or self.views is not None):
            raise ValueError("`name` must be a preset beside `operations` or `views`")
        return self

    @property
    def preset(self) -> str | None:
        """The preset that normalizes and draws local views; None for that of the dataset."""
        return None if self.name is not None and is_function(self.name) else self.name

    @property
    def drawn(self) -> list[str | list[Any]] | None:
        """What draws each view; None if the preset draws them."""
        if self.operations is not None:
            return [self.operations]
        if self.views is None and self.name is not None and is_function(self.name):
            return [self.name]
        return self.views

    @property
    def functions(self) -> list[str]:
        """The functions that draw views."""
        named = [view for view in self.drawn or () if isinstance(view, str)]
        return [name for name in named if is_function(name)]


class SamplerOptions(Section):
    """How the samples of a batch are drawn."""

    name: Literal["random", "relation"] = Field(
        default="random",
        description="`random`, or `relation`, which draws related samples together.",
    )
    meet: int = Field(
        default=4, ge=2, description="The number of samples that `relation` draws together."
    )


def _as_text(value: Any) -> Any:
    """Returns an integer as text: YAML reads `32` as a number."""
    return str(value) if type(value) is int else value


class DataOptions(Section):
    """The dataset."""

    dataset: str = Field(
        default="digits",
        description="A name, `imagefolder:PATH`, `npz:PATH`, `table:PATH`, `hf:PATH` or "
        "`wds:PATTERN`.",
    )
    data_dir: Path = Field(
        default=DEFAULT_ROOT,
        description="The directory of the datasets.",
    )
    download: bool = Field(default=False, description="Whether to download a missing dataset.")
    image_size: int | None = Field(
        default=None,
        ge=8,
        le=MAX_SIDE,
        description="The side of an image in pixels, for image folders, `hf` and `wds`. Defaults "
        "to the shorter side of the largest image, but at most 224.",
    )
    skip_unreadable: bool = Field(
        default=False,
        description="Whether to leave out image files that cannot be read.",
    )
    split: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The share of the training samples that a hash of the id draws for validation, "
        "or for testing if there is no test split.",
    )
    inputs: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The columns that the encoder reads, for tables and archives. Defaults to all "
        "numbers and vectors of a table.",
    )
    workers: int = Field(
        default=0, ge=0, le=1024, description="The number of processes that load images."
    )


_OF_FIRST: Final = ("backbone", "backbone_options", "projector")
"""The settings that a tower shares with a run without towers."""


class Config(NetworkOptions, DataOptions):
    """All settings of a run except its recipe."""

    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="The parameters of the recipe."
    )
    preset: Literal["simclr-fast"] | None = Field(
        default=None,
        description="A named set of settings, in place of the presets of the loss: `simclr-fast`.",
    )
    loss: LossOptions = LossOptions()
    backbone: str = Field(
        default="resnet18",
        description="A name, `timm:NAME`, `torchvision:NAME` or `package.module:attribute`.",
    )
    backbone_options: dict[str, Any] = Field(
        default_factory=dict, description="The arguments of a network from another package."
    )
    pretrained: bool = Field(
        default=False,
        description="Whether a network of timm or torchvision starts from the weights that its "
        "library publishes.",
    )
    init: str | None = Field(
        default=None,
        description="What the backbone starts from: a file of weights, or the directory of a run.",
    )
    patch_size: int | None = Field(
        default=None, ge=1, description="The side of a patch of a vision transformer in pixels."
    )
    towers: list[TowerOptions] = Field(
        default_factory=list,
        description="The column, the network and the projector of each view, if the views are of "
        "several modalities.",
    )
    optimizer: OptimizerOptions = OptimizerOptions()
    probe: ProbeOptions = ProbeOptions()
    augmentation: AugmentationOptions = AugmentationOptions()
    epochs: int = Field(
        default=400, ge=1, le=10**6, description="The number of passes over the dataset."
    )
    batch_size: int = Field(
        default=256, ge=2, description="The number of samples per batch, over all devices."
    )
    sampler: SamplerOptions = SamplerOptions()
    eval: bool = Field(
        default=True, description="Whether to fit probes on frozen features after training."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="The seed of weights, sample order and views."
    )
    draws: int | None = Field(
        default=None,
        ge=0,
        lt=2**64,
        description="The seed of the recipe, for calls without a `seed` of their own. Defaults to "
        "`seed`.",
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        default="auto", description="`auto`, `cpu` or `gpu`."
    )
    devices: int = Field(
        default=1, ge=1, description="The number of processes or GPUs per machine."
    )
    num_nodes: int = Field(
        default=1, ge=1, description="The number of machines, each with as many devices."
    )
    gather: Gather = Field(
        default="all",
        description="How several processes share embeddings: `all` gathers them, `ring` passes "
        "them around.",
    )
    precision: Annotated[
        Literal["auto", "32", "16-mixed", "bf16-mixed"], BeforeValidator(_as_text)
    ] = Field(
        default="auto",
        description="`32`, `bf16-mixed` or `16-mixed`. `auto` is `bf16-mixed` on a GPU that "
        "supports it, and `32` elsewhere.",
    )
    compile: bool | None = Field(
        default=None,
        description="Whether `torch.compile` compiles the encoder. By default, that of a long run "
        "on one GPU.",
    )
    logger: Literal["wandb", "mlflow", "trackio"] | None = Field(
        default=None,
        description="A service that gets the metrics too, beside TensorBoard and `metrics.csv`: "
        "`wandb`, `mlflow` or `trackio`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _first_tower(cls, values: Any) -> Any:
        """Makes the network of the first tower the encoder of the run."""
        towers = values.get("towers") if isinstance(values, dict) else None
        if not isinstance(towers, list) or not towers:
            return values
        usual = values.get("projector", {})
        towers = [_with_projector(tower, usual) for tower in towers]
        given = towers[0] if isinstance(towers[0], dict) else {}
        own = {key: given[key] for key in _OF_FIRST if given.get(key)}
        return {**values, **own, "towers": towers}

    @property
    def processes(self) -> int:
        """The number of processes of a run, on all machines."""
        return self.devices * self.num_nodes


def _with_projector(tower: Any, usual: Any) -> Any:
    """The tower, with the projector settings of the run where it does not set its own."""
    own = tower.get("projector") if isinstance(tower, dict) else None
    if not isinstance(own, dict) or not isinstance(usual, dict):
        return tower
    return {**tower, "projector": {**usual, **own}}
