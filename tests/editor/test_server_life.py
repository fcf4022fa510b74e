"""The server as a process: how it begins and ends, and what it survives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from editor_client import Editor, capabilities, units
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from rrl_dsl.editor.documents import Documents, path_of

UNTITLED = "untitled:a"


def test_server_capabilities():
    editor = Editor("-m", "rrl_dsl", "lsp")
    able = editor.result.capabilities
    assert editor.result.server_info.name == "rrl-dsl"
    assert able.position_encoding == types.PositionEncodingKind.Utf16
    assert able.text_document_sync.change == types.TextDocumentSyncKind.Incremental
    assert able.text_document_sync.open_close
    assert able.text_document_sync.save
    assert " " in able.completion_provider.trigger_characters
    assert able.rename_provider.prepare_provider
    assert able.code_action_provider.code_action_kinds == ("quickfix", "source.fixAll")
    for name in ("hover", "definition", "declaration", "references", "document_highlight"):
        assert getattr(able, f"{name}_provider"), name
    for name in ("signature_help", "document_symbol", "document_formatting"):
        assert getattr(able, f"{name}_provider"), name
    for name in ("document_range_formatting", "folding_range", "selection_range"):
        assert getattr(able, f"{name}_provider"), name
    for name in ("document_link", "workspace_symbol"):
        assert getattr(able, f"{name}_provider"), name
    assert able.diagnostic_provider is None, "they are pushed, and would be shown twice"
    assert editor.quit() == 0


def test_exit_without_shutdown_has_status_1():
    editor = Editor()
    assert editor.quit(regularly=False) == 1


def test_an_editor_that_goes_away():
    done = subprocess.run(
        [sys.executable, "-m", "rrl_dsl", "lsp"], stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == 1
    assert done.stdout == b""


WITHOUT_TORCH = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] != "torch"

sys.meta_path.insert(0, Forbidden())
from rrl_dsl.editor import server
server.serve()
"""


def test_it_needs_no_torch(tmp_path: Path):
    editor = Editor("-c", WITHOUT_TORCH)
    editor.open(UNTITLED, "supervised(frac=0.3) | knn(k=5)")
    assert editor.diagnostics(UNTITLED) == []
    while "being computed" in (shown := editor.hover(UNTITLED, 22) or ""):
        editor.pause(0.05)
    assert "edges per row" in shown
    editor.quit()


FAILING = """
from rrl_dsl.editor import connection, density, server

def fails(*_, **__):
    print("Content-Length: 9999\\r\\n\\r\\n", flush=True)  # not among the answers
    raise ZeroDivisionError("on purpose")

server.hover_at = fails
server.formatting = fails
real = connection.diagnostics_of
connection.diagnostics_of = lambda documents, analysis: (
    fails() if "all" in analysis.source.text else real(documents, analysis)
)
connection.DELAY = 0.01
server.serve()
"""


def test_it_outlives_its_own_failures():
    editor = Editor("-c", FAILING)
    editor.open(UNTITLED, "ssl()")
    editor.diagnostics(UNTITLED)
    assert editor.hover(UNTITLED, 0) is None
    assert editor.formatting(UNTITLED) is None
    editor.replace(UNTITLED, "all()")
    assert editor.complete(UNTITLED, 0)
    editor.replace(UNTITLED, "none()")
    assert editor.diagnostics(UNTITLED) == []
    said = "rrl-dsl itself failed (%s): ZeroDivisionError('on purpose')"
    assert [said % what for what in ("hover", "format_document")] == editor.failures[:2]
    assert editor.quit() == 0


