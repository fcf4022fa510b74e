"""`lsp`: the language server, for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from rrl_dsl.cli.recipes import AllowOutside


def lsp(
    stdio: Annotated[
        bool,
        typer.Option(
            "--stdio",
            help="Ignored: standard input and output are always used. Many editors pass it.",
            show_default=False,
        ),
    ] = True,
    allow_outside: AllowOutside = False,
) -> None:
    """Start the language server, on standard input and output.

    It provides diagnostics with fixes, completion, hover with the density of a graph, go to
    definition, references, rename, outline and formatting. docs/editors.md shows the settings for
    several editors.
    """
    from rrl_dsl.editor.server import serve

    serve(allow_outside=allow_outside)
