"""`check` and `fmt`: recipes as texts, many at a time."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error, in_order
from rrl_dsl.language.span import Source

_STDIN = "-"

Paths = Annotated[
    list[str],
    typer.Argument(help="Recipe files, folders of them, or - for standard input.", metavar="PATH…"),
]


class Format(enum.StrEnum):
    """How diagnostics are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def check(
    paths: Paths,
    form: Annotated[
        Format, typer.Option("--format", help="For people, for tools, or for GitHub's annotations.")
    ] = Format.TEXT,
) -> None:
    """Say what is wrong with recipes, and how to mend it.

    Examples: `rrl-dsl check recipes`, `rrl-dsl check mine.rrl --format json`,
    `rrl-dsl check - < mine.rrl`
    """
    from rrl_dsl.cli.output import print_diagnostics

    files = list(_files(paths))
    faults: list[Diagnostic] = []
    wrong = 0
    for file in files:
        found = _faults_of(file)
        wrong += bool(found)
        faults += found
    print_diagnostics(faults, form)
    if form is Format.TEXT:
        typer.echo(_verdict(len(files), wrong, len(faults)))
    if faults:
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

    Examples: `rrl-dsl fmt recipes`, `rrl-dsl fmt --check recipes`, `rrl-dsl fmt - < mine.rrl`
    """
    from rrl_dsl.cli.output import print_error

    changed, failed = 0, False
    for file in _files(paths):
        try:
            changed += _format_file(file, check=check, diff=diff)
        except RRLError as problem:
            print_error(problem)
            failed = True
    if failed or ((check or diff) and changed):
        raise typer.Exit(1)


def _files(paths: list[str]) -> Iterator[str]:
    """The files that are named, and those of named folders in order of their paths.

    Raises:
        RRLError: RRL021 where a folder holds no recipe.
    """
    for name in paths:
        path = Path(name)
        if name == _STDIN or not path.is_dir():
            yield name
            continue
        inside = sorted(str(each) for each in path.rglob("*.rrl"))
        if not inside:
            raise error("RRL021", f"the folder `{name}` holds no recipe", hint="they end in .rrl")
        yield from inside


def _source_of(file: str) -> Source:
    if file == _STDIN:
        return parser.decode(sys.stdin.buffer.read(parser.MAX_BYTES + 4), "<stdin>", Path())
    return parser.read(Path(file))


def _faults_of(file: str) -> list[Diagnostic]:
    from rrl_dsl.graph.recipe import analyse

    try:
        return in_order(analyse(_source_of(file)).faults)
    except RRLError as problem:
        return list(problem.diagnostics)


def _verdict(files: int, wrong: int, faults: int) -> str:
    recipes = f"{files} recipe{'s' if files != 1 else ''}"
    if not faults:
        return f"{recipes} checked, nothing wrong"
    errors = f"{faults} error{'s' if faults != 1 else ''}"
    return f"{recipes} checked, {errors} in {wrong}"


def _format_file(file: str, *, check: bool, diff: bool) -> bool:
    """Formats a file, or says that it would change; whether it did or would.

    Raises:
        RRLError: With every syntax error of the text; RRL507 where it cannot be written.
    """
    from rrl_dsl.language.files import write_text
    from rrl_dsl.language.format import format_text

    source = _source_of(file)
    formatted = format_text(source)
    # a byte order mark is not a part of the text, and not of the style either
    written = source.text if file == _STDIN else Path(file).read_bytes().decode("utf-8")
    changes = formatted != written
    if diff and changes:
        typer.echo(_difference(written, formatted, source.name), nl=False)
    elif file == _STDIN and not check and not diff:
        typer.echo(formatted, nl=False)
    elif check and changes:
        typer.echo(f"{source.name} would change")
    elif changes and not diff:
        write_text(Path(file), formatted)
        typer.echo(f"{source.name} formatted")
    return changes


def _difference(before: str, after: str, name: str) -> str:
    import difflib

    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (fmt)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no line end\n" for line in lines)
