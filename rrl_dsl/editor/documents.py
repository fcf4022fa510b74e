"""The texts that are open in the editor, and the recipe files around them."""

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
    """An open text.

    Attributes:
        uri: What the editor calls it.
        version: The editor's number for its present state.
        source: The text with its place; a text that is no file lies in no folder.
        path: Where it lies, links resolved; None where it lies in no folder.
        analysis: What was known of it when that was last asked for.
    """

    uri: str
    version: int
    source: Source
    path: Path | None
    analysis: Analysis | None = None

    def change(
        self, changes: Sequence[types.TextDocumentContentChangeEvent], encoding: Encoding
    ) -> None:
        """Applies the editor's changes, each to what the one before it left."""
        for change in changes:
            text = change.text
            if isinstance(change, types.TextDocumentContentChangePartial):
                whole, span = self.source.text, Positions(self.source, encoding).span(change.range)
                text = whole[: span.start] + change.text + whole[max(span) :]
            self.source = replace(self.source, text=text)

    def is_outdated(self, texts: Mapping[Path, str]) -> bool:
        """Whether its text, or a file that it reads, is another than in its analysis."""
        return self.analysis is None or not self.analysis.is_current(self.source, texts)


class Documents:
    """Every open text by its URI.

    Attributes:
        encoding: How the editor counts the characters of a line.
        folders: The folders that the editor has open.
        versioned: Whether the editor takes changes that say which version they are for.
        allow_outside: Whether the files of a recipe may lie elsewhere than below its folder.
        read_pairs: How the files of pairs of open texts are read; those of other texts are not.
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
        """Takes in a text that was opened."""
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
        """The open text of that URI."""
        return self._open.get(uri)

    def close(self, uri: str) -> None:
        """Forgets a text."""
        self._open.pop(uri, None)

    @property
    def texts(self) -> dict[Path, str]:
        """The open texts that stand for files."""
        return {each.path: readable(each.source).text for each in self if each.path is not None}

    def analyzed(self, document: Document) -> Analysis:
        """What is known of an open text as it and the files that it reads are now."""
        texts = self.texts
        if document.analysis is None or document.is_outdated(texts):
            document.analysis = self.analyze(document.source, texts)
        return document.analysis

    def analyze(self, source: Source, texts: Mapping[Path, str]) -> Analysis:
        """What is known of a text, where some texts stand for files."""
        return Analysis(source, self.encoding, texts, self.read_pairs)

    def copy(self) -> Documents:
        """The texts as they are now, for another thread, which reads no files of pairs."""
        copied = Documents(allow_outside=self.allow_outside, read_pairs=read_nothing)
        copied.encoding, copied.folders = self.encoding, self.folders
        copied._open = {each.uri: replace(each) for each in self}
        return copied

    def at(self, path: Path) -> Document | None:
        """The open text that stands for a file."""
        return next((each for each in self if each.path == path), None)

    def is_there(self, path: Path) -> bool:
        """Whether a file is open, or on disk."""
        return self.at(path) is not None or os.path.isfile(path)

    def uri_of(self, path: Path) -> str:
        """What the editor calls a file."""
        document = self.at(path)
        return document.uri if document is not None else uris.from_fs_path(str(path)) or ""

    def analysis_of(self, path: Path) -> Analysis | None:
        """What is known of a file, open or not; None where it cannot be read."""
        document = self.at(path)
        if document is not None:
            return self.analyzed(document)
        try:
            source = self._bounded(parser.read(path, path.name))
            return Analysis(source, self.encoding, self.texts, read_nothing)
        except RRLError:
            return None

    def edit(self, changes: Mapping[str, list[types.TextEdit]]) -> types.WorkspaceEdit:
        """Changes by URI for the editor to make, in its open texts as they are now."""
        if not self.versioned:
            return types.WorkspaceEdit(changes=dict(changes))
        edits: list[types.TextDocumentEdit] = []
        for uri, each in changes.items():
            document = self.get(uri)
            version = None if document is None else document.version
            identifier = types.OptionalVersionedTextDocumentIdentifier(uri, version)
            edits.append(types.TextDocumentEdit(identifier, list(each)))
        return types.WorkspaceEdit(document_changes=edits)

    def may_import(self, path: Path) -> Iterator[Path]:
        """The recipe files that may import a file: those in its folder and in the ones above it.

        Above it, only as far as a folder that the editor has open. Files that are open in the
        editor but not yet on disk are among them.
        """
        around = [each for each in self.folders if path.is_relative_to(each)]
        root = min(around, key=lambda folder: len(folder.parts), default=path.parent)
        above = [each for each in path.parents if each.is_relative_to(root)]
        found = {each.path for each in self if each.path is not None and each.path.parent in above}
        for folder in above:
            found |= {each for each in _listed(folder) if each.suffix == ".rrl"}
        yield from sorted(found - {path})


def path_of(uri: str) -> Path | None:
    """The file that a URI names; None where it names none."""
    path = uris.to_fs_path(uri)
    return None if path is None else Path(path)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
