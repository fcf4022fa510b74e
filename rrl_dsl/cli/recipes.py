"""Arguments that several verbs take: a recipe, its parameters, a dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rrl_dsl.cli.output import print_diagnostic, print_facts
from rrl_dsl.cli.sources import read
from rrl_dsl.language.diagnostics import listing
from rrl_dsl.language.parser import decode
from rrl_dsl.language.span import Source

if TYPE_CHECKING:
    from rrl_dsl.backends.program import Program
    from rrl_dsl.data.columns import Columns
    from rrl_dsl.graph.types import Scalar

RecipeFile = Annotated[
    Path | None, typer.Argument(help="A recipe file.", metavar="RECIPE", show_default=False)
]
Expression = Annotated[
    str | None, typer.Option("-e", "--expression", help="A recipe as text, in place of a file.")
]
Expressions = Annotated[
    list[str] | None,
    typer.Option("-e", "--expression", help="A recipe as text, in place of a file; repeatable."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", help="Set a `param` of the recipe: NAME=VALUE; repeatable."),
]
DATASET_HELP: Final = (
    "The dataset: digits, digits-captions, fashion-mnist, cifar10, cifar100, imagefolder:PATH, "
    "npz:PATH, table:PATH, hf:PATH, wds:PATTERN."
)
DataSetName = Annotated[str, typer.Option(help=DATASET_HELP)]
BATCH_SIZE_HELP: Final = "Samples per batch."
BatchSize = Annotated[int, typer.Option("--batch-size", "--batch", min=2, help=BATCH_SIZE_HELP)]
Epoch = Annotated[int, typer.Option(min=0, help="The epoch, for schedules.")]
Seed = Annotated[int, typer.Option(min=0, help="The seed of the recipe (`--draws` of `train`).")]
DataDirectory = Annotated[
    Path | None, typer.Option(help="The directory of the datasets.", show_default=False)
]
Download = Annotated[bool, typer.Option("--download", help="Download a missing dataset.")]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Allow the recipe to read files outside its folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def source_of(
    recipe: Path | None, expression: str | None, *, allow_outside: bool = False
) -> Source:
    """The text of a recipe, from its file or from the command line.

    Raises:
        typer.BadParameter: If neither or both are given.
        RRLError: If the file cannot be read.
    """
    if (recipe is None) == (expression is None):
        raise typer.BadParameter("give a recipe file, or a recipe with `-e`")
    if expression is not None:
        source = decode(os.fsencode(expression), "-e", Path())
        return source.unbounded() if allow_outside else source
    assert recipe is not None
    source = read(recipe)
    return source.unbounded() if allow_outside else source


def parameters_of(assignments: list[str] | None) -> dict[str, Scalar]:
    """The values of `--param NAME=VALUE`.

    Raises:
        typer.BadParameter: With all values that are not assignments, and all repeated names.
    """
    from rrl_dsl.graph.recipe import parameter_value

    values: dict[str, Scalar] = {}
    malformed, repeated = list[str](), list[str]()
    for text in assignments or []:
        name, _, written = (part.strip() for part in text.partition("="))
        value = parameter_value(written)
        if not name or value is None:
            malformed.append(text)
        elif name in values:
            repeated.append(name)
        else:
            values[name] = value
    faults = []
    if malformed:
        faults.append(f"write NAME=VALUE, such as `frac=0.5`, not {listing(malformed)}")
    if repeated:
        faults.append(f"set {listing(dict.fromkeys(repeated), 'and')} only once")
    if faults:
        raise typer.BadParameter("; ".join(faults), param_hint="'--param'")
    return values


def columns_of(spec: str, data_dir: Path | None, download: bool) -> Columns:
    """Returns the columns of a dataset, and prints the notes about them.

    Raises:
        RRLError: RRL410, RRL411 or RRL412 if it cannot be loaded.
    """
    from rrl_dsl.data import registry

    columns = registry.columns(spec, root=data_dir or registry.DEFAULT_ROOT, download=download)
    for note in columns.notes:
        print_diagnostic(note)
    return columns


def print_program(source: Source, program: Program) -> None:
    """Prints the type of a recipe and its requirements."""
    from rrl_dsl.report.recipe import facts_of

    print_facts({"recipe": source.name, **facts_of(program)})
