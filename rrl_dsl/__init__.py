"""Relational Representation Learning: a language for the target graph, its compiler and losses.

    import rrl_dsl as rrl

    graph = rrl.ssl(views=2) | rrl.supervised(frac=0.3, labels="coarse")
    program = rrl.compile(graph)

Importing this package imports no torch; what needs it is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rrl_dsl.backends.program import Program, compile  # noqa: A004  (rrl.compile)
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.functions import functions
from rrl_dsl.graph.recipe import load, parse
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.language.diagnostics import RRLError

__version__ = "0.1.0"

globals().update(functions())

_LAZY = {
    "Nodes": ("rrl_dsl.backends.nodes", "Nodes"),
    "Relation": ("rrl_dsl.backends.relation", "Relation"),
    "losses": ("rrl_dsl.losses", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module `rrl_dsl` has no attribute `{name}`")
    module, attribute = _LAZY[name]
    value = import_module(module)
    globals()[name] = getattr(value, attribute) if attribute else value
    return globals()[name]


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])


__all__ = [
    "Graph",
    "Nodes",
    "Program",
    "RRLError",
    "Relation",
    "Schedule",
    "Transform",
    "compile",
    "load",
    "losses",
    "parse",
    *functions(),
]
