"""Every request has an answer, also one that comes too early, too late or malformed."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from editor_client import Editor
from lsprotocol import types

INVALID_PARAMS, INVALID_REQUEST, NOT_INITIALIZED = -32602, -32600, -32002
INITIALIZE = ("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
OPEN = (
    "textDocument/didOpen",
    {"textDocument": {"uri": "untitled:a", "languageId": "rrl", "version": 1, "text": "ssl("}},
)
PLACE = {"textDocument": {"uri": "untitled:a"}, "position": {"line": 0, "character": 1}}
HOVER = ("textDocument/hover", PLACE)


def conversation(*messages: tuple[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """What the server sends, and how it ends.

    Args:
        messages: Methods and parameters; the place of a request among them is its number.
    """
    sent = b""
    for number, (method, params) in enumerate(messages):
        kind = types.METHOD_TO_TYPES[method][1]  # a notification has no answer
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = json.dumps(message if kind is None else {**message, "id": number}).encode()
        sent += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    done = subprocess.run(
        [sys.executable, "-m", "rrl_dsl", "lsp"], input=sent, capture_output=True, timeout=60
    )
    bodies = re.split(rb"Content-Length: \d+\r\n(?:Content-Type: .*\r\n)?\r\n", done.stdout)[1:]
    return [json.loads(text) for text in bodies], done.returncode


def answers(received: list[dict[str, Any]]) -> dict[int, int | None]:
    """The code of the error that answers each request; None for an answer that is none."""
    answers = [message for message in received if "id" in message and "method" not in message]
    return {answer["id"]: answer.get("error", {}).get("code") for answer in answers}


def test_requests_before_initialize():
    received, end = conversation(HOVER, OPEN, INITIALIZE, HOVER, ("shutdown", None), ("exit", None))
    assert answers(received) == {0: NOT_INITIALIZED, 2: None, 3: None, 4: None}
    assert not any(
        message.get("method") == types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS for message in received
    )
    assert end == 0


def test_requests_after_shutdown():
    last = (HOVER, OPEN, ("shutdown", None), ("exit", None))
    received, end = conversation(INITIALIZE, ("shutdown", None), *last)
    assert answers(received) == {0: None, 1: None, 2: INVALID_REQUEST, 4: INVALID_REQUEST}
    assert end == 0


def test_a_second_beginning():
    received, end = conversation(INITIALIZE, INITIALIZE, HOVER)
    assert answers(received) == {0: None, 1: INVALID_REQUEST, 2: None}
    assert end == 1, "there was no `exit`"


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {},
        {"textDocument": {"uri": "untitled:a"}},
        {**PLACE, "position": {"line": -1, "character": 0}},
        {**PLACE, "position": {"line": "x", "character": 0}},
    ],
)
def test_malformed_messages(params: Any):
    received, _ = conversation(INITIALIZE, (HOVER[0], params), HOVER, ("shutdown", None))
    assert answers(received) == {0: None, 1: INVALID_PARAMS, 2: None, 3: None}


COUNTING = """
import gc
from concurrent.futures import Future
from rrl_dsl.editor import server
from rrl_dsl.editor.hover import Hover
from rrl_dsl.language.span import Span

def counted(analysis, offset):
    kept = sum(isinstance(each, Future) for each in gc.get_objects())
    return Hover(Span(0, 0), (str(kept),))

server.hover_at = counted
server.serve()
"""


def test_nothing_is_kept_of_a_change():
    editor = Editor("-c", COUNTING)
    editor.open("untitled:a", "ssl()")
    before = int(editor.hover("untitled:a", 0) or "")
    for _ in range(100):
        editor.change("untitled:a", 5, 5, " ")
    assert int(editor.hover("untitled:a", 0) or "") < before + 10
    assert editor.quit() == 0
