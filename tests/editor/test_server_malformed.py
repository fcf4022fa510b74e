"""What is no message is answered by an error, and what comes after it is answered."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrl_dsl.editor.framing import MAX_BODY, Framing, FramingError

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
SWIFT = "from rrl_dsl.editor import connection, server; connection._PATIENCE = 0.2; server.serve()"


def framed(body: bytes, length: object = None) -> bytes:
    return b"Content-Length: %s\r\n\r\n%s" % (str(length or len(body)).encode(), body)


def message(**parts: Any) -> bytes:
    return framed(json.dumps({"jsonrpc": "2.0", **parts}).encode())


HOVER = {"textDocument": {"uri": "untitled:a"}, "position": {"line": 0, "character": 1}}


class Process:
    """A server that was told what an editor can do."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", SWIFT]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        self.numbers = count()
        able = {"processId": None, "rootUri": None, "capabilities": {}}
        self.send(message(id="first", method="initialize", params=able))
        assert "result" in self.receive()

    def send(self, content: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b": ")
            length = int(value) if name == b"Content-Length" else length
        return json.loads(self.process.stdout.read(length))

    def answers_to(self, content: bytes) -> list[tuple[int, object]]:
        """The codes and numbers of the errors that come before the answer to a sound request."""
        number = f"sound {next(self.numbers)}"
        self.send(content + message(id=number, method="textDocument/hover", params=HOVER))
        errors = []
        while (answer := self.receive()).get("id") != number:
            if "error" in answer:
                errors.append((answer["error"]["code"], answer["id"]))
        assert "result" in answer
        return errors


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    running = Process()
    yield running
    running.process.kill()
    running.process.communicate()


BODY = json.dumps({"jsonrpc": "2.0", "id": 3, "method": "textDocument/hover"}).encode()


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (b"Content-Type: x\r\n\r\n" + BODY, [PARSE]),
        (framed(BODY, -5), [PARSE]),
        (framed(BODY, "12 12"), [PARSE]),
        (framed(BODY, "abc"), [PARSE]),
        (framed(BODY, "0x10"), [PARSE]),
        (framed(BODY, "\u0663"), [PARSE]),
        (framed(BODY, MAX_BODY + 1), [PARSE]),
        (framed(BODY, "9" * 5000), [PARSE]),
        (framed(BODY, 1), [PARSE]),
        (framed(BODY, len(BODY) + 1), [PARSE]),
        (framed(BODY, len(BODY) + 10), [PARSE]),
        (framed(BODY, 10**6), [PARSE]),
        (b"Content-Length: 5\r\n" + framed(BODY), [PARSE, PARAMS]),
        (b"Content-Length: %d\r\n" % len(BODY) + framed(BODY), [PARAMS]),
        (b"no header\r\n" + framed(BODY), [PARSE, PARAMS]),
        (b"x" * 10**6, [PARSE]),
        (b"\0\xff\xfe\n\n", [PARSE]),
        (b"\r\n\r\n\r\n", []),
        (b"content-length:%d\n\n%s" % (len(BODY), BODY), [PARAMS]),
        (b"Content-Length: 0\r\n\r\n", [PARSE]),
        (framed(b"{"), [PARSE]),
        (framed(b'"\xff"'), [PARSE]),
        (framed("{}".encode("utf-16")), [PARSE]),
        (framed(b"[NaN]"), [PARSE]),
        (framed(b"[" * 10**5), [PARSE]),
        (framed(b'{"a":' * 10**5), [PARSE]),
        (framed(b"9" * 5000), [PARSE]),
    ],
)
def test_malformed_json(server: Process, sent: bytes, codes: list[int]) -> None:
    expected = [(code, 3 if code == PARAMS else None) for code in codes]
    assert server.answers_to(sent) == expected


