"""The definitions and references in the text of a recipe, for tools that show the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.language.span import Source, Span


class Poison:
    """The value of an expression with a reported error. It causes no further errors."""

    noun = "something that has an error"


POISON: Final = Poison()

Kind = Literal["param", "let", "import"]
Meaning = Graph | Transform | Schedule | bool | int | float | str | Poison
"""The value of an expression."""


@dataclass(frozen=True, eq=False)
class Definition:
    """A name that a recipe defines.

    Attributes:
        name: The name.
        kind: The statement that defines it.
        span: The span of the name in `source`.
        source: The text.
        meaning: Its value; for an import, the graph of the imported recipe.
        target: For an import, the file.
        default: For a parameter, its value in the file, even if it is set to another value.
        literal: The span of its literal, unless it is set to another value.
    """

    name: str
    kind: Kind
    span: Span
    source: Source
    meaning: Meaning
    target: Path | None = None
    default: bool | int | float | str | None = None
    literal: Span | None = None


@dataclass(frozen=True, eq=False)
class Reference:
    """A place where a defined name is used."""

    span: Span
    definition: Definition


@dataclass
class Resolution:
    """The result of resolving a file.

    Attributes:
        graph: The graph of the recipe, or None if there are errors.
        faults: All errors of its names, types and values, and of the files that it imports.
        definitions: Its definitions, by name.
        references: The uses of its definitions.
        meanings: The value of each name, call and statement, by its place.
        files: The other files that it reads.
    """

    graph: Graph | None = None
    faults: list[Diagnostic] = field(default_factory=list)
    definitions: dict[str, Definition] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    meanings: dict[Span, Meaning] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
