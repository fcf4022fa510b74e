"""Rows that are V views of S samples, one view after the other.

Most recipes give all pairs of rows of two samples one weight, and read the view only to tell a row
from the other views of its sample. Then the weights of the S x S pairs of samples, and of the V x V
pairs of each sample, are those of all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rrl_dsl.graph.plan import Plan

Evaluate = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Repeats:
    """How rows repeat.

    Attributes:
        views: V.
        samples: S; row v S + s is view v of sample s.
        by_view: Whether the pairs of one sample have weights that depend on their views.
    """

    views: int
    samples: int
    by_view: bool

    def weights(self, columns: Sequence[Tensor], grid: Evaluate, pairs: Evaluate) -> Tensor:
        """The weights of all pairs of rows, (n, n).

        Args:
            columns: What is read of the rows, each (n, ...).
            grid: From the columns of S rows, and of S columns, to their weights (S, S).
            pairs: The edge function, of columns that are broadcast.
        """
        shape = (self.views, self.samples)
        first = [column[: self.samples] for column in columns]
        whole = grid(first, first).repeat(self.views, self.views)
        if self.by_view:
            views = [column.view(*shape, *column.shape[1:]).transpose(0, 1) for column in columns]
            own = pairs([each[:, :, None] for each in views], [each[:, None] for each in views])
            whole.view(shape * 2).diagonal(dim1=1, dim2=3).copy_(own.movedim(0, -1))
        return whole


def repeats_of(plan: Plan, result: int, columns: Sequence[Tensor]) -> Repeats | None:
    """How rows repeat, as far as an instruction can tell; None where they do not.

    Args:
        plan: The plan.
        result: The instruction.
        columns: The plan's columns for the rows, on the host.
    """
    sample = columns[0]  # which the planner records first
    views = int((sample == sample[0]).sum())
    samples, rest = divmod(len(sample), views)
    if views < 2 or rest or not _repeats(sample, samples):
        return None
    read = {column for at in plan.needed(result) for column in plan.instructions[at].columns}
    varying = {column for column in read if not _repeats(columns[column], samples)}
    distinct = len(torch.unique(sample)) == samples
    if varying and not (distinct and _within_samples(plan, result, varying)):
        return None
    return Repeats(views, samples, by_view=bool(varying))


def _repeats(column: Tensor, size: int) -> bool:
    return column[size:].equal(column[:-size])


def _within_samples(plan: Plan, result: int, columns: set[int]) -> bool:
    """Whether an instruction reads these columns for pairs of one sample alone."""
    reading: set[int] = set()  # instructions whose results they change for other pairs
    for at in plan.needed(result):
        instruction = plan.instructions[at]
        operands = [plan.instructions[value] for value in instruction.values]
        same_sample = any(each.op == "same" and each.columns == (0,) for each in operands)
        if instruction.op == "both" and same_sample:
            continue
        if not columns.isdisjoint(instruction.columns) or not reading.isdisjoint(
            instruction.values
        ):
            reading.add(at)
    return result not in reading
