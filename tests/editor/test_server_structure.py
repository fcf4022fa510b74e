"""Folding, growing selections, links to files, symbols of the workspace, formatting of a part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editor_client import Editor, applied, offset
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from random_recipes import recipes, text_of

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.formatting import formatting_of
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import Source, Span

MODEST = settings(deadline=None, derandomize=True, database=None, max_examples=60)

MINE = """# 😀 what is related
# and what is not
rrl 1
import "base.rrl" as base  # the base
import "sub/other.rrl" as other  # and another
# alone
let known = supervised(
    frac=0.3,
    labels=coarse,
)
base(share=0.5) | known
| other | pairs("links.csv") | pairs("none.csv")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("structure").resolve()
    (folder / "sub").mkdir()
    (folder / "sub/other.rrl").write_text("let inner = ssl()\ninner\n", "utf-8")
    (folder / "base.rrl").write_text("param share = 0.3\nsupervised(frac=share)\n", "utf-8")
    (folder / "links.csv").write_text("0,1\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[Editor]:
    running = Editor(folders=[folder])
    running.open((folder / "mine.rrl").as_uri(), MINE)
    yield running
    assert running.failures == []
    assert running.quit() == 0


@pytest.fixture
def uri(folder: Path) -> str:
    return (folder / "mine.rrl").as_uri()


def about(uri: str) -> types.TextDocumentIdentifier:
    return types.TextDocumentIdentifier(uri)


def ask(editor: Editor, method: str, params: Any) -> Any:
    answer = editor.ask(method, params)
    assert answer is not None
    return answer


def test_folding_ranges(editor: Editor, uri: str):
    params = types.FoldingRangeParams(about(uri))
    foldings = ask(editor, types.TEXT_DOCUMENT_FOLDING_RANGE, params)
    assert [(folding.start_line, folding.end_line, folding.kind) for folding in foldings] == [
        (6, 9, None),
        (10, 11, None),
        (3, 4, types.FoldingRangeKind.Imports),
        (0, 1, types.FoldingRangeKind.Comment),
    ]


@pytest.mark.parametrize("text", ["", "\n", "ssl()", "# alone", "let a = (\n", "((((\n\n"])
def test_short_text_has_no_folding_ranges(editor: Editor, text: str):
    editor.open("untitled:a", text)
    params = types.FoldingRangeParams(about("untitled:a"))
    for folding in ask(editor, types.TEXT_DOCUMENT_FOLDING_RANGE, params):
        assert 0 <= folding.start_line < folding.end_line <= text.count("\n")
    editor.close("untitled:a")


def selections(editor: Editor, uri: str, *places: int) -> list[list[str]]:
    """The texts that a selection at each place grows to."""
    params = types.SelectionRangeParams(
        about(uri), [editor.position(uri, place) for place in places]
    )
    grown: list[list[str]] = []
    text = editor.texts[uri]
    for innermost in ask(editor, types.TEXT_DOCUMENT_SELECTION_RANGE, params):
        texts: list[str] = []
        step: types.SelectionRange | None = innermost
        while step is not None:
            start, end = (offset(text, at) for at in (step.range.start, step.range.end))
            texts.append(text[start:end])
            step = step.parent
        grown.append(texts)
    return grown


def test_expanding_a_selection(editor: Editor, uri: str):
    one, other = selections(editor, uri, MINE.index("0.3"), MINE.index("known\n| other") + 2)
    call = MINE[MINE.index("supervised(") : MINE.index(")\nbase") + 1]
    assert one == ["0.3", "frac=0.3", call, f"let known = {call}", MINE]
    assert other == ["known", MINE[MINE.index("base(share") : -1], MINE]


def test_an_expanded_selection_contains_the_previous_one(editor: Editor):
    editor.open("untitled:a", "ssl()|all()\n")
    assert selections(editor, "untitled:a", 5) == [["ssl()", "ssl()|all()", "ssl()|all()\n"]]
    editor.close("untitled:a")


def test_links(editor: Editor, uri: str, folder: Path):
    links = ask(editor, types.TEXT_DOCUMENT_DOCUMENT_LINK, types.DocumentLinkParams(about(uri)))
    shown = {
        MINE[offset(MINE, link.range.start) : offset(MINE, link.range.end)]: link.target
        for link in links
    }
    assert shown == {
        f'"{name}"': (folder / name).as_uri() for name in ("base.rrl", "sub/other.rrl", "links.csv")
    }


@pytest.mark.parametrize("name", ["base.rrl", "sub/other.rrl", "links.csv", "none.csv"])
def test_a_file_that_is_named_is_a_definition(editor: Editor, uri: str, folder: Path, name: str):
    params = types.DefinitionParams(**editor.at(uri, MINE.index(name) + 2))
    definition = editor.ask(types.TEXT_DOCUMENT_DEFINITION, params)
    there = (folder / name).as_uri() if name != "none.csv" else None
    assert (None if definition is None else definition.uri) == there


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"base", "other", "known", "share", "inner"}),
        ("n", {"known", "inner"}),
        ("KN", {"known"}),
        ("sre", {"share"}),
        ("nothing", set()),
    ],
)
def test_symbols_of_the_workspace(editor: Editor, query: str, names: set[str]):
    symbols = editor.ask(types.WORKSPACE_SYMBOL, types.WorkspaceSymbolParams(query))
    assert {symbol.name for symbol in symbols} == names
    assert len(symbols) == len(names)


