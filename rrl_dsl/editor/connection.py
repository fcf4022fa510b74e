"""The connection to an editor: the texts that are open, and the diagnostics that are published.

Diagnostics are pushed. They are not offered to be pulled as well: editors that do both show each
of them twice.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidRequest,
    JsonRpcServerNotInitialized,
)
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

from rrl_dsl import __version__
from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.completion import Ability
from rrl_dsl.editor.density import Densities
from rrl_dsl.editor.diagnostics import diagnostics_of
from rrl_dsl.editor.documents import Document, Documents

DELAY = 0.2
"""Seconds without a further change after which diagnostics are published."""

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """The protocol without a copy of the open texts, and with an answer to every request.

    The copy that pygls keeps takes further characters for line ends (form feeds, U+2028), which an
    editor and the language do not; and an editor would wait for ever for an answer that pygls does
    not give, to a request that comes after the end or that is not well formed.
    """

    def structure_message(self, data: dict[str, Any]) -> Any:
        """A message by its type; a request that is none of its method's is answered by an error."""
        try:
            return super().structure_message(data)
        except JsonRpcException as problem:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=problem.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Answers a message; before and after the conversation with an error, or not at all."""
        method = getattr(message, "method", None)  # an answer of the editor has none
        problem: JsonRpcException | None = None
        if self._shutdown:
            problem = JsonRpcInvalidRequest("the server has been shut down")
        elif self._workspace is None and method != types.INITIALIZE:
            problem = JsonRpcServerNotInitialized("`initialize` comes first")
        elif self._workspace is not None and method == types.INITIALIZE:
            problem = JsonRpcInvalidRequest("`initialize` comes once")
        if problem is None or method == types.EXIT:
            super().handle_message(message)
        elif isinstance(message, RPCRequest):
            self._send_response(message.id, error=problem.to_response_error())

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Passes on a text that was opened."""
        self.fm.features[types.TEXT_DOCUMENT_DID_OPEN](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Passes on the changes of a text."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Passes on that a text was closed."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE](params)


class _AboutPlace(typing.Protocol):
    text_document: types.TextDocumentIdentifier
    position: types.Position


@dataclass(frozen=True)
class Question:
    """A place that a question is about.

    Attributes:
        document: The text.
        analysis: What is known of it.
        offset: Where in it.
    """

    document: Document
    analysis: Analysis
    offset: int


class Server(LanguageServer):
    """The server with the texts that are open.

    Attributes:
        documents: The open texts.
        densities: What is known of the density of graphs.
        completing: What the editor can do with suggestions.
        stopped: Whether the editor has asked the server to shut down.
    """

    def __init__(self) -> None:
        super().__init__("rrl-dsl", __version__, protocol_cls=Protocol)
        self.documents = Documents()
        self.densities = Densities()
        self.completing = Ability()
        self.stopped = False
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def text(self, uri: str) -> Document | None:
        """An open text.

        The diagnostics of all texts that read a file that has changed are due: the answer may
        rest on a fresh look at any of them, after which none would seem outdated.
        """
        for document in self._outdated():
            if document.uri not in self._waiting:
                self.schedule(document)
        return self.documents.get(uri)

    def asked(self, params: _AboutPlace) -> Question | None:
        """The place in an open text that a question is about."""
        document = self.text(params.text_document.uri)
        if document is None:
            return None
        analysis = self.documents.analysed(document)
        return Question(document, analysis, analysis.positions.offset(params.position))

    def schedule(self, document: Document, *, at_once: bool = False) -> None:
        """Publishes the diagnostics of an open text, once nothing happened for a while."""
        waiting = self._waiting.pop(document.uri, None)
        if waiting is not None:
            waiting.cancel()
        loop = asyncio.get_running_loop()
        delay = 0 if at_once else DELAY
        self._waiting[document.uri] = loop.call_later(delay, self.publish, document.uri)

    def schedule_outdated(self) -> None:
        """Does so for every open text of which something changed, or a file that it reads."""
        for document in self._outdated():
            self.schedule(document)

    def _outdated(self) -> Iterator[Document]:
        texts = self.documents.texts
        for document in self.documents:
            if document.analysis is None or not document.analysis.is_current(texts):
                yield document

    def publish(self, uri: str) -> None:
        """Publishes the diagnostics of an open text as it is now."""
        self._waiting.pop(uri, None)
        document = self.documents.get(uri)
        if document is None:
            return
        try:
            found = diagnostics_of(self.documents, self.documents.analysed(document))
        except Exception:
            self.failed("diagnostics")
            return
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, version=document.version)
        )

    def forget(self, uri: str) -> None:
        """Forgets a text and takes back its diagnostics."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        self.documents.close(uri)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def failed(self, what: str) -> None:
        """Says that the server itself failed, on standard error and in the editor's log."""
        _log.exception("%s failed", what)
        message = f"rrl-dsl itself failed ({what}): {sys.exc_info()[1]!r}"
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, message))
