"""What a recipe's text defines and refers to, for tools that look at the text."""

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
    """The value of what was already reported; nothing complains about it twice."""

    noun = "something that has an error"


POISON: Final = Poison()

Meaning = Graph | Transform | Schedule | bool | int | float | str | Poison
"""What an expression denotes."""


@dataclass(frozen=True, eq=False)
class Definition:
    """A name that a recipe defines.

    Attributes:
        name: The name.
        kind: The statement that defines it.
        span: The span of the name in `source`.
        source: The text.
        meaning: What it denotes; of an import, the graph of the imported recipe.
        target: The file that an import names.
        default: For a parameter, its value as written in the file, whatever it was set to.
        literal: The span of its literal, unless it was set to another value.
    """

    name: str
    kind: Literal["param", "let", "import"]
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
    """What resolving a file yields.

    Attributes:
        graph: The recipe's graph, or None where something was reported.
        faults: Every error of its names, types and values, and of the files it imports.
        definitions: What it defines, by name.
        references: Where it uses what it defines.
        meanings: What each name, call and statement of it denotes, by its place.
        files: The further files that it reads.
    """

    graph: Graph | None = None
    faults: list[Diagnostic] = field(default_factory=list)
    definitions: dict[str, Definition] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    meanings: dict[Span, Meaning] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
