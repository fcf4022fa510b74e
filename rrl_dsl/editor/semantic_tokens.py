"""Semantic tokens: the colors of a recipe, for editors without a grammar of the language.

The tokens are those of the Pygments lexer, so that all highlighters agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.highlighting import Kind
from rrl_dsl.editor.pygments_lexer import TOKENS, RecipeLexer
from rrl_dsl.language.span import Span

_SHOWN: Final[dict[Kind, tuple[str, tuple[str, ...]]]] = {
    Kind.COMMENT: ("comment", ()),
    Kind.STRING: ("string", ()),
    Kind.ESCAPE: ("string", ("escape",)),
    Kind.NUMBER: ("number", ()),
    Kind.CONSTANT: ("keyword", ("readonly",)),
    Kind.KEYWORD: ("keyword", ()),
    Kind.DEFINITION: ("variable", ("declaration",)),
    Kind.NAME: ("variable", ()),
    Kind.SOURCE: ("function", ("defaultLibrary", "source")),
    Kind.TRANSFORM: ("function", ("defaultLibrary", "transform")),
    Kind.SCHEDULE: ("function", ("defaultLibrary", "schedule")),
    Kind.ARGUMENT: ("parameter", ()),
    Kind.CHOICE: ("enumMember", ()),
    Kind.OPERATOR: ("operator", ()),
}
"""Kind -> token type and modifiers of the protocol. Other kinds have no color."""

LEGEND: Final = types.SemanticTokensLegend(
    token_types=list(dict.fromkeys(type_ for type_, _ in _SHOWN.values())),
    token_modifiers=list(
        dict.fromkeys(modifier for _, some in _SHOWN.values() for modifier in some)
    ),
)
"""The names of types and modifiers; tokens contain their indices."""

_CODES: Final = {
    TOKENS[kind]: (
        LEGEND.token_types.index(type_),
        sum(1 << LEGEND.token_modifiers.index(modifier) for modifier in modifiers),
    )
    for kind, (type_, modifiers) in _SHOWN.items()
}


def semantic_tokens(analysis: Analysis) -> types.SemanticTokens:
    """Returns the tokens of a document, encoded as five integers for each token."""
    return types.SemanticTokens(list(_encoded(analysis)))


def _encoded(analysis: Analysis) -> Iterator[int]:
    """Line and column relative to the previous token, length, type, modifiers."""
    line = column = 0
    lexer = RecipeLexer()
    for offset, kind, text in lexer.get_tokens_unprocessed(analysis.source.text):
        if kind in _CODES and text:
            place = analysis.positions.range(Span(offset, offset + len(text)))
            start, end = place.start, place.end
            yield start.line - line
            yield start.character - (column if start.line == line else 0)
            yield end.character - start.character
            yield from _CODES[kind]
            line, column = start.line, start.character
