"""Collects the errors of a file while it is resolved, with the edits that fix them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from rrl_dsl.graph.symbols import POISON, Meaning, Poison, Resolution
from rrl_dsl.graph.types import Refusal
from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.edits import cut
from rrl_dsl.language.files import near_file
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.syntax import Argument, Call


@dataclass
class Reports:
    """The errors of one file.

    Attributes:
        source: The text.
        resolution: The result of resolving the file, which receives the errors.
    """

    source: Source
    resolution: Resolution

    def noted(self, span: Span, meaning: Meaning) -> Meaning:
        """Records the meaning of a place, for tools."""
        self.resolution.meanings[span] = meaning
        return meaning

    def quoted(self, span: Span, otherwise: str) -> str:
        """The text of a place, for a hint; `otherwise` if it is long or has several lines."""
        text = self.source.text[span.start : span.end]
        return text if len(text) <= 60 and text.isprintable() else otherwise

    def refused(self, refusal: Refusal, span: Span, instead: str | None = None) -> Poison:
        """Reports a refusal, with `instead` or its own replacement as the fix."""
        instead = refusal.replacement if instead is None else instead
        if refusal.code == "RRL025" and any(
            fault.code == "RRL025" for fault in self.resolution.faults
        ):
            return POISON  # reported already: every further import is one too many
        edits = replaced(span, instead)
        return self.report(refusal.code, refusal.message, span, refusal.hint, edits)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> Poison:
        """Reports an error with the edits that fix it; the value of what has the error."""
        fault = Diagnostic(code, message, span, self.source, hint, edits=edits)
        self.resolution.faults.append(fault)
        return POISON

    def adopt(
        self, diagnostics: tuple[Diagnostic, ...], span: Span, path: Path, literal: Span | None
    ) -> None:
        """Reports the errors of another file; those without a span are shown at `span`.

        Args:
            diagnostics: The errors.
            span: The place that names the file.
            path: The path of the file.
            literal: The string with its name, if there is one.
        """
        near, hint = near_file(path), None
        edits: tuple[Edit, ...] = ()
        if near is not None and literal is not None:
            text = self.source.text[literal.start : literal.end]
            meant = PurePath(text[1:-1]).with_name(near.name).as_posix()
            hint = f"did you mean `{meant}`?"
            edits = replaced(literal, f"{text[0]}{meant}{text[-1]}")
        for diagnostic in diagnostics:
            if diagnostic.source is not None:
                self.resolution.faults.append(diagnostic)
            else:
                known = hint or diagnostic.hint
                self.report(diagnostic.code, diagnostic.message, span, known, edits)


def replaced(span: Span, instead: str | None) -> tuple[Edit, ...]:
    """The edit that replaces a span; none without a replacement."""
    return () if instead is None else (Edit(span, instead),)


def edits_of(
    refusal: Refusal, call: Call, given: Mapping[int | str, Argument], place: Span, source: Source
) -> tuple[Edit, ...]:
    """The edits that fix a call whose arguments were refused.

    Args:
        refusal: The refusal.
        call: The call.
        given: Its arguments by position and name.
        place: The place of the refusal.
        source: The text.
    """
    if refusal.missing is not None:
        end = call.arguments[-1].span.end if call.arguments else call.span.end - 1
        comma = ", " if call.arguments else ""
        return (Edit(Span(end, end), f"{comma}{refusal.missing}"),)
    if refusal.names:
        assert isinstance(refusal.at, int)
        return tuple(named(given[at], name) for at, name in enumerate(refusal.names, refusal.at))
    if refusal.remove:
        surplus = (given[key] for key in refusal.remove if key in given)
        return tuple(edit for argument in surplus for edit in without(argument, call, source))
    return replaced(place, refusal.replacement)


def named(argument: Argument, name: str) -> Edit:
    """Gives an argument by name."""
    return Edit(Span(argument.span.start, argument.span.start), f"{name}=")


def without(argument: Argument, call: Call, source: Source) -> tuple[Edit, ...]:
    """Removes an argument with the comma next to it."""
    at = bisect_left(call.arguments, argument.span.start, key=lambda other: other.span.start)
    if at > 0:
        return cut(source, Span(call.arguments[at - 1].span.end, argument.span.end))
    following = call.arguments[1:2]
    end = following[0].span.start if following else argument.span.end
    return cut(source, Span(argument.span.start, end))
