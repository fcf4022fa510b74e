"""The command line: `rrl-dsl VERB`. One file for each group of verbs; this puts them together."""

from __future__ import annotations

from typing import Annotated

import typer

from rrl_dsl import __version__
from rrl_dsl.cli import checking, comparing, compiling, explaining, reference, serving, training

app = typer.Typer(
    name="rrl-dsl",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("check")(checking.check)
app.command("fmt")(checking.fmt)
app.command("explain")(explaining.explain)
app.command("diff")(comparing.diff)
app.command("compile")(compiling.compile_recipe)
app.command("train")(training.train)
app.command("losses")(reference.losses)
app.command("builtins")(reference.builtins)
app.command("lsp")(serving.lsp)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Before a verb: show where rrl-dsl itself fails.")
    ] = False,
) -> None:
    """Relational Representation Learning: recipes that say which samples are related."""
    if version:
        typer.echo(f"rrl-dsl {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        return
    raise typer.Exit
