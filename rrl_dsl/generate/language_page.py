"""Generates the tables of `docs/language.md`; its prose is written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rrl_dsl.generate.pages import with_tables
from rrl_dsl.generate.toy import call_of
from rrl_dsl.graph.call import Call, Scope
from rrl_dsl.graph.registry import Kind, Parameter, Signature, signatures
from rrl_dsl.graph.types import MODEL_SPACES, Choice, Space

_HEADINGS: Final[dict[Kind, str]] = {
    "source": "| call | relates | scope |\n|---|---|---|",
    "transform": "| call | effect | scope |\n|---|---|---|",
    "schedule": "| call | value |\n|---|---|",
}


def language_page() -> str:
    """Returns the page with up-to-date tables."""
    return with_tables("docs/language.md", _table)


def _table(name: str) -> Iterator[str]:
    kind = next((kind for kind in _HEADINGS if kind == name), None)
    return _types() if kind is None else _calls(kind)


def _types() -> Iterator[str]:
    """The types of parameters and the values that they accept."""
    yield "| type | accepts |"
    yield "|---|---|"
    yield "| Graph | weights >= 0 over the rows of a batch; symmetric unless a call is `directed` |"
    yield "| Transform | Graph -> Graph |"
    yield "| Schedule | a number that depends on the epoch |"
    described: dict[str, str] = {}
    for signature in signatures().values():
        for parameter in signature.parameters:
            if "|" not in parameter.type.name:
                described.setdefault(parameter.type.name, parameter.type.described)
    for type_, text in described.items():
        yield f"| {type_} | {_general(type_, text)} |"
    yield "| a\\|b\\|… | one of these words |"


def _general(type_: str, text: str) -> str:
    """The values that a type accepts, without the bounds of a particular parameter."""
    return {"Int": "an integer", "Float": "a number"}.get(type_, text)


def _calls(kind: Kind) -> Iterator[str]:
    yield _HEADINGS[kind]
    for signature in signatures().values():
        if signature.kind != kind:
            continue
        call = str(signature).replace("|", "\\|")
        cells = [f"[`{call}`](reference/{signature.name}.md)", _what(signature.doc)]
        if kind != "schedule":
            cells.append(_scopes(signature))
        yield f"| {' | '.join(cells)} |"


def _what(doc: str) -> str:
    """The first sentence of the description of a built-in, without its period."""
    explanation = doc.partition("\n\n")[2] or doc
    sentence = re.split(r"(?<=[a-z0-9)`])[.:](?= |$)", explanation)[0]
    return sentence.replace("|", "\\|")


def _scopes(signature: Signature) -> str:
    """The scopes of calls in which at most one argument differs from its default."""
    given = call_of(signature).arguments
    defaults = {
        parameter.name: given[parameter.name] if parameter.required else parameter.default
        for parameter in signature.parameters
    }
    scopes = {Call(signature, defaults).facts.scope}
    for parameter in signature.parameters:
        for value in _alternatives(parameter):
            scopes.add(Call(signature, {**defaults, parameter.name: value}).facts.scope)
    order: tuple[Scope, ...] = ("pair", "dataset", "batch")
    return ", ".join(scope for scope in order if scope in scopes)


def _alternatives(parameter: Parameter) -> tuple[object, ...]:
    if isinstance(parameter.type, Choice):
        return parameter.type.values
    if isinstance(parameter.type, Space):
        return (*MODEL_SPACES, "a field")
    return (1,) if parameter.default is None else ()
