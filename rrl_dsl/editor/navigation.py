"""The definitions and uses of names, in a recipe and in recipes that import it; the outline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lark import Token
from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.documents import Document, Documents
from rrl_dsl.editor.links import file_at
from rrl_dsl.editor.listing import recipes_below
from rrl_dsl.editor.place import place_of
from rrl_dsl.editor.words import kind_of
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.symbols import Definition, Meaning
from rrl_dsl.language import syntax
from rrl_dsl.language.span import Span
from rrl_dsl.language.spelling import span_of

_START: Final = types.Range(types.Position(0, 0), types.Position(0, 0))


@dataclass(frozen=True)
class Symbol:
    """A name that a recipe defines.

    Attributes:
        uri: The URI of the recipe.
        analysis: The analysis of the recipe.
        definition: The definition of the name.
    """

    uri: str
    analysis: Analysis
    definition: Definition


@dataclass(frozen=True)
class Occurrence:
    """A definition or use of a name.

    Attributes:
        uri: The URI of the document.
        analysis: The analysis of the document.
        span: The span of the name.
    """

    uri: str
    analysis: Analysis
    span: Span

    @property
    def location(self) -> types.Location:
        """The location in the editor's format."""
        return types.Location(self.uri, self.analysis.positions.range(self.span))


def symbol_at(documents: Documents, document: Document, offset: int) -> Symbol | None:
    """Returns the name that is defined or used at an offset.

    The symbol of an argument of an imported recipe is the parameter in that recipe.
    """
    analysis = documents.analyzed(document)
    token = analysis.token_at(offset)
    if token is None or token.type != "NAME":
        return None
    definition = analysis.names.get(span_of(token))
    if definition is not None:
        return Symbol(document.uri, analysis, definition)
    target = _recipe_given(analysis, token)
    other = None if target is None else documents.analysis_of(target)
    known = None if other is None else other.resolution.definitions.get(token)
    if target is None or other is None or known is None or known.kind != "param":
        return None
    return Symbol(documents.uri_of(target), other, known)


def occurrences(documents: Documents, symbol: Symbol) -> Iterator[Occurrence]:
    """Iterates over the occurrences of a name, for a parameter also in calls in other recipes."""
    for span, definition in sorted(symbol.analysis.names.items(), key=lambda item: item[0]):
        if definition is symbol.definition:
            yield Occurrence(symbol.uri, symbol.analysis, span)
    path = symbol.analysis.path
    if symbol.definition.kind != "param" or path is None:
        return
    for importer in documents.may_import(path):
        analysis = documents.analysis_of(importer)
        if analysis is not None:
            for span in _arguments(analysis, symbol):
                yield Occurrence(documents.uri_of(importer), analysis, span)


def definition_at(documents: Documents, document: Document, offset: int) -> types.Location | None:
    """Returns the definition of the name at an offset; the file, for an import or a file name."""
    symbol = symbol_at(documents, document, offset)
    if symbol is None:
        file = file_at(documents, documents.analyzed(document), offset)
    else:
        file = symbol.definition.target
    if file is not None and documents.is_there(file):
        return types.Location(documents.uri_of(file), _START)
    return None if symbol is None else _defined(symbol).location


def declaration_at(documents: Documents, document: Document, offset: int) -> types.Location | None:
    """Returns the definition of the name at an offset; the `import` statement, for an import."""
    symbol = symbol_at(documents, document, offset)
    return None if symbol is None else _defined(symbol).location


def references_at(
    documents: Documents, document: Document, offset: int, *, declaration: bool
) -> list[types.Location] | None:
    """Returns the uses of the name at an offset, and with `declaration` also its definition."""
    symbol = symbol_at(documents, document, offset)
    if symbol is None:
        return None
    defined = _defined(symbol)
    return [
        occurrence.location
        for occurrence in occurrences(documents, symbol)
        if declaration or occurrence != defined
    ]


def highlights_at(
    documents: Documents, document: Document, offset: int
) -> list[types.DocumentHighlight] | None:
    """Returns the occurrences of the name at an offset in its document."""
    symbol = symbol_at(documents, document, offset)
    if symbol is None:
        return None
    highlights: list[types.DocumentHighlight] = []
    for occurrence in occurrences(documents, symbol):
        if occurrence.uri == document.uri:
            defined = occurrence == _defined(symbol)
            kind = types.DocumentHighlightKind
            highlights.append(
                types.DocumentHighlight(
                    occurrence.location.range, kind.Write if defined else kind.Read
                )
            )
    return highlights


def outline(analysis: Analysis) -> list[types.DocumentSymbol]:
    """Returns the statements of a recipe as symbols."""
    return [entry for statement in analysis.statements if (entry := _entry(analysis, statement))]


def symbols_below(documents: Documents, query: str) -> Iterator[types.WorkspaceSymbol]:
    """Iterates over the definitions in recipes that are open or below the editor's folders.

    A name matches if it contains the letters of the query in order; the editor sorts the matches.
    """
    open_ = {document.path: document.uri for document in documents}
    closed = (file for file in recipes_below(documents.folders) if file not in open_)
    for path in (*filter(None, open_), *closed):
        analysis = documents.analysis_of(path)
        for entry in () if analysis is None else outline(analysis):
            if entry.kind is not types.SymbolKind.Object and _is_part(query.lower(), entry.name):
                location = types.Location(documents.uri_of(path), entry.selection_range)
                yield types.WorkspaceSymbol(
                    location, entry.name, entry.kind, container_name=path.name
                )


def _is_part(query: str, name: str) -> bool:
    rest = iter(name)
    return all(letter in rest for letter in query)


def _entry(analysis: Analysis, statement: syntax.Statement) -> types.DocumentSymbol | None:
    kinds = types.SymbolKind
    meaning: Meaning | None = None
    match statement:
        case syntax.Param() | syntax.Let() | syntax.Import():
            name, span = statement.name.text, statement.name.span
            definition = analysis.names.get(span)
            meaning = None if definition is None else definition.meaning
            kind = kinds.Function if isinstance(meaning, Transform) else kinds.Variable
            if isinstance(statement, syntax.Param):
                kind = kinds.Constant
            elif isinstance(statement, syntax.Import):
                kind = kinds.Module
        case syntax.Result():
            name, span, kind, meaning = (
                "graph",
                statement.span,
                kinds.Object,
                analysis.resolution.graph,
            )
        case syntax.Contrast():
            name, span, kind = "contrast", statement.span, kinds.Object
        case _:
            return None
    return types.DocumentSymbol(
        name,
        kind,
        analysis.positions.range(statement.span),
        analysis.positions.range(span),
        detail=None if meaning is None else kind_of(meaning),
    )


def _defined(symbol: Symbol) -> Occurrence:
    return Occurrence(symbol.uri, symbol.analysis, symbol.definition.span)


def _arguments(analysis: Analysis, symbol: Symbol) -> Iterator[Span]:
    """The spans where calls of an imported recipe name the parameter, even if they do not parse."""
    for token in analysis.tokens:
        if token.type == "NAME" and token == symbol.definition.name:
            target = _recipe_given(analysis, token)
            if target is not None and target == symbol.analysis.path:
                yield span_of(token)


def _recipe_given(analysis: Analysis, token: Token) -> Path | None:
    """The imported recipe of the call in which a word is the name of an argument."""
    place = place_of(analysis, token)
    if place.call is None or not (place.after and place.after[0].type == "EQUAL"):
        return None
    recipe = analysis.resolution.definitions.get(place.call.name)
    return None if recipe is None else recipe.target
