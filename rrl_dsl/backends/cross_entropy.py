"""The cross-entropy of a relation with its gradient, all pairs at once or tile by tile.

`Relation.cross_entropy` has the definition. The gradient of logit (i, j) is g_i (degree_i share_ij
- w_ij), where share_ij is the softmax of row i and g the gradient of the result. That of the scale
follows from that of the rows' vectors: d/d scale = sum_i q_i . (d/d q_i) / scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from rrl_dsl.backends.blocked import BlockedRelation

_LARGEST: Final = 40.0
"""The largest logit that needs no shift before exp: e^40 times 10^15 columns fits a float32."""


class DenseCrossEntropy(torch.autograd.Function):
    """The cross-entropy of (n, m) weights."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        scale: Tensor,
        weights: Tensor,
        drop: Callable[[Tensor, float], Tensor],
        alike: bool,
    ) -> tuple[Tensor, Tensor]:
        """See `Relation.cross_entropy`.

        `weights`, (n, m), have the dtype of the vectors. `drop` writes a number to the pairs
        outside the softmax, in place. `alike` says whether `k` is `q`.
        """
        logits = drop((q * scale) @ k.T, -torch.inf)
        shares = logits.softmax(dim=1)
        # the largest share is exp(largest logit - log-sum-exp); NaN for a softmax over no columns
        log_sum = logits.amax(dim=1) - shares.amax(dim=1).log()
        degree = weights.sum(dim=1)
        related = drop(logits, 0.0).mul_(weights).sum(dim=1)
        total = degree * log_sum.masked_fill_(degree == 0, 0.0) - related
        if any(ctx.needs_input_grad):
            drop(shares, 0.0)
            pulls = torch.addcmul(weights, shares, degree.unsqueeze(1), value=-1, out=shares)
            ctx.save_for_backward(q, k, scale, pulls)
        ctx.alike = alike
        ctx.mark_non_differentiable(degree)
        return total, degree

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `q`, `k` and `scale`."""
        q, k, scale, pulls = ctx.saved_tensors
        slope = -gradient.unsqueeze(1)
        of_q = (pulls @ k).mul_(slope)
        of_scale = (of_q * q).sum()
        of_k = pulls.T @ (q * slope)
        if ctx.alike:
            return of_q.add_(of_k).mul_(scale), None, of_scale, None, None, None
        return of_q.mul_(scale), of_k.mul_(scale), of_scale, None, None, None


class Options(NamedTuple):
    """Options of `BlockedCrossEntropy`.

    Attributes:
        with_self: Whether self is an edge.
        self_compared: Whether the softmax includes self.
        mirrored: Whether pair (j, i) has the weight and the similarity of pair (i, j).
        bounded: Whether no logit exceeds `_LARGEST`.
    """

    with_self: bool
    self_compared: bool
    mirrored: bool
    bounded: bool


def is_bounded(q: Tensor, k: Tensor, scale: Tensor) -> bool:
    """Whether all logits are at most `_LARGEST`; False on a GPU, where a check synchronizes."""
    if q.device.type != "cpu":
        return False
    with torch.no_grad():
        longest = [torch.linalg.vector_norm(x, dim=1).amax() for x in (q, k) if len(x)]
        return len(longest) == 2 and bool(longest[0] * longest[1] * scale.abs() < _LARGEST)


class BlockedCrossEntropy(torch.autograd.Function):
    """The cross-entropy with one pass over the tiles forward and one backward.

    If pairs are mirrored, a tile above the diagonal also counts for its mirror image below.
    """

    @staticmethod
    def forward(
        ctx: Any,
        relation: BlockedRelation,
        q: Tensor,
        k: Tensor,
        scale: Tensor,
        options: Options,
        degree: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """See `Relation.cross_entropy`.

        If the caller sums over the edges, it passes `degree`, sum_j w_ij (n,), and the result is
        only degree_i log sum_j exp(scale q_i . k_j).
        """
        find = partial(_cross_entropy, relation, q, k, scale, options, degree)
        total, degree, log_sum, empty = relation.in_memory(find)
        ctx.relation, ctx.options, ctx.empty = relation, options, empty
        ctx.save_for_backward(q, k, scale, log_sum, degree)
        ctx.mark_non_differentiable(degree)
        return total, degree

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `q`, `k` and `scale`."""
        known, saved = (ctx.options, ctx.empty), ctx.saved_tensors
        find = partial(_gradients, ctx.relation, *known, gradient, *saved)
        of_q, of_k, of_scale = ctx.relation.in_memory(find)
        return None, of_q, of_k, of_scale, None, None


