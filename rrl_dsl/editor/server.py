"""The language server: the handlers of the messages of the editor.

The server handles messages in order, so an answer takes all earlier changes of the document into
account. Three tasks run in other threads, because they may take long: reading files of pairs,
searching the recipes of a folder for symbols, and computing the density of a graph. An answer waits
a short time for a file or a density, and is then sent without it. If the document changes
meanwhile, the answer is the error ContentModified, and the editor asks again.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import signal
import sys
from collections.abc import Callable
from io import BufferedReader
from typing import Any, Final, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from rrl_dsl.editor import completion, navigation, rename, signature_help, structure
from rrl_dsl.editor.actions import actions_in
from rrl_dsl.editor.connection import Server
from rrl_dsl.editor.documents import path_of
from rrl_dsl.editor.formatting import formatting, formatting_of
from rrl_dsl.editor.hover import hover_at
from rrl_dsl.editor.links import links
from rrl_dsl.editor.semantic_tokens import LEGEND, semantic_tokens
from rrl_dsl.language.files import resolved

PATIENCE: Final = 1.0
"""Seconds that a hover waits for the density of its graph."""
WATCHED: Final = "**/*.{rrl,csv,tsv,parquet}"


# the life of the server


def initialize(ls: Server, params: types.InitializeParams) -> None:
    """Stores the capabilities and the folders of the editor."""
    ls.documents.encoding = ls.workspace.position_encoding or types.PositionEncodingKind.Utf16
    folders = [folder.uri for folder in params.workspace_folders or []] or [params.root_uri or ""]
    _set_folders(ls, folders)
    text, workspace = params.capabilities.text_document, params.capabilities.workspace
    item = text and text.completion and text.completion.completion_item
    ls.completing = completion.Ability(
        snippets=bool(item and item.snippet_support),
        insert_replace=bool(item and item.insert_replace_support),
    )
    edit = workspace and workspace.workspace_edit
    ls.documents.versioned = bool(edit and edit.document_changes)


def initialized(ls: Server, params: types.InitializedParams) -> None:
    """Registers for changes of files, if the editor supports it."""
    workspace = ls.client_capabilities.workspace
    watching = workspace and workspace.did_change_watched_files
    if watching and watching.dynamic_registration:
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(WATCHED)])
        registration = types.Registration(
            "watched", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options
        )
        ls.client_register_capability(types.RegistrationParams([registration]))


def shutdown(ls: Server, *_: object) -> None:
    """Notes that the editor has asked for the shutdown."""
    ls.stopped = True


def _set_folders(ls: Server, uris: list[str]) -> None:
    paths = (path_of(uri) for uri in uris)
    ls.documents.folders = tuple(resolved(path) for path in paths if path is not None)


def did_change_folders(ls: Server, params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Updates the folders that are open."""
    _set_folders(ls, [folder.uri for folder in ls.workspace.folders.values()])


