"""Renames a definition and all its uses.

A `let` or an import is renamed in its file. A parameter is also renamed in the calls of recipes
that import its file: recipes that are open, and those in its folder and the folders above, up to a
folder that is open in the editor. A rename that would change the meaning of a recipe is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from lark import Token
from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.documents import Document, Documents
from rrl_dsl.editor.navigation import Occurrence, Symbol, occurrences, symbol_at
from rrl_dsl.editor.place import place_of
from rrl_dsl.editor.reading import read_nothing
from rrl_dsl.editor.words import is_looked_up
from rrl_dsl.graph.registry import signatures
from rrl_dsl.graph.types import Choice, Field
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import RESERVED, is_name, span_of


class Refused(Exception):  # noqa: N818  (an answer, not a failure)
    """A rename is not possible. The message tells the user why."""


def renamed_at(documents: Documents, document: Document, offset: int) -> tuple[Span, str]:
    """Returns the name at an offset, and its span.

    Raises:
        Refused: If the text at the offset cannot be renamed.
    """
    symbol = _symbol(documents, document, offset)
    token = documents.analyzed(document).token_at(offset)
    assert token is not None
    return span_of(token), symbol.definition.name


def rename(documents: Documents, document: Document, offset: int, name: str) -> types.WorkspaceEdit:
    """Returns the edits that rename the name at an offset.

    Raises:
        Refused: If it cannot be renamed, or if that would change the meaning of a recipe.
    """
    symbol = _symbol(documents, document, offset)
    if name == symbol.definition.name:
        return documents.edit({})
    _check_name(name, symbol)
    places_of: dict[str, list[Occurrence]] = defaultdict(list)
    for occurrence in occurrences(documents, symbol):
        places_of[occurrence.uri].append(occurrence)
    _check_meaning(documents, places_of, name)
    return documents.edit(
        {
            uri: [types.TextEdit(occurrence.location.range, name) for occurrence in places]
            for uri, places in places_of.items()
        }
    )


def _symbol(documents: Documents, document: Document, offset: int) -> Symbol:
    token = documents.analyzed(document).token_at(offset)
    symbol = symbol_at(documents, document, offset)
    if symbol is None:
        if token is not None and token.type == "NAME" and token in signatures():
            raise Refused(f"`{token}` is a built-in and cannot be renamed")
        if token is not None and token.isalpha() and token.type != "NAME":
            raise Refused(f"`{token}` is a reserved word and cannot be renamed")
        raise Refused("this recipe does not define anything at this place")
    hidden = next(_hidden(symbol), None)
    if hidden is not None:
        line = symbol.analysis.source.position(span_of(hidden).start)[0]
        message = f"`{hidden}` is also in line {line}, where an error hides its meaning"
        raise Refused(f"{message}; fix that first")
    return symbol


def _check_name(name: str, symbol: Symbol) -> None:
    if name in RESERVED:
        raise Refused(f"`{name}` is a reserved word and cannot be a name")
    if not is_name(name):
        raise Refused(f"`{name}` is not a name; names are lower-case ASCII letters, digits, `_`")
    if name in signatures():
        raise Refused(f"`{name}` is a built-in and cannot be redefined")
    if name in symbol.analysis.resolution.definitions:
        raise Refused(f"`{name}` is already defined")


def _check_meaning(documents: Documents, places_of: dict[str, list[Occurrence]], name: str) -> None:
    """Compares the meaning of each document before and after the rename.

    Files of pairs are not read, because a rename does not change them.
    """
    now, texts = documents.texts, documents.texts
    changed: list[tuple[Analysis, Source]] = []
    for places in places_of.values():
        analysis = places[0].analysis
        source, text = analysis.source, analysis.source.text
        for occurrence in sorted(places, key=lambda place: place.span, reverse=True):
            text = text[: occurrence.span.start] + name + text[occurrence.span.end :]
        changed.append((analysis, replace(source, text=text)))
        if analysis.path is not None:
            texts[analysis.path] = text
    for before, source in changed:
        old = Analysis(before.source, documents.encoding, now, read_nothing)
        new = Analysis(source, documents.encoding, texts, read_nothing)
        if _meaning(old) != _meaning(new):
            where = f" in `{source.name}`" if len(changed) > 1 else ""
            raise Refused(f"`{name}` is used{where} and would change its meaning")


def _meaning(analysis: Analysis) -> tuple[object, ...]:
    """The identity of the graph of a recipe, and the codes of its errors."""
    graph = analysis.resolution.graph
    codes = sorted(fault.code for fault in analysis.resolution.faults)
    return None if graph is None else graph.identity, codes


def _hidden(symbol: Symbol) -> Iterator[Token]:
    """The tokens with the same name whose meaning is unknown because of an error."""
    analysis = symbol.analysis
    for token in analysis.tokens:
        if token.type != "NAME" or token != symbol.definition.name:
            continue
        known = analysis.names.get(span_of(token)) is symbol.definition
        if not known and not _is_plain_word(analysis, token, symbol):
            yield token


def _is_plain_word(analysis: Analysis, token: Token, symbol: Symbol) -> bool:
    """Whether a word is the name of an argument, a choice or a field, not a use of the symbol."""
    place = place_of(analysis, token)
    call = place.call
    if call is None or not call.starts:
        return False
    if place.after and place.after[0].type == "EQUAL":
        return call.argument.name is None
    signature = signatures().get(call.name)
    parameter = None if signature is None else call.parameter(signature)
    is_word = parameter is not None and isinstance(parameter.type, Field | Choice)
    alone = bool(place.after) and place.after[0].type in ("COMMA", "RPAR")
    return is_word and alone and not is_looked_up(symbol.definition)
