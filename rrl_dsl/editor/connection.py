"""The connection to an editor: its open documents, and the diagnostics that are published.

Diagnostics are pushed. Pulling them is not offered: an editor that does both shows them twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import typing
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, BinaryIO, Final, NoReturn

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.io_ import StdoutWriter
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

from rrl_dsl import __version__
from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.completion import Ability
from rrl_dsl.editor.density import Densities
from rrl_dsl.editor.diagnostics import diagnostics_of
from rrl_dsl.editor.documents import Document, Documents
from rrl_dsl.editor.framing import Framing, FramingError
from rrl_dsl.editor.reading import PairFiles
from rrl_dsl.editor.workers import Workers

DELAY = 0.2
"""Seconds without a further change after which diagnostics are published."""

_PATIENCE: Final = 5.0
"""Seconds without a byte after which the rest of a message is not awaited any more."""
_PART: Final = 2**16

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """The protocol of pygls, without its copy of the open documents, and with more answers.

    The copy that pygls keeps also ends lines at form feeds and U+2028, unlike editors and the
    language. pygls does not answer malformed requests and requests after shutdown, and the editor
    would wait forever.
    """

    _server: Server

    def receive(self, body: bytes) -> bool:
        """Answers a message, even if it is malformed.

        A notification has no answer; if it is malformed, this is written to the editor's log.

        Returns:
            Whether the message is JSON.
        """
        try:
            data = _parsed(body)
        except JsonRpcParseError as problem:
            self.refuse(None, problem)
            return False
        number = data.get("id") if isinstance(data, dict) else None
        number = number if isinstance(number, str | int) and not isinstance(number, bool) else None
        try:
            _check(data)
            self.handle_message(self.structure_message(data))
        except JsonRpcInvalidParams as problem:
            if "id" in data:
                self.refuse(number, problem)
            else:
                self._server.noted(f"`{data['method']}` is not understood: {problem.message}")
        except JsonRpcException as problem:
            self.refuse(number, problem)
        except BrokenPipeError:
            raise
        except Exception:
            self._server.failed("a message")
        return True

    def refuse(self, number: str | int | None, problem: JsonRpcException) -> None:
        """Answers a request with an error; `number` is None if its id is unknown."""
        error = {"code": problem.code, "message": problem.message}
        self._send_data({"jsonrpc": self.VERSION, "id": number, "error": error})

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Returns a message as an object of its type.

        Raises:
            JsonRpcException: If its parameters do not fit its method.
        """
        if "method" in data:
            data.setdefault("params", None)
        try:
            return super().structure_message(data)
        except JsonRpcException as problem:
            if "method" in data:
                raise JsonRpcInvalidParams() from problem
            raise JsonRpcInvalidRequest("this is neither a result nor an error") from problem

    @property
    def listens(self) -> bool:
        """Whether the server is initialized and not shut down."""
        return self._workspace is not None and not self._shutdown

    def handle_message(self, message: RPCMessage) -> None:
        """Answers a message; before `initialize` and after `shutdown`, requests get an error."""
        method = getattr(message, "method", None)  # an answer of the editor has none
        problem: JsonRpcException | None = None
        if self._shutdown:
            problem = JsonRpcInvalidRequest("the server has been shut down")
        elif self._workspace is None and method != types.INITIALIZE:
            problem = JsonRpcServerNotInitialized("`initialize` must come first")
        elif self._workspace is not None and method == types.INITIALIZE:
            problem = JsonRpcInvalidRequest("`initialize` must come only once")
        if problem is None or method == types.EXIT:
            super().handle_message(message)
        elif isinstance(message, RPCRequest):
            self._send_response(message.id, error=problem.to_response_error())

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Handles a document that was opened."""
        self.fm.features[types.TEXT_DOCUMENT_DID_OPEN](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Handles the changes of a document."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Handles a document that was closed."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE](params)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_json)
    except UnicodeDecodeError:
        raise JsonRpcParseError("this is not UTF-8") from None
    except (ValueError, RecursionError) as problem:
        raise JsonRpcParseError(f"this is not JSON: {problem}") from None


def _check(data: Any) -> None:
    """Checks that a value is a message of JSON-RPC.

    Raises:
        JsonRpcException: -32600 if it is not.
    """
    if not isinstance(data, dict):
        raise JsonRpcInvalidRequest("a message must be one JSON object")
    if data.get("jsonrpc") != Protocol.VERSION:
        raise JsonRpcInvalidRequest(f"`jsonrpc` must be `{Protocol.VERSION}`")
    if "id" in data and (isinstance(data["id"], bool) or not isinstance(data["id"], str | int)):
        raise JsonRpcInvalidRequest("an `id` must be a string or an integer")
    if not isinstance(data.get("method", ""), str):
        raise JsonRpcInvalidRequest("a `method` must be a string")
    if not {"method", "result", "error"} & data.keys():
        raise JsonRpcInvalidRequest("a message must have a `method`, a `result` or an `error`")
    if "method" not in data and "id" not in data:
        raise JsonRpcInvalidRequest("an answer must have an `id`")


def _no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


class _AboutPlace(typing.Protocol):
    text_document: types.TextDocumentIdentifier
    position: types.Position


@dataclass(frozen=True)
class Question:
    """A position that a request is about.

    Attributes:
        document: The document.
        analysis: Its analysis.
        offset: The offset of the position.
    """

    document: Document
    analysis: Analysis
    offset: int


class Server(LanguageServer):
    """The language server and its open documents.

    Attributes:
        documents: The open documents.
        densities: The densities of graphs.
        completing: The capabilities of the editor for completion.
        workers: The threads that read files.
        stopped: Whether the editor has asked the server to shut down.
    """

    protocol: Protocol

    def __init__(self, *, allow_outside: bool = False) -> None:
        super().__init__("rrl-dsl", __version__, protocol_cls=Protocol)
        self.workers = Workers()
        pairs = PairFiles(self.workers, self._read_another)
        self.documents = Documents(allow_outside=allow_outside, read_pairs=pairs.read)
        self.densities = Densities()
        self.completing = Ability()
        self.stopped = False
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, stdin: BufferedReader, stdout: BinaryIO) -> int:
        """Answers messages until the editor sends `exit` or disconnects.

        Returns:
            0 if the editor sent `shutdown` before, else 1.
        """
        self.protocol.set_writer(StdoutWriter(stdout))
        try:
            asyncio.run(self._listen(stdin))
        except (BrokenPipeError, KeyboardInterrupt, SystemExit):  # `exit` raises the last
            pass
        finally:
            self.shutdown()  # type: ignore[no-untyped-call]
        return 0 if self.stopped else 1

    async def _listen(self, stdin: BufferedReader) -> None:
        framing = Framing()
        self._loop = asyncio.get_running_loop()
        while True:
            reading = self._loop.run_in_executor(None, stdin.read1, _PART)
            while not (await asyncio.wait({reading}, timeout=_PATIENCE))[0]:
                if framing.inside:
                    self.protocol.refuse(None, JsonRpcParseError(str(framing.give_up())))
            sent = reading.result()
            if not sent:
                break
            framing.feed(sent)
            while True:
                try:
                    body = framing.take()
                except FramingError as problem:
                    self.protocol.refuse(None, JsonRpcParseError(str(problem)))
                    continue
                if body is None:
                    break
                if not self.protocol.receive(body):
                    framing.take_back(body)
                await asyncio.sleep(0)  # what answers it starts before the next one is looked at
        if framing.inside:
            self.stopped = False
            sys.stderr.write("error: the input ended within a message\n")

    async def read(self, uri: str) -> None:
        """Waits for the files of pairs that a document names, at most `PATIENCE` seconds for each.

        Schedules the diagnostics of all outdated documents first, because the answer may analyze
        them again, and they are not outdated after that.

        Raises:
            JsonRpcException: ContentModified if the document changes or is closed meanwhile.
        """
        for outdated in self._outdated():
            if outdated.uri not in self._waiting:
                self.schedule(outdated)
        document = self.documents.get(uri)
        version = None if document is None else document.version
        while document is not None:
            unread = self.documents.analyzed(document).unread
            patience = max((reading.patience() for reading in unread), default=0.0)
            if not patience:
                return
            files = [asyncio.wrap_future(reading.future) for reading in unread]
            await asyncio.wait(files, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if self.documents.get(uri) is not document or document.version != version:
                message = "the text has changed"
                raise JsonRpcException(message, types.LSPErrorCodes.ContentModified)

    def _read_another(self) -> None:
        """Schedules diagnostics after a thread has read a file of pairs."""
        with suppress(RuntimeError):  # the loop has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.schedule_outdated)

    def asked(self, params: _AboutPlace) -> Question | None:
        """Returns the position that a request is about; None if the document is not open."""
        document = self.documents.get(params.text_document.uri)
        if document is None:
            return None
        analysis = self.documents.analyzed(document)
        return Question(document, analysis, analysis.positions.offset(params.position))

    def schedule(self, document: Document, *, at_once: bool = False) -> None:
        """Publishes the diagnostics of a document after `DELAY` seconds without a change."""
        waiting = self._waiting.pop(document.uri, None)
        if waiting is not None:
            waiting.cancel()
        loop = asyncio.get_running_loop()
        delay = 0 if at_once else DELAY
        self._waiting[document.uri] = loop.call_later(delay, self.publish, document.uri)

    def schedule_outdated(self) -> None:
        """Schedules every document that has changed, or whose files have changed."""
        for document in self._outdated():
            self.schedule(document)

    def _outdated(self) -> Iterator[Document]:
        texts = self.documents.texts
        for document in self.documents:
            if document.is_outdated(texts):
                yield document

    def publish(self, uri: str) -> None:
        """Publishes the diagnostics of a document, after waiting for its files of pairs.

        It does not wait longer than `PATIENCE` for a file. When that file has been read, the
        diagnostics are published again.
        """
        self._waiting.pop(uri, None)
        document = self.documents.get(uri)
        if document is None:
            return
        try:
            analysis = self.documents.analyzed(document)
            patience = max((reading.patience() for reading in analysis.unread), default=0.0)
            if patience:
                loop = asyncio.get_running_loop()
                self._waiting[uri] = loop.call_later(patience, self.publish, uri)
                return
            diagnostics = diagnostics_of(self.documents, analysis)
        except Exception:
            self.failed("diagnostics")
            return
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, diagnostics, version=document.version)
        )

    def forget(self, uri: str) -> None:
        """Closes a document and removes its diagnostics."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        self.documents.close(uri)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def noted(self, what: str) -> None:
        """Writes a warning to the editor's log, if the server is initialized."""
        if self.protocol.listens:
            self.window_log_message(types.LogMessageParams(types.MessageType.Warning, what))

    def failed(self, what: str) -> None:
        """Reports a bug of the server on standard error and in the editor's log."""
        _log.exception("%s failed", what)
        message = f"rrl-dsl itself failed ({what}): {sys.exc_info()[1]!r}"
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, message))