@pytest.mark.parametrize(
    ("sent", "code", "number"),
    [
        ([], REQUEST, None),
        ([{"jsonrpc": "2.0", "id": 3, "method": "textDocument/hover"}], REQUEST, None),
        (None, REQUEST, None),
        (7, REQUEST, None),
        ("x", REQUEST, None),
        ({}, REQUEST, None),
        ({"jsonrpc": "2.0"}, REQUEST, None),
        ({"id": 3, "method": "textDocument/hover"}, REQUEST, 3),
        ({"jsonrpc": "1.0", "id": 3, "method": "textDocument/hover"}, REQUEST, 3),
        ({"jsonrpc": 2.0, "id": "a", "method": "textDocument/hover"}, REQUEST, "a"),
        ({"jsonrpc": "2.0", "id": 3}, REQUEST, 3),
        ({"jsonrpc": "2.0", "id": 3, "params": {}}, REQUEST, 3),
        ({"jsonrpc": "2.0", "result": 3}, REQUEST, None),
        ({"jsonrpc": "2.0", "id": 3, "method": 7}, REQUEST, 3),
        ({"jsonrpc": "2.0", "id": 3, "method": None}, REQUEST, 3),
        ({"jsonrpc": "2.0", "id": None, "method": "textDocument/hover"}, REQUEST, None),
        ({"jsonrpc": "2.0", "id": [3], "method": "textDocument/hover"}, REQUEST, None),
        ({"jsonrpc": "2.0", "id": True, "method": "textDocument/hover"}, REQUEST, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "textDocument/hover"}, REQUEST, None),
        ({"jsonrpc": "2.0", "id": 3, "error": "x"}, REQUEST, 3),
        ({"jsonrpc": "2.0", "id": 3, "method": "nonsense"}, METHOD, 3),
        ({"jsonrpc": "2.0", "id": 3, "method": "textDocument/hover"}, PARAMS, 3),
        ({"jsonrpc": "2.0", "id": 3, "method": "textDocument/hover", "params": "x"}, PARAMS, 3),
        ({"jsonrpc": "2.0", "id": 3, "method": "textDocument/hover", "params": [1]}, PARAMS, 3),
    ],
)
def test_malformed_requests(server: Process, sent: object, code: int, number: object) -> None:
    assert server.answers_to(framed(json.dumps(sent).encode())) == [(code, number)]


def test_a_notification_that_is_not_understood_is_logged(server: Process) -> None:
    server.send(message(method="textDocument/didOpen", params=7))
    logged = server.receive()
    assert logged["method"] == "window/logMessage"
    assert logged["params"]["message"].startswith("`textDocument/didOpen` is not understood")
    assert server.answers_to(message(method="nonsense", params=7)) == []
    assert server.answers_to(message(method="$/cancelRequest")) == []
    assert server.answers_to(message(id="nobody asked", result=7)) == []


@pytest.mark.parametrize("part", [framed(BODY, 1000), framed(BODY)[:-5], b"Content-Len"])
def test_a_message_that_stops_is_not_awaited_for_ever(server: Process, part: bytes) -> None:
    server.send(part)
    assert server.receive()["error"]["code"] == PARSE
    assert server.answers_to(b"") == []


@pytest.mark.parametrize("part", [framed(BODY)[:-5], b"Content-Length: 7"])
def test_an_end_within_a_message(part: bytes) -> None:
    running = Process()
    _, said = running.process.communicate(part, timeout=60)
    assert running.process.returncode == 1
    assert said == b"error: the input ended within a message\n"


@settings(max_examples=30)
@given(
    bodies=st.lists(st.dictionaries(st.text(max_size=9), st.text()), min_size=1, max_size=4),
    junk=st.binary(max_size=20).filter(lambda sent: b"\n" not in sent and b"\r" not in sent),
    at=st.integers(0, 4),
    size=st.integers(1, 40),
)
def test_messages_do_not_depend_on_how_they_arrive_or_what_is_between(
    bodies: list[dict[str, str]], junk: bytes, at: int, size: int
) -> None:
    texts = [json.dumps(content, ensure_ascii=False).encode() for content in bodies]
    sent = b"".join(junk * (number == at) + framed(content) for number, content in enumerate(texts))
    framing, taken, wrong = Framing(), [], 0
    for start in range(0, len(sent), size):
        framing.feed(sent[start : start + size])
        while True:
            try:
                body = framing.take()
            except FramingError:
                wrong += 1
                continue
            if body is None:
                break
            taken.append(body)
    assert taken == texts
    assert wrong <= bool(junk)
    assert not framing.inside
