"""The typed graph algebra: what a recipe is once names are resolved and types are checked.

Nodes are immutable and the same whether they came from text or from Python operators. A node that
is used twice is one object, and one draw; two calls that look alike are two. `==`, `hash` and
`identity` therefore look at the finished recipe, after every stochastic call has its stream
(`rrl_dsl.graph.streams`).
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, NoReturn

from rrl_dsl.graph.call import MAX_DEPTH, Call, Scope, Transform, from_python, no_truth
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import WEIGHT, Refusal, described
from rrl_dsl.language.diagnostics import RRLError, error

Operator = Literal["|", "&", "+", "-"]

_SCOPES: Final[tuple[Scope, ...]] = ("pair", "data set", "batch")  # each depends on more


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
    __array_ufunc__ = None  # `np.float32(2) * graph` is ours, not an array of graphs

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.operand.binary

    @property
    def operand(self) -> Graph:
        """The first of the operands."""
        return self.operands[0]

    def with_operands(self, operands: tuple[Graph, ...]) -> Graph:
        """The same node with other operands; itself where they are the same."""
        same = all(one is other for one, other in zip(operands, self.operands, strict=True))
        return self if same else replace(self, operands=operands)

    @cached_property
    def scope(self) -> Scope:
        """What an edge depends on besides the two rows."""
        return max((operand.scope for operand in self.operands), key=_SCOPES.index)

    @property
    def contrast(self) -> Graph | None:
        """The graph of the pairs that a loss may push apart; None for all pairs."""
        return None

    def with_contrast(self, contrast: Graph) -> Graph:
        """Returns the graph with a contrast: the pairs that a loss may push apart.

        Args:
            contrast: A graph. A loss may push apart the pairs with a weight above 0.

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

        planner = Planner()
        return planner.is_symmetric(planner.weight(self))

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

    def __rmatmul__(self, other: object) -> NoReturn:
        raise _refused_left("@", other)

    def __invert__(self) -> Graph:
        return from_python(lambda: complement(self))

    def __ror__(self, other: object) -> NoReturn:
        raise _refused_left("|", other)

    def __rand__(self, other: object) -> NoReturn:
        raise _refused_left("&", other)

    def __radd__(self, other: object) -> NoReturn:
        raise _refused_left("+", other)

    def __rsub__(self, other: object) -> NoReturn:
        raise _refused_left("-", other)

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
        """What a notebook shows: the graph's picture on the digits, with its statistics."""
        from rrl_dsl.report import display

        return display.html_of(self)


@dataclass(frozen=True, eq=False, repr=False)
class Called(Graph):
    """The graph that a source makes, or that a transform makes of its operand."""

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
        scopes = (self.call.facts.scope, *(operand.scope for operand in self.operands))
        return max(scopes, key=_SCOPES.index)


@dataclass(frozen=True, eq=False, repr=False)
class Combined(Graph):
    """Graphs joined by one operator, from the left: a flat chain, never a deep tree."""

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


class Complement(Graph):
    """Weight 1 where the operand has none and i != j."""

    binary = True


class Composed(Graph):
    """Paths of an edge of one operand and an edge of the other, over the samples of the dataset."""

    scope: Scope = "data set"

    @cached_property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return all(operand.binary for operand in self.operands)


class Contrasted(Graph):
    """A finished recipe: a graph, and the pairs that may serve as unrelated, as its operands.

    It is the root of a recipe: no operator takes it.
    """

    @property
    def contrast(self) -> Graph | None:
        """Which pairs may serve as unrelated."""
        return self.operands[1]

    @cached_property
    def depth(self) -> int:
        """Levels of the deeper of the two."""
        return max(operand.depth for operand in self.operands)


def contrasted(graph: Graph, contrast: object) -> Graph:
    """The graph with a contrast; the graph itself where that is all pairs, as without one.

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
    """The graph itself, where it may become a part of another.

    Raises:
        Refusal: RRL212 if it has a contrast.
    """
    if graph.contrast is not None:
        message = "a graph with a contrast cannot be part of another graph"
        raise Refusal("RRL212", message, "add the contrast last, to the whole graph")
    return graph


def apply(graph: Graph, transform: Transform) -> Graph:
    """The graph after each call of the transform in turn.

    Raises:
        Refusal: RRL302 if the result is too deep.
    """
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
    """The graph `first operator other operator ...`, read from the left.

    Raises:
        Refusal: RRL302 if the result is too deep.
    """
    if isinstance(first, Combined) and first.operator == operator:
        return _shallow(Combined(first.operands + others, operator))
    return _shallow(Combined((unfinished(first), *others), operator))


def complement(graph: Graph) -> Graph:
    """The graph `~graph`.

    Raises:
        Refusal: RRL302 if the result is too deep.
    """
    return _shallow(Complement((unfinished(graph),)))


def compose_graphs(left: Graph, right: object) -> Graph:
    """The graph `left @ right`.

    Raises:
        Refusal: RRL201 where one is not a graph, RRL213 where one depends on more than the dataset,
            RRL302 where the result is too deep.
    """
    if not isinstance(right, Graph):
        raise mismatched("@", right)
    for at, graph in enumerate((left, right)):
        unfinished(graph)
        what = "depends on the batch" if graph.scope == "batch" else None
        what = "depends on the epoch or step" if _is_timed(graph) else what
        what = what or (None if graph.symmetric else "is directed")
        if what is not None:
            message = f"`@` composes symmetric graphs over the whole dataset, and this one {what}"
            hint = "compose graphs that are the same in every batch, epoch and direction"
            raise Refusal("RRL213", message, hint, at)
    return _shallow(Composed((left, right)))


def _is_timed(graph: Graph) -> bool:
    """Whether a graph depends on the epoch or step."""
    if any(call.facts.timed for call in calls_of(graph)):
        return True
    factors = (node.factor for node in walk(graph) if isinstance(node, Scaled))
    return any(isinstance(factor, Schedule) for factor in factors)


def scale(graph: Graph, factor: Any) -> Graph:
    """The graph with its weights multiplied.

    Raises:
        Refusal: RRL201 if the factor is not a number, RRL301 if it is negative or too large,
            RRL302 where the result is too deep.
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
    """The graph itself, where it has no more levels than a recipe may have."""
    if graph.depth > MAX_DEPTH:
        message = f"this graph has more than {MAX_DEPTH} levels"
        raise Refusal("RRL302", message, "write a chain of one operator, or simplify an inner part")
    return graph


def _refused_left(operator: str, left: object) -> RRLError:
    refusal = mismatched(operator, left)
    zero = operator == "+" and type(left) is int and left == 0  # what `sum` begins with
    hint = "write `sum(graphs, rrl.none())`" if zero else refusal.hint
    return error(refusal.code, refusal.message, hint=hint)


def _joined(operator: Operator, left: Graph, right: object) -> Graph:
    return from_python(lambda: combine(operator, left, operand(operator, right)))


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
        operands = tuple(made[id(operand)] for operand in node.operands)
        made[id(node)] = change(node.with_operands(operands))
    return made[id(graph)]


def calls_of(graph: Graph) -> Iterator[Call]:
    """The built-in calls of a graph, in the order in which streams are given."""
    return (node.call for node in walk(graph) if isinstance(node, Called))
