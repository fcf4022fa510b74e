"""Losses that compare each row's related columns with all that it is contrasted with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

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
    Field(description="Self is an edge like any other, of its own weight in the graph."),
]
Temperature = Annotated[Learnable, Field(description="Softmax temperature.")]


@register("simclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SimCLR(Loss):
    """Cross-entropy of each row's relations under a softmax over similarities.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(s_ij / T), s the cosine similarity

    Equation 1 of Maes et al. with a temperature and without self, as a mean. On `ssl(views=2)` it
    is NT-Xent (Chen et al. 2020), on a label graph SupCon's L_out (Khosla et al. 2020), with soft
    weights `xclr`.

    As it is written, equation 1 sums over self too, in the denominator and over the diagonal of G:
    with `with_self=true, temperature=1, normalize=edges` this is equation 1 over the sum of all
    w_ij.
    """

    temperature: Temperature = 0.2
    normalize: Annotated[Normalize, Field(description="Mean over rows or over edges.")] = "rows"
    self_in_denominator: Annotated[
        bool, Field(description="Sum self into the denominator, though it is no edge.")
    ] = False
    with_self: WithSelf = False

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q = unit(z)
        total, degree = relation.cross_entropy(
            q,
            q if keys is z else unit(keys),
            1 / self.temperature,
            with_self=self.with_self,
            self_in_denominator=self.self_in_denominator,
        )
        return mean_over_edges(total, degree, self.normalize)


@register("xclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class XCLR(SimCLR):
    """X-Sample contrastive (Sobal et al. 2025): `simclr` by the name it has on soft weights.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(s_ij / T), s the cosine similarity
    """


@register("suncet")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SuNCEt(Loss):
    """Log of the share that each row's relations have in the softmax.

    - mean_i log( sum_j w_ij exp(s_ij / T) / sum_j exp(s_ij / T) ), s the cosine similarity

    Equation 5 of Maes et al. (Assran et al. 2020); SupCon's L_in up to the log of the degree,
    and what solo-learn calls SupCon. As it is written, equation 5 has `with_self=true` and
    `temperature=1`.
    """

    temperature: Temperature = 0.2
    with_self: WithSelf = False

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q, k, scale = unit(z), unit(keys), 1 / self.temperature
        among = {"with_self": self.with_self}
        related = relation.degree(**among) > 0
        shares = relation.masked_lse(q, k, scale, **among).masked_fill(~related, 0.0)
        log_sum = relation.lse(q, k, scale, **among).masked_fill(~related, 0.0)
        return mean_over_rows(log_sum - shares, related)


@register("supcon")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SupCon(SimCLR):
    """Supervised contrastive: the same as `simclr`, or its sum with `suncet`.

    `form=out` is Khosla et al.'s (2020) L_out; `form=sum` is equations 3 and 4 of Maes et al.,
    L_SimCLR + L_SuNCEt.

    The code of Khosla et al. multiplies L_out by T / 0.07 (`temperature / base_temperature`): by
    1.43 at their T of 0.1. Here the temperature scales similarities alone.
    """

    form: Annotated[Literal["out", "sum"], Field(description="L_out, or the paper's sum.")] = "out"

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        value = super().value(relation, z, keys)
        if self.form == "sum":
            suncet = SuNCEt(temperature=self.temperature, with_self=self.with_self)
            value = value + suncet.value(relation, z, keys)
        return value
