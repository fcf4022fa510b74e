"""Graph -> plan: operators here; a call is what its built-in records."""

from __future__ import annotations

from rrl_dsl.graph.algebra import Applied, Combined, Complement, Contrasted, Graph, Scaled, Source
from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.recording import Pair, Recording, Weight
from rrl_dsl.graph.traverse import walk


class Lowering:
    """The weights of graphs in one recording, each node's once."""

    def __init__(self) -> None:
        self.recording = Recording()
        self.pair = Pair(self.recording, 0, None)
        self.pair.same_sample  # noqa: B018  (what is the same for every pair still has a shape)
        self._known: dict[int, tuple[Graph, Weight]] = {}  # id -> the node, kept alive, and weight

    def weight(self, graph: Graph) -> Weight:
        """The weight of a graph, its instructions and those of its parts recorded."""
        if id(graph) not in self._known:
            for node in walk(graph):
                if id(node) not in self._known:
                    operands = [self._known[id(each)][1] for each in node.operands]
                    self._known[id(node)] = node, self._of_node(node, operands)
        return self._known[id(graph)][1]

    def is_symmetric(self, weight: Weight) -> bool:
        """Whether a weight is known to be the same there as back."""
        plan = self.plan(weight)
        needed = (plan.instructions[at] for at in plan.needed(weight.at))
        return not any(
            OPERATIONS[each.op].directed
            or (each.lookup is not None and plan.lookups[each.lookup].directed)
            for each in needed
        )

    def plan(self, weight: Weight, contrast: Weight | None = None) -> Plan:
        """The plan so far, of which a weight is the result."""
        return Plan(
            columns=tuple(self.recording.columns),
            scalars=tuple(self.recording.scalars),
            lookups=tuple(self.recording.lookups),
            instructions=tuple(self.recording.instructions),
            result=weight.at,
            contrast=None if contrast is None else contrast.at,
            binary=weight.binary,
        )

    def _of_node(self, node: Graph, operands: list[Weight]) -> Weight:
        if isinstance(node, Source):
            return node.call.record(self.recording)
        if isinstance(node, Applied):
            return node.call.record(self.recording, operands[0])
        if isinstance(node, Combined):
            return _combined(node, operands)
        if isinstance(node, Scaled):
            return operands[0] * node.factor
        if isinstance(node, Contrasted):
            return operands[0]
        assert isinstance(node, Complement)
        return ~(operands[0].related | self.pair.same_row)


def _combined(node: Combined, operands: list[Weight]) -> Weight:
    result, *others = operands
    for other in others:
        match node.operator:
            case "|":
                result = result | other
            case "&":
                result = result & other
            case "+":
                result = result + other
            case "-":
                result = result.where(~other)
    return result


def lower(graph: Graph, *, binary: bool) -> Plan:
    """The plan of a finished graph.

    Args:
        graph: A graph whose calls have their streams.
        binary: Whether the weights shall be bool; a graph that is binary may be asked for floats.
    """
    lowering = Lowering()
    weight = lowering.weight(graph)
    contrast = None
    if isinstance(graph, Contrasted):
        contrast = lowering.weight(graph.unrelated).related
    return lowering.plan(weight.related if binary else weight.number, contrast)