def test_the_position_of_a_symbol_is_that_of_its_name(editor: Editor, folder: Path):
    (symbol,) = editor.ask(types.WORKSPACE_SYMBOL, types.WorkspaceSymbolParams("inner"))
    assert symbol.location.uri == (folder / "sub/other.rrl").as_uri()
    assert symbol.location.range == types.Range(types.Position(0, 4), types.Position(0, 9))
    assert symbol.container_name == "other.rrl"


MESSY = "let   a=ssl( )\nlet b  =  (\n  a|all( )\n)  # b\n\n\n\na  |  b\n"


@pytest.mark.parametrize(
    ("part", "formatted"),
    [
        ("a=s", MESSY.replace("let   a=ssl( )", "let a = ssl()")),
        ("all", MESSY.replace("let b  =  (\n  a|all( )\n)", "let b = (a | all())")),
        ("a  |", MESSY.replace("a  |  b", "a | b")),
        ("let   a=ssl( )\n", MESSY.replace("let   a=ssl( )", "let a = ssl()")),
        ("# b", MESSY.replace("let b  =  (\n  a|all( )\n)  # b", "let b = (a | all())  # b")),
        (MESSY, "let a = ssl()\nlet b = (a | all())  # b\n\na | b\n"),
    ],
)
def test_a_part_is_formatted(editor: Editor, part: str, formatted: str):
    editor.open("untitled:a", MESSY)
    start = MESSY.index(part)
    place = types.Range(
        editor.position("untitled:a", start), editor.position("untitled:a", start + len(part))
    )
    options = types.FormattingOptions(tab_size=4, insert_spaces=True)
    params = types.DocumentRangeFormattingParams(about("untitled:a"), place, options)
    edits = editor.ask(types.TEXT_DOCUMENT_RANGE_FORMATTING, params)
    assert applied(MESSY, edits) == formatted
    editor.close("untitled:a")


@pytest.mark.parametrize("text", ["let a=ssl()\n\n^\n\na", "", "^", "let a = (\n^"])
def test_a_part_without_statements_stays(text: str):
    before, _, after = text.partition("^")
    analysis = Analysis(Source(before + after), "utf-16", {})
    assert not formatting_of(analysis, Span(len(before), len(before)))


@MODEST
@given(recipes(), recipes(), st.data())
def test_formatting_a_part_keeps_what_a_recipe_means(one, other, data):
    text = f"let   first={text_of(one)}  # one\n\n\n# a remark\n"
    text += f"let second=(\n{text_of(other)})\nfirst|second"
    for sign in ("(", " | ", ", "):
        text = text.replace(sign, data.draw(st.sampled_from([sign, f"{sign}  ", f"{sign}\n  "])))
    graph = analyze(Source(text)).graph
    if graph is None:  # the two together are too deep
        return
    start = data.draw(st.integers(0, len(text)))
    within = Span(start, data.draw(st.integers(start, len(text))))
    edits = formatting_of(Analysis(Source(text), "utf-16", {}), within)
    assert edits is not None
    after = applied(text, edits)
    assert analyze(Source(after)).graph == graph
    assert format_text(Source(after)) == format_text(Source(text))
