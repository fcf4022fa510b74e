"""The built-ins as Python functions: `rrl.ssl(views=2) | rrl.supervised(frac=0.3)`."""

from __future__ import annotations

from collections.abc import Callable

from rrl_dsl.graph.algebra import Call, Graph, Source, Transform
from rrl_dsl.graph.registry import Signature, bind, signatures
from rrl_dsl.language.diagnostics import Diagnostic, RRLError


def functions() -> dict[str, Callable[..., Graph | Transform]]:
    """One function for each built-in, by name."""
    return {name: _function(signature) for name, signature in signatures().items()}


def _function(signature: Signature) -> Callable[..., Graph | Transform]:
    def call(*positional: object, **named: object) -> Graph | Transform:
        arguments, refusals = bind(signature, positional, named)
        if refusals:
            raise RRLError(Diagnostic(each.code, each.message, hint=each.hint) for each in refusals)
        made = Call(signature, arguments)
        return Source(made) if signature.kind == "source" else Transform((made,))

    call.__name__ = call.__qualname__ = signature.name
    call.__doc__ = f"{signature.doc}\n\n`{signature}`"
    call.__module__ = "rrl_dsl"
    return call
