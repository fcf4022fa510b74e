"""The universe of a call: all of its rows and columns, each row once, in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes


@dataclass(frozen=True)
class Universe:
    """Rows and columns together, ordered by (sample, view).

    Equal rows stand side by side, and the first of them stands for all. What is found over the
    universe therefore depends neither on the order of a batch nor on rows that stand twice in it.

    Attributes:
        nodes: The u rows and columns.
        spaces: Their vectors (u, d) by space.
        first: bool (u,), whether a row is the first of its equals.
        of_rows: int64 (n,), where each row of the call stands.
        of_cols: int64 (m,), where each column stands.
    """

    nodes: Nodes
    spaces: Mapping[str, Tensor]
    first: Tensor
    of_rows: Tensor
    of_cols: Tensor

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def next_view(self) -> Tensor:
        """int64 (u,): the next view of the same sample, the first after the last; -1 for none."""
        size = len(self)
        here = torch.arange(size, device=self.first.device)
        # the first row of some later group of equals
        later = torch.where(self.first, here, size).flip(0).cummin(0).values.flip(0)
        following = torch.cat([later[1:], later.new_full((1,), size)])[:size]
        sample = self.nodes.sample
        opens = torch.ones_like(self.first)
        opens[1:] = sample[1:] != sample[:-1]
        start = torch.where(opens, here, 0).cummax(0).values
        inside = following.clamp(max=size - 1)
        same = (following < size) & (sample[inside] == sample)
        chosen = torch.where(same, inside, start)
        return torch.where(chosen == here, -1, chosen)


def universe(rows: Nodes, cols: Nodes, spaces: Mapping[str, tuple[Tensor, Tensor]]) -> Universe:
    """The universe of rows and columns.

    Args:
        rows: The n rows.
        cols: The m columns, perhaps the rows themselves.
        spaces: By space, the vectors of the rows (n, d) and of the columns (m, d).
    """
    alone = cols is rows

    def joined(of_rows: Tensor, of_cols: Tensor) -> Tensor:
        return of_rows if alone else torch.cat([of_rows, of_cols])

    sample, view = joined(rows.sample, cols.sample), joined(rows.view, cols.view)
    order = torch.argsort(view, stable=True)
    order = order[torch.argsort(sample[order], stable=True)]
    nodes = Nodes(
        sample[order],
        view[order],
        {
            name: joined(rows.labels[name], cols.labels[name])[order]
            for name in rows.labels.keys() & cols.labels.keys()
        },
        {
            name: joined(rows.fields[name], cols.fields[name])[order]
            for name in rows.fields.keys() & cols.fields.keys()
        },
        check=False,
    )
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = (nodes.sample[1:] != nodes.sample[:-1]) | (nodes.view[1:] != nodes.view[:-1])
    here = torch.arange(len(order), device=order.device)
    leader = torch.where(first, here, 0).cummax(0).values
    place = torch.empty_like(order).scatter_(0, order, leader)
    vectors = {name: joined(of_rows, of_cols)[order] for name, (of_rows, of_cols) in spaces.items()}
    count = len(rows)
    return Universe(nodes, vectors, first, place[:count], place if alone else place[count:])
