"""Where errors go while a file is resolved, and what mends them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

from rrl_dsl.graph.symbols import POISON, Meaning, Poison, Resolution
from rrl_dsl.graph.types import Refusal
from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.files import near_file
from rrl_dsl.language.span import Source, Span


@dataclass
class Reports:
    """The errors of one file.

    Attributes:
        source: The text.
        found: Where they are kept, with everything else that is found in it.
    """

    source: Source
    found: Resolution

    def noted(self, span: Span, meaning: Meaning) -> Meaning:
        """Keeps what a place denotes, for tools."""
        self.found.meanings[span] = meaning
        return meaning

    def quoted(self, span: Span, otherwise: str) -> str:
        """What was written, for a hint; something else where it is long or fills several lines."""
        text = self.source.text[span.start : span.end]
        return text if len(text) <= 60 and text.isprintable() else otherwise

    def refused(self, refusal: Refusal, span: Span, instead: str | None = None) -> Poison:
        """Keeps a refusal as an error at a place; `instead` mends it, or else what it says."""
        instead = refusal.instead if instead is None else instead
        if refusal.code == "RRL025" and any(each.code == "RRL025" for each in self.found.faults):
            return POISON  # every further import is one too many
        self.report(refusal.code, refusal.message, span, refusal.hint, replaced(span, instead))
        return POISON

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        """Keeps an error with what mends it."""
        fault = Diagnostic(code, message, span, self.source, hint, edits=edits)
        self.found.faults.append(fault)

    def adopt(
        self, diagnostics: tuple[Diagnostic, ...], span: Span, path: Path, literal: Span | None
    ) -> None:
        """Keeps the errors of a file; those that have no place of their own stand at `span`.

        Args:
            diagnostics: The errors.
            span: Where the file is named.
            path: Where it should lie.
            literal: The quoted text of its name, if there is one.
        """
        near = near_file(path)
        for each in diagnostics:
            if each.source is not None:
                self.found.faults.append(each)
            elif near is None or literal is None:
                self.report(each.code, each.message, span, each.hint)
            else:
                text = self.source.text[literal.start : literal.end]
                meant = PurePath(text[1:-1]).with_name(near.name).as_posix()
                edits = (Edit(literal, f"{text[0]}{meant}{text[-1]}"),)
                self.report(each.code, each.message, span, f"did you mean `{meant}`?", edits)


def replaced(span: Span, instead: str | None) -> tuple[Edit, ...]:
    """The mend that puts something in the place of what stands there, if anything is known."""
    return () if instead is None else (Edit(span, instead),)
