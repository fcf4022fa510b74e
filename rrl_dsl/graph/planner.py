"""Graph -> plan: operators are recorded here, calls by their built-ins."""

from __future__ import annotations

from functools import reduce
from operator import add, and_, or_, sub
from typing import Final

from rrl_dsl.graph.algebra import Called, Combined, Complement, Composed, Contrasted, Graph, Scaled
from rrl_dsl.graph.composition import Composition
from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.recording import Recording, Weight

_OPERATORS: Final = {"|": or_, "&": and_, "+": add, "-": sub}


def compile_plan(graph: Graph, *, binary: bool) -> Plan:
    """The plan of a finished graph.

    Args:
        graph: A graph whose calls have their streams.
        binary: Whether the weights are bool; floats of a binary graph may be asked for.
    """
    planner = Planner()
    weight = planner.weight(graph)
    contrast = planner.weight(graph.operands[1]).related if graph.contrast is not None else None
    return planner.plan(weight.related if binary else weight.number, contrast)


class Planner:
    """Records the weights of graphs in one plan, each node once."""

    def __init__(self) -> None:
        self.recording = Recording()
        self.pair = Pair(self.recording, 0, None)
        self.pair.same_sample  # noqa: B018  (a plan has at least one column, also for a constant)
        self._known: dict[int, tuple[Graph, Weight]] = {}  # id -> the node, kept alive, and weight

    def weight(self, graph: Graph) -> Weight:
        """The weight of a graph. Records its instructions and those of its operands."""
        if id(graph) not in self._known:  # a graph has at most 64 levels, so recursion is safe
            inside = () if isinstance(graph, Composed) else graph.operands
            operands = [self.weight(operand) for operand in inside]
            self._known[id(graph)] = graph, self._recorded(graph, operands)
        return self._known[id(graph)][1]

    def is_symmetric(self, graph: Graph) -> bool:
        """Whether the weights of a graph are known to be symmetric."""
        weight = self.weight(graph)
        plan = self.plan(weight)
        needed = (plan.instructions[at] for at in plan.needed(weight.at))
        return not any(
            OPERATIONS[instruction.op].directed
            or (instruction.lookup is not None and plan.lookups[instruction.lookup].directed)
            for instruction in needed
        )

    def plan(self, weight: Weight, contrast: Weight | None = None) -> Plan:
        """The plan so far, with a weight as its result."""
        return Plan(
            columns=tuple(self.recording.columns),
            scalars=tuple(self.recording.scalars),
            lookups=tuple(self.recording.lookups),
            instructions=tuple(self.recording.instructions),
            result=weight.at,
            contrast=None if contrast is None else contrast.at,
            binary=weight.binary,
        )

    def _recorded(self, node: Graph, operands: list[Weight]) -> Weight:
        match node:
            case Called():
                return node.call.record(self.recording, *operands)
            case Combined():
                return reduce(_OPERATORS[node.operator], operands)
            case Scaled():
                return operands[0] * node.factor
            case Contrasted():
                return operands[0]
            case Composed():
                return self._composition(node)
        assert isinstance(node, Complement)
        return ~(operands[0].related | self.pair.same_row)

    def _composition(self, node: Composed) -> Weight:
        """A lookup that evaluates the operands over the dataset, each in its own plan."""
        left, right = node.operands
        planners = Planner(), Planner()
        highest = min(planners[0].weight(left).high, planners[1].weight(right).high)
        inner = (lookup for planner in planners for lookup in planner.recording.lookups)
        lookup = Composition(left, right, tuple(inner), highest)
        return self.pair.linked(lookup) if node.binary else self.pair.linked_weight(lookup)
