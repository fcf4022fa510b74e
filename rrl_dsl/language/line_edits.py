"""The lines by which two texts differ, whatever ends them."""

from __future__ import annotations

from difflib import SequenceMatcher

from rrl_dsl.language.diagnostics import Edit
from rrl_dsl.language.span import LINE_END, Span


def with_ends_kept(before: str, after: str) -> str:
    """A text with the content of `after`, whose lines end as those of `before` do.

    Args:
        before: The text as it is.
        after: The text as it shall be, but for its line ends, which are LF.
    """
    if "\r" not in before:
        return after
    text = before
    for edit in reversed(line_edits(before, after)):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


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
