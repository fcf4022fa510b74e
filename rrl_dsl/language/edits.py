"""Edits that take something out of a text and leave its comments where they are."""

from __future__ import annotations

from lark import Token

from rrl_dsl.language.diagnostics import Edit
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import span_of


def cut(source: Source, span: Span, instead: str = "") -> tuple[Edit, ...]:
    """Takes away what stands at `span`, which begins and ends with a whole word or sign.

    A comment in it stays, with the line break that ends it.
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
    """Takes away an argument, the tokens `first` to `last`, with a comma beside it."""
    if tokens[first - 1].type == "COMMA":
        first -= 1
    elif last + 1 < len(tokens) and tokens[last + 1].type == "COMMA":
        last += 1
    return cut(source, span_of(tokens[first]).to(span_of(tokens[last])))