_Place = tuple[int, int, int, int]


def _place(rows: slice, cols: slice) -> _Place:
    return rows.start, rows.stop, cols.start, cols.stop


def _cross_entropy(
    relation: BlockedRelation,
    q: Tensor,
    k: Tensor,
    scale: Tensor,
    options: Options,
    known: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, set[_Place]]:
    """The result, the degrees, the log-sum-exps, and the tiles whose edges are not evaluated."""
    related, degree = q.new_zeros(len(q)), q.new_zeros(len(q)) if known is None else known
    summed = q.new_full((len(q),), 0.0 if options.bounded else -torch.inf)
    scaled = q * scale
    empty = set()  # the backward pass skips the weights of these tiles
    for rows, cols in relation.tiles(mirrored=options.mirrored):
        tile = relation.tile(rows, cols, evaluate=known is None)
        logits = scaled[rows] @ k[cols].T
        sides = _sides(rows, cols, options.mirrored)
        if known is None and tile.has_edges:
            weights = tile.edge_weights(q.dtype, options.with_self)
            products = weights * logits
            for here, dim in sides:
                degree[here] += weights.sum(dim=dim)
                related[here] += products.sum(dim=dim)
        else:
            empty.add(_place(rows, cols))
        tile.drop(logits, -torch.inf, options.self_compared)
        if options.bounded:
            logits.exp_()
        for here, dim in sides:
            if options.bounded:
                summed[here] += logits.sum(dim=dim)
            else:
                summed[here] = torch.logaddexp(summed[here], logits.logsumexp(dim=dim))
    log_sum = summed.log() if options.bounded else summed
    log_sum.masked_fill_(degree == 0, 0.0)
    return degree * log_sum - related, degree, log_sum, empty


def _gradients(
    relation: BlockedRelation,
    options: Options,
    empty: set[_Place],
    gradient: Tensor,
    q: Tensor,
    k: Tensor,
    scale: Tensor,
    log_sum: Tensor,
    degree: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `q`, `k` and `scale`, from that of the result, (n,)."""
    of_q, of_k = torch.zeros_like(q), torch.zeros_like(k)
    shift = log_sum - degree.log()  # exp(logit - shift) is degree times share
    factor = gradient * torch.exp(-shift)
    scaled = q * scale
    for rows, cols in relation.tiles(mirrored=options.mirrored):
        has_edges = _place(rows, cols) not in empty
        tile = relation.tile(rows, cols, evaluate=has_edges)
        sides = _sides(rows, cols, options.mirrored)
        logits = scaled[rows] @ k[cols].T
        if options.bounded:
            slopes = logits.exp_().mul_(_over_sides(factor, sides))
        else:
            slopes = _total(
                (logits - shift[here].unsqueeze(dim)).exp_().mul_(gradient[here].unsqueeze(dim))
                for here, dim in sides
            )
        tile.drop(slopes, 0.0, options.self_compared)
        if has_edges:
            weights = tile.edge_weights(q.dtype, options.with_self)
            slopes.addcmul_(weights, _over_sides(gradient, sides), value=-1)
        of_q[rows].addmm_(slopes, k[cols])
        of_k[cols].addmm_(slopes.T, q[rows])
    of_scale = torch.dot(of_q.flatten(), q.flatten())  # needs no (n, d) product
    return of_q.mul_(scale), of_k.mul_(scale), of_scale


def _over_sides(values: Tensor, sides: list[tuple[slice, int]]) -> Tensor:
    """For each pair of a tile, the sum of the values (n,) of the rows that the tile counts for."""
    return _total(values[here].unsqueeze(dim) for here, dim in sides)


def _total(parts: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, parts)


def _sides(rows: slice, cols: slice, mirrored: bool) -> list[tuple[slice, int]]:
    """The rows that a tile counts for, each with the dimension to reduce over."""
    return [(rows, 1), (cols, 0)] if mirrored and rows != cols else [(rows, 1)]