def test_the_text_of_an_answer_is_that_of_its_question():
    """Changes and questions are sent without waiting; each answer is about its own text."""
    editor = Editor()
    editor.open(UNTITLED, "")
    client = editor._client.protocol
    text = "let one = ssl()\none | supervised(frac=0.3)"

    async def type_all() -> list[Any]:
        asked = []
        for index, char in enumerate(text):
            place = editor.position(UNTITLED, index)
            editor.texts[UNTITLED] = text[: index + 1]
            event = types.TextDocumentContentChangePartial(types.Range(place, place), char)
            identifier = types.VersionedTextDocumentIdentifier(index + 100, UNTITLED)
            client.notify(
                types.TEXT_DOCUMENT_DID_CHANGE,
                types.DidChangeTextDocumentParams(identifier, [event]),
            )
            at = editor.at(UNTITLED, index + 1)
            for method, params in (
                (types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams(**at)),
                (types.TEXT_DOCUMENT_HOVER, types.HoverParams(**at)),
                (types.TEXT_DOCUMENT_DEFINITION, types.DefinitionParams(**at)),
            ):
                asked.append(client.send_request_async(method, params))
        return [await answer for answer in asked]

    answers = editor.run(type_all())
    editor.close(UNTITLED)
    for index in range(len(text)):
        now = text[: index + 1]
        editor.open(UNTITLED, now)
        completion, hover, definition = answers[3 * index : 3 * index + 3]
        assert editor.complete(UNTITLED, index + 1) == sorted(
            completion.items, key=lambda item: item.sort_text
        )
        then = None if hover is None else hover.contents.value.rpartition("\n\n")[0]
        again = editor.hover(UNTITLED, index + 1)
        assert then == (None if again is None else again.rpartition("\n\n")[0])
        params = types.DefinitionParams(**editor.at(UNTITLED, index + 1))
        assert definition == editor.ask(types.TEXT_DOCUMENT_DEFINITION, params)
        editor.close(UNTITLED)
    assert editor.failures == []
    editor.quit()


def test_a_question_that_is_taken_back():
    editor = Editor()
    editor.open(UNTITLED, "ssl() | supervised(frac=0.3)")
    client = editor._client.protocol

    async def ask() -> str:
        params = types.HoverParams(**editor.at(UNTITLED, 10))
        answer = client.send_request_async(types.TEXT_DOCUMENT_HOVER, params, msg_id="7")
        client.notify(types.CANCEL_REQUEST, types.CancelParams("7"))
        client.notify(types.CANCEL_REQUEST, types.CancelParams("8"))
        try:
            return (await answer).contents.value
        except JsonRpcException as problem:
            return problem.message

    assert "binary graph" in (answer := editor.run(ask())) or "is canceled" in answer
    assert editor.hover(UNTITLED, 10)
    assert editor.failures == []
    editor.quit()


@pytest.fixture(scope="module")
def editor():
    running = Editor()
    yield running
    assert running.failures == []
    assert running.quit() == 0


def test_texts_that_are_not_open(editor: Editor):
    place = types.TextDocumentIdentifier("untitled:none"), types.Position(0, 0)
    for method, params in [
        (types.TEXT_DOCUMENT_HOVER, types.HoverParams(*place)),
        (types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams(*place)),
        (types.TEXT_DOCUMENT_RENAME, types.RenameParams(*place, "a")),
        (types.TEXT_DOCUMENT_PREPARE_RENAME, types.PrepareRenameParams(*place)),
        (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.DocumentSymbolParams(place[0])),
    ]:
        assert editor.ask(method, params) is None
    identifier = types.VersionedTextDocumentIdentifier(2, "untitled:none")
    event = types.TextDocumentContentChangeWholeDocument("ssl()")
    params = types.DidChangeTextDocumentParams(identifier, [event])
    editor.tell(types.TEXT_DOCUMENT_DID_CHANGE, params)
    closed = types.DidCloseTextDocumentParams(place[0])
    editor.tell(types.TEXT_DOCUMENT_DID_CLOSE, closed)
    editor.open(UNTITLED, "ssl()")
    editor.close(UNTITLED)
    assert (
        editor.ask(
            types.TEXT_DOCUMENT_HOVER,
            types.HoverParams(types.TextDocumentIdentifier(UNTITLED), types.Position(0, 0)),
        )
        is None
    )


def test_an_unknown_request(editor: Editor):
    with pytest.raises(JsonRpcException) as problem:
        editor.ask("textDocument/nonsense", {})
    assert problem.value.code == types.ErrorCodes.MethodNotFound


def test_a_refusal_is_an_answer(editor: Editor):
    editor.open(UNTITLED, "let a = ssl()\na")
    with pytest.raises(
        JsonRpcException, match="`ssl` is a built-in and cannot be renamed"
    ) as problem:
        editor.ask(
            types.TEXT_DOCUMENT_PREPARE_RENAME,
            types.PrepareRenameParams(**editor.at(UNTITLED, 9)),
        )
    assert problem.value.code == types.LSPErrorCodes.RequestFailed
    with pytest.raises(JsonRpcException, match="`let` is a reserved word"):
        editor.rename(UNTITLED, 4, "let")
    answer = editor.ask(
        types.TEXT_DOCUMENT_PREPARE_RENAME, types.PrepareRenameParams(**editor.at(UNTITLED, 4))
    )
    assert answer.placeholder == "a"
    editor.close(UNTITLED)


