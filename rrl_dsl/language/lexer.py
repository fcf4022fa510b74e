"""Text -> tokens. The grammar's terminals are wide; `spelling` checks each token afterwards."""

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
    """The LALR(1) parser of one statement, loaded once a process.

    Building its tables takes longer than everything else that `check` does, so they are kept
    beside the grammar (`python -m rrl_dsl.generate`, and tests fail where they are stale). Tables
    of another release of Lark are not used but built anew.
    """
    from rrl_dsl.grammar import tables

    if lark.__version__ != tables.LARK:
        return build(grammar_text())
    loaded: Lark = Lark._load_from_dict(  # type: ignore[no-untyped-call]
        tables.DATA, tables.MEMO, transformer=TreeBuilder(), postlex=_KeepTrivia()
    )
    return loaded


def build(text: str) -> Lark:
    """The parser of a grammar's text."""
    return Lark(
        text, parser="lalr", lexer="basic", transformer=TreeBuilder(), postlex=_KeepTrivia()
    )


def grammar_text() -> str:
    """The grammar of the language."""
    from importlib.resources import files

    return files("rrl_dsl.grammar").joinpath("rrl.lark").read_text(encoding="utf-8")


def tokens_of(source: Source) -> list[Token]:
    """All tokens of a text, line breaks and comments included.

    Raises:
        RRLError: RRL011 or RRL012 where the text is over the language's limits.
    """
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"a recipe has at most {MAX_BYTES:,} bytes, and this text has more"
        raise RRLError(Diagnostic("RRL011", message, source=source))
    tokens: list[Token] = []
    words = 0
    interactive = grammar().parse_interactive(source.text)
    for token in interactive.lexer_thread.lex(interactive.parser_state):  # type: ignore[no-untyped-call]
        tokens.append(token)
        words += token.type not in ("NEWLINE", "COMMENT")
        if words > MAX_TOKENS:
            message = f"a recipe has at most {MAX_TOKENS:,} words and signs"
            raise RRLError(Diagnostic("RRL012", message, span_of(token), source))
    return tokens