# texts


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Opens a document and publishes its diagnostics."""
    opened = params.text_document
    document = ls.documents.open(opened.uri, opened.version, opened.text)
    ls.schedule_outdated()
    ls.schedule(document, at_once=True)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Changes a document."""
    document = ls.documents.get(params.text_document.uri)
    if document is not None:
        document.version = params.text_document.version
        document.change(params.content_changes, ls.documents.encoding)
        ls.schedule_outdated()


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Closes a document; recipes that import it read the file from then on."""
    ls.forget(params.text_document.uri)
    ls.schedule_outdated()


def did_change_files(ls: Server, params: object) -> None:
    """Schedules the diagnostics of documents whose files have changed."""
    ls.schedule_outdated()


# questions


def complete(ls: Server, params: types.CompletionParams) -> types.CompletionList | None:
    """Answers with the completions at a position."""
    at = ls.asked(params)
    if at is None:
        return None
    items = completion.complete(at.analysis, at.offset, ls.completing)
    return types.CompletionList(is_incomplete=False, items=items)


def help_with_signature(
    ls: Server, params: types.SignatureHelpParams
) -> types.SignatureHelp | None:
    """Answers with the signature of the call at a position."""
    at = ls.asked(params)
    return None if at is None else signature_help.signature_help(at.analysis, at.offset)


async def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    """Answers with the hover at a position; with the density of a graph if it is known in time."""
    at = ls.asked(params)
    hovered = None if at is None else hover_at(at.analysis, at.offset)
    if at is None or hovered is None:
        return None
    parts = list(hovered.parts)
    if hovered.graph is not None:
        density = ls.densities.of(hovered.graph)
        await asyncio.wait([asyncio.wrap_future(density)], timeout=PATIENCE)
        known = density.done() and not density.cancelled()
        parts.append(density.result() if known else "its density is being computed; hover again")
    text = types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(parts))
    return types.Hover(text, at.analysis.positions.range(hovered.span))


def definition(ls: Server, params: types.DefinitionParams) -> types.Location | None:
    """Answers with the definition of a name, or with the file of an import."""
    at = ls.asked(params)
    return None if at is None else navigation.definition_at(ls.documents, at.document, at.offset)


def declaration(ls: Server, params: types.DeclarationParams) -> types.Location | None:
    """Answers with the place where a name is defined."""
    at = ls.asked(params)
    return None if at is None else navigation.declaration_at(ls.documents, at.document, at.offset)


def references(ls: Server, params: types.ReferenceParams) -> list[types.Location] | None:
    """Answers with the uses of a name."""
    at = ls.asked(params)
    if at is None:
        return None
    declared = params.context.include_declaration
    return navigation.references_at(ls.documents, at.document, at.offset, declaration=declared)


def highlights(
    ls: Server, params: types.DocumentHighlightParams
) -> list[types.DocumentHighlight] | None:
    """Answers with the occurrences of a name in its document."""
    at = ls.asked(params)
    return None if at is None else navigation.highlights_at(ls.documents, at.document, at.offset)


def prepare_rename(
    ls: Server, params: types.PrepareRenameParams
) -> types.PrepareRenamePlaceholder | None:
    """Answers with the name that a rename would change."""
    at = ls.asked(params)
    if at is None:
        return None
    span, name = rename.renamed_at(ls.documents, at.document, at.offset)
    return types.PrepareRenamePlaceholder(at.analysis.positions.range(span), name)


def rename_name(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    """Answers with the edits that rename a name."""
    at = ls.asked(params)
    if at is None:
        return None
    return rename.rename(ls.documents, at.document, at.offset, params.new_name)


def symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
    """Answers with the outline of a document."""
    document = ls.documents.get(params.text_document.uri)
    return None if document is None else navigation.outline(ls.documents.analyzed(document))


async def workspace_symbols(
    ls: Server, params: types.WorkspaceSymbolParams
) -> list[types.WorkspaceSymbol]:
    """Answers with the definitions in the editor's folders, found in a thread."""
    documents = ls.documents.copy()
    symbols = ls.workers.submit(lambda: list(navigation.symbols_below(documents, params.query)))
    return await asyncio.wrap_future(symbols)


def folds(ls: Server, params: types.FoldingRangeParams) -> list[types.FoldingRange] | None:
    """Answers with the ranges that can be folded."""
    document = ls.documents.get(params.text_document.uri)
    return None if document is None else structure.folds(ls.documents.analyzed(document))


def selections(ls: Server, params: types.SelectionRangeParams) -> list[types.SelectionRange] | None:
    """Answers with the ranges to which selections expand."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        return None
    analysis = ls.documents.analyzed(document)
    places = [analysis.positions.offset(position) for position in params.positions]
    return [structure.selection_at(analysis, offset) for offset in places]


def document_links(ls: Server, params: types.DocumentLinkParams) -> list[types.DocumentLink] | None:
    """Answers with the links to the files that a document names."""
    document = ls.documents.get(params.text_document.uri)
    return None if document is None else links(ls.documents, ls.documents.analyzed(document))


def colors(ls: Server, params: types.SemanticTokensParams) -> types.SemanticTokens | None:
    """Answers with the semantic tokens of a document."""
    document = ls.documents.get(params.text_document.uri)
    return None if document is None else semantic_tokens(ls.documents.analyzed(document))


def format_document(
    ls: Server, params: types.DocumentFormattingParams
) -> list[types.TextEdit] | None:
    """Answers with the edits that format a document."""
    document = ls.documents.get(params.text_document.uri)
    return None if document is None else formatting(ls.documents.analyzed(document))


def format_range(
    ls: Server, params: types.DocumentRangeFormattingParams
) -> list[types.TextEdit] | None:
    """Answers with the edits that format the statements in a range."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        return None
    analysis = ls.documents.analyzed(document)
    return formatting_of(analysis, analysis.positions.span(params.range))


