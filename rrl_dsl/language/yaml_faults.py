"""What is wrong with a text that is not YAML, and where."""

from __future__ import annotations

import yaml

from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.language.span import Source, Span


def not_yaml(code: str, source: Source, problem: yaml.YAMLError) -> Diagnostic:
    """What the YAML library says of a text, in one line, at its place."""
    if not isinstance(problem, yaml.MarkedYAMLError):
        return Diagnostic(code, f"this is not YAML: {problem}", source=source)
    mark = problem.problem_mark or problem.context_mark
    at = min(mark.index, max(len(source.text) - 1, 0)) if mark else 0
    message = f"this is not YAML: {problem.problem or problem.context}"
    return Diagnostic(code, message, Span(at, at + 1), source)
