"""Completions for the fields of datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rrl_dsl.editor.analysis import Analysis, expressions_in
from rrl_dsl.editor.place import Place
from rrl_dsl.editor.words import is_looked_up
from rrl_dsl.graph.registry import Parameter, Signature, signatures
from rrl_dsl.graph.types import MODEL_SPACES, Field
from rrl_dsl.language import syntax
from rrl_dsl.language.spelling import is_name

_COMMON: Final = {"label": ("label", "coarse"), "vector": ("pixels",)}
"""The fields of the built-in datasets."""


def field_words(
    analysis: Analysis, place: Place, signature: Signature, parameter: Parameter
) -> list[str]:
    """Returns the fields to suggest for a parameter: common ones, and those in the document.

    Args:
        analysis: The document.
        place: The position of the field; the word at this position is ignored.
        signature: The built-in.
        parameter: A parameter of the built-in that takes a field.
    """
    kind = parameter.type.reads if isinstance(parameter.type, Field) else None
    words = [*_COMMON.get(kind or "", ()), parameter.example, str(parameter.default)]
    statements = [
        statement for statement in analysis.statements if statement.span.start != place.start
    ]
    written = place.closed(analysis.source, "_")
    statements += () if written is None else written.statements
    for expression in expressions_in(statements):
        if isinstance(expression, syntax.Call):
            words += (word for word, theirs in _named_in(expression) if theirs == kind)
    taken = {
        name
        for name, definition in analysis.resolution.definitions.items()
        if is_looked_up(definition)
    }
    known = [word for word in dict.fromkeys(words) if is_name(word) and word not in taken]
    return [word for word in known if word not in (*MODEL_SPACES, "_")]


def arguments_of(call: syntax.Call) -> Iterator[tuple[Parameter, syntax.Expression]]:
    """Iterates over the arguments of a call of a built-in that have a parameter."""
    signature = signatures().get(call.name.text)
    if signature is None:
        return
    slots = [parameter for parameter in signature.parameters if parameter.positional]
    for index, argument in enumerate(call.arguments):
        parameter = slots[index] if argument.name is None and index < len(slots) else None
        if argument.name is not None:
            parameter = signature.parameter(argument.name.text)
        if parameter is not None:
            yield parameter, argument.value


def _named_in(call: syntax.Call) -> Iterator[tuple[str, str | None]]:
    """The fields that a call names, with the kind of each."""
    for parameter, value in arguments_of(call):
        if isinstance(parameter.type, Field):
            kind = parameter.type.reads
            if isinstance(value, syntax.Name):
                yield value.text, kind
            elif isinstance(value, syntax.String):
                yield value.value or "", kind
