"""Sums over the few edges of a graph that are listed, such as those of neighbors or pairs."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.edge_sums import EdgeSums
from rrl_dsl.backends.known_edges import MOST_LISTED
from rrl_dsl.backends.recomputed import recomputed
from rrl_dsl.backends.sparse import candidates, weights_at

_CHUNK: Final = 2**16
"""The number of edges whose products are computed at once."""


class ListedSums(EdgeSums):
    """Sums over listed edges.

    Attributes:
        rows: int64 (e,), the rows of the edges.
        cols: int64 (e,), the columns of the edges.
        weights: float64 (e,), the weights of the edges.
    """

    def __init__(self, rows: Tensor, cols: Tensor, weights: Tensor, shape: tuple[int, int]) -> None:
        self.rows = rows
        self.cols = cols
        self.weights = weights
        self.shape = shape
        self.device = rows.device

    def where(self, kept: Tensor) -> ListedSums:
        """The edges for which `kept`, bool (e,), is true."""
        return ListedSums(self.rows[kept], self.cols[kept], self.weights[kept], self.shape)

    def times(self, v: Tensor, *, transposed: bool) -> Tensor:
        """See `EdgeSums`."""
        here, there = (self.cols, self.rows) if transposed else (self.rows, self.cols)
        sums = v.new_zeros(self.shape[transposed], v.shape[1])
        for start in range(0, len(here), _CHUNK):
            part = slice(start, start + _CHUNK)
            sums.index_add_(0, here[part], v[there[part]] * self.weights[part].unsqueeze(1))
        return sums

    def log_sum_exp(self, q: Tensor, k: Tensor, scale: float | Tensor) -> Tensor:
        """log sum_{j: w_ij > 0} w_ij exp(scale q_i . k_j), (n,); -inf for a row without an edge."""

        def products(q: Tensor, k: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
            return (q[rows] * k[cols]).sum(dim=1)

        parts = [
            recomputed(products, q, k, rows, cols)
            for rows, cols in zip(
                torch.split(self.rows, _CHUNK), torch.split(self.cols, _CHUNK), strict=True
            )
        ]
        values = torch.cat(parts) * scale + self.weights.log().to(q.dtype)
        top = values.new_full((len(q),), -torch.inf)
        top.scatter_reduce_(0, self.rows, values.detach(), "amax")
        sums = torch.zeros_like(top).index_add(0, self.rows, (values - top[self.rows]).exp())
        alone = sums == 0
        return sums.masked_fill(alone, 1.0).log() + top  # -inf for a row without an edge


def listed(prepared: Prepared, shape: tuple[int, int]) -> ListedSums | None:
    """The edges between n rows and m columns on the CPU; None if there may be many."""
    proposed = candidates(prepared)
    if proposed is None or proposed.total > MOST_LISTED * sum(shape):
        return None
    rows, cols = proposed.pairs(slice(0, shape[0]))
    weights = torch.from_numpy(weights_at(prepared, rows, cols)).double()
    edges = ListedSums(torch.from_numpy(rows), torch.from_numpy(cols), weights, shape)
    return edges.where(weights > 0)
