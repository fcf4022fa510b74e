"""A recipe without the edges that its noise adds, to hold the recipe against."""

from __future__ import annotations

from rrl_dsl.graph.algebra import Applied, Call, Combined, Complement, Graph, Scaled, Source, walk


def without_false_edges(graph: Graph) -> Graph:
    """The same graph with `fpr=0` in every `corrupt`.

    Streams are given by position, which stays as it is, so every other draw is the same.
    """
    calls: dict[Call, Call] = {}
    nodes: dict[int, Graph] = {}
    for node in walk(graph):
        nodes[id(node)] = _rebuilt(node, [nodes[id(each)] for each in node.operands], calls)
    return nodes[id(graph)]


def _rebuilt(node: Graph, operands: list[Graph], calls: dict[Call, Call]) -> Graph:
    if isinstance(node, Source):
        return node
    if isinstance(node, Applied):
        return Applied(operands[0], calls.setdefault(node.call, _quiet(node.call)))
    if isinstance(node, Combined):
        return Combined(node.operator, tuple(operands))
    if isinstance(node, Scaled):
        return Scaled(operands[0], node.factor)
    assert isinstance(node, Complement)
    return Complement(operands[0])


def _quiet(call: Call) -> Call:
    if call.signature.name != "corrupt":
        return call
    return Call(call.signature, {**call.arguments, "fpr": 0.0})