def actions(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    """Answers with the fixes of errors."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        return None
    span = ls.documents.analyzed(document).positions.span(params.range)
    return actions_in(ls.documents, document, span, params.context.only)


_FEATURES: Final[tuple[tuple[str, Callable[..., Any], object], ...]] = (
    (types.INITIALIZE, initialize, None),
    (types.INITIALIZED, initialized, None),
    (types.SHUTDOWN, shutdown, None),
    (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, did_change_folders, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, did_change_files, None),
    (types.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (types.TEXT_DOCUMENT_DID_SAVE, did_change_files, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (types.WORKSPACE_SYMBOL, workspace_symbols, None),
)
_ABOUT_A_TEXT: Final[tuple[tuple[str, Callable[..., Any], object], ...]] = (
    (
        types.TEXT_DOCUMENT_COMPLETION,
        complete,
        types.CompletionOptions(trigger_characters=completion.TRIGGERS),
    ),
    (
        types.TEXT_DOCUMENT_SIGNATURE_HELP,
        help_with_signature,
        types.SignatureHelpOptions(trigger_characters=signature_help.TRIGGERS),
    ),
    (types.TEXT_DOCUMENT_HOVER, hover, None),
    (types.TEXT_DOCUMENT_DEFINITION, definition, None),
    (types.TEXT_DOCUMENT_DECLARATION, declaration, None),
    (types.TEXT_DOCUMENT_REFERENCES, references, None),
    (types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, highlights, None),
    (types.TEXT_DOCUMENT_PREPARE_RENAME, prepare_rename, None),
    (types.TEXT_DOCUMENT_RENAME, rename_name, None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, symbols, None),
    (types.TEXT_DOCUMENT_FOLDING_RANGE, folds, None),
    (types.TEXT_DOCUMENT_SELECTION_RANGE, selections, None),
    (types.TEXT_DOCUMENT_DOCUMENT_LINK, document_links, None),
    (types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, colors, LEGEND),
    (types.TEXT_DOCUMENT_FORMATTING, format_document, None),
    (types.TEXT_DOCUMENT_RANGE_FORMATTING, format_range, None),
    (
        types.TEXT_DOCUMENT_CODE_ACTION,
        actions,
        types.CodeActionOptions([types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll]),
    ),
)


def create(*, allow_outside: bool = False) -> Server:
    """Creates a server with all features; see `serve` for the arguments."""
    server = Server(allow_outside=allow_outside)
    for method, handler, options in _FEATURES:
        server.feature(method, options)(_guarded(handler))
    for method, handler, options in _ABOUT_A_TEXT:
        server.feature(method, options)(_guarded(_after_reading(handler)))
    return server


def _after_reading(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a handler that first waits for the files of pairs that the document names."""

    async def answer(ls: Server, params: Any) -> object:
        await ls.read(params.text_document.uri)
        result = handler(ls, params)
        return await result if inspect.isawaitable(result) else result

    return functools.wraps(handler)(answer)


def _guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a handler that reports an unexpected exception and answers with None."""

    async def wait(ls: Server, params: object) -> object:
        try:
            return await handler(ls, params)
        except rename.Refused as refusal:
            raise JsonRpcException(str(refusal), types.LSPErrorCodes.RequestFailed) from None
        except JsonRpcException:
            raise
        except Exception:
            ls.failed(handler.__name__)
            return None

    def answer(ls: Server, *params: object) -> object:
        try:
            return handler(ls, *params)
        except Exception:
            ls.failed(handler.__name__)
            return None

    return functools.wraps(handler)(wait if inspect.iscoroutinefunction(handler) else answer)


def serve(*, allow_outside: bool = False) -> None:
    """Runs the language server on standard input and output until the editor ends it.

    Args:
        allow_outside: Whether a recipe may read files outside its folder.

    Raises:
        SystemExit: 0 if the editor shut the server down, 1 if it disconnected before that.
    """
    logging.getLogger("pygls").setLevel(logging.CRITICAL)  # the editor gets these errors as answers
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's handler waits for the thread that reads
    server = create(allow_outside=allow_outside)
    answers, sys.stdout = sys.stdout, sys.stderr  # only the server may write to the real stdout
    raise SystemExit(server.run(cast(BufferedReader, sys.stdin.buffer), answers.buffer))
