"""The options of a network: pydantic models, a part of every run's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

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
from rrl_dsl.models.renamed import with_notes
from rrl_dsl.models.schedule import Schedule

MAX_LAYERS: Final = 64
"""The linear layers of a perceptron. A thousand take minutes to build."""
MAX_VIEWS: Final = 64
"""The local views of a sample, as many as a recipe may have views."""
MAX_SIDE: Final = 4096
"""The side of an image or a local view, in pixels."""


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """Reads `optimizer: adam` as `optimizer: {name: adam}`, in every section with a name."""
        return {"name": value} if isinstance(value, str) and "name" in cls.model_fields else value


class ProjectorOptions(Section):
    """The perceptron between the backbone and the loss."""

    hidden: int = Field(default=2048, ge=1, description="The width of the hidden layers.")
    out: int = Field(default=256, ge=1, description="The width of the embeddings.")
    norm: bool = Field(default=False, description="Whether a batch norm follows each hidden layer.")
    layers: int = Field(
        default=2,
        ge=0,
        le=MAX_LAYERS,
        description="The number of linear layers; 0 removes the projector.",
    )
    activation: Activation = Field(
        default="relu", description="The activation between layers: `relu` or `gelu`."
    )
    output_norm: OutputNorm = Field(
        default="none",
        description="The batch norm after the last layer: `none`, `affine` (learned scale and "
        "offset) or `plain`.",
    )


class PredictorOptions(Section):
    """The perceptron after the projector, for losses that predict other rows."""

    hidden: int = Field(default=4096, ge=1, description="The width of the hidden layers.")
    norm: bool = Field(default=True, description="Whether a batch norm follows each hidden layer.")
    layers: int = Field(default=2, ge=1, le=MAX_LAYERS, description="The number of linear layers.")
    constant_lr: bool = Field(
        default=False, description="Whether its learning rate stays at the peak."
    )


class TeacherOptions(Section):
    """The moving average of the encoder, for losses and recipes that use a teacher."""

    momentum: float = Field(
        default=0.996, ge=0, le=1, description="The momentum at the first step."
    )
    final: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="The momentum at the last step.",
    )
    schedule: Schedule = Field(
        default="cosine",
        description="How the momentum goes from the first to the last step: `cosine` or `linear`.",
    )


class PrototypesOptions(Section):
    """The prototypes after the projector, for losses that compare their scores."""

    count: int = Field(default=4096, ge=2, description="The number of prototypes.")
    frozen: int = Field(
        default=0, ge=0, description="The number of epochs in which the prototypes do not train."
    )
    center_momentum: float = Field(
        default=0.9, ge=0, lt=1, description="The momentum of the mean of the teacher's scores."
    )


class MaskOptions(Section):
    """The patches that are hidden from the student, for losses that compare patches."""

    ratio: tuple[float, float] = Field(
        default=(0.1, 0.5),
        description="The smallest and the largest share of hidden patches in a masked view.",
    )
    probability: float = Field(default=0.5, gt=0, le=1, description="The share of masked views.")

    @field_validator("ratio")
    @classmethod
    def _in_order(cls, ratio: tuple[float, float]) -> tuple[float, float]:
        if not 0 < ratio[0] <= ratio[1] < 1:
            raise ValueError("it should be two shares above 0 and below 1, the smaller first")
        return ratio


class LocalViewsOptions(Section):
    """Small crops in addition to the views of the recipe, for the student only (multi-crop)."""

    count: int = Field(
        default=0, ge=0, le=MAX_VIEWS, description="The number of local views per sample."
    )
    size: int | None = Field(
        default=None,
        ge=2,
        le=MAX_SIDE,
        description="The side in pixels. Defaults to half the side of the image.",
    )
    scale: tuple[float, float] = Field(
        default=(0.05, 0.4), description="The smallest and the largest share of the image area."
    )

    @field_validator("scale")
    @classmethod
    def _in_order(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError("it should be two shares above 0 and at most 1, the smaller first")
        return scale


class NetworkOptions(Section):
    """The parts of a network except its backbone."""

    projector: ProjectorOptions = ProjectorOptions()
    predictor: PredictorOptions = PredictorOptions()
    teacher: TeacherOptions = TeacherOptions()
    prototypes: PrototypesOptions = PrototypesOptions()
    mask: MaskOptions = MaskOptions()
    bank: int = Field(default=65536, ge=1, description="The number of earlier rows in the bank.")
    bank_views: int | None = Field(
        default=None,
        ge=1,
        description="The number of views whose rows the bank keeps. Defaults to all views.",
    )
    local_views: LocalViewsOptions = LocalViewsOptions()
    micro_batch: int | None = Field(
        default=None,
        ge=2,  # a batch norm has no statistics of one row
        description="The number of images that pass through the encoder at a time. The gradient is "
        "that of the whole batch.",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_current_names(cls, value: Any) -> Any:
        """Accepts the names of the previous release."""
        return with_notes(value) if isinstance(value, Mapping) else value

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Returns the options for settings, with the names of a run's settings.

        Raises:
            RRLError: RRL501 for an unknown name, RRL502 for an invalid value.
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
    hint = did_you_mean(key, known) or f"known names are {listing(known, 'and')}"
    return Diagnostic("RRL501", f"there is no setting `{name}`", hint=hint)
