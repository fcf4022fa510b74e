"""Rows that are V views of S samples, one view after the other.

Most recipes give all pairs of rows of two samples the same weight, and read the view only to
distinguish the views of one sample. Then the weights of all pairs are copies of those of the S x S
pairs of samples and of the V x V pairs within each sample.
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
            columns: The columns of the plan for the rows, each (n, ...).
            grid: From the plan's columns for S rows and for S columns to their weights (S, S).
            pairs: The edge function, which broadcasts its columns.
        """
        shape = (self.views, self.samples)
        first = [column[: self.samples] for column in columns]
        whole = grid(first, first).repeat(self.views, self.views)
        if self.by_view:
            views = [column.view(*shape, *column.shape[1:]).transpose(0, 1) for column in columns]
            own = pairs([view[:, :, None] for view in views], [view[:, None] for view in views])
            whole.view(shape * 2).diagonal(dim1=1, dim2=3).copy_(own.movedim(0, -1))
        return whole


def repeats_of(plan: Plan, result: int, columns: Sequence[Tensor]) -> Repeats | None:
    """How the rows repeat for an instruction, from the plan's columns on the CPU; None if not."""
    sample = columns[0]  # the planner records it first
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
    """Whether an instruction depends on these columns only for pairs of one sample."""
    reading: set[int] = set()  # instructions that depend on them for other pairs
    for at in plan.needed(result):
        instruction = plan.instructions[at]
        operands = [plan.instructions[value] for value in instruction.values]
        same_sample = any(value.op == "same" and value.columns == (0,) for value in operands)
        if instruction.op == "both" and same_sample:
            continue
        if not columns.isdisjoint(instruction.columns) or not reading.isdisjoint(
            instruction.values
        ):
            reading.add(at)
    return result not in reading
