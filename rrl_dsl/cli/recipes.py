"""What the verbs that take a recipe share: the recipe and its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.recipe import parameter_value, parse
from rrl_dsl.graph.types import Scalar
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

RecipeFile = Annotated[Path | None, typer.Argument(help="A recipe file.", show_default=False)]
Expression = Annotated[
    str | None, typer.Option("-e", "--expression", help="A recipe given in place of a file.")
]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", help="NAME=VALUE for a `param`; repeatable.")
]


def source_of(recipe: Path | None, expression: str | None) -> Source:
    """The text of a recipe, from its file or from the command line.

    Raises:
        typer.BadParameter: Where neither or both are given.
        RRLError: Where the file cannot be read.
    """
    if (recipe is None) == (expression is None):
        raise typer.BadParameter("give a recipe file, or a recipe with `-e`")
    if expression is not None:
        return Source(expression, "-e")
    assert recipe is not None
    return parser.read(recipe)


def parameters_of(assignments: list[str] | None) -> dict[str, Scalar]:
    """The values of `--param NAME=VALUE`.

    Raises:
        RRLError: RRL106 for what is no assignment.
    """
    values: dict[str, Scalar] = {}
    for text in assignments or []:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            message = f"`{text}` is no assignment to a parameter"
            place = Source(text, "--param")
            hint = "write `--param frac=0.5`"
            raise RRLError(Diagnostic("RRL106", message, Span(0, len(text)), place, hint))
        values[name] = parameter_value(value)
    return values


def graph_of(source: Source, params: dict[str, Scalar]) -> Graph:
    """The graph of a recipe's text.

    Raises:
        RRLError: With every error of the text.
    """
    return parse(source.text, params=params, name=source.name)
