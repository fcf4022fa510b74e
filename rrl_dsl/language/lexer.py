"""Splits a text into tokens.

The terminals of the grammar accept misspelled words; `rrl_dsl.language.spelling` checks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

import lark
from lark import Lark, Token

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import span_of
from rrl_dsl.language.tree import TreeBuilder

if TYPE_CHECKING:
    from lark.lark import PostLex
else:
    PostLex = object

MAX_BYTES: Final = 256 * 1024
MAX_TOKENS: Final = 20_000


class _KeepTrivia(PostLex):
    """Tells Lark to emit the terminals that no rule mentions."""

    always_accept = ("NEWLINE", "COMMENT", "UNKNOWN")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def grammar() -> Lark:
    """Returns the LALR(1) parser of a statement; it is loaded once per process.

    Its tables are stored beside the grammar, because building them takes longer than the rest of
    `check`. They are rebuilt if another release of Lark wrote them. `python -m rrl_dsl.generate`
    updates them.
    """
    from rrl_dsl.grammar import tables

    if lark.__version__ != tables.LARK:
        return build(grammar_text())
    loaded: Lark = Lark._load_from_dict(  # type: ignore[no-untyped-call]
        tables.DATA, tables.MEMO, transformer=TreeBuilder(), postlex=_KeepTrivia()
    )
    return loaded


def build(text: str) -> Lark:
    """Builds the parser of a grammar."""
    return Lark(
        text, parser="lalr", lexer="basic", transformer=TreeBuilder(), postlex=_KeepTrivia()
    )


def grammar_text() -> str:
    """Returns the text of the grammar."""
    from importlib.resources import files

    return files("rrl_dsl.grammar").joinpath("rrl.lark").read_text(encoding="utf-8")


def tokens_of(source: Source) -> list[Token]:
    """Returns all tokens of a text, with its line breaks and comments.

    Raises:
        RRLError: RRL011 or RRL012 if the text exceeds the limits of the language.
    """
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"a recipe must not exceed {MAX_BYTES:,} bytes"
        raise RRLError(Diagnostic("RRL011", message, source=source))
    tokens: list[Token] = []
    words = 0
    interactive = grammar().parse_interactive(source.text)
    for token in interactive.lexer_thread.lex(interactive.parser_state):  # type: ignore[no-untyped-call]
        tokens.append(token)
        words += token.type not in ("NEWLINE", "COMMENT")
        if words > MAX_TOKENS:
            message = f"a recipe must not have more than {MAX_TOKENS:,} tokens"
            raise RRLError(Diagnostic("RRL012", message, span_of(token), source))
    return tokens
