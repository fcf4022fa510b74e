"""The cost of a plan at a batch size: operations and bytes, counted from its instructions.

The cost is an estimate for dense evaluation. It serves to compare recipes and to see whether they
fit into memory. An elementary operation on a pair of rows counts as one operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from rrl_dsl.backends.strategy import WIDTH
from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Column, Instruction, Plan
from rrl_dsl.graph.stage import Stage

_VECTORS: Final = {"vector": 1, "slices": 3}
"""Kind of a column of vectors -> the number of stored copies of a vector."""


@dataclass(frozen=True)
class Cost:
    """The cost of an evaluation.

    Attributes:
        rows: The number of rows of the batch.
        operations: Operations per pair of rows, for the graph and its contrast.
        staged: Operations of the stages, over the whole batch.
        prepared: The size of the columns in bytes.
        graph: The size of the graph and its contrast in bytes.
        eager: The maximum size in bytes of all (n, n) values that exist at the same time in eager
            evaluation. A CPU needs less, because it evaluates many pairs in chunks.
        assumed: The assumed width of embeddings and fields of unknown width; None if all widths are
            known.
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
        """The total number of operations."""
        return self.operations * self.rows**2 + self.staged


def cost_of(
    plan: Plan,
    rows: int,
    widths: Mapping[str, int] = MappingProxyType({}),
    width: int = WIDTH,
) -> Cost:
    """Returns the cost of a plan.

    Args:
        plan: The plan.
        rows: The number of rows of a batch.
        widths: Field or space -> width of its vectors.
        width: The width of all other spaces.
    """
    stages = {column.stage for column in plan.columns if column.stage is not None}
    results = [plan.result] if plan.contrast is None else [plan.contrast, plan.result]
    held = 0 if plan.contrast is None else 1  # the contrast is evaluated first, and kept
    counted = _Counted(plan, rows, widths, width)
    return Cost(
        rows=rows,
        operations=sum(counted.operations(result) for result in results),
        staged=sum(counted.stage(stage) for stage in stages),
        prepared=sum(counted.column(column) for column in plan.columns) * rows,
        graph=((1 if plan.binary else 4) + held) * rows**2,
        eager=max(_alive(plan, results[0]), _alive(plan, plan.result) + held) * rows**2,
        assumed=width if counted.names - set(widths) else None,
    )


class _Counted:
    """The operations and bytes of the instructions, stages and columns of a plan."""

    def __init__(self, plan: Plan, rows: int, widths: Mapping[str, int], width: int) -> None:
        self.plan = plan
        self.rows = rows
        self.widths = widths
        self.other_width = width

    @property
    def names(self) -> set[str]:
        """The fields and spaces whose vectors are compared."""
        columns = self.plan.columns
        fields = {cast(str, column.field) for column in columns if column.kind in _VECTORS}
        return fields.union(*(_compared(column.stage) for column in columns if column.stage))

    def operations(self, result: int) -> int:
        """Operations per pair of an instruction and of all instructions that it needs."""
        return sum(self.instruction(self.plan.instructions[at]) for at in self.plan.needed(result))

    def instruction(self, instruction: Instruction) -> int:
        """Operations per pair of an instruction."""
        operations = OPERATIONS[instruction.op].cost
        for column in (self.plan.columns[at] for at in instruction.columns):
            if column.kind in _VECTORS:
                held = _VECTORS[column.kind]  # k slices need the k (k + 1) / 2 largest products
                operations += held * (held + 1) * self.width(column.field)
            if column.stage is not None:  # the lists of both rows are searched
                operations += 4 * min(column.stage.longest, self.rows)
        return operations

    def stage(self, stage: Stage) -> int:
        """Operations of a stage over the whole batch."""
        levels = max(self.rows - 1, 1).bit_length()
        weights = sum(map(self.operations, stage.weighs))
        distances = sum(2 * self.width(name) for name in _compared(stage))
        return self.rows**2 * (weights + distances + stage.levels * levels)

    def column(self, column: Column) -> int:
        """Bytes per row of a column."""
        if column.kind in _VECTORS:
            return 8 * _VECTORS[column.kind] * self.width(column.field)
        if column.kind == "values":
            return 8 * self.plan.lookups[cast(int, column.lookup)].width
        return 8 if column.stage is None else 8 * max(min(column.stage.longest, self.rows), 1)

    def width(self, name: str | None) -> int:
        """The width of a field or a space."""
        return self.widths.get(cast(str, name), self.other_width)


def _compared(stage: Stage) -> set[str]:
    """The fields and spaces whose vectors a stage compares."""
    return {need.name for need in stage.reads if need.kind in ("space", "vector")}


def _alive(plan: Plan, result: int) -> int:
    """The maximum bytes per pair of the values that exist at once; unused values are freed."""
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
