"""Descriptions of meanings and parameters, for hover, completion and the outline."""

from __future__ import annotations

from typing import Final

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform, literal
from rrl_dsl.graph.registry import Parameter
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.symbols import Definition, Meaning, Poison

STATEMENTS: Final = {
    "rrl": "The version of the language. Must be first.",
    "param": "A parameter: a number, a string or a flag with a default.",
    "let": "A name for a graph, a transform or a value.",
    "import": "Binds the graph of another recipe to a name.",
    "contrast": "The pairs that a loss may push apart. Must be last.",
}
"""Keyword -> the documentation of its statement."""

_LONGEST: Final = 200


def kind_of(meaning: Meaning) -> str:
    """Describes the meaning of an expression: `binary graph`, `transform`, `number 0.3`."""
    match meaning:
        case Graph():
            contrast = ", with a contrast" if meaning.contrast is not None else ""
            return f"{'binary' if meaning.binary else 'weighted'} graph{contrast}"
        case Transform():
            return "transform"
        case Schedule():
            return f"schedule {meaning}"
        case Poison():
            return meaning.noun
        case bool():
            return f"flag {literal(meaning)}"
        case str():
            return f"word {literal(meaning)}"
        case _:
            return f"number {meaning}"


def parameter_in_words(parameter: Parameter) -> str:
    """Describes the type and default of a parameter: `Fraction = 1.0, or a schedule`."""
    value = "" if parameter.required or parameter.default is None else f" = {_default(parameter)}"
    left_out = ", optional" if parameter.default is None else ""
    schedule = ", or a schedule" if parameter.schedulable else ""
    return f"{parameter.type.name}{value}{left_out}{schedule}"


def wanted_by(parameter: Parameter) -> str:
    """Describes the valid values: `a number above 0 and at most 1, or a schedule`."""
    return f"{parameter.type.described}{', or a schedule' if parameter.schedulable else ''}"


def statement_of(analysis: Analysis, definition: Definition) -> str:
    """Returns the text of the statement that defines a name, shortened if it is long."""
    statement = analysis.statement_at(definition.span.start)
    span = definition.span if statement is None else statement.span
    text = analysis.source.text[span.start : span.end]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def is_looked_up(definition: Definition) -> bool:
    """Whether the name is replaced by its value even where a parameter takes words."""
    return definition.kind == "param" or isinstance(definition.meaning, str)


def _default(parameter: Parameter) -> str:
    return str(parameter).partition("=")[2]
