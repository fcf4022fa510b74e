"""Calls of built-ins, and transforms, which are calls without their graph."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple, NoReturn, TypeVar

from rrl_dsl.graph.links import External
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.reader import line_of
from rrl_dsl.graph.recording import Recording, Weight
from rrl_dsl.graph.registry import Arguments, Signature
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import SEED, Need, Refusal, Value
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.spelling import is_name

MAX_DEPTH: Final = 64

Built = TypeVar("Built")


Scope = Literal["pair", "dataset", "batch"]
"""What an edge depends on: only its two rows, also the dataset, or also the batch; ascending."""


class Facts(NamedTuple):
    """Properties of a call, derived from its instructions.

    Attributes:
        binary: Whether its weights are 0 or 1.
        draws: Whether it is stochastic.
        scope: What an edge depends on besides the two rows.
        needs: The columns that it reads.
        timed: Whether the graph depends on the epoch or step.
        views: The number of views per sample that it needs.
        bank: The number of earlier rows that it needs as columns.
    """

    binary: bool
    draws: bool
    scope: Scope
    needs: tuple[Need, ...]
    timed: bool
    views: int
    bank: int


@dataclass(frozen=True, eq=False)
class Call:
    """A built-in with its arguments. Each object is its own draw; equal calls draw independently.

    Attributes:
        signature: The built-in.
        arguments: A value for every parameter.
        stream: The 32-bit word of its stream; None until the recipe is finished.
    """

    signature: Signature
    arguments: Arguments
    stream: int | None = None

    def record(self, recording: Recording, operand: Weight | None = None) -> Weight:
        """Records the instructions of the call and returns the weight of a pair.

        Args:
            recording: The recording that receives the instructions.
            operand: For a transform, the weight of the pair before it.

        Raises:
            RRLError: RRL432 if the built-in raises an error or does not return a weight.
        """
        name, function = self.signature.name, self.signature.function
        assert function is not None
        handles = {"pair": Pair(recording, self.stream or 0, self.seed), "weight": operand}
        given = (handles[handle] for handle in self.signature.handles)
        try:
            result: object = function(*given, **self.arguments)
        except Exception as reason:  # a package may do anything
            raise _failed(name, function.__module__, reason) from reason
        if not isinstance(result, Weight):
            message = f"the built-in `{name}` returned {result!r}, not a `Weight` or a `Mask`"
            hint = f"repair `{function.__module__}`, or do not use `{name}`"
            raise error("RRL432", message, hint=hint)
        return result

    @cached_property
    def facts(self) -> Facts:
        """The properties of the call that hold for every operand."""
        recording = Recording()
        operand = recording.operand(False) if self.signature.kind == "transform" else None
        result = self.record(recording, operand)
        stages = [column.stage for column in recording.columns if column.stage is not None]
        bound = any(lookup.bound for lookup in recording.lookups)
        needs = [need for column in recording.columns for need in column.reads]
        needs += [need for lookup in recording.lookups for need in lookup.reads]
        return Facts(
            binary=result.binary,
            draws=recording.draws,
            scope="batch" if stages else "dataset" if bound else "pair",
            needs=tuple(dict.fromkeys(needs)),
            timed=any(scalar.timed for scalar in recording.scalars),
            views=recording.views,
            bank=recording.bank,
        )

    @cached_property
    def stays_binary(self) -> bool:
        """Whether a transform of a binary graph is binary."""
        recording = Recording()
        return self.record(recording, recording.operand(True)).binary

    @cached_property
    def is_everything(self) -> bool:
        """Whether a source relates every pair."""
        recording = Recording()
        return self.record(recording).at == recording.constant(True).at

    def with_stream(self, stream: int) -> Call:
        """The call with a stream. Its facts are the same, and are computed only once."""
        self.facts  # noqa: B018  (the copy shares the cached value)
        call = copy(self)
        object.__setattr__(call, "stream", stream)
        return call

    @property
    def seed(self) -> int | None:
        """The `seed` argument of the call."""
        return next((self.arguments[name] for name in self._seeds), None)

    @property
    def may_draw(self) -> bool:
        """Whether the call is stochastic, or would be with other arguments."""
        return self.facts.draws or bool(self._seeds)

    @property
    def _seeds(self) -> list[str]:
        parameters = self.signature.parameters
        return [parameter.name for parameter in parameters if parameter.type is SEED]

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The arguments that depend on the epoch."""
        return tuple(value for value in self.arguments.values() if isinstance(value, Schedule))

    def __str__(self) -> str:
        shown = [
            f"{parameter.name}={literal(value)}"
            for parameter in self.signature.parameters
            if (value := self.arguments[parameter.name]) != parameter.default
        ]
        return f"{self.signature.name}({', '.join(shown)})"


@dataclass(frozen=True, eq=False, repr=False)
class Transform:
    """A function from graph to graph: one call, or several in sequence."""

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
        Refusal: RRL302 if no graph could have that many levels.
    """
    calls = first.calls + second.calls
    if len(calls) >= MAX_DEPTH:
        limit = f"a graph has at most {MAX_DEPTH} levels"
        message = f"this transform has {MAX_DEPTH} steps or more, and {limit}"
        raise Refusal("RRL302", message, "remove some steps")
    return Transform(calls)


def _failed(name: str, module: str, reason: Exception) -> RRLError:
    """The error of a built-in whose function raises an error."""
    hint = f"repair line {line_of(module, reason)} of `{module}`, or do not use `{name}`; "
    hint += "`help(rrl.Weight)` and `help(rrl.Pair)` list all operations"
    message = f"the built-in `{name}` fails: {type(reason).__name__}: {reason}"
    return error("RRL432", message, hint=hint)


def no_truth(noun: str, hint: str) -> RRLError:
    """The error of `and`, `or`, `not` and `if`, which would return one of the operands."""
    message = f"{noun} is neither true nor false, so `and`, `or` and `not` do not work"
    return error("RRL201", message, hint=hint)


def from_python(build: Callable[[], Built]) -> Built:
    """Builds a node for a Python caller: a refusal becomes an error without a place in a text."""
    try:
        return build()
    except Refusal as refusal:
        raise error(refusal.code, refusal.message, hint=refusal.hint) from None


def literal(value: Value | None) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, External) and value.written is None:
        return str(value)  # does not parse
    if isinstance(value, External) or (isinstance(value, str) and not is_name(value)):
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
