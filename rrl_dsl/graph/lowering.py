"""A plan while it grows: equal columns, scalars, lookups and instructions are kept once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from rrl_dsl.graph.call import Call
from rrl_dsl.graph.plan import (
    Active,
    Column,
    Constant,
    Instruction,
    Key,
    Lists,
    Lookup,
    OpName,
    Redraw,
    Scalar,
    Stage,
)
from rrl_dsl.graph.schedule import Schedule

_Item = TypeVar("_Item")


@dataclass
class Lowering:
    """The tables of a plan, and the instruction that holds each node's weight."""

    columns: dict[Column, int] = field(default_factory=dict)
    scalars: dict[Scalar, int] = field(default_factory=dict)
    lookups: dict[Lookup, int] = field(default_factory=dict)
    instructions: dict[Instruction, int] = field(default_factory=dict)
    results: dict[int, int] = field(default_factory=dict)

    def emit(self, op: OpName, *values: int, scalars: tuple[int, ...] = ()) -> int:
        """An instruction over earlier results."""
        return _position(self.instructions, Instruction(op, values, scalars=scalars))

    def over(
        self,
        op: OpName,
        *columns: int,
        scalars: tuple[int, ...] = (),
        lookup: int | None = None,
    ) -> int:
        """An instruction over columns of both rows."""
        instruction = Instruction(op, columns=columns, scalars=scalars, lookup=lookup)
        return _position(self.instructions, instruction)

    def column(self, column: Column) -> int:
        """The position of a column."""
        return _position(self.columns, column)

    def scalar(self, scalar: Scalar) -> int:
        """The position of a scalar."""
        return _position(self.scalars, scalar)

    def constant(self, value: float | Schedule) -> int:
        """The position of a number that weights are computed with."""
        return self.scalar(Constant(value if isinstance(value, Schedule) else float(value)))

    def measure(self, value: float) -> int:
        """The position of a number that fields are compared with."""
        return self.scalar(Constant(float(value), exact=True))

    def lookup(self, lookup: Lookup) -> int:
        """The position of a lookup."""
        return _position(self.lookups, lookup)

    def place(self, lookup: int) -> int:
        """The column of the places of the rows' samples in a lookup."""
        return self.column(Column("place", lookup=lookup))

    def listed(self, stage: Stage, lists: Lists) -> int:
        """Whether rows are in the lists that a stage makes."""
        ops: dict[Lists, OpName] = {
            "either": "listed",
            "mutual": "listed_mutually",
            "directed": "listed_by_row",
        }
        return self.over(
            ops[lists], self.column(Column("row")), self.column(Column("list", stage=stage))
        )

    def same_sample(self) -> int:
        """Whether both rows are views of one sample."""
        return self.over("same", self.column(Column("sample")))

    def same_view(self) -> int:
        """Whether both rows have the same view number."""
        return self.over("same", self.column(Column("view")))

    def same_row(self) -> int:
        """Whether i = j."""
        return self.emit("both", self.same_sample(), self.same_view())

    def nothing(self) -> int:
        """No edge at all."""
        return self.emit("constant", scalars=(self.scalar(Active(0, 0)),))

    def key(self, call: Call) -> int:
        """The key of a stochastic call."""
        return self.scalar(key_of(call))

    def drawn(self, call: Call) -> int:
        """The draw of a pair, one for its samples or one for its rows."""
        per_row = call.arguments.get("unit", "sample") == "row"
        kind = Column("row_hash" if per_row else "sample_hash", scalars=(self.key(call),))
        return self.over("draw", self.column(kind))

    def as_number(self, result: int, binary: bool) -> int:
        """A weight as a float."""
        return self.emit("number", result) if binary else result

    def above_zero(self, result: int, binary: bool) -> int:
        """Whether there is an edge, of a weight."""
        return result if binary else self.emit("above", result, scalars=(self.constant(0.0),))


def _position(table: dict[_Item, int], item: _Item) -> int:
    return table.setdefault(item, len(table))


def key_of(call: Call) -> Key:
    """The key of a stochastic call of a finished recipe."""
    assert call.stream is not None
    redraw: Redraw = call.arguments.get("redraw", "never")
    return Key(call.stream, redraw, call.arguments["seed"])
