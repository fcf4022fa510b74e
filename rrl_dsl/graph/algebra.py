"""The typed graph algebra: what a recipe is once names are resolved and types are checked.

Nodes are immutable and the same whether they came from text or from Python operators. A node that
is used twice is one object, and one draw; two calls that look alike are two. `==`, `hash` and
`identity` therefore look at the finished recipe, after every stochastic call has its stream
(`rrl_dsl.graph.streams`).
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Final, Literal, NoReturn

from rrl_dsl.graph.call import MAX_DEPTH, Call, Scope, Transform, from_python, no_truth
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import WEIGHT, Refusal, described
from rrl_dsl.language.diagnostics import error

Operator = Literal["|", "&", "+", "-"]

_SCOPES: Final[tuple[Scope, ...]] = ("pair", "data set", "batch")  # each depends on more


class Graph:
    """Weights w(i, j) >= 0 of the rows of a batch to its columns.

    Build one with the functions of `rrl_dsl` or with `rrl_dsl.parse`, and combine them with
    `|`, `&`, `+`, `-`, `*` and `~`.
    """

    noun = "a graph"
    call: Call | None = None
    """The built-in call that the node makes, if it makes one."""
    __array_ufunc__ = None  # `np.float32(2) * graph` is ours, not an array of graphs

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        raise NotImplementedError

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graphs this one is made of."""
        raise NotImplementedError

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """The same node over other operands."""
        raise NotImplementedError

    @cached_property
    def scope(self) -> Scope:
        """What an edge depends on beside the two rows."""
        scopes = [each.scope for each in self.operands]
        if self.call is not None:
            scopes.append(self.call.scope)
        return max(scopes, key=_SCOPES.index)

    @property
    def contrast(self) -> Graph | None:
        """Which pairs may serve as unrelated; None for all."""
        return None

    def with_contrast(self, contrast: Graph) -> Graph:
        """The graph as a recipe that says which pairs may serve as unrelated.

        Args:
            contrast: A pair with a weight above 0 may be pushed apart.

        Raises:
            RRLError: RRL212 where either has a contrast already, RRL201 for what is no graph.
        """
        return from_python(lambda: contrasted(self, contrast))

    @cached_property
    def depth(self) -> int:
        """Levels from this node to the furthest source."""
        return 1 + max((operand.depth for operand in self.operands), default=0)

    @cached_property
    def symmetric(self) -> bool:
        """Whether w(i, j) = w(j, i) is known, as it is where no call is directed."""
        from rrl_dsl.graph.lower import Lowering

        lowering = Lowering()
        return lowering.is_symmetric(lowering.weight(self))

    def __or__(self, other: object) -> Graph:
        if isinstance(other, Transform):
            return from_python(lambda: apply(self, other))
        return _joined("|", self, other)

    def __and__(self, other: object) -> Graph:
        return _joined("&", self, other)

    def __add__(self, other: object) -> Graph:
        return _joined("+", self, other)

    def __sub__(self, other: object) -> Graph:
        return _joined("-", self, other)

    def __mul__(self, factor: object) -> Graph:
        return from_python(lambda: scale(self, factor))

    __rmul__ = __mul__

    def __invert__(self) -> Graph:
        return from_python(lambda: complement(self))

    def __ror__(self, other: object) -> NoReturn:
        _refuse_left("|", other)

    def __rand__(self, other: object) -> NoReturn:
        _refuse_left("&", other)

    def __radd__(self, other: object) -> NoReturn:
        _refuse_left("+", other)

    def __rsub__(self, other: object) -> NoReturn:
        _refuse_left("-", other)

    def __bool__(self) -> NoReturn:
        raise no_truth(self.noun, "write `a & b`, `a | b` or `~a`")

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
        """The text of a recipe that defines the graph."""
        from rrl_dsl.graph.text import text_of

        return text_of(self)

    # pictures stand above graphs in the order of imports; few programs ask for one

    def show(self, *, seed: int = 0) -> None:
        """Draws the graph over some of the digits in the terminal, with its parts.

        Args:
            seed: The recipe's seed, from which the choice of samples follows too.

        Raises:
            RRLError: RRL401 or RRL417 where the recipe reads what the digits lack.
        """
        import_module("rrl_dsl.report.display").show(self, seed)

    def _repr_html_(self) -> str:
        """What a notebook shows: the graph's picture on the digits, with its statistics."""
        return str(import_module("rrl_dsl.report.display").html_of(self))


@dataclass(frozen=True, eq=False, repr=False)
class Source(Graph):
    """A graph made by one call."""

    call: Call
    operands = ()

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.call.facts.binary

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """The same node."""
        return self


@dataclass(frozen=True, eq=False, repr=False)
class Applied(Graph):
    """A graph after one transform."""

    operand: Graph
    call: Call

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.call.facts.binary or (self.operand.binary and self.call.stays_binary)

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph that is transformed."""
        return (self.operand,)

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """The same call on another graph."""
        return Applied(operands[0], self.call)


@dataclass(frozen=True, eq=False, repr=False)
class Combined(Graph):
    """Graphs joined by one operator, from the left: a flat chain, never a deep tree."""

    operator: Operator
    parts: tuple[Graph, ...]

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graphs that are joined."""
        return self.parts

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """Other graphs, joined by the same operator."""
        return Combined(self.operator, operands)

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
    factor: float | Schedule

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.factor == 0.0 or (self.factor == 1.0 and self.operand.binary)

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph that is scaled."""
        return (self.operand,)

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """Another graph, multiplied by the same number."""
        return Scaled(operands[0], self.factor)


@dataclass(frozen=True, eq=False, repr=False)
class Complement(Graph):
    """Weight 1 where the operand has none and i != j."""

    operand: Graph
    binary = True

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph that is complemented."""
        return (self.operand,)

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """The complement of another graph."""
        return Complement(operands[0])


