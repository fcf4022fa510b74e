"""`check` and `fmt`: recipes as texts."""

from __future__ import annotations

from typing import Annotated

import typer

from rrl_dsl.cli.texts import Format, check_texts, format_texts

Paths = Annotated[
    list[str],
    typer.Argument(help="Recipe files, folders of them, or - for standard input.", metavar="PATH"),
]


def check(
    paths: Paths,
    form: Annotated[
        Format, typer.Option("--format", help="For people, for tools, or for GitHub's annotations.")
    ] = Format.TEXT,
) -> None:
    """Say what is wrong with recipes, and how to mend it.

    Examples:
    - `rrl-dsl check recipes`
    - `rrl-dsl check recipes --format json`
    - `rrl-dsl check - < recipes/simclr.rrl`
    """
    if not check_texts(paths, form):
        raise typer.Exit(1)


def fmt(
    paths: Paths,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where something would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="As --check, and show what would change.")
    ] = False,
) -> None:
    """Write recipes in the one style of the language; comments stay, and the meaning.

    Examples:
    - `rrl-dsl fmt recipes`
    - `rrl-dsl fmt --check recipes`
    - `rrl-dsl fmt - < recipes/simclr.rrl`
    """
    if not format_texts(paths, check=check, diff=diff):
        raise typer.Exit(1)
