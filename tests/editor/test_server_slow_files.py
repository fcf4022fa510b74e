"""Files that are slow to read: the server answers meanwhile, and ends when it is told to."""

import asyncio
from pathlib import Path

import pytest
from editor_client import SECONDS, Editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException

SLOW = """
import os
import sys
import time
from rrl_dsl.editor import connection, reading, server
from rrl_dsl.graph import links
from rrl_dsl.language import parser

connection.DELAY = 0.01
reading.PATIENCE = float(sys.argv[1]) if sys.argv[1:] else reading.PATIENCE
real_pairs, real_recipe = links.read, parser.read

def blocks(path):
    while path.name.startswith("slow") and not os.path.exists(path.with_name("go")):
        time.sleep(0.01)

def pairs(path, *args):
    blocks(path)
    return real_pairs(path, *args)

def recipe(path, *args):
    blocks(path)
    return real_recipe(path, *args)

links.read, parser.read = pairs, recipe
server.serve()
"""
UNTITLED = "untitled:other"


@pytest.fixture
def editor(tmp_path: Path, request: pytest.FixtureRequest):
    """An editor; its parameter is the patience of the server in seconds."""
    (tmp_path / "slow.csv").write_text("0,1\n2,-1\n", "utf-8")
    patience = [str(request.param)] if hasattr(request, "param") else []
    running = Editor("-c", SLOW, *patience, folders=[tmp_path])
    yield running
    assert running.failures == []
    assert running.quit() == 0, "also while a file is being read"


def opened(editor: Editor, folder: Path) -> str:
    uri = (folder / "mine.rrl").as_uri()
    editor.open(uri, 'let known = pairs("slow.csv")\nssl()|known')
    return uri


def test_other_texts_are_answered_while_a_file_is_read(editor: Editor, tmp_path: Path):
    opened(editor, tmp_path)
    editor.open(UNTITLED, "ssl()|all()")
    assert "views of one sample" in (editor.hover(UNTITLED, 0) or "")
    assert editor.complete(UNTITLED, 6)
    assert editor.formatting(UNTITLED)
    assert editor.diagnostics(UNTITLED) == []


def test_its_own_text_is_answered_without_the_file_until_it_is_read(editor: Editor, tmp_path: Path):
    uri = opened(editor, tmp_path)
    text = editor.texts[uri]
    assert "pairs(" in (editor.hover(uri, text.index("pairs")) or "")
    assert "is being read" in (editor.hover(uri, text.index("slow")) or "")
    assert editor.formatting(uri)
    assert "known" in [item.label for item in editor.complete(uri, len(text))]
    assert editor.diagnostics(uri) == [], "nothing is known to be wrong yet"
    since = len(editor.published)
    (tmp_path / "go").touch()
    (fault,) = editor.next_diagnostics(uri, since)
    assert fault.code == "RRL415"
    assert "line 2" in fault.message


@pytest.mark.parametrize("editor", [SECONDS], indirect=True)
def test_an_answer_about_a_text_that_has_changed_is_dropped(editor: Editor, tmp_path: Path):
    uri = opened(editor, tmp_path)
    client = editor._client.protocol

    async def ask() -> object:
        params = types.HoverParams(**editor.at(uri, 0))
        answer = client.send_request_async(types.TEXT_DOCUMENT_HOVER, params)
        identifier = types.VersionedTextDocumentIdentifier(100, uri)
        event = types.TextDocumentContentChangeWholeDocument("all()")
        changed = types.DidChangeTextDocumentParams(identifier, [event])
        client.notify(types.TEXT_DOCUMENT_DID_CHANGE, changed)
        while not any(message.version == 100 for message in editor.published):
            await asyncio.sleep(0.002)
        (tmp_path / "go").touch()  # the file is read after the server has the new text
        return await answer

    with pytest.raises(JsonRpcException) as problem:
        editor.run(ask())
    assert problem.value.code == types.LSPErrorCodes.ContentModified
    editor.texts[uri], editor.versions[uri] = "all()", 100
    assert editor.diagnostics(uri) == []


def test_a_search_for_symbols_delays_nothing(editor: Editor, tmp_path: Path):
    (tmp_path / "slow.rrl").write_text("let found = ssl()\nfound", "utf-8")
    editor.open(UNTITLED, "ssl()")
    client = editor._client.protocol

    async def search() -> list[types.WorkspaceSymbol]:
        method, params = types.WORKSPACE_SYMBOL, types.WorkspaceSymbolParams("fo")
        answer = client.send_request_async(method, params)
        at = types.HoverParams(**editor.at(UNTITLED, 0))
        assert await client.send_request_async(types.TEXT_DOCUMENT_HOVER, at)
        assert not answer.done()
        (tmp_path / "go").touch()
        return await answer

    assert [symbol.name for symbol in editor.run(search())] == ["found"]


def test_files_that_are_read_one_after_the_other_are_all_read(editor: Editor, tmp_path: Path):
    """More than there are threads."""
    names = [f"slow{number}.csv" for number in range(40)]
    for name in names:
        (tmp_path / name).write_text(f"0,{name[4:-4]}\n", "utf-8")
    uri = (tmp_path / "many.rrl").as_uri()
    editor.open(uri, " | ".join(f'pairs("{name}")' for name in names))
    assert "pairs(" in (editor.hover(uri, 0) or "")
    (tmp_path / "go").touch()
    while "edges per row" not in (editor.hover(uri, editor.texts[uri].index("|")) or ""):
        editor.pause(0.02)
    assert editor.diagnostics(uri) == []
