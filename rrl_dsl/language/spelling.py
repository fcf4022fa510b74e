"""How words, numbers and strings are spelt; one error with one span for each misspelt token."""

from __future__ import annotations

import re

from lark import Token

from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.language.span import Source, Span

_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_EXACT_DIGITS = 19  # what fits 64 bits; longer ones are far out of every range
_ESCAPE = re.compile(r"\\(.)")


def span_of(token: Token) -> Span:
    """The code points a token covers."""
    start, end = token.start_pos, token.end_pos
    assert start is not None
    assert end is not None
    return Span(start, end)


def check(token: Token, source: Source) -> Diagnostic | None:
    """What is wrong with the spelling of a token, if anything."""
    span, text = span_of(token), str(token)
    if token.type == "UNKNOWN":
        return Diagnostic("RRL001", f"`{_short(text)}` is not part of the language", span, source)
    if token.type == "NUMBER" and number_value(text) is None:
        return Diagnostic(
            "RRL002",
            f"`{_short(text)}` is not a number",
            span,
            source,
            hint="numbers are decimal and finite, like `2`, `0.05` or `1e-3`",
        )
    if token.type == "NAME" and not _NAME.fullmatch(text):
        lowered = text.lower()
        hint = f"write `{lowered}`" if _NAME.fullmatch(lowered) else None
        message = f"`{_short(text)}` is not a name; names are lower-case ASCII letters, digits, `_`"
        return Diagnostic("RRL003", message, span, source, hint=hint)
    if token.type == "STRING":
        return _check_string(text, span, source)
    return None


def is_name(text: str) -> bool:
    """Whether a text is spelt as a name: `[a-z_][a-z0-9_]*`."""
    return _NAME.fullmatch(text) is not None


def number_value(text: str) -> int | float | None:
    """The value of an unsigned decimal number, or None where it is malformed or not finite."""
    if not _NUMBER.fullmatch(text) or len(text) > 400:
        return None
    if text.isdigit() and len(text) <= _EXACT_DIGITS:
        return int(text)
    value = float(text)
    return value if value != float("inf") else None


def string_value(text: str) -> str | None:
    """The value of a quoted string, or None where it is malformed."""
    body = text[1:-1]
    if _is_unclosed(text) or any(escape not in "\"'\\" for escape in _ESCAPE.findall(body)):
        return None
    return _ESCAPE.sub(r"\1", body)


def _check_string(text: str, span: Span, source: Source) -> Diagnostic | None:
    if _is_unclosed(text):
        quote = text[0]
        message = f"this string has no closing `{quote}` on its line"
        return Diagnostic("RRL004", message, span, source, hint=f"end it with `{quote}`")
    for escape in _ESCAPE.finditer(text[1:-1]):
        if escape[1] not in "\"'\\":
            start = span.start + 1 + escape.start()
            return Diagnostic(
                "RRL005",
                f"`{escape[0]}` is not an escape; only quotes and the backslash are escaped",
                Span(start, start + 2),
                source,
                hint="write `\\\\` for a backslash",
            )
    return None


def _is_unclosed(text: str) -> bool:
    body = re.sub(r"\\.", "", text[1:])
    return not body.endswith(text[0])


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
