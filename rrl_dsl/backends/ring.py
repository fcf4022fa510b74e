"""A relation whose columns are passed around a ring of processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rrl_dsl.backends.dense_relation import joined_lse
from rrl_dsl.backends.processes import Parts, passed_on, rank_and_count
from rrl_dsl.backends.relation import Pointwise, Relation
from rrl_dsl.language.diagnostics import RRLError, error

_Reduction = Callable[..., Tensor]
"""(relation of the rows and some columns, vectors of these columns, others) -> (..., rows)."""


class RingRelation(Relation):
    """A relation of the rows of this process, and the columns of one process at a time.

    The vectors of its rows and columns, `q` and `k`, are those of this process. A reduction passes
    `k` from process to process, and reduces the rows over the columns that are there; the backward
    pass does so again, and takes the gradient of `k` along. Its result has the values of the rows
    of all processes, as of a `GatheredRelation`, so that a mean over them is that of all.

    A process holds the vectors of its own rows and of one other process. Ids, labels and fields
    are those of all columns.
    """

    def __init__(self, own: Relation, parts: Parts) -> None:
        """Divides the columns of a relation by process.

        Args:
            own: The relation of the s rows of this process and all columns, of which the last may
                belong to every process, as those of a bank.
            parts: Which rows, and which of the other columns, are those of which process.
        """
        places = parts.places if parts.columns is None else parts.columns
        mine, device = places[rank_and_count()[0]], own.rows.device
        kept = torch.arange(places.numel(), len(own.cols), device=device)
        alone = parts.columns is None and not len(kept)
        cols = own.rows if alone else own.cols[torch.cat([mine, kept])]
        super().__init__(own.rows, cols, seed=own.seed, epoch=own.epoch, step=own.step)
        rows = torch.arange(len(own.rows), device=device)
        self._blocks = [own.restricted(rows, block) for block in places]
        self._kept = own.restricted(rows, kept) if len(kept) else None
        self._passed = len(mine)
        self._all = parts.all

    def restricted(self, rows: Tensor, cols: Tensor) -> Relation:
        raise refused("a relation of some of its rows")

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        raise refused("the nearest unrelated column")

    def degree(self, *, with_self: bool = False) -> Tensor:
        return self._all(self._degree(with_self))

    def compared_count(self) -> Tensor:
        return self._all(_total([each.compared_count() for each in self._every]))

    def unrelated_count(self) -> Tensor:
        return self._all(_total([each.unrelated_count() for each in self._every]))

    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        return self._reduced(
            lambda part, k, q, scale: part.lse(q, k, scale, with_self=with_self),
            joined_lse,
            k,
            q,
            _scalar(scale, q),
        )

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        return self._reduced(
            lambda part, k, q, scale: part.dot(q, k, scale, with_self=with_self),
            _total,
            k,
            q,
            _scalar(scale, q),
        )

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        return self._reduced(
            lambda part, k, q, scale: part.masked_lse(q, k, scale, with_self=with_self),
            joined_lse,
            k,
            q,
            _scalar(scale, q),
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
        among = with_self or self_in_denominator
        degree = self._degree(with_self)

        def reduced(part: Relation, k: Tensor, q: Tensor, scale: Tensor) -> Tensor:
            lse = part.lse(q, k, scale, with_self=among)
            return torch.stack([lse, part.dot(q, k, scale, with_self=with_self)])

        def joined(found: Sequence[Tensor]) -> Tensor:
            log_sums, products = zip(*(each.unbind() for each in found), strict=True)
            log_sum = joined_lse(log_sums).masked_fill(degree == 0, 0.0)
            return degree * log_sum - _total(products)

        return self._reduced(reduced, joined, k, q, _scalar(scale, q)), self._all(degree)

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        return self._reduced(
            lambda part, k, q: part.sqdist(q, k, with_self=with_self), _total, k, q
        )

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        return self._reduced(lambda part, v: part.matmul(v, with_self=with_self), _total, v)

    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        _check_closure(f, q, parameters)
        return self._reduced(
            lambda part, k, q, *others: part.sum(f, q, k, *others, with_self=with_self),
            _total,
            k,
            q,
            *parameters,
        )

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        return self._reduced(lambda part, k, q: part.unrelated_sum_sq(q, k), _total, k, q)

    @property
    def _every(self) -> list[Relation]:
        return self._blocks if self._kept is None else [*self._blocks, self._kept]

    def _degree(self, with_self: bool) -> Tensor:
        return _total([each.degree(with_self=with_self) for each in self._every])

    def _reduced(
        self,
        reduction: _Reduction,
        join: Callable[[Sequence[Tensor]], Tensor],
        k: Tensor,
        *others: Tensor,
    ) -> Tensor:
        """A reduction over all columns, of the rows of all processes.

        Args:
            reduction: Of the rows of this process over some columns.
            join: From the reductions over the columns of each process to that over all.
            k: The vectors of the columns of this process, (s, d), then of those that all have.
            others: What else the reduction takes and has a gradient.
        """
        size = self._passed
        blocks: Tensor = _Around.apply(reduction, self._blocks, k[:size], *others)
        found = list(blocks)
        if self._kept is not None:
            found.append(reduction(self._kept, k[size:], *others))
        return self._all(join(found))


class _Around(torch.autograd.Function):
    """The reductions over the columns of each process, which are passed around the ring."""

    @staticmethod
    def forward(
        ctx: Any, reduction: _Reduction, blocks: Sequence[Relation], k: Tensor, *others: Tensor
    ) -> Tensor:
        """See `RingRelation._reduced`; (processes, ...)."""
        rank, count = rank_and_count()
        found = []
        block = k
        for turn in range(count):
            block = passed_on(block) if turn else block
            found.append(reduction(blocks[(rank - turn) % count], block, *others))
        ctx.reduction, ctx.blocks = reduction, blocks
        ctx.save_for_backward(k, *others)
        return torch.stack([found[(rank - place) % count] for place in range(count)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `k` and of the others."""
        k, *others = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        gradients = [torch.zeros_like(each) for each in (k, *others)]
        rank, count = rank_and_count()
        block = k
        for turn in range(count):
            if turn:
                block = passed_on(block)
                gradients[0] = passed_on(gradients[0]) if needed[0] else gradients[0]
            place = (rank - turn) % count
            leaves = [
                each.detach().requires_grad_(need)
                for each, need in zip((block, *others), needed, strict=True)
            ]
            with torch.enable_grad():
                value = ctx.reduction(ctx.blocks[place], *leaves)
            if not value.requires_grad:
                continue
            wanted = [at for at, need in enumerate(needed) if need]
            found = torch.autograd.grad(
                value, [leaves[at] for at in wanted], gradient[place], allow_unused=True
            )
            for at, added in zip(wanted, found, strict=True):
                if added is not None:
                    gradients[at] = added + gradients[at]
        gradients[0] = passed_on(gradients[0]) if needed[0] else gradients[0]  # home
        return None, None, *gradients


def refused(what: str) -> RRLError:
    """The error for what needs the embeddings of all rows at once."""
    message = f"{what} needs the embeddings of all rows, and `gather=ring` passes them in parts"
    return error("RRL429", message, hint="use `gather=all`", settings=("gather",))


def _check_closure(f: Pointwise, q: Tensor, parameters: Sequence[Tensor]) -> None:
    """Refuses a function whose gradient would be lost.

    Raises:
        RRLError: RRL429 if it closes over a tensor with a gradient.
    """
    pair = torch.zeros(1, 1, dtype=torch.promote_types(q.dtype, torch.float32), device=q.device)
    with torch.enable_grad():
        value = f(pair, pair, *(each.detach() for each in parameters))
    if isinstance(value, Tensor) and value.requires_grad:
        message = "`f` uses a tensor with a gradient that `gather=ring` cannot pass on"
        raise error(
            "RRL429",
            message,
            hint="pass it as a parameter: `relation.sum(f, q, k, x)`",
            settings=("gather",),
        )


def _scalar(scale: float | Tensor, q: Tensor) -> Tensor:
    return torch.as_tensor(scale, dtype=torch.promote_types(q.dtype, torch.float32)).to(q.device)


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(dim=0)
