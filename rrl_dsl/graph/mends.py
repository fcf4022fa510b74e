"""The changes of a call's text that mend it, where an argument does not fit."""

from __future__ import annotations

from rrl_dsl.graph.types import Refusal
from rrl_dsl.language.diagnostics import Edit
from rrl_dsl.language.span import Span
from rrl_dsl.language.syntax import Argument, Call


def mends_of(refusal: Refusal, call: Call, place: Span) -> tuple[Edit, ...]:
    """What mends a call whose arguments were refused.

    Args:
        refusal: Why.
        call: The call.
        place: What the refusal is about.
    """
    if refusal.code == "RRL208":  # the missing argument goes to the end
        end = call.arguments[-1].span.end if call.arguments else call.span.end - 1
        comma = ", " if call.arguments else ""
        return (Edit(Span(end, end), f"{comma}{refusal.instead}"),)
    if refusal.code == "RRL206":
        if refusal.instead is not None:  # it goes by name
            return (Edit(Span(place.start, place.start), f"{refusal.instead}="),)
        surplus = [each for each in call.arguments if each.span.start >= place.start]
        return tuple(without(each, call) for each in surplus)
    if refusal.code in ("RRL207", "RRL303"):
        return tuple(
            without(each, call)
            for each in call.arguments
            if each.name is not None and each.name.text == refusal.instead
        )
    return () if refusal.instead is None else (Edit(place, refusal.instead),)


def without(argument: Argument, call: Call) -> Edit:
    """Takes away an argument with the comma that joins it to its neighbour."""
    at = next(index for index, each in enumerate(call.arguments) if each is argument)
    if at > 0:
        return Edit(Span(call.arguments[at - 1].span.end, argument.span.end), "")
    following = call.arguments[1:2]
    end = following[0].span.start if following else argument.span.end
    return Edit(Span(argument.span.start, end), "")
