"""Where verbs write, and how errors look there. Rich is loaded by what prints with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, printable

if TYPE_CHECKING:
    from rich.console import Console

_COLORS: Final = {"error": "bold red", "warning": "bold yellow"}
_ESCAPES: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}


@cache
def output() -> Console:
    """Standard output."""
    return _console()


@cache
def errors() -> Console:
    """Standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool = False) -> Console:
    """A console that shows the characters of a text that do not print, and sends none of them."""
    from rich.console import Console
    from rich.segment import Segment

    class Showing(Console):
        def render(self, *given: Any, **options: Any) -> Iterator[Segment]:
            for text, style, control in super().render(*given, **options):
                yield Segment(text if control else printable(text, but="\n\t"), style, control)

    return Showing(stderr=stderr, highlight=False)


def print_error(problem: RRLError) -> None:
    """All diagnostics of an error, on standard error."""
    for index, diagnostic in enumerate(problem.diagnostics):
        if index:
            errors().print()
        print_diagnostic(diagnostic)


def print_diagnostic(diagnostic: Diagnostic) -> None:
    """One diagnostic, on standard error, with its first words in color."""
    _print_rendered(diagnostic, errors())


def print_diagnostics(diagnostics: Sequence[Diagnostic], form: str) -> None:
    """Diagnostics as the result of a verb, on standard output.

    Args:
        diagnostics: The errors and warnings.
        form: `text`, `json` or `github`.
    """
    if form == "json":
        print_json([diagnostic.to_dict() for diagnostic in diagnostics])
        return
    for diagnostic in diagnostics:
        if form == "github":
            sys.stdout.write(f"{_annotation(diagnostic)}\n")
        else:
            _print_rendered(diagnostic, output())
            output().print()


def print_text(text: str, style: str = "") -> None:
    """Prints a text as it is: without markup or line breaks."""
    output().print(text, style=style, markup=False, soft_wrap=True)


def print_facts(facts: Mapping[str, str]) -> None:
    """Prints facts, one per line, each with its name."""
    for name, value in facts.items():
        print_text(f"{name:<10}{printable(value)}")


def print_not_known(faults: Sequence[Diagnostic]) -> None:
    """Prints why the figures of a recipe are not known."""
    for fault in faults:
        print_text(f"  not known: {printable(fault.message)}")


def print_json(value: Any) -> None:
    """Prints a value as JSON, for tools."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _print_rendered(diagnostic: Diagnostic, console: Console) -> None:
    from rich.text import Text

    text = Text(diagnostic.render())
    text.stylize(_COLORS[diagnostic.severity], 0, len(diagnostic.severity))
    console.print(text, soft_wrap=True)


def _annotation(diagnostic: Diagnostic) -> str:
    """Returns a diagnostic as a GitHub workflow command, which shows it in the changed file."""
    record = diagnostic.to_dict()
    places = {"file": record["file"]}
    if "start" in record:
        places |= {
            "line": record["start"]["line"],
            "endLine": record["end"]["line"],
            "col": record["start"]["column"],
            "endColumn": record["end"]["column"],
        }
    places["title"] = diagnostic.code
    given = ",".join(
        f"{key}={_escaped(str(value), ',:')}" for key, value in places.items() if value is not None
    )
    help_ = f"\nhelp: {diagnostic.hint}" if diagnostic.hint else ""
    return f"::{diagnostic.severity} {given}::{_escaped(diagnostic.message + help_)}"


def _escaped(text: str, further: str = "") -> str:
    """A text as a part of one line: GitHub undoes what it knows, the rest shows and is harmless."""
    table = _ESCAPES | {sign: f"%{ord(sign):02X}" for sign in further}
    return "".join(table.get(sign) or printable(sign) for sign in text)
