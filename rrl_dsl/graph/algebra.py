"""The typed graph algebra: recipes with resolved names and checked types.

Nodes are immutable, and text and Python operators create the same nodes. A node that is used twice
is one object and one draw; two equal calls are two draws. Therefore `==`, `hash` and `identity`
compare finished recipes, in which every stochastic call has its stream (`rrl_dsl.graph.streams`).
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NoReturn, get_args

from rrl_dsl.graph.call import MAX_DEPTH, Call, Scope, Transform, from_python, no_truth
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import WEIGHT, Refusal, described
from rrl_dsl.language.diagnostics import error

Operator = Literal["|", "&", "+", "-"]


def _refusing(operator: str) -> Callable[[Graph, object], NoReturn]:
    """A method that refuses a left operand that is not a graph."""

    def refuse(graph: Graph, left: object) -> NoReturn:
        refusal = mismatched(operator, left)
        zero = operator == "+" and type(left) is int and left == 0  # the start value of `sum`
        hint = "write `sum(graphs, rrl.none())`" if zero else refusal.hint
        raise error(refusal.code, refusal.message, hint=hint)

    return refuse


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """The weights w(i, j) >= 0 between the rows and the columns of a batch.

    Create a graph with the functions of `rrl_dsl` or with `rrl_dsl.parse`. Combine graphs with `|`,
    `&`, `+`, `-`, `*` and `~`.

    Attributes:
        operands: The operands of this graph.
    """

    operands: tuple[Graph, ...]
    noun = "a graph"
    __array_ufunc__ = None  # `np.float32(2) * graph` is a graph, not an array of graphs

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.operand.binary

    @property
    def operand(self) -> Graph:
        """The first of the operands."""
        return self.operands[0]

    def with_operands(self, operands: tuple[Graph, ...]) -> Graph:
        """The same node with other operands; itself if they are the same."""
        same = all(one is other for one, other in zip(operands, self.operands, strict=True))
        return self if same else replace(self, operands=operands)

    @cached_property
    def scope(self) -> Scope:
        """What an edge depends on besides the two rows."""
        return _widest(operand.scope for operand in self.operands)

    @cached_property
    def timed(self) -> bool:
        """Whether the weights depend on the epoch or step."""
        return any(operand.timed for operand in self.operands)

    @property
    def contrast(self) -> Graph | None:
        """The graph of the pairs that a loss may push apart; None for all pairs."""
        return None

    def with_contrast(self, contrast: Graph) -> Graph:
        """Returns the graph with a contrast: a loss may push apart only the edges of `contrast`.

        Raises:
            RRLError: RRL212 if either graph already has a contrast, RRL201 if `contrast` is not a
                graph.
        """
        return from_python(lambda: contrasted(self, contrast))

    @cached_property
    def depth(self) -> int:
        """The number of levels from this graph to its deepest source."""
        return 1 + max((operand.depth for operand in self.operands), default=0)

    @cached_property
    def symmetric(self) -> bool:
        """Whether w(i, j) = w(j, i) holds. False if a call is directed."""
        from rrl_dsl.graph.planner import Planner

        return Planner().is_symmetric(self)

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

    def __matmul__(self, other: object) -> Graph:
        return from_python(lambda: compose_graphs(self, other))

    def __invert__(self) -> Graph:
        return from_python(lambda: complement(self))

    __ror__, __rand__, __radd__, __rsub__, __rmatmul__ = map(_refusing, "|&+-@")

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
        from rrl_dsl.graph.text import text_of

        return text_of(self)

    def show(self, *, seed: int = 0) -> None:
        """Draws the graph of some digits in the terminal, and prints the tree of the recipe.

        Args:
            seed: The seed of the recipe and of the choice of samples.

        Raises:
            RRLError: RRL401 or RRL417 if the recipe reads a field that the digits do not have.
        """
        from rrl_dsl.report import display

        display.show(self, seed)

    def _repr_html_(self) -> str:
        """The picture of the graph on the digits with its statistics, for notebooks."""
        from rrl_dsl.report import display

        return display.html_of(self)


@dataclass(frozen=True, eq=False, repr=False)
class Called(Graph):
    """The graph of a source, or of a transform of its operand."""

    call: Call

    @property
    def is_source(self) -> bool:
        """Whether the call is that of a source."""
        return not self.operands

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        if self.call.facts.binary or self.is_source:
            return self.call.facts.binary
        return self.operand.binary and self.call.stays_binary

    @cached_property
    def scope(self) -> Scope:
        """What an edge depends on besides the two rows."""
        return _widest([self.call.facts.scope, *(operand.scope for operand in self.operands)])

    @cached_property
    def timed(self) -> bool:
        """Whether the weights depend on the epoch or step."""
        return self.call.facts.timed or any(operand.timed for operand in self.operands)


@dataclass(frozen=True, eq=False, repr=False)
class Combined(Graph):
    """Graphs joined by one operator, from left to right: a flat chain, not a tree."""

    operator: Operator

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        if self.operator == "+":
            return False
        operands = self.operands[:1] if self.operator == "-" else self.operands
        return all(operand.binary for operand in operands)


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Graph):
    """A graph whose weights are multiplied by a number."""

    factor: float | Schedule

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.factor == 0.0 or (self.factor == 1.0 and self.operand.binary)

    @cached_property
    def timed(self) -> bool:
        """Whether the weights depend on the epoch or step."""
        return isinstance(self.factor, Schedule) or self.operand.timed


class Complement(Graph):
    """Weight 1 if i != j and the operand has no edge."""

    binary = True


class Composed(Graph):
    """Paths of an edge of one operand and an edge of the other, over the samples of the dataset."""

    scope: Scope = "dataset"

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return all(operand.binary for operand in self.operands)


class Contrasted(Graph):
    """A finished recipe, whose operands are a graph and its contrast. No operator takes it."""

    @property
    def contrast(self) -> Graph | None:
        """The pairs that a loss may push apart."""
        return self.operands[1]

    @cached_property
    def depth(self) -> int:
        """The levels of the deeper operand."""
        return max(operand.depth for operand in self.operands)


def contrasted(graph: Graph, contrast: object) -> Graph:
    """The graph with a contrast; the graph itself if the contrast is all pairs.

    Raises:
        Refusal: RRL212 if either has a contrast, RRL201 if one is not a graph.
    """
    if not isinstance(contrast, Graph):
        raise Refusal("RRL201", f"a contrast must be a graph, not {described(contrast)}")
    finished = Contrasted((unfinished(graph), unfinished(contrast)))
    if isinstance(contrast, Called) and contrast.is_source and contrast.call.is_everything:
        return graph
    return finished


def unfinished(graph: Graph) -> Graph:
    """The graph itself, if it may be part of another graph.

    Raises:
        Refusal: RRL212 if it has a contrast.
    """
    if graph.contrast is not None:
        message = "a graph with a contrast cannot be part of another graph"
        raise Refusal("RRL212", message, "add the contrast last, to the whole graph")
    return graph


def apply(graph: Graph, transform: Transform) -> Graph:
    """The graph after each call of the transform in turn; raises RRL302 if it is too deep."""
    graph = unfinished(graph)
    for call in transform.calls:
        graph = _shallow(Called((graph,), call))
    return graph


def operand(operator: Operator, value: object) -> Graph:
    """The value as the right operand of an operator.

    Raises:
        Refusal: RRL201 if it is not a graph, RRL205 if `-` would remove a weighted graph.
    """
    if not isinstance(value, Graph):
        raise mismatched(operator, value)
    unfinished(value)
    if operator == "-" and not value.binary:
        message = "the right side of `-` must be a binary graph, and this one is weighted"
        raise Refusal("RRL205", message, "make it binary with `threshold(0)`")
    return value


def mismatched(operator: str, value: object) -> Refusal:
    """The refusal of an operand that is not a graph."""
    hint = None
    if isinstance(value, Transform):
        hint = "write `a | t` to apply a transform"
    elif isinstance(value, Schedule | int | float) and not isinstance(value, bool):
        hint = "write `k * a` to scale a graph"
    return Refusal("RRL201", f"`{operator}` takes two graphs, not {described(value)}", hint)


def combine(operator: Operator, first: Graph, *others: Graph) -> Graph:
    """The graph `first operator other ...`, from the left; raises RRL302 if it is too deep."""
    if isinstance(first, Combined) and first.operator == operator:
        return _shallow(Combined(first.operands + others, operator))
    return _shallow(Combined((unfinished(first), *others), operator))


def complement(graph: Graph) -> Graph:
    """The graph `~graph`; raises RRL302 if it is too deep."""
    return _shallow(Complement((unfinished(graph),)))


def compose_graphs(left: object, right: object) -> Graph:
    """The graph `left @ right`.

    Raises:
        Refusal: RRL201 if one is not a graph, RRL213 if one depends on more than the dataset,
            RRL302 if the result is too deep.
    """
    if not isinstance(left, Graph) or not isinstance(right, Graph):
        raise mismatched("@", right if isinstance(left, Graph) else left)
    for at, graph in enumerate((left, right)):
        unfinished(graph)
        what = "depends on the batch" if graph.scope == "batch" else None
        what = "depends on the epoch or step" if graph.timed else what
        what = what or (None if graph.symmetric else "is directed")
        if what is not None:
            message = f"`@` composes symmetric graphs over the whole dataset, and this one {what}"
            hint = "compose graphs that are the same in every batch, epoch and direction"
            raise Refusal("RRL213", message, hint, at)
    return _shallow(Composed((left, right)))


def scale(graph: Graph, factor: Any) -> Graph:
    """The graph with its weights multiplied.

    Raises:
        Refusal: RRL201 if the factor is not a number, RRL301 if it is negative or too large,
            RRL302 if the result is too deep.
    """
    if isinstance(factor, Graph):
        raise Refusal("RRL201", "`*` takes a number and a graph, not two graphs", "`&` intersects")
    if isinstance(factor, Schedule):
        try:
            return _shallow(Scaled((unfinished(graph),), WEIGHT.accept_schedule(factor)))
        except Refusal as refusal:
            message = f"the factor of a graph {refusal.message}"
            raise Refusal(refusal.code, message) from None
    if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
        raise Refusal("RRL201", f"`*` takes a number and a graph, not {described(factor)}")
    if not WEIGHT.contains(factor):  # compared as it is: a huge integer has no float
        message = f"the factor of a graph must be {WEIGHT.fitting(factor)}, not {described(factor)}"
        raise Refusal("RRL301", message)
    return _shallow(Scaled((unfinished(graph),), float(factor) + 0.0))  # -0.0 is 0.0


def _shallow(graph: Graph) -> Graph:
    """The graph itself, if it does not have too many levels."""
    if graph.depth > MAX_DEPTH:
        message = f"this graph has more than {MAX_DEPTH} levels"
        raise Refusal("RRL302", message, "write a chain of one operator, or simplify an inner part")
    return graph


def _joined(operator: Operator, left: Graph, right: object) -> Graph:
    return from_python(lambda: combine(operator, left, operand(operator, right)))


def _widest(scopes: Iterable[Scope]) -> Scope:
    return max(scopes, key=get_args(Scope).index)
