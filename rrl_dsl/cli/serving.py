"""`lsp`: the language server, for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from rrl_dsl.cli.recipes import AllowOutside


def lsp(
    stdio: Annotated[
        bool,
        typer.Option(
            "--stdio", help="What it does anyway; many editors say it.", show_default=False
        ),
    ] = True,
    allow_outside: AllowOutside = False,
) -> None:
    """Serve an editor over standard input and output.

    Diagnostics as you type with their fixes, completion, hover with a graph's density, go to
    definition, references, rename, outline, formatting. docs/editors.md shows how editors start it.
    """
    from rrl_dsl.editor.server import serve

    serve(allow_outside=allow_outside)
