"""What is known of a graph's weights before any row is: largest value, diagonal, symmetry.

`Graph.limit`, `Graph.loopless` and `Graph.symmetric` ask here, once for each node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final, NamedTuple

from rrl_dsl.graph.algebra import (
    Applied,
    Combined,
    Complement,
    Contrasted,
    Graph,
    Scaled,
    Source,
)
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.weights import number, raised, rounded


def limit_of(graph: Graph) -> float:
    """A weight that none exceeds, by the arithmetic of weights; see `Graph.limit`."""
    limits = [operand.limit for operand in graph.operands]
    if isinstance(graph, Source):
        return number(graph.call.signature.limit(graph.call.arguments))
    if isinstance(graph, Applied):
        return _rule_of(graph).limit(graph.call.arguments, limits[0])
    if isinstance(graph, Combined):
        match graph.operator:
            case "|":
                return max(limits)
            case "&":
                return min(limits)
            case "+":
                return reduce(lambda total, each: rounded(total + each), limits)
            case "-":
                return limits[0]
    if isinstance(graph, Scaled):
        return max(rounded(number(end) * limits[0]) for end in _ends(graph.factor))
    if isinstance(graph, Contrasted):
        return limits[0]
    assert isinstance(graph, Complement)
    return 1.0


def is_loopless(graph: Graph) -> bool:
    """Whether the diagonal is known to be 0; see `Graph.loopless`."""
    known = [operand.loopless for operand in graph.operands]
    if isinstance(graph, Source):
        return graph.call.signature.loopless
    if isinstance(graph, Applied):
        return _rule_of(graph).loopless(known[0])
    if isinstance(graph, Combined):
        match graph.operator:
            case "&":
                return any(known)
            case "-":
                return known[0]
        return all(known)
    return isinstance(graph, Complement) or known[0]


def is_symmetric(graph: Graph) -> bool:
    """Whether the weights are known to be the same there as back; see `Graph.symmetric`."""
    if isinstance(graph, Source):
        return graph.call.signature.symmetric(graph.call.arguments)
    if isinstance(graph, Contrasted):
        return graph.graph.symmetric
    known = all(operand.symmetric for operand in graph.operands)
    return _rule_of(graph).symmetric(known) if isinstance(graph, Applied) else known


class _Rule(NamedTuple):
    """What a transform does to the limit, by its arguments, and to what is known of the graph."""

    limit: Callable[[Arguments, float], float] = lambda arguments, limit: limit
    loopless: Callable[[bool], bool] = lambda loopless: loopless
    symmetric: Callable[[bool], bool] = lambda symmetric: symmetric


def _rule_of(graph: Applied) -> _Rule:
    name = graph.call.signature.name
    if name not in TRANSFORMS:
        raise NotImplementedError(f"`{name}` has no bounds: add it to rrl_dsl/graph/bounds.py")
    return TRANSFORMS[name]


def _power(arguments: Arguments, limit: float) -> float:
    largest = max(raised(limit, number(end)) for end in _ends(arguments["p"]))
    return rounded(largest * (1 + 2.0**-20))  # whose last bit is not the same on every machine


def _ends(value: float | Schedule) -> tuple[float, float]:
    return (value.start, value.end) if isinstance(value, Schedule) else (value, value)


TRANSFORMS: Final[Mapping[str, _Rule]] = {
    "corrupt": _Rule(limit=lambda arguments, limit: max(limit, 1.0)),
    "keep": _Rule(),
    "threshold": _Rule(limit=lambda arguments, limit: 1.0),
    "clip": _Rule(limit=lambda arguments, limit: min(limit, number(arguments["max"]))),
    "power": _Rule(limit=_power),
    "topk": _Rule(),
    "closure": _Rule(lambda arguments, limit: 1.0, lambda loopless: False, lambda symmetric: True),
    "during": _Rule(),
    "drop_self": _Rule(loopless=lambda loopless: True),
}
"""What is known of each transform's result."""
