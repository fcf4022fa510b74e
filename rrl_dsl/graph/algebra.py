"""The typed graph algebra: what a recipe is once names are resolved and types are checked.

Nodes are immutable and the same whether they came from text or from Python operators. A node that
is used twice is one object, and one draw; two calls that look alike are two. `==`, `hash` and
`identity` therefore look at the finished recipe, after every stochastic call has its stream.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeVar

from rrl_dsl.graph.registry import Arguments, Signature
from rrl_dsl.graph.types import WEIGHT, Refusal, described
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.spelling import is_name

MAX_DEPTH: Final = 64

Operator = Literal["|", "&", "+", "-"]

_Node = TypeVar("_Node", "Graph", "Transform")


@dataclass(frozen=True, eq=False)
class Call:
    """A built-in with its arguments. Its identity as an object is what a draw hangs on."""

    signature: Signature
    arguments: Arguments

    @property
    def draws(self) -> bool:
        """Whether the call is stochastic."""
        return self.signature.draws(self.arguments)

    def __str__(self) -> str:
        shown = [
            f"{parameter.name}={_literal(value)}"
            for parameter in self.signature.parameters
            if (value := self.arguments[parameter.name]) != parameter.default
        ]
        return f"{self.signature.name}({', '.join(shown)})"


@dataclass(frozen=True, eq=False)
class Transform:
    """Graph -> Graph: one call, or several applied in order."""

    calls: tuple[Call, ...]
    noun = "a transform"
    __array_ufunc__ = None

    def __or__(self, other: object) -> Transform:
        if isinstance(other, Transform):
            return _from_python(lambda: compose(self, other))
        name = self.calls[0].signature.name
        message = f"`{name}` is a transform and needs a graph on its left"
        raise error("RRL203", message, hint=f"write `graph | {name}(…)`")

    def __str__(self) -> str:
        return " | ".join(map(str, self.calls))


class Graph:
    """Symmetric weights w(i, j) >= 0 over the rows of a batch.

    Build one with the functions of `rrl_dsl` or with `rrl_dsl.parse`, and combine them with
    `|`, `&`, `+`, `-`, `*` and `~`.
    """

    noun = "a graph"
    __array_ufunc__ = None  # `np.float32(2) * graph` is ours, not an array of graphs

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        raise NotImplementedError

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graphs this one is made of."""
        raise NotImplementedError

    @cached_property
    def depth(self) -> int:
        """Levels from this node to the furthest source."""
        return 1 + max((operand.depth for operand in self.operands), default=0)

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH:
            message = f"this graph has more than {MAX_DEPTH} levels"
            raise Refusal("RRL302", message, "write a flat chain, or simplify an inner part")

    def __or__(self, other: object) -> Graph:
        if isinstance(other, Transform):
            return _from_python(lambda: apply(self, other))
        return _joined("|", self, other)

    def __and__(self, other: object) -> Graph:
        return _joined("&", self, other)

    def __add__(self, other: object) -> Graph:
        return _joined("+", self, other)

    def __sub__(self, other: object) -> Graph:
        return _joined("-", self, other)

    def __mul__(self, factor: object) -> Graph:
        return _from_python(lambda: scale(self, factor))

    __rmul__ = __mul__

    def __invert__(self) -> Graph:
        return _from_python(lambda: Complement(self))

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the canonical form, as 64 hexadecimal digits."""
        from rrl_dsl.graph.identity import identity

        return identity(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return self is other or self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return f"<{'binary' if self.binary else 'weighted'} graph {self.identity[:12]}>"


@dataclass(frozen=True, eq=False, repr=False)
class Source(Graph):
    """A graph made by one call."""

    call: Call
    binary = True
    operands = ()


@dataclass(frozen=True, eq=False, repr=False)
class Applied(Graph):
    """A graph after one transform."""

    operand: Graph
    call: Call

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        signature = self.call.signature
        if signature.makes_binary:
            return True
        return self.operand.binary and signature.stays_binary(self.call.arguments)

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph that is transformed."""
        return (self.operand,)


