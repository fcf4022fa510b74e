"""Traversals of a graph: its nodes, its calls, and the graph with its nodes replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from rrl_dsl.graph.algebra import Called, Graph
from rrl_dsl.graph.call import Call


def walk(graph: Graph) -> Iterator[Graph]:
    """Every node once, operands before the node, left to right."""
    seen: set[int] = set()

    def visited(node: Graph) -> Iterator[Graph]:  # a graph has at most 64 levels
        if id(node) not in seen:
            seen.add(id(node))
            for operand in node.operands:
                yield from visited(operand)
            yield node

    return visited(graph)


def rebuilt(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with `change` applied to each node, operands first.

    A node that is used twice is changed once and stays one object. A node stays itself if its
    operands do not change and `change` returns it.
    """
    made: dict[int, Graph] = {}
    for node in walk(graph):
        operands = tuple(made[id(operand)] for operand in node.operands)
        made[id(node)] = change(node.with_operands(operands))
    return made[id(graph)]


def with_calls(graph: Graph, change: Callable[[Call], Call]) -> Graph:
    """The graph with `change` applied to each call, once for a call that is used twice."""
    changed: dict[Call, Call] = {}

    def with_call(node: Graph) -> Graph:
        if not isinstance(node, Called):
            return node
        if node.call not in changed:
            changed[node.call] = change(node.call)
        call = changed[node.call]
        return node if call is node.call else replace(node, call=call)

    return rebuilt(graph, with_call)


def calls_of(graph: Graph) -> Iterator[Call]:
    """The built-in calls of a graph, in the order in which they get streams."""
    return (node.call for node in walk(graph) if isinstance(node, Called))
