"""Signature help: the call at a place, and the argument that is being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.place import place_around
from rrl_dsl.editor.words import parameter_in_words
from rrl_dsl.graph.call import literal
from rrl_dsl.graph.registry import signatures

TRIGGERS: Final = ("(", ",", "=")


def signature_help(analysis: Analysis, offset: int) -> types.SignatureHelp | None:
    """Returns the signature of the call around an offset."""
    place = place_around(analysis, offset)
    call = place.call if place is not None else None
    if call is None:
        return None
    signature = signatures().get(call.name)
    if signature is not None:
        parameter = call.parameter(signature)
        active = None if parameter is None else str(parameter)
        docs = {
            str(parameter): f"{parameter_in_words(parameter)}. {parameter.doc}"
            for parameter in signature.parameters
        }
        return _help(str(signature), signature.headline, docs, active)
    definition = analysis.resolution.definitions.get(call.name)
    if definition is None or definition.kind != "import":
        return None
    parameters = analysis.parameters_of(definition)
    shown = {name: f"{name}={literal(parameter.default)}" for name, parameter in parameters.items()}
    docs = dict.fromkeys(shown.values(), f"A parameter of `{call.name}`.")
    active = shown.get(call.argument.name or "")
    return _help(f"{call.name}({', '.join(docs)})", "An imported recipe.", docs, active)


def _help(
    label: str, doc: str, parameters: Mapping[str, str], active: str | None
) -> types.SignatureHelp:
    """The help for one signature.

    Args:
        label: The signature.
        doc: Its documentation.
        parameters: The text of each parameter in the label, in order, with its documentation.
        active: The parameter that is being written; None if no parameter fits.
    """
    described: list[types.ParameterInformation] = []
    end = label.index("(")
    for text, about in parameters.items():
        start = label.index(text, end)
        end = start + len(text)
        markdown = types.MarkupContent(types.MarkupKind.Markdown, about)
        described.append(types.ParameterInformation((start, end), markdown))
    names = list(parameters)
    # an index past the last means no parameter
    at = names.index(active) if active is not None else len(names)
    markdown = types.MarkupContent(types.MarkupKind.Markdown, doc)
    information = types.SignatureInformation(label, markdown, described, active_parameter=at)
    return types.SignatureHelp([information], active_signature=0, active_parameter=at)
