"""Turns the tokens of a statement into formatted words with their comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from lark import Token

from rrl_dsl.language.spelling import number_value, string_value

PRODUCT: Final = 4
_LEVELS: Final = {
    "UNION": 1,
    "INTERSECTION": 2,
    "PLUS": 3,
    "MINUS": 3,
    "TIMES": PRODUCT,
    "COMPOSITION": PRODUCT,
}
_ENDS_OPERAND: Final = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "RPAR"})


@dataclass(frozen=True)
class Comment:
    """A comment.

    Attributes:
        text: The formatted comment, from its `#`.
        trailing: Whether it is at the end of a line with other tokens.
    """

    text: str
    trailing: bool


@dataclass
class Word:
    """A token of a statement.

    Attributes:
        kind: The type of the token.
        text: The formatted token.
        spaced: Whether a space separates it from the previous word on the same line.
        level: The precedence of a binary operator, 1 to `PRODUCT`; 0 for other words.
        comments: The comments between the previous word and this one; only the first may be
            trailing.
    """

    kind: str
    text: str
    spaced: bool
    level: int
    comments: list[Comment] = field(default_factory=list)


def words_of(tokens: Iterable[Token]) -> list[Word]:
    """Returns the words of a statement that parses.

    Trailing commas are removed. Comments may be where a line may break: before the statement,
    before a binary operator, next to a bracket inside it, after a comma, and after the `=` of a
    statement. Other comments move back to the last such position.

    Args:
        tokens: The tokens of the statement, with its comments and line breaks.
    """
    words: list[Word] = []
    comments: list[Comment] = []  # since the last word that is not a comma
    place: Word | None = None  # the last word that may have comments before it
    leads = ends = False  # whether the last word was the first of its line, or the last
    for token in tokens:
        if token.type == "NEWLINE":
            ends = True
            continue
        if token.type == "COMMENT":
            trailing = not ends and not comments
            comments.append(Comment(comment_text(token), trailing))
            continue
        if token.type == "RPAR" and words[-1].kind == "COMMA":
            words.pop()
        word = _word(token, words)
        words.append(word)
        if word.kind != "COMMA":
            if place is None or _may_break_before(word, words[-2]):
                place = word
            elif not (words[-2] is place and place.level and not leads):
                comments = [replace(comment, trailing=False) for comment in comments]
            place.comments += comments
            comments = []
        leads, ends = ends, False
    return words


def _may_break_before(word: Word, previous: Word) -> bool:
    inside = previous.kind in ("LPAR", "COMMA") or word.kind == "RPAR"
    return word.level > 0 or inside or (previous.kind == "EQUAL" and previous.spaced)


def _word(token: Token, before: list[Word]) -> Word:
    previous = before[-1] if before else None
    operand_ended = previous is not None and previous.kind in _ENDS_OPERAND
    level = _LEVELS.get(token.type, 0) if operand_ended else 0
    return Word(token.type, _text(token), _is_spaced(token, before), level)


def _is_spaced(token: Token, before: list[Word]) -> bool:
    if token.type == "EQUAL":
        return before[0].kind in ("LET", "PARAM") and len(before) == 2
    if not before or token.type in ("RPAR", "COMMA"):
        return False
    previous = before[-1]
    if previous.kind == "EQUAL":
        return previous.spaced
    is_call = token.type == "LPAR" and previous.kind == "NAME"
    is_sign = previous.kind == "MINUS" and not previous.level
    return not (is_call or is_sign or previous.kind in ("LPAR", "COMPLEMENT"))


def _text(token: Token) -> str:
    if token.type in ("TRUE", "FALSE"):
        return token.lower()
    if token.type == "NUMBER":
        return _number_text(str(token))
    if token.type == "STRING":
        return _string_text(str(token))
    return str(token)


def _number_text(text: str) -> str:
    written = re.sub(r"^\.", "0.", text.lower())
    written = re.sub(r"\.(?!\d)", ".0", written)
    return text if number_value(written) is None else written  # a zero may exceed the digit limit


def _string_text(text: str) -> str:
    """The string in double quotes, or in single quotes if these need fewer escapes."""
    value = string_value(text)
    assert value is not None
    quote = '"' if value.count('"') <= value.count("'") else "'"
    escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def comment_text(token: Token) -> str:
    """Returns the formatted comment, from its `#`."""
    text = token.rstrip()
    bare = text[1:2] in ("", "#", "!") or text[1].isspace()
    return text if bare else f"# {text[1:]}"
