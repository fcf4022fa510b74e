"""Graph -> plan: one rule for each kind of node and for each built-in.

A rule returns the position of the instruction that holds the node's weight: bool where the node is
binary, else float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from rrl_dsl.graph.algebra import Applied, Call, Combined, Complement, Graph, Scaled, Source, walk
from rrl_dsl.graph.plan import (
    Active,
    Column,
    Constant,
    Instruction,
    Key,
    OpName,
    Plan,
    Redraw,
    Scalar,
    Subset,
    Threshold,
)
from rrl_dsl.graph.streams import streams_of


def lower(graph: Graph) -> Plan:
    """The plan of a finished graph."""
    lowering = Lowering(streams_of(graph))
    for node in walk(graph):
        lowering.results[id(node)] = _lower_node(node, lowering)
    return Plan(
        tuple(lowering.columns),
        tuple(lowering.scalars),
        tuple(lowering.subsets),
        tuple(lowering.instructions),
        lowering.results[id(graph)],
        graph.binary,
    )


@dataclass
class Lowering:
    """The plan while it grows. Equal columns, scalars and instructions are kept once."""

    streams: Mapping[Call, int]
    columns: dict[Column, int] = field(default_factory=dict)
    scalars: dict[Scalar, int] = field(default_factory=dict)
    subsets: dict[Subset, int] = field(default_factory=dict)
    instructions: dict[Instruction, int] = field(default_factory=dict)
    results: dict[int, int] = field(default_factory=dict)

    def emit(self, op: OpName, *values: int, scalars: tuple[int, ...] = ()) -> int:
        """An instruction over earlier results."""
        return _position(self.instructions, Instruction(op, values, scalars=scalars))

    def over(self, op: OpName, column: int) -> int:
        """An instruction over a column of both rows."""
        return _position(self.instructions, Instruction(op, column=column))

    def column(self, column: Column) -> int:
        """The position of a column."""
        return _position(self.columns, column)

    def scalar(self, scalar: Scalar) -> int:
        """The position of a scalar."""
        return _position(self.scalars, scalar)

    def same_sample(self) -> int:
        """Whether both rows are views of one sample."""
        return self.over("same", self.column(Column("sample")))

    def same_view(self) -> int:
        """Whether both rows have the same view number."""
        return self.over("same", self.column(Column("view")))

    def same_row(self) -> int:
        """Whether i = j."""
        return self.emit("both", self.same_sample(), self.same_view())

    def key(self, call: Call) -> int:
        """The key of a stochastic call."""
        redraw = cast(Redraw, call.arguments.get("redraw", "never"))
        return self.scalar(Key(self.streams[call], redraw))

    def drawn(self, call: Call) -> int:
        """The draw of a pair, one for its samples or one for its rows."""
        per_row = call.arguments.get("unit", "sample") == "row"
        kind = Column("row_hash" if per_row else "sample_hash", scalars=(self.key(call),))
        return self.over("draw", self.column(kind))

    def as_number(self, result: int, binary: bool) -> int:
        """The weight as a float."""
        return self.emit("number", result) if binary else result


_Item = TypeVar("_Item")


def _position(table: dict[_Item, int], item: _Item) -> int:
    return table.setdefault(item, len(table))


def _lower_node(node: Graph, lowering: Lowering) -> int:
    if isinstance(node, Source):
        return SOURCES[node.call.signature.name](node.call, lowering)
    if isinstance(node, Applied):
        inner = lowering.results[id(node.operand)]
        return TRANSFORMS[node.call.signature.name](node.call, node.operand.binary, inner, lowering)
    if isinstance(node, Combined):
        return _combined(node, lowering)
    if isinstance(node, Scaled):
        factor = lowering.scalar(Constant(node.factor))
        return lowering.emit("times", _number(node.operand, lowering), scalars=(factor,))
    assert isinstance(node, Complement)
    related = _bool(node.operand, lowering)
    return lowering.emit("negated", lowering.emit("either", related, lowering.same_row()))


def _number(node: Graph, lowering: Lowering) -> int:
    return lowering.as_number(lowering.results[id(node)], node.binary)


def _bool(node: Graph, lowering: Lowering) -> int:
    result = lowering.results[id(node)]
    return result if node.binary else _above_zero(result, lowering)


def _above_zero(result: int, lowering: Lowering) -> int:
    return lowering.emit("above", result, scalars=(lowering.scalar(Constant(0.0)),))


def _combined(node: Combined, lowering: Lowering) -> int:
    if node.operator == "-":
        result = lowering.results[id(node.parts[0])]
        for part in node.parts[1:]:
            absent = lowering.emit("negated", lowering.results[id(part)])
            result = lowering.emit("both" if node.binary else "masked", result, absent)
        return result
    op = _JOINS[node.operator, node.binary]
    convert = _bool if node.binary else _number
    result = convert(node.parts[0], lowering)
    for part in node.parts[1:]:
        result = lowering.emit(op, result, convert(part, lowering))
    return result


_JOINS: Final[Mapping[tuple[str, bool], OpName]] = {
    ("|", True): "either",
    ("|", False): "largest",
    ("&", True): "both",
    ("&", False): "smallest",
    ("+", False): "total",
}


# sources


def _ssl(call: Call, lowering: Lowering) -> int:
    return lowering.same_sample()


def _supervised(call: Call, lowering: Lowering) -> int:
    field_name = str(call.arguments["labels"])
    label = lowering.column(Column("label", field=field_name))
    per_class = call.arguments["per_class"]
    if per_class is not None:
        subset = Subset(field_name, int(per_class), Key(lowering.streams[call], "never"))
        number = _position(lowering.subsets, subset)
        label = lowering.column(Column("chosen_label", inputs=(label,), subset=number))
    elif call.draws:
        drawn = lowering.column(Column("sample_hash", scalars=(lowering.key(call),)))
        limit = lowering.scalar(Threshold(float(call.arguments["frac"] or 0.0)))
        label = lowering.column(Column("drawn_label", inputs=(label, drawn), scalars=(limit,)))
    return lowering.over("same", label)


def _random(call: Call, lowering: Lowering) -> int:
    limit = lowering.scalar(Threshold(float(call.arguments["p"] or 0.0)))
    drawn = lowering.emit("within", lowering.drawn(call), scalars=(limit,))
    return lowering.emit("either", drawn, lowering.same_row())


def _none(call: Call, lowering: Lowering) -> int:
    return lowering.emit("constant", scalars=(lowering.scalar(Active(0, 0)),))


def _all(call: Call, lowering: Lowering) -> int:
    return lowering.emit("negated", _none(call, lowering))


def _self(call: Call, lowering: Lowering) -> int:
    return lowering.same_row()


def _cross_view(call: Call, lowering: Lowering) -> int:
    return lowering.emit("negated", lowering.same_view())


SOURCES: Final[Mapping[str, Callable[[Call, Lowering], int]]] = {
    "ssl": _ssl,
    "supervised": _supervised,
    "random": _random,
    "none": _none,
    "all": _all,
    "self": _self,
    "cross_view": _cross_view,
}
"""How each source lowers: (call, lowering) -> result."""


# transforms


def _corrupt(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    tpr, fpr = call.arguments["tpr"], call.arguments["fpr"]
    return _noise(call, binary, inner, lowering, float(tpr or 0.0), float(fpr or 0.0))


def _keep(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    return _noise(call, binary, inner, lowering, float(call.arguments["p"] or 0.0), 0.0)


def _noise(call: Call, binary: bool, inner: int, lowering: Lowering, tpr: float, fpr: float) -> int:
    """One draw with a selected threshold, so that the graphs of growing rates are nested."""
    related = inner if binary else _above_zero(inner, lowering)
    limits = (lowering.scalar(Threshold(tpr)), lowering.scalar(Threshold(fpr)))
    limit = lowering.emit("choose", related, scalars=limits)
    drawn = lowering.emit("within", lowering.drawn(call), limit)
    diagonal = lowering.same_row()
    beside = lowering.emit("both", drawn, lowering.emit("negated", diagonal))
    if binary:
        return lowering.emit("either", beside, lowering.emit("both", inner, diagonal))
    kept = lowering.emit("masked", inner, lowering.emit("either", drawn, diagonal))
    false_edge = lowering.emit("both", beside, lowering.emit("negated", related))
    return lowering.emit("largest", kept, lowering.emit("number", false_edge))


def _threshold(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    limit = lowering.scalar(Constant(float(call.arguments["at"] or 0.0)))
    return lowering.emit("above", lowering.as_number(inner, binary), scalars=(limit,))


def _clip(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    if binary and call.signature.stays_binary(call.arguments):
        return inner
    limit = lowering.scalar(Constant(float(call.arguments["max"] or 0.0)))
    return lowering.emit("at_most", lowering.as_number(inner, binary), scalars=(limit,))


def _power(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    if binary:
        return inner
    exponent = lowering.scalar(Constant(float(call.arguments["p"] or 0.0)))
    return lowering.emit("raised", inner, scalars=(exponent,))


def _drop_self(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    beside = lowering.emit("negated", lowering.same_row())
    return lowering.emit("both" if binary else "masked", inner, beside)


def _during(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    end = call.arguments["end"]
    bounds = Active(int(call.arguments["start"] or 0), None if end is None else int(end))
    active = lowering.emit("constant", scalars=(lowering.scalar(bounds),))
    return lowering.emit("both" if binary else "masked", inner, active)


TRANSFORMS: Final[Mapping[str, Callable[[Call, bool, int, Lowering], int]]] = {
    "corrupt": _corrupt,
    "keep": _keep,
    "threshold": _threshold,
    "clip": _clip,
    "power": _power,
    "drop_self": _drop_self,
    "during": _during,
}
"""How each transform lowers: (call, whether its operand is binary, operand, lowering) -> result."""
