"""A recipe without the edges that its noise adds, to hold the recipe against."""

from __future__ import annotations

from dataclasses import replace

from rrl_dsl.graph.algebra import Applied, Graph
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.streams import finished
from rrl_dsl.graph.traverse import calls_of, rebuilt


def adds_edges(graph: Graph) -> bool:
    """Whether a recipe's noise adds false edges."""
    return any(_rates(call) for call in calls_of(graph))


def without_false_edges(graph: Graph) -> Graph:
    """The same graph with every rate at which edges are added set to 0; draws stay the same."""
    calls: dict[Call, Call] = {}

    def quiet(node: Graph) -> Graph:
        if node.call is None or not isinstance(node, Applied) or not _rates(node.call):
            return node
        none = dict.fromkeys(_rates(node.call), 0.0)
        silenced = replace(node.call, arguments={**node.call.arguments, **none})
        return Applied(node.operand, calls.setdefault(node.call, silenced))

    return rebuilt(finished(graph), quiet)


def _rates(call: Call) -> list[str]:
    """The arguments by which a call adds edges."""
    return [
        parameter.name
        for parameter in call.signature.parameters
        if parameter.adds_edges and call.arguments[parameter.name] != 0.0
    ]