def test_a_text_in_no_folder(editor: Editor):
    editor.open(UNTITLED, 'import "a.rrl" as a\npairs("x.csv") | a')
    diagnostics = editor.diagnostics(UNTITLED)
    assert [diagnostic.code for diagnostic in diagnostics] == ["RRL024", "RRL024"]
    editor.close(UNTITLED)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-32"])
def test_other_code_units(encoding: str):
    able = capabilities()
    able.general = types.GeneralClientCapabilities(position_encodings=[encoding, "utf-16"])
    editor = Editor(able=able)
    assert editor.encoding == encoding
    text = "# é😀\nsupervised(labels='é😀') | nothing"
    editor.open(UNTITLED, text)
    (diagnostic,) = editor.diagnostics(UNTITLED)
    start = units(text[text.index("super") : text.index("noth")], encoding)
    assert diagnostic.range.start == types.Position(1, start)
    editor.change(UNTITLED, text.index("nothing"), len(text), "ssl()")
    assert editor.diagnostics(UNTITLED) == []
    editor.quit()


def test_what_an_editor_can_do_is_used(tmp_path: Path):
    able = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True),
            did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
                dynamic_registration=True
            ),
        )
    )
    editor = Editor(able=able, folders=[tmp_path])
    (tmp_path / "base.rrl").write_text("param frac = 0.3\nsupervised(frac=frac)\n", "utf-8")
    uri = (tmp_path / "mine.rrl").as_uri()
    text = 'import "base.rrl" as base\nbase(frac=0.5)'
    editor.open(uri, text)
    editor.change(uri, len(text), len(text), "\n")
    place = text.index("frac")
    params = types.RenameParams(new_name="share", **editor.at(uri, place))
    renamed = editor.ask(types.TEXT_DOCUMENT_RENAME, params)
    versions = {
        change.text_document.uri: change.text_document.version
        for change in renamed.document_changes
    }
    assert versions == {uri: editor.versions[uri], (tmp_path / "base.rrl").as_uri(): None}
    assert [registration.method for registration in editor.registered] == [
        "workspace/didChangeWatchedFiles"
    ]
    assert not any(item.insert_text_format for item in editor.complete(uri, len(text) + 1))
    editor.quit()


def test_folders_that_come_and_go(tmp_path: Path):
    editor = Editor()
    (tmp_path / "sub").mkdir()
    (tmp_path / "mine.rrl").write_text('import "sub/base.rrl" as base\nbase(frac=0.5)', "utf-8")
    uri = (tmp_path / "sub/base.rrl").as_uri()
    editor.open(uri, "param frac = 0.3\nsupervised(frac=frac)\n")
    assert len(editor.rename(uri, 6, "share")) == 1
    folder = types.WorkspaceFolder(tmp_path.as_uri(), "all")
    for added, removed, count in (([folder], [], 2), ([], [folder], 1)):
        event = types.WorkspaceFoldersChangeEvent(added, removed)
        editor.tell(
            types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS,
            types.DidChangeWorkspaceFoldersParams(event),
        )
        assert len(editor.rename(uri, 6, "share")) == count
    editor.quit()


def test_uris():
    assert path_of("file:///a%20b/c.rrl") == Path("/a b/c.rrl")
    assert path_of("untitled:Untitled-1") is None
    assert path_of("git:/a/c.rrl?x") is None
    assert str(path_of("file:///c%3A/Users/mine.rrl")).replace("\\", "/") == "c:/Users/mine.rrl"


def test_closed_documents_are_released():
    documents = Documents()
    document = documents.open("file:///tmp/mine.rrl", 1, "ssl()")
    documents.analyzed(document)
    documents.close(document.uri)
    assert list(documents) == []
    assert documents.texts == {}
    documents.close(document.uri)


def test_analyses_are_cached_until_a_change(tmp_path: Path):
    (tmp_path / "base.rrl").write_text("ssl()", "utf-8")
    documents = Documents()
    uri = (tmp_path / "mine.rrl").as_uri()
    document = documents.open(uri, 1, 'import "base.rrl" as base\nbase')
    first = documents.analyzed(document)
    assert documents.analyzed(document) is first
    documents.open("untitled:other", 1, "ssl()")
    assert documents.analyzed(document) is first
    documents.open((tmp_path / "base.rrl").as_uri(), 1, "all()")
    assert documents.analyzed(document) is not first
