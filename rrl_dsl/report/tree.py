"""The tree of the operators and calls of a recipe."""

from __future__ import annotations

from collections import Counter

from rrl_dsl.graph.algebra import (
    Called,
    Combined,
    Complement,
    Composed,
    Contrasted,
    Graph,
    Scaled,
)
from rrl_dsl.graph.traversal import walk
from rrl_dsl.show.tree import Branch


def tree_of(graph: Graph) -> Branch:
    """Returns the tree of a recipe.

    A subgraph that is used several times has a number and appears once. Its other uses refer to the
    number, so that the size of the tree is that of the graph.
    """
    uses = Counter(id(operand) for node in walk(graph) for operand in node.operands)
    numbers: dict[int, int] = {}

    def branch(node: Graph) -> Branch:  # a graph has at most 64 levels
        if id(node) in numbers:
            return Branch(f"#{numbers[id(node)]}, as above")
        label = _label(node)
        if uses[id(node)] > 1 and node.operands:
            numbers[id(node)] = len(numbers) + 1
            label = f"#{len(numbers)} {label}"
        return Branch(label, tuple(branch(operand) for operand in node.operands))

    return branch(graph)


def _label(node: Graph) -> str:
    if isinstance(node, Called):
        return str(node.call)
    if isinstance(node, Combined):
        return {"|": "union", "&": "intersection", "+": "sum", "-": "difference"}[node.operator]
    if isinstance(node, Scaled):
        return f"times {node.factor}"
    if isinstance(node, Contrasted):
        return "graph and contrast"
    if isinstance(node, Composed):
        return "composition"
    assert isinstance(node, Complement)
    return "complement"
