"""Sums over the edges of a graph that do not go through all pairs.

Every sum is of the form sum_j w_ij v_j:

    degree_i = sum_j w_ij 1,   dot_i = q_i . sum_j w_ij k_j
    sqdist_i = degree_i |q_i|^2 - 2 dot_i + sum_j w_ij |k_j|^2

Sums are in float64, so that the differences are exact to float32 precision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from rrl_dsl.backends.known_edges import Classes, Terms
from rrl_dsl.backends.nodes import first_equal

_WIDTH: Final = 32
"""The number of columns of v that are summed at once, to limit the memory of float64."""


class EdgeSums(ABC):
    """The edges between n rows and m columns.

    Attributes:
        shape: (n, m).
        device: The device of the edges.
    """

    shape: tuple[int, int]
    device: torch.device

    @abstractmethod
    def times(self, v: Tensor, *, transposed: bool) -> Tensor:
        """sum_j w_ij v_j in float64, without a gradient.

        Args:
            v: float64 (m, d), or (n, d) if transposed.
            transposed: Whether to sum over the rows i, for each column.
        """

    def matmul(self, v: Tensor) -> Tensor:
        """sum_j w_ij v_j for v (m, d), in its dtype: (n, d)."""
        sums: Tensor = _Times.apply(v, self, False)
        return sums

    def degree(self, dtype: torch.dtype) -> Tensor:
        """sum_j w_ij, (n,)."""
        ones = torch.ones(self.shape[1], 1, dtype=dtype, device=self.device)
        return self.matmul(ones).squeeze(1)

    def dot(self, q: Tensor, k: Tensor) -> Tensor:
        """sum_j w_ij q_i . k_j, (n,)."""
        return (q * self.matmul(k)).sum(dim=1)

    def sqdist(self, q: Tensor, k: Tensor) -> Tensor:
        """sum_j w_ij |q_i - k_j|^2, (n,)."""
        dtype, center = q.dtype, k.detach().double().mean(dim=0)  # less cancels near the center
        q, k = q.double() - center, k.double() - center
        squares = self.matmul(k.square().sum(dim=1, keepdim=True)).squeeze(1)
        sums = self.degree(k.dtype) * q.square().sum(dim=1) - 2 * self.dot(q, k) + squares
        return sums.clamp(min=0.0).to(dtype)


class _Times(torch.autograd.Function):
    """`EdgeSums.times` with its gradient, which is a sum over the same edges."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, sums: EdgeSums, transposed: bool) -> Tensor:
        ctx.sums, ctx.transposed = sums, transposed
        parts = (
            sums.times(part.double(), transposed=transposed).to(v.dtype)
            for part in torch.split(v, _WIDTH, dim=1)
        )
        return torch.cat(list(parts), dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Times.apply(gradient, ctx.sums, not ctx.transposed), None, None


class ClassSums(EdgeSums):
    """Sums over the edges of classes, such as labels, in time linear in rows plus columns.

    In the graph of one column, the sum over the edges of a row is the sum over its class. A graph
    is a sum of such graphs by inclusion and exclusion: see `rrl_dsl.backends.known_edges`.
    """

    def __init__(
        self,
        terms: Terms,
        rows: Sequence[Tensor],
        cols: Sequence[Tensor],
        row_ids: tuple[Tensor, Tensor] | None,
    ) -> None:
        """Computes the classes of rows and columns.

        Args:
            terms: The terms of the graph.
            rows: The columns of the plan for the rows, (n,) or (n, 1) if terms name them.
            cols: Those for the columns; the same object if they are the rows.
            row_ids: Numbers of the rows and columns, equal if both are the same row, to exclude
                self; None to include it.
        """
        if row_ids is not None:
            alone = cols is rows
            rows, own = [*rows, row_ids[0]], Classes.equal(len(rows))
            cols = rows if alone else [*cols, row_ids[1]]
            terms = Classes.total(terms, Classes.both(terms, own), -1)
        self._counts = tuple(terms.values())
        self._classes = [_classes(sorted(columns), rows, cols) for columns in terms]
        self.shape = len(rows[0]), len(cols[0])
        self.device = rows[0].device

    def times(self, v: Tensor, *, transposed: bool) -> Tensor:
        """See `EdgeSums`."""
        n, m = self.shape
        result = v.new_zeros(m if transposed else n, v.shape[1])
        for count, (of_rows, of_cols) in zip(self._counts, self._classes, strict=True):
            here, there = (of_cols, of_rows) if transposed else (of_rows, of_cols)
            sums = v.new_zeros(n + m + 1, v.shape[1]).index_add_(0, there, v)
            sums[-1] = 0.0
            result += sums[here] * count
        return result


def has_classes(terms: Terms, rows: Sequence[Tensor], cols: Sequence[Tensor]) -> bool:
    """Whether the columns that terms name have one value per row, not several labels."""
    sides = [side[at] for side in (rows, cols) for term in terms for at in term]
    return all(column[:1].numel() <= 1 for column in sides)


def _classes(
    columns: Sequence[int], rows: Sequence[Tensor], cols: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """The class number of each row (n,) and column (m,); n + m if a value is unknown."""
    n, m = len(rows[0]), len(cols[0])
    if not columns:
        return rows[0].new_zeros(n), cols[0].new_zeros(m)
    alone = cols is rows
    values = [(rows[at] if alone else torch.cat([rows[at], cols[at]])).flatten() for at in columns]
    unknown = torch.stack([value < 0 for value in values]).any(dim=0)
    numbers = first_equal(*values).masked_fill(unknown, n + m)
    return (numbers, numbers) if alone else (numbers[:n], numbers[n:])
