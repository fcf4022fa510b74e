"""The tree of a recipe's text: what was written, with spans, before any name is looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rrl_dsl.language.span import Source, Span


@dataclass(frozen=True)
class Number:
    """A literal number; `value` is None where the text was malformed and already reported."""

    span: Span
    value: int | float | None


@dataclass(frozen=True)
class String:
    """A quoted string, unescaped; `value` is None where it was malformed and already reported."""

    span: Span
    value: str | None


@dataclass(frozen=True)
class Boolean:
    """`true` or `false`."""

    span: Span
    value: bool


@dataclass(frozen=True)
class Name:
    """A bare name; `valid` is false where its spelling was already reported."""

    span: Span
    text: str
    valid: bool


@dataclass(frozen=True)
class Argument:
    """One argument of a call, by name or by position."""

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
    """Operands joined by operators of one level, read from the left: `a | b | c`, `a + b - c`."""

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
    """`contrast EXPRESSION`: the pairs that may serve as unrelated."""

    span: Span
    value: Expression


@dataclass(frozen=True)
class Result:
    """The expression that is the recipe's graph."""

    span: Span
    value: Expression


@dataclass(frozen=True)
class Broken:
    """A statement that did not parse and was reported.

    Attributes:
        span: Where it stands.
        kind: What it meant to be: a definition, the contrast, or else the recipe's graph.
        names: What it may have meant to define.
        open: Whether its end is missing, so that it may have swallowed other statements.
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
    """Every bare name in a file's expressions, in order; what is called is none."""
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
