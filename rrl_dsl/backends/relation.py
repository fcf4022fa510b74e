"""A relation: a graph bound to rows x columns, and the reductions that losses are made of.

All sums run over the pairs of different rows, j != i, unless `with_self` is set. Rows and columns
are the same row where (sample, view) agree; positions do not matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from rrl_dsl.backends.equal_rows import first_equal
from rrl_dsl.backends.nodes import Nodes

Pointwise = Callable[..., Tensor]
"""f(weights, similarities, *parameters) -> values, one for each pair; all but the last alike."""


class Relation(ABC):
    """What every strategy offers. `q` are the rows' vectors (n, d), `k` the columns' (m, d).

    Attributes:
        rows: The rows.
        cols: The columns.
        seed: The recipe's seed, for losses that draw.
        epoch: The epoch, for losses with a schedule.
        step: The optimizer step, for losses that draw anew.
    """

    def __init__(
        self, rows: Nodes, cols: Nodes, *, seed: int = 0, epoch: int = 0, step: int = 0
    ) -> None:
        self.rows = rows
        self.cols = cols
        self.seed = seed
        self.epoch = epoch
        self.step = step

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.rows), len(self.cols)

    def of_all(self, z: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The embeddings that its reductions take, of those of the rows of this process.

        Args:
            z: The rows' embeddings (n, d).
            keys: The columns' (m, d), or None where they are the rows'.
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
        """Numbers of rows (n,) and columns (m,), int64, equal where they are the same row.

        The number is the first column that is the row, or m and more where none is.
        """
        rows, cols = self.rows, self.cols
        m = len(cols)
        sample = cols.sample if cols is rows else torch.cat([cols.sample, rows.sample])
        view = cols.view if cols is rows else torch.cat([cols.view, rows.view])
        ids = first_equal(sample, view)
        return (ids, ids) if cols is rows else (ids[m:], ids[:m])

    @cached_property
    def self_pairs(self) -> Literal["diagonal", "none", "anywhere"]:
        """Where the pairs of a row with itself are; `anywhere` where looking would wait."""
        if self.cols is not self.rows or self.rows.device.type != "cpu":
            return "anywhere"
        ids, _ = self.row_ids
        return "diagonal" if ids.equal(torch.arange(len(ids))) else "anywhere"

    @abstractmethod
    def restricted(self, rows: Tensor, cols: Tensor) -> Relation:
        """The relation of some of its rows and columns, int64 (r,) and (c,): of a pair of views."""

    @abstractmethod
    def degree(self, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij, (n,)."""

    @abstractmethod
    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """log sum_j exp(scale q_i . k_j) over related or contrasted j, (n,); -inf for none."""

    @abstractmethod
    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """sum_j w_ij (scale q_i . k_j), (n,)."""

    @abstractmethod
    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """log sum_{j: w_ij > 0} w_ij exp(scale q_i . k_j), (n,); -inf for no edge."""

    @abstractmethod
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
            q: The rows' vectors, (n, d).
            k: The columns', (m, d).
            scale: The inverse of the temperature.
            with_self: Whether self is an edge like any other.
            self_in_denominator: Whether the softmax is over self too, though it is no edge.
        """

    @abstractmethod
    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij |q_i - k_j|^2, (n,), from differences and not by cancellation."""

    @abstractmethod
    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij v_j for v (m, d): (n, d)."""

    @abstractmethod
    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        """sum_j f(w_ij, q_i . k_j) over related or contrasted j, (n,).

        The gradient reaches `q`, `k`, `parameters` and every tensor that `f` closes over. Where the
        relation is blocked, `f` is called tile by tile, and again in the backward pass: memory
        grows with n + m.

        Args:
            f: From weights and similarities of some rows and columns, both of shape (r, c) and of
                one dtype, float32 or float64, to values of shape (r, c). It computes each value
                from its own pair alone, without random numbers. Its result for weight 0 and
                similarity 0 must be finite: it is computed, and dropped, for pairs that do not
                count.
            q: The rows' vectors, (n, d).
            k: The columns', (m, d).
            parameters: Further arguments of `f`, such as a learned temperature of shape ().
            with_self: Whether self counts, with its weight in the graph.

        Raises:
            RRLError: RRL406 if `f` returns anything but a tensor of that shape.
        """

    @abstractmethod
    def compared_count(self) -> Tensor:
        """How many related or contrasted j there are, int64 (n,)."""

    @abstractmethod
    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        """Sum over unrelated j in the contrast of (q_i . k_j)^2, (n,)."""

    @abstractmethod
    def unrelated_count(self) -> Tensor:
        """How many unrelated j the contrast holds, (n,)."""

    @abstractmethod
    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest unrelated j and the distance, both (n,); -1 and +inf where there is none."""
