"""Rows that are V views of S samples, one view after the other.

Most recipes give all pairs of rows of two samples the same weight, and read the view only to
distinguish the views of one sample. Then the weights of all pairs are copies of those of the S x S
pairs of samples and of the V x V pairs within each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch import Tensor

from rrl_dsl.backends.arrays import Ids
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.graph.plan import Plan

Evaluate = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


class Views(NamedTuple):
    """Rows that are V views of S different samples, one view after the other.

    Attributes:
        views: V, at least 1.
        samples: S; row v S + s has the view of row v S and the sample of row s.
    """

    views: int
    samples: int


def views_of(rows: Nodes) -> Views | None:
    """The views and samples of rows; None if they are in another order, or not on the CPU."""
    if rows.device.type != "cpu" or not len(rows):
        return None
    sample, view = rows.sample.numpy(), rows.view.numpy()  # has less overhead than torch
    views = int((sample == sample[0]).sum())
    samples, rest = divmod(len(sample), views)
    if rest or not np.array_equal(sample[samples:], sample[:-samples]):
        return None
    numbers = view.reshape(views, samples)
    if (numbers != numbers[:, :1]).any() or _repeated(numbers[:, 0]):
        return None
    return None if _repeated(sample[:samples]) else Views(views, samples)


def _repeated(values: Ids) -> bool:
    """Whether a value occurs twice."""
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())


@dataclass(frozen=True)
class Repeats:
    """How the weights of all pairs of views follow from those of pairs of samples.

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


def repeats_of(plan: Plan, result: int, columns: Sequence[Tensor], rows: Views) -> Repeats | None:
    """How the rows repeat for an instruction, from the plan's columns on the CPU; None if not."""
    if rows.views == 1:
        return None
    read = _columns_read(plan, result)
    size = rows.samples
    varying = frozenset(at for at in read if not columns[at][size:].equal(columns[at][:-size]))
    if varying and not _within_samples(plan, result, varying):
        return None
    return Repeats(rows.views, rows.samples, by_view=bool(varying))


@lru_cache(maxsize=256)
def _columns_read(plan: Plan, result: int) -> frozenset[int]:
    """The columns that an instruction depends on."""
    needed = (plan.instructions[at] for at in plan.needed(result))
    return frozenset(column for instruction in needed for column in instruction.columns)


@lru_cache(maxsize=256)
def _within_samples(plan: Plan, result: int, columns: frozenset[int]) -> bool:
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
