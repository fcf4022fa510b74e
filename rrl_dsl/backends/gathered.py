"""A relation over the rows of all processes, of which each process evaluates its own rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.processes import Parts, all_rows, by_rank, check_alike, rank_and_count
from rrl_dsl.backends.relation import Pointwise, Relation
from rrl_dsl.backends.ring import RingRelation


@dataclass(frozen=True)
class Share:
    """The rows of this process among those of all.

    Attributes:
        rows: int64 (s,), the places of its rows.
        gather: From values of its rows (s, ...) to those of all rows (n, ...), with gradients.
    """

    rows: Tensor
    gather: Callable[[Tensor], Tensor]


class Sides(NamedTuple):
    """The rows and columns of a call in all processes, and their vectors by space."""

    rows: Nodes
    cols: Nodes
    spaces: Mapping[str, tuple[Tensor, Tensor]]


def gathered_sides(own: Sides, *, ring: bool) -> tuple[Sides, Parts]:
    """Gathers the rows and columns of all processes.

    Args:
        own: The rows and columns of this process.
        ring: Whether a loss gets the embeddings of one process at a time.

    Raises:
        RRLError: RRL402 if the processes have different numbers of rows or columns; it is looked
            for where rows are checked.
    """
    rows, cols, spaces = own
    if rows.checked:
        check_alike((rows, cols), all_rows, spaces)
    every = rows.map(all_rows)
    sides = Sides(
        every,
        every if cols is rows else cols.map(all_rows),
        {name: (all_rows(q), all_rows(k)) for name, (q, k) in spaces.items()},
    )
    parts = Parts(by_rank(len(rows), rows.device), all_rows, ring)
    if cols is not rows:
        parts = parts.against(Parts(by_rank(len(cols), rows.device), all_rows, ring))
    return sides, parts


def divided(relation: Relation, rows: Nodes, cols: Nodes, parts: Parts) -> Relation:
    """The relation of all rows of which each process evaluates its own.

    Args:
        relation: Of the rows of this process and all columns.
        rows: The rows of all processes.
        cols: The columns.
        parts: Which rows are those of which process.
    """
    if parts.ring:
        return RingRelation(relation, parts)
    return GatheredRelation(relation, rows, cols, Share(parts.own, parts.all))


class GatheredRelation(Relation):
    """A relation that reduces the rows of this process and gathers the results of all.

    The columns are those of all processes. A reduction takes the vectors of all rows and returns
    the values of all rows, as in one process, so that a loss does not know of processes. Each
    process computes the same loss. Its gradient is summed over the processes by `gather` and
    averaged by `DistributedDataParallel`, which gives the gradient of one process.
    """

    def __init__(self, own: Relation, rows: Nodes, cols: Nodes, share: Share) -> None:
        """Binds the relation of some rows to all rows.

        Args:
            own: The relation of the rows of this process, in the order of `share`, and all columns.
            rows: The n rows of all processes.
            cols: The m columns, perhaps the rows themselves.
            share: Which rows are those of this process.
        """
        super().__init__(rows, cols, seed=own.seed, epoch=own.epoch, step=own.step)
        self._own = own
        self._share = share

    def of_all(self, z: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor | None]:
        every = _of_all(z, len(self.rows))
        return every, every if keys is z else None if keys is None else _of_all(
            keys, len(self.cols)
        )

    def _vectors(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the rows of this process and of all columns."""
        rows = self._share.rows
        return q if len(q) == len(rows) else q[rows], _of_all(k, len(self.cols))

    def restricted(self, rows: Tensor, cols: Tensor) -> GatheredRelation:
        share = self._share
        place = torch.full_like(self.rows.sample, -1)
        place[share.rows] = torch.arange(len(share.rows), device=place.device)
        own = place[rows]
        here = (own >= 0).nonzero().squeeze(1)
        kept, size = own[here], len(share.rows)

        def gather(values: Tensor) -> Tensor:
            whole = values.new_zeros(size, *values.shape[1:]).index_copy(0, kept, values)
            return share.gather(whole)[rows]  # processes may keep different numbers of rows

        own_rows = self._own.restricted(kept, cols)
        return GatheredRelation(own_rows, self.rows[rows], self.cols[cols], Share(here, gather))

    def degree(self, *, with_self: bool = False) -> Tensor:
        return self._share.gather(self._own.degree(with_self=with_self))

    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        own = self._own.lse(*self._vectors(q, k), scale, with_self=with_self)
        return self._share.gather(own)

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        own = self._own.dot(*self._vectors(q, k), scale, with_self=with_self)
        return self._share.gather(own)

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        own = self._own.masked_lse(*self._vectors(q, k), scale, with_self=with_self)
        return self._share.gather(own)

    def cross_entropy(
        self,
        q: Tensor,
        k: Tensor,
        scale: float | Tensor = 1.0,
        *,
        with_self: bool = False,
        self_in_denominator: bool = False,
    ) -> tuple[Tensor, Tensor]:
        own = self._own.cross_entropy(
            *self._vectors(q, k),
            scale,
            with_self=with_self,
            self_in_denominator=self_in_denominator,
        )
        total, degree = (self._share.gather(values) for values in own)
        return total, degree

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        own = self._own.sqdist(*self._vectors(q, k), with_self=with_self)
        return self._share.gather(own)

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        return self._share.gather(self._own.matmul(_of_all(v, len(self.cols)), with_self=with_self))

    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        own = self._own.sum(f, *self._vectors(q, k), *parameters, with_self=with_self)
        return self._share.gather(own)

    def compared_count(self) -> Tensor:
        return self._share.gather(self._own.compared_count())

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        return self._share.gather(self._own.unrelated_sum_sq(*self._vectors(q, k)))

    def unrelated_count(self) -> Tensor:
        return self._share.gather(self._own.unrelated_count())

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        own = self._own.nearest_unrelated(*self._vectors(q, k))
        index, distance = (self._share.gather(values) for values in own)
        return index, distance


def _of_all(embeddings: Tensor, count: int) -> Tensor:
    """Embeddings of this process become those of all, whose number is given; others are kept."""
    is_own = len(embeddings) * rank_and_count()[1] == count
    return all_rows(embeddings) if is_own else embeddings
