"""The structure of a document: folding ranges and selection ranges."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.language import syntax
from rrl_dsl.language.span import Span
from rrl_dsl.language.spelling import span_of

_Kind = types.FoldingRangeKind


def folds(analysis: Analysis) -> list[types.FoldingRange]:
    """Returns the folding ranges: statements of several lines, runs of imports and of comments."""
    own = [
        types.FoldingRange(*lines)
        for statement in analysis.statements
        if (lines := _lines(analysis, statement.span))[0] < lines[1]
    ]
    imports = [
        statement.span for statement in analysis.statements if isinstance(statement, syntax.Import)
    ]
    return [
        *own,
        *_runs(analysis, imports, _Kind.Imports),
        *_runs(analysis, _comments(analysis), _Kind.Comment),
    ]


def _runs(analysis: Analysis, spans: list[Span], kind: _Kind) -> Iterator[types.FoldingRange]:
    """Folding ranges for runs of spans in consecutive lines."""
    first = last = None
    for start, end in (*(_lines(analysis, span) for span in spans), (-1, -1)):
        if last is not None and start == last + 1:
            last = end
            continue
        if first is not None and last is not None and first < last:
            yield types.FoldingRange(first, last, kind=kind)
        first, last = start, end


def _comments(analysis: Analysis) -> list[Span]:
    """The comments that are alone in their lines."""
    spans: list[Span] = []
    for token in analysis.tokens:
        if token.type == "COMMENT":
            line, column = analysis.source.position(span_of(token).start)
            if not analysis.source.line(line)[: column - 1].strip():
                spans.append(span_of(token))
    return spans


def _lines(analysis: Analysis, span: Span) -> tuple[int, int]:
    """The first and the last line of a span, from 0."""
    last = max(span.start, span.end - 1)
    return analysis.source.position(span.start)[0] - 1, analysis.source.position(last)[0] - 1


def selection_at(analysis: Analysis, offset: int) -> types.SelectionRange:
    """Returns the selection ranges at an offset: word, argument, expression, statement, text."""
    selection: types.SelectionRange | None = None
    last: Span | None = None
    for span in sorted(set(_around(analysis, offset)), key=lambda span: span.start - span.end):
        if last is None or (last.start <= span.start and span.end <= last.end):
            selection, last = types.SelectionRange(analysis.positions.range(span), selection), span
    assert selection is not None  # the span of the text contains every offset
    return selection


def _around(analysis: Analysis, offset: int) -> Iterator[Span]:
    """The spans that touch an offset."""
    yield Span(0, len(analysis.source.text))
    token = analysis.token_at(offset)
    if token is not None and token.type != "NEWLINE":
        yield span_of(token)
    for span in _spans(analysis):
        if span.start <= offset <= span.end:
            yield span


def _spans(analysis: Analysis) -> Iterator[Span]:
    for statement in analysis.statements:
        yield statement.span
    for expression in analysis.expressions():
        yield expression.span
        if isinstance(expression, syntax.Call):
            yield from (argument.span for argument in expression.arguments)
