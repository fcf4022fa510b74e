"""Errors of YAML texts, with their positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import yaml

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

MAX_DEPTH: Final = 64
SAVE: Final = "save the file as UTF-8"
"""The fix for a file that is not UTF-8."""
_QUOTE: Final = "indent with spaces, and put a text with `:`, `#`, brackets or braces in quotes"


def events_of(code: str, source: Source) -> Iterator[yaml.Event]:
    """Parses a YAML text, and limits how deep its lists and mappings nest.

    Args:
        code: The code of the error.
        source: The text.

    Yields:
        The events of the parser.

    Raises:
        RRLError: If lists and mappings nest more than `MAX_DEPTH` deep.
        yaml.YAMLError: If the text is not YAML.
    """
    depth = 0
    for event in _events(source.text):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            at = event.start_mark.index if event.start_mark else 0
            message = f"this nests more than {MAX_DEPTH} deep"
            raise RRLError(Diagnostic(code, message, Span(at, at + 1), source))
        yield event


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.BaseLoader)
    except (ValueError, OverflowError):  # from `chr`, for "\\UFFFFFFFF"
        raise yaml.YAMLError("an escape names a character that Unicode lacks") from None


def not_yaml(code: str, source: Source, problem: yaml.YAMLError) -> Diagnostic:
    """Returns an exception of the YAML library as a diagnostic at its position."""
    if isinstance(problem, yaml.reader.ReaderError):
        span = Span(problem.position, problem.position + 1)
        message = f"this character, U+{problem.character:04X}, is not allowed in YAML"
        return Diagnostic(code, message, span, source, "remove it")
    if not isinstance(problem, yaml.MarkedYAMLError):
        return Diagnostic(code, f"this is not YAML: {problem}", source=source)
    mark = problem.problem_mark or problem.context_mark
    at = min(mark.index, max(len(source.text) - 1, 0)) if mark else 0
    message = f"this is not YAML: {problem.problem or problem.context}"
    return Diagnostic(code, message, Span(at, at + 1), source, _QUOTE)
