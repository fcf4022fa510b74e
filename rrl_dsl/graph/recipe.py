"""Recipes as users hold them: a text or a file -> the graph it defines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.imports import Library
from rrl_dsl.graph.resolve import resolve
from rrl_dsl.graph.symbols import Resolution
from rrl_dsl.graph.types import Scalar
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import RRLError, in_order
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import number_value, string_value


def parse(
    text: str,
    *,
    params: Mapping[str, Scalar] | None = None,
    name: str = "<text>",
    directory: str | Path | None = None,
) -> Graph:
    """The graph that a recipe's text defines.

    Args:
        text: The recipe.
        params: New values for the recipe's `param`s.
        name: The name to show in messages, a path for example.
        directory: What the files that the recipe imports or reads are relative to.

    Raises:
        RRLError: With every independent error of the text.
    """
    folder = None if directory is None else Path(directory)
    return graph_of(Source(text.removeprefix("\ufeff"), name, folder), params)


def load(path: str | Path, *, params: Mapping[str, Scalar] | None = None) -> Graph:
    """The graph that a recipe file defines; see `parse`."""
    return graph_of(parser.read(Path(path)), params)


def graph_of(source: Source, params: Mapping[str, Scalar] | None = None) -> Graph:
    """The graph that a text with its place defines; see `parse`."""
    found = analyse(source, params)
    if found.faults:
        raise RRLError(in_order(found.faults))
    assert found.graph is not None
    return found.graph


def analyse(
    source: Source,
    params: Mapping[str, Scalar] | None = None,
    library: Library | None = None,
) -> Resolution:
    """All that is known of a text, whether or not it has errors.

    Args:
        source: The recipe.
        params: New values for the recipe's `param`s.
        library: Where imported files are found.
    """
    library = library or Library()
    try:
        recipe, faults = parser.parse(source)
    except RRLError as problem:  # over a limit of the language
        return Resolution(faults=list(problem.diagnostics))
    path = source.directory and (source.directory / Path(source.name).name).resolve()
    if path is None:
        found = resolve(recipe, params or {}, library)
    else:
        with library.opened(path):
            found = resolve(recipe, params or {}, library)
    found.faults[:0] = faults
    return found


def parameter_value(text: str) -> Scalar | None:
    """The value of `--param NAME=VALUE`: a literal as a recipe has it, or else a word.

    Returns:
        None for nothing, and for what begins with a quote and is no string of the language.
    """
    tokens = tokens_of(Source(text))
    kinds = [token.type for token in tokens]
    if kinds in (["NUMBER"], ["MINUS", "NUMBER"]):
        number = number_value(tokens[-1])
        if number is not None:
            return -number if kinds[0] == "MINUS" else number
    elif kinds in (["TRUE"], ["FALSE"]):
        return kinds == ["TRUE"]
    elif text[:1] in ("'", '"'):
        return string_value(tokens[0]) if kinds == ["STRING"] else None
    return text or None
