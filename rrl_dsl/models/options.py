"""The options of a network: pydantic models, a part of every run's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, listing
from rrl_dsl.models.heads import Activation, OutputNorm


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """`optimiser: adam` is `optimiser: {name: adam}`, in every section with a name."""
        return {"name": value} if isinstance(value, str) and "name" in cls.model_fields else value


class ProjectorOptions(Section):
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


class PredictorOptions(Section):
    """The perceptron behind the projector, of losses that predict other rows."""

    hidden: int = Field(default=4096, ge=1, description="The width of its layers but the last.")
    norm: bool = Field(default=True, description="Whether batch norms follow its layers.")
    layers: int = Field(default=2, ge=1, description="How many linear layers.")
    constant_lr: bool = Field(
        default=False, description="Whether its learning rate is the peak's throughout."
    )


class TeacherOptions(Section):
    """The moving average of the encoder, of losses and recipes that look at one."""

    momentum: float = Field(default=0.996, ge=0, le=1, description="At the first step.")
    final: float = Field(default=1.0, ge=0, le=1, description="At the last, along a cosine.")


class PrototypesOptions(Section):
    """The prototypes behind the projector, of losses that compare scores of them."""

    count: int = Field(default=4096, ge=2, description="How many.")
    frozen: int = Field(default=0, ge=0, description="Epochs until they are trained.")
    centre_momentum: float = Field(
        default=0.9, ge=0, lt=1, description="Of the mean of the teacher's scores."
    )


class MaskOptions(Section):
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


class LocalViewsOptions(Section):
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


class NetworkOptions(Section):
    """What a network is made of, beside its backbone."""

    projector: ProjectorOptions = ProjectorOptions()
    predictor: PredictorOptions = PredictorOptions()
    teacher: TeacherOptions = TeacherOptions()
    prototypes: PrototypesOptions = PrototypesOptions()
    mask: MaskOptions = MaskOptions()
    bank: int = Field(default=65536, ge=1, description="Earlier rows that a loss looks at.")
    bank_views: int | None = Field(
        default=None,
        ge=1,
        description="Of how many views the bank keeps the rows; of all where left out.",
    )
    local_views: LocalViewsOptions = LocalViewsOptions()
    micro_batch: int | None = Field(
        default=None,
        ge=2,  # a batch norm has no statistics of one row
        description="Images that go through the encoder at a time; gradients stay those of the "
        "whole batch.",
    )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The options that some settings give, by the names that a configuration has for them.

        Raises:
            RRLError: RRL501 for a name that there is not, RRL502 for a value that does not fit.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as problems:
            raise RRLError([_diagnostic(cls, problem) for problem in problems.errors()]) from None


def _diagnostic(options: type[BaseModel], problem: Any) -> Diagnostic:
    *path, key = (str(part) for part in problem["loc"])
    name = ".".join([*path, key])
    if problem["type"] != "extra_forbidden":
        complaint = problem["msg"].removeprefix("Value error, ").replace("Input should", "should")
        return Diagnostic("RRL502", f"`{name}` {complaint}, not {problem['input']!r:.60}")
    for part in path:
        options = type(options.model_fields[part].default)
    known = list(options.model_fields)
    hint = did_you_mean(key, known) or f"known names are {listing(known)}"
    return Diagnostic("RRL501", f"there is no setting `{name}`", hint=hint)
