"""Writes what only Python gives to a recipe into files, so that a text defines the same graph."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from rrl_dsl.graph import links
from rrl_dsl.graph.algebra import Called, Graph, rebuilt
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.external import Links
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.files import write_bytes


def with_files(graph: Graph) -> Graph:
    """The same graph, with the matrices from Python in files of the cache.

    Returns:
        The graph itself if it has no such matrix. Paths are relative to the working directory.

    Raises:
        RRLError: RRL507 if a file cannot be written.
    """
    changed: dict[Call, Call] = {}

    def in_files(node: Graph) -> Graph:
        if not isinstance(node, Called):
            return node
        if node.call not in changed:
            arguments = {name: _in_file(value) for name, value in node.call.arguments.items()}
            same = arguments == node.call.arguments
            changed[node.call] = node.call if same else replace(node.call, arguments=arguments)
        call = changed[node.call]
        return node if call is node.call else replace(node, call=call)

    return rebuilt(graph, in_files)


def _in_file(value: object) -> object:
    if not isinstance(value, Links) or value.written is not None:
        return value
    cache = Cache("matrices-from-python")
    cache.check_writable()
    path = cache.folder / f"{value.digest[:32]}.npz"
    write_bytes(path, *value.saved())
    return links.read(path, Path(os.path.relpath(path)).as_posix())
