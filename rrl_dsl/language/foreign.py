"""Signs and idioms of other languages, and what they are here.

A sign is read together with its neighbors, because it may mean several things: `%` ends a
percentage or starts a comment, and `:` may be a part of `:=`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from lark import Token

from rrl_dsl.grammar.arguments import ARGUMENTS
from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.edits import without_argument
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import abridged, check, number_value, span_of

_SIGNS: Final = {
    **dict.fromkeys("[{", "("),
    **dict.fromkeys("]}", ")"),
    **dict.fromkeys("“”„«»", '"'),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("−–—", "-"),
    **dict.fromkeys("∪∨", "|"),
    **dict.fromkeys("∩∧", "&"),
    **dict.fromkeys("!¬", "~"),
    **dict.fromkeys("×·∗⋅", "*"),
    **dict.fromkeys("\u200b\u200c\u200d\ufeff", ""),
    ":": "=",
}
_OURS: Final = frozenset("()|&+-*~,=#\"' ")
_PAIRS: Final = {"|>": "|", "->": "|", "=>": "=", ":=": "=", "!=": None, "<=": None, ">=": None}
"""Signs of two characters, one of which is ours -> what they are here, if anything."""
_PATH: Final = r"[\w./\\-]+\.[^\W\d]\w*"  # compiled when first needed
_FACTOR: Final = r"(?P<factor>[\d.]+)(?P<name>[a-z]\w*)"
_NOTHING: Final = frozenset({"None", "null", "Null", "NULL", "nil"})


def spelling_faults(tokens: list[Token], source: Source) -> Iterator[Diagnostic]:
    """Yields the errors of spelling in a statement."""
    done = 0  # the end of the text that is already reported
    ends: frozenset[int] | None = None  # found when the first `;` needs them
    for index, token in enumerate(tokens):
        span = span_of(token)
        if span.start < done:
            continue
        if token.type == "UNKNOWN":
            fault = _comment(tokens, index, source) or _path(tokens, index, source)
            if fault is None and token == ";":
                ends = frozenset(separators(tokens)) if ends is None else ends
                fault = _semicolon(tokens, index, source, ends_statement=index in ends)
            fault = fault or _sign(tokens, index, source)
        else:
            fault = _nothing(tokens, index, source) or _factor(token, source)
            fault = fault or check(token, source)
        if fault is not None:
            assert fault.span is not None
            done = max(span.end, fault.span.end)
            yield fault


def _comment(tokens: list[Token], index: int, source: Source) -> Diagnostic | None:
    token = tokens[index]
    opening = token[:2] if token[:2] in ("//", "/*") else token[:1]
    first = index == 0 or tokens[index - 1].line != token.line
    if not (opening in ("//", "/*") or (opening == "%" and first)):
        return None
    start = span_of(token).start
    last = index
    while not _ends_line(tokens, last):
        last += 1
    edit = Edit(Span(start, start + len(opening)), "#")
    span = Span(start, span_of(tokens[last]).end)
    message = f"`{opening}` is not part of the language"
    return Diagnostic("RRL001", message, span, source, "a comment starts with `#`", edits=(edit,))


def _path(tokens: list[Token], index: int, source: Source) -> Diagnostic | None:
    """A file name that is not in quotes."""
    if tokens[index].strip("./\\"):
        return None
    first = last = index
    while first > 0 and _in_path(tokens[first - 1]) and _touch(tokens[first - 1], tokens[first]):
        first -= 1
        if not tokens[first].strip("./\\"):  # the same text, which is not a path
            return None
    while (
        last + 1 < len(tokens)
        and _in_path(tokens[last + 1])
        and _touch(tokens[last], tokens[last + 1])
    ):
        last += 1
    span = span_of(tokens[first]).to(span_of(tokens[last]))
    text = source.text[span.start : span.end]
    opens = first > 0 and tokens[first - 1].type in ("LPAR", "COMMA", "EQUAL", "IMPORT")
    if not (opens and re.fullmatch(_PATH, text)):
        return None
    quoted = '"{}"'.format(text.replace("\\", "/"))
    message = f"`{abridged(text)}` is not a name; a file name must be in quotes"
    return Diagnostic(
        "RRL001", message, span, source, f"write `{quoted}`", edits=(Edit(span, quoted),)
    )


def _in_path(token: Token) -> bool:
    return token.type in ("NUMBER", "MINUS") or token.isidentifier() or not token.strip("./\\")


def _touch(left: Token, right: Token) -> bool:
    return left.end_pos == right.start_pos


def _sign(tokens: list[Token], index: int, source: Source) -> Diagnostic:
    token = tokens[index]
    span, text = span_of(token), str(token)
    before = tokens[index - 1] if index and _touch(tokens[index - 1], token) else None
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    for left, right in ((before, token), (token, after)):
        if left is not None and right is not None and f"{left}{right}" in _PAIRS:
            return _foreign(source, span_of(left).to(span_of(right)), _PAIRS[f"{left}{right}"])
    if text == "%" and before is not None and (value := number_value(before)) is not None:
        return _foreign(source, span_of(before).to(span), f"{value / 100:.12g}")
    if text in (".", "\\") and _ends_line(tokens, index):
        return _foreign(source, span, "")
    if text == "." and before == "rrl" and after is not None and _touch(token, after):
        return _foreign(source, span_of(before).to(span), "")
    if text == "." and index and tokens[index - 1].type == "RPAR":  # a chain of methods
        return _foreign(source, span, " | ")
    return _foreign(source, span, _spelled(text))


def _semicolon(
    tokens: list[Token], index: int, source: Source, *, ends_statement: bool
) -> Diagnostic:
    meant = "\n" if ends_statement else ","
    return _foreign(source, span_of(tokens[index]), "" if _ends_line(tokens, index) else meant)


def _ends_line(tokens: list[Token], index: int) -> bool:
    return index + 1 == len(tokens) or tokens[index + 1].line != tokens[index].line


def separators(tokens: list[Token]) -> Iterator[int]:
    """The indices of every `;` between two statements of one line."""
    depth = 0
    for index, (token, after) in enumerate(pairwise(tokens)):
        if token in ("(", "[", "{"):
            depth += 1
        elif token in (")", "]", "}"):
            depth -= 1
        elif token == ";" and depth <= 0 and after.line == token.line:
            yield index


def _spelled(text: str) -> str | None:
    """The text in our signs, if all of its signs have an equivalent."""
    signs = [_SIGNS.get(char, unicodedata.normalize("NFKC", char)) for char in text]
    return "".join(signs) if all(sign == "" or sign in _OURS for sign in signs) else None


def _foreign(source: Source, span: Span, meant: str | None) -> Diagnostic:
    text = source.text[span.start : span.end]
    message = f"`{abridged(text)}` is not part of the language"
    if meant is None:
        return Diagnostic("RRL001", message, span, source)
    words = {"": "remove it", "\n": "start a new line", " ": "write a plain space"}
    hint = words.get(meant, f"write `{meant.strip()}`")
    return Diagnostic("RRL001", message, span, source, hint, edits=(Edit(span, meant),))


def _factor(token: Token, source: Source) -> Diagnostic | None:
    """A factor without `*`: `2ssl()`."""
    if token.type != "NUMBER" or number_value(token) is not None:
        return None
    match = re.fullmatch(_FACTOR, token)
    if match is None or match["name"] not in ARGUMENTS:
        return None
    span, meant = span_of(token), f"{match['factor']} * {match['name']}"
    message = f"`{abridged(token)}` is not a number"
    return Diagnostic(
        "RRL002", message, span, source, f"write `{meant}`", edits=(Edit(span, meant),)
    )


def _nothing(tokens: list[Token], index: int, source: Source) -> Diagnostic | None:
    """An argument whose value is `None` or the like."""
    if tokens[index] not in _NOTHING:
        return None
    is_named = index >= 2 and tokens[index - 1].type == "EQUAL"
    first = index - 2 if is_named else index
    before = [token.type for token in tokens[max(0, first - 2) : first]]
    after = [token.type for token in tokens[index + 1 : index + 2]]
    begins = before[-1:] == ["COMMA"] or before == ["NAME", "LPAR"]
    if not begins or after not in (["COMMA"], ["RPAR"]):
        return None
    message = f"`{tokens[index]}` is not a value; leave out an argument to use its default"
    hint = f"remove `{tokens[first]}=`" if is_named else "remove it"
    edits = without_argument(tokens, first, index, source)
    return Diagnostic("RRL003", message, span_of(tokens[index]), source, hint, edits=edits)
