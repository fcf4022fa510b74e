"""The colors that the server gives to editors without a grammar for recipes."""

from collections.abc import Iterator

import pytest
from editor_client import Editor, capabilities, offset
from lsprotocol import types

TEXT = (
    "let known = supervised(0.3, labels=coarse)  # 😀\r\n"
    "'😀' | ssl() | known | corrupt(fpr=linear(0, 0.1, epochs=9), unit=row, redraw=never)\n"
)
FUNCTION = ("function", "defaultLibrary")
WANTED = [
    ("let", "keyword"),
    ("known", "variable", "declaration"),
    ("=", "operator"),
    ("supervised", *FUNCTION, "source"),
    ("0.3", "number"),
    ("labels", "parameter"),
    ("=", "operator"),
    ("coarse", "variable"),
    ("# 😀", "comment"),
    ("'😀'", "string"),
    ("|", "operator"),
    ("ssl", *FUNCTION, "source"),
    ("|", "operator"),
    ("known", "variable"),
    ("|", "operator"),
    ("corrupt", *FUNCTION, "transform"),
    ("fpr", "parameter"),
    ("=", "operator"),
    ("linear", *FUNCTION, "schedule"),
    ("0", "number"),
    ("0.1", "number"),
    ("epochs", "parameter"),
    ("=", "operator"),
    ("9", "number"),
    ("unit", "parameter"),
    ("=", "operator"),
    ("row", "enumMember"),
    ("redraw", "parameter"),
    ("=", "operator"),
    ("never", "enumMember"),
]


def decoded(
    text: str, data: list[int], legend: types.SemanticTokensLegend, encoding: str
) -> Iterator[tuple[str, ...]]:
    """The pieces of a text with their types and modifiers, read as the protocol defines them."""
    line = column = 0
    for start in range(0, len(data), 5):
        down, right, length, kind, bits = data[start : start + 5]
        column = right if down else column + right
        line += down
        first = offset(text, types.Position(line, column), encoding)
        last = offset(text, types.Position(line, column + length), encoding)
        modifiers = legend.token_modifiers
        chosen = [modifier for bit, modifier in enumerate(modifiers) if bits >> bit & 1]
        yield (text[first:last], legend.token_types[kind], *chosen)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_every_word_has_its_type_in_the_units_of_the_editor(encoding: str) -> None:
    able = capabilities()
    able.general = types.GeneralClientCapabilities(
        position_encodings=[types.PositionEncodingKind(encoding)]
    )
    editor = Editor(able=able)
    editor.open("file:///a.rrl", TEXT)
    document = types.TextDocumentIdentifier("file:///a.rrl")
    params = types.SemanticTokensParams(document)
    tokens = editor.ask(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, params)
    legend = editor.result.capabilities.semantic_tokens_provider.legend
    assert list(decoded(TEXT, tokens.data, legend, encoding)) == WANTED
    assert editor.quit() == 0


def test_an_unfinished_text_has_its_colors_too() -> None:
    editor = Editor()
    editor.open("file:///a.rrl", "ssl(views=2 | \u00a7 'open")
    document = types.TextDocumentIdentifier("file:///a.rrl")
    params = types.SemanticTokensParams(document)
    tokens = editor.ask(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, params)
    legend = editor.result.capabilities.semantic_tokens_provider.legend
    words = [
        token[0] for token in decoded("ssl(views=2 | \u00a7 'open", tokens.data, legend, "utf-16")
    ]
    assert words == ["ssl", "views", "=", "2", "|"]
    assert editor.quit() == 0
