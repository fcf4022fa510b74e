"""What is known of a graph's weights before any row is: their largest value, and the diagonal."""

from __future__ import annotations

import math

from rrl_dsl.graph.algebra import Applied, Combined, Complement, Graph, Scaled, Source
from rrl_dsl.graph.schedule import Schedule


def limit(graph: Graph) -> float:
    """A number that no weight exceeds; infinite where none is known."""
    if isinstance(graph, Source):
        return graph.call.signature.limit(graph.call.arguments)
    if isinstance(graph, Applied):
        return _limit_after(graph)
    if isinstance(graph, Combined):
        limits = [limit(part) for part in graph.parts]
        match graph.operator:
            case "|":
                return max(limits)
            case "&":
                return min(limits)
            case "+":
                return math.fsum(limits)
            case "-":
                return limits[0]
    if isinstance(graph, Scaled):
        largest = max(_ends(graph.factor))
        return largest * limit(graph.operand) if largest else 0.0
    return 1.0


def loopless(graph: Graph) -> bool:
    """Whether the diagonal is known to be 0."""
    if isinstance(graph, Source):
        return graph.call.signature.loopless
    if isinstance(graph, Applied):
        name = graph.call.signature.name
        return name == "drop_self" or (name != "closure" and loopless(graph.operand))
    if isinstance(graph, Combined):
        known = [loopless(part) for part in graph.parts]
        if graph.operator == "-":
            return known[0]
        return any(known) if graph.operator == "&" else all(known)
    if isinstance(graph, Scaled):
        return loopless(graph.operand)
    return isinstance(graph, Complement)


def _limit_after(graph: Applied) -> float:
    signature, arguments = graph.call.signature, graph.call.arguments
    if signature.makes_binary:
        return 1.0
    inner = limit(graph.operand)
    match signature.name:
        case "clip":
            return min(inner, float(arguments["max"]))
        case "power":
            return max(inner**exponent for exponent in _ends(arguments["p"])) if inner else 0.0
        case "corrupt":
            return max(inner, 1.0)
    return inner


def _ends(value: float | Schedule) -> tuple[float, float]:
    return (value.start, value.end) if isinstance(value, Schedule) else (value, value)
