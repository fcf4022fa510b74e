"""A relation over the rows of all processes, of which each process evaluates its own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.relation import Pointwise, Relation


@dataclass(frozen=True)
class Share:
    """The rows of this process among those of all.

    Attributes:
        rows: int64 (s,), the places of its rows.
        gather: From values of its rows (s, ...) to those of all rows (n, ...), with gradients.
    """

    rows: Tensor
    gather: Callable[[Tensor], Tensor]


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
        own = self._own.lse(q[self._share.rows], k, scale, with_self=with_self)
        return self._share.gather(own)

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        own = self._own.dot(q[self._share.rows], k, scale, with_self=with_self)
        return self._share.gather(own)

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        own = self._own.masked_lse(q[self._share.rows], k, scale, with_self=with_self)
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
            q[self._share.rows],
            k,
            scale,
            with_self=with_self,
            self_in_denominator=self_in_denominator,
        )
        total, degree = (self._share.gather(each) for each in own)
        return total, degree

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        own = self._own.sqdist(q[self._share.rows], k, with_self=with_self)
        return self._share.gather(own)

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        return self._share.gather(self._own.matmul(v, with_self=with_self))

    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        own = self._own.sum(f, q[self._share.rows], k, *parameters, with_self=with_self)
        return self._share.gather(own)

    def compared_count(self) -> Tensor:
        return self._share.gather(self._own.compared_count())

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        return self._share.gather(self._own.unrelated_sum_sq(q[self._share.rows], k))

    def unrelated_count(self) -> Tensor:
        return self._share.gather(self._own.unrelated_count())

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        own = self._own.nearest_unrelated(q[self._share.rows], k)
        index, distance = (self._share.gather(each) for each in own)
        return index, distance
