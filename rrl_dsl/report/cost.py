"""What a plan costs at a batch size: operations and bytes, counted from its instructions.

An estimate of the dense backend's work, to compare recipes by and to see what fits: an operation is
an elementary one for one pair (or, in a stage, for one pair of the universe), whatever its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Column, Instruction, Plan
from rrl_dsl.graph.stage import Stage

WIDTH: Final = 128
"""Of embeddings, which a recipe does not say."""
_VECTORS: Final = {"vector": 1, "slices": 3}
"""Kinds of columns of vectors, and how often they hold one."""


@dataclass(frozen=True)
class Cost:
    """What one evaluation takes.

    Attributes:
        rows: Rows of the batch.
        operations: Operations for each pair of rows, for the graph and its contrast.
        staged: Operations for the stages, over the whole batch.
        prepared: Bytes of the columns.
        graph: Bytes of the graph itself, and of its contrast.
        eager: Bytes of all (n, n) values that are alive at once where torch runs op by op; at
            most, since a CPU evaluates many pairs in parts.
        assumed: The width that was taken for embeddings and fields of unknown width; None where
            none was taken.
    """

    rows: int
    operations: int
    staged: int
    prepared: int
    graph: int
    eager: int
    assumed: int | None

    @property
    def total(self) -> int:
        """Operations in all."""
        return self.operations * self.rows**2 + self.staged


def cost_of(plan: Plan, rows: int, widths: Mapping[str, int] = MappingProxyType({})) -> Cost:
    """The cost of a plan.

    Args:
        plan: The plan.
        rows: Rows of a batch.
        widths: Field or space -> width of its vectors; `WIDTH` for others.
    """
    stages = {column.stage for column in plan.columns if column.stage is not None}
    results = [plan.result] if plan.contrast is None else [plan.contrast, plan.result]
    held = 0 if plan.contrast is None else 1  # the contrast is found first, and waits
    counted = _Counted(plan, rows, widths)
    return Cost(
        rows=rows,
        operations=sum(counted.operations(result) for result in results),
        staged=sum(counted.stage(stage) for stage in stages),
        prepared=sum(counted.column(column) for column in plan.columns) * rows,
        graph=((1 if plan.binary else 4) + held) * rows**2,
        eager=max(_alive(plan, results[0]), _alive(plan, plan.result) + held) * rows**2,
        assumed=WIDTH if counted.names - set(widths) else None,
    )


class _Counted:
    """Operations and bytes of the parts of a plan."""

    def __init__(self, plan: Plan, rows: int, widths: Mapping[str, int]) -> None:
        self.plan = plan
        self.rows = rows
        self.widths = widths

    @property
    def names(self) -> set[str]:
        """The fields and spaces whose vectors are compared."""
        columns = self.plan.columns
        fields = {cast(str, each.field) for each in columns if each.kind in _VECTORS}
        return fields.union(*(_compared(each.stage) for each in columns if each.stage))

    def operations(self, result: int) -> int:
        """For each pair, of an instruction and all that it needs."""
        return sum(self.instruction(self.plan.instructions[at]) for at in self.plan.needed(result))

    def instruction(self, instruction: Instruction) -> int:
        """For each pair, of one instruction."""
        operations = OPERATIONS[instruction.op].cost
        for column in (self.plan.columns[at] for at in instruction.columns):
            if column.kind in _VECTORS:
                held = _VECTORS[column.kind]  # of k slices, the largest k (k + 1) / 2 products
                operations += held * (held + 1) * self.width(column.field)
            if column.stage is not None:  # whose lists are gone through for both rows
                operations += 4 * min(column.stage.longest, self.rows)
        return operations

    def stage(self, stage: Stage) -> int:
        """For the whole batch."""
        levels = max(self.rows - 1, 1).bit_length()
        weights = sum(map(self.operations, stage.weighs))
        distances = sum(2 * self.width(name) for name in _compared(stage))
        return self.rows**2 * (weights + distances + stage.levels * levels)

    def column(self, column: Column) -> int:
        """Bytes for each row."""
        if column.kind in _VECTORS:
            return 8 * _VECTORS[column.kind] * self.width(column.field)
        if column.kind == "values":
            return 8 * self.plan.lookups[cast(int, column.lookup)].width
        return 8 if column.stage is None else 8 * max(min(column.stage.longest, self.rows), 1)

    def width(self, name: str | None) -> int:
        """Of a field or a space."""
        return self.widths.get(cast(str, name), WIDTH)


def _compared(stage: Stage) -> set[str]:
    """The fields and spaces whose vectors a stage compares."""
    return {need.name for need in stage.reads if need.kind in ("space", "vector")}


def _alive(plan: Plan, result: int) -> int:
    """The most bytes a pair of values that are alive at once, as the edge function drops them."""
    needed = plan.needed(result)
    last_use = {value: at for at in needed for value in plan.instructions[at].values}
    alive: dict[int, int] = {}
    most = 0
    for at in needed:
        alive[at] = OPERATIONS[plan.instructions[at].op].bytes
        most = max(most, sum(alive.values()))
        for value in plan.instructions[at].values:
            if last_use[value] == at and value != result:
                alive.pop(value, None)
    return most
