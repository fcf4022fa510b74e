"""The changes of a call's text that mend it, where an argument does not fit."""

from __future__ import annotations

from rrl_dsl.graph.types import Refusal
from rrl_dsl.language.diagnostics import Edit
from rrl_dsl.language.edits import cut
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.syntax import Argument, Call


def mends_of(refusal: Refusal, call: Call, place: Span, source: Source) -> tuple[Edit, ...]:
    """What mends a call whose arguments were refused.

    Args:
        refusal: Why.
        call: The call.
        place: What the refusal is about.
        source: The text.
    """
    if refusal.code == "RRL208":  # the missing arguments go to the end
        end = call.arguments[-1].span.end if call.arguments else call.span.end - 1
        comma = ", " if call.arguments else ""
        return (Edit(Span(end, end), f"{comma}{refusal.instead}"),)
    if refusal.code == "RRL206":
        surplus = [each for each in call.arguments if each.span.start >= place.start]
        if refusal.instead is not None:
            names = zip(refusal.instead.split(), surplus, strict=False)
            return tuple(named(argument, name) for name, argument in names)
        unnamed = (each for each in surplus if each.name is None)
        return tuple(edit for each in unnamed for edit in without(each, call, source))
    if refusal.code in ("RRL207", "RRL303"):
        return tuple(
            edit
            for each in call.arguments
            if each.name is not None and each.name.text == refusal.instead
            for edit in without(each, call, source)
        )
    return () if refusal.instead is None else (Edit(place, refusal.instead),)


def named(argument: Argument, name: str) -> Edit:
    """Gives an argument by name."""
    return Edit(Span(argument.span.start, argument.span.start), f"{name}=")


def without(argument: Argument, call: Call, source: Source) -> tuple[Edit, ...]:
    """Takes away an argument with the comma that joins it to its neighbour."""
    at = next(index for index, each in enumerate(call.arguments) if each is argument)
    if at > 0:
        return cut(source, Span(call.arguments[at - 1].span.end, argument.span.end))
    following = call.arguments[1:2]
    end = following[0].span.start if following else argument.span.end
    return cut(source, Span(argument.span.start, end))
