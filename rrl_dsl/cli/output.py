"""Where verbs write, and how errors look there."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from rrl_dsl.language.diagnostics import Diagnostic, RRLError

OUTPUT = Console(highlight=False)
ERRORS = Console(stderr=True, highlight=False)

_COLOURS = {"error": "bold red", "warning": "bold yellow"}


def print_error(problem: RRLError) -> None:
    """All diagnostics of an error, on standard error."""
    for index, diagnostic in enumerate(problem.diagnostics):
        if index:
            ERRORS.print()
        print_diagnostic(diagnostic)


def print_diagnostic(diagnostic: Diagnostic) -> None:
    """One diagnostic, on standard error, with its first words in colour."""
    text = Text(diagnostic.render())
    text.stylize(_COLOURS[diagnostic.severity], 0, len(diagnostic.severity))
    ERRORS.print(text, soft_wrap=True)


def print_json(value: Any) -> None:
    """A value as JSON, on standard output, for tools."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
