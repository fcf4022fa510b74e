"""The syntax tree of a recipe, with spans, before any name is resolved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rrl_dsl.language.span import Source, Span


@dataclass(frozen=True)
class Number:
    """A number; `value` is None if it is malformed, which is already reported."""

    span: Span
    value: int | float | None


@dataclass(frozen=True)
class String:
    """A quoted string, unescaped; `value` is None if it is malformed, which is already reported."""

    span: Span
    value: str | None


@dataclass(frozen=True)
class Boolean:
    """`true` or `false`."""

    span: Span
    value: bool


@dataclass(frozen=True)
class Name:
    """A bare name; `valid` is false if it is misspelled, which is already reported."""

    span: Span
    text: str
    valid: bool


@dataclass(frozen=True)
class Argument:
    """An argument of a call, by name or by position."""

    span: Span
    name: Name | None
    value: Expression


@dataclass(frozen=True)
class Call:
    """`name(arguments)`."""

    span: Span
    name: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Chain:
    """Operands and the operators between them, which have the same precedence: `a + b - c`."""

    span: Span
    operands: tuple[Expression, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Complement:
    """`~operand`."""

    span: Span
    operand: Expression


@dataclass(frozen=True)
class Group:
    """`(inner)`."""

    span: Span
    inner: Expression


Expression = Number | String | Boolean | Name | Call | Chain | Complement | Group


@dataclass(frozen=True)
class Version:
    """`rrl NUMBER`."""

    span: Span
    number: Number


@dataclass(frozen=True)
class Param:
    """`param NAME = LITERAL`."""

    span: Span
    name: Name
    value: Number | String | Boolean


@dataclass(frozen=True)
class Let:
    """`let NAME = EXPRESSION`."""

    span: Span
    name: Name
    value: Expression


@dataclass(frozen=True)
class Import:
    """`import STRING as NAME`."""

    span: Span
    file: String
    name: Name


@dataclass(frozen=True)
class Contrast:
    """`contrast EXPRESSION`: the pairs that may be negatives."""

    span: Span
    value: Expression


@dataclass(frozen=True)
class Result:
    """The expression that is the recipe's graph."""

    span: Span
    value: Expression


@dataclass(frozen=True)
class Broken:
    """A statement that does not parse, which is already reported.

    Attributes:
        span: Its position.
        kind: The kind of statement that it seems to be.
        names: The names that it seems to define.
        open: Whether its end is missing, so that it may include other statements.
    """

    span: Span
    kind: Literal["definition", "contrast", "graph", "version"]
    names: frozenset[str] = frozenset()
    open: bool = False


Statement = Version | Param | Let | Import | Contrast | Result | Broken


@dataclass(frozen=True)
class Recipe:
    """A parsed file."""

    source: Source
    statements: tuple[Statement, ...]


def names_in(recipe: Recipe) -> Iterator[Name]:
    """Yields the bare names in the expressions of a file in order, without the names of calls."""
    waiting: list[Expression] = [
        statement.value
        for statement in reversed(recipe.statements)
        if isinstance(statement, Let | Result | Contrast)
    ]
    while waiting:
        match waiting.pop():
            case Name() as name:
                yield name
            case Call(arguments=arguments):
                waiting += [argument.value for argument in reversed(arguments)]
            case Chain(operands=operands):
                waiting += reversed(operands)
            case Complement(operand=inner) | Group(inner=inner):
                waiting.append(inner)
