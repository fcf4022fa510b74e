"""The work of `check` and `fmt`: recipes as texts, many at a time.

Editors and commit hooks run these at every save, so nothing here imports what another verb needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Final

from rrl_dsl.cli.output import print_diagnostics, print_error
from rrl_dsl.cli.sources import read
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, in_order, printable
from rrl_dsl.language.span import Source


class Format(StrEnum):
    """How diagnostics are printed: for people, for tools, for the annotations of GitHub."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


_STDIN: Final = "-"


def check_texts(
    recipes: Sequence[str | Source], form: Format, *, allow_outside: bool = False
) -> bool:
    """Prints the errors of recipes.

    Args:
        recipes: Recipe files, folders with recipes, `-` for standard input, or texts.
        form: The output format.
        allow_outside: Whether recipes may read files outside their folders.

    Returns:
        Whether there are no errors.
    """
    files, faults = _files_of(recipes)
    new = _once(chain.from_iterable(_faults_of(file, allow_outside) for file in files))
    print_diagnostics([*faults, *new], form)
    if form is Format.TEXT:
        wrong = len({_place(fault.source) for fault in new})
        sys.stdout.write(_verdict(len(files), wrong, len(faults) + len(new)))
    return not (faults or new)


def format_texts(recipes: Sequence[str | Source], *, check: bool, diff: bool) -> bool:
    """Formats recipes. Those from standard input and texts are printed to standard output.

    Args:
        recipes: Recipe files, folders with recipes, `-` for standard input, or texts.
        check: Whether to write nothing, and fail if a text would change.
        diff: As `check`, and print the changes.

    Returns:
        Whether no recipe has an error and, with `check` or `diff`, none would change.
    """
    files, faults = _files_of(recipes)
    changed = 0
    for file in files:
        try:
            changed += _format_file(file, check=check, diff=diff)
        except RRLError as problem:
            faults += problem.diagnostics
    if faults:
        print_error(RRLError(faults))
    return not (faults or ((check or diff) and changed))


def _files_of(recipes: Sequence[str | Source]) -> tuple[list[str | Source], list[Diagnostic]]:
    """Texts, named files and the recipes in named folders, in order, and their reading errors.

    A folder that holds no recipe, or cannot be read, is RRL021.
    """
    files, faults = list[str | Source](), list[Diagnostic]()
    for path in recipes:
        if isinstance(path, Source) or path == _STDIN or not os.path.isdir(path):
            files.append(path)
            continue
        inside, unreadable = _recipes_below(path)
        files += inside
        faults += unreadable
        if not inside and not unreadable:
            nothing = f"the folder `{path}` contains no recipe"
            hint = "recipe files end in `.rrl`"
            faults.append(Diagnostic("RRL021", nothing, source=Source("", path), hint=hint))
    return list(dict.fromkeys(files)), faults


def _recipes_below(folder: str) -> tuple[list[str], list[Diagnostic]]:
    """The recipes below a folder, sorted, and the folders that cannot be read."""
    problems = list[OSError]()
    files = [
        os.path.normpath(os.path.join(inside, name))
        for inside, _, names in os.walk(folder, onerror=problems.append)
        for name in names
        if name.endswith(".rrl")
    ]
    unreadable = [
        Diagnostic(
            "RRL021",
            f"cannot read the folder `{problem.filename}`: {problem.strerror}",
            source=Source("", problem.filename),
            hint="make it readable, or name the other recipes",
        )
        for problem in problems
    ]
    return sorted(files), unreadable


def _source_of(file: str | Source) -> Source:
    if isinstance(file, Source):
        return file
    if file == _STDIN:
        return parser.decode(sys.stdin.buffer.read(parser.MAX_BYTES + 4), "<stdin>", Path())
    return read(Path(file))


def _faults_of(file: str | Source, allow_outside: bool) -> list[Diagnostic]:
    from rrl_dsl.graph.recipe import analyze

    try:
        source = _source_of(file)
        source = source.unbounded() if allow_outside else source
        return in_order(analyze(source).faults)
    except RRLError as problem:
        return list(problem.diagnostics)


def _once(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Without what was said before of a file that several recipes read, perhaps by other paths."""
    known: dict[object, Diagnostic] = {}
    for diagnostic in diagnostics:
        known.setdefault(
            (diagnostic.code, diagnostic.message, diagnostic.span, _place(diagnostic.source)),
            diagnostic,
        )
    return list(known.values())


def _place(source: Source | None) -> tuple[str, int] | None:
    return None if source is None else (os.path.abspath(source.name), source.first_line)


def _verdict(files: int, wrong: int, faults: int) -> str:
    recipes = f"{files} recipe{'s' if files != 1 else ''}"
    if not faults:
        return f"{recipes} checked, no errors\n"
    errors = f"{faults} error{'s' if faults != 1 else ''}"
    where = f" in {wrong}" if wrong else ""
    return f"{recipes} checked, {errors}{where}\n"


def _format_file(file: str | Source, *, check: bool, diff: bool) -> bool:
    """Formats a file, or prints that it would change.

    Returns:
        Whether the text changed or would change.

    Raises:
        RRLError: With every syntax error of the text; RRL507 if it cannot be written.
    """
    from rrl_dsl.language.edits import with_ends_kept
    from rrl_dsl.language.files import write_text
    from rrl_dsl.language.format import format_text

    source = _source_of(file)
    formatted = with_ends_kept(source.text, format_text(source))
    path = None if isinstance(file, Source) or file == _STDIN else Path(file)
    # a byte order mark is not a part of the text, and not of the style either
    written = source.text if path is None else path.read_bytes().decode("utf-8")
    changes = formatted != written
    if diff and changes:
        sys.stdout.write(_difference(written, formatted, source.name))
    elif path is None and not check and not diff:
        sys.stdout.flush()
        sys.stdout.buffer.write(formatted.encode("utf-8"))  # a recipe is UTF-8 everywhere
    elif check and changes:
        sys.stdout.write(f"{printable(source.name)} would change\n")
    elif changes and path is not None and not diff:
        write_text(path, formatted)
        sys.stdout.write(f"{printable(source.name)} formatted\n")
    return changes


def _difference(before: str, after: str, name: str) -> str:
    import difflib

    name = printable(name)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (fmt)"
    )
    shown = (printable(line, but="\n\t") for line in lines)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in shown
    )
