"""Completion: the words that may be written at a position, the most likely first.

Each word is tried first (`rrl_dsl.editor.fitting`), so that none causes an error of type or value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.fields import field_words
from rrl_dsl.editor.fitting import Fitting
from rrl_dsl.editor.listing import files_below
from rrl_dsl.editor.place import CallAround, Place, place_at, string_at
from rrl_dsl.editor.words import (
    STATEMENTS,
    is_looked_up,
    kind_of,
    parameter_in_words,
    statement_of,
    wanted_by,
)
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform, literal
from rrl_dsl.graph.links import SUFFIXES
from rrl_dsl.graph.registry import Parameter, Signature, signatures
from rrl_dsl.graph.symbols import Definition, Poison
from rrl_dsl.graph.types import MODEL_SPACES, Choice, Field, File, Flag, Ids, Space
from rrl_dsl.language import syntax
from rrl_dsl.language.markdown import fenced
from rrl_dsl.language.span import Span
from rrl_dsl.language.spelling import check, is_name, span_of, string_value

Kind = types.CompletionItemKind

TRIGGERS: Final = ("(", ",", "=", "|", "&", "+", "-", "@", "~", '"', "'", "/", " ")

RECIPES: Final = (".rrl",)

_SNIPPETS: Final = {
    "rrl": "rrl 1",
    "param": "param ${1:name} = ${2:0.5}",
    "let": "let ${1:name} = $0",
    "import": 'import "$1" as $2',
    "contrast": "contrast $0",
}
_ANY_GRAPH: Final = next(iter(signatures().values())).shortest
_ARGUMENT, _WORD, _NAME, _SOURCE, _TRANSFORM, _KEYWORD, _SCALAR, _SCHEDULE = "abcdefgh"
"""Ranks."""
_RANKS: Final = {"source": _SOURCE, "transform": _TRANSFORM, "schedule": _SCHEDULE}


@dataclass(frozen=True)
class Suggestion:
    """A word or call that may be written.

    Attributes:
        label: The text in the list, which the editor compares with what was typed.
        kind: The icon.
        rank: A letter to sort by; suggestions of one rank keep their order.
        detail: A line next to the label.
        doc: The documentation, in Markdown.
        text: The text to insert; defaults to the label.
        snippet: The text with placeholders, for editors that support snippets.
    """

    label: str
    kind: types.CompletionItemKind
    rank: str
    detail: str = ""
    doc: str = ""
    text: str = ""
    snippet: str = ""


@dataclass(frozen=True)
class Ability:
    """The capabilities of the editor.

    Attributes:
        snippets: Whether it supports snippets.
        insert_replace: Whether the user may choose to keep or to replace the rest of a word.
    """

    snippets: bool = False
    insert_replace: bool = False


def complete(analysis: Analysis, offset: int, able: Ability) -> list[types.CompletionItem]:
    """Returns the completions of the word or string at an offset."""
    string = string_at(analysis, offset)
    place = place_at(analysis, offset)
    if string is not None:
        span = span_of(string)
        closed = offset < span.end and check(string, analysis.source) is None
        written = Span(span.start + 1, span.end - 1 if closed else offset)
        suggestions = _in_string(analysis, span.start, analysis.source.text[written.start : offset])
        return _items(suggestions, analysis, written, written.end, able)
    if place is None:
        return []
    return _items(_suggestions(analysis, place), analysis, place.span, place.end, able)


def _items(
    suggestions: Iterable[Suggestion], analysis: Analysis, typed: Span, end: int, able: Ability
) -> list[types.CompletionItem]:
    inserted = analysis.positions.range(typed)
    replaced = analysis.positions.range(Span(typed.start, end))
    items: list[types.CompletionItem] = []
    for index, suggestion in enumerate(sorted(suggestions, key=lambda suggestion: suggestion.rank)):
        snippet = suggestion.snippet if able.snippets else ""
        text = snippet or suggestion.text or suggestion.label
        edit: types.TextEdit | types.InsertReplaceEdit = types.TextEdit(replaced, text)
        if able.insert_replace:
            edit = types.InsertReplaceEdit(text, inserted, replaced)
        doc = types.MarkupContent(types.MarkupKind.Markdown, suggestion.doc)
        items.append(
            types.CompletionItem(
                suggestion.label,
                kind=suggestion.kind,
                detail=suggestion.detail or None,
                documentation=doc if suggestion.doc else None,
                sort_text=f"{suggestion.rank}{index:04}",
                insert_text_format=types.InsertTextFormat.Snippet if snippet else None,
                text_edit=edit,
            )
        )
    return items


def _suggestions(analysis: Analysis, place: Place) -> Iterator[Suggestion]:
    call = place.call
    first = place.before[0].type if place.before else None
    if first is None:
        yield from _statement(analysis, place)
    elif first == "PARAM":
        if place.before[-1].type == "EQUAL":
            yield from _flags()
    elif first == "IMPORT":
        yield from _import(analysis, place)
    elif call is not None and call.starts:
        yield from _argument(analysis, place, call)
    elif place.wants_operand:
        yield from _operands(analysis, place)
    elif place.first_in_line and place.opened:
        yield from _keywords(analysis, place)  # one starts a statement even inside brackets


# statements


def _statement(analysis: Analysis, place: Place) -> Iterator[Suggestion]:
    """Suggests the start of a statement. The graph is written once, after the definitions."""
    if not any(_is("graph", other) for other in _others(analysis, place)):
        yield from _operands(analysis, place)
    yield from _keywords(analysis, place)


def _keywords(analysis: Analysis, place: Place) -> Iterator[Suggestion]:
    others = _others(analysis, place)
    earlier = [other for other in others if other.span.start < place.span.start]
    done = any(_is("graph", other) for other in earlier)
    has_version = any(isinstance(other, syntax.Version) for other in others)
    has_contrast = any(_is("contrast", other) for other in others)
    for word, doc in STATEMENTS.items():
        match word:
            case "rrl":
                fits = not earlier and not has_version
            case "contrast":
                fits = done and not has_contrast
            case _:
                fits = not done
        if fits:
            yield Suggestion(
                word, Kind.Keyword, _KEYWORD, doc=doc, text=f"{word} ", snippet=_SNIPPETS[word]
            )


def _others(analysis: Analysis, place: Place) -> list[syntax.Statement]:
    """The statements other than the one at a place."""
    return [other for other in analysis.statements if other.span.start != place.span.start]


def _is(kind: Literal["graph", "contrast"], statement: syntax.Statement) -> bool:
    """Whether a statement is the graph or the contrast, even if it does not parse."""
    if isinstance(statement, syntax.Broken):
        return statement.kind == kind
    return isinstance(statement, syntax.Result if kind == "graph" else syntax.Contrast)


def _import(analysis: Analysis, place: Place) -> Iterator[Suggestion]:
    if len(place.before) == 1:
        yield from _quoted(analysis, RECIPES)
    elif len(place.before) == 2 and place.before[-1].type == "STRING":
        stem = PurePath(string_value(place.before[-1]) or "").stem
        taken = signatures().keys() | analysis.resolution.definitions.keys()
        fits = is_name(stem) and stem not in taken
        yield Suggestion(f"as {stem}" if fits else "as", Kind.Keyword, _KEYWORD)


# expressions


def _operands(analysis: Analysis, place: Place) -> Iterator[Suggestion]:
    """Suggests names and built-ins, alone or as a factor before a graph."""
    names = _names(analysis, place)
    fitting = Fitting(analysis, place, names)
    called = bool(place.after) and place.after[0].type == "LPAR"
    tried: dict[str, bool] = {}  # by kind: all names of one kind fit, or none does
    for name, definition in names.items():
        kind = "" if definition is None else kind_of(definition.meaning)
        if kind not in tried:
            scales = definition is not None and _may_scale(definition)
            tried[kind] = fitting.fits(name) or (scales and fitting.fits(f"{name} * {_ANY_GRAPH}"))
        if tried[kind]:
            yield _name(analysis, name, definition)
    for signature in signatures().values():
        call = _ANY_GRAPH if _reads_file(signature) else signature.shortest
        scales = signature.kind == "schedule"
        if fitting.fits_in_kind(call) or (
            scales and fitting.fits_in_kind(f"{call} * {_ANY_GRAPH}")
        ):
            yield _built_in(signature, called=called)


def _reads_file(signature: Signature) -> bool:
    """Whether the shortest call of a built-in names a file, which may not exist."""
    return any(
        parameter.required and isinstance(parameter.type, File)
        for parameter in signature.parameters
    )


def _may_scale(definition: Definition) -> bool:
    return not isinstance(definition.meaning, Graph | Transform | Poison)


def _names(analysis: Analysis, place: Place) -> dict[str, Definition | None]:
    """The definitions before a statement; None for a name whose definition does not parse."""
    definitions: dict[str, Definition | None] = {}
    for statement in analysis.statements:
        if statement.span.end > place.start:
            break
        names: Iterable[str] = ()
        if isinstance(statement, syntax.Param | syntax.Let | syntax.Import):
            names = (statement.name.text,)
        elif isinstance(statement, syntax.Broken):
            names = sorted(statement.names)
        for name in names:
            if is_name(name) and name not in signatures():
                definitions.setdefault(name, analysis.resolution.definitions.get(name))
    return definitions


def _name(analysis: Analysis, name: str, definition: Definition | None) -> Suggestion:
    if definition is None:
        return Suggestion(name, Kind.Variable, _NAME)
    kinds = {"param": Kind.Constant, "let": Kind.Variable, "import": Kind.Module}
    doc = fenced(statement_of(analysis, definition), "rrl")
    rank = _SCALAR if _may_scale(definition) else _NAME
    return Suggestion(name, kinds[definition.kind], rank, kind_of(definition.meaning), doc)


def _built_in(signature: Signature, *, called: bool) -> Suggestion:
    name = signature.name
    needed = [parameter for parameter in signature.parameters if parameter.required]
    filled = [
        f"{parameter.name}=${{{at}:{parameter.example}}}"
        for at, parameter in enumerate(needed, start=1)
    ]
    inside = ", ".join(filled) or ("$1" if signature.parameters else "")
    return Suggestion(
        name,
        Kind.Function,
        _RANKS[signature.kind],
        str(signature),
        f"{signature.doc}\n\n{fenced(signature.example, 'rrl')}",
        text=name if called else signature.shortest,
        snippet="" if called else f"{name}({inside})$0",
    )


# arguments


def _argument(analysis: Analysis, place: Place, call: CallAround) -> Iterator[Suggestion]:
    signature = signatures().get(call.name)
    definition = _names(analysis, place).get(call.name)
    if signature is not None:
        parameter = call.parameter(signature)
        if call.argument.name is None:
            yield from _argument_names(place, call, signature)
        if _is_named(place):  # only a name may precede `=`
            return
        if parameter is not None and parameter.name not in call.taken(signature):
            yield from _values(analysis, place, parameter, signature)
    elif definition is not None and definition.kind == "import":
        yield from _imported_argument(analysis, place, call, definition)


def _argument_names(place: Place, call: CallAround, signature: Signature) -> Iterator[Suggestion]:
    taken = call.taken(signature)
    for parameter in signature.parameters:
        if parameter.name not in taken and not isinstance(parameter.type, Ids):
            detail = parameter_in_words(parameter)
            doc = f"{parameter.doc}\n\n{wanted_by(parameter)}"
            yield _argument_name(place, parameter.name, detail, doc)


def _argument_name(place: Place, name: str, detail: str, doc: str) -> Suggestion:
    text = name if _is_named(place) else f"{name}="
    return Suggestion(f"{name}=", Kind.Property, _ARGUMENT, detail, doc, text=text)


def _is_named(place: Place) -> bool:
    return bool(place.after) and place.after[0].type == "EQUAL"


def _values(
    analysis: Analysis, place: Place, parameter: Parameter, signature: Signature
) -> Iterator[Suggestion]:
    wanted = parameter.type
    if isinstance(wanted, Space):
        for space in MODEL_SPACES:
            yield Suggestion(space, Kind.EnumMember, _WORD, "space of the model", parameter.doc)
    if isinstance(wanted, Field):
        for word in field_words(analysis, place, signature, parameter):
            yield Suggestion(word, Kind.Field, _WORD, "field", parameter.doc)
    elif isinstance(wanted, Choice):
        for word in wanted.values:
            yield Suggestion(word, Kind.EnumMember, _WORD, parameter.name, parameter.doc)
    elif isinstance(wanted, Flag):
        yield from _flags()
    elif isinstance(wanted, File):
        yield from _quoted(analysis, SUFFIXES)
    if isinstance(wanted, Field | Choice):
        yield from _words(analysis, place)
    else:
        yield from _operands(analysis, place)


def _words(analysis: Analysis, place: Place) -> Iterator[Suggestion]:
    """The names that are looked up where other words denote themselves."""
    names = _names(analysis, place)
    fitting = Fitting(analysis, place, names)
    for name, definition in names.items():
        if definition is not None and is_looked_up(definition) and fitting.fits(name):
            yield _name(analysis, name, definition)


def _flags() -> Iterator[Suggestion]:
    for value in (True, False):
        yield Suggestion(literal(value), Kind.Value, _WORD)


def _imported_argument(
    analysis: Analysis, place: Place, call: CallAround, definition: Definition
) -> Iterator[Suggestion]:
    parameters = analysis.parameters_of(definition)
    given = {argument.name for argument in call.others}
    if call.argument.name is None:
        for name, parameter in parameters.items():
            if name not in given and parameter.default is not None:
                detail = f"{name} = {literal(parameter.default)}"
                yield _argument_name(place, name, detail, f"A parameter of `{call.name}`.")
    elif call.argument.name in parameters:
        if isinstance(parameters[call.argument.name].default, bool):
            yield from _flags()
        yield from _operands(analysis, place)


# files


def _in_string(analysis: Analysis, start: int, written: str) -> Iterator[Suggestion]:
    """The files that may complete a string that starts at an offset."""
    place = place_at(analysis, start)
    if place is None:
        return
    call = place.call
    endings: tuple[str, ...] = ()
    if [token.type for token in place.before] == ["IMPORT"]:
        endings = RECIPES
    elif call is not None and call.starts and (signature := signatures().get(call.name)):
        parameter = call.parameter(signature)
        if parameter is not None and isinstance(parameter.type, File):
            endings = SUFFIXES
    for file in files_below(analysis, endings, written):
        yield Suggestion(file, Kind.File, _WORD)


def _quoted(analysis: Analysis, endings: tuple[str, ...]) -> Iterator[Suggestion]:
    for file in files_below(analysis, endings, ""):
        yield Suggestion(f'"{file}"', Kind.File, _WORD)
