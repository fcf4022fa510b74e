"""Edits of a text: removing a part but not its comments, and replacing the lines that differ."""

from __future__ import annotations

from difflib import SequenceMatcher

from lark import Token

from rrl_dsl.language.diagnostics import Edit
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import LINE_END, Source, Span
from rrl_dsl.language.spelling import span_of


def cut(source: Source, span: Span, instead: str = "") -> tuple[Edit, ...]:
    """Returns edits that remove a span but keep the comments in it and their line breaks.

    Args:
        source: The text.
        span: The span; it starts and ends at the border of a token.
        instead: The text to insert at the start of the span.
    """
    edits: list[Edit] = []
    start = span.start
    for token in tokens_of(Source(source.text[span.start : span.end])):
        if token.type != "COMMENT":
            continue
        assert token.start_pos is not None
        assert token.end_pos is not None
        end = span.start + token.start_pos
        before = source.text[start:end]
        edits.append(Edit(Span(start, start + len(before.rstrip(" \t"))), instead))
        instead = ""
        start = span.start + token.end_pos
        rest = source.text[start : span.end]
        start += len(rest) - len(rest.lstrip("\r\n"))
    if start < span.end or not edits:
        edits.append(Edit(Span(start, span.end), instead))
    return tuple(edits)


def without_argument(
    tokens: list[Token], first: int, last: int, source: Source
) -> tuple[Edit, ...]:
    """Returns edits that remove an argument, the tokens `first` to `last`, and one comma."""
    if tokens[first - 1].type == "COMMA":
        first -= 1
    elif last + 1 < len(tokens) and tokens[last + 1].type == "COMMA":
        last += 1
    return cut(source, span_of(tokens[first]).to(span_of(tokens[last])))


def with_ends_kept(before: str, after: str) -> str:
    """Returns the text `after` with the line ends of `before`.

    Args:
        before: The present text.
        after: The new text, with LF as line ends.
    """
    if "\r" not in before:
        return after
    text = before
    for edit in reversed(line_edits(before, after)):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def line_edits(before: str, after: str) -> list[Edit]:
    """Returns edits of whole lines that turn one text into another and keep its line ends.

    Args:
        before: The present text.
        after: The new text, with LF as line ends.
    """
    ends = list(LINE_END.finditer(before))
    end = ends[0][0] if ends else "\n"
    starts = [0, *(match.end() for match in ends)]
    stops = [*(match.start() for match in ends), len(before)]
    old = [before[start:stop] for start, stop in zip(starts, stops, strict=True)]
    new = after.split("\n")
    edits: list[Edit] = []
    for kind, first, last, low, high in SequenceMatcher(None, old, new).get_opcodes():
        text = end.join(new[low:high])
        if kind == "replace":
            edits.append(Edit(Span(starts[first], stops[last - 1]), text))
        elif kind == "insert":
            at_end = first == len(old)
            place = len(before) if at_end else starts[first]
            edits.append(Edit(Span(place, place), end + text if at_end else text + end))
        elif kind == "delete":
            at_end = last == len(old)
            stop = len(before) if at_end else starts[last]
            edits.append(Edit(Span(stops[first - 1] if at_end else starts[first], stop), ""))
    return edits
