"""Losses with one term per pair, without a softmax over the columns of a row."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import (
    OPTIONS,
    Learnable,
    LearnableReal,
    Loss,
    mean_over_edges,
    mean_over_rows,
    unit,
)
from rrl_dsl.losses.registry import register


@register("sigmoid")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Sigmoid(Loss):
    """Binary cross-entropy of each pair: is it an edge, predicted from its similarity.

    - mean over contrasted pairs of log sigma(y_ij (s_ij / T + b)), s the cosine similarity

    Equation 1 of SigLIP (Zhai et al. 2023), with t = 1 / T. y is 1 for an edge, and -1 for a pair
    of the contrast without an edge. A weight w between 0 and 1 is a soft target: the term is then w
    log sigma(x) + (1 - w) log sigma(-x), x = s_ij / T + b. A weight above 1 is an error.

    The mean is over pairs, so the value does not depend on the batch size. `normalize=batch`
    divides the sum by the number of rows, as the paper does. With images as rows and texts as
    columns, it is the loss of the paper on `ssl(views=2) & cross_view()`. Rows without an edge are
    ignored.

    T and b are learned, as in the paper: the network gets a parameter for the logarithm of T and
    one for b, both relative to the options. `learn=false` fixes them.
    """

    row_wise: ClassVar[bool] = True

    temperature: Annotated[Learnable, Field(description="The initial temperature.")] = 0.1
    bias: Annotated[LearnableReal, Field(description="The initial bias.")] = -10.0
    learn: Annotated[bool, Field(description="Whether to learn temperature and bias.")] = True
    normalize: Annotated[
        Literal["pairs", "batch"],
        Field(description="Average over pairs, or divide by the rows."),
    ] = "pairs"

    @cached_property
    def _log_factor(self) -> Tensor:
        """The change of log(1 / T) since the start, ()."""
        return self._change_of(self.temperature)

    @cached_property
    def _shift(self) -> Tensor:
        """The change of b since the start, ()."""
        return self._change_of(self.bias)

    def _change_of(self, option: float | Tensor) -> Tensor:
        none = torch.zeros(())
        return nn.Parameter(none) if self.learn and not isinstance(option, Tensor) else none

    def learned(self) -> list[nn.Parameter]:
        """See `Loss.learned`."""
        own = (
            value for value in (self._log_factor, self._shift) if isinstance(value, nn.Parameter)
        )
        return [*super().learned(), *own]

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL404 for a weight above 1; it is looked for on the CPU alone.
        """
        q = unit(z)
        k = q if keys is z else unit(keys)
        scale, bias = self._log_factor.exp() / self.temperature, self.bias + self._shift
        total = relation.sum(_cross_entropy, q, k, scale, bias)
        related = relation.degree() > 0
        if self.normalize == "batch":
            return mean_over_rows(total, related)
        return mean_over_edges(total, relation.compared_count() * related, "edges")


def _cross_entropy(weights: Tensor, similarity: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    if weights.device.type == "cpu" and bool((weights > 1).any()):  # does not wait for a GPU
        message = f"`sigmoid` needs weights of at most 1, and this graph has {weights.max():g}"
        raise error("RRL404", message, hint="write `… | clip(max=1)`")
    logits = similarity * scale + bias
    return F.binary_cross_entropy_with_logits(logits, weights, reduction="none")
