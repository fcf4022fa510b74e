"""The universe of a call: all of its rows and columns in one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes, in_order
from rrl_dsl.backends.processes import banded, banded_by_all
from rrl_dsl.graph.stage import BatchRows

_TILE: Final = 1024


@dataclass(frozen=True)
class Universe:
    """The rows and columns of a call, ordered by (sample, view), as in `BatchRows`.

    Attributes:
        nodes: The u rows and columns.
        spaces: Space -> their vectors (u, d).
        first: bool (u,), whether a row is the first of several equal ones.
        of_rows: int64 (n,), the position of each row; equal rows have that of the first.
        of_cols: int64 (m,), the position of each column.
    """

    nodes: Nodes
    spaces: Mapping[str, Tensor]
    first: Tensor
    of_rows: Tensor
    of_cols: Tensor

    def batch(
        self, weights: Callable[..., Tensor], inputs: Sequence[Tensor], *, shared: bool = False
    ) -> BatchRows:
        """The argument of a stage. If `shared`, all processes compute the stage together."""
        first = self.first
        is_column = torch.zeros_like(first).index_fill(0, self.of_cols, True)
        everything = torch.arange(len(first), device=first.device)
        computed = banded_by_all if shared else banded
        by_rows = partial(computed, rows=everything, height=_TILE)
        return BatchRows(self.nodes, self.spaces, first, is_column, by_rows, weights, inputs)


def universe(rows: Nodes, cols: Nodes, spaces: Mapping[str, tuple[Tensor, Tensor]]) -> Universe:
    """The universe of rows and columns. `spaces` has the vectors (n, d) and (m, d) of both."""
    alone = cols is rows
    nodes = rows if alone else rows.followed_by(cols)
    order, first = in_order(nodes.sample, nodes.view)
    nodes = nodes[order]
    here = torch.arange(len(order), device=order.device)
    leader = torch.where(first, here, 0).cummax(0).values
    place = torch.empty_like(order).scatter_(0, order, leader)
    vectors = {name: (q if alone else torch.cat([q, k]))[order] for name, (q, k) in spaces.items()}
    count = len(rows)
    return Universe(nodes, vectors, first, place[:count], place if alone else place[count:])
