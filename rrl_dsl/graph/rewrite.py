"""Graph -> simpler graph with the same weights and the same draws, by the laws of the algebra.

The input is a finished graph: its calls have their streams, so no rule changes a draw, and its sums
are in order, so no rule reorders terms. Weights keep all bits: a rule applies only if it holds in
float32 arithmetic. Equal nodes become one object first, so rules compare with `is`. Rules know a
call only by its instructions, not by the name of the built-in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rrl_dsl.graph import algebra
from rrl_dsl.graph.algebra import Called, Combined, Complement, Composed, Graph, Operator, Scaled
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.identity import content
from rrl_dsl.graph.planner import Planner
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.registry import registered
from rrl_dsl.graph.text import text_of
from rrl_dsl.graph.types import WEIGHT
from rrl_dsl.language.weights import LARGEST, LEAST, number, rounded, shortest


@dataclass(frozen=True)
class Step:
    """One application of a rule."""

    rule: str
    before: Graph
    after: Graph

    def __str__(self) -> str:
        return f"{self.rule}: {text_of(self.before)}  ->  {text_of(self.after)}"


def rewrite(graph: Graph) -> tuple[Graph, tuple[Step, ...]]:
    """The simplified graph, and the steps that led to it."""
    rewriter = _Rewriter()
    return rewriter.visit(graph), tuple(rewriter.steps)


class _Rewriter:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.planner = Planner()
        self.known: dict[str, Graph] = {}  # by content and operands
        self.visited: dict[int, tuple[Graph, Graph]] = {}  # id -> the node, kept alive, and result

    def visit(self, node: Graph) -> Graph:
        """The node after all rules. A graph has at most 64 levels, so recursion is safe."""
        if id(node) in self.visited:
            return self.visited[id(node)][1]
        operands = tuple(self.visit(operand) for operand in node.operands)
        result = self.shared(node.with_operands(operands))
        for name, kind, rule in RULES:
            simpler = rule(result, self.planner) if isinstance(result, kind) else None
            if simpler is not None and (simpler.binary or not result.binary):  # bool stays bool
                self.steps.append(Step(name, result, simpler))
                result = self.visit(simpler)
                break
        self.visited[id(node)] = node, result
        self.visited[id(result)] = result, result
        return result

    def shared(self, node: Graph) -> Graph:
        """The first visited node with the same content and the same operands."""
        operands = [id(operand) for operand in node.operands]
        if isinstance(node, Combined) and (node.operator in "|&" or len(operands) == 2):
            operands = sorted(operands) if node.operator != "-" else operands
        stream = node.call.stream if isinstance(node, Called) else None
        key = json.dumps([content(node, stream), operands], sort_keys=True)
        return self.known.setdefault(key, node)


# chains


def _associativity(node: Combined, known: Planner) -> Graph | None:
    if node.operator not in "|&":
        return None
    parts: list[Graph] = []
    for part in node.operands:
        nested = isinstance(part, Combined) and part.operator == node.operator
        parts += part.operands if nested else (part,)
    return Combined(tuple(parts), node.operator) if len(parts) > len(node.operands) else None


def _idempotence(node: Combined, known: Planner) -> Graph | None:
    if node.operator == "+":
        return None
    first, *others = node.operands
    if node.operator == "-":
        return _joined("-", [first, *_distinct(others)], node)
    return _joined(node.operator, _distinct(node.operands), node)


def _unit(node: Combined, known: Planner) -> Graph | None:
    if node.operator == "&":
        if all(known.weight(part).high > 1 or _is_all(part, known) for part in node.operands):
            return None
        return _joined("&", [part for part in node.operands if not _is_all(part, known)], node)
    first, *others = node.operands
    left = [part for part in others if not _is_none(part, known)]
    if node.operator != "-" and _is_none(first, known) and left:
        return _joined(node.operator, left, node)
    return _joined(node.operator, [first, *left], node)


def _zero_factor(node: Composed | Combined, known: Planner) -> Graph | None:
    empty = any(_is_none(part, known) for part in node.operands)
    return _source(known.pair.never, known) if empty else None


def _zero(node: Combined, known: Planner) -> Graph | None:
    first, *others = node.operands
    match node.operator:
        case "&":
            return _zero_factor(node, known)
        case "|" if (
            any(_is_all(part, known) for part in node.operands) and known.weight(node).high <= 1
        ):
            return _source(known.pair.always, known)
        case "-" if _is_none(first, known) or any(
            part is first or _is_all(part, known) for part in others
        ):
            return _source(known.pair.never, known)
    return None


def _absorption(node: Combined, known: Planner) -> Graph | None:
    if node.operator not in "|&":
        return None
    dual = "&" if node.operator == "|" else "|"

    def absorbed(part: Graph) -> bool:
        return (
            isinstance(part, Combined)
            and part.operator == dual
            and any(inner is other for inner in part.operands for other in node.operands)
        )

    return _joined(node.operator, [part for part in node.operands if not absorbed(part)], node)


def _contradiction(node: Combined, known: Planner) -> Graph | None:
    if node.operator != "&":
        return None
    opposed = [part.operand for part in node.operands if isinstance(part, Complement)]
    clash = any(part is other for part in node.operands for other in opposed)
    return _source(known.pair.never, known) if clash else None


# complement and scaling


def _double_complement(node: Complement, known: Planner) -> Graph | None:
    inner = node.operand
    if _is_all(inner, known):
        return _source(known.pair.never, known)
    if (
        isinstance(inner, Complement)
        and inner.operand.binary
        and known.weight(inner.operand).loopless
    ):
        return inner.operand
    return None


def _scaling(node: Scaled, known: Planner) -> Graph | None:
    if node.factor == 0.0 or _is_none(node.operand, known):
        return _source(known.pair.never, known)
    if not isinstance(node.factor, float):
        return None
    factor, inner = number(node.factor), node.operand
    if factor == 1.0:
        return inner
    if not (isinstance(inner, Scaled) and isinstance(inner.factor, float)):
        return None
    product = factor * number(inner.factor)
    if not LEAST <= product <= WEIGHT.high or not _is_exact(inner, known):
        return None
    return Scaled((inner.operand,), shortest(rounded(product)))


def _is_exact(node: Scaled, known: Planner) -> bool:
    """Whether scaling rounds no weight: the weights are 0 and 1, or the factor is a power of 2."""
    assert isinstance(node.factor, float)
    doubled = node.factor >= 1.0 and math.frexp(node.factor)[0] == 0.5
    return node.operand.binary or (
        doubled and node.factor * known.weight(node.operand).high <= LARGEST
    )


# transforms


def _empty_operand(node: Called, known: Planner) -> Graph | None:
    if node.is_source or not _is_none(node.operand, known):
        return None
    return node.operand if known.weight(node).high == 0 else None


def _identity_transform(node: Called, known: Planner) -> Graph | None:
    if node.is_source:
        return None
    return node.operand if known.weight(node).at == known.weight(node.operand).at else None


def _out_of_reach(node: Called, known: Planner) -> Graph | None:
    if node.is_source or known.weight(node).high > 0:
        return None
    return _source(known.pair.never, known)


def _certain_draw(node: Called, known: Planner) -> Graph | None:
    """Removes a draw with probability 0 or 1, unless the result is deeper."""
    if not node.call.facts.draws:
        return None
    weight, diagonal = known.weight(node), known.pair.same_row
    if node.is_source:
        certain = (diagonal, known.pair.always, known.pair.never)
        return next(
            (_source(candidate, known) for candidate in certain if candidate.at == weight.at), None
        )
    if node.operand.binary and weight.at == (known.weight(node.operand) & diagonal).at:
        return Combined((node.operand, _source(diagonal, known)), "&")
    return None


RULES: Final[Sequence[tuple[str, type[Graph], Callable[[Any, Planner], Graph | None]]]] = (
    ("associativity", Combined, _associativity),
    ("idempotence", Combined, _idempotence),
    ("unit", Combined, _unit),
    ("zero", Combined, _zero),
    ("zero", Composed, _zero_factor),
    ("absorption", Combined, _absorption),
    ("contradiction", Combined, _contradiction),
    ("double complement", Complement, _double_complement),
    ("scaling", Scaled, _scaling),
    ("nothing to transform", Called, _empty_operand),
    ("identity", Called, _identity_transform),
    ("threshold out of reach", Called, _out_of_reach),
    ("certain draw", Called, _certain_draw),
)
"""Name, kind of nodes and rule. A rule returns the simpler graph, or None if it does not apply."""


def _is_source(node: Graph, weight: Weight, known: Planner) -> bool:
    """Whether a node is a source with that weight."""
    return isinstance(node, Called) and node.is_source and known.weight(node).at == weight.at


def _is_none(node: Graph, known: Planner) -> bool:
    return _is_source(node, known.pair.never, known)


def _is_all(node: Graph, known: Planner) -> bool:
    return _is_source(node, known.pair.always, known)


def _source(weight: Weight, known: Planner) -> Graph:
    """The source without parameters with this weight."""
    for signature in registered().values():
        if signature.kind == "source" and not signature.parameters:
            candidate = Called((), Call(signature, {}, stream=0))
            if known.weight(candidate).at == weight.at:
                return candidate
    raise AssertionError(weight)


def _distinct(parts: Sequence[Graph]) -> list[Graph]:
    return list({id(part): part for part in parts}.values())


def _joined(operator: Operator, parts: Sequence[Graph], node: Combined) -> Graph | None:
    """The chain of the remaining parts, or None if no part was removed."""
    if len(parts) == len(node.operands):
        return None
    return parts[0] if len(parts) == 1 else algebra.combine(operator, *parts)
