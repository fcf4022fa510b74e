"""The command line: `rrl-dsl VERB`. Exit 0 done, 1 the input is at fault, 2 usage, 130 interrupted.

One file for each group of verbs; this one puts them together and turns errors into text.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rrl_dsl import __version__
from rrl_dsl.cli import checking, compiling, explaining, reference, training
from rrl_dsl.cli.output import errors, print_error, print_json
from rrl_dsl.language.diagnostics import RRLError

app = typer.Typer(
    name="rrl-dsl",
    help="Relational Representation Learning: recipes that say which samples are related.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("check")(checking.check)
app.command("fmt")(checking.fmt)
app.command("explain")(explaining.explain)
app.command("diff")(explaining.diff)
app.command("compile")(compiling.compile_recipe)
app.command("train")(training.train)
app.command("losses")(reference.losses)
app.command("builtins")(reference.builtins)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Relational Representation Learning: recipes that say which samples are related."""
    if version:
        typer.echo(f"rrl-dsl {__version__}")
        raise typer.Exit


def run() -> None:
    """The console script."""
    try:
        app()
    except RRLError as problem:
        if "--json" in sys.argv:
            print_json([diagnostic.to_dict() for diagnostic in problem.diagnostics])
        else:
            print_error(problem)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        if "--debug" in sys.argv[1:2]:
            raise
        name = type(problem).__name__
        errors().print(f"error: rrl-dsl itself failed: {name}: {problem}", markup=False)
        errors().print("  = help: `rrl-dsl --debug …` shows where; please report it", markup=False)
        sys.exit(1)
