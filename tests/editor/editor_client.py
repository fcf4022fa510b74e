"""An editor to test the language server with: pygls's own client over stdio.

It keeps its own copies of the texts and counts positions by itself, in UTF-16 unless it says
otherwise, so that a server that counts differently is found out.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

SECONDS = 60.0
"""How long an answer may take on a slow machine before a test gives up."""

SWIFT = f"""
from rrl_dsl.editor import connection, reading, server

connection.DELAY = 0.01
reading.PATIENCE = {SECONDS}
server.serve()
"""
"""A server that publishes soon, and never before it has read the files of pairs."""
LINE_END = re.compile(r"\r\n|\n|\r")


def capabilities(**text: Any) -> types.ClientCapabilities:
    """What most editors can do."""
    item = types.ClientCompletionItemOptions(snippet_support=True)
    return types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities(completion_item=item),
            rename=types.RenameClientCapabilities(prepare_support=True),
            **text,
        )
    )


def units(text: str, encoding: str = "utf-16") -> int:
    """How long a text is in the code units of an encoding."""
    sizes = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
    codec, size = sizes[encoding]
    return len(text.encode(codec, "surrogatepass")) // size


def position(text: str, offset: int, encoding: str = "utf-16") -> types.Position:
    """Where an offset is, as LSP has it."""
    ends = [
        end_of_line.end() for end_of_line in LINE_END.finditer(text) if end_of_line.end() <= offset
    ]
    start = ends[-1] if ends else 0
    return types.Position(len(ends), units(text[start:offset], encoding))


def offset(text: str, place: types.Position, encoding: str = "utf-16") -> int:
    """The offset of a place, which must be one that `position` gives."""
    starts = [0, *(end_of_line.end() for end_of_line in LINE_END.finditer(text))]
    start = starts[place.line]
    stop = starts[place.line + 1] if place.line + 1 < len(starts) else len(text)
    for index in range(start, stop + 1):
        if units(text[start:index], encoding) == place.character:
            return index
    raise AssertionError(f"{place} is no place in {text!r}")


def applied(text: str, edits: Iterable[types.TextEdit], encoding: str = "utf-16") -> str:
    """A text after edits that may not overlap."""
    spans = sorted(
        (
            offset(text, edit.range.start, encoding),
            offset(text, edit.range.end, encoding),
            index,
            edit.new_text,
        )
        for index, edit in enumerate(edits)
    )
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    for start, end, _, new in reversed(spans):
        text = text[:start] + new + text[end:]
    return text


class Editor:
    """A client with open texts.

    Attributes:
        texts: The text of each URI.
        versions: Its version.
        published: All diagnostics that were published, in order.
        logged: What the server wrote to the log.
        returncode: How the server ended, once it did.
    """

    def __init__(
        self,
        *command: str,
        able: types.ClientCapabilities | None = None,
        folders: Iterable[Path] = (),
    ) -> None:
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: list[types.PublishDiagnosticsParams] = []
        self.logged: list[types.LogMessageParams] = []
        self.registered: list[types.Registration] = []
        self.returncode: int | None = None
        self._numbers = count(1)  # a text that is opened again gets no version a second time
        self._runner = asyncio.Runner()
        self._client = LanguageClient("editor", "1")
        self._listen()
        command = command or ("-c", SWIFT)
        self.run(self._client.start_io(sys.executable, *command))
        params = types.InitializeParams(
            capabilities=able or capabilities(),
            workspace_folders=[
                types.WorkspaceFolder(folder.as_uri(), folder.name) for folder in folders
            ],
        )
        self.result = self.run(self._client.initialize_async(params))
        self.encoding = str(
            getattr(self.result.capabilities.position_encoding, "value", None)
            or self.result.capabilities.position_encoding
        )
        self._client.initialized(types.InitializedParams())

    def _listen(self) -> None:
        client = self._client

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.published.append(params)

        @client.feature(types.WINDOW_LOG_MESSAGE)
        def logged(params: types.LogMessageParams) -> None:
            self.logged.append(params)

        @client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def registered(params: types.RegistrationParams) -> None:
            self.registered += params.registrations

    def run(self, awaitable: Any) -> Any:
        """The result of something to wait for."""

        async def wait() -> Any:
            return await asyncio.wait_for(awaitable, SECONDS)

        return self._runner.run(wait())

    def ask(self, method: str, params: Any) -> Any:
        """The answer to a request; an error response is raised."""

        async def ask() -> Any:
            return await self._client.protocol.send_request_async(method, params)

        return self.run(ask())

    def tell(self, method: str, params: Any) -> None:
        """Sends a notification."""

        async def tell() -> None:
            self._client.protocol.notify(method, params)

        self.run(tell())

    def pause(self, seconds: float) -> None:
        """Lets time go by, while messages come in."""
        self.run(asyncio.sleep(seconds))

    # texts

    def open(self, uri: str, text: str) -> None:
        self.texts[uri] = text
        self.versions[uri] = next(self._numbers)
        item = types.TextDocumentItem(uri, "rrl", self.versions[uri], text)
        self.tell(types.TEXT_DOCUMENT_DID_OPEN, types.DidOpenTextDocumentParams(item))

    def change(self, uri: str, start: int, end: int, new: str) -> None:
        """Replaces a part of a text."""
        self.change_all(uri, [(start, end, new)])

    def change_all(self, uri: str, changes: Iterable[tuple[int, int, str]]) -> None:
        """Replaces parts of a text, each in what the one before left, in one message."""
        events: list[types.TextDocumentContentChangeEvent] = []
        for start, end, new in changes:
            text = self.texts[uri]
            place = types.Range(self.position(uri, start), self.position(uri, end))
            events.append(types.TextDocumentContentChangePartial(place, new))
            self.texts[uri] = text[:start] + new + text[end:]
        self._changed(uri, events)

    def replace(self, uri: str, text: str) -> None:
        """Sends a whole text anew."""
        self.texts[uri] = text
        self._changed(uri, [types.TextDocumentContentChangeWholeDocument(text)])

    def apply(self, uri: str, edits: Iterable[types.TextEdit]) -> None:
        """Makes edits of the server, and tells it."""
        self.replace(uri, applied(self.texts[uri], edits, self.encoding))

    def _changed(self, uri: str, events: list[types.TextDocumentContentChangeEvent]) -> None:
        self.versions[uri] = next(self._numbers)
        identifier = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        params = types.DidChangeTextDocumentParams(identifier, events)
        self.tell(types.TEXT_DOCUMENT_DID_CHANGE, params)

    def close(self, uri: str) -> None:
        del self.texts[uri], self.versions[uri]
        identifier = types.TextDocumentIdentifier(uri)
        self.tell(types.TEXT_DOCUMENT_DID_CLOSE, types.DidCloseTextDocumentParams(identifier))

    def saved(self, *paths: Path) -> None:
        """Tells that files changed on disk."""
        events = [types.FileEvent(path.as_uri(), types.FileChangeType.Changed) for path in paths]
        params = types.DidChangeWatchedFilesParams(events)
        self.tell(types.WORKSPACE_DID_CHANGE_WATCHED_FILES, params)

    # what it shows

    def diagnostics(self, uri: str) -> list[types.Diagnostic]:
        """The diagnostics of the present version of a text, when they are published."""

        async def wait() -> list[types.Diagnostic]:
            while True:
                for message in reversed(self.published):
                    if message.uri == uri and message.version == self.versions.get(uri):
                        return list(message.diagnostics)
                await asyncio.sleep(0.002)

        return self.run(wait())

    def next_diagnostics(self, uri: str, since: int) -> list[types.Diagnostic]:
        """The next diagnostics of a text after the first `since` messages."""

        async def wait() -> list[types.Diagnostic]:
            while True:
                messages = [message for message in self.published[since:] if message.uri == uri]
                if messages:
                    return list(messages[-1].diagnostics)
                await asyncio.sleep(0.002)

        return self.run(wait())

    def position(self, uri: str, place: int) -> types.Position:
        return position(self.texts[uri], place, self.encoding)

    def at(self, uri: str, place: int) -> dict[str, Any]:
        """The parameters that every question about a place has."""
        return {
            "text_document": types.TextDocumentIdentifier(uri),
            "position": self.position(uri, place),
        }

    def complete(self, uri: str, place: int) -> list[types.CompletionItem]:
        """The completions at a place, in the order in which they are shown."""
        params = types.CompletionParams(**self.at(uri, place))
        completions = self.ask(types.TEXT_DOCUMENT_COMPLETION, params)
        return sorted(completions.items, key=lambda item: item.sort_text)

    def hover(self, uri: str, place: int) -> str | None:
        """The Markdown that is shown at a place."""
        hover = self.ask(types.TEXT_DOCUMENT_HOVER, types.HoverParams(**self.at(uri, place)))
        return None if hover is None else hover.contents.value

    def rename(self, uri: str, place: int, name: str) -> Mapping[str, list[types.TextEdit]]:
        """The edits of each text that a rename makes."""
        params = types.RenameParams(new_name=name, **self.at(uri, place))
        return self.ask(types.TEXT_DOCUMENT_RENAME, params).changes

    def formatting(self, uri: str) -> list[types.TextEdit] | None:
        options = types.FormattingOptions(tab_size=4, insert_spaces=True)
        identifier = types.TextDocumentIdentifier(uri)
        params = types.DocumentFormattingParams(identifier, options)
        return self.ask(types.TEXT_DOCUMENT_FORMATTING, params)

    def actions(self, uri: str, start: int, end: int, *only: str) -> list[types.CodeAction]:
        """The code actions that a part of a text has."""
        place = types.Range(self.position(uri, start), self.position(uri, end))
        context = types.CodeActionContext([], only=list(only) or None)
        identifier = types.TextDocumentIdentifier(uri)
        params = types.CodeActionParams(identifier, place, context)
        return self.ask(types.TEXT_DOCUMENT_CODE_ACTION, params)

    # the end

    def quit(self, *, regularly: bool = True) -> int:
        """Ends the server, by `shutdown` and `exit` or by `exit` alone; its exit status."""

        async def end() -> int:
            server = self._client._server
            assert server is not None
            if regularly:
                await self._client.shutdown_async(None)
            self._client.exit(None)
            await server.wait()
            with contextlib.suppress(Exception):
                await self._client.stop()
            return server.returncode or 0

        self.returncode = self.run(end())
        self._runner.close()
        return self.returncode

    @property
    def failures(self) -> list[str]:
        """The messages about failures that the server logged."""
        return [message.message for message in self.logged]
