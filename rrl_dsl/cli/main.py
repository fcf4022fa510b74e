"""The command line: `rrl-dsl VERB`. One file for each group of verbs; this puts them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import typer

from rrl_dsl import __version__
from rrl_dsl.cli import (
    benching,
    checking,
    comparing,
    compiling,
    embedding,
    evaluating,
    explaining,
    exporting,
    listing,
    plotting,
    reference,
    reproducing,
    serving,
    sweeping,
    training,
    viewing,
)
from rrl_dsl.cli.usage import Verb, Verbs

app = typer.Typer(
    name="rrl-dsl",
    cls=Verbs,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_VERBS: Final[dict[str, Callable[..., None]]] = {
    "check": checking.check,
    "fmt": checking.fmt,
    "explain": explaining.explain,
    "diff": comparing.diff,
    "compile": compiling.compile_recipe,
    "train": training.train,
    "views": viewing.views,
    "sweep": sweeping.sweep,
    "runs": listing.runs,
    "plot": plotting.plot,
    "reproduce": reproducing.reproduce,
    "eval": evaluating.evaluate,
    "embed": embedding.embed,
    "export": exporting.export,
    "losses": reference.losses,
    "builtins": reference.builtins,
    "bench": benching.bench,
    "lsp": serving.lsp,
}
for name, verb in _VERBS.items():
    app.command(name, cls=Verb)(verb)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Show the traceback of an internal error; write it before the command."
        ),
    ] = False,
) -> None:
    """Relational representation learning: define which samples are related, and train on it."""
    if version:
        typer.echo(f"rrl-dsl {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        return
    raise typer.Exit
