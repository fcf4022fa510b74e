"""Losses that compare the related columns of a row with all columns in its contrast."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from rrl_dsl.backends.relation import Relation
from rrl_dsl.losses.base import (
    OPTIONS,
    Learnable,
    Loss,
    Normalize,
    mean_over_edges,
    mean_over_rows,
    unit,
)
from rrl_dsl.losses.registry import register

WithSelf = Annotated[
    bool,
    Field(description="Whether self counts as an edge, with its weight in the graph."),
]
Temperature = Annotated[Learnable, Field(description="The temperature of the softmax.")]
_LARGEST_SCALE: Final = 100.0
"""The largest factor of similarities in `clip`."""


@register("simclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SimCLR(Loss):
    """Cross-entropy of the related rows under a softmax over similarities.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(s_ij / T), s the cosine similarity

    Equation 1 of Maes et al. as a mean, with a temperature, and without the pair of a row with
    itself (self). On `ssl(views=2)` it is NT-Xent (Chen et al. 2020). On a graph of labels it is
    SupCon's L_out (Khosla et al. 2020). With soft weights it is `xclr`.

    Equation 1 as written includes self, in the denominator and in the sum over the graph. Use
    `with_self=true, temperature=1, normalize=edges` to get equation 1 divided by the sum of all
    weights.
    """

    row_wise: ClassVar[bool] = True

    temperature: Temperature = 0.2
    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"
    self_in_denominator: Annotated[
        bool, Field(description="Whether the denominator includes self.")
    ] = False
    with_self: WithSelf = False

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q = unit(z)
        total, degree = relation.cross_entropy(
            q,
            q if keys is z else unit(keys),
            self._scale(),
            with_self=self.with_self,
            self_in_denominator=self.self_in_denominator,
        )
        return mean_over_edges(total, degree, self.normalize)

    def _scale(self) -> float | Tensor:
        """The factor of the similarities, 1 / T."""
        return 1 / self.temperature


@register("xclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class XCLR(SimCLR):
    """X-Sample contrastive loss (Sobal et al. 2025): the name of `simclr` for soft weights.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(s_ij / T), s the cosine similarity
    """


@register("clip")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class CLIP(SimCLR):
    """Cross-entropy as `simclr`, with a learned temperature.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(s_ij / T), s the cosine similarity

    Figure 3 of CLIP (Radford et al. 2021). With images and texts as the two views, it is the loss
    of the paper on `ssl(views=2) & cross_view()` with `contrast cross_view()`: the mean of the
    cross-entropies of images over texts and of texts over images. A graph with weights makes the
    target soft.

    T is learned, as in the paper: the network gets a parameter for the logarithm of T, relative to
    the option. Before each step, 1 / T is limited to 100. `learn=false` fixes T.
    """

    temperature: Annotated[Learnable, Field(description="The initial temperature.")] = 0.07
    learn: Annotated[bool, Field(description="Whether to learn the temperature.")] = True

    @cached_property
    def _log_factor(self) -> Tensor:
        """The change of log(1 / T) since the start, ()."""
        none = torch.zeros(())
        learn = self.learn and not isinstance(self.temperature, Tensor)
        return nn.Parameter(none) if learn else none

    def learned(self) -> list[nn.Parameter]:
        """See `Loss.learned`."""
        own = self._log_factor
        return [*super().learned(), *([own] if isinstance(own, nn.Parameter) else [])]

    def _scale(self) -> float | Tensor:
        if isinstance(self.temperature, Tensor) or not self.learn:
            return 1 / self.temperature
        with torch.no_grad():  # as in the code of the paper, so that it can fall again
            self._log_factor.clamp_(max=math.log(_LARGEST_SCALE * self.temperature))
        return self._log_factor.exp() / self.temperature


@register("suncet")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SuNCEt(Loss):
    """Negative log of the share of the related rows in the softmax over similarities.

    - mean_i log( sum_j w_ij exp(s_ij / T) / sum_j exp(s_ij / T) ), s the cosine similarity

    Equation 5 of Maes et al. (Assran et al. 2020). It equals SupCon's L_in up to the log of the
    degree, and the loss that solo-learn calls SupCon. Equation 5 as written has `with_self=true`
    and `temperature=1`.
    """

    row_wise: ClassVar[bool] = True

    temperature: Temperature = 0.2
    with_self: WithSelf = False

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q, k, scale = unit(z), unit(keys), 1 / self.temperature
        pairs = {"with_self": self.with_self}
        related = relation.degree(**pairs) > 0
        shares = relation.masked_lse(q, k, scale, **pairs).masked_fill(~related, 0.0)
        log_sum = relation.lse(q, k, scale, **pairs).masked_fill(~related, 0.0)
        return mean_over_rows(log_sum - shares, related)


@register("supcon")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SupCon(SimCLR):
    """Supervised contrastive loss: `simclr`, or the sum of `simclr` and `suncet`.

    `form=out` is L_out of Khosla et al. (2020). `form=sum` is L_SimCLR + L_SuNCEt, equations 3 and
    4 of Maes et al.

    The code of Khosla et al. multiplies L_out by T / 0.07 (`temperature / base_temperature`), which
    is 1.43 for their T = 0.1. Here, the temperature only scales the similarities.
    """

    form: Annotated[Literal["out", "sum"], Field(description="L_out, or the sum of the paper.")] = (
        "out"
    )

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        value = super().value(relation, z, keys)
        if self.form == "sum":
            suncet = SuNCEt(temperature=self.temperature, with_self=self.with_self)
            value = value + suncet.value(relation, z, keys)
        return value
