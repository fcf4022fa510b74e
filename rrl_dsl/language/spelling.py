"""The spelling of names, numbers and strings; a misspelled token has one error with one span."""

from __future__ import annotations

import re

from lark import Token

from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.span import Source, Span

RESERVED = frozenset({"rrl", "param", "let", "import", "as", "contrast", "true", "false"})
"""The words of the language that cannot be names."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BASED = re.compile(r"0x[0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_SIGNED = re.compile(r"[+-]?(?P<size>(?:[0-9]_(?=[0-9])|[^_+-]|(?<=[eE])[+-])+)")
_MAX_DIGITS = 308  # whole numbers as long as the largest real number
_OTHER_QUOTE = {
    '"': r"'(?=\s*(as\b|[,)|&+~#]|$))",  # compiled when first needed
    "'": r'"(?=\s*(as\b|[,)|&+~#]|$))',
}
_ESCAPE = re.compile(r"\\(.)")


def span_of(token: Token) -> Span:
    """Returns the span of a token."""
    start, end = token.start_pos, token.end_pos
    assert start is not None
    assert end is not None
    return Span(start, end)


def check(token: Token, source: Source) -> Diagnostic | None:
    """Returns the error in the spelling of a token, or None."""
    span, text = span_of(token), str(token)
    if token.type == "NUMBER" and number_value(text) is None:
        message = f"`{abridged(text)}` is not a number"
        plain = text.replace("_", "")
        if number_value(plain) is not None:
            return _misspelled("RRL002", message, span, source, plain)
        hint = "numbers are decimal and finite, like `2`, `0.05` or `1e-3`"
        return Diagnostic("RRL002", message, span, source, hint)
    if token.type == "NAME" and not is_name(text):
        message = (
            f"`{abridged(text)}` is not a name; names are lower-case ASCII letters, digits, `_`"
        )
        lowered = text.lower()
        meant = lowered if _NAME.fullmatch(lowered) else None  # `Let` is `let`
        return _misspelled("RRL003", message, span, source, meant)
    if token.type == "STRING":
        return _check_string(text, span, source)
    return None


def _misspelled(
    code: str, message: str, span: Span, source: Source, meant: str | None
) -> Diagnostic:
    if meant is None:
        return Diagnostic(code, message, span, source)
    edits = (Edit(span, meant),)
    return Diagnostic(code, message, span, source, f"write `{meant}`", edits=edits)


def is_name(text: str) -> bool:
    """Whether a text is a name: `[a-z_][a-z0-9_]*`, and not a reserved word."""
    return _NAME.fullmatch(text) is not None and text not in RESERVED


def number_value(text: str) -> int | float | None:
    """Returns the value of an unsigned decimal number; None if it is malformed or not finite."""
    if not _NUMBER.fullmatch(text) or len(text) > 400:
        return None
    if text.isdigit() and len(text) <= _MAX_DIGITS:
        return int(text)
    value = float(text)
    return value if value != float("inf") else None


def written_number(text: str) -> int | float | None:
    """Returns the value of a number in a setting, such as `+1`, `1_000` or `0x10`, or None."""
    if _BASED.fullmatch(text):
        return int(text, 0)
    match = _SIGNED.fullmatch(text)
    value = number_value(match["size"].replace("_", "")) if match else None
    return -value if value is not None and text.startswith("-") else value


def string_value(text: str) -> str | None:
    """Returns the value of a quoted string; None if it is malformed."""
    body = text[1:-1]
    if _is_unclosed(text) or any(escape not in "\"'\\" for escape in _ESCAPE.findall(body)):
        return None
    return _ESCAPE.sub(r"\1", body)


def _check_string(text: str, span: Span, source: Source) -> Diagnostic | None:
    if _is_unclosed(text):
        quote = text[0]
        message = f"this string has no closing `{quote}` on its line"
        other = re.search(_OTHER_QUOTE[quote], text)  # if it ends with the other quote
        # the lookbehind tries a run of spaces once, not from each of its spaces
        body = re.match(r".*?(?=(?<!\s)\s+as\b|[,)|&+~#\\]|$)", text[1:])
        length = other.start() - 1 if other else len(body[0].rstrip()) if body else 0
        end = span.start + 1 + length
        edit = Edit(Span(end, end + 1 if other else end), quote)
        if text[end - span.start :].startswith("\\"):  # it escapes the quote, or replaces it
            escapes = text[end - span.start + 1 :].startswith(quote)
            edit = Edit(Span(end, end + 1), "" if escapes else quote)
        return Diagnostic("RRL004", message, span, source, f"end it with `{quote}`", edits=(edit,))
    for escape in _ESCAPE.finditer(text[1:-1]):
        if escape[1] not in "\"'\\":
            start = span.start + 1 + escape.start()
            place = Span(start, start + 2)
            return Diagnostic(
                "RRL005",
                f"`{escape[0]}` is not an escape; only quotes and the backslash are escaped",
                place,
                source,
                hint="write `\\\\` for a backslash",
                edits=(Edit(place, f"\\\\{escape[1]}"),),
            )
    return None


def _is_unclosed(text: str) -> bool:
    body = re.sub(r"\\.", "", text[1:])
    return not body.endswith(text[0])


def abridged(text: str) -> str:
    """Returns the text, or the start of a long text."""
    return text if len(text) <= 40 else f"{text[:40]}…"
