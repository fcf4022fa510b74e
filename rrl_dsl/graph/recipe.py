"""Recipes as users hold them: a text or a file -> the graph it defines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.resolve import resolve
from rrl_dsl.graph.types import Scalar
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import RRLError, in_order
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import number_value


def parse(text: str, *, params: Mapping[str, Scalar] | None = None, name: str = "<text>") -> Graph:
    """The graph that a recipe's text defines.

    Args:
        text: The recipe.
        params: New values for the recipe's `param`s.
        name: The name to show in messages, a path for example.

    Raises:
        RRLError: With every independent error of the text.
    """
    return _graph_of(Source(text.removeprefix("\ufeff"), name), params or {})


def load(path: str | Path, *, params: Mapping[str, Scalar] | None = None) -> Graph:
    """The graph that a recipe file defines; see `parse`."""
    return _graph_of(parser.read(Path(path)), params or {})


def parameter_value(text: str) -> Scalar:
    """The value of `--param NAME=VALUE`: a literal of the language, or else a word."""
    sign = -1 if text.startswith("-") else 1
    number = number_value(text.removeprefix("-"))
    if number is not None:
        return sign * number
    if text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    return text


def _graph_of(source: Source, params: Mapping[str, Scalar]) -> Graph:
    recipe, faults = parser.parse(source)
    graph, more = resolve(recipe, params)
    if faults := faults + more:
        raise RRLError(in_order(faults))
    assert graph is not None
    return graph
