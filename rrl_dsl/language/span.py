"""Where something stands in a text."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

LINE_END: Final = re.compile(r"\r\n|\n|\r")
"""What ends a line, and nothing else does: no form feed, no U+2028."""


class Span(NamedTuple):
    """A half-open range of code points, `start <= i < end`."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of `other`."""
        return Span(self.start, max(self.end, other.end))


@dataclass(frozen=True)
class Source:
    """A text with the name under which messages show it (a path, `<text>`, `--set`).

    Attributes:
        text: The text, or the part of it that messages are about.
        name: What messages call it.
        directory: What the files it names are relative to; None where it lies in no folder.
        first_line: The number of its first line, above 1 where `text` is a part.
        within: The folder that the files it names must lie in; where it is None, `directory` for
            this text, and for a text that it imports the folder of that text.
    """

    text: str
    name: str = "<text>"
    directory: Path | None = None
    first_line: int = 1
    within: Path | None = None

    def unbounded(self) -> Source:
        """The same text, the files of which may lie anywhere."""
        return replace(self, within=Path(Path.cwd().anchor))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """The number of the line and the 1-based column, in code points, of an offset."""
        line = bisect_right(self._line_starts, offset)
        return line + self.first_line - 1, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of the line of that number, without its line break."""
        place = number - self.first_line
        start = self._line_starts[place]
        last = place + 1 == len(self._line_starts)
        end = len(self.text) if last else self._line_starts[place + 1]
        return self.text[start:end].rstrip("\r\n")

    def line_start(self, number: int) -> int:
        """The offset at which the line of that number begins."""
        return self._line_starts[number - self.first_line]

    @property
    def lines(self) -> int:
        """How many lines there are; a line break at the end begins one more."""
        return len(self._line_starts)
