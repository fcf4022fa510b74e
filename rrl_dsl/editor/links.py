"""Links to the files that a document names: recipes that it imports, and files of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.documents import Documents
from rrl_dsl.editor.fields import arguments_of
from rrl_dsl.graph.types import File
from rrl_dsl.language import syntax
from rrl_dsl.language.files import resolved
from rrl_dsl.language.span import Span


def links(documents: Documents, analysis: Analysis) -> list[types.DocumentLink]:
    """Returns the links of a document."""
    return [
        types.DocumentLink(analysis.positions.range(span), target=documents.uri_of(path))
        for span, path in _files(documents, analysis)
    ]


def file_at(documents: Documents, analysis: Analysis, offset: int) -> Path | None:
    """Returns the file that the document names at an offset, or None."""
    files = _files(documents, analysis)
    return next((path for span, path in files if span.start <= offset <= span.end), None)


def _files(documents: Documents, analysis: Analysis) -> Iterator[tuple[Span, Path]]:
    """The existing files that the document names, with the spans of their names."""
    folder = analysis.source.directory
    for string in _strings(analysis):
        if folder is not None and string.value:
            path = resolved(folder / string.value)
            if documents.is_there(path):
                yield string.span, path


def _strings(analysis: Analysis) -> Iterator[syntax.String]:
    """The strings that name files."""
    for statement in analysis.statements:
        if isinstance(statement, syntax.Import):
            yield statement.file
    for expression in analysis.expressions():
        if isinstance(expression, syntax.Call):
            for parameter, value in arguments_of(expression):
                if isinstance(parameter.type, File) and isinstance(value, syntax.String):
                    yield value
