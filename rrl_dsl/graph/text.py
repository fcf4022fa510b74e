"""Graph -> a readable text of a recipe that defines it.

A part that is used more than once gets a name, so that the length of the text is proportional to
the size of the graph. The text parses to the same graph, unless a call of an imported recipe has
another stream than it would have in this text (`rrl_dsl.graph.streams`). `explain` lists these
calls.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from rrl_dsl.graph.algebra import Called, Combined, Complement, Composed, Contrasted, Graph, Scaled
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.traversal import walk

_UNION, _INTERSECTION, _SUM, _PRODUCT, _UNARY, _ATOM = range(6)
_LEVELS: Final = {"|": _UNION, "&": _INTERSECTION, "+": _SUM, "-": _SUM}


def text_of(graph: Graph) -> str:
    """The recipe, one statement per line."""
    return _Writer(graph).write()


class _Writer:
    """The text of each node, with the precedence of its outermost operator."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = list(walk(graph))
        self.uses = Counter(id(operand) for node in self.nodes for operand in node.operands)
        calls = (node for node in self.nodes if isinstance(node, Called) and not node.is_source)
        self.call_uses = Counter(node.call for node in calls)
        self.lines: list[str] = []
        self.texts: dict[int, tuple[str, int]] = {}
        self.calls: dict[Call, str] = {}

    def write(self) -> str:
        for node in self.nodes:
            self.texts[id(node)] = self._named(node, *self._written(node))
        *_, last = self.nodes
        return "\n".join([*self.lines, self.texts[id(last)][0]])

    def _named(self, node: Graph, text: str, level: int) -> tuple[str, int]:
        # a stochastic call must occur once: a second copy would shift the streams of later calls
        plain = isinstance(node, Called) and node.is_source and not node.call.may_draw
        if self.uses[id(node)] < 2 or plain:
            return text, level
        name = f"g{len(self.lines) + 1}"
        self.lines.append(f"let {name} = {text}")
        return name, _ATOM

    def _call(self, call: Call) -> str:
        if self.call_uses[call] < 2:
            return str(call)
        if call not in self.calls:
            self.calls[call] = f"t{len(self.lines) + 1}"
            self.lines.append(f"let {self.calls[call]} = {call}")
        return self.calls[call]

    def _written(self, node: Graph) -> tuple[str, int]:
        if isinstance(node, Called):
            if node.is_source:
                return str(node.call), _ATOM
            return f"{self._at(node.operand, _UNION)} | {self._call(node.call)}", _UNION
        if isinstance(node, Combined):
            level = _LEVELS[node.operator]
            first, *others = node.operands
            shown = [self._at(first, level), *(self._at(operand, level + 1) for operand in others)]
            return f" {node.operator} ".join(shown), level
        if isinstance(node, Scaled):
            return f"{node.factor} * {self._at(node.operand, _UNARY)}", _PRODUCT
        if isinstance(node, Composed):
            left, right = node.operands
            return f"{self._at(left, _PRODUCT)} @ {self._at(right, _UNARY)}", _PRODUCT
        if isinstance(node, Contrasted):
            graph, unrelated = (self._at(operand, _UNION) for operand in node.operands)
            return f"{graph}\ncontrast {unrelated}", _UNION
        assert isinstance(node, Complement)
        return f"~{self._at(node.operand, _UNARY)}", _UNARY

    def _at(self, node: Graph, level: int) -> str:
        """The text of a node, in brackets if its precedence is below that of its place."""
        text, own = self.texts[id(node)]
        return text if own >= level else f"({text})"
