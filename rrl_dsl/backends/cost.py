"""What a plan costs at a batch size: operations and bytes, counted from its instructions.

An estimate of the dense backend's work, to compare recipes by and to see what fits: an operation is
an elementary one for one pair (or, in a stage, for one pair of the universe), whatever its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rrl_dsl.graph.plan import Column, Components, Heaviest, Instruction, Nearest, OpName, Plan

_OPERATIONS: Final[Mapping[OpName, int]] = {
    "same": 3, "draw": 9, "choose": 1, "within": 2, "constant": 0, "both": 1, "either": 1,
    "negated": 1, "number": 1, "largest": 1, "smallest": 1, "total": 2, "masked": 1, "times": 2,
    "at_most": 1, "raised": 2, "above": 1, "near": 3, "cosine": 3, "dot": 3, "exponential": 5,
    "gaussian": 4, "affinity": 9, "linked": 8, "linked_weight": 9, "listed": 0,
    "listed_mutually": 0,
}  # fmt: skip
"""For a pair, beside what goes through a vector or a list."""

_BYTES: Final[Mapping[OpName, int]] = {
    "draw": 8, "choose": 8, "number": 4, "largest": 4, "smallest": 4, "total": 4, "masked": 4,
    "times": 4, "at_most": 4, "raised": 4, "cosine": 4, "dot": 4, "exponential": 4, "gaussian": 4,
    "affinity": 4, "linked_weight": 4,
}  # fmt: skip
"""Of an instruction's result for a pair; 1 for a truth value."""


@dataclass(frozen=True)
class Cost:
    """What one evaluation takes.

    Attributes:
        rows: Rows of the batch.
        operations: Operations for each pair of rows.
        staged: Operations for the stages, over the whole batch.
        prepared: Bytes of the columns.
        graph: Bytes of the graph itself.
        eager: Bytes of all (n, n) values that are alive at once where torch runs op by op.
    """

    rows: int
    operations: int
    staged: int
    prepared: int
    graph: int
    eager: int

    @property
    def total(self) -> int:
        """Operations in all."""
        return self.operations * self.rows**2 + self.staged


def cost_of(plan: Plan, rows: int, width: int = 128) -> Cost:
    """The cost of a plan.

    Args:
        plan: The plan.
        rows: Rows of a batch.
        width: Width of a vector field or an embedding.
    """
    stages = {column.stage for column in plan.columns if column.stage is not None}
    return Cost(
        rows=rows,
        operations=_operations(plan, plan.result, width),
        staged=sum(_stage_operations(plan, stage, rows, width) for stage in stages),
        prepared=sum(_column_bytes(column, width) for column in plan.columns) * rows,
        graph=(1 if plan.binary else 4) * rows**2,
        eager=_alive(plan) * rows**2,
    )


def _operations(plan: Plan, result: int, width: int) -> int:
    """For each pair, of an instruction and all that it needs."""
    return sum(_of_one(plan.instructions[at], plan, width) for at in plan.needed(result))


def _of_one(instruction: Instruction, plan: Plan, width: int) -> int:
    operations = _OPERATIONS[instruction.op]
    for column in (plan.columns[at] for at in instruction.columns):
        if column.kind in ("vector", "direction"):
            operations += 2 * width
        if column.kind == "list" and isinstance(column.stage, Nearest | Heaviest):
            operations += 4 * column.stage.k  # each list is gone through, for both rows
    return operations


def _stage_operations(plan: Plan, stage: object, rows: int, width: int) -> int:
    levels = max(rows - 1, 1).bit_length()
    match stage:
        case Nearest():
            return rows**2 * (2 * width + levels)
        case Heaviest(inner=inner):
            return rows**2 * (_operations(plan, inner, width) + levels)
        case Components(inner=inner):
            return rows**2 * (_operations(plan, inner, width) + 4 * levels)
    raise AssertionError(stage)


def _column_bytes(column: Column, width: int) -> int:
    match column.kind:
        case "vector" | "direction":
            return 8 * width
        case "precision":
            return 16
        case "list" if isinstance(column.stage, Nearest | Heaviest):
            return 8 * column.stage.k
    return 8


def _alive(plan: Plan) -> int:
    """The most bytes a pair of values that are alive at once, as the edge function drops them."""
    needed = plan.needed(plan.result)
    last_use = {value: at for at in needed for value in plan.instructions[at].values}
    alive: dict[int, int] = {}
    most = 0
    for at in needed:
        alive[at] = _BYTES.get(plan.instructions[at].op, 1)
        most = max(most, sum(alive.values()))
        for value in plan.instructions[at].values:
            if last_use[value] == at and value != plan.result:
                alive.pop(value, None)
    return most
