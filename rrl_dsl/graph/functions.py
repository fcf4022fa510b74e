"""The built-ins as Python functions: `rrl.ssl(views=2) | rrl.supervised(frac=0.3)`."""

from __future__ import annotations

from collections.abc import Callable

from rrl_dsl.graph.algebra import Graph, Source
from rrl_dsl.graph.call import Call, Transform
from rrl_dsl.graph.registry import Arguments, Signature, bind, signatures
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.language.diagnostics import Diagnostic, RRLError

Made = Graph | Transform | Schedule


def functions() -> dict[str, Callable[..., Made]]:
    """One function for each built-in, by name."""
    return {name: as_function(signature) for name, signature in signatures().items()}


def as_function(signature: Signature) -> Callable[..., Made]:
    """A built-in as a Python function."""

    def call(*positional: object, **named: object) -> Made:
        arguments, refusals = bind(signature, positional, named)
        if refusals:
            raise RRLError(Diagnostic(each.code, each.message, hint=each.hint) for each in refusals)
        return make(signature, arguments)

    call.__name__ = call.__qualname__ = signature.name
    call.__doc__ = f"{signature.doc}\n\n`{signature}`"
    call.__module__ = "rrl_dsl"  # by which messages know a built-in
    return call


def make(signature: Signature, arguments: Arguments) -> Made:
    """What a call with bound arguments denotes."""
    match signature.kind:
        case "source":
            return Source(Call(signature, arguments))
        case "transform":
            return Transform((Call(signature, arguments),))
        case "schedule":
            *_, last = (arguments[each.name] for each in signature.parameters)
            return Schedule(signature.name, arguments["start"], arguments["end"], last)
