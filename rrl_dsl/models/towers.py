"""Towers: encoders of further modalities, whose rows are the later views of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from rrl_dsl.backends.program import Program
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error, listing
from rrl_dsl.losses import Loss
from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.backbones import Backbone, build_backbone
from rrl_dsl.models.encoder import Encoder
from rrl_dsl.models.heads import Projector
from rrl_dsl.models.imported import imported_network, width_of
from rrl_dsl.models.options import ProjectorOptions, Section
from rrl_dsl.models.text import TEXT, TextTransformer

_COMPARED: Final = frozenset[Output]({"projection", "prediction", "bank"})
"""The outputs that all towers have in the same width."""


class TowerOptions(Section):
    """The encoder of a view: its column, its network and its projector."""

    column: str = Field(
        description="What it reads: `image`, the images of the dataset (`inputs` if they are "
        "vectors or sequences), or a field of vectors or of token arrays."
    )
    backbone: str | None = Field(
        default=None,
        description="As the setting `backbone`, or `text-micro`. Defaults to `text-micro` for "
        "tokens, to `mlp` for vectors, and to the setting `backbone` for the first tower.",
    )
    backbone_options: dict[str, Any] = Field(
        default_factory=dict, description="As the setting `backbone_options`."
    )
    tokens: bool | None = Field(
        default=None,
        description="Whether the column is an array of tokens, padded with 0. Defaults to whether "
        "all its values are whole numbers from 0.",
    )
    projector: ProjectorOptions | None = Field(
        default=None, description="Its projector. Defaults to the setting `projector`."
    )

    @model_validator(mode="before")
    @classmethod
    def _by_column(cls, value: Any) -> Any:
        """Reads `caption` as `{column: caption}`."""
        return {"column": value} if isinstance(value, str) else value


class TowerInput(NamedTuple):
    """The field of a sample that a tower reads.

    Attributes:
        shape: (d,) of a vector, or (T,) of an array of tokens.
        vocabulary: The number of different tokens; None for vectors.
    """

    shape: tuple[int, ...]
    vocabulary: int | None


class Standardized(nn.Module):
    """Standardizes vectors by statistics of the training split; a missing value becomes 0."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        """Creates statistics that change nothing, until `measure` or a checkpoint sets them."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def measure(self, vectors: Tensor) -> None:
        """Takes the statistics of vectors, float (n, d); NaN is ignored."""
        values = vectors.double()
        mean = values.nanmean(dim=0).nan_to_num()
        std = (values - mean).square().nanmean(dim=0).nan_to_num().sqrt()
        self.mean.copy_(mean)
        self.std.copy_(std.masked_fill(std <= 1e-7 * mean.abs(), 1.0).masked_fill(std == 0, 1.0))

    def forward(self, vectors: Tensor) -> Tensor:
        """Returns the standardized vectors, float32 (n, d)."""
        return ((vectors.float() - self.mean) / self.std).nan_to_num(nan=0.0)


class _Whole(nn.Module):
    """Token arrays of any number type as int64."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.long()


def build_tower(options: TowerOptions, given: TowerInput, projector: ProjectorOptions) -> Encoder:
    """Builds a tower with random weights.

    Args:
        options: Its options.
        given: What it reads.
        projector: The projector of a tower without one of its own.

    Returns:
        The encoder, from float (n, d) or tokens (n, T).

    Raises:
        RRLError: RRL502 if the network does not exist or does not fit the column.
    """
    chosen = options.projector or projector
    head = partial(Projector, **chosen.model_dump())
    return Encoder(_backbone(options, given), projector=head, prototypes=0, parts=())


def _backbone(options: TowerOptions, given: TowerInput) -> Backbone:
    name, more = options.backbone or default_backbone(given), options.backbone_options
    if given.vocabulary is not None and name == TEXT:
        if more:
            message = (
                f"the backbone `{TEXT}` takes no options, but was given {listing(more, 'and')}"
            )
            raise error("RRL502", message, hint="leave them out", settings=("towers",))
        text = TextTransformer(given.vocabulary, *given.shape)
        return Backbone(nn.Sequential(_Whole(), text), text.width)
    if name == TEXT or (given.vocabulary is not None and ":" not in name):
        kind = "vectors" if given.vocabulary is None else "tokens"
        message = (
            f"the backbone `{name}` does not read {kind}, as the column `{options.column}` has"
        )
        hint = f"use `{default_backbone(given)}`, or a network of your own"
        raise error("RRL502", message, hint=hint, settings=("towers",))
    if ":" in name:
        network = imported_network(name, given.shape, more)
    else:
        network = build_backbone(name, given.shape, options=more)
    first = Standardized(*given.shape) if given.vocabulary is None else _Whole()
    body = nn.Sequential(first, network)
    return Backbone(body, width_of(body, name, given.shape))


def default_backbone(given: TowerInput) -> str:
    """Returns the backbone of a tower without one of its own."""
    return "mlp" if given.vocabulary is None else TEXT


def check_towers(
    program: Program, loss: Loss, towers: Sequence[Encoder], width: int, local_views: int
) -> None:
    """Checks that recipe and loss only compare what all towers have.

    Args:
        program: The recipe.
        loss: The loss.
        towers: The towers after the first.
        width: The width of the embeddings of the first tower.
        local_views: The number of local views of a sample.

    Raises:
        RRLError: RRL404 if the recipe has another number of views, RRL424 if recipe or loss need
            a part that towers do not have, RRL502 if embeddings differ in width.
    """
    faults, views = [], program.requires.views
    if views != len(towers) + 1:
        message = f"every view needs a tower, but this recipe has {views} views and `towers` has "
        message += f"{len(towers) + 1}"
        hint = f"relate views with `ssl(views={len(towers) + 1})`"
        faults.append(Diagnostic("RRL404", message, hint=hint, settings=("towers",)))
    for _, term in loss.flat_terms():
        if more := set(term.inputs().values()) - _COMPARED:
            message = (
                f"`{term.name()}` compares {listing(sorted(more), 'and')}, which towers do not have"
            )
            hint = "use a loss of embeddings, such as `clip` or `sigmoid`"
            faults.append(Diagnostic("RRL424", message, hint=hint, settings=("towers",)))
    for space in program.requires.spaces:
        if space in ("backbone", "teacher"):
            message = f"the recipe compares rows in the space `{space}`, which towers do not share"
            hint = "write `space=projection`, or a field"
            faults.append(Diagnostic("RRL424", message, hint=hint, settings=("towers",)))
    if local_views:
        message = "`local_views` are crops of images, which other towers do not have"
        hint = "use `--set local_views.count=0`"
        where = ("local_views.count",)
        faults.append(Diagnostic("RRL424", message, hint=hint, settings=where))
    widths = [width, *(tower.projector.width for tower in towers)]
    if len(set(widths)) > 1:
        message = f"the embeddings of the towers have the widths {listing(map(str, widths), 'and')}"
        hint = "give every projector the same `out`"
        faults.append(Diagnostic("RRL502", message, hint=hint, settings=("towers",)))
    if faults:
        raise RRLError(faults)
