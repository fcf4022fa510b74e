"""A relation over the rows of all processes. Each process evaluates its own rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.processes import Parts, all_rows, by_rank, check_alike, rank_and_count
from rrl_dsl.backends.relation import Join, Reduction, Relation
from rrl_dsl.backends.ring import RingRelation

Vectors = Mapping[str, tuple[Tensor, Tensor]]
"""Space -> the vectors of the rows and of the columns."""


def gathered(
    rows: Nodes, cols: Nodes, spaces: Vectors, *, ring: bool
) -> tuple[Nodes, Nodes, Vectors, Parts]:
    """Gathers the rows, columns and spaces of all processes.

    Args:
        rows: The rows of this process.
        cols: The columns of this process, which may be the rows.
        spaces: The vectors of both.
        ring: Whether a loss gets the embeddings of one process at a time.

    Raises:
        RRLError: RRL402 if rows are checked and the processes have different numbers of rows or
            columns.
    """
    if rows.checked:
        check_alike((rows, cols), all_rows, spaces)
    all_spaces = {name: (all_rows(q), all_rows(k)) for name, (q, k) in spaces.items()}
    every = rows.map(all_rows)
    parts = Parts(by_rank(len(rows), rows.device), all_rows, ring)
    if cols is rows:
        return every, every, all_spaces, parts
    parts = parts.against(Parts(by_rank(len(cols), rows.device), all_rows, ring))
    return every, cols.map(all_rows), all_spaces, parts


def divided(relation: Relation, rows: Nodes, cols: Nodes, parts: Parts) -> Relation:
    """The relation of the rows of all processes.

    Args:
        relation: The relation between the rows of this process and all columns.
        rows: The rows of all processes.
        cols: The columns.
        parts: The rows of each process.
    """
    if parts.ring:
        return RingRelation(relation, parts)
    return GatheredRelation(relation, rows, cols, parts.own, parts.all)


class GatheredRelation(Relation):
    """A relation that reduces the rows of this process and gathers the results of all processes.

    The columns are those of all processes. A reduction takes the vectors of all rows and returns
    the values of all rows, as in one process, so a loss needs no code for several processes. Each
    process computes the same loss. `gather` sums its gradient over the processes, and
    `DistributedDataParallel` averages it, which gives the gradient of one process.
    """

    def __init__(
        self,
        own: Relation,
        rows: Nodes,
        cols: Nodes,
        places: Tensor,
        gather: Callable[[Tensor], Tensor],
    ) -> None:
        """Binds the relation of some rows to all rows.

        Args:
            own: The relation between the s rows of this process and all columns.
            rows: The n rows of all processes.
            cols: The m columns, which may be the rows.
            places: int64 (s,), the positions of the rows of this process.
            gather: From values of its rows (s, ...) to those of all rows (n, ...), with gradients.
        """
        super().__init__(rows, cols, **own.at)
        self._own = own
        self._places = places
        self._gather = gather

    def of_all(self, z: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor | None]:
        every = _of_all(z, len(self.rows))
        if keys is None:
            return every, None
        return every, every if keys is z else _of_all(keys, len(self.cols))

    def restricted(self, rows: Tensor, cols: Tensor) -> GatheredRelation:
        size, gather_all = len(self._places), self._gather
        place = torch.full_like(self.rows.sample, -1)
        place[self._places] = torch.arange(size, device=place.device)
        own = place[rows]
        here = (own >= 0).nonzero().squeeze(1)
        kept = own[here]

        def gather(values: Tensor) -> Tensor:
            whole = values.new_zeros(size, *values.shape[1:]).index_copy(0, kept, values)
            return gather_all(whole)[rows]  # processes may keep different numbers of rows

        own_rows = self._own.restricted(kept, cols)
        return GatheredRelation(own_rows, self.rows[rows], self.cols[cols], here, gather)

    def _reduced(
        self,
        reduction: Reduction,
        join: Join,
        q: Tensor | None = None,
        k: Tensor | None = None,
        *parameters: float | Tensor,
        weighted: bool = True,
    ) -> Tensor:
        if k is None:
            return self._gather(reduction(self._own))
        own = None if q is None else self._own_rows(q)
        return self._gather(reduction(self._own, own, _of_all(k, len(self.cols)), *parameters))

    def _cross_entropy(
        self, q: Tensor, k: Tensor, scale: float | Tensor, with_self: bool, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        own = self._own_rows(q), _of_all(k, len(self.cols))
        total, degree = self._own._cross_entropy(*own, scale, with_self, compare_self)
        return self._gather(total), self._gather(degree)

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        own = self._own_rows(q), _of_all(k, len(self.cols))
        index, distance = self._own.nearest_unrelated(*own)
        return self._gather(index), self._gather(distance)

    def _own_rows(self, q: Tensor) -> Tensor:
        return q if len(q) == len(self._places) else q[self._places]


def _of_all(embeddings: Tensor, count: int) -> Tensor:
    """Gathers the embeddings of this process; returns those of all `count` rows unchanged."""
    is_own = len(embeddings) * rank_and_count()[1] == count
    return all_rows(embeddings) if is_own else embeddings
