"""One diagnostic, built in one place; rendered as text or as JSON.

Everything that is the user's to mend, from a stray comma to a missing data set, is an
`RRLError` that carries one or more `Diagnostic`s.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from rrl_dsl.language.codes import CODES
from rrl_dsl.language.span import Source, Span

MAX_DIAGNOSTICS = 100
_EXCERPT_WIDTH = 100
_CANDIDATES = 250
_LONG_QUOTE = re.compile(r"`([^`]{120})[^`]{20,}?([^`]{40})`")  # paths stay whole


class Edit(NamedTuple):
    """A change of a text: what stands at `span` becomes `text`; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """What is wrong, where, and how to fix it.

    Attributes:
        code: A key of `CODES`.
        message: One sentence that names what was found and what would fit.
        span: The place in `source`, or None where there is no text to point at.
        source: The text that `span` refers to.
        hint: The mend in words, where one is known.
        severity: `error` or `warning`.
        edits: The mend as changes of `source`, for tools that apply it.
    """

    code: str
    message: str
    span: Span | None = None
    source: Source | None = None
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(self.code)

    def render(self) -> str:
        """The diagnostic as a person reads it, with the source line and carets."""
        message = _LONG_QUOTE.sub(r"`\1…\2`", self.message)
        lines = [f"{self.severity}[{self.code}]: {printable(message)}"]
        margin = " "
        if self.span is not None and self.source is not None:
            line, column = self.source.position(self.span.start)
            margin = " " * len(str(line))
            text, carets = _excerpt(self.source.line(line), column - 1, self.span)
            lines += [
                f"{margin}--> {printable(self.source.name)}:{line}:{column}",
                f"{margin} |",
                f"{line} | {text}",
                f"{margin} | {carets}",
            ]
        elif self.source is not None:
            lines.append(f"{margin}--> {printable(self.source.name)}")
        if self.hint is not None:
            lines.append(f"{margin} = help: {printable(self.hint)}")
        return "\n".join(lines)

    def as_warning(self) -> Diagnostic:
        """The same, where it does not stop what was asked for."""
        return replace(self, severity="warning")

    def to_dict(self) -> dict[str, Any]:
        """The diagnostic as plain data; lines and columns are 1-based code points."""
        record: dict[str, Any] = {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
            "file": self.source.name if self.source else None,
        }
        if self.span is not None and self.source is not None:
            record |= _range(self.source, self.span)
        if self.edits and self.source is not None:
            record["fix"] = [
                {**_range(self.source, edit.span), "text": edit.text} for edit in self.edits
            ]
        return record


class RRLError(Exception):
    """One or more diagnostics that stop what was asked for."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        self.diagnostics: tuple[Diagnostic, ...] = found
        super().__init__(found)

    def __str__(self) -> str:
        return "\n\n".join(diagnostic.render() for diagnostic in self.diagnostics)

    def __reduce__(self) -> tuple[type[RRLError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


def error(code: str, message: str, *, hint: str | None = None) -> RRLError:
    """An error that has no place in a text (a value from Python, a missing file)."""
    return RRLError(Diagnostic(code, message, hint=hint))


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by place, without repeats, cut at `MAX_DIAGNOSTICS` with a note that says so.

    What is about one file stands together, the files in the order in which they first came up.
    """
    unique = dict.fromkeys(diagnostics)
    files = {source: at for at, source in enumerate(dict.fromkeys(d.source for d in unique))}
    files[None] = -1  # what has no place comes first
    ordered = sorted(unique, key=lambda d: (files[d.source], d.span.start if d.span else -1))
    if len(ordered) <= MAX_DIAGNOSTICS:
        return ordered
    left = len(ordered) - MAX_DIAGNOSTICS + 1
    note = Diagnostic("RRL019", f"{left} more errors are not shown", source=ordered[0].source)
    return [*ordered[: MAX_DIAGNOSTICS - 1], note]


def folded(word: str) -> str:
    """The word without its case and without the signs between its parts: `NT-Xent` is `ntxent`."""
    return re.sub(r"[-_. ]", "", word).lower()


def nearest(word: str, known: Sequence[str], *, likeness: float = 0.6) -> str | None:
    """The known word nearest to `word`, or None where none is as like as that, from 0 to 1."""
    import difflib  # costs more than the rest of this module, and only a mistake needs it

    candidates = known[:_CANDIDATES]  # comparing with thousands would take seconds
    if same := [each for each in candidates if folded(each) == folded(word) != ""]:
        return same[0]
    found = difflib.get_close_matches(word.lower()[:64], candidates, n=1, cutoff=likeness)
    return found[0] if found else None


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """A hint with the known word nearest to `word`, or None where none is near."""
    found = nearest(word, known)
    return f"did you mean `{found}`?" if found else None


def listing(names: Iterable[str]) -> str:
    """Names as a phrase: `a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def printable(text: str, *, but: str = "") -> str:
    """The text on one line with invisible characters escaped, which show and move no cursor.

    Args:
        text: A text of a user.
        but: What stays as it is, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in but else ascii(char)[1:-1] for char in text
    )


def _range(source: Source, span: Span) -> dict[str, Any]:
    """The ends of a span as 1-based lines and columns."""
    ends: dict[str, Any] = {}
    for key, offset in (("start", span.start), ("end", span.end)):
        line, column = source.position(offset)
        ends[key] = {"line": line, "column": column}
    return ends


def _excerpt(line: str, column: int, span: Span) -> tuple[str, str]:
    """The part of a line around a 0-based column, and the carets below it."""
    width = max(1, min(span.end - span.start, len(line) - column))
    start = 0
    if column + width > _EXCERPT_WIDTH:
        start = max(0, column - _EXCERPT_WIDTH // 3)
    shown = line[start : start + _EXCERPT_WIDTH]
    head = "…" if start else ""
    tail = "…" if start + _EXCERPT_WIDTH < len(line) else ""
    width = max(1, min(width, start + _EXCERPT_WIDTH - column))
    flat = "".join(" " if char == "\t" else char if char.isprintable() else "?" for char in shown)
    before, marked = flat[: column - start], flat[column - start : column - start + width]
    indent = len(head) + _columns(before)
    return f"{head}{flat}{tail}", " " * indent + "^" * max(1, _columns(marked))


def _columns(text: str) -> int:
    """How many columns a terminal gives a text: two for a wide character, none for an accent."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
