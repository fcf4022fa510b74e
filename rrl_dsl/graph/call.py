"""Calls of built-ins, and transforms, which are calls that wait for their graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from rrl_dsl.graph.links import Links
from rrl_dsl.graph.registry import Arguments, Scope, Signature
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import Refusal, Value
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.spelling import is_name

MAX_DEPTH: Final = 64

Built = TypeVar("Built")


@dataclass(frozen=True, eq=False)
class Call:
    """A built-in with its arguments. Its identity as an object is what a draw hangs on.

    Attributes:
        signature: The built-in.
        arguments: A value for every parameter.
        stream: The 32-bit word of its stream, once the recipe it belongs to is finished.
    """

    signature: Signature
    arguments: Arguments
    stream: int | None = None

    @property
    def draws(self) -> bool:
        """Whether the call is stochastic."""
        return self.signature.draws(self.arguments)

    @property
    def scope(self) -> Scope:
        """What an edge depends on beside the two rows."""
        return self.signature.scope(self.arguments)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The arguments that depend on the epoch."""
        return tuple(each for each in self.arguments.values() if isinstance(each, Schedule))

    def __str__(self) -> str:
        shown = [
            f"{parameter.name}={literal(value)}"
            for parameter in self.signature.parameters
            if (value := self.arguments[parameter.name]) != parameter.default
        ]
        return f"{self.signature.name}({', '.join(shown)})"


@dataclass(frozen=True, eq=False, repr=False)
class Transform:
    """Graph -> Graph: one call, or several applied in order."""

    calls: tuple[Call, ...]
    noun = "a transform"
    __array_ufunc__ = None

    def __or__(self, other: object) -> Transform:
        if isinstance(other, Transform):
            return from_python(lambda: compose(self, other))
        name = self.calls[0].signature.name
        message = f"`{name}` is a transform and needs a graph on its left"
        raise error("RRL203", message, hint=f"write `graph | {self}`")

    def __bool__(self) -> NoReturn:
        raise no_truth(self.noun, "write `a | b` to apply one after the other")

    def __repr__(self) -> str:
        return " | ".join(map(str, self.calls))


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


def no_truth(noun: str, hint: str) -> RRLError:
    """What `and`, `or`, `not` and `if` get, which would take one operand for the whole."""
    message = f"{noun} is neither true nor false, and `and`, `or`, `not` build none"
    return error("RRL201", message, hint=hint)


def from_python(build: Callable[[], Built]) -> Built:
    """Builds a node from Python, where a refusal has no place in a text."""
    try:
        return build()
    except Refusal as refusal:
        raise error(refusal.code, refusal.message, hint=refusal.hint) from None


def literal(value: Value | None) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Links) or (isinstance(value, str) and not is_name(value)):
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
