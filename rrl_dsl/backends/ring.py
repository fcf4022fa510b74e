"""A relation whose columns are passed around a ring of processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rrl_dsl.backends.processes import Parts, passed_on, rank_and_count
from rrl_dsl.backends.relation import Join, Pointwise, Reduction, Relation, joined_lse, total
from rrl_dsl.language.diagnostics import RRLError, error


class RingRelation(Relation):
    """A relation of the rows of this process and the columns of one process at a time.

    `q` and `k` are the vectors of the rows and columns of this process. A reduction passes `k` from
    process to process, and reduces over the columns that it has at the time. The backward pass
    passes `k` again, together with its gradient. The result contains the values of the rows of all
    processes, as that of a `GatheredRelation` does, so its mean is the mean over all rows.

    A process holds the vectors of its own rows and of one other process. It holds the ids, labels
    and fields of all columns.
    """

    def __init__(self, own: Relation, parts: Parts) -> None:
        """Divides the columns of a relation by process.

        Args:
            own: The relation between the s rows of this process and all columns. Its last columns
                may belong to every process, such as those of a bank.
            parts: The rows and the other columns of each process.
        """
        places = parts.places if parts.columns is None else parts.columns
        mine, device = places[rank_and_count()[0]], own.rows.device
        shared = torch.arange(places.numel(), len(own.cols), device=device)
        alone = parts.columns is None and not len(shared)
        cols = own.rows if alone else own.cols[torch.cat([mine, shared])]
        super().__init__(own.rows, cols, **own.at)
        rows = torch.arange(len(own.rows), device=device)
        self._blocks = [own.restricted(rows, block) for block in places]
        self._shared = [own.restricted(rows, shared)] if len(shared) else []
        self._parts = [*self._blocks, *self._shared]
        self._passed = len(mine)
        self._all = parts.all

    def restricted(self, rows: Tensor, cols: Tensor) -> Relation:
        raise refused("a relation of some of its rows")

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        raise refused("the nearest unrelated column")

    def _cross_entropy(
        self, q: Tensor, k: Tensor, scale: float | Tensor, with_self: bool, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        degree = total([part.degree(with_self=with_self) for part in self._parts])

        def reduction(part: Relation, q: Tensor, k: Tensor, scale: Tensor) -> Tensor:
            lse = part.lse(q, k, scale, with_self=compare_self)
            return torch.stack([lse, part.dot(q, k, scale, with_self=with_self)])

        def join(parts: Sequence[Tensor]) -> Tensor:
            log_sums, products = zip(*(part.unbind() for part in parts), strict=True)
            log_sum = joined_lse(log_sums).masked_fill(degree == 0, 0.0)
            return degree * log_sum - total(products)

        return self._reduced(reduction, join, q, k, scale), self._all(degree)

    def sum(
        self, f: Pointwise, q: Tensor, k: Tensor, *parameters: Tensor, with_self: bool = False
    ) -> Tensor:
        _check_closure(f, q, parameters)
        return super().sum(f, q, k, *parameters, with_self=with_self)

    def _reduced(
        self,
        reduction: Reduction,
        join: Join,
        q: Tensor | None = None,
        k: Tensor | None = None,
        *parameters: float | Tensor,
        weighted: bool = True,
    ) -> Tensor:
        """As `Relation._reduced`, of the rows of all processes.

        `k` are the vectors of the columns of this process, (s, d), followed by those of the columns
        that every process has.
        """
        if k is None:
            return self._all(join([reduction(part) for part in self._parts]))
        size = self._passed
        inputs = [_tensor(parameter, k if q is None else q) for parameter in parameters]
        passed: Tensor = _Around.apply(reduction, self._blocks, q, k[:size], *inputs)
        kept = [reduction(part, q, k[size:], *inputs) for part in self._shared]
        return self._all(join([*passed, *kept]))


class _Around(torch.autograd.Function):
    """The reductions over the columns of each process, which are passed around the ring."""

    @staticmethod
    def forward(
        ctx: Any,
        reduction: Reduction,
        blocks: Sequence[Relation],
        q: Tensor | None,
        k: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        """See `RingRelation._reduced`; (processes, ...)."""
        rank, count = rank_and_count()
        by_turn = []
        block = k
        for turn in range(count):
            block = passed_on(block) if turn else block
            by_turn.append(reduction(blocks[(rank - turn) % count], q, block, *parameters))
        ctx.reduction, ctx.blocks = reduction, blocks
        ctx.save_for_backward(q, k, *parameters)
        return torch.stack([by_turn[(rank - place) % count] for place in range(count)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `q`, `k` and the parameters."""
        q, block, *parameters = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        wanted = [at for at, need in enumerate(needed) if need]
        gradients: list[Any] = [
            torch.zeros_like(value) if need else None
            for value, need in zip((q, block, *parameters), needed, strict=True)
        ]
        rank, count = rank_and_count()
        for turn in range(count):
            if turn:
                block = passed_on(block)
                gradients[1] = passed_on(gradients[1]) if needed[1] else None
            place = (rank - turn) % count
            leaves: list[Any] = [
                value if value is None else value.detach().requires_grad_(need)
                for value, need in zip((q, block, *parameters), needed, strict=True)
            ]
            with torch.enable_grad():
                value = ctx.reduction(ctx.blocks[place], *leaves)
            if not value.requires_grad:
                continue
            added = torch.autograd.grad(
                value, [leaves[at] for at in wanted], gradient[place], allow_unused=True
            )
            for at, part in zip(wanted, added, strict=True):
                if part is not None:
                    gradients[at] = part + gradients[at]
        gradients[1] = passed_on(gradients[1]) if needed[1] else None  # to the process of `k`
        return None, None, *gradients


def refused(what: str) -> RRLError:
    """The error for a computation that needs the embeddings of all rows at once."""
    message = f"{what} needs the embeddings of all rows, and `gather=ring` passes them in parts"
    return error("RRL429", message, hint="use `gather=all`", settings=("gather",))


def _check_closure(f: Pointwise, q: Tensor, parameters: Sequence[Tensor]) -> None:
    """Refuses a function whose gradient would be lost.

    Raises:
        RRLError: RRL429 if it closes over a tensor with a gradient.
    """
    pair = torch.zeros(1, 1, dtype=torch.promote_types(q.dtype, torch.float32), device=q.device)
    with torch.enable_grad():
        value = f(pair, pair, *(parameter.detach() for parameter in parameters))
    if isinstance(value, Tensor) and value.requires_grad:
        message = "`f` uses a tensor with a gradient that `gather=ring` cannot pass on"
        hint = "pass it as a parameter: `relation.sum(f, q, k, x)`"
        raise error("RRL429", message, hint=hint, settings=("gather",))


def _tensor(value: float | Tensor, like: Tensor) -> Tensor:
    """A number as a tensor of shape (), in at least float32; a tensor unchanged."""
    if isinstance(value, Tensor):
        return value
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.as_tensor(value, dtype=dtype, device=like.device)
