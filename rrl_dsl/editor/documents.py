"""The open documents, and the recipe files around them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lsprotocol import types
from pygls import uris

from rrl_dsl.editor.analysis import Analysis, readable
from rrl_dsl.editor.positions import Encoding, Positions
from rrl_dsl.editor.reading import ReadPairs, read_at_once, read_nothing
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.files import resolved
from rrl_dsl.language.span import Source


@dataclass
class Document:
    """An open document.

    Attributes:
        uri: The URI.
        version: The version number of the editor.
        source: The text; its directory is None if it is not a file.
        path: The resolved path; None if it is not a file.
        analysis: The last analysis, which may be outdated.
    """

    uri: str
    version: int
    source: Source
    path: Path | None
    analysis: Analysis | None = None

    def change(
        self, changes: Sequence[types.TextDocumentContentChangeEvent], encoding: Encoding
    ) -> None:
        """Applies changes one after the other."""
        for change in changes:
            text = change.text
            if isinstance(change, types.TextDocumentContentChangePartial):
                whole, span = self.source.text, Positions(self.source, encoding).span(change.range)
                text = whole[: span.start] + change.text + whole[max(span) :]
            self.source = replace(self.source, text=text)

    def is_outdated(self, texts: Mapping[Path, str]) -> bool:
        """Whether the document or a file that it reads has changed since its analysis."""
        return self.analysis is None or not self.analysis.is_current(self.source, texts)


class Documents:
    """The open documents, by URI.

    Attributes:
        encoding: The code units in which the editor counts columns.
        folders: The open folders of the editor.
        versioned: Whether the editor supports edits of a given version of a document.
        allow_outside: Whether a recipe may read files outside its folder.
        read_pairs: Reads the files of pairs that open documents name.
    """

    def __init__(
        self, *, allow_outside: bool = False, read_pairs: ReadPairs = read_at_once
    ) -> None:
        self.allow_outside = allow_outside
        self.read_pairs = read_pairs
        self.encoding: Encoding = types.PositionEncodingKind.Utf16
        self.folders: tuple[Path, ...] = ()
        self.versioned = False
        self._open: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(self._open.values())

    def open(self, uri: str, version: int, text: str) -> Document:
        """Adds a document."""
        path = path_of(uri)
        if path is None:
            document = Document(uri, version, Source(text, uri), None)
        else:
            source = self._bounded(Source(text, path.name, path.parent))
            document = Document(uri, version, source, resolved(path))
        self._open[uri] = document
        return document

    def _bounded(self, source: Source) -> Source:
        return source.unbounded() if self.allow_outside else source

    def get(self, uri: str) -> Document | None:
        """Returns the open document of a URI, or None."""
        return self._open.get(uri)

    def close(self, uri: str) -> None:
        """Removes a document."""
        self._open.pop(uri, None)

    @property
    def texts(self) -> dict[Path, str]:
        """The texts of the open documents that are files, by resolved path."""
        return {
            document.path: readable(document.source).text
            for document in self
            if document.path is not None
        }

    def analyzed(self, document: Document) -> Analysis:
        """Returns the current analysis of an open document."""
        texts = self.texts
        if document.analysis is None or document.is_outdated(texts):
            document.analysis = self.analyze(document.source, texts)
        return document.analysis

    def analyze(self, source: Source, texts: Mapping[Path, str]) -> Analysis:
        """Analyzes a text, with texts that replace files."""
        return Analysis(source, self.encoding, texts, self.read_pairs)

    def copy(self) -> Documents:
        """Returns a copy for use in another thread; it does not read files of pairs."""
        copied = Documents(allow_outside=self.allow_outside, read_pairs=read_nothing)
        copied.encoding, copied.folders = self.encoding, self.folders
        copied._open = {document.uri: replace(document) for document in self}
        return copied

    def at(self, path: Path) -> Document | None:
        """Returns the open document of a path, or None."""
        return next((document for document in self if document.path == path), None)

    def is_there(self, path: Path) -> bool:
        """Whether a file is open or exists on disk."""
        return self.at(path) is not None or os.path.isfile(path)

    def uri_of(self, path: Path) -> str:
        """Returns the URI of a file."""
        document = self.at(path)
        return document.uri if document is not None else uris.from_fs_path(str(path)) or ""

    def analysis_of(self, path: Path) -> Analysis | None:
        """Returns the analysis of a file, open or not; None if it cannot be read."""
        document = self.at(path)
        if document is not None:
            return self.analyzed(document)
        try:
            source = self._bounded(parser.read(path, path.name))
            return Analysis(source, self.encoding, self.texts, read_nothing)
        except RRLError:
            return None

    def edit(self, changes: Mapping[str, list[types.TextEdit]]) -> types.WorkspaceEdit:
        """Returns a workspace edit from edits by URI."""
        if not self.versioned:
            return types.WorkspaceEdit(changes=dict(changes))
        edits: list[types.TextDocumentEdit] = []
        for uri, edit in changes.items():
            document = self.get(uri)
            version = None if document is None else document.version
            identifier = types.OptionalVersionedTextDocumentIdentifier(uri, version)
            edits.append(types.TextDocumentEdit(identifier, list(edit)))
        return types.WorkspaceEdit(document_changes=edits)

    def may_import(self, path: Path) -> Iterator[Path]:
        """Iterates over the recipes that may import a file.

        These are the recipes in its folder and in the folders above it, up to an open folder of
        the editor. They include open documents that are not saved.
        """
        around = [folder for folder in self.folders if path.is_relative_to(folder)]
        root = min(around, key=lambda folder: len(folder.parts), default=path.parent)
        above = [parent for parent in path.parents if parent.is_relative_to(root)]
        paths = {
            document.path
            for document in self
            if document.path is not None and document.path.parent in above
        }
        for folder in above:
            paths |= {file for file in _listed(folder) if file.suffix == ".rrl"}
        yield from sorted(paths - {path})


def path_of(uri: str) -> Path | None:
    """Returns the path of a URI; None if it is not the URI of a file."""
    path = uris.to_fs_path(uri)
    return None if path is None else Path(path)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
