"""Graph -> simpler graph with the same weights and the same draws, by the laws of the algebra.

Works on a finished graph, whose calls have their streams, so no rule moves a draw, and whose sums
are in order, so no rule moves a term. Weights keep their last bit: a rule applies where it holds of
float32. Equal nodes become one object first, so rules compare by `is`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rrl_dsl.graph import algebra
from rrl_dsl.graph.algebra import Applied, Combined, Complement, Graph, Operator, Scaled, Source
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.identity import content
from rrl_dsl.graph.registry import bind, lookup
from rrl_dsl.graph.text import text_of
from rrl_dsl.graph.types import WEIGHT
from rrl_dsl.graph.weights import LARGEST, LEAST, number, rounded, shortest


@dataclass(frozen=True)
class Step:
    """One application of a rule."""

    rule: str
    before: Graph
    after: Graph

    def __str__(self) -> str:
        return f"{self.rule}: {text_of(self.before)}  ->  {text_of(self.after)}"


def rewrite(graph: Graph) -> tuple[Graph, tuple[Step, ...]]:
    """The simplest graph that the rules come to, and the steps that led there."""
    rewriter = _Rewriter()
    return rewriter.visit(graph), tuple(rewriter.steps)


class _Rewriter:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.known: dict[str, Graph] = {}  # by content and operands
        self.visited: dict[int, tuple[Graph, Graph]] = {}  # id -> the node, kept alive, and result

    def visit(self, node: Graph) -> Graph:
        """The node after every rule; a graph has at most 64 levels, so recursion is safe."""
        if id(node) in self.visited:
            return self.visited[id(node)][1]
        operands = tuple(self.visit(operand) for operand in node.operands)
        same = all(one is other for one, other in zip(operands, node.operands, strict=True))
        result = self.shared(node if same else node.over(operands))
        for name, rule in RULES:
            simpler = rule(result)
            if simpler is not None and (simpler.binary or not result.binary):  # bool stays bool
                self.steps.append(Step(name, result, simpler))
                result = self.visit(simpler)
                break
        self.visited[id(node)] = node, result
        self.visited[id(result)] = result, result
        return result

    def shared(self, node: Graph) -> Graph:
        """The first node met with the same content over the same operands."""
        operands = [id(operand) for operand in node.operands]
        if isinstance(node, Combined) and (node.operator in "|&" or len(operands) == 2):
            operands = sorted(operands) if node.operator != "-" else operands
        stream = node.call.stream if node.call else None
        key = json.dumps([content(node, stream), operands], sort_keys=True)
        return self.known.setdefault(key, node)


# chains


def _associativity(node: Graph) -> Graph | None:
    if not isinstance(node, Combined) or node.operator not in "|&":
        return None
    parts: list[Graph] = []
    for part in node.parts:
        nested = isinstance(part, Combined) and part.operator == node.operator
        parts += part.operands if nested else (part,)
    return Combined(node.operator, tuple(parts)) if len(parts) > len(node.parts) else None


def _idempotence(node: Graph) -> Graph | None:
    if not isinstance(node, Combined) or node.operator == "+":
        return None
    first, *others = node.parts
    if node.operator == "-":
        return _joined("-", [first, *_distinct(others)], node)
    return _joined(node.operator, _distinct(node.parts), node)


def _unit(node: Graph) -> Graph | None:
    if not isinstance(node, Combined):
        return None
    if node.operator == "&":
        if all(part.limit > 1 or _is(part, "all") for part in node.parts):
            return None
        return _joined("&", [part for part in node.parts if not _is(part, "all")], node)
    first, *others = node.parts
    left = [part for part in others if not _is(part, "none")]
    if node.operator != "-" and _is(first, "none") and left:
        return _joined(node.operator, left, node)
    return _joined(node.operator, [first, *left], node)


def _zero(node: Graph) -> Graph | None:
    if not isinstance(node, Combined):
        return None
    first, *others = node.parts
    match node.operator:
        case "&" if any(_is(part, "none") for part in node.parts):
            return _source("none")
        case "|" if any(_is(part, "all") for part in node.parts) and node.limit <= 1:
            return _source("all")
        case "-" if _is(first, "none") or any(part is first or _is(part, "all") for part in others):
            return _source("none")
    return None


def _absorption(node: Graph) -> Graph | None:
    if not isinstance(node, Combined) or node.operator not in "|&":
        return None
    dual = "&" if node.operator == "|" else "|"

    def absorbed(part: Graph) -> bool:
        return (
            isinstance(part, Combined)
            and part.operator == dual
            and any(inner is other for inner in part.parts for other in node.parts)
        )

    return _joined(node.operator, [part for part in node.parts if not absorbed(part)], node)


def _contradiction(node: Graph) -> Graph | None:
    if not isinstance(node, Combined) or node.operator != "&":
        return None
    opposed = [part.operand for part in node.parts if isinstance(part, Complement)]
    clash = any(part is other for part in node.parts for other in opposed)
    return _source("none") if clash else None


# complement and scaling


def _double_complement(node: Graph) -> Graph | None:
    if not isinstance(node, Complement):
        return None
    inner = node.operand
    if _is(inner, "all"):
        return _source("none")
    if isinstance(inner, Complement) and inner.operand.binary and inner.operand.loopless:
        return inner.operand
    return None


def _scaling(node: Graph) -> Graph | None:
    if not isinstance(node, Scaled):
        return None
    if node.factor == 0.0 or _is(node.operand, "none"):
        return _source("none")
    if not isinstance(node.factor, float):
        return None
    factor, inner = number(node.factor), node.operand
    if factor == 1.0:
        return inner
    if not (isinstance(inner, Scaled) and isinstance(inner.factor, float)):
        return None
    product = factor * number(inner.factor)
    if not LEAST <= product <= WEIGHT.high or not _is_exact(inner):
        return None
    return Scaled(inner.operand, shortest(rounded(product)))


def _is_exact(node: Scaled) -> bool:
    """Whether no weight is rounded where it is scaled: weights 0 and 1, or doubled some times."""
    assert isinstance(node.factor, float)
    doubled = node.factor >= 1.0 and math.frexp(node.factor)[0] == 0.5
    return node.operand.binary or (doubled and node.factor * node.operand.limit <= LARGEST)


# transforms


def _identity_transform(node: Graph) -> Graph | None:
    if not isinstance(node, Applied):
        return None
    operand, arguments = node.operand, node.call.arguments
    match node.call.signature.name:
        case "keep" | "corrupt" if not node.call.draws:
            return operand
        case "threshold" if operand.binary and number(arguments["at"]) < 1:
            return operand
        case "clip" if operand.limit <= number(arguments["max"]):
            return operand
        case "power" if operand.binary or _is_one(arguments["p"]):
            return operand
        case "during" if not node.call.signature.timed(arguments):
            return operand
        case "drop_self" if operand.loopless:
            return operand
        case "closure" if isinstance(operand, Applied) and operand.call.signature.name == "closure":
            return operand
    return None


def _empty_operand(node: Graph) -> Graph | None:
    if not isinstance(node, Applied) or not _is(node.operand, "none"):
        return None
    adds = node.call.signature.name == "closure" or node.call.arguments.get("fpr", 0.0) != 0.0
    return None if adds else node.operand


def _out_of_reach(node: Graph) -> Graph | None:
    if not isinstance(node, Applied) or node.call.signature.name != "threshold":
        return None
    out_of_reach = number(node.call.arguments["at"]) >= node.operand.limit
    return _source("none") if out_of_reach else None


def _certain_draw(node: Graph) -> Graph | None:
    """A draw of probability 0 or 1 is none, where what is left of it is no deeper."""
    if isinstance(node, Source) and node.call.signature.name == "random":
        certain = {0.0: "self", 1.0: "all"}
        p = node.call.arguments["p"]
        return _source(certain[p]) if isinstance(p, float) and p in certain else None
    if isinstance(node, Applied) and node.operand.binary and _removes_all(node.call):
        return Combined("&", (node.operand, _source("self")))
    return None


def _removes_all(call: Call) -> bool:
    """Whether a call leaves no edge but the diagonal."""
    match call.signature.name:
        case "keep":
            return bool(call.arguments["p"] == 0.0)
        case "corrupt":
            return bool(call.arguments["tpr"] == 0.0 and call.arguments["fpr"] == 0.0)
    return False


RULES: Final[Sequence[tuple[str, Callable[[Graph], Graph | None]]]] = (
    ("associativity", _associativity),
    ("idempotence", _idempotence),
    ("unit", _unit),
    ("zero", _zero),
    ("absorption", _absorption),
    ("contradiction", _contradiction),
    ("double complement", _double_complement),
    ("scaling", _scaling),
    ("identity", _identity_transform),
    ("nothing to transform", _empty_operand),
    ("threshold out of reach", _out_of_reach),
    ("certain draw", _certain_draw),
)
"""Name and rule; a rule returns the simpler graph, or None where it does not apply."""


def _is(node: Graph, name: str) -> bool:
    return isinstance(node, Source) and node.call.signature.name == name


def _is_one(value: object) -> bool:
    return isinstance(value, float) and number(value) == 1.0


def _source(name: str) -> Graph:
    signature = lookup(name)
    arguments, _ = bind(signature, (), {})
    return Source(Call(signature, arguments, stream=0))


def _distinct(parts: Sequence[Graph]) -> list[Graph]:
    return list({id(part): part for part in parts}.values())


def _joined(operator: Operator, parts: Sequence[Graph], node: Combined) -> Graph | None:
    """The chain of the parts that are left, or None where all of them are."""
    if len(parts) == len(node.parts):
        return None
    return parts[0] if len(parts) == 1 else algebra.combine(operator, *parts)
