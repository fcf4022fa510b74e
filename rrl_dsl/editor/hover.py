"""Hover: information about the word or sign under the pointer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lark import Token

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.fields import arguments_of
from rrl_dsl.editor.place import Place, place_of
from rrl_dsl.editor.words import STATEMENTS, kind_of, parameter_in_words, statement_of, wanted_by
from rrl_dsl.graph.algebra import Called, Graph
from rrl_dsl.graph.call import Call, Transform, literal
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.registry import Parameter, Signature, signatures
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.symbols import Definition, Meaning
from rrl_dsl.graph.types import MODEL_SPACES, Choice, Field, File
from rrl_dsl.language import syntax
from rrl_dsl.language.markdown import code, fenced
from rrl_dsl.language.span import Span
from rrl_dsl.language.spelling import span_of

_OF_STATEMENT: Final = frozenset(
    {
        "LET",
        "CONTRAST",
        "UNION",
        "INTERSECTION",
        "PLUS",
        "MINUS",
        "TIMES",
        "COMPOSITION",
        "COMPLEMENT",
    }
)
"""The words and signs whose hover describes the whole statement."""


@dataclass(frozen=True)
class Hover:
    """The content of a hover.

    Attributes:
        span: The text that it describes.
        parts: Paragraphs of Markdown.
        graph: The graph whose density the hover shows; None if it does not describe a graph.
    """

    span: Span
    parts: tuple[str, ...]
    graph: Graph | None = None


def hover_at(analysis: Analysis, offset: int) -> Hover | None:
    """Returns the hover of the word or sign at an offset."""
    token = analysis.token_at(offset)
    if token is None:
        return None
    span = span_of(token)
    if token.type in _OF_STATEMENT:
        return _statement(analysis, span)
    if token.type != "NAME" and token in STATEMENTS:
        return Hover(span, (STATEMENTS[token],))
    if token.type == "STRING":
        return _file(analysis, span)
    if token.type != "NAME":
        return None
    place = place_of(analysis, token)
    following = place.after[0].type if place.after else None
    if place.call is not None and place.call.starts and following == "EQUAL":
        return _argument(analysis, place, token)
    definition = analysis.names.get(span)
    if definition is not None:
        return _name(analysis, span, definition)
    signature = signatures().get(token)
    if following == "LPAR" and signature is not None:
        return _call(analysis, span, signature)
    return _word(place, token)


def _name(analysis: Analysis, span: Span, definition: Definition) -> Hover:
    """A name, with its meaning at this place: a call may give an import other parameters."""
    meaning = analysis.meaning_from(span.start)
    meaning = definition.meaning if meaning is None else meaning
    parts = [fenced(statement_of(analysis, definition), "rrl"), *_facts(meaning)]
    parameters = analysis.parameters_of(definition)
    if parameters:
        shown = ", ".join(
            code(f"{name}={literal(parameter.default)}") for name, parameter in parameters.items()
        )
        parts.append(f"parameters: {shown}")
    return Hover(span, tuple(parts), _graph(meaning))


def _call(analysis: Analysis, span: Span, signature: Signature) -> Hover:
    """A call of a built-in, with the facts of this call if it has no error."""
    meaning = analysis.meaning_from(span.start)
    parts = [fenced(str(signature), "rrl"), signature.doc]
    if isinstance(meaning, Graph | Transform):
        parts += _facts(meaning)
    return Hover(span, tuple(parts), _graph(meaning))


def _statement(analysis: Analysis, span: Span) -> Hover | None:
    """The graph, transform or value of a whole statement."""
    statement = analysis.statement_at(span.start)
    meaning: Meaning | None = None
    match statement:
        case syntax.Let():
            definition = analysis.names.get(statement.name.span)
            meaning = None if definition is None else definition.meaning
        case syntax.Result():
            meaning = analysis.resolution.graph
        case syntax.Contrast() if analysis.resolution.graph is not None:
            meaning = analysis.resolution.graph.contrast
    word = STATEMENTS.get(analysis.source.text[slice(*span)])
    if meaning is None or statement is None:
        return None if word is None else Hover(span, (word,))
    about = () if word is None else (word,)
    return Hover(statement.span, (*about, *_facts(meaning)), _graph(meaning))


def _argument(analysis: Analysis, place: Place, token: Token) -> Hover | None:
    call = place.call
    assert call is not None
    signature = signatures().get(call.name)
    if signature is not None:
        parameter = signature.parameter(token)
        return None if parameter is None else Hover(span_of(token), _parameter(parameter))
    definition = analysis.resolution.definitions.get(call.name)
    known = {} if definition is None else analysis.parameters_of(definition)
    if token not in known:
        return None
    text = fenced(f"param {token} = {literal(known[token].default)}", "rrl")
    return Hover(span_of(token), (text, f"A parameter of `{call.name}`."))


def _word(place: Place, token: Token) -> Hover | None:
    """A word that is not looked up as a name: a choice, a space or a field."""
    call = place.call
    signature = signatures().get(call.name) if call is not None else None
    if call is None or signature is None or not call.starts:
        return None
    parameter = call.parameter(signature)
    if parameter is None:
        return None
    about = _parameter(parameter)
    if isinstance(parameter.type, Choice) and token in parameter.type.values:
        return Hover(span_of(token), (f"`{token}`: a value of `{parameter.name}`", *about))
    if isinstance(parameter.type, Field):
        sort = "space of the model" if token in MODEL_SPACES else "field of the dataset"
        return Hover(span_of(token), (f"`{token}`: a {sort}", *about))
    return None


def _file(analysis: Analysis, span: Span) -> Hover | None:
    """The recipe of an import, or the file of pairs of a call."""
    for statement in analysis.statements:
        if isinstance(statement, syntax.Import) and statement.file.span == span:
            definition = analysis.names.get(statement.name.span)
            if definition is not None and definition.target is not None:
                return Hover(span, (code(str(definition.target)), *_facts(definition.meaning)))
    unread = {reading.path for reading in analysis.unread}
    calls = (
        expression for expression in analysis.expressions() if isinstance(expression, syntax.Call)
    )
    for expression in calls:
        meaning = analysis.resolution.meanings.get(expression.span)
        call = meaning.call if isinstance(meaning, Called) else None
        for parameter, value in arguments_of(expression):
            if value.span != span or not isinstance(parameter.type, File):
                continue
            links = None if call is None else call.arguments[parameter.name]
            if isinstance(links, Links):
                return Hover(span, (code(str(links.path)), links.summary))
            written = value.value if isinstance(value, syntax.String) else None
            path = None if written is None else (analysis.source.directory or Path()) / written
            if path in unread:
                return Hover(span, (code(str(path)), "the file is being read; hover again"))
    return None


def _graph(meaning: Meaning | None) -> Graph | None:
    """The graph whose density to show, without its contrast, which adds no edges."""
    if not isinstance(meaning, Graph):
        return None
    return meaning if meaning.contrast is None else meaning.operands[0]


def _parameter(parameter: Parameter) -> tuple[str, ...]:
    text = fenced(f"{parameter.name}: {parameter_in_words(parameter)}", "rrl")
    return text, parameter.doc, wanted_by(parameter)


def _facts(meaning: Meaning) -> Iterator[str]:
    """The kind of a meaning, what its edges depend on, and the columns and spaces that it reads."""
    facts = [kind_of(meaning)]
    if isinstance(meaning, Graph):
        requires = requires_of(meaning)
        facts += [f"scope: {meaning.scope}", *(["random"] if requires.draws else [])]
        facts += ["changes with the epoch or step"] if requires.epochs else []
        needs = [*requires.columns, *(("space", name) for name in requires.spaces)]
        facts += [f"reads the {kind} `{name}`" for kind, name in needs]
    elif isinstance(meaning, Transform):
        facts += [fact for call in meaning.calls for fact in _facts_of_call(call)]
    yield "; ".join(dict.fromkeys(facts))


def _facts_of_call(call: Call) -> Iterator[str]:
    yield f"scope: {call.facts.scope}"
    if call.facts.draws:
        yield "random"
    for need in call.facts.needs:
        yield f"reads the {need.kind} `{need.name}`"
