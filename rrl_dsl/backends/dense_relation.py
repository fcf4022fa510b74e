"""The dense strategy: a relation that holds the weights of all pairs."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Unpack

import torch
from torch import Tensor

from rrl_dsl.backends.cross_entropy import DenseCrossEntropy
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.relation import (
    Moment,
    Pointwise,
    Relation,
    at_least_float32,
    logsumexp,
    without_autocast,
)
from rrl_dsl.language.diagnostics import error


class DenseRelation(Relation):
    """A relation that holds its (n, m) weights."""

    def __init__(
        self,
        weights: Tensor,
        rows: Nodes,
        cols: Nodes | None = None,
        *,
        contrast: Tensor | None = None,
        **at: Unpack[Moment],
    ) -> None:
        """Binds weights (n, m), bool or float and not negative, to rows and columns.

        `cols` defaults to the rows. `contrast`, bool (n, m), selects the pairs that may count as
        unrelated; the default is all pairs. See `Relation` for the others.
        """
        cols = rows if cols is None else cols
        super().__init__(rows, cols, **at)
        self.weights = weights
        self.contrast = contrast

    @cached_property
    def same(self) -> Tensor:
        """Whether the row and the column are the same row, bool (n, m)."""
        of_rows, of_cols = self.row_ids
        return of_rows[:, None] == of_cols

    @property
    def has_edges(self) -> bool:
        """Whether any weight is above 0, self included; True on a GPU, which would synchronize."""
        weights = self.weights
        if weights.device.type != "cpu":
            return True
        if weights.dtype == torch.bool:
            weights = weights.view(torch.uint8)  # `max` of bool is 10 times slower
        return weights.numel() > 0 and bool(weights.max() > 0)

    @cached_property
    def _related(self) -> Tensor:
        return (self.weights > 0) & ~self.same

    @cached_property
    def _unrelated(self) -> Tensor:
        unrelated = ~((self.weights > 0) | self.same)
        return unrelated if self.contrast is None else unrelated & self.contrast

    @cached_property
    def _compared(self) -> Tensor:
        if self.contrast is None:
            return ~self.same
        return ((self.weights > 0) | self.contrast) & ~self.same

    def restricted(self, rows: Tensor, cols: Tensor) -> DenseRelation:
        contrast = self.contrast
        return DenseRelation(
            self.weights[rows][:, cols],
            self.rows[rows],
            self.cols[cols],
            contrast=None if contrast is None else contrast[rows][:, cols],
            **self.at,
        )

    def degree(self, *, with_self: bool = False) -> Tensor:
        exact = torch.float64 if self.weights.dtype == torch.float64 else torch.float32
        return self.edge_weights(exact, with_self).sum(dim=1)

    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        return self._log_sum_exp(_similarity(q, k) * scale, with_self)

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        similarity = _similarity(q, k)
        return (self.edge_weights(similarity.dtype, with_self) * similarity).sum(dim=1) * scale

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        logits = _similarity(q, k) * scale
        related = self.weights > 0 if with_self else self._related
        weights = self.weights.to(logits.dtype).masked_fill(~related, 1.0)
        return logsumexp(logits + weights.log(), related)

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        with without_autocast(q.device):
            q, k = at_least_float32(q), at_least_float32(k)
            distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
            return (self.edge_weights(q.dtype, with_self) * distance.square()).sum(dim=1)

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        with without_autocast(v.device):
            v = at_least_float32(v)
            return self.edge_weights(v.dtype, with_self) @ v

    def sum(
        self, f: Pointwise, q: Tensor, k: Tensor, *parameters: Tensor, with_self: bool = False
    ) -> Tensor:
        dropped = ~self.compared(with_self)
        similarity = _similarity(q, k).masked_fill(dropped, 0.0)
        with without_autocast(q.device):
            values = f(self.edge_weights(similarity.dtype, with_self), similarity, *parameters)
            _check_pointwise(values, similarity)
            return values.masked_fill(dropped, 0.0).sum(dim=1)

    def compared_count(self) -> Tensor:
        return self._compared.sum(dim=1)

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        return _similarity(q, k).square().masked_fill(~self._unrelated, 0.0).sum(dim=1)

    def unrelated_count(self) -> Tensor:
        return self._unrelated.sum(dim=1)

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        with without_autocast(q.device):
            q, k = at_least_float32(q), at_least_float32(k)
            distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
        nearest, index = distance.masked_fill(~self._unrelated, torch.inf).min(dim=1)
        return index.masked_fill(~self._unrelated.any(dim=1), -1), nearest

    def _cross_entropy(
        self, q: Tensor, k: Tensor, scale: float | Tensor, with_self: bool, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        with without_autocast(q.device):
            rows = at_least_float32(q)
            cols = rows if k is q else at_least_float32(k)
            weights = self.edge_weights(rows.dtype, with_self)
            if weights.requires_grad:
                return self._cross_entropy_of_learned(weights, rows @ cols.T * scale, compare_self)
            factor = torch.as_tensor(scale, dtype=rows.dtype, device=rows.device)
            drop = partial(self.drop, with_self=compare_self)
            result: tuple[Tensor, Tensor] = DenseCrossEntropy.apply(
                rows, cols, factor, weights, drop, k is q
            )
        return result

    def _cross_entropy_of_learned(
        self, weights: Tensor, logits: Tensor, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        """The cross-entropy for weights with a gradient."""
        degree = weights.sum(dim=1)
        log_sum = self._log_sum_exp(logits, compare_self).masked_fill(degree == 0, 0.0)
        return degree * log_sum - (weights * logits).sum(dim=1), degree

    def drop(self, values: Tensor, number: float, with_self: bool = False) -> Tensor:
        """Writes a number to the values (n, m) of pairs that are not compared, in place."""
        if self.contrast is not None:
            return values.masked_fill_(~self.compared(with_self), number)
        return values if with_self else self.fill_self(values, number)

    def fill_self(self, values: Tensor, number: float) -> Tensor:
        """Writes a number to the values (n, m) of pairs of a row with itself, in place."""
        match self.self_pairs:
            case "none":
                return values
            case "diagonal":
                return values.fill_diagonal_(number)
        return values.masked_fill_(self.same, number)

    def compared(self, with_self: bool = False) -> Tensor:
        """The columns of the softmax of each row, bool (n, m)."""
        return self._compared | self.same if with_self else self._compared

    def _log_sum_exp(self, logits: Tensor, with_self: bool = False) -> Tensor:
        """log sum_j exp(logits_ij) over the compared j, (n,); -inf for none."""
        return logsumexp(logits, self.compared(with_self))

    def edge_weights(self, dtype: torch.dtype, with_self: bool = False) -> Tensor:
        """The weights (n, m) in a dtype; self has weight 0 unless `with_self` is set."""
        weights = self.weights
        if weights.dtype == torch.bool:
            weights = weights.view(torch.uint8)  # bool is converted 6 times slower
        if with_self:
            return weights.to(dtype)
        return self.fill_self(weights.to(dtype, copy=True), 0.0)


def _check_pointwise(values: object, similarity: Tensor) -> None:
    if isinstance(values, Tensor) and values.shape == similarity.shape:
        return
    received = (
        f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"{type(values).__name__}"
    )
    message = f"`f` returned {received} for {tuple(similarity.shape)} pairs"
    hint = "return one value per pair, as `lambda weight, similarity: weight * similarity`"
    raise error("RRL406", message, hint=hint)


def _similarity(q: Tensor, k: Tensor) -> Tensor:
    """q k^T in at least float32, also within autocast."""
    with without_autocast(q.device):
        return at_least_float32(q) @ at_least_float32(k).T
