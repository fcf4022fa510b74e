"""`check` and `fmt`: recipes as texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.cli.recipes import AllowOutside, Expressions
from rrl_dsl.cli.texts import Format, check_texts, format_texts
from rrl_dsl.language.span import Source

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        help="Recipe files, folders with recipes, or - for standard input.", metavar="PATH"
    ),
]


def check(
    paths: Paths = None,
    expressions: Expressions = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="The output format: text, JSON, or GitHub annotations."),
    ] = Format.TEXT,
    allow_outside: AllowOutside = False,
) -> None:
    """Check recipes and suggest fixes.

    Examples:
    - `rrl-dsl check recipes`
    - `rrl-dsl check recipes --format json`
    - `rrl-dsl check - < recipes/simclr.rrl`
    - `rrl-dsl check -e 'ssl(views=2) | supervised()'`
    """
    if not check_texts(_recipes(paths, expressions), form, allow_outside=allow_outside):
        raise typer.Exit(1)


def fmt(
    paths: Paths = None,
    expressions: Expressions = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Like --check, and print the changes.")
    ] = False,
) -> None:
    """Format recipes.

    Comments and the meaning do not change. A recipe from standard input or `-e` is printed to
    standard output.

    Examples:
    - `rrl-dsl fmt recipes`
    - `rrl-dsl fmt --check recipes`
    - `rrl-dsl fmt - < recipes/simclr.rrl`
    """
    if not format_texts(_recipes(paths, expressions), check=check, diff=diff):
        raise typer.Exit(1)


def _recipes(paths: list[str] | None, expressions: list[str] | None) -> list[str | Source]:
    """The texts to read.

    Raises:
        typer.BadParameter: Where there is nothing.
    """
    if not paths and not expressions:
        raise typer.BadParameter("give recipe files, folders of them, or a recipe with `-e`")
    return [*(paths or []), *(Source(text, "-e", Path()) for text in expressions or [])]
