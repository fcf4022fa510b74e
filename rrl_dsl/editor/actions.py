"""Code actions that fix errors: one at a time, or all that do not overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from lsprotocol import types

from rrl_dsl.editor.diagnostics import own_faults, shown
from rrl_dsl.editor.documents import Document, Documents
from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.edits import line_edits
from rrl_dsl.language.span import LINE_END, Span

MAX_ROUNDS: Final = 10
FIX_ALL: Final = "Fix all auto-fixable problems"

_Kind = types.CodeActionKind


def actions_in(
    documents: Documents, document: Document, span: Span, only: Sequence[str] | None
) -> list[types.CodeAction]:
    """Returns the fixes of the errors that touch a span.

    Args:
        documents: The open texts.
        document: The document.
        span: The span.
        only: The kinds of actions to return, including their subkinds; None for all.
    """
    actions: list[types.CodeAction] = []
    if _wanted(_Kind.QuickFix, only):
        actions += _quick_fixes(documents, document, span)
    if _wanted(_Kind.SourceFixAll, only):
        actions += _fix_all(documents, document)
    return actions


def _wanted(kind: str, only: Sequence[str] | None) -> bool:
    return only is None or any(kind == prefix or kind.startswith(f"{prefix}.") for prefix in only)


def _quick_fixes(
    documents: Documents, document: Document, span: Span
) -> Iterator[types.CodeAction]:
    analysis = documents.analyzed(document)
    for fault in own_faults(analysis):
        place = fault.span or Span(0, 0)
        if fault.edits and place.start <= span.end and span.start <= place.end:
            hint = fault.hint or fault.message
            yield types.CodeAction(
                f"{hint[0].upper()}{hint[1:]}",
                kind=_Kind.QuickFix,
                diagnostics=[shown(analysis, fault)],
                is_preferred=True,
                edit=_edit(documents, document, fault.edits),
            )


def _fix_all(documents: Documents, document: Document) -> Iterator[types.CodeAction]:
    """Fixes all errors, and those that appear then, if fewer errors remain."""
    first = fixed = documents.analyzed(document)
    for _ in range(MAX_ROUNDS):
        edits = _together(own_faults(fixed))
        if not edits:
            break
        source, text = fixed.source, fixed.source.text
        for edit in reversed(edits):
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        source = replace(source, text=text)
        fixed = documents.analyze(source, documents.texts)
    if len(own_faults(fixed)) < len(own_faults(first)):
        changes = line_edits(first.source.text, LINE_END.sub("\n", fixed.source.text))
        edit_ = _edit(documents, document, changes)
        yield types.CodeAction(FIX_ALL, kind=_Kind.SourceFixAll, edit=edit_)


def _together(faults: Iterable[Diagnostic]) -> list[Edit]:
    chosen: list[Edit] = []
    for fault in faults:
        if not any(_touch(one, other) for one in fault.edits for other in chosen):
            chosen += fault.edits
    return sorted(chosen, key=lambda edit: edit.span)


def _touch(one: Edit, other: Edit) -> bool:
    """Whether two edits overlap or touch."""
    return one.span.start <= other.span.end and other.span.start <= one.span.end


def _edit(documents: Documents, document: Document, edits: Iterable[Edit]) -> types.WorkspaceEdit:
    positions = documents.analyzed(document).positions
    changes = [types.TextEdit(positions.range(edit.span), edit.text) for edit in edits]
    return documents.edit({document.uri: changes})
