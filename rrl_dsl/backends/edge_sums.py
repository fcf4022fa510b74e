"""Sums over the edges of a graph, without going through all pairs.

They are sums of products, so that sum_j w_ij v_j for some v says them all:

    degree_i = sum_j w_ij 1,   dot_i = q_i . sum_j w_ij k_j
    sqdist_i = degree_i |q_i|^2 - 2 dot_i + sum_j w_ij |k_j|^2

Sums are in float64, where the differences lose nothing that a float32 holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import torch
from torch import Tensor

_WIDTH: Final = 32
"""Columns of v that are summed at once, so that float64 takes little memory."""


class EdgeSums(ABC):
    """The edges of n rows and m columns.

    Attributes:
        shape: (n, m).
        device: Where they are.
    """

    shape: tuple[int, int]
    device: torch.device

    @abstractmethod
    def times(self, v: Tensor, *, transposed: bool) -> Tensor:
        """sum_j w_ij v_j in float64, without a gradient.

        Args:
            v: float64 (m, d), and (n, d) where transposed.
            transposed: Whether the sums are over rows i, for each column.
        """

    def matmul(self, v: Tensor) -> Tensor:
        """sum_j w_ij v_j for v (m, d), in its dtype: (n, d)."""
        found: Tensor = _Times.apply(v, self, False)
        return found

    def degree(self, dtype: torch.dtype) -> Tensor:
        """sum_j w_ij, (n,)."""
        ones = torch.ones(self.shape[1], 1, dtype=dtype, device=self.device)
        return self.matmul(ones).squeeze(1)

    def dot(self, q: Tensor, k: Tensor) -> Tensor:
        """sum_j w_ij q_i . k_j, (n,)."""
        return (q * self.matmul(k)).sum(dim=1)

    def sqdist(self, q: Tensor, k: Tensor) -> Tensor:
        """sum_j w_ij |q_i - k_j|^2, (n,)."""
        dtype, center = q.dtype, k.detach().double().mean(dim=0)  # near vectors are told apart
        q, k = q.double() - center, k.double() - center
        squares = self.matmul(k.square().sum(dim=1, keepdim=True)).squeeze(1)
        found = self.degree(k.dtype) * q.square().sum(dim=1) - 2 * self.dot(q, k) + squares
        return found.clamp(min=0.0).to(dtype)


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
