"""Formats documents."""

from __future__ import annotations

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.edits import line_edits
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import LINE_END, Source, Span
from rrl_dsl.language.spelling import span_of


def formatting(analysis: Analysis) -> list[types.TextEdit] | None:
    """Returns edits of whole lines; None if the text has a syntax error or is too large.

    Line ends are kept; new lines end like the first line.
    """
    try:
        return _changes(analysis, format_text(analysis.source))
    except RRLError:
        return None


def formatting_of(analysis: Analysis, part: Span) -> list[types.TextEdit] | None:
    """Like `formatting`, for the lines of the statements and comments that a span touches."""
    text = analysis.source.text
    lines = _lines_of(analysis, part)
    try:
        formatted = format_text(Source(text[slice(*lines)])).removesuffix("\n")
    except RRLError:
        return None
    before, after = (LINE_END.sub("\n", part) for part in (text[: lines.start], text[lines.end :]))
    return _changes(analysis, f"{before}{formatted}{after}")


def _changes(analysis: Analysis, formatted: str) -> list[types.TextEdit]:
    return [
        types.TextEdit(analysis.positions.range(edit.span), edit.text)
        for edit in line_edits(analysis.source.text, formatted)
    ]


def _lines_of(analysis: Analysis, part: Span) -> Span:
    """The lines of the statements and comments in the lines of a span."""
    source = analysis.source
    last = part.end - 1 if part.end > part.start else part.end  # not the line that begins there
    lines = _whole(source, Span(part.start, last))
    comments = (span_of(token) for token in analysis.tokens if token.type == "COMMENT")
    spans = (*(statement.span for statement in analysis.statements), *comments)
    touched = [span for span in spans if span.start <= lines.end and lines.start <= span.end]
    if not touched:
        return Span(part.start, part.start)
    return _whole(source, Span(min(touched).start, max(span.end for span in touched)))


def _whole(source: Source, span: Span) -> Span:
    """The span of whole lines that contains a span."""
    first, last = (source.position(offset)[0] for offset in span)
    return Span(source.line_start(first), source.line_start(last) + len(source.line(last)))
