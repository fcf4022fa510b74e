"""Converts errors to the diagnostics of the editor.

Errors in a file that a document imports or reads appear in that file, if it is open. In the
document, one diagnostic at the name of the file gives their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.documents import Documents
from rrl_dsl.editor.positions import Positions
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import Diagnostic, in_order
from rrl_dsl.language.files import resolved
from rrl_dsl.language.span import Source, Span

SOURCE: Final = "rrl-dsl"
MAX_RELATED: Final = 10

_SEVERITIES: Final = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
}


def diagnostics_of(documents: Documents, analysis: Analysis) -> list[types.Diagnostic]:
    """Returns the errors of a document and of the files that it reads."""
    own = [shown(analysis, fault) for fault in own_faults(analysis)]
    return own + [
        _sum(documents, analysis, span, faults) for span, faults in _foreign(analysis).items()
    ]


def own_faults(analysis: Analysis) -> list[Diagnostic]:
    """Returns the errors in the document itself, sorted."""
    return in_order(fault for fault in analysis.resolution.faults if _is_own(analysis, fault))


def shown(analysis: Analysis, fault: Diagnostic) -> types.Diagnostic:
    """Returns an error of the document as a diagnostic."""
    hint = "" if fault.hint is None else f"\nhelp: {fault.hint}"
    return types.Diagnostic(
        range=_range(analysis.source, analysis.positions, fault.span),
        message=fault.message + hint,
        severity=_SEVERITIES[fault.severity],
        code=fault.code,
        source=SOURCE,
    )


def _is_own(analysis: Analysis, fault: Diagnostic) -> bool:
    return fault.source is None or fault.source is analysis.source


def _range(source: Source, positions: Positions, span: Span | None) -> types.Range:
    """The range of a span; an empty range if the span starts at the end of a line."""
    if span is None:
        return positions.range(Span(0, 0))
    at_end = source.text[span.start : span.start + 1] in ("", "\r", "\n")
    return positions.range(Span(span.start, span.start) if at_end else span)


def _foreign(analysis: Analysis) -> dict[Span, list[Diagnostic]]:
    """The errors in other files, by the span where the document names the file."""
    faults = [fault for fault in analysis.resolution.faults if not _is_own(analysis, fault)]
    faults_at: dict[Span, list[Diagnostic]] = {}
    for fault in in_order(faults):
        spans = _where_named(analysis, fault) or [Span(0, 0)]
        for span in spans:
            faults_at.setdefault(span, []).append(fault)
    return faults_at


def _where_named(analysis: Analysis, fault: Diagnostic) -> list[Span]:
    """The spans where the document names the file of an error, or a file that imports it."""
    path = _path_of(analysis, fault)
    spans: list[Span] = []
    for statement in analysis.statements:
        if isinstance(statement, syntax.Import):
            definition = analysis.names.get(statement.name.span)
            other = None if definition is None else analysis.imported(definition)
            files = set() if definition is None else {definition.target}
            files |= set() if other is None else other.files
            if path in files or (other is not None and fault in other.faults):
                spans.append(statement.file.span)
    named = (
        expression for expression in analysis.expressions() if isinstance(expression, syntax.String)
    )
    folder = analysis.source.directory
    if folder is not None:
        spans += [
            string.span for string in named if resolved(folder / (string.value or "")) == path
        ]
    return spans


def _path_of(analysis: Analysis, fault: Diagnostic) -> Path | None:
    """The path of the other file that an error is in."""
    folder = analysis.source.directory
    return None if folder is None or fault.source is None else resolved(folder / fault.source.name)


def _sum(
    documents: Documents, analysis: Analysis, span: Span, faults: Sequence[Diagnostic]
) -> types.Diagnostic:
    """One diagnostic for all errors in a file, with the first of them as related information."""
    first = faults[0]
    assert first.source is not None
    line = 1 if first.span is None else first.source.position(first.span.start)[0]
    count = "an error" if len(faults) == 1 else f"{len(faults)} errors, the first"
    return types.Diagnostic(
        range=_range(analysis.source, analysis.positions, span),
        message=f"`{first.source.name}` has {count} in line {line}: {first.message}",
        severity=types.DiagnosticSeverity.Error,
        code=first.code,
        source=SOURCE,
        related_information=list(_related(documents, analysis, faults[:MAX_RELATED])),
    )


def _related(
    documents: Documents, analysis: Analysis, faults: Iterable[Diagnostic]
) -> Iterator[types.DiagnosticRelatedInformation]:
    for fault in faults:
        path, source = _path_of(analysis, fault), fault.source
        if path is not None and source is not None:
            positions = Positions(source, documents.encoding)
            range_ = _range(source, positions, fault.span)
            location = types.Location(documents.uri_of(path), range_)
            yield types.DiagnosticRelatedInformation(location, fault.message)
