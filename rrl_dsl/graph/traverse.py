"""Going through a graph: every node once, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Call


def walk(graph: Graph) -> Iterator[Graph]:
    """Every node once, operands before the node, left to right."""
    seen: set[int] = set()
    stack: list[tuple[Graph, bool]] = [(graph, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(operand, False) for operand in reversed(node.operands)]


def rebuilt(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with each node put through `change`, operands first.

    A node that is used twice is changed once, and stays one object; a node whose operands did not
    change and that `change` returns as it is stays itself.
    """
    made: dict[int, Graph] = {}
    for node in walk(graph):
        operands = tuple(made[id(each)] for each in node.operands)
        same = all(one is other for one, other in zip(operands, node.operands, strict=True))
        made[id(node)] = change(node if same else node.over(operands))
    return made[id(graph)]


def calls_of(graph: Graph) -> Iterator[Call]:
    """The built-in calls of a graph, in the order in which streams are given."""
    return (node.call for node in walk(graph) if node.call is not None)