@dataclass(frozen=True, eq=False, repr=False)
class Combined(Graph):
    """Graphs joined by one operator, from the left: a flat chain, never a deep tree."""

    operator: Operator
    parts: tuple[Graph, ...]

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graphs that are joined."""
        return self.parts

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        if self.operator == "+":
            return False
        if self.operator == "-":
            return self.operands[0].binary
        return all(operand.binary for operand in self.operands)


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Graph):
    """A graph whose weights are multiplied by a number."""

    operand: Graph
    factor: float
    binary = False

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph that is scaled."""
        return (self.operand,)


@dataclass(frozen=True, eq=False, repr=False)
class Complement(Graph):
    """Weight 1 where the operand has none and i != j."""

    operand: Graph
    binary = True

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph that is complemented."""
        return (self.operand,)


def apply(graph: Graph, transform: Transform) -> Graph:
    """The graph after each call of the transform in turn.

    Raises:
        Refusal: RRL302 where the result is too deep.
    """
    for call in transform.calls:
        graph = Applied(graph, call)
    return graph


def compose(first: Transform, second: Transform) -> Transform:
    """Both transforms, one after the other.

    Raises:
        Refusal: RRL302 where no graph could have that many levels.
    """
    calls = first.calls + second.calls
    if len(calls) >= MAX_DEPTH:
        message = f"this transform has {MAX_DEPTH} steps or more, and a graph {MAX_DEPTH} levels"
        raise Refusal("RRL302", message, "leave some out")
    return Transform(calls)


def operand(operator: Operator, value: object) -> Graph:
    """The value as the right operand of an operator.

    Raises:
        Refusal: RRL201 where it is no graph, RRL205 where a difference takes away a weighted graph.
    """
    if not isinstance(value, Graph):
        hint = "write `a | t` to apply a transform" if isinstance(value, Transform) else None
        raise Refusal("RRL201", f"`{operator}` joins two graphs, not {described(value)}", hint)
    if operator == "-" and not value.binary:
        message = "`-` takes away the edges of a binary graph, and this one is weighted"
        raise Refusal("RRL205", message, "make it binary with `threshold(0)`")
    return value


def combine(operator: Operator, first: Graph, *others: Graph) -> Graph:
    """The graph `first operator other operator ...`, read from the left.

    Raises:
        Refusal: RRL302 where the result is too deep.
    """
    if isinstance(first, Combined) and first.operator == operator:
        return Combined(operator, first.parts + others)
    return Combined(operator, (first, *others))


def scale(graph: Graph, factor: Any) -> Graph:
    """The graph with its weights multiplied.

    Raises:
        Refusal: RRL201 where the factor is no number, RRL301 where it is negative or too large.
    """
    if isinstance(factor, Graph):
        raise Refusal("RRL201", "`*` wants a number and a graph, not two graphs", "`&` intersects")
    if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
        raise Refusal("RRL201", f"`*` wants a number and a graph, not {described(factor)}")
    if not WEIGHT.contains(factor):  # compared as it is: a huge integer has no float
        message = f"a graph is scaled by {WEIGHT.fitting(factor)}, not {described(factor)}"
        raise Refusal("RRL301", message)
    return Scaled(graph, float(factor) + 0.0)  # -0.0 is 0.0


def times(left: object, right: object) -> Graph | float:
    """The product of a number and a graph, or of two numbers.

    Raises:
        Refusal: RRL201 for anything else, RRL301 where the result is out of range.
    """
    if isinstance(left, Graph):
        return scale(left, right)
    if isinstance(right, Graph):
        return scale(right, left)
    for value in (left, right):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal("RRL201", f"`*` wants a number and a graph, not {described(value)}")
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    product = left * right
    if not abs(product) <= WEIGHT.high:
        raise Refusal("RRL301", f"this product is out of range: {product:.6g}")
    return product


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


def call_of(node: Graph) -> Call | None:
    """The built-in call a node makes, if it makes one."""
    return node.call if isinstance(node, Source | Applied) else None


def _joined(operator: Operator, left: Graph, right: object) -> Graph:
    return _from_python(lambda: combine(operator, left, operand(operator, right)))


def _from_python(build: Callable[[], _Node]) -> _Node:
    """Builds a node from Python, where a refusal has no place in a text."""
    try:
        return build()
    except Refusal as refusal:
        raise error(refusal.code, refusal.message, hint=refusal.hint) from None


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not is_name(value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