@dataclass(frozen=True, eq=False, repr=False)
class Contrasted(Graph):
    """A finished recipe: a graph, and the pairs that may serve as unrelated.

    It stands at the root alone: no operator takes it.
    """

    graph: Graph
    unrelated: Graph

    @property
    def binary(self) -> bool:
        """Whether every weight of the graph is 0 or 1."""
        return self.graph.binary

    @property
    def operands(self) -> tuple[Graph, ...]:
        """The graph, then the contrast."""
        return (self.graph, self.unrelated)

    @property
    def contrast(self) -> Graph | None:
        """Which pairs may serve as unrelated."""
        return self.unrelated

    @cached_property
    def depth(self) -> int:
        """Levels of the deeper of the two."""
        return max(self.graph.depth, self.unrelated.depth)

    def over(self, operands: tuple[Graph, ...]) -> Graph:
        """Another graph with another contrast."""
        return Contrasted(*operands)


def contrasted(graph: Graph, contrast: object) -> Graph:
    """The graph with a contrast; the graph itself where that is all pairs, as without one.

    Raises:
        Refusal: RRL212 where either has a contrast already, RRL201 for what is no graph.
    """
    if not isinstance(contrast, Graph):
        raise Refusal("RRL201", f"a contrast is a graph, not {described(contrast)}")
    finished = Contrasted(unfinished(graph), unfinished(contrast))
    return graph if isinstance(contrast, Source) and contrast.call.is_everything else finished


def unfinished(graph: Graph) -> Graph:
    """The graph itself, where it may become a part of another.

    Raises:
        Refusal: RRL212 where it has a contrast.
    """
    if graph.contrast is not None:
        message = "a graph with a contrast is finished and becomes no part of another"
        raise Refusal("RRL212", message, "give the contrast last, to the whole")
    return graph


def apply(graph: Graph, transform: Transform) -> Graph:
    """The graph after each call of the transform in turn.

    Raises:
        Refusal: RRL302 where the result is too deep.
    """
    graph = unfinished(graph)
    for call in transform.calls:
        graph = _shallow(Applied(graph, call))
    return graph


def operand(operator: Operator, value: object) -> Graph:
    """The value as the right operand of an operator.

    Raises:
        Refusal: RRL201 where it is no graph, RRL205 where a difference takes away a weighted graph.
    """
    if not isinstance(value, Graph):
        raise mismatched(operator, value)
    unfinished(value)
    if operator == "-" and not value.binary:
        message = "`-` takes away the edges of a binary graph, and this one is weighted"
        raise Refusal("RRL205", message, "make it binary with `threshold(0)`")
    return value


def mismatched(operator: str, value: object) -> Refusal:
    """The refusal of what is no graph beside an operator."""
    hint = None
    if isinstance(value, Transform):
        hint = "write `a | t` to apply a transform"
    elif isinstance(value, Schedule | int | float) and not isinstance(value, bool):
        hint = "write `k * a` to scale a graph"
    return Refusal("RRL201", f"`{operator}` joins two graphs, not {described(value)}", hint)


def combine(operator: Operator, first: Graph, *others: Graph) -> Graph:
    """The graph `first operator other operator ...`, read from the left.

    Raises:
        Refusal: RRL302 where the result is too deep.
    """
    if isinstance(first, Combined) and first.operator == operator:
        return _shallow(Combined(operator, first.parts + others))
    return _shallow(Combined(operator, (unfinished(first), *others)))


def complement(graph: Graph) -> Graph:
    """The graph `~graph`.

    Raises:
        Refusal: RRL302 where the result is too deep.
    """
    return _shallow(Complement(unfinished(graph)))


def scale(graph: Graph, factor: Any) -> Graph:
    """The graph with its weights multiplied.

    Raises:
        Refusal: RRL201 where the factor is no number, RRL301 where it is negative or too large,
            RRL302 where the result is too deep.
    """
    if isinstance(factor, Graph):
        raise Refusal("RRL201", "`*` wants a number and a graph, not two graphs", "`&` intersects")
    if isinstance(factor, Schedule):
        try:
            return _shallow(Scaled(unfinished(graph), WEIGHT.accept_schedule(factor)))
        except Refusal as refusal:
            message = f"what scales a graph {refusal.message}"
            raise Refusal(refusal.code, message) from None
    if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
        raise Refusal("RRL201", f"`*` wants a number and a graph, not {described(factor)}")
    if not WEIGHT.contains(factor):  # compared as it is: a huge integer has no float
        message = f"a graph is scaled by {WEIGHT.fitting(factor)}, not {described(factor)}"
        raise Refusal("RRL301", message)
    return _shallow(Scaled(unfinished(graph), float(factor) + 0.0))  # -0.0 is 0.0


def _shallow(graph: Graph) -> Graph:
    """The graph itself, where it has no more levels than a recipe may have."""
    if graph.depth > MAX_DEPTH:
        message = f"this graph has more than {MAX_DEPTH} levels"
        raise Refusal("RRL302", message, "write a flat chain, or simplify an inner part")
    return graph


def _refuse_left(operator: Operator, left: object) -> NoReturn:
    """Refuses what is no graph on the left of an operator."""
    refusal = mismatched(operator, left)
    if operator == "+" and type(left) is int and left == 0:  # what `sum` begins with
        refusal.hint = "write `sum(graphs, rrl.none())`"
    raise error(refusal.code, refusal.message, hint=refusal.hint)


def _joined(operator: Operator, left: Graph, right: object) -> Graph:
    return from_python(lambda: combine(operator, left, operand(operator, right)))
