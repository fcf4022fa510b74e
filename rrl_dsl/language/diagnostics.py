"""Diagnostics, rendered as text or as JSON.

Every problem that the user can fix, from a stray comma to a missing dataset, is an `RRLError` with
one or more `Diagnostic`s.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from rrl_dsl.language.codes import CODES
from rrl_dsl.language.span import Source, Span

MAX_DIAGNOSTICS = 100
_EXCERPT_WIDTH = 100
_CANDIDATES = 250
_LONG_QUOTE = re.compile(r"`([^`]{120})[^`]{20,}?([^`]{40})`")  # paths stay whole


class Edit(NamedTuple):
    """Replaces the text at `span` by `text`; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """A problem, its position and its fix.

    Attributes:
        code: A key of `CODES`.
        message: One sentence that says what is wrong and what is expected.
        span: The position in `source`; None if there is no text to point at.
        source: The text that `span` refers to.
        hint: The fix in words, if one is known.
        severity: `error` or `warning`.
        edits: The fix as edits of `source`, for tools that apply it.
        settings: The settings of a run that may cause the problem, the likeliest first.
    """

    code: str
    message: str
    span: Span | None = None
    source: Source | None = None
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    edits: tuple[Edit, ...] = ()
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(self.code)

    def render(self) -> str:
        """Returns the diagnostic as text, with the source line and carets."""
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
        """Returns the same diagnostic as a warning."""
        return replace(self, severity="warning")

    def to_dict(self) -> dict[str, Any]:
        """Returns the diagnostic as plain data; lines and columns count code points from 1."""
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
    """One or more diagnostics that end an operation."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        if isinstance(diagnostics, Diagnostic):
            diagnostics = (diagnostics,)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(diagnostic.render() for diagnostic in self.diagnostics)

    def __reduce__(self) -> tuple[type[RRLError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


def error(
    code: str, message: str, *, hint: str | None = None, settings: tuple[str, ...] = ()
) -> RRLError:
    """Returns an error without a position in a text, such as that of a missing file.

    A run points the error at the first of the `settings` that the user set.
    """
    return RRLError(Diagnostic(code, message, hint=hint, settings=settings))


@contextmanager
def collected(faults: list[Diagnostic]) -> Iterator[None]:
    """Adds the diagnostics of an error to `faults` in place of raising it."""
    try:
        yield
    except RRLError as problem:
        faults += problem.diagnostics


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorts diagnostics by file and position and removes duplicates.

    Files keep the order of their first diagnostic. If there are more than `MAX_DIAGNOSTICS`, the
    last one says how many are left out.
    """
    unique = dict.fromkeys(diagnostics)
    files = {source: at for at, source in enumerate(dict.fromkeys(d.source for d in unique))}
    files[None] = -1  # diagnostics without a file come first
    ordered = sorted(unique, key=lambda d: (files[d.source], d.span.start if d.span else -1))
    if len(ordered) <= MAX_DIAGNOSTICS:
        return ordered
    left = len(ordered) - MAX_DIAGNOSTICS + 1
    note = Diagnostic("RRL019", f"{left} more errors are not shown", source=ordered[0].source)
    return [*ordered[: MAX_DIAGNOSTICS - 1], note]


def folded(word: str) -> str:
    """Returns a word in lower case without separators: `NT-Xent` becomes `ntxent`."""
    return re.sub(r"[-_. ]", "", word).lower()


def nearest(word: str, known: Sequence[str], *, likeness: float = 0.6) -> str | None:
    """Returns the known word most similar to `word`.

    Args:
        word: A word, perhaps misspelled.
        known: The words to choose from.
        likeness: The least similarity, from 0 to 1.

    Returns:
        A known word; None if none is similar enough.
    """
    import difflib  # loads slower than the rest of this module, and only errors need it

    candidates = known[:_CANDIDATES]  # comparing with thousands would take seconds
    if same := [name for name in candidates if folded(name) == folded(word) != ""]:
        return same[0]
    matches = difflib.get_close_matches(word.lower()[:64], candidates, n=1, cutoff=likeness)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Returns a hint with the known word most similar to `word`; None if none is similar."""
    meant = nearest(word, known)
    return f"did you mean `{meant}`?" if meant else None


def listing(names: Iterable[str], last: Literal["or", "and"] = "or") -> str:
    """Returns names as a phrase: `a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def printable(text: str, *, but: str = "") -> str:
    """Returns a text with its control and invisible characters escaped.

    Args:
        text: A text from a user.
        but: The characters that are not escaped, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in but else ascii(char)[1:-1] for char in text
    )


def _range(source: Source, span: Span) -> dict[str, Any]:
    """The ends of a span as lines and columns, from 1."""
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
    """The width of a text in a terminal: a wide character has two columns, an accent none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
