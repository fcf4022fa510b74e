"""No text, and no question about any place in it, makes the server fail.

The examples are the same in every run; `--hypothesis-profile=long` looks at many others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editor_client import LINE_END, Editor
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from random_recipes import recipes, text_of

SOME = settings(max_examples=settings().max_examples // 4)
FRAGMENTS = [
    *["ssl", "supervised", "knn", "pairs", "near", "keep", "corrupt", "linear", "nothing"],
    *["let", "param", "import", "as", "contrast", "rrl", "true", "False", "a", "b", "base"],
    *["frac", "labels", "space", "file", "k", "coarse", "projection", "1", "0.3", ".5", "1e", "3x"],
    *["ssl()", "supervised(frac=0.3)", 'import "base.rrl" as base', "base(frac=0.5)"],
    *['"', "'", '"base.rrl"', "'links.csv'", *"(),=|&+-*~#\\$"],
    *[" ", "\n", "\r\n", "\r", "\t", "\x0c", "\x0b", "\x00", "\u2028", "\ufeff"],
    *["é", "😀", "a\u0301", "\ud800", "²"],
]
GARBAGE = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A recipe in which some places were overwritten."""
    text = f"param frac = 0.3\nlet a = {text_of(draw(recipes()))}\na | supervised(frac=frac)\n"
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 5)))
        text = text[:start] + draw(st.sampled_from(FRAGMENTS)) + text[end:]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz").resolve()
    (folder / "base.rrl").write_text("param frac = 0.3\nsupervised(frac=frac)\n", "utf-8")
    (folder / "links.csv").write_text("0,1\nx\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[Editor]:
    running = Editor(folders=[folder])
    yield running
    assert running.failures == []
    assert running.quit() == 0


@SOME
@given(st.one_of(GARBAGE, mutated()), st.data())
def test_any_question_about_any_text_is_answered(editor: Editor, folder: Path, text: str, data):
    uri = data.draw(st.sampled_from(["untitled:a", (folder / "mine.rrl").as_uri()]))
    editor.open(uri, text)
    editor.diagnostics(uri)
    within = {place for match in LINE_END.finditer(text) for place in range(*match.span())}
    within -= {match.start() for match in LINE_END.finditer(text)}
    ask_all(editor, uri)
    for place in data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)):
        if place not in within:
            ask_about(editor, uri, editor.at(uri, place))
    beyond = types.Position(data.draw(st.integers(0, 50)), data.draw(st.integers(0, 500)))
    ask_about(editor, uri, {"text_document": types.TextDocumentIdentifier(uri), "position": beyond})
    editor.close(uri)
    assert editor.failures == []


def ask_all(editor: Editor, uri: str) -> None:
    editor.formatting(uri)
    editor.actions(uri, 0, len(editor.texts[uri]))
    identifier = types.TextDocumentIdentifier(uri)
    symbols = types.DocumentSymbolParams(identifier)
    editor.ask(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, symbols)
    editor.ask(types.TEXT_DOCUMENT_FOLDING_RANGE, types.FoldingRangeParams(identifier))
    editor.ask(types.TEXT_DOCUMENT_DOCUMENT_LINK, types.DocumentLinkParams(identifier))
    editor.ask(types.WORKSPACE_SYMBOL, types.WorkspaceSymbolParams("a"))


def ask_about(editor: Editor, uri: str, at: dict[str, Any]) -> None:
    context = types.ReferenceContext(include_declaration=True)
    for method, params in [
        (types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams(**at)),
        (types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpParams(**at)),
        (types.TEXT_DOCUMENT_HOVER, types.HoverParams(**at)),
        (types.TEXT_DOCUMENT_DEFINITION, types.DefinitionParams(**at)),
        (types.TEXT_DOCUMENT_DECLARATION, types.DeclarationParams(**at)),
        (types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, types.DocumentHighlightParams(**at)),
        (types.TEXT_DOCUMENT_REFERENCES, types.ReferenceParams(context=context, **at)),
    ]:
        editor.ask(method, params)
    identifier, place = at["text_document"], at["position"]
    selections = types.SelectionRangeParams(identifier, [place])
    assert editor.ask(types.TEXT_DOCUMENT_SELECTION_RANGE, selections)
    options = types.FormattingOptions(tab_size=4, insert_spaces=True)
    part = types.DocumentRangeFormattingParams(identifier, types.Range(place, place), options)
    editor.ask(types.TEXT_DOCUMENT_RANGE_FORMATTING, part)
    for method, params in [
        (types.TEXT_DOCUMENT_PREPARE_RENAME, types.PrepareRenameParams(**at)),
        (types.TEXT_DOCUMENT_RENAME, types.RenameParams(new_name="other", **at)),
    ]:
        assert refusal_of(editor, method, params) in (None, types.LSPErrorCodes.RequestFailed)


def refusal_of(editor: Editor, method: str, params: Any) -> int | None:
    """The code of the error that answers a question, if one does."""
    try:
        editor.ask(method, params)
    except JsonRpcException as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "~" * 5000 + "ssl()",
        "ssl(" * 3000,
        "let a = " * 3000,
        "\n" * 60_000,
        "supervised(frac=" * 500 + "0.3",
        "".join(f"let a{number} = ssl() | a{number - 1}\n" for number in range(1, 800)),
        " | ".join(["supervised(labels=coarse)"] * 1800),
        '"' * 5000,
        "# " + "😀" * 60_000,
    ],
    ids=range(10),
)
def test_texts_at_the_limits(editor: Editor, text: str):
    uri = "untitled:a"
    editor.open(uri, text)
    editor.diagnostics(uri)
    ask_all(editor, uri)
    ask_about(editor, uri, editor.at(uri, len(text)))
    ask_about(editor, uri, editor.at(uri, len(text) // 2))
    editor.close(uri)
    assert editor.failures == []
