"""Graph -> plan: one rule for each kind of node, and `lower_calls` for each built-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rrl_dsl.graph.algebra import (
    Applied,
    Combined,
    Complement,
    Contrasted,
    Graph,
    Scaled,
    Source,
)
from rrl_dsl.graph.lower_calls import SOURCES, TRANSFORMS
from rrl_dsl.graph.lowering import Lowering
from rrl_dsl.graph.plan import Column, OpName, Plan
from rrl_dsl.graph.traverse import walk

_JOINS: Final[Mapping[tuple[str, bool], OpName]] = {
    ("|", True): "either",
    ("|", False): "largest",
    ("&", True): "both",
    ("&", False): "smallest",
    ("+", False): "total",
}


def lower(graph: Graph, *, binary: bool) -> Plan:
    """The plan of a finished graph.

    Args:
        graph: A graph whose calls have their streams.
        binary: Whether the weights shall be bool; a graph that is binary may be asked for floats.
    """
    lowering = Lowering()
    lowering.column(Column("sample"))  # what is the same for every pair still has a shape
    for node in walk(graph):
        lowering.results[id(node)] = _lower_node(node, lowering)
    weights, contrast = graph, None
    if isinstance(graph, Contrasted):
        weights = graph.graph
        contrast = _related(graph.unrelated, lowering)
    result = lowering.results[id(weights)]
    return Plan(
        columns=tuple(lowering.columns),
        scalars=tuple(lowering.scalars),
        lookups=tuple(lowering.lookups),
        result=result if binary else lowering.as_number(result, weights.binary),
        contrast=contrast,
        binary=binary,
        instructions=tuple(lowering.instructions),
    )


def _lower_node(node: Graph, lowering: Lowering) -> int:
    if isinstance(node, Source):
        return SOURCES[node.call.signature.name](node.call, lowering)
    if isinstance(node, Applied):
        inner = lowering.results[id(node.operand)]
        return TRANSFORMS[node.call.signature.name](node.call, node.operand.binary, inner, lowering)
    if isinstance(node, Combined):
        return _combined(node, lowering)
    if isinstance(node, Scaled):
        if node.binary:
            return lowering.results[id(node.operand)] if node.factor else lowering.nothing()
        factor = (lowering.constant(node.factor),)
        return lowering.emit("times", _number(node.operand, lowering), scalars=factor)
    if isinstance(node, Contrasted):
        return lowering.results[id(node.graph)]
    assert isinstance(node, Complement)
    related = _related(node.operand, lowering)
    return lowering.emit("negated", lowering.emit("either", related, lowering.same_row()))


def _number(node: Graph, lowering: Lowering) -> int:
    return lowering.as_number(lowering.results[id(node)], node.binary)


def _related(node: Graph, lowering: Lowering) -> int:
    return lowering.above_zero(lowering.results[id(node)], node.binary)


def _combined(node: Combined, lowering: Lowering) -> int:
    if node.operator == "-":
        result = lowering.results[id(node.parts[0])]
        for part in node.parts[1:]:
            absent = lowering.emit("negated", lowering.results[id(part)])
            result = lowering.emit("both" if node.binary else "masked", result, absent)
        return result
    op = _JOINS[node.operator, node.binary]
    convert = _related if node.binary else _number
    result = convert(node.parts[0], lowering)
    for part in node.parts[1:]:
        result = lowering.emit(op, result, convert(part, lowering))
    return result
