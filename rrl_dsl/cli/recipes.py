"""What the verbs that take a recipe share: the recipe, its parameters, a data set to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

if TYPE_CHECKING:
    from rrl_dsl.data.table import Columns
    from rrl_dsl.graph.types import Scalar

RecipeFile = Annotated[Path | None, typer.Argument(help="A recipe file.", show_default=False)]
Expression = Annotated[
    str | None, typer.Option("-e", "--expression", help="A recipe given in place of a file.")
]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", help="NAME=VALUE for a `param`; repeatable.")
]
Nodes = Annotated[str, typer.Option(help="The data set to take rows from.")]
Batch = Annotated[int, typer.Option(min=2, help="Samples a batch.")]
Epoch = Annotated[int, typer.Option(min=0, help="The epoch, for schedules.")]
Seed = Annotated[int, typer.Option(min=0, help="The recipe's seed.")]
DataDirectory = Annotated[
    Path | None, typer.Option(help="Where data sets are looked for.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for tools.")]


def source_of(recipe: Path | None, expression: str | None) -> Source:
    """The text of a recipe, from its file or from the command line.

    Raises:
        typer.BadParameter: Where neither or both are given.
        RRLError: Where the file cannot be read.
    """
    if (recipe is None) == (expression is None):
        raise typer.BadParameter("give a recipe file, or a recipe with `-e`")
    if expression is not None:
        return Source(expression, "-e", Path())
    assert recipe is not None
    return parser.read(recipe)


def parameters_of(assignments: list[str] | None) -> dict[str, Scalar]:
    """The values of `--param NAME=VALUE`.

    Raises:
        RRLError: RRL106 for what is no assignment.
    """
    from rrl_dsl.graph.recipe import parameter_value

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


def columns_of(spec: str, data_dir: Path | None) -> Columns:
    """The columns of a data set that the user names.

    Raises:
        RRLError: RRL410, RRL411 or RRL412 where it cannot be had.
    """
    from rrl_dsl.data import registry

    return registry.columns(spec, root=data_dir or registry.DEFAULT_ROOT)
