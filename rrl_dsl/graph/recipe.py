"""The recipes of users: a text or a file -> the graph that it defines."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from rrl_dsl.graph import links
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.imports import Library
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.resolve import resolve
from rrl_dsl.graph.symbols import Resolution
from rrl_dsl.graph.text import text_of
from rrl_dsl.graph.traversal import with_calls
from rrl_dsl.graph.types import Scalar, described
from rrl_dsl.language import parser
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import RRLError, error, in_order
from rrl_dsl.language.files import resolved, write_bytes
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import number_value, string_value, written_number

_PATH: Final = re.compile(r"""\s*[^\n#'"()|]+\.rrl\s*""")


def parse(
    text: str,
    *,
    params: Mapping[str, Scalar] | None = None,
    name: str = "<text>",
    directory: str | Path | None = None,
    allow_outside: bool = False,
) -> Graph:
    """Returns the graph that the text of a recipe defines.

    Args:
        text: The recipe.
        params: Values for the `param`s of the recipe.
        name: The name of the text in messages, such as a path.
        directory: The folder to which the paths of imports and files are relative.
        allow_outside: Whether these files may be outside that folder.

    Raises:
        RRLError: All independent errors of the text. RRL210 if `text` is not a string, or is a
            path.
    """
    _check_text(text)
    folder = None if directory is None else Path(directory)
    source = Source(text.removeprefix("\ufeff"), name, folder)
    return graph_of(source.unbounded() if allow_outside else source, params)


def load(
    path: str | Path, *, params: Mapping[str, Scalar] | None = None, allow_outside: bool = False
) -> Graph:
    """Returns the graph that a recipe file defines; see `parse`.

    Raises:
        RRLError: As `parse`. RRL210 if the argument is not a path, RRL021 if the file cannot be
            read.
    """
    _check_path(path)
    source = parser.read(Path(path))
    return graph_of(source.unbounded() if allow_outside else source, params)


def read_recipe(recipe: str | Path | Graph, *, allow_outside: bool = False) -> Source:
    """Reads the recipe that a user passes.

    Args:
        recipe: The text of a recipe, the path of a recipe file, or a graph.
        allow_outside: Whether the recipe may read files outside its folder.

    Returns:
        The text. Paths in a text or a graph are relative to the working directory.

    Raises:
        RRLError: RRL210 for any other value, or for a graph that its printed text does not define;
            RRL021 for a file that cannot be read; RRL507 if a matrix from Python cannot be written.
    """
    if isinstance(recipe, Graph):
        written = _with_files(recipe)
        source = Source(text_of(written), "<graph>", Path())
        source = source if written is recipe else source.unbounded()
        if graph_of(source.unbounded()).identity != recipe.identity:
            message = "the printed text of this graph draws other edges than the graph"
            raise error("RRL210", message, hint="pass the path of its recipe")
    elif isinstance(recipe, os.PathLike) or (
        isinstance(recipe, str) and (_PATH.fullmatch(recipe) or os.path.exists(recipe))
    ):
        source = parser.read(Path(recipe))
    else:
        _check_text(recipe)
        source = Source(recipe.removeprefix("\ufeff"), "<text>", Path())
    return source.unbounded() if allow_outside else source


def _with_files(graph: Graph) -> Graph:
    """The same graph, with matrices from Python in files of the cache, which a text can name."""

    def in_files(call: Call) -> Call:
        arguments = {name: _in_file(value) for name, value in call.arguments.items()}
        return call if arguments == call.arguments else replace(call, arguments=arguments)

    return with_calls(graph, in_files)


def _in_file(value: object) -> object:
    if not isinstance(value, Links) or value.written is not None:
        return value
    cache = Cache("matrices-from-python")
    cache.check_writable()
    path = cache.folder / f"{value.digest[:32]}.npz"
    write_bytes(path, *value.saved())
    return links.read(path, Path(os.path.relpath(path)).as_posix())


def _check_text(text: object) -> None:
    if isinstance(text, os.PathLike) or (isinstance(text, str) and _PATH.fullmatch(text)):
        message = f"`{text}` is the path of a recipe, not its text"
        raise error("RRL210", message, hint=f'use `rrl.load("{text}")` to read the file')
    if not isinstance(text, str):
        raise error("RRL210", f"a recipe must be a string, not {described(text)}")


def _check_path(path: object) -> None:
    if not isinstance(path, str | os.PathLike):
        message = f"the path of a recipe must be a string or a path, not {described(path)}"
        raise error("RRL210", message)
    if isinstance(path, str) and "(" in path and not os.path.exists(path):
        message = f"`{path}` is the text of a recipe, not its path"
        raise error("RRL210", message, hint="use `rrl.parse(text)` for a text")


def graph_of(source: Source, params: Mapping[str, Scalar] | None = None) -> Graph:
    """The graph that a text defines; see `parse`."""
    resolution = analyze(source, params)
    if resolution.faults:
        raise RRLError(in_order(resolution.faults))
    assert resolution.graph is not None
    return resolution.graph


def analyze(
    source: Source, params: Mapping[str, Scalar] | None = None, library: Library | None = None
) -> Resolution:
    """Resolves a text, with or without errors.

    Args:
        source: The recipe.
        params: New values for the recipe's `param`s.
        library: The files that it may import.
    """
    library = library or Library(within=source.within)
    try:
        recipe, faults = parser.parse(source)
    except RRLError as problem:  # beyond a limit of the language
        return Resolution(faults=list(problem.diagnostics))
    path = source.directory and resolved(source.directory / Path(source.name).name)
    with library.opened(path) if path else nullcontext():
        resolution = resolve(recipe, params or {}, library)
    resolution.faults[:0] = faults
    return resolution


def parameter_value(text: str) -> Scalar | None:
    """The value of `--param NAME=VALUE`: a literal of the language, a number, or else a word.

    Returns:
        None for an empty text, and for a text that begins with a quote but is not a string.
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
    number = written_number(text)
    return (text or None) if number is None else number
