"""What is wrong with a text that is not YAML, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import yaml

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

MAX_DEPTH: Final = 64


def events_of(code: str, source: Source) -> Iterator[yaml.Event]:
    """The events of a text whose lists and mappings nest at most `MAX_DEPTH` deep.

    Raises:
        RRLError: With the code, where they nest deeper.
        yaml.YAMLError: Where it is not YAML.
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
    except (ValueError, OverflowError):  # of `chr`, for "\\UFFFFFFFF"
        raise yaml.YAMLError("an escape names a character that Unicode lacks") from None


def not_yaml(code: str, source: Source, problem: yaml.YAMLError) -> Diagnostic:
    """What the YAML library says of a text, in one line, at its place."""
    if not isinstance(problem, yaml.MarkedYAMLError):
        return Diagnostic(code, f"this is not YAML: {problem}", source=source)
    mark = problem.problem_mark or problem.context_mark
    at = min(mark.index, max(len(source.text) - 1, 0)) if mark else 0
    message = f"this is not YAML: {problem.problem or problem.context}"
    return Diagnostic(code, message, Span(at, at + 1), source)
