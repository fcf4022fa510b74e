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

Temperature = Annotated[Learnable, Field(description="Softmax temperature.")]


@register("simclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SimCLR(Loss):
    """Cross-entropy of each row's relations under a softmax over similarities.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(s_ij / T), s the cosine similarity

    Equation 1 of Maes et al. with a temperature and without self in the denominator. On
    `ssl(views=2)` it is NT-Xent (Chen et al. 2020), on a label graph SupCon's L_out (Khosla et al.
    2020), with soft weights `xclr`.
    """

    temperature: Temperature = 0.2
    normalize: Annotated[Normalize, Field(description="Mean over rows or over edges.")] = "rows"
    self_in_denominator: Annotated[
        bool, Field(description="Sum self into the denominator, as equation 1 is written.")
    ] = False

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        total, degree = cross_entropy(
            relation,
            unit(z),
            unit(keys),
            1 / self.temperature,
            with_self=self.self_in_denominator,
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
    and what solo-learn calls SupCon.
    """

    temperature: Temperature = 0.2

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q, k, scale = unit(z), unit(keys), 1 / self.temperature
        related = relation.degree() > 0
        shares = relation.masked_lse(q, k, scale).masked_fill(~related, 0.0)
        log_sum = relation.lse(q, k, scale).masked_fill(~related, 0.0)
        return mean_over_rows(log_sum - shares, related)


@register("supcon")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SupCon(SimCLR):
    """Supervised contrastive: the same as `simclr`, or its sum with `suncet`.

    `form=out` is Khosla et al.'s (2020) L_out; `form=sum` is equations 3 and 4 of Maes et al.,
    L_SimCLR + L_SuNCEt.
    """

    form: Annotated[Literal["out", "sum"], Field(description="L_out, or the paper's sum.")] = "out"

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        value = super().value(relation, z, keys)
        if self.form == "sum":
            value = value + SuNCEt(temperature=self.temperature).value(relation, z, keys)
        return value


def cross_entropy(
    relation: Relation, q: Tensor, k: Tensor, scale: float | Tensor, *, with_self: bool = False
) -> tuple[Tensor, Tensor]:
    """Each row's weighted sum of negative log shares, and its degree.

    Args:
        relation: The relation of n rows and m columns.
        q: The rows' vectors, (n, d).
        k: The columns', (m, d).
        scale: What q_i . k_j is multiplied by.
        with_self: Whether the softmax sums over self too.

    Returns:
        - sum_j w_ij log softmax_j(scale q_i . k_j), (n,), 0 for rows without an edge; and
        sum_j w_ij, (n,).
    """
    degree = relation.degree().to(q.dtype)
    log_sum = relation.lse(q, k, scale, with_self=with_self).masked_fill(degree == 0, 0.0)
    return degree * log_sum - relation.dot(q, k, scale), degree
