"""Relational Representation Learning: a language for the target graph, its compiler and losses.

    import rrl_dsl as rrl

    graph = rrl.ssl(views=2) | rrl.supervised(frac=0.3, labels="coarse")
    program = rrl.compile(graph)

Importing this package imports nothing further; each name is loaded on first use, and torch only by
what needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__version__ = "0.1.0"

PUBLIC: Final = {
    **{
        name: ("rrl_dsl.graph.builtin", name)
        for name in (
            "Adds",
            "Count",
            "Fraction",
            "Index",
            "LabelField",
            "NonNegative",
            "NumberField",
            "Positive",
            "Probability",
            "Real",
            "Scheduled",
            "Seed",
            "SpaceOrField",
            "VectorField",
            "source",
            "transform",
        )
    },
    **{name: ("rrl_dsl.graph.recording", name) for name in ("Mask", "Weight")},
    "Pair": ("rrl_dsl.graph.pair", "Pair"),
    **{
        name: ("rrl_dsl.graph.stage", name)
        for name in ("BatchRows", "Lookup", "LookupTable", "SampleColumns", "Stage")
    },
    "Bank": ("rrl_dsl.models.bank", "Bank"),
    "Batch": ("rrl_dsl.data.batches", "Batch"),
    "DataSet": ("rrl_dsl.data.dataset", "DataSet"),
    "Split": ("rrl_dsl.data.dataset", "Split"),
    "Run": ("rrl_dsl.training.results", "Run"),
    "train": ("rrl_dsl.training.train", "train"),
    "Config": ("rrl_dsl.training.config", "Config"),
    "EdgeStatistics": ("rrl_dsl.training.callbacks", "EdgeStatistics"),
    "Graph": ("rrl_dsl.graph.algebra", "Graph"),
    "Network": ("rrl_dsl.models.network", "Network"),
    "Nodes": ("rrl_dsl.backends.nodes", "Nodes"),
    "Program": ("rrl_dsl.backends.program", "Program"),
    "RRLError": ("rrl_dsl.language.diagnostics", "RRLError"),
    "Relation": ("rrl_dsl.backends.relation", "Relation"),
    "RelationalModule": ("rrl_dsl.training.module", "RelationalModule"),
    "Schedule": ("rrl_dsl.graph.schedule", "Schedule"),
    "Transform": ("rrl_dsl.graph.call", "Transform"),
    "compile": ("rrl_dsl.backends.program", "compile"),
    "load": ("rrl_dsl.graph.recipe", "load"),
    "load_encoder": ("rrl_dsl.training.trained_encoder", "load_encoder"),
    "losses": ("rrl_dsl.losses", None),
    "parse": ("rrl_dsl.graph.recipe", "parse"),
}
"""Name -> the module it lies in and its name there, or None for the module itself."""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*PUBLIC, *_built_ins()]
    if name in PUBLIC:
        module, attribute = PUBLIC[name]
        loaded = import_module(module)
        globals()[name] = getattr(loaded, attribute) if attribute else loaded
        return globals()[name]
    if name.startswith("_") or name not in (functions := _built_ins()):
        raise AttributeError(_missing(name))
    globals().update(functions)
    return functions[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC, *_built_ins()})


def _missing(name: str) -> str:
    message = f"module `rrl_dsl` has no attribute `{name}`"
    if name.startswith("_"):
        return message
    suggestion = import_module("rrl_dsl.language.diagnostics").did_you_mean(name, __dir__())
    return f"{message}; {suggestion}" if suggestion else message


def _built_ins() -> dict[str, Any]:
    """The built-ins of the language as Python functions."""
    functions: dict[str, Any] = import_module("rrl_dsl.graph.builtin").functions()
    return functions
