"""The changes that bring a text into the one style of the language."""

from __future__ import annotations

from difflib import SequenceMatcher

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.language.diagnostics import Edit, RRLError
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import LINE_END, Span


def formatting(analysis: Analysis) -> list[types.TextEdit] | None:
    """Changes of whole lines; None where the text has errors of syntax or is too large.

    How lines end is the editor's to say: they stay as they are, and new ones end as the first does.
    """
    try:
        formatted = format_text(analysis.source)
    except RRLError:
        return None
    text = analysis.source.text
    return [
        types.TextEdit(analysis.positions.range(edit.span), edit.text)
        for edit in line_edits(text, formatted)
    ]


def line_edits(before: str, after: str) -> list[Edit]:
    """The lines to change so that a text becomes another, whose line ends are LF.

    Args:
        before: The text.
        after: What it shall be, but for the ends of its lines.
    """
    ends = list(LINE_END.finditer(before))
    end = ends[0][0] if ends else "\n"
    starts = [0, *(each.end() for each in ends)]
    stops = [*(each.start() for each in ends), len(before)]
    old = [before[start:stop] for start, stop in zip(starts, stops, strict=True)]
    new = after.split("\n")
    edits: list[Edit] = []
    for kind, first, last, low, high in SequenceMatcher(None, old, new).get_opcodes():
        text = end.join(new[low:high])
        if kind == "replace":
            edits.append(Edit(Span(starts[first], stops[last - 1]), text))
        elif kind == "insert":
            at_end = first == len(old)
            place = len(before) if at_end else starts[first]
            edits.append(Edit(Span(place, place), end + text if at_end else text + end))
        elif kind == "delete":
            at_end = last == len(old)
            stop = len(before) if at_end else starts[last]
            edits.append(Edit(Span(stops[first - 1] if at_end else starts[first], stop), ""))
    return edits
