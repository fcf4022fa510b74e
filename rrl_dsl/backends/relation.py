"""A relation: a graph bound to rows x columns, and the reductions that losses use.

A reduction is over the pairs of different rows, j != i, unless `with_self` is set. A row and a
column are the same row if their (sample, view) are equal; their positions do not matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal, TypedDict

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes, first_equal

Pointwise = Callable[..., Tensor]
"""f(weights, similarities, *parameters) -> values; all of shape (r, c) but the parameters."""
Reduction = Callable[..., Tensor]
"""(part of a relation, vectors of its rows, of its columns, *parameters) -> (..., rows)."""
Join = Callable[[Sequence[Tensor]], Tensor]
"""Reductions of the same rows over different columns -> the reduction over all these columns."""


class Moment(TypedDict, total=False):
    """The seed, the epoch and the step of a relation, as in `Relation`. They default to 0."""

    seed: int
    epoch: int
    step: int


class Relation(ABC):
    """The reductions of a graph over n rows and m columns.

    `q` are the vectors of the rows (n, d), and `k` those of the columns (m, d).

    `DenseRelation` computes the reductions from the weights of all pairs. Other relations consist
    of parts: `_reduced` reduces the parts and joins their results.

    Attributes:
        rows: The rows.
        cols: The columns.
        seed: The seed of the recipe, for losses that draw.
        epoch: The epoch, for losses with a schedule.
        step: The optimizer step, for losses that draw in every step.
        distinct: Whether the columns are the rows, and it is known that no row occurs twice.
    """

    distinct: bool = False

    def __init__(
        self, rows: Nodes, cols: Nodes, *, seed: int = 0, epoch: int = 0, step: int = 0
    ) -> None:
        self.rows = rows
        self.cols = cols
        self.seed = seed
        self.epoch = epoch
        self.step = step

    @property
    def at(self) -> Moment:
        """The seed, the epoch and the step, as arguments."""
        return {"seed": self.seed, "epoch": self.epoch, "step": self.step}

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.rows), len(self.cols)

    def of_all(self, z: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Returns the embeddings that the reductions take, from those of this process.

        Args:
            z: The embeddings of the rows (n, d).
            keys: The embeddings of the columns (m, d), or None if they are those of the rows.
        """
        return z, keys

    def own_column(self) -> Tensor:
        """The column that is the row itself, int64 (n,); the first of several, -1 for none."""
        if self.cols is self.rows:
            return torch.arange(len(self.rows), device=self.rows.device)
        of_rows, _ = self.row_ids
        return of_rows.masked_fill(of_rows >= self.shape[1], -1)

    @cached_property
    def row_ids(self) -> tuple[Tensor, Tensor]:
        """Numbers of the rows (n,) and columns (m,), int64, equal if both are the same row.

        The number is the first column that is the row, or at least m if there is none.
        """
        rows, cols = self.rows, self.cols
        m = len(cols)
        if self.distinct:
            ids = torch.arange(m, device=cols.device)
            return ids, ids
        sample = cols.sample if cols is rows else torch.cat([cols.sample, rows.sample])
        view = cols.view if cols is rows else torch.cat([cols.view, rows.view])
        ids = first_equal(sample, view)
        return (ids, ids) if cols is rows else (ids[m:], ids[:m])

    @cached_property
    def self_pairs(self) -> Literal["diagonal", "none", "anywhere"]:
        """The place of the self pairs; `anywhere` if a check would synchronize with the device."""
        if self.distinct:
            return "diagonal"
        if self.cols is not self.rows or self.rows.device.type != "cpu":
            return "anywhere"
        ids, _ = self.row_ids
        return "diagonal" if ids.equal(torch.arange(len(ids))) else "anywhere"

    @abstractmethod
    def restricted(self, rows: Tensor, cols: Tensor) -> Relation:
        """The relation of some rows and columns, int64 (r,) and (c,), such as a pair of views."""

    def _reduced(
        self,
        reduction: Reduction,
        join: Join,
        q: Tensor | None = None,
        k: Tensor | None = None,
        *parameters: float | Tensor,
        weighted: bool = True,
    ) -> Tensor:
        """Reduces the parts of the relation and joins the results.

        Args:
            reduction: The reduction of a part. It takes the part alone if `k` is None.
            join: Joins the results of parts with the same rows.
            q: The vectors of the rows, (n, d); None if the reduction does not use them.
            k: The vectors of the columns, (m, d).
            parameters: Further arguments of the reduction.
            weighted: Whether the reduction reads all weights, not only the contrast.
        """
        raise NotImplementedError

    def degree(self, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij, (n,)."""
        return self._reduced(lambda part: part.degree(with_self=with_self), total)

    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """log sum_j exp(scale q_i . k_j) over related or contrasted j, (n,); -inf for none."""

        def reduction(part: Relation, q: Tensor, k: Tensor, scale: float | Tensor) -> Tensor:
            return part.lse(q, k, scale, with_self=with_self)

        return self._reduced(reduction, joined_lse, q, k, scale, weighted=False)

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """sum_j w_ij (scale q_i . k_j), (n,)."""
        return self._reduced(
            lambda part, *args: part.dot(*args, with_self=with_self), total, q, k, scale
        )

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """log sum_{j: w_ij > 0} w_ij exp(scale q_i . k_j), (n,); -inf for no edge."""
        return self._reduced(
            lambda part, *args: part.masked_lse(*args, with_self=with_self), joined_lse, q, k, scale
        )

    def cross_entropy(
        self,
        q: Tensor,
        k: Tensor,
        scale: float | Tensor = 1.0,
        *,
        with_self: bool = False,
        self_in_denominator: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """- sum_j w_ij log softmax_j(scale q_i . k_j), and sum_j w_ij, both (n,).

        The softmax is over related or contrasted j. The first is 0 for rows without an edge.

        Args:
            q: The vectors of the rows, (n, d).
            k: The vectors of the columns, (m, d).
            scale: The inverse of the temperature.
            with_self: Whether self is an edge like any other.
            self_in_denominator: Whether the softmax includes self although it is not an edge.
        """
        return self._cross_entropy(q, k, scale, with_self, with_self or self_in_denominator)

    @abstractmethod
    def _cross_entropy(
        self, q: Tensor, k: Tensor, scale: float | Tensor, with_self: bool, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        """See `cross_entropy`. `compare_self` says whether the softmax includes self."""

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij |q_i - k_j|^2, (n,), from differences, so that nothing cancels."""
        return self._reduced(
            lambda part, *args: part.sqdist(*args, with_self=with_self), total, q, k
        )

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij v_j for v (m, d): (n, d)."""
        return self._reduced(lambda part, _, v: part.matmul(v, with_self=with_self), total, None, v)

    def sum(
        self, f: Pointwise, q: Tensor, k: Tensor, *parameters: Tensor, with_self: bool = False
    ) -> Tensor:
        """sum_j f(w_ij, q_i . k_j) over related or contrasted j, (n,).

        The gradient reaches `q`, `k`, `parameters` and every tensor that `f` closes over. A blocked
        relation calls `f` tile by tile, and again in the backward pass, so that memory grows with
        n + m.

        Args:
            f: From weights and similarities of some rows and columns, both of shape (r, c) and of
                one dtype, float32 or float64, to values of shape (r, c). It computes each value
                from its own pair alone, without random numbers. Its result for weight 0 and
                similarity 0 must be finite: it is computed, and ignored, for pairs that do not
                count.
            q: The vectors of the rows, (n, d).
            k: The vectors of the columns, (m, d).
            parameters: Further arguments of `f`, such as a learned temperature of shape ().
            with_self: Whether self counts, with its weight in the graph.

        Raises:
            RRLError: RRL406 if `f` returns anything but a tensor of that shape.
        """
        return self._reduced(
            lambda part, *args: part.sum(f, *args, with_self=with_self), total, q, k, *parameters
        )

    def compared_count(self) -> Tensor:
        """The number of related or contrasted j, int64 (n,)."""
        return self._reduced(lambda part: part.compared_count(), total, weighted=False)

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        """Sum over unrelated j in the contrast of (q_i . k_j)^2, (n,)."""
        return self._reduced(lambda part, q, k: part.unrelated_sum_sq(q, k), total, q, k)

    def unrelated_count(self) -> Tensor:
        """The number of unrelated j in the contrast, (n,)."""
        return self._reduced(lambda part: part.unrelated_count(), total)

    @abstractmethod
    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest unrelated j and the distance, both (n,); -1 and +inf if there is none."""


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 unchanged."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def without_autocast(device: torch.device) -> torch.autocast:
    """A context in which operations keep the dtype of their arguments."""
    return torch.autocast(device.type, enabled=False)


def logsumexp(logits: Tensor, mask: Tensor) -> Tensor:
    """log sum exp over the masked entries of each row; -inf, without a gradient, for none."""
    some = mask.any(dim=1)
    # an all -inf row has a NaN gradient, so such rows are computed unmasked and then replaced
    kept = mask | ~some[:, None]
    result = logits.masked_fill(~kept, -torch.inf).logsumexp(dim=1)
    return result.masked_fill(~some, -torch.inf)


def joined_lse(parts: Sequence[Tensor]) -> Tensor:
    """The log-sum-exp over all columns, (n,), from those over parts of the columns, each (n,)."""
    sums = torch.stack(list(parts), dim=1)
    return logsumexp(sums, sums > -torch.inf)


def total(parts: Sequence[Tensor]) -> Tensor:
    """The sum over all columns from the sums over parts of the columns, all of one shape."""
    return torch.stack(list(parts)).sum(dim=0)
